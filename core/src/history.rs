//! What control remembers of the last fifteen days: the mean of every quantity in every step, with its gaps.
//!
//! Steps are numbered by the site's local time, so that "yesterday at this time" means what people mean. Where local time
//! jumps forward there is a gap, where it goes back by up to a day the later value of an hour stands for both.
//!
//! A jump that the fifteen days cannot hold, back by more than a day or forward by more than all of them, is a clock that
//! is wrong now or was wrong before: a gateway without a battery for its clock boots in 1970. Nobody knows which, so
//! nothing is dropped: what is remembered is laid aside, another history begins empty, and when the clock jumps to where
//! the one laid aside ends or behind it, that one goes on behind a gap. Two are kept, of more the longer one.

use crate::equipment::Plant;
use crate::outlook::Outlook;
use crate::series::{Known, Quantity, Series};
use crate::situation::{KnownValues, Situation, Substitutes};
use serde::{Deserialize, Serialize};

/// Days that are remembered.
pub const HISTORY_DAYS: usize = 15;

/// Sum and number of the values of a running step.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Running {
    sum: f64,
    count: u32,
}

/// The last fifteen days, and the sums of the running step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    past: Series,
    running: [Running; 6],
    /// Local number of the running step.
    step: Option<i64>,
    /// What was remembered by a clock that has jumped away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aside: Option<Box<Aside>>,
}

/// A history that does not go on at present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Aside {
    past: Series,
    /// Local number of the step behind its last.
    next: i64,
}

/// A step that is over, as a restart takes it from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClosedStep {
    /// Its local number.
    pub step: i64,
    /// Local number of the step that begins now.
    pub next: i64,
    /// Its means.
    pub means: Means,
}

/// Means of a step that is over, in the order of [`Quantity::ALL`]; `None` where nothing was known.
pub type Means = [Option<f64>; 6];

impl History {
    /// A history of given values, the last of which belong to the step before `step`.
    #[must_use]
    pub fn new(past: Series, step: i64) -> Self {
        Self { past: past.finite(), running: Default::default(), step: Some(step), aside: None }
    }

    /// A history that somebody supplies before the first step, the last values of which belong to the step before it.
    #[must_use]
    pub fn before_the_first_step(past: Series) -> Self {
        Self { past: past.finite(), ..Self::default() }
    }

    /// Adds a cycle's situation to the running step. A price or heat demand that a substitute stands for is no history.
    pub fn observe(&mut self, situation: &Situation, known: KnownValues) {
        for (running, quantity) in self.running.iter_mut().zip(Quantity::ALL) {
            let value = situation.quantity(quantity);
            if known.has(quantity) && value.is_finite() {
                running.sum += value;
                running.count += 1;
            }
        }
    }

    /// Step `step` of local time begins: the running one is closed, and the history goes there. Gives the step that is over;
    /// none is if there was none, or if `step` is still the running one (after a restart).
    pub fn begin_step(&mut self, step: i64, steps_per_day: usize) -> Option<ClosedStep> {
        let running = self.step.replace(step).filter(|running| *running != step)?;
        let means = self.running.map(|r| (r.count > 0).then(|| r.sum / f64::from(r.count)));
        let closed = ClosedStep { step: running, next: step, means };
        self.close(&closed, steps_per_day);
        Some(closed)
    }

    /// Takes over a step that an earlier run closed; it leaves what [`History::begin_step`] left there.
    pub fn restore_step(&mut self, closed: &ClosedStep, steps_per_day: usize) {
        if let Some(running) = self.step {
            self.go(running, closed.step, steps_per_day);
        }
        self.close(closed, steps_per_day);
        self.step = Some(closed.next);
    }

    fn close(&mut self, closed: &ClosedStep, steps_per_day: usize) {
        self.push(closed.means, HISTORY_DAYS * steps_per_day);
        self.running = Default::default();
        self.go(closed.step.saturating_add(1), closed.next, steps_per_day);
    }

    /// The next step to be remembered is `step` instead of `next`. Of two histories the one goes on that leaves the smaller
    /// gap.
    fn go(&mut self, next: i64, step: i64, steps_per_day: usize) {
        let capacity = HISTORY_DAYS * steps_per_day;
        let between = |aside: &Aside| next < aside.next && aside.next <= step;
        if self.aside.as_deref().is_some_and(between) || !reaches(next, step, steps_per_day) {
            return self.change_clock(next, step, steps_per_day);
        }
        let steps = usize::try_from(step.abs_diff(next)).unwrap_or(capacity);
        if step < next {
            self.drop_last(steps);
        } else {
            (0..steps).for_each(|_| self.push([None; 6], capacity));
        }
    }

