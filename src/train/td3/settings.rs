//! What TD3 is told: `[td3]` of a training configuration.

use crate::config::{positive, share};
use serde::{Deserialize, Serialize};

/// `[td3]` of a training configuration: TD3; the defaults of the paper but for the fine-tuning of a good actor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Td3Settings {
    /// Updates, those of the critics alone included.
    pub updates: u64,
    /// The first of them train the critics alone.
    pub critic_first: u64,
    /// Environments side by side.
    pub environments: usize,
    /// Steps of an episode; its end is a truncation.
    pub episode_steps: usize,
    /// Transitions before the first update.
    pub learning_starts: usize,
    /// Transitions in the replay at most.
    pub replay: usize,
    /// Transitions in a batch.
    pub batch: usize,
    /// Updates after each step of all environments; 0: as many as environments.
    pub gradient_steps: usize,
    /// Discount of a step.
    pub discount: f32,
    /// Share by which targets follow.
    pub tau: f32,
    /// Adam's rate of the actor.
    pub actor_rate: f64,
    /// Adam's rate of the critics.
    pub critic_rate: f64,
    /// Critic updates for one of the actor.
    pub policy_delay: u64,
    /// Target policy smoothing.
    pub policy_noise: f32,
    /// Largest smoothing noise.
    pub noise_clip: f32,
    /// Exploration noise.
    pub exploration_noise: f32,
    /// By which share the environment with the least exploration noise has less of it; those between in equal distances.
    pub exploration_spread: f32,
    /// Probability of a component of an action being drawn from its whole range.
    pub random_share: f64,
    /// Adam's rates at the end as a share of those before; they fall over the last quarter of the updates on a half cosine.
    pub rate_at_end: f64,
    /// Share of the new weights in the running average of the actor that is judged and exported; 1 is the actor itself.
    pub average: f32,
    /// Observations less their mean over their standard deviation on random episodes; the model holds both in its first layer.
    pub normalise: bool,
    /// Weight of what a step leaves in the battery, at the mean of prices, in its reward.
    pub shaping: f64,
    /// Critics learn what a state is worth more than the same hour with the plant at rest: less to learn, the same best action.
    pub relative: bool,
    /// EUR of reward for an EUR of cost.
    pub reward_scale: f64,
    /// TD3+BC: weight of Q relative to its mean magnitude; 0 is plain TD3.
    pub q_scale: f32,
    /// Weight of staying close to the actor of the stage before.
    pub bc_weight: f32,
    /// Weight of the squared distance between request and set-points, EUR.
    pub correction: f64,
    /// Weight on the excess of a step's cost over its running value at risk.
    pub risk: f64,
    /// Products of the 256 × 256 layers in bf16 with f32 sums. Faster; only on processors with AVX512_BF16, others refuse.
    pub bf16: bool,
}

impl Default for Td3Settings {
    fn default() -> Self {
        Self {
            updates: 3000,
            critic_first: 1500,
            environments: 16,
            episode_steps: 96,
            learning_starts: 2000,
            replay: 1_000_000,
            batch: 256,
            gradient_steps: 0,
            discount: 0.99,
            tau: 0.005,
            actor_rate: 1e-5,
            critic_rate: 3e-4,
            policy_delay: 2,
            policy_noise: 0.05,
            noise_clip: 0.1,
            exploration_noise: 0.1,
            exploration_spread: 0.0,
            random_share: 0.0,
            rate_at_end: 1.0,
            average: 1.0,
            normalise: false,
            shaping: 0.0,
            relative: false,
            reward_scale: 0.5,
            q_scale: 0.1,
            bc_weight: 10.0,
            correction: 0.01,
            risk: 0.0,
            bf16: false,
        }
    }
}

impl Td3Settings {
    /// Updates after each step of all environments.
    #[must_use]
    pub const fn updates_a_round(&self) -> usize {
        if self.gradient_steps == 0 { self.environments } else { self.gradient_steps }
    }

    /// Has each number checked, in the words of a problem.
    pub(crate) fn check(&self, check: &mut impl FnMut(bool, &str)) {
        check(
            self.environments > 0 && self.episode_steps > 0,
            "td3.environments, td3.episode_steps: expected more than 0",
        );
        check(self.batch > 0 && self.policy_delay > 0, "td3.batch, td3.policy_delay: expected more than 0");
        check(
            self.replay >= self.learning_starts.max(self.batch),
            "td3.replay: expected at least learning_starts and batch",
        );
        check(share(self.discount.into()) && share(self.tau.into()), "td3.discount, td3.tau: expected 0 to 1");
        check(positive(self.actor_rate) && positive(self.critic_rate), "td3 rates: expected more than 0");
        check(positive(self.reward_scale), "td3.reward_scale: expected more than 0");
        check(self.shaping.is_finite(), "td3.shaping: expected a number");
        for (key, value) in [
            ("exploration_spread", self.exploration_spread.into()),
            ("random_share", self.random_share),
            ("rate_at_end", self.rate_at_end),
            ("average", self.average.into()),
        ] {
            check(share(value), &format!("td3.{key}: expected 0 to 1"));
        }
    }
}
