//! What a decision has to assume beyond the measurements: limits from outside, production behind a cap.

use super::input::CycleInput;
use super::state::{ControlConfig, ControlState};
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::SafeSetpoints;
use memg_core::situation::Situation;
use memg_core::units::Kilowatts;

/// Production this close to its cap may be held down by it.
const AT_CAP: f64 = 0.95;

/// What a capped plant could produce if nobody measures it: its rating. Otherwise the cap would be lifted because it
/// works, and the limit behind it broken in every other cycle.
pub(super) fn behind_cap(
    config: &ControlConfig,
    state: &ControlState,
    input: &CycleInput,
    situation: Situation,
) -> Situation {
    let Some(cap) = state.cap.filter(|_| !input.state.available_is_measured) else { return situation };
    if situation.renewables().get() < AT_CAP * cap.kilowatts().get() {
        return situation;
    }
    let rated = &config.filter.plant().parameters().exogenous;
    Situation { pv: Kilowatts::new(rated.pv_kw_nom), wind: Kilowatts::new(rated.wind_kw_nom), ..situation }
}

/// The filter with the limits from outside.
pub(super) fn narrowed(config: &ControlConfig, state: &ControlState) -> SafetyFilter {
    let kw = |limit: Option<f64>| limit.map(Kilowatts::new);
    let limits = state.limits;
    SafetyFilter::new(config.filter.plant().with_exchange_limits(kw(limits.import_kw_max), kw(limits.export_kw_max)))
}

/// How a cap on renewables is shared: PV yields first, wind keeps what fits under the cap. kW.
#[must_use]
pub fn share_renewable_limit(config: &ControlConfig, safe: &SafeSetpoints, wind: Option<Kilowatts>) -> (f64, f64) {
    let rated = &config.filter.plant().parameters().exogenous;
    let Some(limit) = safe.renewable_limit() else { return (rated.pv_kw_nom, rated.wind_kw_nom) };
    let limit = limit.kilowatts().get();
    let wind = wind.map_or(rated.wind_kw_nom, Kilowatts::get).min(limit).max(0.0);
    (limit - wind, wind)
}
