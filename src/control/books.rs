//! Whether measurements fit each other over minutes: powers, heat, gas, counters.
//!
//! No decision depends on it, so it stands outside the cycle and its journal's state: what it says is told to people. Each
//! balance is smoothed (a first-order filter, time constant [`SMOOTH_S`]) because meters are not read in one instant, and off
//! when it has been beyond its tolerance for [`OFF_AFTER_S`] of plant time. Terms: `residual = what comes - what goes`.
//!
//! | balance | residual | judged where |
//! |---|---|---|
//! | power | `pv + wind + chp + grid - battery - load` | all are measured, and PV and wind show what is produced |
//! | heat | `chp_heat + boiler_heat - heat`, where it is below zero: heat may be dumped | all are measured |
//! | CHP's heat | `chp_heat - heat_per_power chp` | both are measured |
//! | gas | `gas - chp/eta_e - boiler/eta_b` | all are measured |
//! | counters | `d(import - export)/dt - grid` | all are measured |

use super::input::CycleInput;
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::{Signal, Tag};
use std::collections::BTreeMap;

/// Time constant of the smoothing, s.
const SMOOTH_S: f64 = 120.0;
/// A balance that has been off for this long is told, s.
const OFF_AFTER_S: f64 = 600.0;
/// Share of the largest power that may be left over.
const SHARE: f64 = 0.1;
/// And at least this, kW.
const LEAST_KW: f64 = 1.0;
/// Counters move in steps: they are compared over this time, s.
const COUNTED_S: f64 = 900.0;

/// Something that people should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which balance.
    pub balance: &'static str,
    /// It is off; else it holds again.
    pub off: bool,
    /// What and by how much.
    pub detail: String,
}

/// What is left over in each balance.
#[derive(Debug, Clone, Default)]
pub struct Books {
    balances: BTreeMap<&'static str, Kept>,
    last_ms: Option<i64>,
    counted: Option<Counted>,
}

/// One balance over time.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    residual_kw: f64,
    largest_kw: f64,
    off_s: f64,
    told: bool,
}

/// Counters at the begin of their span, and what the meter's power came to since.
#[derive(Debug, Clone, Copy)]
struct Counted {
    since_ms: i64,
    net_kwh: f64,
    integral_kwh: f64,
    largest_kw: f64,
}

/// A residual and the largest of its terms, kW.
type Left = (f64, f64);

impl Books {
    /// Takes a cycle's measurements in; what has to be told.
    pub fn observe(&mut self, input: &CycleInput, plant: &Plant) -> Vec<Finding> {
        let passed_ms = self.last_ms.map_or(0, |last| (input.uptime_ms - last).max(0));
        self.last_ms = Some(input.uptime_ms);
        let passed_s = passed_ms as f64 / 1e3;
        let seen = Seen { input, plant };
        let rows = [
            ("balance of powers", seen.power()),
            ("balance of heat", seen.heat()),
            ("heat of the CHP", seen.chp_heat()),
            ("gas", seen.gas()),
            ("counters of the connection", self.counters(&seen, passed_s)),
        ];
        rows.into_iter().filter_map(|(name, left)| self.keep(name, left?, passed_s)).collect()
    }

    fn keep(&mut self, name: &'static str, (residual_kw, largest_kw): Left, passed_s: f64) -> Option<Finding> {
        let kept = self.balances.entry(name).or_default();
        let weight = 1.0 - (-passed_s / SMOOTH_S).exp();
        kept.residual_kw += weight * (residual_kw - kept.residual_kw);
        kept.largest_kw += weight * (largest_kw - kept.largest_kw);
        let may_kw = (SHARE * kept.largest_kw).max(LEAST_KW);
        let off = kept.residual_kw.abs() > may_kw;
        kept.off_s = if off { kept.off_s + passed_s } else { 0.0 };
        let detail = || format!("{name}: {:.1} kW left over, {may_kw:.1} may be", kept.residual_kw);
        match (kept.told, off) {
            (false, true) if kept.off_s >= OFF_AFTER_S => {
                let finding = Finding { balance: name, off: true, detail: detail() };
                kept.told = true;
                Some(finding)
            }
            (true, false) => {
                let finding = Finding { balance: name, off: false, detail: detail() };
                kept.told = false;
                Some(finding)
            }
            _ => None,
        }
    }

