//! The extended observation `memg-extended/1`: what a gateway also knows live.
//!
//! After the ten numbers of `memg-10d/1`, in this order (prices in EUR/kWh over 0.3, powers over the divisors of the
//! ten):
//!
//! | index | value |
//! |---|---|
//! | 10 | battery set-point of the last step / 50 |
//! | 11 | CHP set-point of the last step / 80 |
//! | 12 | time in the CHP's state / 4 h, at most 1 |
//! | 13 | export price / 0.3 |
//! | 14..=37 | mean import price of each of the next 24 hours, minus the present import price, / 0.3 |
//! | 38..=45 | PV of yesterday at this time + 0, 1, 2, 3, 4, 6, 8, 12 h, / 60 |
//! | 46..=53 | net load (load - PV - wind) of yesterday at this time + 0, 1, 2, 3, 4, 6, 8, 12 h, / 100 |
//! | 54..=57 | heat load of yesterday at this time + 0, 1, 3, 6 h, / 150 |
//!
//! What is not known (no price topic, no day of history yet) repeats the present value: persistence is the forecast.

use crate::memory::ControlMemory;
use crate::observation::{Observation, divisor};
use crate::situation::Situation;
use crate::units::to_float;

/// Length of `memg-extended/1`.
pub const EXTENDED: usize = 58;
/// Hours of price look-ahead.
pub const PRICE_HOURS: usize = 24;
/// Offsets of the PV and net-load forecasts, hours.
pub const POWER_OFFSETS_H: [usize; 8] = [0, 1, 2, 3, 4, 6, 8, 12];
/// Offsets of the heat forecast, hours.
pub const HEAT_OFFSETS_H: [usize; 4] = [0, 1, 3, 6];

/// What is known about the hours ahead; `None` where it is not.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outlook {
    /// Mean import price of each of the next hours, EUR/kWh, the first one starting now.
    pub import_price: [Option<f64>; PRICE_HOURS],
    /// PV of yesterday at the offsets, kW.
    pub pv_kw: [Option<f64>; POWER_OFFSETS_H.len()],
    /// Net load of yesterday at the offsets, kW.
    pub net_load_kw: [Option<f64>; POWER_OFFSETS_H.len()],
    /// Heat load of yesterday at the offsets, kW thermal.
    pub heat_load_kw: [Option<f64>; HEAT_OFFSETS_H.len()],
    /// Not observed by networks, but by their guard ([`crate::guard`]): least and largest distance of the export price
    /// below the import price 1, 2, … 24 hours ago, EUR/kWh.
    pub spread_seen: Option<[f64; 2]>,
}

/// Least and largest of some numbers; `None` if there are none.
#[must_use]
pub fn extent(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |seen, x| Some(seen.map_or([x, x], |[low, high]: [f64; 2]| [low.min(x), high.max(x)])))
}

/// Builds the extended observation.
#[must_use]
pub fn observe(situation: &Situation, memory: &ControlMemory, outlook: &Outlook) -> Observation {
    let mut more = [0.0; EXTENDED];
    let price = situation.import_price.get();
    let in_state_h = to_float(memory.chp_in_state_ms.clamp(0, 14_400_000)) / 3_600_000.0;
    let now = [
        memory.battery.kilowatts().get() / divisor::BATTERY_KW,
        memory.chp.kilowatts().get() / divisor::CHP_KW,
        in_state_h / divisor::CHP_IN_STATE_H,
        situation.export_price.get() / divisor::PRICE_EUR_PER_KWH,
    ];
    let prices = outlook.import_price.iter().map(|p| (p.unwrap_or(price) - price) / divisor::PRICE_EUR_PER_KWH);
    let pv = outlook.pv_kw.iter().map(|p| p.unwrap_or(situation.pv.get()) / divisor::PV_KW);
    let net = outlook.net_load_kw.iter().map(|p| p.unwrap_or(situation.net_load().get()) / divisor::ELECTRIC_LOAD_KW);
    let heat = outlook.heat_load_kw.iter().map(|q| q.unwrap_or(situation.heat_load.get()) / divisor::HEAT_LOAD_KW);
    let all = now.into_iter().chain(prices).chain(pv).chain(net).chain(heat);
    let mut count = 0;
    for (slot, value) in more.iter_mut().zip(all) {
        *slot = value;
        count += 1;
    }
    Observation::extended(situation, memory.chp_on, more.get(..count).unwrap_or(&more))
}
