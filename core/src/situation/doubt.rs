//! How far the numbers of a situation may be off: errors of meters, and what may have changed since they were read.
//!
//! A doubt tightens limits; it never changes a number. While it grows with age the set-points move to where they are
//! right for everything that may be true, bounded by the ranges that the site declares.

use super::Situation;
use crate::equipment::{Battery, Plant, UNITS_MAX};
use crate::units::{Hours, Kilowatts, PerUnit, Soc, Watts};
use serde::{Deserialize, Serialize};

/// Older than this a number starts to be doubted: a cycle and a poll.
const FRESH_MS: u64 = 2_000;
/// After this time a number may be anywhere in its declared range.
const WHOLE_RANGE_MS: f64 = 60_000.0;
/// Beyond this age a frequency says nothing any more.
const FREQUENCY_MS: u64 = 5_000;

/// How far the numbers of a [`Situation`] may be off. All powers and voltages >= 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// The net load may be higher by this much.
    pub net_load_up: Kilowatts,
    /// The net load may be lower by this much.
    pub net_load_down: Kilowatts,
    /// The voltage behind the connection may be off by this much in either direction.
    pub voltage: PerUnit,
    /// It may have moved by this much since it was measured. That forbids moves which the voltage might not bear; it forces
    /// none.
    #[serde(default = "no_drift")]
    pub voltage_drift: PerUnit,
    /// A voltage is measured. If not, no voltage rule is kept.
    #[serde(default = "yes")]
    pub voltage_is_measured: bool,
    /// A frequency is measured. If not, it counts as nominal, however old the other numbers are.
    #[serde(default = "yes")]
    pub frequency_is_measured: bool,
    /// The frequency is known. If not, nothing may move that it might forbid.
    pub frequency_is_known: bool,
    /// A battery runs at this power whatever it is told; `None` = it follows.
    pub battery_fixed: [Option<Watts>; UNITS_MAX],
}

const fn no_drift() -> PerUnit {
    PerUnit::new(0.0)
}

const fn yes() -> bool {
    true
}

impl Default for Doubt {
    fn default() -> Self {
        Self::NONE
    }
}

impl Doubt {
    /// The numbers are exact.
    pub const NONE: Self = Self {
        net_load_up: Kilowatts::ZERO,
        net_load_down: Kilowatts::ZERO,
        voltage: PerUnit::new(0.0),
        voltage_drift: PerUnit::new(0.0),
        voltage_is_measured: true,
        frequency_is_measured: true,
        frequency_is_known: true,
        battery_fixed: [None; UNITS_MAX],
    };

    /// Finite and >= 0.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        [self.net_load_up.get(), self.net_load_down.get(), self.voltage.get(), self.voltage_drift.get()]
            .into_iter()
            .all(|value| value.is_finite() && value >= 0.0)
    }
}

/// A state of charge and the interval in which it lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SocEstimate {
    /// Most likely.
    pub best: Soc,
    /// Lowest possible.
    pub low: Soc,
    /// Highest possible.
    pub high: Soc,
}

impl SocEstimate {
    /// A state of charge that is known.
    #[must_use]
    pub const fn exact(soc: Soc) -> Self {
        Self { best: soc, low: soc, high: soc }
    }

    /// The estimate, as much wider than the meter's value ± its error as this one is.
    fn bettered(self, estimate: Self, error: f64) -> Self {
        let meter = self.best.get();
        Self {
            best: estimate.best,
            low: Soc::new(self.low.get() + (estimate.low.get() - (meter - error))),
            high: Soc::new(self.high.get() + (estimate.high.get() - (meter + error))),
        }
    }
}

/// A state of charge that lay in `(low, high)` some time ago.
fn widened((low, high): (Soc, Soc), of: &Battery, age_ms: u64) -> (Soc, Soc) {
    let age = Hours::new(super::judge::age(age_ms) / 3_600_000.0).get();
    let (low, high) = (low.get(), high.get());
    let up = of.charge_kw_max * of.efficiency_store / of.capacity_kwh.max(1e-9) * age;
    let down = of.discharge_kw_max / (of.efficiency_dispatch * of.capacity_kwh.max(1e-9)) * age;
    (Soc::new((low - down).max(0.0).min(low)), Soc::new((high + up).min(1.0).max(high)))
}

/// Share of its declared range by which a number may have moved, in [0, 1].
pub(super) fn drift(age_ms: u64) -> f64 {
    (super::judge::age(age_ms.saturating_sub(FRESH_MS)) / WHOLE_RANGE_MS).min(1.0)
}

impl Situation {
    /// Widens the doubt by what load and sources may have done in `ages_ms` (load, PV, wind).
    pub(super) fn doubt_powers(&mut self, plant: &Plant, ages_ms: [u64; 3]) {
        let x = &plant.parameters().exogenous;
        let [load, pv, wind] = ages_ms.map(drift);
        let (l, p, w) = (self.electric_load.get(), self.pv.get(), self.wind.get());
        let room = |value: f64| value.max(0.0);
        let load_range = x.electric_load_kw_max - x.electric_load_kw_min;
        let load_up = (load * load_range).min(room(x.electric_load_kw_max - l));
        let load_down = (load * load_range).min(room(l - x.electric_load_kw_min));
        let less = (pv * x.pv_kw_nom).min(room(p)) + (wind * x.wind_kw_nom).min(room(w));
        let more = (pv * x.pv_kw_nom).min(room(x.pv_kw_nom - p)) + (wind * x.wind_kw_nom).min(room(x.wind_kw_nom - w));
        self.doubt.net_load_up += Kilowatts::new(load_up + less);
        self.doubt.net_load_down += Kilowatts::new(load_down + more);
    }

