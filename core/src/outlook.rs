//! What others say of the hours ahead: published prices and forecasts, one value a step.

use crate::series::{Quantity, Series};
use serde::{Deserialize, Serialize};

/// Hours that an outlook reaches.
pub const OUTLOOK_HOURS: usize = 36;

/// Prices and forecasts at the plant's step length, the first value for the step that begins now. Empty unless somebody
/// supplies it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outlook {
    ahead: Series,
}

impl Outlook {
    /// From values at step length; what is not finite is a gap, what lies beyond [`OUTLOOK_HOURS`] is dropped.
    #[must_use]
    pub fn new(ahead: Series, steps_per_hour: usize) -> Self {
        let mut ahead = ahead.finite();
        for quantity in Quantity::ALL {
            ahead.column_mut(quantity).truncate(OUTLOOK_HOURS * steps_per_hour);
        }
        Self { ahead }
    }

    /// From mean import prices of the hours ahead (EUR/kWh), the first hour beginning now: each stands for its steps.
    #[must_use]
    pub fn of_hourly_prices(hours: impl IntoIterator<Item = Option<f64>>, steps_per_hour: usize) -> Self {
        let mut ahead = Series::default();
        let steps = hours.into_iter().flat_map(|price| core::iter::repeat_n(price, steps_per_hour));
        *ahead.column_mut(Quantity::ImportPrice) = steps.collect();
        Self::new(ahead, steps_per_hour)
    }

    /// The value for the step that begins in `steps` steps.
    #[must_use]
    pub fn ahead(&self, quantity: Quantity, steps: usize) -> Option<f64> {
        self.ahead.column(quantity).get(steps).copied().flatten()
    }

    /// What this one does not know is taken from `other`.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        for quantity in Quantity::ALL {
            let column = self.ahead.column_mut(quantity);
            for (index, value) in other.ahead.column(quantity).iter().enumerate() {
                match column.get_mut(index) {
                    Some(known) => *known = known.or(*value),
                    None => column.push_back(*value),
                }
            }
        }
        self
    }

    /// A step has passed: what was said of it is no longer ahead.
    pub fn advance(&mut self) {
        for quantity in Quantity::ALL {
            self.ahead.column_mut(quantity).pop_front();
        }
    }

    /// Nobody has said anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_stand_for_their_steps_and_pass_with_them() {
        let mut outlook = Outlook::of_hourly_prices([Some(0.1), None, Some(f64::NAN), Some(0.4)], 2);
        let prices = |outlook: &Outlook| (0..9).map(|i| outlook.ahead(Quantity::ImportPrice, i)).collect::<Vec<_>>();
        let (a, d) = (Some(0.1), Some(0.4));
        assert_eq!(prices(&outlook), [a, a, None, None, None, None, d, d, None]);
        outlook.advance();
        assert_eq!(prices(&outlook), [a, None, None, None, None, d, d, None, None]);
        assert_eq!(outlook.ahead(Quantity::Pv, 0), None);
    }

    #[test]
    fn one_outlook_fills_the_holes_of_another_and_goes_on_where_it_ends() {
        let hours = |hours: &[Option<f64>]| Outlook::of_hourly_prices(hours.iter().copied(), 1);
        let known = hours(&[Some(1.0), None]).or(&hours(&[Some(9.0), Some(2.0), None, Some(4.0)]));
        assert_eq!(known, hours(&[Some(1.0), Some(2.0), None, Some(4.0)]));
    }

    #[test]
    fn nothing_reaches_beyond_36_hours() {
        let outlook = Outlook::of_hourly_prices((0..40).map(|_| Some(0.1)), 4);
        assert_eq!(outlook.ahead(Quantity::ImportPrice, 143), Some(0.1));
        assert_eq!(outlook.ahead(Quantity::ImportPrice, 144), None);
    }
}
