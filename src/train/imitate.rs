//! An actor that imitates a policy, for example a rule: behaviour cloning with states from both.
//!
//! In the first round the teacher drives the plant, in the others the actor itself does, and the teacher says what it
//! would have asked for (`DAgger`, Ross et al. 2011): so the actor also knows what to do where only its own mistakes lead.
//! Episodes start at any row, any SoC and any CHP state. What the teacher leaves open, the grid wish, becomes the balance
//! of its other two.
//!
//! Loss: mean squared distance of actions. No reward is looked at; what the result is worth has to be evaluated.

use super::td3::fused::{
    ACTION_DIM, ActorObjective, ExpertField, Goal, NamedTensor, Replay, Td3Config, Td3Kernel, Threads, Transition,
};
use memg_core::action::Action;
use memg_core::actor::RustActor;
use memg_core::env::MemgEnv;
use memg_core::equipment::Plant;
use memg_core::observation::{Divisors, Schema};
use memg_core::policy::{ActorPolicy, Policy, PolicyError, PolicyInput};
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::series::Nothing;
use memg_policy::weights::{Weights, WeightsError, missing};
use std::sync::Arc;

/// How to imitate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Imitation {
    /// What the actor sees.
    pub schema: Schema,
    /// Seed of states, weights and batches.
    pub seed: u64,
    /// Rounds; the teacher drives in the first one.
    pub rounds: u64,
    /// Episodes in a round.
    pub episodes: u64,
    /// Steps of an episode.
    pub steps: usize,
    /// Gradient steps in a round.
    pub updates: u64,
    /// Adam's rate at the start of each round; it falls to a hundredth of that by a half cosine.
    pub rate: f64,
    /// Threads of the kernel; the result does not depend on them.
    pub threads: Threads,
}

impl Default for Imitation {
    fn default() -> Self {
        Self {
            schema: Schema::TenD,
            seed: 1,
            rounds: 2,
            episodes: 2000,
            steps: 96,
            updates: 10_000,
            rate: 1e-3,
            threads: Threads::All,
        }
    }
}

/// Why there is no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImitationError {
    /// The teacher or the actor failed.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The network's weights are not usable.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

/// Trains an actor on a profile. `each_round` is told the mean squared distance of the last batch.
///
/// # Errors
/// The teacher's own; or training diverged.
pub fn imitate(
    plant: Plant,
    profile: &Arc<Profile>,
    teacher: &mut dyn Policy,
    imitation: &Imitation,
    mut each_round: impl FnMut(u64, f64),
) -> Result<Weights, ImitationError> {
    let mut env = MemgEnv::new(plant, Arc::clone(profile), RewardWeights::default());
    let mut replay = imitation.replay();
    let mut kernel = imitation.kernel();
    for round in 0..imitation.rounds {
        if round == 0 {
            imitation.collect(&mut env, teacher, None, round, &mut replay)?;
        } else {
            let mut actor = actor(&weights(imitation.schema, &kernel)?)?;
            imitation.collect(&mut env, teacher, Some(&mut actor), round, &mut replay)?;
        }
        each_round(round, imitation.descend(&mut kernel, &replay));
    }
    Ok(weights(imitation.schema, &kernel)?)
}

impl Imitation {
    fn replay(&self) -> Replay {
        let rows = self.rounds.saturating_mul(self.episodes).saturating_mul(self.steps as u64);
        Replay::new(self.schema.len(), usize::try_from(rows).unwrap_or(usize::MAX).max(1), ExpertField::Stored)
    }

    fn kernel(&self) -> Td3Kernel {
        let objective = ActorObjective { goal: Goal::Expert, ..ActorObjective::default() };
        let config = Td3Config { objective, ..Td3Config::default() };
        Td3Kernel::new(self.schema.len(), &config, self.seed, self.threads)
    }

