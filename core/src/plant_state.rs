//! All measurements of one cycle, frozen.
//!
//! Responsible for: the closed list of [`Signal`]s that control knows, their names where there are several units ([`Tag`]),
//! and [`PlantState`], what is measured of each. It does not judge it: [`crate::situation`] decides whether it suffices to act.

mod range;
mod signal;
mod tag;
mod unit_number;

pub use range::Range;
pub use signal::Signal;
pub use tag::Tag;
pub use unit_number::UnitNumber;

use crate::equipment::{Plant, UNITS_MAX};
use crate::measurement::{Measurement, Quality};
use crate::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts};
use serde::{Deserialize, Serialize};

/// What is measured of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BatteryState {
    /// State of charge.
    pub soc: Measurement<Soc>,
    /// Power, + = charging.
    pub power: Measurement<Kilowatts>,
    /// It accepts remote set-points.
    pub remote: Measurement<bool>,
    /// It reports a fault.
    pub fault: Measurement<bool>,
}

impl Default for BatteryState {
    fn default() -> Self {
        let flag = Measurement::absent();
        Self { soc: Measurement::absent(), power: Measurement::absent(), remote: flag, fault: flag }
    }
}

/// What is measured of a CHP.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChpState {
    /// Electric power.
    pub power: Measurement<Kilowatts>,
    /// It runs.
    pub on: Measurement<bool>,
    /// It accepts remote set-points.
    pub remote: Measurement<bool>,
    /// It reports a fault.
    pub fault: Measurement<bool>,
}

impl Default for ChpState {
    fn default() -> Self {
        let flag = Measurement::absent();
        Self { power: Measurement::absent(), on: flag, remote: flag, fault: flag }
    }
}

impl ChpState {
    /// Its power and whether it runs, as measured; `None` if neither is known. A unit that only reports its power runs from
    /// its minimum power upward.
    #[must_use]
    pub fn observed(&self, chp_min: Watts) -> Option<(Watts, bool)> {
        let power = self.power.usable().map(Watts::nearest);
        let on = self.on.usable().or_else(|| power.map(|power| power >= chp_min))?;
        Some((power.unwrap_or(if on { chp_min } else { Watts::ZERO }), on))
    }
}

/// Which unit of a sum is the first that is lost, by its number from 1; 1 if none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostParts {
    /// Of PV.
    pub pv: u16,
    /// Of wind.
    pub wind: u16,
    /// Of electric loads.
    pub electric_load: u16,
    /// Of heat loads.
    pub heat_load: u16,
}

impl Default for LostParts {
    fn default() -> Self {
        Self { pv: 1, wind: 1, electric_load: 1, heat_load: 1 }
    }
}

/// All measurements of a cycle. Sources, loads and heat are the sums of what is measured of them; a sum is as good as the
/// worst of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PlantState {
    /// PV power that could be produced now.
    pub pv: Measurement<Kilowatts>,
    /// Wind power that could be produced now.
    pub wind: Measurement<Kilowatts>,
    /// `pv` and `wind` are what could be produced. If not, they are what is produced, which a cap hides the rest of.
    pub available_is_measured: bool,
    /// Electric load.
    pub electric_load: Measurement<Kilowatts>,
    /// Heat demand.
    pub heat_load: Measurement<KilowattsThermal>,
    /// What makes those sums unusable.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost_parts: LostParts,
    /// Each battery; those that nobody measures anything of are absent.
    #[serde(with = "crate::memory::rest_left_out")]
    pub batteries: [BatteryState; UNITS_MAX],
    /// Each CHP.
    #[serde(with = "crate::memory::rest_left_out")]
    pub chps: [ChpState; UNITS_MAX],
    /// Power at the connection, + = importing.
    pub grid: Measurement<Kilowatts>,
    /// Reactive power at the connection (kvar), + = importing.
    pub grid_reactive: Measurement<Kilowatts>,
    /// Voltage at the connection.
    pub grid_voltage: Measurement<PerUnit>,
    /// Grid frequency.
    pub frequency: Measurement<Hertz>,
    /// Import price.
    pub import_price: Measurement<EurPerKwh>,
    /// Export price.
    pub export_price: Measurement<EurPerKwh>,
    /// Site's local time of day, hours in [0, 24).
    pub local_hour: f64,
}

