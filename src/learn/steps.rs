//! Cycles summed into policy steps: means of powers, states of charge at their ends.
//!
//! A power that is measured at the end of an interval held during it: control moves devices at an interval's beginning, and they
//! follow within a second. A set-point holds from the cycle that decided it to the next. An interval longer than [`GAP_CYCLES`] cycles
//! is a gap, and so is one in which local time jumped; a step with a gap is left out. Two cycles may see the same instant.

use memg_core::equipment::UNITS_MAX;

/// Longest interval between two cycles, in cycles.
const GAP_CYCLES: i64 = 4;
/// And at least this, ms.
const GAP_MS: i64 = 30_000;
/// Share of a step that its cycles have to cover.
const COVERED: f64 = 0.8;

/// One number of each battery or CHP; NaN where it was not measured.
pub(crate) type OfUnits = [f64; UNITS_MAX];

/// Powers, kW; NaN where it was not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Powers {
    /// Batteries: charging and discharging, both >= 0, and with sign.
    pub charge: OfUnits,
    pub discharge: OfUnits,
    pub battery: OfUnits,
    pub chp: OfUnits,
    /// 1 where the CHP gives power.
    pub chp_runs: OfUnits,
    pub chp_heat: OfUnits,
    pub boiler_heat: f64,
    pub gas: f64,
    pub heat_load: f64,
    /// Set-points that went to the plant.
    pub battery_told: OfUnits,
    pub chp_told: OfUnits,
}

impl Powers {
    const NONE: Self = Self {
        charge: [0.0; UNITS_MAX],
        discharge: [0.0; UNITS_MAX],
        battery: [0.0; UNITS_MAX],
        chp: [0.0; UNITS_MAX],
        chp_runs: [0.0; UNITS_MAX],
        chp_heat: [0.0; UNITS_MAX],
        boiler_heat: 0.0,
        gas: 0.0,
        heat_load: 0.0,
        battery_told: [0.0; UNITS_MAX],
        chp_told: [0.0; UNITS_MAX],
    };

    /// Every number with that of the same place elsewhere.
    fn with(&self, other: &Self, join: impl Fn(f64, f64) -> f64) -> Self {
        let each = |of: fn(&Self) -> &OfUnits| std::array::from_fn(|unit| join(of(self)[unit], of(other)[unit]));
        Self {
            charge: each(|powers| &powers.charge),
            discharge: each(|powers| &powers.discharge),
            battery: each(|powers| &powers.battery),
            chp: each(|powers| &powers.chp),
            chp_runs: each(|powers| &powers.chp_runs),
            chp_heat: each(|powers| &powers.chp_heat),
            boiler_heat: join(self.boiler_heat, other.boiler_heat),
            gas: join(self.gas, other.gas),
            heat_load: join(self.heat_load, other.heat_load),
            battery_told: each(|powers| &powers.battery_told),
            chp_told: each(|powers| &powers.chp_told),
        }
    }
}

/// A cycle as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// Plant time since the start of the run, ms: lengths of time.
    pub uptime_ms: i64,
    /// Local time, ms since 1970: days and steps.
    pub plant_ms: i64,
    pub socs: OfUnits,
    pub powers: Powers,
}

/// A policy step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub day: i64,
    pub hours: f64,
    /// Means.
    pub powers: Powers,
    pub socs_before: OfUnits,
    pub socs_after: OfUnits,
    /// Begins where the step before it ends.
    pub goes_on: bool,
}

const DAY_MS: i64 = 86_400_000;

/// Sums moments of one run after another.
#[derive(Debug)]
pub(crate) struct Summing {
    step_ms: i64,
    gap_ms: i64,
    last: Option<Moment>,
    open: Option<Open>,
    /// The step that is open begins where the last one that was kept ends.
    goes_on: bool,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
struct Open {
    number: i64,
    begun: Moment,
    passed_ms: i64,
    sum: Powers,
}

impl Summing {
    pub fn new(step_ms: i64) -> Self {
        Self { step_ms: step_ms.max(1), gap_ms: GAP_MS, last: None, open: None, goes_on: false, steps: Vec::new() }
    }

    /// Another run begins, or the same one goes on after a gap.
    pub fn begin(&mut self, cycle_ms: i64) {
        self.gap_ms = GAP_MS.max(GAP_CYCLES.saturating_mul(cycle_ms));
        self.break_off();
    }

    fn break_off(&mut self) {
        (self.last, self.open, self.goes_on) = (None, None, false);
    }

    pub fn add(&mut self, now: &Moment) {
        if let Some(last) = self.last {
            let passed_ms = now.uptime_ms - last.uptime_ms;
            let local_ms = now.plant_ms - last.plant_ms;
            if passed_ms < 0 || passed_ms > self.gap_ms || (local_ms - passed_ms).abs() > self.gap_ms {
                self.break_off();
            } else {
                self.pass(&last, now, passed_ms);
            }
        }
        let number = now.plant_ms.div_euclid(self.step_ms);
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.close(now);
            self.open = Some(Open { number, begun: *now, passed_ms: 0, sum: Powers::NONE });
        }
        self.last = Some(*now);
    }

    fn pass(&mut self, last: &Moment, now: &Moment, passed_ms: i64) {
        let Some(open) = &mut self.open else { return };
        let (battery_told, chp_told) = (last.powers.battery_told, last.powers.chp_told);
        let held = Powers { battery_told, chp_told, ..now.powers };
        open.sum = open.sum.with(&held, |sum, kw| sum + kw * passed_ms as f64);
        open.passed_ms += passed_ms;
    }

    fn close(&mut self, now: &Moment) {
        let Some(open) = self.open.take() else { return };
        let passed_ms = open.passed_ms as f64;
        if passed_ms < COVERED * self.step_ms as f64 {
            self.goes_on = false;
            return;
        }
        self.steps.push(Step {
            day: open.begun.plant_ms.div_euclid(DAY_MS),
            hours: passed_ms / 3_600_000.0,
            powers: open.sum.with(&Powers::NONE, |sum, _| sum / passed_ms),
            socs_before: open.begun.socs,
            socs_after: now.socs,
            goes_on: self.goes_on,
        });
        self.goes_on = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(minute: i64, soc: f64) -> Moment {
        let (uptime_ms, socs) = (minute * 60_000, [soc; UNITS_MAX]);
        let powers = Powers { battery: [soc; UNITS_MAX], ..Powers::NONE };
        Moment { uptime_ms, plant_ms: uptime_ms, socs, powers }
    }

    #[test]
    fn steps_are_whole_and_go_on_until_a_gap() {
        let mut summing = Summing::new(900_000);
        summing.begin(60_000);
        // A cycle may see the same instant as the one before; from minute 40 to 50 nothing is recorded.
        for minute in (0..=40).chain([40]).chain(50..=80) {
            summing.add(&moment(minute, minute as f64));
        }
        let steps: Vec<(f64, f64, bool)> =
            summing.steps.iter().map(|step| (step.socs_before[0], step.socs_after[0], step.goes_on)).collect();
        assert_eq!(steps, [(0.0, 15.0, false), (15.0, 30.0, true), (60.0, 75.0, false)]);
    }
}
