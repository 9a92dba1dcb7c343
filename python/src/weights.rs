//! The reward's weights.

use super::errors::wrong;
use memg_core::reward::RewardWeights;
use pyo3::PyResult;

/// EUR per requested violation, EUR per EUR of risk, level of the value at risk.
pub(crate) fn weights((constraint, risk, alpha): (f64, f64, f64)) -> PyResult<RewardWeights> {
    let is_weight = |weight: f64| weight.is_finite() && weight >= 0.0;
    if !(is_weight(constraint) && is_weight(risk) && alpha > 0.0 && alpha < 1.0) {
        let found = format!("{constraint}, {risk} and {alpha}");
        return Err(wrong(format!(
            "constraint_weight, risk_weight, risk_alpha: expected >= 0, >= 0 and between 0 and 1, found {found}"
        )));
    }
    Ok(RewardWeights { constraint, risk, alpha })
}
