//! The safety filter by itself.

use super::errors::wrong;
use super::site::PySite;
use super::step::{clamps, explanation};
use memg_core::calendar::LocalTime;
use memg_core::memory::ControlMemory;
use memg_core::profile::ProfileRow;
use memg_core::safety::{SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::units::{Kilowatts, Soc, Watts};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// From any wish to set-points that may be written.
#[pyclass(frozen, name = "SafetyFilter", module = "memg_gym")]
pub(crate) struct Filter {
    site: PySite,
}

#[pymethods]
impl Filter {
    #[new]
    fn new(site: &PySite) -> Self {
        Self { site: site.clone() }
    }

    /// What may be written in a situation. A wish may be anything, NaN and infinity included; so may a situation, which gets
    /// the safe stop where it is outside the plant's declared bounds. Powers in kW: battery + = charging, grid + = importing.
    /// `*_before` is the set-point of the last step, `chp_in_state_h` how long the CHP has been on or off.
    #[pyo3(signature = (battery_kw, chp_kw, grid_kw = None, *, soc, pv_kw = 0.0, wind_kw = 0.0, electric_load_kw, heat_load_kw = 0.0,
        import_price = 0.15, export_price = 0.08, grid_voltage_pu = 1.0, frequency_hz = 50.0, battery_kw_before = 0.0,
        chp_kw_before = 0.0, chp_in_state_h = 1e4, import_kw_max = None, export_kw_max = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    fn filter<'py>(
        &self,
        py: Python<'py>,
        battery_kw: f64,
        chp_kw: f64,
        grid_kw: Option<f64>,
        soc: f64,
        pv_kw: f64,
        wind_kw: f64,
        electric_load_kw: f64,
        heat_load_kw: f64,
        import_price: f64,
        export_price: f64,
        grid_voltage_pu: f64,
        frequency_hz: f64,
        battery_kw_before: f64,
        chp_kw_before: f64,
        chp_in_state_h: f64,
        import_kw_max: Option<f64>,
        export_kw_max: Option<f64>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if !(battery_kw_before.is_finite()
            && chp_kw_before >= 0.0
            && chp_kw_before.is_finite()
            && chp_in_state_h >= 0.0)
        {
            return Err(wrong(
                "battery_kw_before, chp_kw_before, chp_in_state_h: expected numbers, those of the CHP at least 0",
            ));
        }
        let time = LocalTime::default();
        let row = ProfileRow {
            time,
            pv_kw,
            wind_kw,
            electric_load_kw,
            heat_load_kw,
            import_price,
            export_price,
            grid_voltage_pu,
            frequency_hz,
        };
        let watts = |kw: f64| Watts::nearest(Kilowatts::new(kw));
        let in_state_ms = (chp_in_state_h * 3_600_000.0).min(1e15) as i64;
        let memory = ControlMemory::from_measured(
            watts(battery_kw_before),
            watts(chp_kw_before),
            chp_kw_before > 0.0,
            in_state_ms,
        );
        let wish = Setpoints {
            battery: Kilowatts::new(battery_kw),
            chp: Kilowatts::new(chp_kw),
            grid: grid_kw.map(Kilowatts::new),
        };
        let plant =
            self.site.plant.with_exchange_limits(import_kw_max.map(Kilowatts::new), export_kw_max.map(Kilowatts::new));
        let filter = SafetyFilter::new(plant);
        let verdict = filter.filter(&row.situation(Soc::new(soc)), &memory.anchor(plant.step_ms()), &wish);
        told(py, &verdict)
    }
}

fn told<'py>(py: Python<'py>, verdict: &Verdict) -> PyResult<Bound<'py, PyDict>> {
    let safe = &verdict.safe;
    let told = PyDict::new(py);
    told.set_item("battery_kw", safe.battery().kilowatts().get())?;
    told.set_item("chp_kw", safe.chp().kilowatts().get())?;
    told.set_item("chp_on", safe.chp_on())?;
    told.set_item("renewable_limit_kw", safe.renewable_limit().map(|watts| watts.kilowatts().get()))?;
    told.set_item("relaxation_stage", verdict.relaxation.stage())?;
    told.set_item("clamps", clamps(py, verdict.interventions.iter())?)?;
    told.set_item("explanation", explanation(verdict.interventions.iter()))?;
    Ok(told)
}
