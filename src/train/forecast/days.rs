//! The rows of a profile by their time, with gaps where it has none, as a gateway would remember them.

use memg_core::equipment::Plant;
use memg_core::memory::ControlMemory;
use memg_core::policy::PolicyInput;
use memg_core::profile::ProfileRow;
use memg_core::series::{Known, Quantity};
use memg_core::units::Soc;

/// Rows by the number of their step.
#[derive(Debug, Clone)]
pub(super) struct Days {
    step_min: i64,
    first: i64,
    rows: Vec<Option<ProfileRow>>,
}

impl Days {
    /// `rows` in the order of time, of `step_min` minutes each.
    pub(super) fn new(rows: &[ProfileRow], step_min: i64) -> Self {
        let number = |row: &ProfileRow| row.time.minute.div_euclid(step_min);
        let (first, last) = (rows.first().map_or(0, number), rows.last().map_or(-1, number));
        let mut found = Self { step_min, first, rows: vec![None; (last - first + 1).max(0) as usize] };
        for row in rows {
            let index = found.index(row);
            found.rows[index] = Some(*row);
        }
        found
    }

    /// Steps from the first row to the last, gaps counted.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Place of a row that lies between the first and the last.
    pub(super) const fn index(&self, row: &ProfileRow) -> usize {
        (row.time.minute.div_euclid(self.step_min) - self.first) as usize
    }

    /// The row at a place, `None` in a gap.
    pub(super) fn row(&self, index: usize) -> Option<&ProfileRow> {
        self.rows.get(index)?.as_ref()
    }

    /// Calls `each` with the place of every row and what a policy sees there: the row, and those before as its past.
    pub(super) fn live_through(&self, plant: &Plant, mut each: impl FnMut(usize, &PolicyInput<'_>)) {
        let memory = ControlMemory::at_rest();
        for (index, row) in self.rows.iter().enumerate() {
            let Some(row) = row else { continue };
            let (situation, known) =
                (row.situation(Soc::new(0.5)), Before { days: self, index, minute: row.time.minute });
            each(index, &PolicyInput { plant, situation: &situation, memory: &memory, known: &known });
        }
    }
}

/// What is known at a step: the rows before.
#[derive(Debug, Clone, Copy)]
struct Before<'a> {
    days: &'a Days,
    index: usize,
    minute: i64,
}

impl Known for Before<'_> {
    fn ahead(&self, _: Quantity, _: usize) -> Option<f64> {
        None
    }

    fn ago(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        Some(self.days.row(self.index.checked_sub(steps)?)?.quantity(quantity)).filter(|_| steps > 0)
    }

    fn minute(&self) -> Option<i64> {
        Some(self.minute)
    }
}
