//! The seam where a user plugs in a decision maker.
//!
//! A [`Policy`] turns what is known at a policy step into a request; it can neither see nor touch a register. Networks
//! implement [`Actor`] and become policies through [`ActorPolicy`].

use crate::action::Action;
use crate::equipment::Plant;
use crate::extended;
use crate::forecast::Forecast;
use crate::memory::ControlMemory;
use crate::observation::{Divisors, Observation, Schema};
use crate::planner::PlanSummary;
use crate::series::Known;
use crate::setpoints::Setpoints;
use crate::situation::Situation;

/// Everything a policy may look at.
#[derive(Debug, Clone, Copy)]
pub struct PolicyInput<'a> {
    /// The plant's ratings and limits.
    pub plant: &'a Plant,
    /// Measurements of this step.
    pub situation: &'a Situation,
    /// Last set-points and timers.
    pub memory: &'a ControlMemory,
    /// What is known of the past and of the hours ahead.
    pub known: &'a dyn Known,
}

impl PolicyInput<'_> {
    /// The observation of a schema with its divisors.
    #[must_use]
    pub fn observe(&self, schema: Schema, divisors: &Divisors) -> Observation {
        match schema {
            Schema::TenD => Observation::ten_d(self.situation, self.memory.chp_on(), divisors),
            Schema::Extended => {
                extended::observe(self.situation, self.memory, self.known, self.plant.steps_per_hour(), divisors)
            }
        }
    }
}

/// What a policy asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request {
    /// What the network saw, if there is one.
    pub observation: Option<Observation>,
    /// What came out of the network, if there is one.
    pub action: Option<Action>,
    /// The wanted powers.
    pub setpoints: Setpoints,
    /// The good rule decided in the network's stead, see [`crate::guard`].
    pub outside_tariff: bool,
}

/// Why there is no request. The caller falls back to the next policy of its chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The network's output is not a number.
    #[error("the actor returned a value that is not finite")]
    NotFinite,
    /// The runtime failed.
    #[error("the actor's runtime failed: {0}")]
    Runtime(String),
    /// The forecaster was fitted for another plant's steps.
    #[error("the forecaster was fitted for steps of {fitted_ms} ms, the plant's have {plant_ms} ms")]
    StepLength {
        /// Of the coefficients.
        fitted_ms: i64,
        /// Of the plant.
        plant_ms: i64,
    },
}

/// Decides what is wanted, once per policy step.
pub trait Policy: Send {
    /// Short name for journals and tables.
    fn name(&self) -> &str;
    /// The request for this step.
    ///
    /// # Errors
    /// See [`PolicyError`]; nothing has been changed then.
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError>;
    /// The plan behind the last request, if the policy plans.
    fn plan(&self) -> Option<&PlanSummary> {
        None
    }
    /// The forecast behind the last request, if the policy forecasts: a value for each of the plant's steps.
    fn forecast(&self) -> Option<&Forecast> {
        None
    }
}

/// A network: observation in, action out.
pub trait Actor: Send {
    /// Short name for journals and tables.
    fn name(&self) -> &str;
    /// The schema that it was trained with.
    fn schema(&self) -> Schema;
    /// The divisors that it was trained with.
    fn divisors(&self) -> Divisors {
        Divisors::VERSION_1
    }
    /// Three numbers in [-1, 1].
    ///
    /// # Errors
    /// The runtime failed.
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError>;
}

/// A network as a policy.
#[derive(Debug)]
pub struct ActorPolicy<A>(pub A);

/// A network that was trained with other divisors than those of version 1.
#[derive(Debug, Clone)]
pub struct WithDivisors<A> {
    /// The network that is asked; its schema says what it sees.
    pub actor: A,
    /// What it was trained with.
    pub divisors: Divisors,
}

impl<A: Actor> Actor for WithDivisors<A> {
    fn name(&self) -> &str {
        self.actor.name()
    }
    fn schema(&self) -> Schema {
        self.actor.schema()
    }
    fn divisors(&self) -> Divisors {
        self.divisors
    }
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError> {
        self.actor.infer(observation)
    }
}

impl<A: Actor> Policy for ActorPolicy<A> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let observation = input.observe(self.0.schema(), &self.0.divisors());
        let action = self.0.infer(&observation)?;
        if !action.is_finite() {
            return Err(PolicyError::NotFinite);
        }
        let setpoints = action.setpoints(input.plant, input.memory.chp_on());
        Ok(Request { observation: Some(observation), action: Some(action), setpoints, outside_tariff: false })
    }
}

impl<A: Actor + ?Sized> Actor for Box<A> {
    fn name(&self) -> &str {
        (**self).name()
    }
    fn schema(&self) -> Schema {
        (**self).schema()
    }
    fn divisors(&self) -> Divisors {
        (**self).divisors()
    }
    fn infer(&mut self, observation: &Observation) -> Result<Action, PolicyError> {
        (**self).infer(observation)
    }
}
