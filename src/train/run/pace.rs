//! How fast a run goes, and what still fits into its time.

use super::stages::Learners;
use crate::Stage;
use crate::config::TrainConfig;
use std::time::Instant;

/// A stage's rate counts from this time on, s, and from this many updates on.
const SETTLED_S: f64 = 10.0;
const SETTLED_UPDATES: u64 = 20;
/// Share of the run's time that the gradient stage leaves to TD3.
const TD3_SHARE: f64 = 0.1;

/// The clock of a run.
#[derive(Debug)]
pub(super) struct Pace {
    started: Instant,
    /// Of the parts of a resumed run.
    pub(super) seconds_before: f64,
    stage: Stage,
    stage_began_s: f64,
    updates_before_stage: u64,
}

/// Updates that were asked for, before any cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) gradient: u64,
    pub(super) td3: u64,
}

impl Planned {
    pub(super) const fn of(config: &TrainConfig) -> Self {
        Self { gradient: config.gradient.updates, td3: config.td3.updates }
    }
}

impl Pace {
    pub(super) const fn new(started: Instant) -> Self {
        Self { started, seconds_before: 0.0, stage: Stage::Imitation, stage_began_s: 0.0, updates_before_stage: 0 }
    }

    /// Seconds of the whole run, those before a resume included.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Notes when a stage begins.
    pub(super) fn enter(&mut self, stage: Stage, updates: u64) {
        if self.stage != stage {
            (self.stage, self.stage_began_s, self.updates_before_stage) = (stage, self.seconds(), updates);
        }
    }

    /// Updates a second in this stage.
    pub(super) fn rate(&self, updates: u64) -> f64 {
        (updates - self.updates_before_stage) as f64 / (self.seconds() - self.stage_began_s).max(1e-3)
    }

    /// Whether the stage's rate says something yet.
    fn is_settled(&self, updates: u64) -> bool {
        self.seconds() - self.stage_began_s >= SETTLED_S && updates - self.updates_before_stage >= SETTLED_UPDATES
    }
}

/// Cuts updates that would not fit into the time at the stage's rate so far, and brings them back when it goes faster.
pub(super) fn fit(config: &mut TrainConfig, planned: Planned, learners: &Learners, pace: &Pace, reserve_s: f64) {
    let (stage, updates) = (learners.stage(config), learners.updates());
    if stage != pace.stage || !pace.is_settled(updates) {
        return;
    }
    let budget_s = config.minutes * 60.0;
    let left_to_td3_s = if stage == Stage::Gradient { TD3_SHARE * budget_s } else { 0.0 };
    let left_s = (budget_s - reserve_s - left_to_td3_s - pace.seconds()).max(0.0);
    let possible = (left_s * pace.rate(updates)) as u64;
    match stage {
        Stage::Gradient => config.gradient.updates = cut(planned.gradient, learners.done.gradient, possible),
        Stage::Td3 => config.td3.updates = cut(planned.td3, learners.td3_updates(), possible),
        Stage::Imitation | Stage::Done => {}
    }
}

/// Updates in all; a plan that is missed by less than a twentieth stays.
const fn cut(planned: u64, done: u64, possible: u64) -> u64 {
    if planned - done > possible + possible / 20 { done + possible } else { planned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_cut_to_what_is_possible_but_not_by_a_little() {
        for (planned, done, possible, expected) in [(100, 20, 80, 100), (100, 20, 40, 60), (105, 0, 100, 105)] {
            assert_eq!(cut(planned, done, possible), expected);
        }
    }
}
