//! What a step did, as a dictionary whose names are those of `gateway evaluate --trace`.

use memg_core::env::EnvStep;
use memg_core::equipment::Plant;
use memg_core::safety::{Intervention, Quantity};
use memg_evaluate::hard_violations;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// Numbers by name: powers in kW (battery + = charging, grid + = importing), EUR, pu, shares.
pub(crate) fn told<'py>(py: Python<'py>, plant: &Plant, step: &EnvStep) -> PyResult<Bound<'py, PyDict>> {
    let told = PyDict::new(py);
    for (name, value) in numbers(step) {
        told.set_item(name, value)?;
    }
    told.set_item("time", step.row.time.to_string())?;
    told.set_item("chp_on", step.verdict.safe.chp_on())?;
    told.set_item("started", step.started)?;
    told.set_item("relaxation_stage", step.verdict.relaxation.stage())?;
    told.set_item("violations", hard_violations(plant, step))?;
    told.set_item("violations_requested", step.violations_requested)?;
    told.set_item("clamps", clamps(py, step.verdict.interventions.iter())?)?;
    told.set_item("explanation", explanation(step.verdict.interventions.iter()))?;
    Ok(told)
}

fn numbers(step: &EnvStep) -> [(&'static str, f64); 16] {
    let (d, wish) = (&step.dispatch, &step.request.setpoints);
    [
        ("cost_eur", step.cost.get()),
        ("request_battery_kw", wish.battery.get()),
        ("request_chp_kw", wish.chp.get()),
        ("p_battery_kw", d.battery.signed().get()),
        ("p_chp_kw", d.chp.get()),
        ("p_grid_kw", d.grid.signed().get()),
        ("curtailed_kw", d.curtailed.get()),
        ("unserved_kw", d.unserved.get()),
        ("q_boiler_kw", d.boiler.get()),
        ("heat_dumped_kw", d.heat_dumped.get()),
        ("heat_unserved_kw", d.heat_unserved.get()),
        ("soc_before", step.soc_before.get()),
        ("soc_after", step.soc_after.get()),
        ("voltage_pu", d.voltage.get()),
        ("import_price", step.row.import_price),
        ("export_price", step.row.export_price),
    ]
}

/// What the filter changed: a dictionary each.
pub(crate) fn clamps<'py, 'a>(
    py: Python<'py>,
    list: impl Iterator<Item = &'a Intervention>,
) -> PyResult<Bound<'py, PyList>> {
    let told = PyList::empty(py);
    for clamp in list {
        let one = PyDict::new(py);
        one.set_item("quantity", name(clamp.quantity))?;
        one.set_item("rule", clamp.rule.describe())?;
        one.set_item("before_kw", clamp.before_w.kilowatts().get())?;
        one.set_item("after_kw", clamp.after_w.kilowatts().get())?;
        told.append(one)?;
    }
    Ok(told)
}

/// The same in a line; empty if the request was left as it was.
pub(crate) fn explanation<'a>(list: impl Iterator<Item = &'a Intervention>) -> String {
    let one = |clamp: &Intervention| {
        let [before, after] = [clamp.before_w, clamp.after_w].map(|watts| watts.kilowatts().get());
        format!("{} {before} kW -> {after} kW ({})", name(clamp.quantity), clamp.rule.describe())
    };
    list.map(one).collect::<Vec<_>>().join("; ")
}

const fn name(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Battery => "battery",
        Quantity::Chp => "chp",
        Quantity::Grid => "grid",
        Quantity::Renewables => "renewables",
    }
}
