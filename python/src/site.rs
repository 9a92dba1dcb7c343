//! Sites: those that the repository ships, by name, and any other by its file.

use super::errors::{read, wrong};
use memg_core::equipment::Plant;
use memg_site::parse_site;
use memg_site::problem::words;
use pyo3::prelude::*;

/// Shipped site files, which travel in the module.
const SHIPPED: [(&str, &str); 5] = [
    ("site-a", include_str!("../../config/sites/site-a.toml")),
    ("battery-only", include_str!("../../config/sites/battery-only.toml")),
    ("chp-boiler", include_str!("../../config/sites/chp-boiler.toml")),
    ("pv-battery", include_str!("../../config/sites/pv-battery.toml")),
    ("two-batteries-three-pvs-two-chps", include_str!("../../config/sites/two-batteries-three-pvs-two-chps.toml")),
];

/// A plant as its site file states it: the name of a shipped one, or the path of a file that ends in .toml.
#[pyclass(frozen, name = "Site", module = "memg_gym")]
#[derive(Clone)]
pub(crate) struct PySite {
    pub name: String,
    pub plant: Plant,
}

#[pymethods]
impl PySite {
    #[new]
    fn new(site: &str) -> PyResult<Self> {
        let text = match SHIPPED.iter().find(|(name, _)| *name == site) {
            Some((_, text)) => (*text).to_owned(),
            None if site.ends_with(".toml") => read(site)?,
            None => {
                let names = SHIPPED.iter().map(|(name, _)| *name);
                return Err(wrong(format!(
                    "site {} (or the path of a site file, which ends in .toml)",
                    words::unknown(site, names)
                )));
            }
        };
        let told = |problems: Vec<memg_site::problem::Problem>| {
            wrong(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        };
        Ok(Self { name: site.to_owned(), plant: parse_site(site, &text).map_err(told)?.plant })
    }

    /// Names of the shipped sites.
    #[staticmethod]
    fn shipped() -> Vec<&'static str> {
        SHIPPED.iter().map(|(name, _)| *name).collect()
    }

    /// Name or path, as it was asked for.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Length of a step, hours.
    #[getter]
    fn step_h(&self) -> f64 {
        self.plant.step_h()
    }

    /// Steps of a day.
    #[getter]
    fn steps_per_day(&self) -> usize {
        self.plant.steps_per_day()
    }

    /// Largest import, kW.
    #[getter]
    fn import_kw_max(&self) -> f64 {
        self.plant.import_max().kilowatts().get()
    }

    /// Largest export, kW (>= 0).
    #[getter]
    fn export_kw_max(&self) -> f64 {
        self.plant.export_max().kilowatts().get()
    }

    /// It never changes: a copy is the same (Gymnasium copies the arguments of environments).
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        self.clone()
    }

    fn __repr__(&self) -> String {
        format!("Site({:?})", self.name)
    }
}
