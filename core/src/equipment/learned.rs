//! What records of a plant say of numbers that its site file states: efficiencies and the heat ratio, with their intervals.
//!
//! Equations, plans and rules count with the values ([`Plant::believing`]). Limits never become wider by them: where an
//! efficiency says how much a kilowatt-hour moves the state of charge, a limit counts with whatever moves it most of the site
//! file's number, the value and the end of its interval ([`Learned::cautious`]). Ratings, ramps, bands and times stay the site
//! file's; a start's cost is no measurement and stays, too.

use super::parameters::PlantParameters;
use super::{Battery, Plant, Problem, UNITS_MAX};
use serde::{Deserialize, Serialize};

/// A number found in records, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identified {
    /// Most likely.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Identified {
    /// Whether a number is within the interval.
    #[must_use]
    pub fn holds(&self, number: f64) -> bool {
        self.low <= number && number <= self.high
    }
}

/// What was found of a battery; `None`: the site file's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearnedBattery {
    /// Fraction of charged energy that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency_store: Option<Identified>,
    /// Fraction of withdrawn energy that is delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency_dispatch: Option<Identified>,
}

/// What was found of a CHP.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearnedChp {
    /// Electric output per fuel input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency_electric: Option<Identified>,
    /// Heat per electric output, kW thermal per kW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heat_per_power: Option<Identified>,
}

/// What was found of a plant.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learned {
    /// Of each battery.
    #[serde(with = "crate::memory::rest_left_out")]
    pub battery: [LearnedBattery; UNITS_MAX],
    /// Of each CHP.
    #[serde(with = "crate::memory::rest_left_out")]
    pub chp: [LearnedChp; UNITS_MAX],
    /// Heat per fuel input of the boiler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boiler_efficiency: Option<Identified>,
}

/// Puts a found number in the place of a stated one.
fn put(stated: &mut f64, found: Option<Identified>) {
    if let Some(found) = found {
        *stated = found.value;
    }
}

impl Learned {
    /// A site file's numbers with those that were found in their place.
    #[must_use]
    pub fn over(&self, stated: &PlantParameters) -> PlantParameters {
        let mut p = *stated;
        for (battery, found) in p.battery.iter_mut().zip(&self.battery) {
            put(&mut battery.efficiency_store, found.efficiency_store);
            put(&mut battery.efficiency_dispatch, found.efficiency_dispatch);
        }
        for (chp, found) in p.chp.iter_mut().zip(&self.chp) {
            put(&mut chp.efficiency_electric, found.efficiency_electric);
            put(&mut chp.heat_per_power, found.heat_per_power);
        }
        put(&mut p.boiler.efficiency, self.boiler_efficiency);
        p
    }

    /// A site file's batteries as limits have to count with them: what moves the state of charge most of the stated number,
    /// the found one and the end of its interval. Charging that is the highest efficiency, discharging the lowest.
    #[must_use]
    pub fn cautious(&self, stated: &PlantParameters) -> PlantParameters {
        let mut p = *stated;
        for (battery, found) in p.battery.iter_mut().zip(&self.battery) {
            if let Some(found) = found.efficiency_store {
                battery.efficiency_store = battery.efficiency_store.max(found.value).max(found.high).min(1.0);
            }
            if let Some(found) = found.efficiency_dispatch {
                battery.efficiency_dispatch = battery.efficiency_dispatch.min(found.value).min(found.low).max(0.1);
            }
        }
        p
    }
}

impl Plant {
    /// The same plant, of which records say this. Limits stay at least as narrow as they are.
    ///
    /// # Errors
    /// A found number is none that a site file could state.
    pub fn believing(&self, learned: &Learned) -> Result<Self, Vec<Problem>> {
        let mut plant = learned.over(&self.stated).validate()?;
        let cautious = learned.cautious(&self.stated);
        let stated = self.stated.battery.iter();
        for ((unit, stated), cautious) in plant.batteries.iter_mut().zip(stated).zip(cautious.battery.iter()) {
            unit.limit_by(stated, cautious);
        }
        plant.cautious = cautious.battery_of_all();
        (plant.stated, plant.learned) = (self.stated, Some(*learned));
        (plant.import_max, plant.export_max) = (self.import_max, self.export_max);
        Ok(plant)
    }

    /// What the site file states, whatever records say.
    #[must_use]
    pub const fn stated(&self) -> &PlantParameters {
        &self.stated
    }

    /// What records say, if anything is believed of them.
    #[must_use]
    pub const fn learned(&self) -> Option<&Learned> {
        self.learned.as_ref()
    }

    /// The battery that stands for all of them as limits count with it: the site file's, or what records say where that moves
    /// the state of charge more.
    #[must_use]
    pub const fn cautious_battery(&self) -> &Battery {
        &self.cautious
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Hours, Kilowatts, Soc, Watts};

    fn found(value: f64) -> Option<Identified> {
        Some(Identified { value, low: value - 0.01, high: value + 0.01 })
    }

    fn learned(store: f64, dispatch: f64) -> Learned {
        let mut learned = Learned::default();
        learned.battery[0] = LearnedBattery { efficiency_store: found(store), efficiency_dispatch: found(dispatch) };
        learned.chp[0].efficiency_electric = found(0.29);
        learned
    }

    #[test]
    fn equations_count_with_what_was_found_and_the_rest_is_as_stated() {
        let plant = Plant::reference().believing(&learned(0.88, 0.88)).unwrap();
        assert_eq!((plant.battery().efficiency_store, plant.chp().efficiency_electric), (0.88, 0.29));
        assert_eq!(plant.chp().heat_per_power, 1.2);
        assert_eq!(plant.stated(), Plant::reference().parameters());
        let after = plant.soc_after(Soc::new(0.5), Watts::nearest(Kilowatts::new(40.0)), Hours::new(0.25));
        assert!((after.get() - 0.588).abs() < 1e-12, "{after}");
    }

    #[test]
    fn limits_count_with_whatever_moves_the_state_of_charge_most() {
        let stated = Plant::reference();
        // found, then efficiencies that limits count with
        for ((store, dispatch), expected) in [
            ((0.88, 0.88), (0.95, 0.87)),
            ((0.97, 0.97), (0.98, 0.95)),
            ((0.945, 0.955), (0.955, 0.945)),
            ((0.995, 0.9), (1.0, 0.89)),
        ] {
            let plant = stated.believing(&learned(store, dispatch)).unwrap();
            let unit = plant.batteries().get(0).unwrap();
            let (charged, discharged) = (1e5 * unit.soc_per_wh_charged, 1e-5 / unit.soc_per_wh_discharged);
            assert!(
                (charged - expected.0).abs() < 1e-9 && (discharged - expected.1).abs() < 1e-9,
                "{store} {dispatch}"
            );
            let cautious = plant.cautious_battery();
            assert_eq!((cautious.efficiency_store, cautious.efficiency_dispatch), expected);
        }
    }

    #[test]
    fn nothing_learned_is_the_same_plant_and_nonsense_is_refused() {
        let stated = Plant::reference();
        let same = stated.believing(&Learned::default()).unwrap();
        assert_eq!((same.batteries(), same.battery()), (stated.batteries(), stated.cautious_battery()));
        for (store, dispatch) in [(1.2, 0.9), (0.9, f64::NAN)] {
            assert!(stated.believing(&learned(store, dispatch)).is_err());
        }
    }

    #[test]
    fn what_was_learned_is_read_back_as_it_was_written() {
        let learned = learned(0.88, 0.9);
        let text = serde_json::to_string(&learned).unwrap();
        assert_eq!(serde_json::from_str::<Learned>(&text).unwrap(), learned);
    }
}
