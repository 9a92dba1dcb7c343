//! The three numbers that come out of the network, and what they mean in kW.
//!
//! 0 battery: `[-discharge_max, +charge_max]`, + charges. 1 CHP: `(a+1)/2 p_max`; below half of the minimum power it
//! means "off", with hysteresis. 2 grid: `[-export_max, +import_max]`, piecewise linear so that 0 is 0.

use crate::equipment::Plant;
use crate::setpoints::Setpoints;
use crate::units::{Kilowatts, narrow};
use serde::{Deserialize, Serialize};

/// Three numbers in [-1, 1]: battery, CHP, grid.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Action(pub [f32; 3]);

/// A running CHP is asked to stop below this share of its minimum power: lower than the share at which a stopped one is
/// asked to start (one half), so that a request near the edge does not toggle it.
pub const OFF_BELOW: f64 = 0.4;
/// A CHP request counts as "on" from this share of minimum power upward.
pub const ON_FROM: f64 = 0.5;

/// The request from which on a CHP counts as wanted on, as a share of its minimum power; `chp_on` is its present state.
#[must_use]
pub const fn on_from(chp_on: bool) -> f64 {
    if chp_on { OFF_BELOW } else { ON_FROM }
}

impl Action {
    /// The requested powers. `chp_on` is the present state of the CHP (for the hysteresis). Values beyond ±1 are mapped
    /// as they are: the filter limits and records them.
    #[must_use]
    pub fn setpoints(&self, plant: &Plant, chp_on: bool) -> Setpoints {
        let [battery, chp, grid] = self.0.map(f64::from);
        let two_sided = |a: f64, negative: f64, positive: f64| a * if a < 0.0 { negative } else { positive };
        let p = plant.parameters();
        let battery = two_sided(battery, plant.battery().discharge_kw_max, plant.battery().charge_kw_max);
        let grid = two_sided(grid, p.grid.export_kw_max, p.grid.import_kw_max);
        let chp = f64::midpoint(chp, 1.0) * plant.chp().p_kw_max;
        Setpoints {
            battery: Kilowatts::new(battery),
            chp: on_or_off(Kilowatts::new(chp), plant, chp_on),
            grid: Some(Kilowatts::new(grid)),
        }
    }

    /// The action that requests these powers (the grid wish defaults to `grid_if_none`). Inverse of
    /// [`Action::setpoints`] up to f32 rounding.
    #[must_use]
    pub fn requesting(setpoints: &Setpoints, grid_if_none: Kilowatts, plant: &Plant) -> Self {
        let p = plant.parameters();
        let two_sided = |kw: f64, negative: f64, positive: f64| {
            let span = if kw < 0.0 { negative } else { positive };
            if span > 0.0 { kw / span } else { 0.0 }
        };
        let battery =
            two_sided(setpoints.battery.get(), plant.battery().discharge_kw_max, plant.battery().charge_kw_max);
        let rated = plant.chp().p_kw_max;
        let chp = if rated > 0.0 { 2.0 * setpoints.chp.get() / rated - 1.0 } else { -1.0 };
        let grid = setpoints.grid.unwrap_or(grid_if_none).get();
        let grid = two_sided(grid, p.grid.export_kw_max, p.grid.import_kw_max);
        Self([battery, chp, grid].map(|a| narrow(a.clamp(-1.0, 1.0))))
    }

    /// All three are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.0.iter().all(|a| a.is_finite())
    }
}

/// Snaps a CHP request to "off" or to the operating range.
fn on_or_off(request: Kilowatts, plant: &Plant, chp_on: bool) -> Kilowatts {
    let minimum = plant.chp().p_kw_min;
    let threshold = on_from(chp_on) * minimum;
    if request.get().is_nan() {
        request
    } else if request.get() < threshold {
        Kilowatts::ZERO
    } else {
        request.max(Kilowatts::new(minimum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_map_to_requested_powers() {
        let plant = Plant::reference();
        // action, CHP on, expected battery, CHP, grid
        let cases = [
            ([0.0, -1.0, 0.0], false, 0.0, 0.0, 0.0),
            ([1.0, 1.0, 1.0], false, 50.0, 80.0, 100.0),
            ([-1.0, 0.0, -1.0], true, -50.0, 40.0, -80.0),
            ([0.5, -0.875, -0.5], false, 25.0, 10.0, -40.0), // 5 kW counts as on
            ([0.0, -0.88, 0.0], false, 0.0, 0.0, 0.0),       // 4.8 kW does not start it
            ([0.0, -0.88, 0.0], true, 0.0, 10.0, 0.0),       // nor stops it
            ([0.0, -0.92, 0.0], true, 0.0, 0.0, 0.0),
        ];
        for (action, on, battery, chp, grid) in cases {
            let s = Action(action).setpoints(&plant, on);
            let found = [s.battery.get(), s.chp.get(), s.grid.map_or(f64::NAN, Kilowatts::get)];
            assert_eq!(found, [battery, chp, grid], "{action:?} on={on}");
        }
    }

    #[test]
    fn requesting_is_the_inverse() {
        let plant = Plant::reference();
        let wish = Setpoints { battery: Kilowatts::new(-31.0), chp: Kilowatts::new(44.0), grid: None };
        let back = Action::requesting(&wish, Kilowatts::new(-20.0), &plant).setpoints(&plant, true);
        assert!((back.battery.get() + 31.0).abs() < 1e-5 && (back.chp.get() - 44.0).abs() < 1e-5);
        assert!((back.grid.map_or(0.0, Kilowatts::get) + 20.0).abs() < 1e-5);
    }
}
