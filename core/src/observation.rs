//! What the network sees: schemas and their builders. Models name the schema that they were trained with.
//!
//! Schema `memg-10d`, f32, in this order: p_pv · p_wind · electric load · heat load · SoC · CHP on (0/1) · import price ·
//! hour/24 · sin(2 pi h/24) · cos(2 pi h/24), h the site's local time, each power and price over its divisor. Version 1
//! fixes the divisors ([`Divisors::VERSION_1`], those of the reference plant). Version 2 takes them from the site that a
//! model is trained for and records them in model.toml; what a site does not have is 0. `memg-forecast` records them from
//! its first version on. Values out of range are flagged,
//! never clipped in silence.

use crate::elementary::sine_cosine_of_turn;
use crate::equipment::Plant;
use crate::situation::Situation;
use crate::units::narrow;
use serde::{Deserialize, Serialize};

/// A list of what a network sees, whatever its divisors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Schema {
    /// The ten numbers of the module's head.
    #[serde(rename = "memg-10d/1")]
    TenD,
    /// The ten, then previous powers, timers, day-ahead prices and persistence forecasts: see
    /// [`crate::extended`].
    #[serde(rename = "memg-extended/1")]
    Extended,
    /// The ten, then previous powers, timers, and forecasts of 36 hours: see [`crate::foreseen`].
    #[serde(rename = "memg-forecast/1")]
    Forecast,
}

/// What powers and prices are divided by before a network sees them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divisors {
    /// Rated PV power, kW.
    pub pv_kw: f64,
    /// Rated wind power, kW.
    pub wind_kw: f64,
    /// Largest electric load, kW.
    pub electric_load_kw: f64,
    /// Largest heat that boiler or CHP give, kW thermal.
    pub heat_load_kw: f64,
    /// A usual price, EUR/kWh.
    pub price_eur_per_kwh: f64,
    /// Largest battery power, kW.
    pub battery_kw: f64,
    /// Largest CHP power, kW.
    pub chp_kw: f64,
}

impl Divisors {
    /// Those of schemas of version 1: the reference plant's.
    pub const VERSION_1: Self = Self {
        pv_kw: 60.0,
        wind_kw: 40.0,
        electric_load_kw: 100.0,
        heat_load_kw: 150.0,
        price_eur_per_kwh: 0.3,
        battery_kw: 50.0,
        chp_kw: 80.0,
    };

    /// Those of version 2 for a site; 0 for what it does not have.
    #[must_use]
    pub fn of(plant: &Plant) -> Self {
        let p = plant.parameters();
        Self {
            pv_kw: p.exogenous.pv_kw_nom,
            wind_kw: p.exogenous.wind_kw_nom,
            electric_load_kw: p.exogenous.electric_load_kw_max,
            heat_load_kw: p.boiler.q_kw_max.max(plant.chp().heat_per_power * plant.chp().p_kw_max),
            price_eur_per_kwh: Self::VERSION_1.price_eur_per_kwh,
            battery_kw: plant.battery().charge_kw_max.max(plant.battery().discharge_kw_max),
            chp_kw: plant.chp().p_kw_max,
        }
    }

    /// All are finite and none is negative.
    #[must_use]
    pub fn are_valid(&self) -> bool {
        let all = [
            self.pv_kw,
            self.wind_kw,
            self.electric_load_kw,
            self.heat_load_kw,
            self.price_eur_per_kwh,
            self.battery_kw,
            self.chp_kw,
        ];
        all.iter().all(|divisor| divisor.is_finite() && *divisor >= 0.0)
    }
}

impl Default for Divisors {
    fn default() -> Self {
        Self::VERSION_1
    }
}

/// Places of the numbers that depend on the plant's own state.
pub mod place {
    /// State of charge.
    pub const SOC: usize = 4;
    /// CHP on (1) or off (0).
    pub const CHP_ON: usize = 5;
    /// Battery set-point of the last step; not in `memg-10d`.
    pub const BATTERY: usize = 10;
    /// CHP set-point of the last step; not in `memg-10d`.
    pub const CHP: usize = 11;
    /// Time in the CHP's state; not in `memg-10d`.
    pub const CHP_IN_STATE: usize = 12;
}

/// A value over its divisor; 0 for a part that is not there.
#[must_use]
pub fn over(value: f64, divisor: f64) -> f64 {
    if divisor > 0.0 { value / divisor } else { 0.0 }
}

/// Largest observation of any schema.
pub const OBSERVATION_MAX: usize = 96;
/// Length of `memg-10d/1`.
pub const TEN_D: usize = 10;

