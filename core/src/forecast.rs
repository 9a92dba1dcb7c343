//! What may come in the steps ahead: what others have said, and a guess where nobody has.

mod errors;
mod persistence;
mod regressors;
mod ridge;

pub use errors::{ForecastErrors, ForecastMae, LEADS_H};
pub use persistence::Persistence;
pub use regressors::{REGRESSORS, REGRESSORS_NAME, Regressors};
pub use ridge::{Coefficients, FITTED, Ridge};

use crate::equipment::Plant;
use crate::policy::{PolicyError, PolicyInput};
use crate::profile::ProfileRow;
use crate::series::Quantity;

/// Guesses what nobody outside has said.
pub trait Forecaster: core::fmt::Debug + Send {
    /// Short name for journals and tables.
    fn name(&self) -> &str;

    /// Whether it is one for this plant.
    ///
    /// # Errors
    /// It knows steps of another length than the plant's.
    fn suits(&self, _: &Plant) -> Result<(), PolicyError> {
        Ok(())
    }

    /// Fills `out` with the means of the steps that begin in 0, 1, … steps, in the quantity's unit. Step 0 is the present
    /// one, and its value is measured. Deterministic, without allocation after the first call.
    fn guess(&mut self, input: &PolicyInput<'_>, quantity: Quantity, out: &mut [f64]);
}

/// One value a step and quantity for the steps ahead, without gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    columns: [Vec<f64>; 6],
}

impl Forecast {
    /// Room for so many steps.
    #[must_use]
    pub fn of_steps(steps: usize) -> Self {
        Self { columns: core::array::from_fn(|_| vec![0.0; steps]) }
    }

    /// As it came.
    #[must_use]
    pub fn of_rows(rows: &[ProfileRow]) -> Self {
        Self { columns: Quantity::ALL.map(|quantity| rows.iter().map(|row| row.quantity(quantity)).collect()) }
    }

    /// Number of steps.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// The values of a quantity, the present step first.
    #[must_use]
    pub fn column(&self, quantity: Quantity) -> &[f64] {
        let at = Quantity::ALL.into_iter().zip(&self.columns).find(|(of, _)| *of == quantity);
        at.map_or(&[], |(_, column)| column)
    }

    /// What is known ahead, and the forecaster's guesses where nothing is; the present step is as measured.
    pub fn fill(&mut self, input: &PolicyInput<'_>, forecaster: &mut dyn Forecaster) {
        for (quantity, column) in Quantity::ALL.into_iter().zip(&mut self.columns) {
            forecaster.guess(input, quantity, column);
            for (steps, value) in column.iter_mut().enumerate() {
                *value = match steps {
                    0 => input.situation.quantity(quantity),
                    _ => input.known.ahead(quantity, steps).unwrap_or(*value),
                };
            }
        }
    }
}
