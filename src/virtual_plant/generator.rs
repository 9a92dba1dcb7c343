//! One PV or wind turbine of several: its part of what the weather gives, under its own cap.

/// A source's state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generator {
    /// Its part of what all of its kind could produce, 0..1.
    share: f64,
    /// What it could produce, kW.
    pub available_kw: f64,
    /// What it produces, kW.
    pub power_kw: f64,
    /// Energy since the start, kWh.
    pub energy_kwh: f64,
}

impl Generator {
    /// One for each rating, kW; their parts are as their ratings.
    #[must_use]
    pub fn all(ratings_kw: &[f64]) -> Vec<Self> {
        let sum = ratings_kw.iter().sum::<f64>();
        let share = |rating: &f64| if sum > 0.0 { rating / sum } else { 1.0 };
        let at_rest = |share| Self { share, available_kw: 0.0, power_kw: 0.0, energy_kwh: 0.0 };
        ratings_kw.iter().map(share).map(at_rest).collect()
    }

    /// What it does when all of its kind could produce `available_kw` and this one is capped.
    #[must_use]
    pub fn under(self, available_kw: f64, limit_kw: Option<&f64>) -> Self {
        let own_kw = self.share * available_kw;
        let limit_kw = limit_kw.copied().filter(|limit| !limit.is_nan());
        let power_kw = limit_kw.map_or(own_kw, |limit| own_kw.min(limit.max(0.0)));
        Self { available_kw: own_kw, power_kw, ..self }
    }
}
