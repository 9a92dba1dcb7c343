//! How far the runtimes lie from each other: five days of the shipped profile, each runtime in a loop of its own.
//!
//! ```text
//! cargo test --release --test runtimes -- --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use memg_core::env::{EnvStep, MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_gateway::policy::{ModelError, PolicySpec, Runtime, load_policy};
use std::path::PathBuf;
use std::sync::Arc;

const STEPS: usize = 480;
/// Golden outputs agree within 1e-5 of 50 kW, half a watt, and set-points are whole watts. More than a few watts would
/// mean that a difference grows.
const APART_W_MAX: i64 = 5;

/// The days with a model; an error if the runtime does not work here.
fn days(model: &str, runtime: Runtime) -> Result<Vec<EnvStep>, ModelError> {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(home.join("config/profiles/site-a-2016.csv")).unwrap();
    let plant = Plant::reference();
    let profile = Profile::parse_csv(&text, plant.step().get()).unwrap();
    let mut policy = load_policy(&PolicySpec::Model { dir: home.join("models").join(model), runtime }, &plant)?;
    let mut env = MemgEnv::new(plant, Arc::new(profile), RewardWeights::default());
    env.reset(Start::block(0..STEPS));
    Ok(std::iter::from_fn(|| env.step_policy(policy.as_mut()).unwrap()).collect())
}

/// The larger distance of the two set-points, W.
fn apart_w(a: &EnvStep, b: &EnvStep) -> i64 {
    let (a, b) = (&a.verdict.safe, &b.verdict.safe);
    let battery = (a.battery().get() - b.battery().get()).abs();
    battery.max((a.chp().get() - b.chp().get()).abs())
}

#[test]
fn runtimes_differ_by_single_watts_and_plain_rust_by_none_from_itself() {
    for model in ["actor-10d", "actor-extended", "actor-forecast"] {
        let rust = days(model, Runtime::Rust).unwrap();
        assert_eq!(rust.len(), STEPS);
        for runtime in Runtime::ALL {
            let found = match days(model, runtime) {
                Ok(found) => found,
                // ONNX Runtime is a library that this machine may not have.
                Err(error @ ModelError::Runtime { .. }) => {
                    println!("{model}: {error}");
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            let apart: Vec<i64> = rust.iter().zip(&found).map(|(a, b)| apart_w(a, b)).collect();
            let (steps, most) = (apart.iter().filter(|w| **w > 0).count(), apart.iter().copied().max().unwrap());
            println!("{model}: {runtime} differs from plain Rust in {steps} of {STEPS} steps, by {most} W at most");
            assert!(most <= if runtime == Runtime::Rust { 0 } else { APART_W_MAX }, "{model} {runtime}: {most} W");
        }
    }
}
