//! What a training run is told: `config/train/*.toml`. Every key has a default; unknown keys are refused.

use super::gradient::episode::Variation;
use super::gradient::rollout::Objective;
use super::stage_updates::StageUpdates;
pub use super::td3::settings::Td3Settings;
use memg_core::equipment::Plant;
use serde::{Deserialize, Serialize};

/// `[]` of a training configuration: the keys in front of the first table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Observation schema.
    pub schema: memg_core::observation::Schema,
    /// Seed of every random number.
    pub seed: u64,
    /// Longest time, minutes. If the planned updates would take longer, fewer are made.
    pub minutes: f64,
    /// Threads; 0 is one for each core.
    pub threads: usize,
    /// Which days are used for what.
    pub data: DataSettings,
    /// How training days are varied.
    pub episodes: EpisodeSettings,
    /// First stage: imitation of the good rule.
    pub imitation: ImitationSettings,
    /// Second stage: gradients through the plant's equations.
    pub gradient: GradientSettings,
    /// Third stage: TD3.
    pub td3: Td3Settings,
    /// Updates between two judgements on the validation days.
    pub validate_every: u64,
    /// Episodes (TD3) or updates of the other stages between two checkpoints.
    pub checkpoint_every: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            schema: memg_core::observation::Schema::TenD,
            seed: 1,
            minutes: 9.5,
            threads: 0,
            data: DataSettings::default(),
            episodes: EpisodeSettings::default(),
            imitation: ImitationSettings::default(),
            gradient: GradientSettings::default(),
            td3: Td3Settings::default(),
            validate_every: 200,
            checkpoint_every: 10,
        }
    }
}

/// `[data]` of a training configuration: days of each month, first and last. All other days are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// Never looked at but for the final table.
    pub test_days: [u32; 2],
    /// Select among the actors of a run.
    pub validation_days: [u32; 2],
}

impl Default for DataSettings {
    fn default() -> Self {
        Self { test_days: [20, 24], validation_days: [5, 7] }
    }
}

/// `[episodes]` of a training configuration: how training days are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EpisodeSettings {
    /// Steps of an episode, of the plant's length.
    pub steps: usize,
    /// Days in a window; the outlook sees no further.
    pub window_days: usize,
    /// Share of episodes with days mixed and scaled widely.
    pub wide: f64,
    /// The same at the end of the gradient stage; it goes there from `wide` in a straight line.
    pub wide_at_end: f64,
    /// Half-width of the scaling of the others.
    pub scale: f64,
    /// Share of episodes in which prices are known for 24 hours at any time, as a co-simulation may supply them; in the others
    /// as a day-ahead market publishes them.
    pub all_day: f64,
}

impl Default for EpisodeSettings {
    fn default() -> Self {
        let v = Variation::default();
        let Variation { steps, window_days, wide, scale, all_day } = v;
        Self { steps, window_days, wide, wide_at_end: 0.1, scale, all_day }
    }
}

impl EpisodeSettings {
    /// As the episode generator wants it; `progress` through the gradient stage is 0 to 1.
    #[must_use]
    pub const fn variation(&self, progress: f64) -> Variation {
        let wide = self.wide + progress * (self.wide_at_end - self.wide);
        let Self { steps, window_days, scale, all_day, .. } = *self;
        Variation { steps, window_days, wide, scale, all_day }
    }
}

/// `[imitation]` of a training configuration: imitation of the good rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImitationSettings {
    /// Updates.
    pub updates: u64,
    /// States in a batch.
    pub batch: usize,
    /// Adam's rate.
    pub rate: f32,
}

impl Default for ImitationSettings {
    fn default() -> Self {
        Self { updates: 300, batch: 512, rate: 1e-3 }
    }
}

/// `[gradient]` of a training configuration: gradients through the plant's equations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GradientSettings {
    /// Updates.
    pub updates: u64,
    /// Episodes in a batch; each is rolled out twice.
    pub episodes: usize,
    /// Adam's rate; over the last quarter of the updates it falls to 2 % of that on a half cosine.
    pub rate: f32,
    /// Largest norm of a gradient.
    pub norm_max: f32,
    /// Weight of what pairs of episodes teach about switching the CHP.
    pub switching: f32,
    /// How far from the threshold they teach, in units of the action.
    pub reach: f32,
    /// Share of the planner's values in what the state after a step is worth, 0 to 1; the planner knows the hours ahead. 0:
    /// what the actor itself makes of them alone.
    pub guide: f64,
    /// Weight of what the planner's values teach about switching the CHP, in place of pairs of episodes.
    pub teach: f32,
    /// Share of the new weights in the running average that is judged and exported.
    pub average: f32,
    /// Weight of the CVaR95 of daily regret on the training days beside their mean cost.
    pub risk: f64,
}

