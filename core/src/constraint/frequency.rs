//! Grid frequency: only corrective moves outside the band, and the battery's droop response.
//!
//! Dispatch cannot enforce the frequency of a large grid; it can avoid making a deviation worse.

use super::{Constraint, Context, Limits, Priority, Rule, note};
use crate::equipment::Plant;
use crate::units::{Hertz, Kilowatts, Watts};

/// Below the band: no more charging, no less CHP. Above: no more discharging, no more CHP. "More" counts from the present
/// set-points, not from those at the step's start. An unknown frequency allows neither.
pub(super) struct Band;

impl Constraint for Band {
    fn priority(&self) -> Priority {
        Priority::BatteryRamp
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let (low, high) = context.plant.frequency_band();
        let frequency = context.situation.frequency;
        if !context.situation.doubt.frequency_is_known {
            // Either direction may be the wrong one.
            raise_frequency(context, limits);
            lower_frequency(context, limits);
        } else if frequency < low {
            raise_frequency(context, limits);
        } else if frequency > high {
            lower_frequency(context, limits);
        }
    }
}

fn raise_frequency(context: &Context<'_>, limits: &mut Limits) {
    let memory = &context.anchor.memory;
    let mut kept = true;
    for (span, battery) in limits.batteries_mut().iter_mut().zip(&memory.batteries) {
        kept &= span.narrow(span.low.value, battery.now, Rule::FrequencyBand);
    }
    for (chp, past) in limits.chps_mut().iter_mut().zip(&memory.chps).filter(|(_, past)| past.on) {
        let high = chp.power.high.value;
        chp.power.narrow(past.now.min(high), high, Rule::FrequencyBand);
        chp.may_rest = Err(Rule::FrequencyBand);
    }
    note(limits, kept, Rule::FrequencyBand);
}

fn lower_frequency(context: &Context<'_>, limits: &mut Limits) {
    let memory = &context.anchor.memory;
    let mut kept = true;
    for (span, battery) in limits.batteries_mut().iter_mut().zip(&memory.batteries) {
        kept &= span.narrow(battery.now, span.high.value, Rule::FrequencyBand);
    }
    for (chp, past) in limits.chps_mut().iter_mut().zip(&memory.chps) {
        if past.on {
            let low = chp.power.low.value;
            chp.power.narrow(low, past.now.max(low), Rule::FrequencyBand);
        } else {
            chp.may_run = Err(Rule::FrequencyBand);
        }
    }
    note(limits, kept, Rule::FrequencyBand);
}

/// Droop response, + = charging: zero inside the dead band, then `-(df ∓ dead band)/(f0 s) P_max`, full power from the
/// full-response deviation on. Zero if the site declares no droop.
#[must_use]
pub fn droop_power(plant: &Plant, frequency: Hertz) -> Watts {
    let f = &plant.parameters().frequency;
    let Some(droop) = f.droop_pu else { return Watts::ZERO };
    let deviation = frequency.get() - f.hz_nominal;
    if deviation.abs() <= f.dead_band_hz {
        return Watts::ZERO;
    }
    let rating = if deviation > 0.0 { plant.charge_max() } else { plant.discharge_max() };
    let beyond = deviation.abs() - f.dead_band_hz;
    let share = if deviation.abs() >= f.full_response_hz { 1.0 } else { (beyond / (f.hz_nominal * droop)).min(1.0) };
    Watts::nearest(Kilowatts::new(rating.as_f64() / 1000.0 * share * deviation.signum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equipment::PlantParameters;

    #[test]
    fn droop_has_a_dead_band_a_slope_and_a_full_response() {
        let mut p = PlantParameters::reference();
        p.frequency.droop_pu = Some(0.04);
        let Ok(plant) = p.validate() else { panic!("valid") };
        // 4 % of 50 Hz = 2 Hz for full power: 0.09 Hz beyond the dead band is 4.5 % of 50 kW
        for (hz, watts) in [(50.0, 0), (50.009, 0), (50.1, 2_250), (49.9, -2_250), (49.8, -50_000), (50.3, 50_000)] {
            assert_eq!(droop_power(&plant, Hertz::new(hz)).get(), watts, "{hz} Hz");
        }
        assert_eq!(droop_power(&Plant::reference(), Hertz::new(49.0)), Watts::ZERO);
    }
}
