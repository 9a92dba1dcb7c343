//! Where a part stands, judged by the order in force and the measured power.

use super::{Part, Trial};
use memg_core::equipment::Plant;
use memg_core::safety::Relaxation;
use memg_core::setpoints::SafeSetpoints;

/// Orders are whole watts; less is nothing, kW.
const NOTHING_KW: f64 = 0.000_5;

/// The measured power of a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Power {
    /// Nobody measures it.
    NotMeasured,
    /// It is measured, and unknown now.
    Lost,
    /// kW.
    Kw(f64),
}

impl Power {
    /// The power, kW, if it is known.
    #[must_use]
    pub const fn kw(self) -> Option<f64> {
        match self {
            Self::Kw(kw) => Some(kw),
            Self::NotMeasured | Self::Lost => None,
        }
    }

    /// It is where an order of `expected_kw` wants it, give or take `tolerance_kw`; `at_most`: or below. What nobody measures
    /// nobody can tell; what is lost has not followed.
    #[must_use]
    pub fn has_followed(self, expected_kw: Option<f64>, tolerance_kw: f64, at_most: bool) -> bool {
        match (self, expected_kw) {
            (Self::NotMeasured, _) | (Self::Kw(_), None) => true,
            (Self::Lost, _) => false,
            (Self::Kw(is), Some(expected)) if at_most => is - expected <= tolerance_kw,
            (Self::Kw(is), Some(expected)) => (is - expected).abs() <= tolerance_kw,
        }
    }
}

/// Every set-point says nothing: what a safe stop comes to. A cap is down then.
#[must_use]
pub fn is_stopped(ordered: &[f64]) -> bool {
    ordered.iter().all(|value| value.abs() < NOTHING_KW)
}

/// Powers of an order are different ones.
#[must_use]
pub fn has_moved(from_kw: f64, expected_kw: Option<f64>) -> bool {
    expected_kw.is_some_and(|kw| (kw - from_kw).abs() >= NOTHING_KW)
}

impl Trial {
    /// The set-points of the part say rest: no power, or no cap.
    #[must_use]
    pub fn is_at_rest(&self, ordered: &[f64]) -> bool {
        if self.part.is_cap() {
            ordered.iter().all(|kw| *kw > self.rating_kw - NOTHING_KW)
        } else {
            is_stopped(ordered)
        }
    }

    /// What an order at rest says, kW.
    #[must_use]
    pub fn rest_kw(&self) -> f64 {
        if self.part.is_cap() { self.rating_kw } else { 0.0 }
    }

    /// What the filter's decision counts on although nobody may write it during this trial.
    #[must_use]
    pub fn unpermitted(&self, plant: &Plant, safe: &SafeSetpoints, relaxation: Relaxation) -> Option<String> {
        let rated = &plant.parameters().exogenous;
        let rated_kw = rated.pv_kw_nom + rated.wind_kw_nom;
        let cap_kw = safe.renewable_limit().map(|limit| limit.kilowatts().get());
        // The cap of a trial of one holds all sources down together.
        if let Some(kw) = cap_kw.filter(|kw| !self.part.is_cap() && *kw < rated_kw - NOTHING_KW) {
            return Some(format!("PV and wind capped at {kw} kW"));
        }
        let other = |index: &usize| self.part != Part::Chp || *index != self.unit.index();
        let on = safe.chps().iter().enumerate().filter(|(_, chp)| chp.on).map(|(index, _)| index).find(other);
        if let Some(index) = on {
            return Some(format!("CHP {} on", index + 1));
        }
        let own =
            matches!(relaxation, Relaxation::None) || (self.part.is_cap() && relaxation == Relaxation::Curtailment);
        (!own).then(|| format!("a rule that yields ({relaxation:?})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::memory::ControlMemory;
    use memg_core::plant_state::UnitNumber;
    use memg_core::safety::SafetyFilter;
    use memg_core::units::Watts;

    fn trial(part: Part) -> Trial {
        let (unit, setpoints) = (UnitNumber::FIRST, vec![0]);
        Trial { device: "d".into(), part, unit, band_kw: 5.0, rating_kw: 60.0, setpoints, watchdog: None }
    }

    #[test]
    fn a_measured_power_that_is_lost_has_not_followed() {
        let expected = Some(5.0);
        for (power, expected, at_most, followed) in [
            (Power::NotMeasured, expected, false, true),
            (Power::Lost, expected, false, false),
            (Power::Lost, None, true, false),
            (Power::Kw(4.6), expected, false, true),
            (Power::Kw(4.4), expected, false, false),
            (Power::Kw(1.0), expected, true, true),
            (Power::Kw(5.6), expected, true, false),
            (Power::Kw(5.6), None, false, true),
        ] {
            assert_eq!(power.has_followed(expected, 0.5, at_most), followed, "{power:?} {expected:?} {at_most}");
        }
    }

    #[test]
    fn a_cap_rests_at_its_rating_and_is_down_when_stopped() {
        for (part, ordered, rests, stopped) in [
            (Part::Battery, vec![0.0], true, true),
            (Part::Battery, vec![-0.001], false, false),
            (Part::Chp, vec![0.0, 1.0], false, false),
            (Part::Chp, vec![0.0, 0.0], true, true),
            (Part::Pv, vec![60.0], true, false),
            (Part::Pv, vec![59.0], false, false),
            (Part::Pv, vec![0.0], false, true),
        ] {
            assert_eq!(
                (trial(part).is_at_rest(&ordered), is_stopped(&ordered)),
                (rests, stopped),
                "{part:?} {ordered:?}"
            );
        }
        assert!(has_moved(0.0, Some(-5.0)) && !has_moved(10.0, Some(10.0)) && !has_moved(0.0, None));
    }

    #[test]
    fn a_decision_that_counts_on_what_nobody_may_write_is_named() {
        let plant = Plant::reference();
        let filter = SafetyFilter::new(plant);
        let capped = filter.shut_down(&ControlMemory::at_rest().anchor(1000)).safe;
        let battery = trial(Part::Battery).unpermitted(&plant, &capped, Relaxation::None);
        assert!(battery.is_some_and(|why| why.contains("capped at 0 kW")));
        let pv = |relaxation| trial(Part::Pv).unpermitted(&plant, &capped, relaxation);
        assert_eq!((pv(Relaxation::None), pv(Relaxation::Curtailment)), (None, None));
        assert!(pv(Relaxation::Shedding).is_some_and(|why| why.contains("Shedding")));

        // It has just started: a safe stop keeps it on until its minimum time is over.
        let runs = ControlMemory::from_measured(Watts::ZERO, Watts::new(40_000), true, 0);
        let kept = filter.shut_down(&runs.anchor(1000)).safe;
        assert!(kept.chp_on() && !is_stopped(&[kept.chp().kilowatts().get(), 1.0]));
        let on = |part| trial(part).unpermitted(&plant, &kept, Relaxation::None).unwrap_or_default();
        assert!(on(Part::Pv).contains("CHP 1 on") && !on(Part::Chp).contains("CHP"));
    }
}
