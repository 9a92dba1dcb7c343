//! The observation `memg-forecast`: what a gateway measures and remembers, and what it expects of the next 36 hours.
//!
//! Forecasts are those of [`crate::forecast`]: what others have said of the hours ahead, and where nobody has, the guess of
//! the forecaster that belongs to the model (persistence if none does). After the fourteen first numbers of
//! [`crate::extended`], in this order (powers and prices over their divisors, hours counted from now, the present step as
//! it is measured):
//!
//! | index | value |
//! |---|---|
//! | 14..=37 | mean import price of each of the next 24 hours, minus the present import price |
//! | 38..=41 | the same of hours 24 to 27, 27 to 30, 30 to 33, 33 to 36 |
//! | 42..=44 | least import price of the next 6, 12, 24 of these hours, minus the present import price |
//! | 45..=47 | largest one |
//! | 48, 49 | hours until the least and the largest one of 24 begin / 24 |
//! | 50..=53 | mean export price of hours 0 to 6, 6 to 12, 12 to 24, 24 to 36, minus the present export price |
//! | 54..=65 | mean net load (load - PV - wind) of hours 0, 1, 2, 3 to 4, 4 to 6, to 8, to 12, to 16, to 20, to 24, to 30, to 36, over the load's divisor |
//! | 66..=77 | mean heat load of the same hours |
//! | 78..=81 | mean PV of hours 0 to 3, 3 to 6, 6 to 12, 12 to 24 |
//! | 82..=85 | mean wind of the same hours |

use crate::extended;
use crate::forecast::{Forecast, Forecaster};
use crate::memory::ControlMemory;
use crate::observation::{Divisors, Observation, Schema, over};
use crate::policy::PolicyInput;
use crate::series::Quantity;
use crate::situation::Situation;
use crate::units::to_float;

/// Length of `memg-forecast`.
pub const FORESEEN: usize = 86;
/// Hours of single prices.
pub const PRICE_HOURS: usize = 24;
/// Hours that it reaches.
pub const HOURS: usize = 36;
/// Hours of the four price means behind the single ones.
pub const LATE_PRICES_H: [(usize, usize); 4] = [(24, 27), (27, 30), (30, 33), (33, 36)];
/// Hours of the means of the export price.
pub const EXPORT_H: [(usize, usize); 4] = [(0, 6), (6, 12), (12, 24), (24, 36)];
/// Hours of the means of net load and heat.
pub const POWERS_H: [(usize, usize); 12] =
    [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (12, 16), (16, 20), (20, 24), (24, 30), (30, 36)];
/// How many of [`POWERS_H`] make each of the means of PV and wind.
const RENEWABLES_OF: [core::ops::Range<usize>; 4] = [0..3, 3..5, 5..7, 7..10];

/// Means of the hours ahead, kW and EUR/kWh.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ahead {
    /// Import price of each hour.
    pub import: [f64; PRICE_HOURS],
    /// Import price of [`LATE_PRICES_H`].
    pub late_import: [f64; 4],
    /// Export price of [`EXPORT_H`].
    pub export: [f64; 4],
    /// PV, wind, load and heat of [`POWERS_H`].
    pub powers: [[f64; 12]; 4],
}

impl Ahead {
    /// Of a forecast of [`HOURS`] or more.
    #[must_use]
    pub fn of(forecast: &Forecast, steps_per_hour: usize) -> Self {
        let mean = |quantity, (from, to): (usize, usize)| {
            let hours = forecast.column(quantity).get(from * steps_per_hour..to * steps_per_hour);
            hours.map_or(0.0, |hours| hours.iter().sum::<f64>() / number(hours.len().max(1)))
        };
        let quantities = [Quantity::Pv, Quantity::Wind, Quantity::ElectricLoad, Quantity::HeatLoad];
        Self {
            import: core::array::from_fn(|hour| mean(Quantity::ImportPrice, (hour, hour + 1))),
            late_import: LATE_PRICES_H.map(|hours| mean(Quantity::ImportPrice, hours)),
            export: EXPORT_H.map(|hours| mean(Quantity::ExportPrice, hours)),
            powers: quantities.map(|quantity| POWERS_H.map(|hours| mean(quantity, hours))),
        }
    }

    /// The observation.
    #[must_use]
    pub fn observe(&self, situation: &Situation, memory: &ControlMemory, divisors: &Divisors) -> Observation {
        let d = divisors;
        let [pv, wind, load, heat] = &self.powers;
        let (import, export) = (situation.import_price.get(), situation.export_price.get());
        let price = |value: f64, present: f64| over(value - present, d.price_eur_per_kwh);
        let net = pv.iter().zip(wind).zip(load).map(|((pv, wind), load)| load - pv - wind);
        let net = net.map(|kw| over(kw, d.electric_load_kw));
        let numbers = extended::present(situation, memory, d)
            .into_iter()
            .chain(self.import.iter().chain(&self.late_import).map(|value| price(*value, import)))
            .chain(self.extremes().map(|value| price(value, import)))
            .chain(self.places().map(|hour| number(hour) / number(PRICE_HOURS)))
            .chain(self.export.map(|value| price(value, export)))
            .chain(net)
            .chain(heat.map(|kw| over(kw, d.heat_load_kw)))
            .chain(coarse(pv).map(|kw| over(kw, d.pv_kw)))
            .chain(coarse(wind).map(|kw| over(kw, d.wind_kw)));
        let mut more = [0.0; FORESEEN];
        more.iter_mut().zip(numbers).for_each(|(slot, value)| *slot = value);
        Observation::of_schema(Schema::Forecast, situation, memory.chp_on(), divisors, &more)
    }