    /// Widens the doubt by what the voltage may have done in `age_ms`: at most its whole band.
    pub(super) fn doubt_voltage(&mut self, plant: &Plant, age_ms: u64) {
        if !self.doubt.voltage_is_measured {
            return;
        }
        let g = &plant.parameters().grid;
        let more = drift(age_ms) * (g.voltage_pu_max - g.voltage_pu_min);
        self.doubt.voltage_drift = PerUnit::new(self.doubt.voltage_drift.get() + more);
    }

    /// As [`Self::doubt_socs`], all states of charge being equally old.
    pub(super) fn doubt_soc(&mut self, plant: &Plant, age_ms: u64) {
        self.doubt_socs(plant, [age_ms; UNITS_MAX]);
    }

    /// The SoC of each battery may have moved by full power in either direction: `soc ± p_max age / E`. Never further out
    /// than physically possible, never narrower than before.
    pub(super) fn doubt_socs(&mut self, plant: &Plant, ages_ms: [u64; UNITS_MAX]) {
        let [first, ..] = ages_ms;
        let Some(socs) = &mut self.socs else {
            (self.soc_low, self.soc_high) = widened((self.soc_low, self.soc_high), plant.cautious_battery(), first);
            return;
        };
        for ((soc, unit), age_ms) in socs.iter_mut().zip(plant.batteries().iter()).zip(ages_ms) {
            (soc.low, soc.high) = widened((soc.low, soc.high), &unit.cautious, age_ms);
        }
        self.soc_low = plant.soc_of_all(&socs.map(|soc| soc.low));
        self.soc_high = plant.soc_of_all(&socs.map(|soc| soc.high));
    }

    /// A better estimate of each battery's state of charge than the meter's value ± its declared error; what its age adds
    /// stays.
    pub fn estimate_socs(&mut self, plant: &Plant, estimates: [SocEstimate; UNITS_MAX]) {
        let error = plant.parameters().margins.soc;
        let [first, ..] = estimates;
        let all = SocEstimate { best: self.soc, low: self.soc_low, high: self.soc_high };
        let Some(socs) = &mut self.socs else {
            SocEstimate { best: self.soc, low: self.soc_low, high: self.soc_high } = all.bettered(first, error);
            return;
        };
        socs.iter_mut().zip(estimates).for_each(|(soc, estimate)| *soc = soc.bettered(estimate, error));
        self.soc = plant.soc_of_all(&socs.map(|soc| soc.best));
        self.soc_low = plant.soc_of_all(&socs.map(|soc| soc.low));
        self.soc_high = plant.soc_of_all(&socs.map(|soc| soc.high));
    }

    /// The same situation when `age_ms` have passed without news: the worst case of everything.
    #[must_use]
    pub fn aged(mut self, plant: &Plant, age_ms: u64) -> Self {
        self.doubt_soc(plant, age_ms);
        self.doubt_powers(plant, [age_ms; 3]);
        self.doubt_voltage(plant, age_ms);
        self.doubt.frequency_is_known &= age_ms <= FREQUENCY_MS || !self.doubt.frequency_is_measured;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ProfileRow;

    fn now() -> Situation {
        let row = ProfileRow { electric_load_kw: 40.0, pv_kw: 30.0, wind_kw: 10.0, ..ProfileRow::default() };
        row.situation(Soc::new(0.5))
    }

    #[test]
    fn doubt_grows_with_age_from_nothing_to_the_declared_ranges_and_no_further() {
        let plant = Plant::reference();
        // load in [5, 100], PV up to 60, wind up to 40
        for (age_ms, up, down) in
            [(2_000, 0.0, 0.0), (32_000, 47.5 + 30.0 + 10.0, 35.0 + 30.0 + 20.0), (600_000, 100.0, 95.0)]
        {
            let doubt = now().aged(&plant, age_ms).doubt;
            assert!((doubt.net_load_up.get() - up).abs() < 1e-9, "{age_ms}: {doubt:?}");
            assert!((doubt.net_load_down.get() - down).abs() < 1e-9, "{age_ms}: {doubt:?}");
        }
        assert!(
            now().aged(&plant, 5_000).doubt.frequency_is_known && !now().aged(&plant, 5_001).doubt.frequency_is_known
        );
    }

    #[test]
    fn a_state_of_charge_widens_by_full_power() {
        let aged = now().aged(&Plant::reference(), 360_000);
        assert!((aged.soc_high.get() - (0.5 + 0.0475)).abs() < 1e-9 && aged.soc_low.get() < 0.5 - 0.05);
        let old = now().aged(&Plant::reference(), u64::MAX);
        assert_eq!((old.soc_low.get(), old.soc_high.get()), (0.0, 1.0));
    }
}