impl Schema {
    /// Name and version, as in model.toml, of models whose divisors are not recorded.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TenD => "memg-10d/1",
            Self::Extended => "memg-extended/1",
            Self::Forecast => "memg-forecast/1",
        }
    }

    /// Name and version, as in model.toml, of models that record their divisors.
    #[must_use]
    pub const fn name_with_divisors(self) -> &'static str {
        match self {
            Self::TenD => "memg-10d/2",
            Self::Extended => "memg-extended/2",
            Self::Forecast => "memg-forecast/1",
        }
    }

    /// How many numbers.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::TenD => TEN_D,
            Self::Extended => crate::extended::EXTENDED,
            Self::Forecast => crate::foreseen::FORESEEN,
        }
    }

    /// No schema is empty; present because clippy wants it beside `len`.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }
}

/// What the network sees at the start of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    values: [f32; OBSERVATION_MAX],
    schema: Schema,
}

impl Observation {
    /// The ten numbers. `chp_on` is the state at the start of the step.
    #[must_use]
    pub fn ten_d(situation: &Situation, chp_on: bool, divisors: &Divisors) -> Self {
        let mut values = [0.0; OBSERVATION_MAX];
        for (slot, value) in values.iter_mut().zip(ten(situation, chp_on, divisors)) {
            *slot = narrow(value);
        }
        Self { values, schema: Schema::TenD }
    }

    /// The ten numbers followed by `more`; anything beyond the schema's length is ignored.
    #[must_use]
    pub fn of_schema(schema: Schema, situation: &Situation, chp_on: bool, divisors: &Divisors, more: &[f64]) -> Self {
        let mut values = [0.0; OBSERVATION_MAX];
        let all = ten(situation, chp_on, divisors).into_iter().chain(more.iter().copied());
        for (slot, value) in values.iter_mut().take(schema.len()).zip(all) {
            *slot = narrow(value);
        }
        Self { values, schema }
    }

    /// The numbers as they are, for golden files and recorded transitions. `None` if their count is not the schema's.
    #[must_use]
    pub fn from_values(schema: Schema, numbers: &[f32]) -> Option<Self> {
        let mut values = [0.0; OBSERVATION_MAX];
        values.get_mut(..schema.len()).filter(|slots| slots.len() == numbers.len())?.copy_from_slice(numbers);
        Some(Self { values, schema })
    }

    /// The numbers in the order of the schema, each divided by its rating.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        self.values.get(..self.schema.len()).unwrap_or(&self.values)
    }

    /// Which list this is.
    #[must_use]
    pub const fn schema(&self) -> Schema {
        self.schema
    }

    /// Indices whose value is outside the range seen by a network in training; by schema all ten are in [0, 1] but the
    /// price (prices are heavy-tailed: [-1, 4]) and the two circular ones ([-1, 1]).
    pub fn out_of_range(&self) -> impl Iterator<Item = usize> + '_ {
        self.values().iter().take(TEN_D).enumerate().filter_map(|(index, value)| {
            let (low, high) = match index {
                6 => (-1.0, 4.0),
                8 | 9 => (-1.0, 1.0),
                _ => (0.0, 1.0),
            };
            (!(*value >= low && *value <= high)).then_some(index)
        })
    }
}

fn ten(situation: &Situation, chp_on: bool, divisors: &Divisors) -> [f64; TEN_D] {
    let (sine, cosine) = sine_cosine_of_turn(situation.local_hour / 24.0);
    [
        over(situation.pv.get(), divisors.pv_kw),
        over(situation.wind.get(), divisors.wind_kw),
        over(situation.electric_load.get(), divisors.electric_load_kw),
        over(situation.heat_load.get(), divisors.heat_load_kw),
        situation.soc.get(),
        f64::from(u8::from(chp_on)),
        over(situation.import_price.get(), divisors.price_eur_per_kwh),
        situation.local_hour / 24.0,
        sine,
        cosine,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileRow;
    use crate::units::Soc;

    #[test]
    fn the_reference_plant_has_the_divisors_of_version_1() {
        assert_eq!(Divisors::of(&Plant::reference()), Divisors::VERSION_1);
    }

    #[test]
    fn what_a_site_does_not_have_is_zero_and_what_it_has_is_in_range() {
        let divisors = Divisors { wind_kw: 0.0, pv_kw: 600.0, ..Divisors::VERSION_1 };
        let row = ProfileRow { pv_kw: 540.0, electric_load_kw: 50.0, ..ProfileRow::default() };
        let seen = Observation::ten_d(&row.situation(Soc::new(0.5)), false, &divisors);
        assert_eq!(seen.values().get(..3), Some(&[0.9_f32, 0.0, 0.5][..]));
        assert_eq!(seen.out_of_range().count(), 0);
    }
}
