//! The trace of an evaluation: one CSV row a step.
//!
//! `cost_eur` is what the step cost, `stored_energy_eur` what is settled for stored energy, in the last step of each block
//! alone: both columns together sum to what the evaluation prints. With observations, `observation_0`, … follow as in
//! golden.csv, and `action_0` to `action_2` are what a network would have answered to ask for the same.

use memg_core::action::Action;
use memg_core::env::EnvStep;
use memg_core::equipment::Plant;
use memg_core::observation::{Observation, Schema};
use memg_core::units::Kilowatts;
use std::io::{self, Write};

/// The columns of every trace, in the order of [`write_row`].
const COLUMNS: &str = "time,pv_kw,wind_kw,load_kw,heat_kw,import_price,export_price,grid_voltage_pu,action_0,action_1,\
action_2,request_battery_kw,request_chp_kw,request_grid_kw,p_battery_kw,p_chp_kw,chp_on,p_grid_kw,curtailed_kw,\
unserved_kw,q_boiler_kw,heat_dumped_kw,heat_unserved_kw,soc_before,soc_after,voltage_pu,cost_eur,reward,\
relaxation_stage,stored_energy_eur";

/// The header; with the columns of a schema's observation if the requests hold one.
#[must_use]
pub fn header(observed: Option<Schema>) -> String {
    let more = (0..observed.map_or(0, Schema::len)).map(|index| format!(",observation_{index}"));
    std::iter::once(COLUMNS.to_owned()).chain(more).collect()
}

/// Writes one step and what is settled with it, EUR; the request's observation is written if `observed`. A rule has no
/// action of its own: the columns then hold the action that would request the same. A request without a grid wish shows
/// the power that its balance gives.
///
/// # Errors
/// The writer's own.
pub fn write_row(
    out: &mut impl Write,
    plant: &Plant,
    step: &EnvStep,
    stored_energy_eur: f64,
    observed: Option<Schema>,
) -> io::Result<()> {
    let (row, d) = (&step.row, &step.dispatch);
    let wish = &step.request.setpoints;
    let balance = Kilowatts::new(row.electric_load_kw - row.pv_kw - row.wind_kw) + wish.battery - wish.chp;
    let grid = wish.grid.unwrap_or(balance);
    let action = step.request.action.unwrap_or_else(|| Action::requesting(wish, balance, plant));
    let numbers = [
        row.pv_kw,
        row.wind_kw,
        row.electric_load_kw,
        row.heat_load_kw,
        row.import_price,
        row.export_price,
        row.grid_voltage_pu,
        f64::from(action.0[0]),
        f64::from(action.0[1]),
        f64::from(action.0[2]),
        wish.battery.get(),
        wish.chp.get(),
        grid.get(),
        d.battery.signed().get(),
        d.chp.get(),
        f64::from(u8::from(step.verdict.safe.chp_on())),
        d.grid.signed().get(),
        d.curtailed.get(),
        d.unserved.get(),
        d.boiler.get(),
        d.heat_dumped.get(),
        d.heat_unserved.get(),
        step.soc_before.get(),
        step.soc_after.get(),
        d.voltage.get(),
        step.cost.get(),
        step.reward,
        f64::from(step.verdict.relaxation.stage()),
        stored_energy_eur,
    ];
    write!(out, "{}", row.time)?;
    for number in numbers {
        write!(out, ",{number}")?;
    }
    for value in observed.and(step.request.observation.as_ref()).map_or(&[][..], Observation::values) {
        write!(out, ",{value}")?;
    }
    writeln!(out)
}
