//! The plant's ratings and limits as parameters of both models: one table from parameter names to fields.
//!
//! Start values come from `limits.json` in the resources, which states every one of them: limits have no defaults.

use crate::variable::{Causality, Store, Unit, Value, Variable};
use memg_core::equipment::{
    Battery, Boiler, Chp, Costs, Each, Exogenous, FilterWeights, Frequency, Grid, Margins, Plant, PlantParameters,
    Problem,
};

/// A limit: a real parameter and the field that it fills.
struct Limit {
    reference: u32,
    name: &'static str,
    unit: Unit,
    description: &'static str,
    field: fn(&mut Sections) -> &mut f64,
}

/// The parts of a plant of one battery and one CHP, as parameters can name them.
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
    /// Of a plant; for one that has several batteries or CHPs, those that stand for all.
    fn of(plant: &PlantParameters) -> Self {
        Self {
            battery: plant.battery_of_all(),
            chp: plant.chp_of_all(),
            boiler: plant.boiler,
            grid: plant.grid,
            frequency: plant.frequency,
            exogenous: plant.exogenous,
            costs: plant.costs,
            filter_weights: plant.filter_weights,
            margins: plant.margins,
        }
    }

    fn parameters(self, step_h: f64) -> PlantParameters {
        PlantParameters {
            step_h,
            battery: Each::one(self.battery),
            chp: Each::one(self.chp),
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

const DROOP: u32 = 345;
const MIN_UP: u32 = 380;
const MIN_DOWN: u32 = 381;
/// Length of a control step.
pub const SAMPLE_TIME: u32 = 200;

/// The parameters, started from a plant's limits.
#[must_use]
pub fn variables(plant: &PlantParameters) -> Vec<Variable> {
    let mut sections = Sections::of(plant);
    let parameter = |reference, name, unit, start, description| Variable {
        reference,
        name,
        causality: Causality::Parameter,
        unit,
        start,
        description,
    };
    let count = |steps: u32| Value::Integer(i32::try_from(steps).unwrap_or(i32::MAX));
    let mut rows = vec![
        parameter(
            SAMPLE_TIME,
            "sample_time",
            Some(Unit::Second),
            Value::Real(plant.step_h * 3600.0),
            "Length of a control step; set-points hold in between",
        ),
        parameter(
            DROOP,
            "frequency.droop_pu",
            Some(Unit::PerUnit),
            Value::Real(plant.frequency.droop_pu.unwrap_or(0.0)),
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

/// The plant that the parameters describe.
///
/// # Errors
/// All parameters that do not describe a plant, in words.
pub fn plant(store: &Store) -> Result<Plant, String> {
    let mut sections = Sections::of(&PlantParameters::reference());
    for limit in LIMITS {
        *(limit.field)(&mut sections) = store.real(limit.reference);
    }
    let droop = store.real(DROOP);
    // NaN is not "no response": it reaches validation and is refused there.
    sections.frequency.droop_pu = if droop == 0.0 { None } else { Some(droop) };
    sections.chp.min_up_steps = steps(store, MIN_UP, "chp.min_up_steps")?;
    sections.chp.min_down_steps = steps(store, MIN_DOWN, "chp.min_down_steps")?;
    let parameters = sections.parameters(store.real(SAMPLE_TIME) / 3600.0);
    parameters.validate().map_err(|problems| problems.iter().map(in_words).collect::<Vec<_>>().join("; "))
}

fn steps(store: &Store, reference: u32, name: &str) -> Result<u32, String> {
    let value = store.integer(reference);
    u32::try_from(value).map_err(|_| format!("{name}: expected a number of steps >= 0, found {value}"))
}

fn in_words(problem: &Problem) -> String {
    if problem.key == "step_h" {
        return format!("sample_time: as hours, expected {}", problem.expected);
    }
    format!("{}: expected {}", problem.key, problem.expected)
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