    /// One round of episodes, driven by `driver` or else by the teacher; every step is labelled by the teacher.
    fn collect(
        &self,
        env: &mut MemgEnv,
        teacher: &mut dyn Policy,
        mut driver: Option<&mut ActorPolicy<RustActor>>,
        round: u64,
        replay: &mut Replay,
    ) -> Result<(), PolicyError> {
        for episode in 0..self.episodes {
            let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(round * self.episodes + episode);
            env.reset_seeded(seed, self.steps);
            while !env.is_over() {
                let observation = env.observe(self.schema, &Divisors::of(env.filter().plant()));
                let expert = Some(demonstration(env, teacher)?.0);
                let obs = observation.values();
                let action = [0.0; ACTION_DIM];
                replay.push(&Transition { obs, action, reward: 0.0, next_obs: obs, terminated: true, expert });
                match &mut driver {
                    Some(actor) => env.step_policy(*actor)?,
                    None => env.step_policy(teacher)?,
                };
            }
        }
        Ok(())
    }

    fn descend(&self, kernel: &mut Td3Kernel, replay: &Replay) -> f64 {
        let mut distance = f64::NAN;
        for update in 0..self.updates {
            let done = update as f64 / self.updates.max(1) as f64;
            let rate = self.rate * (0.505 + 0.495 * (std::f64::consts::PI * done).cos());
            kernel.set_rates(rate, rate);
            distance = kernel.clone_update(replay).actor.map_or(f64::NAN, |actor| actor.bc_loss);
        }
        distance
    }
}

/// What the teacher asks for in the present state, as an action.
fn demonstration(env: &MemgEnv, teacher: &mut dyn Policy) -> Result<Action, PolicyError> {
    let plant = env.filter().plant();
    let situation = env.situation();
    let input = PolicyInput { plant, situation: &situation, memory: env.memory(), known: &Nothing };
    let mut wish = teacher.act(&input)?.setpoints;
    let rated = |kw: f64| kw.clamp(-plant.battery().discharge_kw_max, plant.battery().charge_kw_max);
    wish.battery = memg_core::units::Kilowatts::new(rated(wish.battery.get()));
    let balance = situation.net_load() + wish.battery - wish.chp;
    Ok(Action::requesting(&wish, balance, plant))
}

fn weights(schema: Schema, kernel: &Td3Kernel) -> Result<Weights, WeightsError> {
    let tensors = kernel.export_actor();
    Weights::from_tensors(schema, |name| {
        let is = |tensor: &&NamedTensor| tensor.name.strip_prefix("actor.") == Some(name);
        tensors.iter().find(is).map(|t| (t.shape.clone(), t.data.clone())).ok_or_else(|| missing(name))
    })
}

fn actor(weights: &Weights) -> Result<ActorPolicy<RustActor>, WeightsError> {
    Ok(ActorPolicy(RustActor::from_safetensors("imitation", weights.schema(), &weights.to_safetensors()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::rules::{GoodRule, Idle};
    use memg_core::synthetic;
    use memg_evaluate::evaluate;

    fn small(threads: usize) -> (Arc<Profile>, Imitation) {
        let imitation = Imitation {
            episodes: 60,
            steps: 48,
            updates: 400,
            threads: Threads::exactly(threads),
            ..Imitation::default()
        };
        (Arc::new(synthetic::profile(20, 3)), imitation)
    }

    #[test]
    fn a_short_imitation_of_the_rule_is_nearer_to_its_cost_than_to_that_of_doing_nothing() {
        let (profile, imitation) = small(2);
        let plant = Plant::reference();
        let weights = imitate(plant, &profile, &mut GoodRule, &imitation, |_, _| {}).unwrap();
        let cost = |policy: &mut dyn Policy| {
            evaluate(plant, &profile, &profile.blocks(None), policy, |_| {}).unwrap().cost_eur_per_day
        };
        let (rule, idle) = (cost(&mut GoodRule), cost(&mut Idle));
        let found = cost(&mut actor(&weights).unwrap());
        assert!(rule < idle && found < 0.5 * (rule + idle), "rule {rule}, imitation {found}, idle {idle}");
    }

    #[test]
    fn the_same_seed_gives_the_same_weights_on_one_thread_and_two() {
        let weights = [1, 2].map(|threads| {
            let (profile, imitation) = small(threads);
            let imitation = Imitation { updates: 50, ..imitation };
            imitate(Plant::reference(), &profile, &mut GoodRule, &imitation, |_, _| {}).unwrap()
        });
        assert_eq!(weights[0], weights[1]);
    }
}
