//! What a decision has to assume beyond the measurements: limits from outside, production behind a cap.

use super::grid_limit::from_outside;
use super::input::CycleInput;
use super::state::{ControlConfig, ControlState};
use memg_core::equipment::Exogenous;
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
    let limits = from_outside(config, state);
    SafetyFilter::new(config.filter.plant().with_exchange_limits(kw(limits.import_kw_max), kw(limits.export_kw_max)))
}

/// How a cap on renewables is shared: PV yields first, wind keeps what it produces under the cap, and what neither can
/// use is left to the other. kW.
///
/// ```text
/// pv + wind <= limit,  0 <= pv <= pv_kw_nom,  0 <= wind <= wind_kw_nom
/// ```
///
/// The second half is what registers hold: a site's wind may blow beyond its rating, and a set-point above the rating
/// would be refused as a whole, the cap with it.
#[must_use]
pub fn share_renewable_limit(config: &ControlConfig, safe: &SafeSetpoints, wind: Option<Kilowatts>) -> (f64, f64) {
    let rated = &config.filter.plant().parameters().exogenous;
    let limit = safe.renewable_limit().map(|limit| limit.kilowatts().get());
    limit.map_or((rated.pv_kw_nom, rated.wind_kw_nom), |limit| share(limit, rated, wind))
}

fn share(limit: f64, rated: &Exogenous, wind: Option<Kilowatts>) -> (f64, f64) {
    let produced = wind.map_or(rated.wind_kw_nom, Kilowatts::get).min(limit).clamp(0.0, rated.wind_kw_nom);
    let pv = (limit - produced).clamp(0.0, rated.pv_kw_nom);
    (pv, (limit - pv).clamp(0.0, rated.wind_kw_nom))
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "whole kilowatts")]
mod tests {
    use super::*;
    use memg_core::equipment::Plant;

    fn shared(limit: f64, wind: Option<f64>) -> (f64, f64) {
        // PV 60 kW, wind 40 kW.
        share(limit, &Plant::reference().parameters().exogenous, wind.map(Kilowatts::new))
    }

    #[test]
    fn wind_beyond_its_rating_is_capped_at_its_rating_and_pv_gets_the_rest() {
        assert_eq!(shared(85.0, Some(41.0)), (45.0, 40.0));
        assert_eq!(shared(30.0, Some(41.0)), (0.0, 30.0));
    }

    #[test]
    fn what_pv_cannot_use_is_left_to_the_wind() {
        assert_eq!(shared(85.0, Some(5.0)), (60.0, 25.0));
    }

    #[test]
    fn shares_never_exceed_the_cap_nor_their_ratings() {
        for (limit, wind) in (0..=130).flat_map(|limit| (-1..=50).map(move |wind| (limit, wind))) {
            let (limit, wind) = (f64::from(limit), Some(f64::from(wind)).filter(|wind| *wind >= 0.0));
            let (pv_kw, wind_kw) = shared(limit, wind);
            assert!((0.0..=60.0).contains(&pv_kw) && (0.0..=40.0).contains(&wind_kw), "{limit} {wind:?}");
            assert_eq!(pv_kw + wind_kw, limit.min(100.0), "nothing of the cap is lost");
        }
    }
}
