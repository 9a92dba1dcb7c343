//! Speed of one decision and of a year of them.
//!
//! ```text
//! cargo bench -p memg-core --bench speed
//! ```
//! Prints the percentiles of single decisions and the throughput of the environment, each with its target. Single
//! decisions are timed one by one, the cost of reading the clock subtracted; inputs are random but the same every time.
#![allow(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a measurement, not a product"
)]

use memg_core::action::Action;
use memg_core::actor::RustActor;
use memg_core::constraint::Anchor;
use memg_core::decide;
use memg_core::env::{MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::forecast::Persistence;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Schema};
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::ActorPolicy;
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::safety::SafetyFilter;
use memg_core::series::Nothing;
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;
use memg_core::synthetic;
use memg_core::units::{Kilowatts, PerUnit, Soc, Watts};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DECISIONS: usize = 200_000;

fn main() {
    let cases = cases();
    let filter = SafetyFilter::new(Plant::reference());
    percentiles("filter", "p99 < 1 us", &cases, |case| {
        black_box(filter.filter(&case.situation, &case.anchor, &case.request));
    });
    let mut policy = ActorPolicy(random_actor());
    percentiles("observation + actor + filter", "p99 < 10 us", &cases, |case| {
        let mut memory = case.memory;
        let _ = black_box(decide::step(&filter, &case.situation, &mut memory, &Nothing, &mut policy));
    });
    plan();
    year();
    throughput();
}

struct Case {
    situation: Situation,
    anchor: Anchor,
    request: Setpoints,
    memory: ControlMemory,
}

fn cases() -> Vec<Case> {
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let profile = synthetic::profile(365, 7);
    let mut any = move |low: f64, high: f64| rng.random_range(low..=high);
    let case = |row: &memg_core::profile::ProfileRow| {
        let mut situation = row.situation(Soc::new(any(0.1, 0.9)));
        situation.source_voltage = PerUnit::new(any(0.96, 1.04));
        let chp = if any(0.0, 1.0) < 0.5 { 0.0 } else { any(10.0, 80.0) };
        let watts = |kw| Watts::nearest(Kilowatts::new(kw));
        let memory = ControlMemory::from_measured(watts(any(-50.0, 50.0)), watts(chp), chp > 0.0, 3_600_000);
        let (battery, chp) = (Kilowatts::new(any(-60.0, 60.0)), Kilowatts::new(any(-10.0, 90.0)));
        let request = Setpoints { battery, chp, grid: Some(Kilowatts::new(any(-80.0, 100.0))) };
        Case { situation, anchor: memory.anchor(900_000), request, memory }
    };
    profile.rows().iter().map(case).collect()
}

/// A decision of the planner, 144 steps ahead on a grid of 18 x 11 x 21 states, on two days after seven of history. It keeps
/// nothing from one decision to the next, so each is made three times and the least counts: other programs do not.
fn plan() {
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(9, 7)), RewardWeights::default());
    env.reset(Start::block(7 * 96..9 * 96).knowing(0..9 * 96));
    let mut policy = Plan::new(Persistence, PlanSettings::default());
    let mut times = Vec::new();
    while !env.is_over() {
        let (situation, known) = (env.situation(), env.known());
        let mut decide = || {
            let mut memory = *env.memory();
            let _ = black_box(decide::step(env.filter(), &situation, &mut memory, &known, &mut policy));
        };
        times.extend((0..3).map(|_| timed(&mut decide)).min());
        let _ = env.step_policy(&mut policy);
    }
    times.sort();
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize].as_secs_f64() * 1e3;
    println!("forecast + plan + filter: p50 {:.2} ms, p99 {:.2} ms (p99 < 5 ms)", at(0.5), at(0.99));
}

/// Times single calls.
fn percentiles(name: &str, target: &str, cases: &[Case], mut call: impl FnMut(&Case)) {
    let mut clock: Vec<Duration> = (0..10_001).map(|_| timed(|| ())).collect();
    clock.sort();
    let clock = clock[clock.len() / 2];
    let cases = cases.iter().cycle();
    let mut times: Vec<Duration> =
        cases.take(DECISIONS).map(|case| timed(|| call(case)).saturating_sub(clock)).collect();
    times.sort();
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize].as_nanos();
    println!("{name}: p50 {} ns, p99 {} ns, p99.9 {} ns ({target})", at(0.5), at(0.99), at(0.999));
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
/// Time that this thread has run, where the system tells; so that other programs do not count.
fn running() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    nanos.map_or_else(|| BEGIN.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed(call: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    call();
    begin.elapsed()
}

fn year() {
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(365, 7)), RewardWeights::default());
    let begin = running();
    let mut steps = 0;
    while let Ok(Some(step)) = env.step_policy(&mut GoodRule) {
        black_box(step);
        steps += 1;
    }
    println!("a year of {steps} steps with the good rule: {:.1} ms (< 50 ms)", (running() - begin).as_secs_f64() * 1e3);
}

fn throughput() {
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(365, 7)), RewardWeights::default());
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let steps = 1_000_000;
    let begin = running();
    for episode in 0..steps / 1000 {
        env.reset_seeded(episode, 1000);
        for _ in 0..1000 {
            black_box(env.observe(Schema::TenD, &Divisors::VERSION_1));
            black_box(env.step(Action(std::array::from_fn(|_| rng.random_range(-1.0..=1.0)))));
        }
    }
    let rate = steps as f64 / (running() - begin).as_secs_f64();
    println!("environment with filter, 10 numbers observed: {:.2} million steps a second (>= 1)", rate / 1e6);
}

/// An actor of the trained size (10-256-256-3) with random weights.
fn random_actor() -> RustActor {
    let mut rng = Pcg64Mcg::seed_from_u64(5);
    let shapes: [(&str, &[usize]); 6] = [
        ("l1.weight", &[256, 10]),
        ("l1.bias", &[256]),
        ("l2.weight", &[256, 256]),
        ("l2.bias", &[256]),
        ("l3.weight", &[3, 256]),
        ("l3.bias", &[3]),
    ];
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, shape)| {
            (0..shape.iter().product::<usize>()).flat_map(|_| rng.random_range(-0.1f32..0.1).to_le_bytes()).collect()
        })
        .collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        (*name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    RustActor::from_safetensors("random", Schema::TenD, &bytes).unwrap()
}
