//! Microgrids behind one transformer: `PettingZoo`'s environment stands on it.

use super::environment::{environment, start_at};
use super::errors::wrong;
use super::eyes::{Eyes, PyView, bytes};
use super::profile::PyProfile;
use super::site::PySite;
use super::step::told;
use memg_core::action::Action;
use memg_core::community::{Community, CommunityStep, SharedCap};
use memg_core::env::{MemgEnv, Start};
use memg_core::policy::Request;
use memg_core::units::{Kilowatts, Watts};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// Of a site: observation, reward in EUR, truncated, what the step did.
type Stepped<'py> = (Bound<'py, PyByteArray>, f64, bool, Bound<'py, PyDict>);

#[pyclass(name = "Community", module = "memg_gym")]
pub(crate) struct PyCommunity {
    community: Community,
    eyes: Vec<Eyes>,
    profiles: Vec<PyProfile>,
}

#[pymethods]
impl PyCommunity {
    /// Sites with a profile and a view each; the cap is a share of their summed limits, or kW of import and export.
    #[new]
    #[pyo3(signature = (sites, profiles, views, month_days, weights, cap_share = None, cap_kw = None))]
    fn new(
        sites: Vec<PyRef<'_, PySite>>,
        profiles: Vec<PyRef<'_, PyProfile>>,
        views: Vec<PyRef<'_, PyView>>,
        month_days: Option<&str>,
        weights: (f64, f64, f64),
        cap_share: Option<f64>,
        cap_kw: Option<(f64, f64)>,
    ) -> PyResult<Self> {
        one_calendar(&profiles)?;
        let each = sites.iter().zip(&profiles);
        let envs = each
            .map(|(site, profile)| environment(site, profile, month_days, weights))
            .collect::<PyResult<Vec<_>>>()?;
        let cap = cap(&envs, cap_share, cap_kw)?;
        let community = Community::new(envs, cap).map_err(wrong)?;
        let profiles = profiles.iter().map(|profile| PyProfile::clone(profile)).collect();
        Ok(Self { community, eyes: views.iter().map(|view| Eyes::new(view)).collect(), profiles })
    }

    /// Largest import and export of all together, kW.
    #[getter]
    fn cap_kw(&self) -> (f64, f64) {
        let cap = self.community.cap();
        (cap.import.kilowatts().get(), cap.export.kilowatts().get())
    }

    /// A random episode of so many steps, at the same time for all.
    fn reset_random<'py>(&mut self, py: Python<'py>, seed: u64, steps: usize) -> Vec<Bound<'py, PyByteArray>> {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut common: Option<Start> = None;
        for site in self.community.sites_mut() {
            let own = site.random_start(&mut rng, steps);
            let first = common.get_or_insert_with(|| own.clone());
            let Start { block, known, first, steps, .. } = first.clone();
            site.reset(Start { block, known, first, steps, ..own });
        }
        self.observe(py)
    }

    /// An episode from a day's midnight on, every battery at SoC 0.5.
    fn reset_at<'py>(&mut self, py: Python<'py>, day: &str, days: usize) -> PyResult<Vec<Bound<'py, PyByteArray>>> {
        let sites = self.community.sites().iter().zip(&self.profiles);
        let starts = sites.map(|(site, profile)| start_at(site, profile, day, days, None));
        let starts = starts.collect::<PyResult<Vec<_>>>()?;
        for (site, start) in self.community.sites_mut().iter_mut().zip(starts) {
            site.reset(start);
        }
        Ok(self.observe(py))
    }

    /// `None` if the episode is over; else the sites' steps, and the net exchange in kW, + = importing.
    fn step<'py>(&mut self, py: Python<'py>, actions: Vec<[f32; 3]>) -> PyResult<Option<(Vec<Stepped<'py>>, f64)>> {
        let sites = self.community.sites();
        let requests: Vec<Request> = sites.iter().zip(actions).map(|(site, action)| request(site, action)).collect();
        let Some(step) = self.community.step(&requests).map_err(wrong)? else { return Ok(None) };
        let exchange = step.exchange.get();
        Ok(Some((self.stepped(py, &step)?, exchange)))
    }
}

impl PyCommunity {
    fn observe<'py>(&mut self, py: Python<'py>) -> Vec<Bound<'py, PyByteArray>> {
        let each = self.community.sites().iter().zip(&mut self.eyes);
        each.map(|(site, eyes)| PyByteArray::new(py, &bytes(eyes.observe(site)))).collect()
    }

    fn stepped<'py>(&mut self, py: Python<'py>, step: &CommunityStep) -> PyResult<Vec<Stepped<'py>>> {
        let observed = self.observe(py);
        let sites = self.community.sites().iter().zip(&step.sites).zip(&step.shares).zip(observed);
        let one = |(((site, step), share), observed): (((&MemgEnv, _), &memg_core::community::Share), _)| {
            let step: &memg_core::env::EnvStep = step;
            let told = told(py, site.filter().plant(), step)?;
            told.set_item("share_import_kw", share.import.kilowatts().get())?;
            told.set_item("share_export_kw", share.export.kilowatts().get())?;
            Ok((observed, step.reward, step.truncated, told))
        };
        sites.map(one).collect()
    }
}

fn request(site: &MemgEnv, action: [f32; 3]) -> Request {
    let action = Action(action);
    let setpoints = action.setpoints(site.filter().plant(), site.memory().chp_on());
    Request { observation: None, action: Some(action), setpoints, outside_tariff: false }
}

fn cap(sites: &[MemgEnv], share: Option<f64>, kw: Option<(f64, f64)>) -> PyResult<SharedCap> {
    let watts = |kw: f64| Watts::floor(Kilowatts::new(kw));
    match (share, kw) {
        (Some(share), None) => SharedCap::part_of(sites, share)
            .ok_or_else(|| wrong(format!("cap_share: expected a number from 0 to 1, found {share}"))),
        (None, Some((import, export))) if import >= 0.0 && export >= 0.0 && import + export < 1e9 => {
            Ok(SharedCap { import: watts(import), export: watts(export) })
        }
        (None, Some((import, export))) => {
            Err(wrong(format!("cap_kw: expected import and export in kW, at least 0, found {import} and {export}")))
        }
        _ => Err(wrong("expected either cap_share or cap_kw")),
    }
}

/// A row means the same time for all.
fn one_calendar(profiles: &[PyRef<'_, PyProfile>]) -> PyResult<()> {
    let minutes = |profile: &PyProfile| profile.profile.rows().iter().map(|row| row.time.minute).collect::<Vec<_>>();
    let first = profiles.first().map(|profile| minutes(profile));
    match profiles.iter().position(|profile| Some(minutes(profile)) != first) {
        None => Ok(()),
        Some(site) => Err(wrong(format!("the profile of site {site} holds other days than that of site 0"))),
    }
}
