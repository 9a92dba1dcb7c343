//! How fast a run goes, and what still fits into its time.

use super::stages::Learners;
use crate::Stage;
use crate::config::TrainConfig;
use std::time::Instant;

/// A stage's rate counts from this time on, s, and from this many updates on.
const SETTLED_S: f64 = 10.0;
const SETTLED_UPDATES: u64 = 20;
/// TD3 updates in the time of one of the gradient stage, about.
pub(super) const TD3_RATE_TO_GRADIENT: f64 = 8.0;
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

    /// The same once it says something.
    pub(super) fn settled_rate(&self, updates: u64) -> Option<f64> {
        (updates > self.updates_before_stage && self.is_settled(updates)).then(|| self.rate(updates))
    }

    /// Whether the stage's rate says something yet.
    fn is_settled(&self, updates: u64) -> bool {
        self.seconds() - self.stage_began_s >= SETTLED_S && updates - self.updates_before_stage >= SETTLED_UPDATES
    }
}

/// How far Adam's rate has fallen before update `done` of the gradient stage: 0 through three quarters of its updates, then up to 1.
pub(super) fn decline(done: u64, updates: u64) -> f64 {
    let last = updates / 4;
    done.saturating_sub(updates - last) as f64 / last.max(1) as f64
}

/// Cuts updates that would not fit into the time at the stage's rate so far.
///
/// In the gradient stage a cut is the update at which the rate begins to fall: nothing before it depends on when that is, so
/// a run that is told the number of updates makes the same model. Once it falls, the stage ends when it has fallen. So does
/// TD3 if its rates fall; else it ends with any update, and gets back what was cut when it goes faster.
pub(super) fn fit(config: &mut TrainConfig, planned: Planned, learners: &Learners, pace: &Pace, reserve_s: f64) {
    let Some(possible) = possible(config, planned, learners, pace, reserve_s) else { return };
    match learners.stage(config) {
        Stage::Gradient => {
            config.gradient.updates = shortened(config.gradient.updates, learners.done.gradient, possible);
        }
        Stage::Td3 if config.td3.rate_at_end < 1.0 => {
            config.td3.updates = shortened(config.td3.updates, learners.td3_updates(), possible);
        }
        Stage::Td3 => config.td3.updates = cut(planned.td3, learners.td3_updates(), possible),
        Stage::Imitation | Stage::Done => {}
    }
}

/// Updates of the gradient stage in all that time will suffice for, as far as that can be told.
pub(super) fn expected(
    config: &TrainConfig,
    planned: Planned,
    learners: &Learners,
    pace: &Pace,
    reserve_s: f64,
) -> u64 {
    let (updates, done) = (config.gradient.updates, learners.done.gradient);
    match possible(config, planned, learners, pace, reserve_s) {
        Some(possible) if learners.stage(config) == Stage::Gradient && done < updates - updates / 4 => {
            cut(updates, done, possible)
        }
        _ => updates,
    }
}

/// Further updates of the present stage that time suffices for; `None` while the stage's rate says nothing yet.
fn possible(config: &TrainConfig, planned: Planned, learners: &Learners, pace: &Pace, reserve_s: f64) -> Option<u64> {
    let (stage, updates) = (learners.stage(config), learners.updates());
    if stage != pace.stage || !pace.is_settled(updates) {
        return None;
    }
    let budget_s = config.minutes * 60.0;
    let left_to_td3_s = if stage == Stage::Gradient && planned.td3 > 0 { TD3_SHARE * budget_s } else { 0.0 };
    let left_s = (budget_s - reserve_s - left_to_td3_s - pace.seconds()).max(0.0);
    Some((left_s * pace.rate(updates)) as u64)
}

/// Updates of the gradient stage in all: the rate falls from now on if no more than the last quarter is possible.
const fn shortened(updates: u64, done: u64, possible: u64) -> u64 {
    let falls = done >= updates - updates / 4;
    let enough = updates - done <= possible + possible / 20;
    // The last quarter of four thirds begins at a multiple of three.
    if falls || enough || !done.is_multiple_of(3) || possible > done / 3 { updates } else { done + done / 3 }
}

/// TD3 updates in all; a plan that is missed by less than a twentieth stays.
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

    #[test]
    fn a_shortened_stage_is_the_one_that_was_asked_to_be_so_short() {
        for (planned, speed) in [(10_000, 7_000), (10_000, 100), (400, 399), (10_000, 20_000)] {
            let (mut updates, mut done, mut rates) = (planned, 0_u64, Vec::new());
            while done < updates {
                updates = shortened(updates, done, speed - done.min(speed));
                rates.push(decline(done, updates));
                done += 1;
            }
            let asked: Vec<f64> = (0..done).map(|update| decline(update, done)).collect();
            assert_eq!(rates, asked, "{planned} at {speed}: {done}");
            assert!(done <= planned && (done == planned || done <= speed + 4), "{planned} at {speed}: {done}");
            assert!(speed >= planned || 20 * done >= 19 * speed - 100, "{planned} at {speed}: {done}");
        }
    }
}
