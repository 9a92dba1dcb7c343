//! What control decides that can be written, and for which unit.

use super::WriteOrder;
use memg_core::equipment::UNITS_MAX;
use memg_core::plant_state::UnitNumber;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a writable point of a device can take from the controller. Names carry unit and sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Battery set-point, kW, + = charging.
    BatterySetpointKw,
    /// CHP electric set-point, kW; 0 when off.
    ChpSetpointKw,
    /// CHP run command, 0/1.
    ChpRun,
    /// Cap on PV production, kW.
    PvLimitKw,
    /// Cap on wind production, kW.
    WindLimitKw,
    /// Stroked once per completed control cycle: a counter that wraps at 65536.
    Heartbeat,
}

impl Output {
    /// The name in configuration files; it carries the unit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BatterySetpointKw => "battery_setpoint_kw",
            Self::ChpSetpointKw => "chp_setpoint_kw",
            Self::ChpRun => "chp_run",
            Self::PvLimitKw => "pv_limit_kw",
            Self::WindLimitKw => "wind_limit_kw",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// How many units may take it; PV and wind are bounded as the numbers of signals are.
    fn numbers_max(self) -> u16 {
        match self {
            Self::BatterySetpointKw | Self::ChpSetpointKw | Self::ChpRun => u16::try_from(UNITS_MAX).unwrap_or(1),
            Self::PvLimitKw | Self::WindLimitKw => 999,
            Self::Heartbeat => 1,
        }
    }
}

/// An [`Output`] and the number of the unit that it is for, from 1. Named as signals are: the number stands behind the part,
/// and the first has none (`battery_setpoint_kw`, `battery_2_setpoint_kw`, `chp_2_run`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputTag {
    output: Output,
    unit: UnitNumber,
}

impl OutputTag {
    /// For the first unit, or the only one.
    #[must_use]
    pub const fn first(output: Output) -> Self {
        Self { output, unit: UnitNumber::FIRST }
    }

    /// For the unit of that number; what all share, such as the heartbeat, keeps the first.
    ///
    /// # Errors
    /// There cannot be so many; in words.
    pub fn numbered(output: Output, number: u16) -> Result<Self, String> {
        let max = output.numbers_max();
        let unit = if max == 1 { Some(UnitNumber::FIRST) } else { UnitNumber::new(number, max) };
        unit.map(|unit| Self { output, unit }).ok_or_else(|| format!("expected 1 to {max} for {}", output.name()))
    }

    /// What is written.
    #[must_use]
    pub const fn output(self) -> Output {
        self.output
    }

    /// Which of the units.
    #[must_use]
    pub const fn unit(self) -> UnitNumber {
        self.unit
    }

    /// The value in an order, in the unit of the name. Caps are those of all PV or wind; [`Share`] says what part is one's.
    #[must_use]
    pub fn value(self, order: &WriteOrder) -> f64 {
        let chp = order.setpoints.chps().get(self.unit.index()).copied().unwrap_or_default();
        match self.output {
            Output::BatterySetpointKw => {
                let power = order.setpoints.batteries().get(self.unit.index()).copied().unwrap_or_default();
                power.kilowatts().get()
            }
            Output::ChpSetpointKw => chp.power.kilowatts().get(),
            Output::ChpRun => f64::from(u8::from(chp.on)),
            Output::PvLimitKw => order.pv_limit_kw,
            Output::WindLimitKw => order.wind_limit_kw,
            Output::Heartbeat => f64::from(order.heartbeat),
        }
    }
}

impl fmt::Display for OutputTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.output.name();
        let (part, rest) = name.split_at(name.find('_').unwrap_or(name.len()));
        f.pad(&self.unit.name(part, rest))
    }
}

/// The part of a cap that goes to one of several sources, by their ratings: where none is capped each gets its own rating,
/// and together they never get more than the cap. kW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Rating of this one, kW.
    pub own_kw: f64,
    /// Ratings of all, kW, > 0.
    pub all_kw: f64,
}

impl Share {
    /// This one's part of a cap.
    #[must_use]
    pub fn of(self, cap_kw: f64) -> f64 {
        (cap_kw * (self.own_kw / self.all_kw)).min(self.own_kw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_numbered_as_signals_are() {
        let name = |output, number| OutputTag::numbered(output, number).map(|tag| tag.to_string());
        assert_eq!(name(Output::BatterySetpointKw, 1).as_deref(), Ok("battery_setpoint_kw"));
        assert_eq!(name(Output::BatterySetpointKw, 2).as_deref(), Ok("battery_2_setpoint_kw"));
        assert_eq!(name(Output::ChpRun, 4).as_deref(), Ok("chp_4_run"));
        assert_eq!(name(Output::Heartbeat, 3).as_deref(), Ok("heartbeat"));
        assert_eq!(name(Output::ChpRun, 5), Err("expected 1 to 4 for chp_run".to_owned()));
    }

    #[test]
    fn shares_of_a_cap_never_exceed_it_and_without_one_each_has_its_rating() {
        let ratings = [30.0, 20.0, 9.9];
        let all_kw = ratings.iter().sum::<f64>();
        for cap_kw in [0.0, 7.3, 31.7, all_kw] {
            let shares = ratings.map(|own_kw| Share { own_kw, all_kw }.of(cap_kw));
            assert!((shares.iter().sum::<f64>() - cap_kw).abs() < 1e-9, "{cap_kw}: {shares:?}");
            assert!(shares.iter().zip(ratings).all(|(share, own)| *share <= own));
        }
    }
}