impl PlantState {
    /// A state from one measurement per signal, where there is one unit of each kind; [`Measurement::absent`] for a signal
    /// that nobody configures.
    #[must_use]
    pub fn from_image(image: impl Fn(Signal) -> Measurement<f64>, local_hour: f64) -> Self {
        let measured = Signal::ALL.map(|signal| (Tag::first(signal), image(signal)));
        Self::from_measured(&measured, local_hour)
    }

    /// A state from what is configured, as a process image holds it. Booleans are true from 0.5 upward. What is not finite
    /// is out of range.
    #[must_use]
    pub fn from_measured(measured: &[(Tag, Measurement<f64>)], local_hour: f64) -> Self {
        let measured = Measured(measured);
        let one = |signal| measured.of(Tag::first(signal));
        let (pv, pv_is_available) = measured.source(Signal::PvKw, Signal::PvAvailableKw);
        let (wind, wind_is_available) = measured.source(Signal::WindKw, Signal::WindAvailableKw);
        let sources = !(pv.is_absent() && wind.is_absent());
        Self {
            pv: pv.map(Kilowatts::new),
            wind: wind.map(Kilowatts::new),
            available_is_measured: sources && pv_is_available && wind_is_available,
            electric_load: measured.sum(Signal::ElectricLoadKw).map(Kilowatts::new),
            heat_load: measured.sum(Signal::HeatLoadKw).map(KilowattsThermal::new),
            lost_parts: LostParts {
                pv: measured.lost_part(Signal::PvKw, Signal::PvAvailableKw),
                wind: measured.lost_part(Signal::WindKw, Signal::WindAvailableKw),
                electric_load: measured.lost_part(Signal::ElectricLoadKw, Signal::ElectricLoadKw),
                heat_load: measured.lost_part(Signal::HeatLoadKw, Signal::HeatLoadKw),
            },
            batteries: core::array::from_fn(|index| measured.battery(index)),
            chps: core::array::from_fn(|index| measured.chp(index)),
            grid: one(Signal::GridKw).map(Kilowatts::new),
            grid_reactive: one(Signal::GridKvar).map(Kilowatts::new),
            grid_voltage: one(Signal::GridVoltagePu).map(PerUnit::new),
            frequency: one(Signal::FrequencyHz).map(Hertz::new),
            import_price: one(Signal::ImportPriceEurPerKwh).map(EurPerKwh::new),
            export_price: one(Signal::ExportPriceEurPerKwh).map(EurPerKwh::new),
            local_hour,
        }
    }

    /// The same with zeros for what this plant does not have and nobody measures: PV, wind, load or heat of rating zero.
    #[must_use]
    pub fn at(mut self, plant: &Plant) -> Self {
        let x = &plant.parameters().exogenous;
        not_there(&mut self.pv, x.pv_kw_nom, Kilowatts::ZERO);
        not_there(&mut self.wind, x.wind_kw_nom, Kilowatts::ZERO);
        not_there(&mut self.electric_load, x.electric_load_kw_max, Kilowatts::ZERO);
        not_there(&mut self.heat_load, x.heat_load_kw_max, KilowattsThermal::ZERO);
        self
    }

    /// Power of all batteries of the plant, + = charging; that of none is 0. Absent where one of them is not measured.
    #[must_use]
    pub fn battery(&self, plant: &Plant) -> Measurement<Kilowatts> {
        all_of(self.batteries.iter().take(plant.batteries().len()).map(|battery| battery.power))
    }

    /// Electric power of all CHPs of the plant; that of none is 0. Absent where one of them is not measured.
    #[must_use]
    pub fn chp(&self, plant: &Plant) -> Measurement<Kilowatts> {
        all_of(self.chps.iter().take(plant.chps().len()).map(|chp| chp.power))
    }

    /// The name under which a lost signal is told: of a sum, its first part that is lost.
    #[must_use]
    pub fn named(&self, signal: Signal) -> Tag {
        let number = match signal {
            Signal::PvKw => self.lost_parts.pv,
            Signal::WindKw => self.lost_parts.wind,
            Signal::ElectricLoadKw => self.lost_parts.electric_load,
            Signal::HeatLoadKw => self.lost_parts.heat_load,
            _ => 1,
        };
        Tag::new(signal, number).unwrap_or(Tag::first(signal))
    }

