//! What the network sees: schemas and their builders. Models name the schema that they were trained with.
//!
//! Schema `memg-10d/1`, f32, in this order: p_pv/60 · p_wind/40 · electric load/100 · heat load/150 · SoC ·
//! CHP on (0/1) · import price/0.3 · hour/24 · sin(2 pi h/24) · cos(2 pi h/24), h the site's local time. The divisors are
//! part of the schema and do not change with the plant. Values out of range are flagged, never clipped in silence.

use crate::situation::Situation;
use crate::units::narrow;
use serde::{Deserialize, Serialize};

/// A versioned list of what a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Schema {
    /// The ten numbers of the module's head.
    #[serde(rename = "memg-10d/1")]
    TenD,
    /// The ten, then previous powers, timers, day-ahead prices and persistence forecasts: see
    /// [`crate::extended`].
    #[serde(rename = "memg-extended/1")]
    Extended,
}

/// What the numbers of an observation are divided by. Part of every schema: they do not change with the plant.
pub mod divisor {
    /// PV power, kW.
    pub const PV_KW: f64 = 60.0;
    /// Wind power, kW.
    pub const WIND_KW: f64 = 40.0;
    /// Electric load and net load, kW.
    pub const ELECTRIC_LOAD_KW: f64 = 100.0;
    /// Heat load, kW thermal.
    pub const HEAT_LOAD_KW: f64 = 150.0;
    /// Prices and their differences, EUR/kWh.
    pub const PRICE_EUR_PER_KWH: f64 = 0.3;
    /// Hour of the day, h.
    pub const HOUR: f64 = 24.0;
    /// Battery set-point, kW.
    pub const BATTERY_KW: f64 = 50.0;
    /// CHP set-point, kW.
    pub const CHP_KW: f64 = 80.0;
    /// Time in the CHP's state, h; longer times count as this one.
    pub const CHP_IN_STATE_H: f64 = 4.0;
}

/// Places of the numbers that depend on the plant's own state.
pub mod place {
    /// State of charge.
    pub const SOC: usize = 4;
    /// CHP on (1) or off (0).
    pub const CHP_ON: usize = 5;
    /// Battery set-point of the last step; extended schemas only.
    pub const BATTERY: usize = 10;
    /// CHP set-point of the last step; extended schemas only.
    pub const CHP: usize = 11;
    /// Time in the CHP's state; extended schemas only.
    pub const CHP_IN_STATE: usize = 12;
}

/// Largest observation of any schema.
pub const OBSERVATION_MAX: usize = 64;
/// Length of `memg-10d/1`.
pub const TEN_D: usize = 10;

impl Schema {
    /// Name and version, as in model.toml.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TenD => "memg-10d/1",
            Self::Extended => "memg-extended/1",
        }
    }

    /// How many numbers.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::TenD => TEN_D,
            Self::Extended => crate::extended::EXTENDED,
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
    pub fn ten_d(situation: &Situation, chp_on: bool) -> Self {
        let mut values = [0.0; OBSERVATION_MAX];
        for (slot, value) in values.iter_mut().zip(ten(situation, chp_on)) {
            *slot = narrow(value);
        }
        Self { values, schema: Schema::TenD }
    }

    /// The ten numbers followed by `more`; anything beyond the schema's length is ignored.
    #[must_use]
    pub fn extended(situation: &Situation, chp_on: bool, more: &[f64]) -> Self {
        let mut values = [0.0; OBSERVATION_MAX];
        let all = ten(situation, chp_on).into_iter().chain(more.iter().copied());
        for (slot, value) in values.iter_mut().take(Schema::Extended.len()).zip(all) {
            *slot = narrow(value);
        }
        Self { values, schema: Schema::Extended }
    }

    /// The numbers as they are, for golden files and recorded transitions. `None` if their count is not the schema's.
    #[must_use]
    pub fn from_values(schema: Schema, numbers: &[f32]) -> Option<Self> {
        let mut values = [0.0; OBSERVATION_MAX];
        values.get_mut(..schema.len()).filter(|slots| slots.len() == numbers.len())?.copy_from_slice(numbers);
        Some(Self { values, schema })
    }

    /// The numbers.
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

fn ten(situation: &Situation, chp_on: bool) -> [f64; TEN_D] {
    let angle = core::f64::consts::TAU * situation.local_hour / divisor::HOUR;
    [
        situation.pv.get() / divisor::PV_KW,
        situation.wind.get() / divisor::WIND_KW,
        situation.electric_load.get() / divisor::ELECTRIC_LOAD_KW,
        situation.heat_load.get() / divisor::HEAT_LOAD_KW,
        situation.soc.get(),
        f64::from(u8::from(chp_on)),
        situation.import_price.get() / divisor::PRICE_EUR_PER_KWH,
        situation.local_hour / divisor::HOUR,
        angle.sin(),
        angle.cos(),
    ]
}
