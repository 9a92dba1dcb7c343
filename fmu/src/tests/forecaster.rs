//! A planner with a fitted forecaster inside an FMU.

use super::day::{Row, row_of, through_fmu};
use super::host::{BOTH, Host, log_lines};
use super::{Untold, resources};
use crate::ems::packed_planner;
use crate::fault::Status;
use crate::model::Kind;
use memg_core::env::{EnvStep, MemgEnv};
use memg_core::equipment::Plant;
use memg_core::forecast::{Coefficients, FITTED, REGRESSORS, Ridge};
use memg_core::planner::{Plan, PlanSettings};
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use std::sync::Arc;

const STEPS: usize = 144;

/// A file as `gateway train` writes it for 36 hours in so many steps: coefficients around those of "as now".
fn coefficients(steps: usize) -> Vec<u8> {
    let (mut header, mut data) = (Vec::new(), Vec::new());
    for quantity in FITTED {
        let begin = data.len();
        for step in 0..steps {
            let now = 1.0 - step as f32 / 200.0;
            let row = (0..REGRESSORS).map(|place| if place == 0 { now } else { 0.01 });
            row.for_each(|value: f32| data.extend(value.to_le_bytes()));
        }
        let (name, end) = (quantity.name(), data.len());
        header.push(format!(
            r#""{name}":{{"dtype":"F32","shape":[{steps},{REGRESSORS}],"data_offsets":[{begin},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn packed(profile: &Profile, steps: usize) -> tempfile::TempDir {
    let folder = resources(&packed_planner("forecast.safetensors"), profile);
    std::fs::write(folder.path().join("forecast.safetensors"), coefficients(steps)).unwrap();
    folder
}

/// Two days, so that the second has a yesterday that regressors need.
fn built_in(profile: &Profile) -> Vec<EnvStep> {
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile.clone()), RewardWeights::default());
    let ridge = Ridge::new(Coefficients::from_safetensors(&coefficients(STEPS)).unwrap(), 900_000);
    let mut policy = Untold(Plan::new(ridge, PlanSettings::default()));
    std::iter::from_fn(|| env.step_policy(&mut policy).unwrap()).collect()
}

#[test]
fn a_planner_decides_on_its_fitted_forecaster_as_in_the_environment() {
    let profile = synthetic::profile(2, 7);
    let day = built_in(&profile);
    let wanted: Vec<Row> = day.iter().map(row_of).collect();
    let folder = packed(&profile, STEPS);
    for fmi in BOTH {
        assert_eq!(through_fmu(fmi, "plan_ridge", folder.path(), &day), wanted, "{fmi:?}");
    }
}

#[test]
fn a_forecaster_of_another_step_length_is_refused_when_initialization_ends() {
    let folder = packed(&synthetic::profile(1, 7), STEPS / 4);
    for fmi in BOTH {
        let ems = Host::new(fmi, Kind::Ems, folder.path());
        assert_eq!(ems.enter(), Status::Ok);
        assert_eq!(ems.exit(), Status::Error);
        let said = log_lines();
        assert!(said.contains("fitted for steps of 3600 s, sample_time is 900 s"), "{said}");
    }
}
