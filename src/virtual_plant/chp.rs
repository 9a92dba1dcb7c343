//! The CHP unit: start sequence, load changes, stop, trip. Pure; time is an argument.

use memg_core::equipment::ChpUnit as Rating;
use serde::Serialize;

/// Where the unit is in its sequence.
///
/// ```text
/// Off -> Starting -> Running -> Stopping -> Off        Fault from everywhere, left to Off
///          |  run command gone  ^
///          +--> Off
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChpPhase {
    /// At rest.
    Off,
    /// Purging, cranking, synchronising: no power yet.
    Starting,
    /// Connected to the grid.
    Running,
    /// Unloading to its lowest power, then cooling down without power.
    Stopping,
    /// Tripped. Left when the cause is gone and the run command was withdrawn.
    Fault,
}

impl ChpPhase {
    /// The name in device files' `enum` tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Fault => "fault",
        }
    }
}

/// What the unit is told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChpOrder {
    /// Run command.
    pub run: bool,
    /// Electric set-point, kW; below the lowest power it counts as that.
    pub setpoint_kw: f64,
    /// A trip is present.
    pub trip: bool,
}

/// How fast it follows, in plant time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChpDynamics {
    /// From run command to power, s.
    pub start_s: f64,
    /// Cooling down after unloading, s.
    pub cool_down_s: f64,
    /// Time constant of the load controller, s.
    pub lag_s: f64,
    /// Largest change of power, kW/s.
    pub slew_kw_per_s: f64,
}

impl Default for ChpDynamics {
    fn default() -> Self {
        Self { start_s: 60.0, cool_down_s: 60.0, lag_s: 5.0, slew_kw_per_s: 1.0 }
    }
}

/// The unit's state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChpUnit {
    /// Phase of the sequence.
    pub phase: ChpPhase,
    /// Electric power, kW, >= 0.
    pub power_kw: f64,
    /// Starts that reached power.
    pub starts: u32,
    /// Time with power, h.
    pub running_h: f64,
    in_phase_s: f64,
}

impl ChpUnit {
    /// At rest.
    #[must_use]
    pub const fn off() -> Self {
        Self { phase: ChpPhase::Off, power_kw: 0.0, starts: 0, running_h: 0.0, in_phase_s: 0.0 }
    }

    /// Whether it counts as on: connected to the grid.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.power_kw > 0.0
    }

    /// Moves on by `dt_s`. A start lands at the lowest power and a stop leaves from there.
    pub fn advance(&mut self, rating: &Rating, dynamics: &ChpDynamics, order: &ChpOrder, dt_s: f64) {
        self.in_phase_s += dt_s;
        if order.trip && self.phase != ChpPhase::Fault {
            self.power_kw = 0.0;
            self.enter(ChpPhase::Fault);
        }
        let (p_min, p_max) = (rating.min.kilowatts().get(), rating.max.kilowatts().get());
        match self.phase {
            ChpPhase::Off if order.run => self.enter(ChpPhase::Starting),
            ChpPhase::Starting if !order.run => self.enter(ChpPhase::Off),
            ChpPhase::Starting if self.in_phase_s >= dynamics.start_s => {
                self.power_kw = p_min;
                self.starts += 1;
                self.enter(ChpPhase::Running);
            }
            ChpPhase::Running if order.run => {
                let setpoint_kw = if order.setpoint_kw.is_finite() { order.setpoint_kw } else { p_min };
                self.power_kw = follow(self.power_kw, setpoint_kw.clamp(p_min, p_max), dynamics, dt_s);
            }
            ChpPhase::Running => self.enter(ChpPhase::Stopping),
            ChpPhase::Stopping => self.unload(p_min, dynamics, dt_s),
            ChpPhase::Fault if !order.trip && !order.run => self.enter(ChpPhase::Off),
            ChpPhase::Off | ChpPhase::Starting | ChpPhase::Fault => {}
        }
        self.running_h += if self.is_on() { dt_s / 3600.0 } else { 0.0 };
    }

    fn unload(&mut self, p_min: f64, dynamics: &ChpDynamics, dt_s: f64) {
        if self.power_kw > p_min {
            self.power_kw = (self.power_kw - dynamics.slew_kw_per_s * dt_s).max(p_min);
            self.in_phase_s = 0.0;
        } else if self.power_kw > 0.0 {
            self.power_kw = 0.0;
            self.in_phase_s = 0.0;
        } else if self.in_phase_s >= dynamics.cool_down_s {
            self.enter(ChpPhase::Off);
        }
    }

    const fn enter(&mut self, phase: ChpPhase) {
        self.phase = phase;
        self.in_phase_s = 0.0;
    }
}

