//! What control remembers of the last fifteen days: the mean of every quantity in every step, with its gaps.
//!
//! Steps are numbered by the site's local time, so that "yesterday at this time" means what people mean. Where local time
//! jumps forward there is a gap, where it goes back the later value of an hour stands for both.

use crate::outlook::Outlook;
use crate::series::{Known, Quantity, Series};
use crate::situation::{Situation, Substitutes};
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
}

/// Means of a step that is over, in the order of [`Quantity::ALL`]; `None` where nothing was known.
pub type Means = [Option<f64>; 6];

impl History {
    /// A history of given values, the last of which belong to the step before `step`.
    #[must_use]
    pub fn new(past: Series, step: i64) -> Self {
        Self { past: past.finite(), running: Default::default(), step: Some(step) }
    }

    /// A history that somebody supplies before the first step, the last values of which belong to the step before it.
    #[must_use]
    pub fn before_the_first_step(past: Series) -> Self {
        Self { past: past.finite(), ..Self::default() }
    }

    /// Adds a cycle's situation to the running step. A price or heat demand that a substitute stands for is no history.
    pub fn observe(&mut self, situation: &Situation, prices_are_known: bool, heat_is_known: bool) {
        for (running, quantity) in self.running.iter_mut().zip(Quantity::ALL) {
            let known = match quantity {
                Quantity::ImportPrice | Quantity::ExportPrice => prices_are_known,
                Quantity::HeatLoad => heat_is_known,
                Quantity::Pv | Quantity::Wind | Quantity::ElectricLoad => true,
            };
            let value = situation.quantity(quantity);
            if known && value.is_finite() {
                running.sum += value;
                running.count += 1;
            }
        }
    }

    /// Step `step` of local time begins: the running one is closed, steps in between become gaps. Gives the means of the
    /// step that is over, if there was one.
    pub fn begin_step(&mut self, step: i64, steps_per_day: usize) -> Option<Means> {
        let capacity = HISTORY_DAYS * steps_per_day;
        let closed = self.step.map(|_| self.close(capacity));
        let next = self.step.map_or(step, |running| running.saturating_add(1));
        if step > next {
            let missing = usize::try_from(step - next).unwrap_or(capacity).min(capacity);
            (0..missing).for_each(|_| self.push([None; 6], capacity));
        } else {
            let repeated = usize::try_from(next - step).unwrap_or(capacity);
            self.drop_last(repeated);
        }
        self.step = Some(step);
        closed
    }

    /// Takes over the means of a step that an earlier run closed; they belong to `step - 1`.
    pub fn restore_step(&mut self, step: i64, means: Means, steps_per_day: usize) {
        self.running = Default::default();
        self.begin_step(step.saturating_sub(1), steps_per_day);
        self.push(means, HISTORY_DAYS * steps_per_day);
        self.step = Some(step);
    }

    fn close(&mut self, capacity: usize) -> Means {
        let means = self.running.map(|r| (r.count > 0).then(|| r.sum / f64::from(r.count)));
        self.push(means, capacity);
        self.running = Default::default();
        means
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
        }
    }
}

/// What a gateway knows live: its own history, and what others say of the hours ahead.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// What was measured, up to the step before the present one.
    pub history: &'a History,
    /// Prices and forecasts.
    pub outlook: &'a Outlook,
}

impl Known for Live<'_> {
    fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.outlook.ahead(quantity, steps)
    }
    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.history.ago(quantity, steps)
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
            history.observe(&with_load(*load), true, true);
        }
        history
    }

    #[test]
    fn a_step_is_remembered_by_the_mean_of_its_cycles() {
        let mut history = lived(&[(7, 10.0), (8, 20.0)]);
        history.observe(&with_load(40.0), true, true);
        let closed = history.begin_step(9, 4);
        assert_eq!(closed.map(|means| means[2]), Some(Some(30.0)));
        assert_eq!(loads(&history, 3), [Some(30.0), Some(10.0), None]);
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
        history.observe(&with_load(12.0), false, false);
        history.begin_step(3, 4);
        let ago = |quantity| history.ago(quantity, 1);
        assert_eq!((ago(Quantity::ImportPrice), ago(Quantity::HeatLoad)), (None, None));
        assert_eq!((ago(Quantity::ElectricLoad), history.ago(Quantity::ImportPrice, 2)), (Some(12.0), Some(0.15)));
    }

    #[test]
    fn fifteen_days_are_kept_whatever_the_gap() {
        let mut history = lived(&[(0, 1.0), (1, 2.0)]);
        history.begin_step(i64::MAX / 2, 4);
        assert_eq!(history.past.steps(), 15 * 4);
        assert_eq!(loads(&history, 60), [None; 60]);
    }

    #[test]
    fn a_restart_takes_over_what_the_run_before_has_closed() {
        let mut history = lived(&[(7, 10.0), (8, 20.0)]);
        let mut restored = history.clone();
        let means = history.begin_step(9, 4).unwrap_or_default();
        restored.restore_step(9, means, 4);
        assert_eq!(restored, history);
        restored.restore_step(12, means, 4);
        assert_eq!(loads(&restored, 4), [Some(20.0), None, None, Some(20.0)]);
    }
}
