//! Grid connection: the voltage band, inverted to a box on the exchanged power.

use super::{Constraint, Context, Limits, Priority, Rule, note};
use crate::units::{Kilowatts, Watts};

fn middle(low: Watts, high: Watts) -> (Watts, Watts) {
    let middle = high + Watts::new((low - high).get() / 2);
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
        let high = Watts::floor(power_at(source - doubt, g.voltage_pu_min)) - Watts::new(1);
        let low = Watts::ceil(power_at(source + doubt, g.voltage_pu_max)) + Watts::new(1);
        // A band that is narrower than two watts, or than the doubt, crosses: its middle is as good as can be known.
        let (low, high) = if low > high { middle(low, high) } else { (low, high) };
        let kept = limits.grid.narrow(low, high, Rule::Voltage);
        note(limits, kept, Rule::Voltage);
    }
}
