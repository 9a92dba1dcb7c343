//! The seam where a user plugs in a decision maker.
//!
//! A [`Policy`] turns what is known at a policy step into a request; it can neither see nor touch a register. Networks
//! implement [`Actor`] and become policies through [`ActorPolicy`].

use crate::action::Action;
use crate::equipment::Plant;
use crate::extended;
use crate::forecast::{Forecast, Forecaster, Persistence};
use crate::foreseen;
use crate::memory::ControlMemory;
use crate::observation::{Divisors, Observation, Schema};
use crate::planner::PlanSummary;
use crate::safety::SafetyFilter;
use crate::series::Known;
use crate::setpoints::Setpoints;
use crate::situation::Situation;
use crate::units::Watts;

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
    /// What of a wish can be: the powers nearest to it within the plant's limits, and the exchange that their balance gives. The
    /// filter leaves such a request as it is, so a wish and what can be of it become the same set-points.
    #[must_use]
    pub fn realisable(&self, wish: &Setpoints) -> Setpoints {
        let anchor = self.memory.anchor(self.plant.step_ms());
        let verdict = SafetyFilter::new(*self.plant).filter(self.situation, &anchor, wish);
        // Without the droop response, which nobody asks for.
        let battery = verdict.battery_base.into_iter().sum::<Watts>().kilowatts();
        let chp = verdict.safe.chp().kilowatts();
        Setpoints { battery, chp, grid: Some(self.situation.net_load() + battery - chp) }
    }

    /// The observation of a schema with its divisors; forecasts are those of persistence.
    #[must_use]
    pub fn observe(&self, schema: Schema, divisors: &Divisors) -> Observation {
        match schema {
            Schema::TenD => Observation::ten_d(self.situation, self.memory.chp_on(), divisors),
            Schema::Extended => {
                extended::observe(self.situation, self.memory, self.known, self.plant.steps_per_hour(), divisors)
            }
            Schema::Forecast => foreseen::observe(self, &mut Persistence, &mut Forecast::of_steps(0), divisors),
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
        asked(&mut self.0, observation, input)
    }
}

/// What a network asks for in view of an observation.
fn asked(actor: &mut impl Actor, observation: Observation, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
    let action = actor.infer(&observation)?;
    if !action.is_finite() {
        return Err(PolicyError::NotFinite);
    }
    let setpoints = input.realisable(&action.setpoints(input.plant, input.memory.chp_on()));
    Ok(Request { observation: Some(observation), action: Some(action), setpoints, outside_tariff: false })
}

/// A network that sees forecasts, with the forecaster that it was trained with.
#[derive(Debug)]
pub struct ForeseeingPolicy<A, F> {
    actor: A,
    forecaster: F,
    room: Forecast,
}

impl<A: Actor, F: Forecaster> ForeseeingPolicy<A, F> {
    /// An actor of schema `memg-forecast` with a forecaster; actors of others do not look at forecasts.
    #[must_use]
    pub fn new(actor: A, forecaster: F) -> Self {
        Self { actor, forecaster, room: Forecast::of_steps(0) }
    }
}

impl<A: Actor, F: Forecaster> Policy for ForeseeingPolicy<A, F> {
    fn name(&self) -> &str {
        self.actor.name()
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        self.forecaster.suits(input.plant)?;
        let Self { actor, forecaster, room } = self;
        let observation = match actor.schema() {
            Schema::Forecast => foreseen::observe(input, forecaster, room, &actor.divisors()),
            schema @ (Schema::TenD | Schema::Extended) => input.observe(schema, &actor.divisors()),
        };
        asked(actor, observation, input)
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
