//! The plant's ratings and limits as parameters of both models: one table from parameter names to fields.
//!
//! Start values come from `limits.json` in the resources, which states every one of them: limits have no defaults.

use crate::units;
use crate::variable::{Causality, Store, Unit, Value, Variable};
use memg_core::equipment::{
    Battery, Boiler, Chp, Costs, Each, Exogenous, FilterWeights, Frequency, Grid, Margins, Plant, PlantParameters,
    Problem, UNITS_MAX,
};
use std::borrow::Cow;

/// A limit: a real parameter and the field that it fills.
struct Limit {
    reference: u32,
    name: &'static str,
    unit: Unit,
    description: &'static str,
    field: fn(&mut Sections) -> &mut f64,
}

/// The parts of a plant as parameters can name them, with one of its batteries and one of its CHPs.
#[derive(Debug, Clone, Copy)]
struct Sections {
    battery: Battery,
    chp: Chp,
    boiler: Boiler,
    grid: Grid,
    frequency: Frequency,
    exogenous: Exogenous,
    costs: Costs,
    filter_weights: FilterWeights,
    margins: Margins,
}

impl Sections {
    /// Of a plant, with the battery and the CHP at that place; where there is none, something that nobody reads.
    fn of(plant: &PlantParameters, index: usize) -> Self {
        Self {
            battery: plant.battery.get(index).copied().unwrap_or_else(|| plant.battery_of_all()),
            chp: plant.chp.get(index).copied().unwrap_or_else(|| plant.chp_of_all()),
            boiler: plant.boiler,
            grid: plant.grid,
            frequency: plant.frequency,
            exogenous: plant.exogenous,
            costs: plant.costs,
            filter_weights: plant.filter_weights,
            margins: plant.margins,
        }
    }

    fn parameters(self, step_h: f64, battery: Each<Battery>, chp: Each<Chp>) -> PlantParameters {
        PlantParameters {
            step_h,
            battery,
            chp,
            boiler: self.boiler,
            grid: self.grid,
            frequency: self.frequency,
            exogenous: self.exogenous,
            costs: self.costs,
            filter_weights: self.filter_weights,
            margins: self.margins,
        }
    }
}

macro_rules! limits {
    ($($reference:literal $group:ident.$field:ident $unit:ident $description:literal;)*) => {
        const LIMITS: &[Limit] = &[$(Limit {
            reference: $reference,
            name: concat!(stringify!($group), ".", stringify!($field)),
            unit: Unit::$unit,
            description: $description,
            field: |sections| &mut sections.$group.$field,
        }),*];
    };
}

limits! {
    300 battery.capacity_kwh KilowattHour "Usable energy between state of charge 0 and 1";
    301 battery.charge_kw_max Kilowatt "Largest charging power";
    302 battery.discharge_kw_max Kilowatt "Largest discharging power, as a positive number";
    303 battery.efficiency_store PerUnit "Fraction of charged energy that is stored";
    304 battery.efficiency_dispatch PerUnit "Fraction of withdrawn energy that is delivered";
    305 battery.soc_min PerUnit "Lowest allowed state of charge";
    306 battery.soc_max PerUnit "Highest allowed state of charge";
    307 battery.ramp_kw_per_step Kilowatt "Largest change of the set-point from one step to the next";
    308 battery.wear_eur_per_kwh EurPerKwh "Wear per energy moved";
    310 chp.p_kw_min Kilowatt "Lowest electric power while on";
    311 chp.p_kw_max Kilowatt "Rated electric power";
    312 chp.ramp_kw_per_step Kilowatt "Largest change while on, from one step to the next";
    313 chp.efficiency_electric PerUnit "Electric output per fuel input";
    314 chp.heat_per_power PerUnit "Heat per electric output";
    315 chp.start_cost_eur Eur "Cost of one start";
    320 boiler.q_kw_max Kilowatt "Rated heat";
    321 boiler.efficiency PerUnit "Heat per fuel input";
    330 grid.import_kw_max Kilowatt "Largest import";
    331 grid.export_kw_max Kilowatt "Largest export, as a positive number";
    332 grid.voltage_pu_min PerUnit "Lowest allowed voltage at the connection";
    333 grid.voltage_pu_max PerUnit "Highest allowed voltage at the connection";
    334 grid.resistance_pu PerUnit "Resistance of the connection";
    335 grid.reactance_pu PerUnit "Reactance of the connection";
    336 grid.base_kva KilovoltAmpere "Base of the per-unit system";
    340 frequency.hz_nominal Hertz "Nominal frequency";
    341 frequency.hz_min Hertz "Below this only moves that raise the frequency are allowed";
    342 frequency.hz_max Hertz "Above this only moves that lower the frequency are allowed";
    343 frequency.dead_band_hz Hertz "No droop response within this deviation";
    344 frequency.full_response_hz Hertz "Full droop response from this deviation on";
    350 exogenous.pv_kw_nom Kilowatt "Rated PV power";
    351 exogenous.wind_kw_nom Kilowatt "Rated wind power";
    352 exogenous.electric_load_kw_min Kilowatt "Smallest electric load";
    353 exogenous.electric_load_kw_max Kilowatt "Largest electric load";
    354 exogenous.heat_load_kw_max Kilowatt "Largest heat load";
    360 costs.gas_eur_per_kwh EurPerKwh "Gas, per energy of fuel";
    361 costs.unserved_eur_per_kwh EurPerKwh "Electric load not served";
    362 costs.unserved_heat_eur_per_kwh EurPerKwh "Heat load not served";
    370 filter_weights.battery PerUnit "Weight of a change of the battery's request";
    371 filter_weights.chp PerUnit "Weight of a change of the CHP's request";
    372 filter_weights.grid PerUnit "Weight of a deviation from the requested grid power";
}