    /// What is wrong with a signal of a device, if it is configured and control may not rely on it.
    #[must_use]
    pub fn lost(&self, tag: Tag) -> Option<Quality> {
        let (battery, chp) = (self.batteries.get(tag.unit().index())?, self.chps.get(tag.unit().index())?);
        match tag.signal() {
            Signal::PvKw | Signal::PvAvailableKw => self.pv.lost(),
            Signal::WindKw | Signal::WindAvailableKw => self.wind.lost(),
            Signal::ElectricLoadKw => self.electric_load.lost(),
            Signal::HeatLoadKw => self.heat_load.lost(),
            Signal::Soc => battery.soc.lost(),
            Signal::BatteryKw => battery.power.lost(),
            Signal::BatteryRemote => battery.remote.lost(),
            Signal::BatteryFault => battery.fault.lost(),
            Signal::ChpKw => chp.power.lost(),
            Signal::ChpOn => chp.on.lost(),
            Signal::ChpRemote => chp.remote.lost(),
            Signal::ChpFault => chp.fault.lost(),
            Signal::GridKw => self.grid.lost(),
            Signal::GridKvar => self.grid_reactive.lost(),
            Signal::GridVoltagePu => self.grid_voltage.lost(),
            Signal::FrequencyHz => self.frequency.lost(),
            Signal::ImportPriceEurPerKwh => self.import_price.lost(),
            Signal::ExportPriceEurPerKwh => self.export_price.lost(),
            Signal::GasKw
            | Signal::ChpHeatKw
            | Signal::BoilerHeatKw
            | Signal::GridImportKwh
            | Signal::GridExportKwh
            | Signal::GridImportLimitKw
            | Signal::GridExportLimitKw => None,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Nobody has to measure what is not there: zero, by its rating.
fn not_there<T: Copy>(measurement: &mut Measurement<T>, rating: f64, zero: T) {
    if measurement.is_absent() && rating <= 0.0 {
        measurement.value = Some(zero);
    }
}

/// The sum of all; absent if one is, zero if there is none.
fn all_of(powers: impl Iterator<Item = Measurement<Kilowatts>> + Clone) -> Measurement<Kilowatts> {
    if powers.clone().any(|power| power.is_absent()) {
        return Measurement::absent();
    }
    powers.reduce(|a, b| a.with(b, |a, b| a + b)).unwrap_or(Measurement::good(Kilowatts::ZERO))
}

/// What is configured, with its measurements.
#[derive(Clone, Copy)]
struct Measured<'a>(&'a [(Tag, Measurement<f64>)]);

impl<'a> Measured<'a> {
    /// Those of a signal, with their numbers.
    fn all(self, signal: Signal) -> impl Iterator<Item = (u16, Measurement<f64>)> + 'a {
        let of = self.0.iter().filter(move |(tag, known)| tag.signal() == signal && !known.is_absent());
        of.map(|(tag, known)| (tag.unit().get(), known.finite()))
    }

    fn of(self, tag: Tag) -> Measurement<f64> {
        let known = self.0.iter().find(|(known, _)| *known == tag);
        known.map_or_else(Measurement::absent, |(_, known)| known.finite())
    }

    fn unit(self, signal: Signal, index: usize) -> Measurement<f64> {
        let number = u16::try_from(index + 1).ok();
        number.and_then(|number| Tag::new(signal, number)).map_or_else(Measurement::absent, |tag| self.of(tag))
    }

    fn sum(self, signal: Signal) -> Measurement<f64> {
        let all = self.all(signal).map(|(_, known)| known);
        all.reduce(|a, b| a.with(b, |a, b| a + b)).unwrap_or_else(Measurement::absent)
    }

    /// Number of the first unit of which neither signal is usable although one is configured; 1 if there is none.
    fn lost_part(self, signal: Signal, other: Signal) -> u16 {
        let usable = |signal, number| Tag::new(signal, number).is_some_and(|tag| self.of(tag).usable().is_some());
        let mut lost = self.all(signal).chain(self.all(other)).map(|(number, _)| number);
        lost.find(|number| !usable(signal, *number) && !usable(other, *number)).unwrap_or(1)
    }

    /// The sum of what sources could produce, and whether each of them reports that. One that does not is judged by what it
    /// produces.
    fn source(self, now: Signal, ideal: Signal) -> (Measurement<f64>, bool) {
        let reported = |number| Tag::new(ideal, number).is_some_and(|tag| self.of(tag).usable().is_some());
        let produces = |number| self.all(now).any(|(known, _)| known == number);
        let by_production = self.all(now).filter(|(number, _)| !reported(*number));
        let by_report = self.all(ideal).filter(|(number, _)| reported(*number) || !produces(*number));
        let is_available = self.all(now).chain(self.all(ideal)).all(|(number, _)| reported(number));
        let all = by_production.chain(by_report).map(|(_, known)| known);
        (all.reduce(|a, b| a.with(b, |a, b| a + b)).unwrap_or_else(Measurement::absent), is_available)
    }

    fn battery(self, index: usize) -> BatteryState {
        BatteryState {
            soc: self.unit(Signal::Soc, index).map(Soc::new),
            power: self.unit(Signal::BatteryKw, index).map(Kilowatts::new),
            remote: self.unit(Signal::BatteryRemote, index).map(is_set),
            fault: self.unit(Signal::BatteryFault, index).map(is_set),
        }
    }

    fn chp(self, index: usize) -> ChpState {
        ChpState {
            power: self.unit(Signal::ChpKw, index).map(Kilowatts::new),
            on: self.unit(Signal::ChpOn, index).map(is_set),
            remote: self.unit(Signal::ChpRemote, index).map(is_set),
            fault: self.unit(Signal::ChpFault, index).map(is_set),
        }
    }
}

fn is_set(value: f64) -> bool {
    value >= 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(name: &str, value: f64) -> (Tag, Measurement<f64>) {
        (Tag::from_name(name).unwrap(), Measurement::good(value))
    }

    #[test]
    fn sources_and_loads_are_summed_and_as_good_as_the_worst_of_them() {
        let old = Measurement { age_ms: 900, ..Measurement::good(4.0) };
        let mut list = vec![good("pv_kw", 1.0), good("pv_2_kw", 2.0), (Tag::from_name("pv_3_kw").unwrap(), old)];
        let pv = PlantState::from_measured(&list, 0.0).pv;
        assert_eq!((pv.usable(), pv.age_ms), (Some(Kilowatts::new(7.0)), 900));
        list.push((Tag::from_name("pv_4_kw").unwrap(), Measurement { quality: Quality::Stale, ..old }));
        let pv = PlantState::from_measured(&list, 0.0).pv;
        assert_eq!((pv.usable(), pv.quality, pv.is_lost()), (None, Quality::Stale, true));
        assert_eq!(PlantState::from_measured(&list, 0.0).named(Signal::PvKw).to_string(), "pv_4_kw");
    }

    #[test]
    fn a_source_that_reports_no_available_power_is_judged_by_what_it_produces() {
        let all = [good("pv_kw", 1.0), good("pv_available_kw", 5.0), good("pv_2_kw", 2.0)];
        let state = PlantState::from_measured(&all, 0.0);
        assert_eq!((state.pv.usable(), state.available_is_measured), (Some(Kilowatts::new(7.0)), false));
        let state = PlantState::from_measured(&all[..2], 0.0);
        assert_eq!((state.pv.usable(), state.available_is_measured), (Some(Kilowatts::new(5.0)), true));
    }

    #[test]
    fn each_unit_has_its_own_measurements_and_what_is_not_there_is_absent() {
        let state = PlantState::from_measured(&[good("soc_2", 0.3), good("chp_3_on", 1.0)], 0.0);
        assert_eq!(state.batteries[1].soc.usable(), Some(Soc::new(0.3)));
        assert_eq!(state.chps[2].on.usable(), Some(true));
        assert!(state.batteries[0] == BatteryState::default() && state.pv.is_absent());
        assert!(state.battery(&Plant::reference()).is_absent(), "nobody measures it");
    }
}
