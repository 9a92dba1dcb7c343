//! Battery: SoC band with braking distance, and set-point ramp.

use super::{Constraint, Context, Limits, Priority, Rule, note};
use crate::equipment::BatteryUnit;
use crate::units::{Kilowatts, Soc, Watts, floor_to_integer, to_float};

/// Inner margin of the SoC band. It absorbs the rounding of repeated f64 sums (1e-15 a step), so that the band itself
/// is kept exactly.
const MARGIN: f64 = 1e-9;
/// Braking that was admissible when it began stays admissible although the SoC is now another float.
const MARGIN_BRAKING: f64 = 5e-10;

/// A battery that does not follow is told to do what it does, as far as its own band and ratings allow that; what it does
/// beyond counts as load (see [`crate::safety::SafetyFilter`]). The other units and the cap on renewables then keep the
/// limits. The incident: told +50 kW it stayed at 0, and 130 kW were exported for two hours.
pub(super) struct Fixed;

impl Constraint for Fixed {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        for (span, fixed) in limits.batteries_mut().iter_mut().zip(context.situation.doubt.battery_fixed) {
            if let Some(power) = fixed {
                let power = power.within(span.low.value, span.high.value);
                span.narrow(power, power, Rule::BatteryRating);
            }
        }
    }
}

/// Keeps the SoC inside its band, now and at every later step.
///
/// With a ramp of `r` a step, charging at `P` for the rest of this step `d` and braking thereafter in steps of `h` is
/// admissible iff `soc + k (d P + h ((P-r)⁺ + (P-2r)⁺ + …)) <= soc_max` with `k = eta_ch / E`; discharging likewise
/// with `k = 1 / (eta_dch E)`. Outside the band only recovery is allowed.
pub(super) struct SocBand;

impl Constraint for SocBand {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let times = BrakingTimes { hold_h: hold_h(context), step_h: context.plant.step_h() };
        let units = context.plant.batteries().iter().zip(&context.anchor.memory.batteries);
        for (index, ((unit, memory), span)) in units.zip(limits.batteries_mut()).enumerate() {
            let soc = context.situation.soc_of(index);
            let high = charge_max_for_soc(unit, soc.high, times, memory.anchor - unit.ramp);
            let low = -discharge_max_for_soc(unit, soc.low, times, -memory.anchor - unit.ramp);
            span.narrow(low, high, Rule::SocBand);
        }
    }
}

fn hold_h(context: &Context<'_>) -> f64 {
    to_float(context.anchor.hold_ms.max(0)) / 3_600_000.0
}

/// For how long a power holds, and how long the steps are in which it is then reduced, h.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrakingTimes {
    /// Rest of the present step.
    pub hold_h: f64,
    /// A whole step.
    pub step_h: f64,
}

/// Largest charging power that the SoC allows for a while followed by braking; >= 0. `braking` is the power that
/// the ramp reaches at once: there a smaller margin counts, see [`MARGIN_BRAKING`].
#[must_use]
pub fn charge_max_for_soc(unit: &BatteryUnit, soc: Soc, times: BrakingTimes, braking: Watts) -> Watts {
    let room = unit.soc_band().1.get() - soc.get();
    let room = Room { soc: room, per_wh: unit.soc_per_wh_charged, rating: unit.charge_max };
    power_max(unit, room, times, braking)
}

/// Largest discharging power (>= 0) that the SoC allows for a while followed by braking.
#[must_use]
pub fn discharge_max_for_soc(unit: &BatteryUnit, soc: Soc, times: BrakingTimes, braking: Watts) -> Watts {
    let room = soc.get() - unit.soc_band().0.get();
    let room = Room { soc: room, per_wh: unit.soc_per_wh_discharged, rating: unit.discharge_max };
    power_max(unit, room, times, braking)
}

/// Distance to the end of the SoC band, SoC per Wh, and the rated power, of one direction.
struct Room {
    soc: f64,
    per_wh: f64,
    rating: Watts,
}