    /// Lays the history aside, which ends before `next`, and takes up the one that `step` belongs to, or an empty one.
    fn change_clock(&mut self, next: i64, step: i64, steps_per_day: usize) {
        let left = Aside { past: std::mem::take(&mut self.past), next };
        self.aside = Some(match self.aside.take() {
            Some(other) if reaches(other.next, step, steps_per_day) => {
                self.past = other.past;
                self.go(other.next, step, steps_per_day);
                left.into()
            }
            Some(other) if other.past.steps() > left.past.steps() => other,
            Some(_) | None => left.into(),
        });
    }

    fn push(&mut self, means: Means, capacity: usize) {
        for (quantity, mean) in Quantity::ALL.into_iter().zip(means) {
            let column = self.past.column_mut(quantity);
            while column.len() >= capacity.max(1) {
                column.pop_front();
            }
            column.push_back(mean);
        }
    }

    fn drop_last(&mut self, steps: usize) {
        for quantity in Quantity::ALL {
            let column = self.past.column_mut(quantity);
            column.truncate(column.len().saturating_sub(steps));
        }
    }

    /// The mean of the step that ended `steps - 1` steps ago, see [`Known::ago`].
    #[must_use]
    pub fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        let column = self.past.column(quantity);
        column.len().checked_sub(steps).and_then(|index| column.get(index).copied()).flatten()
    }

    /// What stands in for prices that are not known: those of the same time yesterday.
    #[must_use]
    pub fn substitutes(&self, steps_per_day: usize) -> Substitutes {
        Substitutes {
            import_price: self.ago(Quantity::ImportPrice, steps_per_day),
            export_price: self.ago(Quantity::ExportPrice, steps_per_day),
            source_voltage: None,
        }
    }
}

/// Whether a history that ends before `next` can go on with `step`: back by a day at most, forward by all it holds.
fn reaches(next: i64, step: i64, steps_per_day: usize) -> bool {
    let most = if step < next { steps_per_day } else { HISTORY_DAYS * steps_per_day };
    usize::try_from(step.abs_diff(next)).is_ok_and(|steps| steps <= most)
}

/// Minutes from 1970 to 2000. Before, a step's number is no date: a simulation counts its steps from 0, and a clock without
/// a battery begins in 1970.
const DATED_MIN: i64 = 30 * 365 * 1440 + 7 * 1440;

/// What a gateway knows live: its own history, and what others say of the hours ahead.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    step_ms: i64,
    history: &'a History,
    outlook: &'a Outlook,
}

impl<'a> Live<'a> {
    /// `history` ends with the step before the present one, `outlook` begins with it; both are in the plant's steps.
    #[must_use]
    pub const fn new(plant: &Plant, history: &'a History, outlook: &'a Outlook) -> Self {
        Self { step_ms: plant.step_ms(), history, outlook }
    }
}