/// The parameter that tells how many batteries there are: each has one.
const CAPACITY: u32 = 300;
const DROOP: u32 = 345;
const MIN_UP: u32 = 380;
const MIN_DOWN: u32 = 381;
/// Length of a control step.
pub const SAMPLE_TIME: u32 = 200;

/// The parameters, started from a plant's limits.
#[must_use]
pub fn variables(plant: &PlantParameters) -> Vec<Variable> {
    units::of_each(plant, |index| variables_of(Sections::of(plant, index), plant.step_h))
}

/// Those of one battery and one CHP.
fn variables_of(mut sections: Sections, step_h: f64) -> Vec<Variable> {
    let parameter = |reference, name, unit, start, description| Variable {
        reference,
        name: Cow::Borrowed(name),
        causality: Causality::Parameter,
        unit,
        start,
        description: Cow::Borrowed(description),
    };
    let count = |steps: u32| Value::Integer(i32::try_from(steps).unwrap_or(i32::MAX));
    let mut rows = vec![
        parameter(
            SAMPLE_TIME,
            "sample_time",
            Some(Unit::Second),
            Value::Real(step_h * 3600.0),
            "Length of a control step; set-points hold in between",
        ),
        parameter(
            DROOP,
            "frequency.droop_pu",
            Some(Unit::PerUnit),
            Value::Real(sections.frequency.droop_pu.unwrap_or(0.0)),
            "Relative frequency deviation at which the battery answers with full power; 0 = no response",
        ),
        parameter(
            MIN_UP,
            "chp.min_up_steps",
            None,
            count(sections.chp.min_up_steps),
            "Steps that the CHP stays on at least",
        ),
        parameter(
            MIN_DOWN,
            "chp.min_down_steps",
            None,
            count(sections.chp.min_down_steps),
            "Steps that the CHP stays off at least",
        ),
    ];
    for limit in LIMITS {
        let start = Value::Real(*(limit.field)(&mut sections));
        rows.push(parameter(limit.reference, limit.name, Some(limit.unit), start, limit.description));
    }
    rows
}

/// The plant that the parameters describe, with the batteries and CHPs that the table has.
///
/// # Errors
/// All parameters that do not describe a plant, in words.
pub fn plant(store: &Store) -> Result<Plant, String> {
    let (battery, chp) = (each(store, CAPACITY, |unit| unit.battery)?, each(store, MIN_UP, |unit| unit.chp)?);
    let parameters = sections(store, 0)?.parameters(store.real(SAMPLE_TIME) / 3600.0, battery, chp);
    parameters.validate().map_err(|problems| problems.iter().map(in_words).collect::<Vec<_>>().join("; "))
}

