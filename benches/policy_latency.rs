//! Time of one decision by the network alone (batch 1), in every runtime that is there.
//!
//! `cargo bench --bench policy_latency [-- MODEL_FOLDER]` prints medians over rounds; the runtimes take turns, so that a
//! busy machine slows all of them. ONNX Runtime: see `src/policy/ort_library.rs` for where it is looked for.

use memg_core::policy::Actor;
use memg_gateway::policy::{ModelFolder, Runtime};
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

const ROUNDS: usize = 101;
const CALLS_PER_ROUND: usize = 32;

fn microseconds_a_call(actor: &mut dyn Actor, folder: &ModelFolder) -> f64 {
    let rows = folder.golden().rows();
    let start = Instant::now();
    for (observation, _) in rows.iter().cycle().take(CALLS_PER_ROUND) {
        let _ = black_box(actor.infer(black_box(observation)));
    }
    start.elapsed().as_secs_f64() * 1e6 / CALLS_PER_ROUND as f64
}

fn main() {
    let dir = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let dir = dir.map_or_else(|| PathBuf::from("models/rule-imitation"), PathBuf::from);
    let folder = match ModelFolder::load(&dir) {
        Ok(folder) => folder,
        Err(error) => return println!("{}: {error}", dir.display()),
    };
    let mut actors = Vec::new();
    for runtime in Runtime::ALL {
        match folder.actor(runtime) {
            Ok(actor) => actors.push((runtime, actor, Vec::new())),
            Err(error) => println!("{error}"),
        }
    }
    for _ in 0..ROUNDS {
        for (_, actor, times) in &mut actors {
            times.push(microseconds_a_call(actor.as_mut(), &folder));
        }
    }
    for (runtime, _, mut times) in actors {
        times.sort_by(f64::total_cmp);
        let (median, best) = (times[times.len() / 2], times[0]);
        println!("{:6}: median {median:6.2} us, best {best:6.2} us a decision", runtime.name());
    }
}
