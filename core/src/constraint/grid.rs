//! Grid connection: the voltage band, inverted to a box on the exchanged power.

use super::{Constraint, Context, Limits, Priority, Rule, note};
use crate::units::{Kilowatts, Watts};

fn middle((low, high): (Watts, Watts)) -> (Watts, Watts) {
    let middle = if low > high { high + Watts::new(1) } else { low + Watts::new((high - low).get() / 2) };
    (middle, middle)
}

/// Keeps the voltage at the connection inside its band.
///
/// `V = Vs - (R P + X Q)/Vs` falls with P, so `V >= V_min` iff `P <= (Vs (Vs - V_min) - X Q)/R` and `V <= V_max` iff
/// `P >= (Vs (Vs - V_max) - X Q)/R`. If the grid itself is outside the band by more than the plant can correct, the
/// nearest edge of the import/export limits remains. Without a voltage there is no such rule.
pub(super) struct Voltage;

impl Constraint for Voltage {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let situation = context.situation;
        if !situation.doubt.voltage_is_measured {
            return;
        }
        let (source, doubt) = (situation.source_voltage.get(), situation.doubt.voltage.get());
        let exact = band(context, source, 0.0);
        let (low, high) = if doubt > 0.0 { tighter(exact, band(context, source, doubt)) } else { exact };
        // A band narrower than two watts crosses, and so does one narrower than the doubt: its middle is the best guess.
        let mut sure = if low > high { middle(exact) } else { (low, high) };
        let drift = situation.doubt.voltage_drift.get();
        if drift > 0.0 {
            sure = no_further(context, sure, band(context, source, doubt + drift));
        }
        let (low, high) = sure;
        let kept = limits.grid.narrow(low, high, Rule::Voltage);
        note(limits, kept, Rule::Voltage);
    }
}

/// Exchange that keeps the band for every source voltage within `doubt` of `source`, one watt inward: it holds in exact
/// arithmetic, not just up to the rounding of this formula. The ends cross where the doubt is too large.
fn band(context: &Context<'_>, source: f64, doubt: f64) -> (Watts, Watts) {
    let g = &context.plant.parameters().grid;
    let reactive_drop = g.reactance_pu * context.situation.reactive.get() / g.base_kva;
    let power_at = |source: f64, voltage: f64| {
        Kilowatts::new((source * (source - voltage) - reactive_drop) / g.resistance_pu * g.base_kva)
    };
    let low = Watts::ceil(power_at(source + doubt, g.voltage_pu_max)) + Watts::new(1);
    (low, Watts::floor(power_at(source - doubt, g.voltage_pu_min)) - Watts::new(1))
}

fn tighter(a: (Watts, Watts), b: (Watts, Watts)) -> (Watts, Watts) {
    (a.0.max(b.0), a.1.min(b.1))
}

/// What a voltage may have done since it was measured forbids an exchange that is further out than the present one; it
/// does not force the plant away from where it is.
fn no_further(context: &Context<'_>, sure: (Watts, Watts), drifted: (Watts, Watts)) -> (Watts, Watts) {
    let memory = &context.anchor.memory;
    let now = Watts::nearest(context.situation.net_load()) + memory.battery() - memory.chp();
    (sure.0.max(drifted.0.min(now)).min(sure.1), sure.1.min(drifted.1.max(now)).max(sure.0))
}