/// A part of each unit of which the table has that parameter.
fn each<T: Copy>(store: &Store, parameter: u32, part: impl Fn(Sections) -> T) -> Result<Each<T>, String> {
    let there = (0..UNITS_MAX).take_while(|index| store.find(units::reference(parameter, *index)).is_some());
    let found: Vec<T> = there.map(|index| sections(store, index).map(&part)).collect::<Result<_, _>>()?;
    Ok(Each::new(&found).unwrap_or_default())
}

/// What the parameters say, with the battery and the CHP at that place. What the table does not have there is NaN, and
/// nobody reads it.
fn sections(store: &Store, index: usize) -> Result<Sections, String> {
    let mut sections = Sections::of(&PlantParameters::reference(), 0);
    for limit in LIMITS {
        *(limit.field)(&mut sections) = store.real(units::reference(limit.reference, index));
    }
    let droop = store.real(DROOP);
    // NaN is not "no response": it reaches validation and is refused there.
    sections.frequency.droop_pu = if droop == 0.0 { None } else { Some(droop) };
    sections.chp.min_up_steps = steps(store, MIN_UP, "chp.min_up_steps", index)?;
    sections.chp.min_down_steps = steps(store, MIN_DOWN, "chp.min_down_steps", index)?;
    Ok(sections)
}

fn steps(store: &Store, first: u32, name: &str, index: usize) -> Result<u32, String> {
    let value = store.integer(units::reference(first, index));
    let wrong = |_| format!("{}: expected a number of steps >= 0, found {value}", units::name(name, index));
    u32::try_from(value).map_err(wrong)
}

fn in_words(problem: &Problem) -> String {
    if problem.key == "step_h" {
        return format!("sample_time: as hours, expected {}", problem.expected);
    }
    format!("{}: expected {}", units::name(problem.key, problem.unit.unwrap_or(0)), problem.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_plant_are_the_same_numbers() {
        let mut wanted = PlantParameters::reference();
        wanted.frequency.droop_pu = Some(0.05);
        wanted.chp.edit(|chp| chp.min_up_steps = 7);
        wanted.grid.import_kw_max = 123.25;
        let store = Store::new(variables(&wanted));
        assert_eq!(plant(&store).map(|plant| *plant.parameters()), Ok(wanted));
    }

    /// The first battery and CHP as they are, and others that differ.
    fn several(batteries: usize, chps: usize) -> PlantParameters {
        let mut plant = PlantParameters::reference();
        let capacities =
            [100.0, 60.0, 50.0, 40.0].map(|capacity_kwh| Battery { capacity_kwh, ..plant.battery_of_all() });
        let times = [2, 4, 6, 8].map(|min_up_steps| Chp { min_up_steps, p_kw_max: 20.0, ..plant.chp_of_all() });
        plant.battery = Each::new(&capacities[..batteries]).unwrap();
        plant.chp = Each::new(&times[..chps]).unwrap();
        plant
    }

    #[test]
    fn a_plant_has_the_batteries_and_chps_that_the_table_has() {
        for (batteries, chps) in [(2, 2), (0, 1), (1, 0), (0, 0), (4, 4)] {
            let wanted = several(batteries, chps);
            let store = Store::new(variables(&wanted));
            assert_eq!(plant(&store).map(|plant| *plant.parameters()), Ok(wanted));
        }
    }

    #[test]
    fn a_wrong_parameter_of_another_unit_is_named_with_its_number() {
        let named = |first, value| {
            let mut store = Store::new(variables(&several(2, 2)));
            store.put(units::reference(first, 1), value);
            plant(&store).unwrap_err()
        };
        assert!(named(305, Value::Real(0.95)).contains("battery_2.soc_max: expected more than"));
        assert!(named(MIN_UP, Value::Integer(-1)).starts_with("chp_2.min_up_steps: expected"));
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        let cases = [(305, Value::Real(0.95), "battery.soc_max"), (SAMPLE_TIME, Value::Real(f64::NAN), "sample_time")];
        for (reference, value, name) in cases {
            let mut store = Store::new(variables(&PlantParameters::reference()));
            store.put(reference, value);
            assert!(plant(&store).is_err_and(|text| text.contains(name)), "{name}");
        }
    }
}