fn follow(power_kw: f64, target_kw: f64, dynamics: &ChpDynamics, dt_s: f64) -> f64 {
    lagged(power_kw, target_kw, dynamics.lag_s, dynamics.slew_kw_per_s, dt_s)
}

/// First-order lag with a bounded slope: `p' = p + clamp((target - p)(1 - exp(-dt/lag)), ±slew dt)`.
#[must_use]
pub fn lagged(value: f64, target: f64, lag_s: f64, slew_per_s: f64, dt_s: f64) -> f64 {
    let share = if lag_s > 0.0 { 1.0 - (-dt_s / lag_s).exp() } else { 1.0 };
    let bound = slew_per_s * dt_s;
    value + ((target - value) * share).clamp(-bound, bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::equipment::Plant;

    const RUN: ChpOrder = ChpOrder { run: true, setpoint_kw: 40.0, trip: false };
    const STOP: ChpOrder = ChpOrder { run: false, setpoint_kw: 0.0, trip: false };

    fn run(unit: &mut ChpUnit, order: &ChpOrder, seconds: u32) {
        let plant = Plant::reference();
        for _ in 0..seconds {
            unit.advance(plant.chps().get(0).expect("a CHP"), &ChpDynamics::default(), order, 1.0);
        }
    }

    #[test]
    fn a_start_takes_its_time_lands_at_the_lowest_power_and_then_follows_the_setpoint() {
        let mut unit = ChpUnit::off();
        run(&mut unit, &RUN, 60);
        assert_eq!((unit.phase, unit.power_kw), (ChpPhase::Starting, 0.0));
        run(&mut unit, &RUN, 1);
        assert_eq!((unit.phase, unit.power_kw, unit.starts), (ChpPhase::Running, 10.0, 1));
        run(&mut unit, &RUN, 10);
        assert!((unit.power_kw - 20.0).abs() < 1e-9, "1 kW/s");
        run(&mut unit, &RUN, 120);
        assert!((unit.power_kw - 40.0).abs() < 1e-3);
    }

    #[test]
    fn a_stop_unloads_to_the_lowest_power_and_cools_down() {
        let mut unit = ChpUnit::off();
        run(&mut unit, &RUN, 200);
        run(&mut unit, &STOP, 10);
        assert!(unit.phase == ChpPhase::Stopping && unit.power_kw > 10.0 && unit.is_on());
        run(&mut unit, &RUN, 30);
        assert_eq!((unit.phase, unit.power_kw), (ChpPhase::Stopping, 0.0), "a stop is finished first");
        run(&mut unit, &STOP, 70);
        assert_eq!(unit.phase, ChpPhase::Off);
    }

    #[test]
    fn a_trip_takes_the_power_at_once_and_needs_the_run_command_withdrawn() {
        let mut unit = ChpUnit::off();
        run(&mut unit, &RUN, 200);
        run(&mut unit, &ChpOrder { trip: true, ..RUN }, 1);
        assert_eq!((unit.phase, unit.power_kw), (ChpPhase::Fault, 0.0));
        run(&mut unit, &RUN, 10);
        assert_eq!(unit.phase, ChpPhase::Fault);
        run(&mut unit, &STOP, 1);
        assert_eq!(unit.phase, ChpPhase::Off);
    }
}