impl Default for GradientSettings {
    fn default() -> Self {
        Self {
            updates: 30_000,
            episodes: 12,
            rate: 1e-3,
            norm_max: 10.0,
            switching: 10.0,
            reach: 0.3,
            guide: 0.0,
            teach: 0.0,
            average: 0.01,
            risk: 0.0,
        }
    }
}

impl GradientSettings {
    /// As the rollout wants it.
    #[must_use]
    pub const fn objective(&self) -> Objective {
        Objective { switching: self.switching, reach: self.reach, guide: self.guide, teach: self.teach }
    }
}

impl TrainConfig {
    /// Parses TOML and checks every number.
    ///
    /// # Errors
    /// One line for each problem, with its key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(problems.join("\n")) }
    }

    /// Threads to use: as many as stated, or one for each core.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            stated => stated,
        }
    }

    /// As [`TrainConfig::problems`], with what depends on the plant's step.
    #[must_use]
    pub fn problems_for(&self, plant: &Plant) -> Vec<String> {
        let mut problems = self.problems();
        let window = self.episodes.window_days.saturating_mul(plant.steps_per_day());
        if self.episodes.steps > window {
            problems.push(format!("episodes.steps: expected at most the window, {window} steps"));
        }
        problems
    }

    /// All that is wrong with the numbers, whatever the plant.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |fine: bool, what: &str| {
            if !fine {
                problems.push(what.to_owned());
            }
        };
        check(positive(self.minutes), "minutes: expected more than 0");
        check(self.episodes.steps > 0, "episodes.steps: expected more than 0");
        check((1..=31).contains(&self.episodes.window_days), "episodes.window_days: expected 1 to 31");
        for (key, value) in [
            ("episodes.wide", self.episodes.wide),
            ("episodes.wide_at_end", self.episodes.wide_at_end),
            ("episodes.all_day", self.episodes.all_day),
            ("gradient.guide", self.gradient.guide),
        ] {
            check(share(value), &format!("{key}: expected 0 to 1"));
        }
        check(self.gradient.teach >= 0.0, "gradient.teach: expected at least 0");
        check((0.0..1.0).contains(&self.episodes.scale), "episodes.scale: expected 0 to less than 1");
        check(self.imitation.batch > 0 && self.gradient.episodes > 0, "batches: expected more than 0");
        check(positive(self.imitation.rate.into()), "imitation.rate: expected more than 0");
        check(positive(self.gradient.rate.into()), "gradient.rate: expected more than 0");
        check(positive(self.gradient.reach.into()), "gradient.reach: expected more than 0");
        check(share(self.gradient.average.into()), "gradient.average: expected 0 to 1");
        check(self.gradient.risk >= 0.0, "gradient.risk: expected at least 0");
        check(self.validate_every > 0 && self.checkpoint_every > 0, "validate_every, checkpoint_every: more than 0");
        let [a, b] = self.data.test_days;
        let [c, d] = self.data.validation_days;
        check(a <= b && c <= d && (b < c || d < a), "data: test and validation days must be ordered and disjoint");
        self.td3.check(&mut check);
        problems
    }

    /// Spreads a total number of updates over the stages in the proportions of this configuration.
    pub fn set_updates(&mut self, total: u64) {
        let planned = self.planned_updates().max(1);
        let part = |updates: u64| (u128::from(updates) * u128::from(total) / u128::from(planned)) as u64;
        self.imitation.updates = part(self.imitation.updates);
        self.td3.critic_first = part(self.td3.critic_first);
        self.td3.updates = part(self.td3.updates);
        self.gradient.updates = part(self.gradient.updates);
        let rest = total - self.planned_updates().min(total);
        if self.gradient.updates > 0 { self.gradient.updates += rest } else { self.td3.updates += rest }
    }

    /// So many updates in each stage.
    pub const fn set_stage_updates(&mut self, updates: StageUpdates) {
        self.imitation.updates = updates.imitation;
        self.gradient.updates = updates.gradient;
        self.td3.critic_first = updates.critics;
        self.td3.updates = updates.critics + updates.td3;
    }

    /// What is planned for each stage.
    #[must_use]
    pub const fn stage_updates(&self) -> StageUpdates {
        StageUpdates { imitation: self.imitation.updates, gradient: self.gradient.updates, critics: 0, td3: 0 }
            .with_td3(self.td3.updates, self.td3.critic_first)
    }

    /// Updates of all stages.
    #[must_use]
    pub const fn planned_updates(&self) -> u64 {
        self.imitation.updates + self.gradient.updates + self.td3.updates
    }
}

/// A finite number above 0.
pub(crate) fn positive(x: f64) -> bool {
    x.is_finite() && x > 0.0
}

/// A number from 0 to 1.
pub(crate) fn share(x: f64) -> bool {
    (0.0..=1.0).contains(&x)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
