//! Settings of the lock-step protocol: the `[cosim]` table.

use super::villas::VillasMap;
use crate::plant_io::problem::{self, Problem};
use memg_core::plant_state::Signal;
use serde::Deserialize;
use std::time::Duration;

/// What the protocol needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct LockstepSettings {
    /// A run that is silent for longer is over, wall clock.
    pub idle_max: Duration,
    /// Positions in VILLASnode frames; `None` = such frames are refused.
    pub villas: Option<VillasMap>,
}

impl Default for LockstepSettings {
    fn default() -> Self {
        Self { idle_max: Duration::from_secs(60), villas: None }
    }
}

/// `[cosim]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLockstep {
    /// A run that is silent for longer is over, s of the wall clock. Default 60.
    pub idle_max_s: Option<f64>,
    /// VILLASnode frames: see [`RawVillas`]. Without this table they are refused.
    pub villas: Option<toml::Value>,
}

/// `[cosim.villas]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawVillas {
    /// Signals in the order of the simulator's `data`; an empty text passes a position over.
    pub inputs: Vec<String>,
    /// Set-points in the order of the answer's `data`; `status` is 0 for control, 1 for hold.
    pub outputs: Vec<String>,
    /// Simulated time of sequence 0, s. Default 0.
    #[serde(default)]
    pub t0_s: f64,
    /// Length of a step, s.
    pub dt_s: f64,
}

/// Checks the `[cosim]` table.
///
/// # Errors
/// Every problem, with its key path.
pub fn validate(table: toml::Value) -> Result<LockstepSettings, Vec<Problem>> {
    let mut problems = Vec::new();
    let raw: RawLockstep = problem::read("cosim", table, &mut problems).unwrap_or_default();
    let idle_max_s = raw.idle_max_s.unwrap_or(60.0);
    if !(1.0..=86_400.0).contains(&idle_max_s) {
        problems.push(Problem::new("cosim.idle_max_s", "must be between 1 and 86400 s"));
    }
    let villas = raw.villas.and_then(|table| villas(table, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(LockstepSettings { idle_max: Duration::from_secs_f64(idle_max_s), villas })
}

fn villas(table: toml::Value, problems: &mut Vec<Problem>) -> Option<VillasMap> {
    let raw: RawVillas = problem::read("cosim.villas", table, problems)?;
    let mut signal = |(n, name): (usize, &String)| {
        let signal = Signal::from_name(name);
        if signal.is_none() && !name.is_empty() {
            problems.push(Problem::new(format!("cosim.villas.inputs[{n}]"), format!("{name:?} is not a signal")));
        }
        signal
    };
    let inputs = raw.inputs.iter().enumerate().map(&mut signal).collect();
    if !(raw.dt_s > 0.0 && raw.dt_s.is_finite() && raw.t0_s.is_finite()) {
        problems.push(Problem::new("cosim.villas.dt_s", "must be above 0, and t0_s a finite number"));
    }
    Some(VillasMap { inputs, outputs: raw.outputs, t0_s: raw.t0_s, dt_s: raw.dt_s })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant_io::problem::parse_table;

    fn validated(text: &str) -> Result<LockstepSettings, Vec<String>> {
        let problems = validate(toml::Value::Table(parse_table(text).unwrap()));
        problems.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_at_all_is_a_complete_configuration() {
        assert_eq!(validated(""), Ok(LockstepSettings::default()));
    }

    #[test]
    fn every_problem_is_named() {
        let text = "idle_max_s = 0\nidle = 1\n[villas]\ninputs = ['pv_kw', '', 'x']\noutputs = []\ndt_s = 0";
        let problems = validated(text).unwrap_err();
        let keys: Vec<_> = problems.iter().map(|text| text.split(": ").next().unwrap_or_default()).collect();
        assert_eq!(keys, ["cosim.idle", "cosim.idle_max_s", "cosim.villas.inputs[2]", "cosim.villas.dt_s"]);
    }
}
