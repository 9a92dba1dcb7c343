//! What forecasts were worth: when the step that was forecast is over, its mean is compared with what was said.
//!
//! Kept for each fitted quantity and a few leads. What is known ahead from outside takes its place in a forecast, so these are
//! the errors of what the planner used, whoever said it. Nobody's error is unknown, not zero.

use super::{FITTED, Forecast};
use crate::history::ClosedStep;
use crate::series::Quantity;
use crate::units::to_float;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Hours ahead that are looked at.
pub const LEADS_H: [usize; 5] = [1, 3, 6, 12, 24];
/// So many comparisons weigh as much as all before them: 30 days of quarters of an hour.
const MEMORY: u32 = 2880;

/// Forecasts on their way and the errors of those that have arrived. Serialised with a gateway's state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ForecastErrors {
    /// In the order of [`FITTED`], then of [`LEADS_H`].
    #[serde(default)]
    tracks: [[Track; LEADS_H.len()]; FITTED.len()],
}

/// One quantity at one lead.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Track {
    /// Numbers of steps to come, with what was said of each; the next one first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    said: VecDeque<(i64, f64)>,
    /// Sum of absolute errors.
    sum: f64,
    /// How many.
    count: u32,
}

impl Track {
    fn say(&mut self, step: i64, value: f64, lead: i64) {
        // Behind a jump of the clock nothing of before is to come, or it is said anew.
        self.said.retain(|(of, _)| *of < step && step.saturating_sub(*of) <= lead);
        self.said.push_back((step, value));
    }

    fn compare(&mut self, step: i64, mean: Option<f64>) {
        while let Some((of, value)) = self.said.front().copied().filter(|(of, _)| *of <= step) {
            self.said.pop_front();
            if let Some(mean) = mean.filter(|_| of == step) {
                self.add((value - mean).abs());
            }
        }
    }

    fn add(&mut self, error: f64) {
        if !error.is_finite() {
            return;
        }
        (self.sum, self.count) = (self.sum + error, self.count + 1);
        if self.count >= 2 * MEMORY {
            (self.sum, self.count) = (0.5 * self.sum, self.count / 2);
        }
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// Mean absolute errors, kW, in the order of [`FITTED`], then of [`LEADS_H`]; `None` while no forecast has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ForecastMae {
    errors: [[Option<f64>; LEADS_H.len()]; FITTED.len()],
}

impl ForecastErrors {
    /// A forecast was made in step `step` of local time.
    pub fn made(&mut self, step: i64, forecast: &Forecast, steps_per_hour: usize) {
        for (quantity, tracks) in FITTED.into_iter().zip(&mut self.tracks) {
            for (hours, track) in LEADS_H.into_iter().zip(tracks) {
                let lead = hours * steps_per_hour;
                let value = forecast.column(quantity).get(lead).copied().filter(|value| value.is_finite());
                if let (Some(value), Ok(lead)) = (value, i64::try_from(lead)) {
                    track.say(step.saturating_add(lead), value, lead);
                }
            }
        }
    }

    /// A step is over: what was said of it is compared with its means.
    pub fn arrived(&mut self, closed: &ClosedStep) {
        for (quantity, tracks) in FITTED.into_iter().zip(&mut self.tracks) {
            let mean = Quantity::ALL.into_iter().zip(closed.means).find(|(of, _)| *of == quantity);
            let mean = mean.and_then(|(_, mean)| mean);
            tracks.iter_mut().for_each(|track| track.compare(closed.step, mean));
        }
    }

    /// Nothing was said and nothing has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What forecasts were worth so far.
    #[must_use]
    pub fn mae(&self) -> ForecastMae {
        let mut errors = [[None; LEADS_H.len()]; FITTED.len()];
        for (errors, tracks) in errors.iter_mut().zip(&self.tracks) {
            for (error, track) in errors.iter_mut().zip(tracks) {
                *error = track.mean();
            }
        }
        ForecastMae { errors }
    }
}

impl ForecastMae {
    /// No forecast has arrived.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.errors.iter().flatten().all(Option::is_none)
    }

