//! What policies cost on days: the gateway's own evaluation.

use super::actor::PyActor;
use super::days::blocks;
use super::errors::{failed, wrong};
use super::policy::load;
use super::profile::PyProfile;
use super::site::PySite;
use memg_core::policy::Policy;
use memg_core::profile::Profile;
use memg_evaluate::compare::{compare, evaluate_all};
use pyo3::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// JSON of each policy's evaluation, or of all beside the rules and the perfect-foresight bound. Policies are names, folders or
/// [`PyActor`]s.
#[pyfunction]
pub(crate) fn evaluate(
    py: Python<'_>,
    site: &PySite,
    profile: &PyProfile,
    policies: Vec<Bound<'_, PyAny>>,
    month_days: Option<&str>,
    block_days: Option<usize>,
    bound: bool,
) -> PyResult<String> {
    profile.suits(site)?;
    if block_days == Some(0) {
        return Err(wrong("block_days: expected at least 1, found 0"));
    }
    let blocks = blocks(&profile.profile, month_days, block_days)?;
    let mut policies = policies.iter().map(|policy| of(py, policy, site)).collect::<PyResult<Vec<_>>>()?;
    // Policies run on threads of their own, and those of Python take the interpreter in turn.
    py.detach(|| judged(site, &profile.profile, &blocks, &mut policies, bound))
}

fn of(py: Python<'_>, policy: &Bound<'_, PyAny>, site: &PySite) -> PyResult<Box<dyn Policy>> {
    if let Ok(actor) = policy.cast::<PyActor>() {
        return Ok(actor.get().policy(py));
    }
    load(&policy.extract::<String>()?, site)
}

fn judged(
    site: &PySite,
    profile: &Arc<Profile>,
    blocks: &[Range<usize>],
    policies: &mut [Box<dyn Policy>],
    bound: bool,
) -> PyResult<String> {
    if bound {
        let found = compare(site.plant, profile, blocks, policies).map_err(failed)?;
        return serde_json::to_string(&found).map_err(failed);
    }
    let found = evaluate_all(site.plant, profile, blocks, policies).map_err(failed)?;
    serde_json::to_string(&found).map_err(failed)
}
