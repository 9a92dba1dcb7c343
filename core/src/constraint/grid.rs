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
/// nearest edge of the import/export limits remains.
pub(super) struct Voltage;

impl Constraint for Voltage {
    fn priority(&self) -> Priority {
        Priority::Hard
    }

    fn narrow(&self, context: &Context<'_>, limits: &mut Limits) {
        let g = &context.plant.parameters().grid;
        let (source, doubt) = (context.situation.source_voltage.get(), context.situation.doubt.voltage.get());
        let reactive_drop = g.reactance_pu * context.situation.reactive.get() / g.base_kva;
        let power_at = |source: f64, voltage: f64| {
            Kilowatts::new((source * (source - voltage) - reactive_drop) / g.resistance_pu * g.base_kva)
        };
        // One watt inward: the band holds in exact arithmetic, not just up to the rounding of this formula.
        let high = |source| Watts::floor(power_at(source, g.voltage_pu_min)) - Watts::new(1);
        let low = |source| Watts::ceil(power_at(source, g.voltage_pu_max)) + Watts::new(1);
        let exact = (low(source), high(source));
        let (low, high) = (exact.0.max(low(source + doubt)), exact.1.min(high(source - doubt)));
        // A band narrower than two watts crosses, and so does one narrower than the doubt: its middle is the best guess.
        let (low, high) = if low > high { middle(exact) } else { (low, high) };
        let kept = limits.grid.narrow(low, high, Rule::Voltage);
        note(limits, kept, Rule::Voltage);
    }
}