impl Known for Live<'_> {
    fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.outlook.ahead(quantity, steps)
    }
    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.history.ago(quantity, steps)
    }
    fn minute(&self) -> Option<i64> {
        let minute = self.history.step?.checked_mul(self.step_ms)?.div_euclid(60_000);
        Some(minute).filter(|minute| *minute >= DATED_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileRow;
    use crate::units::Soc;

    fn with_load(kw: f64) -> Situation {
        ProfileRow { electric_load_kw: kw, ..ProfileRow::default() }.situation(Soc::new(0.5))
    }

    /// Loads of the last steps, the latest first.
    fn loads(history: &History, steps: usize) -> Vec<Option<f64>> {
        (1..=steps).map(|ago| history.ago(Quantity::ElectricLoad, ago)).collect()
    }

    fn lived(steps: &[(i64, f64)]) -> History {
        let mut history = History::default();
        for (step, load) in steps {
            history.begin_step(*step, 4);
            history.observe(&with_load(*load), KnownValues::ALL);
        }
        history
    }

    #[test]
    fn a_step_is_remembered_by_the_mean_of_its_cycles() {
        let mut history = lived(&[(7, 10.0), (8, 20.0)]);
        history.observe(&with_load(40.0), KnownValues::ALL);
        let closed = history.begin_step(9, 4);
        assert_eq!(closed.map(|closed| (closed.step, closed.means[2])), Some((8, Some(30.0))));
        assert_eq!(loads(&history, 3), [Some(30.0), Some(10.0), None]);
    }

    #[test]
    fn the_number_of_a_step_is_a_date_unless_it_counts_from_nowhere() {
        let outlook = Outlook::default();
        let minute = |history: &History| Live::new(&Plant::reference(), history, &outlook).minute();
        let millennium = crate::calendar::LocalTime::parse("2000-01-01T00:00:00Z").unwrap().minute;
        assert_eq!(minute(&lived(&[(millennium / 15, 1.0)])), Some(millennium));
        assert_eq!(minute(&lived(&[(millennium / 15 - 1, 1.0)])), None, "no simulation runs for thirty years");
        assert_eq!((minute(&lived(&[(0, 1.0)])), minute(&History::default())), (None, None));
        assert_eq!(minute(&lived(&[(i64::MAX, 1.0)])), None);
    }

    #[test]
    fn what_was_not_lived_through_is_a_gap() {
        let mut history = lived(&[(7, 10.0), (10, 20.0)]);
        history.begin_step(11, 4);
        assert_eq!(loads(&history, 5), [Some(20.0), None, None, Some(10.0), None]);
    }

    #[test]
    fn the_later_value_of_an_hour_that_comes_twice_stands() {
        let mut history = lived(&[(7, 10.0), (8, 20.0), (9, 30.0), (8, 21.0)]);
        history.begin_step(9, 4);
        assert_eq!(loads(&history, 3), [Some(21.0), Some(10.0), None]);
    }

    #[test]
    fn substitutes_are_no_history() {
        let mut history = lived(&[(1, 10.0)]);
        history.begin_step(2, 4);
        history.observe(&with_load(12.0), KnownValues { import_price: false, export_price: true, heat: false });
        history.begin_step(3, 4);
        let ago = |quantity| history.ago(quantity, 1);
        assert_eq!((ago(Quantity::ImportPrice), ago(Quantity::HeatLoad)), (None, None));
        assert_eq!(ago(Quantity::ExportPrice), Some(0.08), "one price says nothing of the other");
        assert_eq!((ago(Quantity::ElectricLoad), history.ago(Quantity::ImportPrice, 2)), (Some(12.0), Some(0.15)));
    }

    #[test]
    fn fifteen_days_are_kept_whatever_the_gap() {
        let mut history = lived(&[(0, 1.0), (1, 2.0)]);
        history.begin_step(2 + 60, 4);
        assert_eq!(history.past.steps(), 15 * 4);
        assert_eq!(loads(&history, 60), [None; 60]);
        history.begin_step(i64::MIN, 4);
        history.begin_step(i64::MAX, 4);
        assert_eq!(loads(&history, 60), [None; 60]);
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_costs_only_that_while() {
        for wrong in [-1_000_000, 7 - 4, 1_000_000] {
            let mut history = lived(&[(7, 10.0), (8, 20.0), (wrong, 1.0), (wrong + 1, 2.0)]);
            history.begin_step(wrong + 2, 4);
            assert_eq!(loads(&history, 3), [Some(2.0), Some(1.0), None], "what {wrong} has lived through");
            history.begin_step(12, 4);
            assert_eq!(loads(&history, 6), [None, None, None, Some(20.0), Some(10.0), None], "back from {wrong}");
        }
    }

    #[test]
    fn of_three_clocks_the_longest_history_is_laid_aside() {
        let mut history = lived(&[(7, 10.0), (8, 20.0), (-1_000_000, 1.0), (-2_000_000, 2.0), (9, 30.0)]);
        assert_eq!(loads(&history, 3), [Some(20.0), Some(10.0), None]);
        history.begin_step(10, 4);
        assert_eq!(loads(&history, 3), [Some(30.0), Some(20.0), Some(10.0)]);
    }

    /// Steps with what they bring, from the first on; everything that was closed.
    fn live_on(history: &mut History, steps: &[(i64, f64)]) -> Vec<ClosedStep> {
        let mut closed = Vec::new();
        for (step, load) in steps {
            closed.extend(history.begin_step(*step, 4));
            history.observe(&with_load(*load), KnownValues::ALL);
        }
        closed
    }

    #[test]
    fn a_restart_takes_over_what_the_run_before_has_closed() {
        // An ordinary day, a gap, an hour that comes twice, a clock that was in 1970, one that went there.
        let lives: [&[(i64, f64)]; 5] = [
            &[(9, 1.0), (10, 2.0), (11, 3.0)],
            &[(9, 1.0), (14, 2.0), (15, 3.0)],
            &[(9, 1.0), (10, 2.0), (9, 3.0), (10, 4.0), (11, 5.0)],
            &[(-1_000_000, 1.0), (-999_999, 2.0), (12, 3.0), (13, 4.0)],
            &[(9, 1.0), (-1_000_000, 2.0), (-999_999, 3.0)],
        ];
        for life in lives {
            let mut history = lived(&[(7, 10.0), (8, 20.0)]);
            let mut restored = history.clone();
            let closed = live_on(&mut history, life);
            closed.iter().for_each(|closed| restored.restore_step(closed, 4));
            // What the running step has brought so far is lost.
            history.running = Default::default();
            assert_eq!(restored, history, "{life:?}");
        }
    }

    #[test]
    fn two_restarts_within_a_step_overwrite_none_before_it() {
        let mut history = lived(&[(7, 10.0), (8, 20.0), (9, 30.0)]);
        for _ in 0..2 {
            assert_eq!(history.begin_step(9, 4), None, "it is still running");
            history.observe(&with_load(30.0), KnownValues::ALL);
        }
        history.begin_step(10, 4);
        assert_eq!(loads(&history, 4), [Some(30.0), Some(20.0), Some(10.0), None]);
    }
}