    /// Mean import price of [`EXPORT_H`].
    #[must_use]
    pub fn import_of_export_hours(&self) -> [f64; 4] {
        let mean =
            |from: usize, to: usize| self.import.iter().skip(from).take(to - from).sum::<f64>() / number(to - from);
        [mean(0, 6), mean(6, 12), mean(12, 24), self.late_import.iter().sum::<f64>() / 4.0]
    }

    /// Least import price of the next 6, 12 and 24 hours, and the largest ones.
    fn extremes(&self) -> [f64; 6] {
        let within = |hours: usize, choose: fn(f64, f64) -> f64, from: f64| {
            self.import.iter().take(hours).fold(from, |found, price| choose(found, *price))
        };
        let least = |hours| within(hours, f64::min, f64::INFINITY);
        let largest = |hours| within(hours, f64::max, f64::NEG_INFINITY);
        [least(6), least(12), least(24), largest(6), largest(12), largest(24)]
    }

    /// Hours until the least and the largest of the 24 begin; the first of several.
    fn places(&self) -> [usize; 2] {
        let [.., least, _, _, largest] = self.extremes();
        [least, largest].map(|value| self.import.iter().position(|price| *price == value).unwrap_or(0))
    }
}

/// Means of longer spans, from those of [`POWERS_H`].
fn coarse(means: &[f64; 12]) -> [f64; 4] {
    RENEWABLES_OF.map(|parts| {
        let hours = |(from, to): &(usize, usize)| number(to - from);
        let weighted = POWERS_H.iter().zip(means).skip(parts.start).take(parts.len());
        let (sum, total) =
            weighted.fold((0.0, 0.0), |(sum, total), (span, kw)| (sum + kw * hours(span), total + hours(span)));
        sum / total
    })
}

fn number(count: usize) -> f64 {
    to_float(i64::try_from(count).unwrap_or(0))
}

/// Forecasts with a forecaster, and observes.
#[must_use]
pub fn observe(
    input: &PolicyInput<'_>,
    forecaster: &mut dyn Forecaster,
    room: &mut Forecast,
    divisors: &Divisors,
) -> Observation {
    let per_hour = input.plant.steps_per_hour();
    if room.steps() != HOURS * per_hour {
        *room = Forecast::of_steps(HOURS * per_hour);
    }
    room.fill(input, forecaster);
    Ahead::of(room, per_hour).observe(input.situation, input.memory, divisors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::Plant;
    use crate::forecast::Persistence;
    use crate::profile::ProfileRow;
    use crate::series::Nothing;
    use crate::units::Soc;

    #[test]
    fn windows_are_means_of_their_hours_and_prices_are_told_from_the_present_one() {
        let rows: Vec<ProfileRow> = (0..HOURS)
            .map(|hour| ProfileRow {
                pv_kw: hour as f64,
                electric_load_kw: 50.0,
                heat_load_kw: 15.0,
                import_price: if hour == 5 { 0.6 } else { 0.3 - 0.001 * hour as f64 },
                export_price: 0.1,
                ..ProfileRow::default()
            })
            .collect();
        let ahead = Ahead::of(&Forecast::of_rows(&rows), 1);
        let seen = ahead.observe(&rows[0].situation(Soc::new(0.5)), &ControlMemory::at_rest(), &Divisors::VERSION_1);
        let value = |index: usize| f64::from(seen.values()[index]);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        close(value(14 + 5), 1.0);
        close(value(38), -0.025 / 0.3);
        close(value(44), -0.023 / 0.3);
        close(value(47), 1.0);
        assert_eq!([value(48), value(49)].map(|h| (h * 24.0).round()), [23.0, 5.0]);
        close(value(54 + 4), (50.0 - 4.5) / 100.0);
        close(value(66), 0.1);
        close(value(79), 4.0 / 60.0);
        assert_eq!((seen.values().len(), seen.schema()), (FORESEEN, Schema::Forecast));
    }

    #[test]
    fn without_a_past_the_present_stands_for_the_hours_ahead_and_absent_parts_are_zero() {
        let plant = Plant::reference();
        let row = ProfileRow { electric_load_kw: 40.0, heat_load_kw: 30.0, ..ProfileRow::default() };
        let (situation, memory) = (row.situation(Soc::new(0.5)), ControlMemory::at_rest());
        let input = PolicyInput { plant: &plant, situation: &situation, memory: &memory, known: &Nothing };
        let divisors = Divisors { wind_kw: 0.0, ..Divisors::of(&plant) };
        let seen = observe(&input, &mut Persistence, &mut Forecast::of_steps(0), &divisors);
        let all = |places: core::ops::Range<usize>, value: f32| {
            assert!(seen.values()[places].iter().all(|found| (found - value).abs() < 1e-6), "{seen:?}");
        };
        all(14..54, 0.0);
        all(54..66, 0.4);
        all(66..78, 0.2);
        all(78..86, 0.0);
        assert_eq!(seen, input.observe(Schema::Forecast, &divisors));
    }
}