    /// The errors of each quantity, kW, in the order of [`LEADS_H`].
    pub fn by_quantity(&self) -> impl Iterator<Item = (Quantity, [Option<f64>; LEADS_H.len()])> + '_ {
        FITTED.into_iter().zip(self.errors)
    }
}

/// By quantity and lead: `{"wind_kw": {"1h": 2.1, "24h": null, …}, …}`, rounded to a watt.
impl Serialize for ForecastMae {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = |kw: f64| to_float(crate::units::to_integer((1e3 * kw).round())) / 1e3;
        let leads = |errors: [Option<f64>; LEADS_H.len()]| -> BTreeMap<String, Option<f64>> {
            let named = LEADS_H.into_iter().zip(errors);
            named.map(|(hours, error)| (format!("{hours}h"), error.map(rounded))).collect()
        };
        let all = self.by_quantity().map(|(quantity, errors)| (quantity.name(), leads(errors)));
        serializer.collect_map(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A forecast of a load that grows by a kW a step, from `now` on.
    fn growing(now: f64) -> Forecast {
        let rows = (0_u32..=96).map(|k| crate::profile::ProfileRow {
            electric_load_kw: now + f64::from(k),
            ..crate::profile::ProfileRow::default()
        });
        Forecast::of_rows(&rows.collect::<Vec<_>>())
    }

    fn closed(step: i64, load: Option<f64>) -> ClosedStep {
        ClosedStep { step, next: step + 1, means: [Some(0.0), Some(0.0), load, Some(0.0), None, None] }
    }

    fn load(errors: &ForecastErrors) -> [Option<f64>; 5] {
        errors.mae().by_quantity().find(|(of, _)| *of == Quantity::ElectricLoad).unwrap().1
    }

    #[test]
    fn a_forecast_is_compared_when_its_step_is_over_and_unknown_before() {
        let mut errors = ForecastErrors::default();
        errors.made(100, &growing(10.0), 4);
        assert!(errors.mae().is_unknown());
        for step in 100..104 {
            errors.arrived(&closed(step, Some(50.0)));
        }
        assert!(errors.mae().is_unknown(), "an hour ahead is step 104");
        errors.arrived(&closed(104, Some(12.5)));
        assert_eq!(load(&errors), [Some(1.5), None, None, None, None]);
        errors.arrived(&closed(112, Some(30.0)));
        assert_eq!(load(&errors), [Some(1.5), Some(8.0), None, None, None]);
        errors.made(113, &growing(0.0), 4);
        errors.arrived(&closed(117, Some(6.5)));
        assert_eq!(load(&errors)[0], Some(2.0), "a mean of 1.5 and 2.5");
        let text = serde_json::to_string(&errors.mae()).unwrap();
        assert!(text.contains(r#""electric_load_kw":{"12h":null,"1h":2.0,"24h":null,"3h":8.0,"6h":null}"#), "{text}");
    }

    #[test]
    fn what_nobody_measured_and_what_the_clock_jumped_over_is_not_compared() {
        let mut errors = ForecastErrors::default();
        errors.made(100, &growing(10.0), 4);
        errors.arrived(&closed(104, None));
        errors.made(101, &growing(10.0), 4);
        errors.arrived(&closed(300, Some(1.0)));
        assert_eq!(load(&errors), [None; 5]);
        errors.made(-1_000_000, &growing(10.0), 4);
        errors.made(200, &growing(10.0), 4);
        errors.made(200, &growing(11.0), 4);
        errors.arrived(&closed(204, Some(15.0)));
        assert_eq!(load(&errors)[0], Some(0.0), "said twice, the later counts");
    }

    #[test]
    fn errors_survive_as_json_and_what_is_on_its_way_is_bounded() {
        let mut errors = ForecastErrors::default();
        for step in 0..1000 {
            errors.made(step, &growing(0.0), 4);
            errors.arrived(&closed(step, Some(1.0)));
        }
        let text = serde_json::to_string(&errors).unwrap();
        assert_eq!(serde_json::from_str::<ForecastErrors>(&text).unwrap(), errors);
        let waiting: Vec<usize> = errors.tracks.iter().flatten().map(|track| track.said.len()).collect();
        assert_eq!(waiting[..5], [4, 12, 24, 48, 96]);
    }
}
