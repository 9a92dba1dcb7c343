//! The extended observation `memg-extended`: what a gateway also knows live.
//!
//! After the ten numbers of `memg-10d`, in this order (powers and prices over their divisors):
//!
//! | index | value |
//! |---|---|
//! | 10 | battery set-point of the last step |
//! | 11 | CHP set-point of the last step |
//! | 12 | time in the CHP's state / 4 h, at most 1 |
//! | 13 | export price |
//! | 14..=37 | mean import price of each of the next 24 hours, minus the present import price |
//! | 38..=45 | PV of yesterday at this time + 0, 1, 2, 3, 4, 6, 8, 12 h |
//! | 46..=53 | net load (load - PV - wind) of yesterday at this time + 0, 1, 2, 3, 4, 6, 8, 12 h, over the load's divisor |
//! | 54..=57 | heat load of yesterday at this time + 0, 1, 3, 6 h |
//!
//! What is not known (no price topic, no day of history yet) repeats the present value: persistence is the forecast.

use crate::memory::ControlMemory;
use crate::observation::{Divisors, Observation, Schema, over};
use crate::series::{Known, Quantity, hourly_price, yesterday};
use crate::situation::Situation;
use crate::units::to_float;

/// Length of `memg-extended`.
pub const EXTENDED: usize = 58;
/// Time in the CHP's state over which it is divided, h; longer times count as this one.
pub const CHP_IN_STATE_H: f64 = 4.0;
/// Hours of price look-ahead.
pub const PRICE_HOURS: usize = 24;
/// Offsets of the PV and net-load forecasts, hours.
pub const POWER_OFFSETS_H: [usize; 8] = [0, 1, 2, 3, 4, 6, 8, 12];
/// Offsets of the heat forecast, hours.
pub const HEAT_OFFSETS_H: [usize; 4] = [0, 1, 3, 6];

/// Least and largest of some numbers; `None` if there are none.
#[must_use]
pub fn extent(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |seen, x| Some(seen.map_or([x, x], |[low, high]: [f64; 2]| [low.min(x), high.max(x)])))
}

/// Least and largest distance of the export price below the import price 1, 2, … 24 hours ago, EUR/kWh.
#[must_use]
pub fn spread_seen(known: &dyn Known, steps_per_hour: usize) -> Option<[f64; 2]> {
    let at = |quantity, hours| yesterday(known, quantity, hours, steps_per_hour);
    extent((0..24).filter_map(|hours| Some(at(Quantity::ImportPrice, hours)? - at(Quantity::ExportPrice, hours)?)))
}

/// Load less renewables of yesterday at this time plus `hours`, kW.
fn net_load_yesterday(known: &dyn Known, hours: usize, steps_per_hour: usize) -> Option<f64> {
    let at = |quantity| yesterday(known, quantity, hours, steps_per_hour);
    Some(at(Quantity::ElectricLoad)? - at(Quantity::Pv)? - at(Quantity::Wind)?)
}

/// Numbers 10 to 13: what is known of the present besides the ten.
#[must_use]
pub fn present(situation: &Situation, memory: &ControlMemory, d: &Divisors) -> [f64; 4] {
    let in_state_h = to_float(memory.chp_in_state_ms().clamp(0, 14_400_000)) / 3_600_000.0;
    [
        over(memory.battery().kilowatts().get(), d.battery_kw),
        over(memory.chp().kilowatts().get(), d.chp_kw),
        in_state_h / CHP_IN_STATE_H,
        over(situation.export_price.get(), d.price_eur_per_kwh),
    ]
}

/// Builds the extended observation.
#[must_use]
pub fn observe(
    situation: &Situation,
    memory: &ControlMemory,
    known: &dyn Known,
    steps_per_hour: usize,
    divisors: &Divisors,
) -> Observation {
    let mut more = [0.0; EXTENDED];
    let d = divisors;
    let price = situation.import_price.get();
    let now = present(situation, memory, d);
    let ahead = |hour| hourly_price(known, hour, steps_per_hour).unwrap_or(price) - price;
    let prices = (0..PRICE_HOURS).map(|hour| over(ahead(hour), d.price_eur_per_kwh));
    let at = |quantity, hours| yesterday(known, quantity, hours, steps_per_hour);
    let (pv_now, net_now, heat_now) = (situation.pv.get(), situation.net_load().get(), situation.heat_load.get());
    let pv = POWER_OFFSETS_H.iter().map(|h| over(at(Quantity::Pv, *h).unwrap_or(pv_now), d.pv_kw));
    let net = |hours| net_load_yesterday(known, hours, steps_per_hour).unwrap_or(net_now);
    let net = POWER_OFFSETS_H.iter().map(|h| over(net(*h), d.electric_load_kw));
    let heat = HEAT_OFFSETS_H.iter().map(|h| over(at(Quantity::HeatLoad, *h).unwrap_or(heat_now), d.heat_load_kw));
    let all = now.into_iter().chain(prices).chain(pv).chain(net).chain(heat);
    let mut count = 0;
    for (slot, value) in more.iter_mut().zip(all) {
        *slot = value;
        count += 1;
    }
    let more = more.get(..count).unwrap_or(&more);
    Observation::of_schema(Schema::Extended, situation, memory.chp_on(), divisors, more)
}