fn power_max(unit: &BatteryUnit, room: Room, times: BrakingTimes, braking: Watts) -> Watts {
    let brake = Brake { hold_h: times.hold_h, step_h: times.step_h, ramp: unit.ramp.as_f64() };
    let budget = (room.soc - MARGIN) / room.per_wh;
    if brake.energy(room.rating.as_f64()) <= budget {
        return room.rating;
    }
    let tight = brake.power_for(budget).min(room.rating);
    let braking = braking.min(room.rating);
    let admitted = braking > tight && brake.energy(braking.as_f64()) * room.per_wh <= room.soc - MARGIN_BRAKING;
    if admitted { braking } else { tight }
}

/// Energy of a power that holds for a while and is then reduced by a ramp each step.
struct Brake {
    hold_h: f64,
    step_h: f64,
    ramp: f64,
}

impl Brake {
    /// `d P + h ((P-r)⁺ + (P-2r)⁺ + …)` in Wh, closed form: with `n = floor(P/r)` the sum is `n P - r n(n+1)/2`.
    fn energy(&self, power: f64) -> f64 {
        let n = to_float(floor_to_integer(power / self.ramp));
        self.hold_h * power + self.step_h * (n * power - 0.5 * self.ramp * n * (n + 1.0))
    }

    /// Largest whole-watt power whose braking energy is at most `budget` Wh; 0 if the budget is negative.
    fn power_for(&self, budget: f64) -> Watts {
        if budget.is_nan() || budget <= 0.0 {
            return Watts::ZERO;
        }
        let n = self.full_ramps(budget);
        let power =
            (budget + 0.5 * self.step_h * self.ramp * n * (n + 1.0)) / (self.hold_h + n * self.step_h).max(1e-9);
        let mut watts = Watts::floor(Kilowatts::new(power / 1000.0));
        // The closed form may be off by one after rounding: check with the definition.
        for _ in 0..2 {
            if self.energy(watts.as_f64()) > budget && watts.get() > 0 {
                watts = watts - Watts::new(1);
            }
        }
        watts
    }

    /// Number of whole ramps `n` with `energy(n r) <= budget`: `n d r + h r n(n-1)/2 <= budget`.
    fn full_ramps(&self, budget: f64) -> f64 {
        let (a, b) = (0.5 * self.step_h * self.ramp, self.hold_h * self.ramp);
        let linear = b - a;
        let root = (linear * linear + 4.0 * a * budget).sqrt();
        to_float(floor_to_integer((root - linear) / (2.0 * a)).max(0))
    }
}

/// Change of the set-point from one step to the next.
pub(super) struct Ramp;

impl Constraint for Ramp {
    fn priority(&self) -> Priority {
        Priority::BatteryRamp
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let units = context.plant.batteries().iter().zip(&context.anchor.memory.batteries);
        let mut kept = true;
        for ((unit, memory), span) in units.zip(limits.batteries_mut()) {
            kept &= span.narrow(memory.anchor - unit.ramp, memory.anchor + unit.ramp, Rule::BatteryRamp);
        }
        note(limits, kept, Rule::BatteryRamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::Plant;

    #[test]
    fn full_charge_needs_the_braking_distance_of_the_closed_form() {
        let plant = Plant::reference();
        let unit = plant.batteries().get(0).unwrap();
        // 50+40+30+20+10 = 150 kW·steps: 0.9 - 150*0.25*0.95/100 = 0.54375
        for (soc, expected_w) in [(0.5437, 50_000), (0.545, 49_893), (0.9, 0), (0.95, 0), (0.899, 421)] {
            let max =
                charge_max_for_soc(unit, Soc::new(soc), BrakingTimes { hold_h: 0.25, step_h: 0.25 }, Watts::ZERO).get();
            assert!((max - expected_w).abs() <= 1, "soc {soc}: {max} W, expected {expected_w} W");
        }
    }

    #[test]
    fn the_largest_admissible_power_is_admissible_and_one_watt_more_is_not() {
        let brake = Brake { hold_h: 0.25, step_h: 0.25, ramp: 10_000.0 };
        for i in 1..2000 {
            let budget = f64::from(i) * 17.3;
            let watts = brake.power_for(budget);
            assert!(brake.energy(watts.as_f64()) <= budget, "{budget}");
            assert!(brake.energy(watts.as_f64() + 1.0) > budget, "{budget}");
        }
        assert_eq!(brake.power_for(f64::NAN), Watts::ZERO);
    }
}
