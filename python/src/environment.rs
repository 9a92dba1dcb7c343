//! One environment: core's, with eyes.

use super::days::blocks;
use super::errors::{failed, wrong};
use super::eyes::{Eyes, PyView, bytes};
use super::forecaster::{PyForecaster, ahead};
use super::policy::PyPolicy;
use super::profile::PyProfile;
use super::site::PySite;
use super::step::told;
use super::weights::weights;
use memg_core::action::Action;
use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::policy::PolicyInput;
use memg_core::units::Soc;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict};
use std::ops::Range;
use std::sync::Arc;

/// Observation, reward in EUR, terminated, truncated, what the step did.
pub(crate) type Stepped<'py> = (Bound<'py, PyByteArray>, f64, bool, bool, Bound<'py, PyDict>);

/// An environment whose random episodes lie in the days of a profile.
pub(crate) fn environment(
    site: &PySite,
    profile: &PyProfile,
    month_days: Option<&str>,
    weighted: (f64, f64, f64),
) -> PyResult<MemgEnv> {
    profile.suits(site)?;
    let blocks = blocks(&profile.profile, month_days, None)?;
    Ok(MemgEnv::new(site.plant, Arc::clone(&profile.profile), weights(weighted)?).within(&blocks))
}

/// An episode of so many days from a day's midnight on, as `gateway evaluate` begins a block: SoC 0.5, battery and CHP at
/// rest, all rows known as history.
pub(crate) fn start_at(
    env: &MemgEnv,
    profile: &PyProfile,
    day: &str,
    days: usize,
    soc: Option<f64>,
) -> PyResult<Start> {
    let first = profile.day(day)?;
    let rows = days_from(env, profile, first, days)?;
    let start = Start::block(rows).knowing(0..profile.profile.rows().len());
    let soc = soc.map_or(Ok(start.soc), |soc| within(env, soc))?;
    Ok(Start { soc, ..start })
}

/// Rows of consecutive days.
fn days_from(env: &MemgEnv, profile: &PyProfile, first: usize, days: usize) -> PyResult<Range<usize>> {
    let block = profile.profile.blocks(None).into_iter().find(|block| block.contains(&first)).unwrap_or(first..first);
    let end = days.checked_mul(env.filter().plant().steps_per_day()).and_then(|steps| first.checked_add(steps));
    let fits = end.filter(|end| days > 0 && *end <= block.end);
    fits.map(|end| first..end).ok_or_else(|| {
        let there = (block.end - first) / env.filter().plant().steps_per_day();
        wrong(format!(
            "days: expected 1 to {there}, as many as the profile holds from that day on without a gap; found {days}"
        ))
    })
}

fn within(env: &MemgEnv, soc: f64) -> PyResult<Soc> {
    let (low, high) = env.filter().plant().soc_band();
    if soc >= low.get() && soc <= high.get() {
        return Ok(Soc::new(soc));
    }
    Err(wrong(format!("soc: expected a number from {} to {}, found {soc}", low.get(), high.get())))
}

/// Gymnasium's environment stands on it.
#[pyclass(name = "Environment", module = "memg_gym")]
pub(crate) struct Environment {
    env: MemgEnv,
    eyes: Eyes,
    profile: PyProfile,
}

#[pymethods]
impl Environment {
    #[new]
    fn new(
        site: &PySite,
        profile: &PyProfile,
        view: &PyView,
        month_days: Option<&str>,
        weights: (f64, f64, f64),
    ) -> PyResult<Self> {
        let env = environment(site, profile, month_days, weights)?;
        Ok(Self { env, eyes: Eyes::new(view), profile: profile.clone() })
    }

    /// A random episode of so many steps.
    fn reset_random<'py>(&mut self, py: Python<'py>, seed: u64, steps: usize) -> Bound<'py, PyByteArray> {
        self.env.reset_seeded(seed, steps);
        self.observe(py)
    }

    /// An episode from a day's midnight on.
    fn reset_at<'py>(
        &mut self,
        py: Python<'py>,
        day: &str,
        days: usize,
        soc: Option<f64>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let start = start_at(&self.env, &self.profile, day, days, soc)?;
        self.env.reset(start);
        Ok(self.observe(py))
    }

    /// The time at which the present step begins.
    #[getter]
    fn time(&self) -> Option<String> {
        self.env.row().map(|row| row.time.to_string())
    }

    /// State of charge.
    #[getter]
    fn soc(&self) -> f64 {
        self.env.soc().get()
    }

    /// `None` if the episode is over.
    fn step<'py>(&mut self, py: Python<'py>, action: [f32; 3]) -> PyResult<Option<Stepped<'py>>> {
        let step = self.env.step(Action(action));
        step.map(|step| self.stepped(py, &step)).transpose()
    }

    /// The same with a policy's request.
    fn step_policy<'py>(&mut self, py: Python<'py>, policy: &mut PyPolicy) -> PyResult<Option<Stepped<'py>>> {
        let step = self.env.step_policy(policy.inner()?).map_err(failed)?;
        step.map(|step| self.stepped(py, &step)).transpose()
    }

    /// What a forecaster expects of the steps ahead: a list a quantity, the present step first, as it is measured.
    fn forecast<'py>(&self, py: Python<'py>, forecaster: &PyForecaster, steps: usize) -> PyResult<Bound<'py, PyDict>> {
        let mut guess = forecaster.guess.clone();
        let (situation, known) = (self.env.situation(), self.env.known());
        let input = PolicyInput {
            plant: self.env.filter().plant(),
            situation: &situation,
            memory: self.env.memory(),
            known: &known,
        };
        let told = PyDict::new(py);
        for (name, values) in ahead(&mut guess, &input, steps) {
            told.set_item(name, values)?;
        }
        Ok(told)
    }
}

impl Environment {
    fn observe<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyByteArray> {
        PyByteArray::new(py, &bytes(self.eyes.observe(&self.env)))
    }

    fn stepped<'py>(&mut self, py: Python<'py>, step: &EnvStep) -> PyResult<Stepped<'py>> {
        let told = told(py, self.env.filter().plant(), step)?;
        Ok((self.observe(py), step.reward, step.terminated, step.truncated, told))
    }
}