    /// Power that the counters show beside that of the meter, once in every span.
    fn counters(&mut self, seen: &Seen<'_>, passed_s: f64) -> Option<Left> {
        let import = seen.witness(Signal::GridImportKwh);
        let export = seen.witness(Signal::GridExportKwh);
        let grid = seen.input.state.grid.usable().map(|kw| kw.get());
        let Some(((import, export), grid_kw)) = import.zip(export).zip(grid) else {
            self.counted = None;
            return None;
        };
        let (net_kwh, now_ms) = (import - export, seen.input.uptime_ms);
        let begin = Counted { since_ms: now_ms, net_kwh, integral_kwh: 0.0, largest_kw: 0.0 };
        let counted = self.counted.get_or_insert(begin);
        counted.integral_kwh += grid_kw * passed_s / 3600.0;
        counted.largest_kw = counted.largest_kw.max(grid_kw.abs());
        let span_s = (now_ms - counted.since_ms) as f64 / 1e3;
        if span_s < COUNTED_S {
            return None;
        }
        let residual_kw = (net_kwh - counted.net_kwh - counted.integral_kwh) * 3600.0 / span_s;
        let largest_kw = counted.largest_kw;
        self.counted = Some(begin);
        // What was found over the whole span counts as if it had been seen all the time.
        self.balances.insert(
            "counters of the connection",
            Kept { residual_kw, largest_kw, off_s: span_s, told: self.told("counters of the connection") },
        );
        Some((residual_kw, largest_kw))
    }

    fn told(&self, name: &str) -> bool {
        self.balances.get(name).is_some_and(|kept| kept.told)
    }
}

/// A cycle's measurements at a plant.
struct Seen<'a> {
    input: &'a CycleInput,
    plant: &'a Plant,
}

impl Seen<'_> {
    fn power(&self) -> Option<Left> {
        let state = &self.input.state;
        if state.available_is_measured {
            return None;
        }
        let state = state.at(self.plant);
        let comes = [state.pv, state.wind, state.chp(self.plant), state.grid];
        let goes = [state.battery(self.plant), state.electric_load];
        let kw = |power: Measurement<memg_core::units::Kilowatts>| power.usable().map(|kw| kw.get());
        let terms =
            comes.into_iter().map(|power| (1.0, kw(power))).chain(goes.into_iter().map(|power| (-1.0, kw(power))));
        left(terms)
    }

    fn heat(&self) -> Option<Left> {
        let heat = self.input.state.at(self.plant).heat_load.usable().map(|kw| kw.get());
        let supplied = [self.chps_heat(), self.boilers_heat()];
        let terms = supplied.into_iter().map(|kw| (1.0, kw)).chain([(-1.0, heat)]);
        left(terms).map(|(residual, largest)| (residual.min(0.0), largest))
    }

    fn chp_heat(&self) -> Option<Left> {
        if self.plant.chps().is_empty() {
            return None;
        }
        let units = self.plant.chps().iter().zip(&self.input.state.chps);
        let expected = units
            .map(|(unit, seen)| Some(unit.parameters.heat_per_power * seen.power.usable()?.get()))
            .sum::<Option<f64>>();
        left([(1.0, self.chps_heat()), (-1.0, expected)])
    }

    fn gas(&self) -> Option<Left> {
        let units = self.plant.chps().iter().zip(&self.input.state.chps);
        let chps = units
            .map(|(unit, seen)| Some(seen.power.usable()?.get() / unit.parameters.efficiency_electric))
            .sum::<Option<f64>>();
        let boiler = self.boilers_heat().map(|kw| kw / self.plant.parameters().boiler.efficiency);
        left([(1.0, self.sum(Signal::GasKw)), (-1.0, chps), (-1.0, boiler)])
    }

    /// Heat of all CHPs; of none it is 0.
    fn chps_heat(&self) -> Option<f64> {
        let tag = |number| Tag::new(Signal::ChpHeatKw, number);
        let numbers = (1..).take(self.plant.chps().len());
        numbers.map(|number| self.of(tag(number)?)).sum()
    }

    /// Heat of the boilers; where there is none it is 0.
    fn boilers_heat(&self) -> Option<f64> {
        if self.plant.boiler_max().get() > 0.0 { self.sum(Signal::BoilerHeatKw) } else { Some(0.0) }
    }

    /// All of a signal, if there is any and all are usable.
    fn sum(&self, signal: Signal) -> Option<f64> {
        let of = self.input.witnesses.iter().filter(|(tag, _)| tag.signal() == signal);
        let mut all = of.map(|(_, measured)| measured.usable()).peekable();
        all.peek()?;
        all.sum()
    }

    fn witness(&self, signal: Signal) -> Option<f64> {
        self.of(Tag::first(signal))
    }

    fn of(&self, tag: Tag) -> Option<f64> {
        self.input.witnesses.iter().find(|(known, _)| *known == tag)?.1.usable()
    }
}

/// The residual, if every term is known.
fn left(terms: impl IntoIterator<Item = (f64, Option<f64>)>) -> Option<Left> {
    terms.into_iter().try_fold((0.0, 0.0_f64), |(residual, largest), (side, kw)| {
        let kw = kw?;
        Some((residual + side * kw, largest.max(kw.abs())))
    })
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
