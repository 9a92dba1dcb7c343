//! Many environments of one site side by side: Gymnasium's vector environment stands on it.

use super::environment::environment;
use super::errors::wrong;
use super::eyes::{Eyes, PyView, bytes};
use super::profile::PyProfile;
use super::site::PySite;
use memg_core::action::Action;
use memg_core::env::MemgEnv;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// Observations of all (f32), rewards (f64), truncations (a byte each), costs in EUR (f64).
type Stepped<'py> =
    (Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, Bound<'py, PyByteArray>);

#[pyclass(name = "Batch", module = "memg_gym")]
pub(crate) struct Batch {
    members: Vec<(MemgEnv, Eyes)>,
}

#[pymethods]
impl Batch {
    #[new]
    fn new(
        site: &PySite,
        profile: &PyProfile,
        view: &PyView,
        month_days: Option<&str>,
        weights: (f64, f64, f64),
        count: usize,
    ) -> PyResult<Self> {
        let first = environment(site, profile, month_days, weights)?;
        Ok(Self { members: (0..count).map(|_| (first.clone(), Eyes::new(view))).collect() })
    }

    /// Random episodes of so many steps; one seed a member.
    fn reset<'py>(&mut self, py: Python<'py>, seeds: Vec<u64>, steps: usize) -> PyResult<Bound<'py, PyByteArray>> {
        self.one_each(seeds.len(), "seeds")?;
        for ((env, _), seed) in self.members.iter_mut().zip(seeds) {
            env.reset_seeded(seed, steps);
        }
        Ok(PyByteArray::new(py, &self.observe()))
    }

    /// One step of all. Members with a seed begin an episode instead, with reward and cost 0.
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        actions: Vec<[f32; 3]>,
        seeds: Vec<Option<u64>>,
        steps: usize,
    ) -> PyResult<Stepped<'py>> {
        self.one_each(actions.len(), "actions")?;
        self.one_each(seeds.len(), "seeds")?;
        let (mut rewards, mut costs, mut over) = (Vec::new(), Vec::new(), Vec::new());
        for (((env, _), action), seed) in self.members.iter_mut().zip(actions).zip(seeds) {
            let step = match seed {
                Some(seed) => {
                    env.reset_seeded(seed, steps);
                    None
                }
                None => Some(env.step(Action(action)).ok_or_else(|| wrong("an episode is over: reset first"))?),
            };
            rewards.extend(step.map_or(0.0, |step| step.reward).to_le_bytes());
            costs.extend(step.map_or(0.0, |step| step.cost.get()).to_le_bytes());
            over.push(u8::from(step.is_some_and(|step| step.truncated)));
        }
        let array = |bytes: &[u8]| PyByteArray::new(py, bytes);
        Ok((array(&self.observe()), array(&rewards), array(&over), array(&costs)))
    }
}

impl Batch {
    fn observe(&mut self) -> Vec<u8> {
        self.members.iter_mut().flat_map(|(env, eyes)| bytes(eyes.observe(env))).collect()
    }

    fn one_each(&self, found: usize, what: &str) -> PyResult<()> {
        let expected = self.members.len();
        if found == expected { Ok(()) } else { Err(wrong(format!("{what}: expected {expected}, found {found}"))) }
    }
}
