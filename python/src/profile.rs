//! Profiles: a CSV file read for a site, or synthetic days.

use super::errors::{read, wrong};
use super::site::PySite;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::synthetic;
use pyo3::prelude::*;
use std::sync::Arc;

/// The step of synthetic days, ms.
const SYNTHETIC_STEP_MS: i64 = 900_000;

/// Days of weather, loads and prices in steps of a site.
#[pyclass(frozen, name = "Profile", module = "memg_gym")]
#[derive(Clone)]
pub(crate) struct PyProfile {
    pub profile: Arc<Profile>,
    /// Step that it was read for, ms.
    pub step_ms: i64,
}

#[pymethods]
impl PyProfile {
    /// Reads a CSV file for a site; columns as in config/profiles/README.md.
    #[new]
    fn new(path: &str, site: &PySite) -> PyResult<Self> {
        let profile = Profile::parse_for(&read(path)?, &site.plant);
        let profile = profile.map_err(|error| wrong(format!("{path}: {error}")))?;
        Ok(Self { profile: Arc::new(profile), step_ms: site.plant.step_ms() })
    }

    /// Synthetic days for a site of 15-minute steps, made for the reference plant's ratings.
    #[staticmethod]
    fn synthetic(days: u32, seed: u64, site: &PySite) -> PyResult<Self> {
        if days == 0 {
            return Err(wrong("days: expected at least 1, found 0"));
        }
        if site.plant.step_ms() != SYNTHETIC_STEP_MS {
            return Err(wrong(format!(
                "synthetic days have steps of 15 minutes, {} has {} h",
                site.name,
                site.plant.step_h()
            )));
        }
        let profile = Arc::new(synthetic::profile(days, seed).at(&site.plant));
        Ok(Self { profile, step_ms: SYNTHETIC_STEP_MS })
    }

    /// The date of each day, such as 2016-01-20.
    #[getter]
    fn days(&self) -> Vec<String> {
        let midnights = self.profile.rows().iter().filter(|row| row.time.day_and_minute().1 == 0);
        midnights.map(date).collect()
    }

    /// It never changes: a copy is the same (Gymnasium copies the arguments of environments).
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        self.clone()
    }

    fn __len__(&self) -> usize {
        self.profile.rows().len()
    }
}

impl PyProfile {
    /// Its steps are those of the site.
    pub(crate) fn suits(&self, site: &PySite) -> PyResult<()> {
        let own = site.plant.step_ms();
        if self.step_ms == own {
            return Ok(());
        }
        Err(wrong(format!("the profile was read in steps of {} ms, {} has {own} ms", self.step_ms, site.name)))
    }

    /// The row at which a day begins.
    pub(crate) fn day(&self, day: &str) -> PyResult<usize> {
        let is_it = |row: &ProfileRow| row.time.day_and_minute().1 == 0 && date(row) == day;
        let rows = self.profile.rows();
        let span = || match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => format!("of {} to {}", date(first), date(last)),
            _ => "of none".to_owned(),
        };
        rows.iter()
            .position(is_it)
            .ok_or_else(|| wrong(format!("day: expected one {} such as 2016-01-20, found {day:?}", span())))
    }
}

fn date(row: &ProfileRow) -> String {
    let (year, month, day) = row.time.date();
    format!("{year:04}-{month:02}-{day:02}")
}
