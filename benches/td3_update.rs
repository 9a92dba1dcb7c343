//! Speed of the fused TD3 update beside the f32 peak of a core, measured in turn in the same run.
//!
//! `cargo bench --bench td3_update [-- AVX-512|AVX2|portable]` prints medians over many short turns: the peak of one core, a pair of updates (one with an actor step) on one thread,
//! the same on all threads; then the pair in bf16 beside the pair in f32. On a busy machine the best tenth of the turns, printed behind, says more. Operations are counted as documented at
//! `flop_per_update`.

use memg_gateway::train::td3::fused::{
    Bf16, ExpertField, Isa, Precision, Replay, Td3Config, Td3Kernel, Threads, Transition, flop_per_update,
};
use std::time::Instant;

const OBS_DIM: usize = 10;
/// Turns of each measurement: about 4 ms of peak and a pair of updates on one thread and on all.
const TURNS: usize = 300;

fn replay() -> Replay {
    let mut replay = Replay::new(OBS_DIM, 1_000_000, ExpertField::Absent);
    let mut state = 1_u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    for _ in 0..1_000_000 {
        let (obs, next): ([f32; OBS_DIM], [f32; OBS_DIM]) =
            (std::array::from_fn(|_| unit()), std::array::from_fn(|_| unit()));
        let action = [unit(), unit(), unit()];
        replay.push(&Transition {
            obs: &obs,
            action,
            reward: unit(),
            next_obs: &next,
            terminated: false,
            expert: None,
        });
    }
    replay
}

/// Updates a second of a pair, after another pair that brings the networks back into the caches.
fn pair_rate(kernel: &mut Td3Kernel, replay: &Replay) -> f64 {
    let mut pair = || {
        let start = Instant::now();
        kernel.update(replay);
        kernel.update(replay);
        2.0 / start.elapsed().as_secs_f64()
    };
    pair();
    pair()
}

/// The value that a share `q` of the turns stays below.
fn quantile(xs: &mut [f64], q: f64) -> f64 {
    xs.sort_by(f64::total_cmp);
    xs[((xs.len() - 1) as f64 * q) as usize]
}

/// Measures one instruction set in turns and prints a line.
fn measure(isa: Isa, config: &Td3Config, replay: &Replay) {
    let kernel = |threads| Td3Kernel::with_isa(OBS_DIM, config, 1, Threads::exactly(threads), isa);
    let (all, flop) = (Threads::All.count(), flop_per_update(OBS_DIM, config));
    let (mut one, mut many) = (kernel(1), kernel(all));
    let [mut peaks, mut singles, mut multis] = [vec![], vec![], vec![]];
    for turn in 0..TURNS + 20 {
        let rates = [isa.peak_flops(), pair_rate(&mut one, replay), pair_rate(&mut many, replay)];
        if turn >= 20 {
            peaks.push(rates[0]);
            singles.push(rates[1]);
            multis.push(rates[2]);
        }
    }
    for (q, name) in [(0.5, "median"), (0.9, "best tenth")] {
        let [peak, single, multi] = [&mut peaks, &mut singles, &mut multis].map(|xs| quantile(xs, q));
        println!(
            "{:8} {name:10}: peak {:6.1} GFLOP/s a core; 1 thread {single:6.1} steps/s, {:4.1} % of peak; {all} threads {multi:6.1} steps/s, {:.2} times one",
            isa.name(),
            peak / 1e9,
            100.0 * single * flop / peak,
            multi / single,
        );
    }
}

/// Updates in bf16 beside those in f32, on one thread and on all; ratios are medians over pairs of neighbouring turns.
fn measure_bf16(bf16: Bf16, config: &Td3Config, replay: &Replay) {
    let config16 = Td3Config { precision: Precision::Bf16(bf16), ..*config };
    let kernel = |config, threads| Td3Kernel::new(OBS_DIM, config, 1, Threads::exactly(threads));
    for threads in [1, Threads::All.count()] {
        let (mut single, mut half) = (kernel(config, threads), kernel(&config16, threads));
        let [mut singles, mut halves, mut ratios] = [vec![], vec![], vec![]];
        for turn in 0..2 * TURNS + 20 {
            let rates = [pair_rate(&mut single, replay), pair_rate(&mut half, replay)];
            if turn >= 20 {
                singles.push(rates[0]);
                halves.push(rates[1]);
                ratios.push(rates[1] / rates[0]);
            }
        }
        for (q, name) in [(0.5, "median"), (0.9, "best tenth")] {
            let [single, half] = [&mut singles, &mut halves].map(|xs| quantile(xs, q));
            println!(
                "bf16     {name:10}: {threads} thread(s) {half:6.1} steps/s, f32 {single:6.1} steps/s, {:.2} times as fast",
                half / single
            );
        }
        println!("bf16     turn by turn: {:.2} times as fast", quantile(&mut ratios, 0.5));
    }
}

fn main() {
    let (config, replay) = (Td3Config::default(), replay());
    let (mflop, megabytes) = (flop_per_update(OBS_DIM, &config) / 1e6, replay.bytes() as f64 / 1e6);
    println!("{mflop:.1} MFLOP an update of batch {}, replay {megabytes:.1} MB", config.batch);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let chosen = Isa::available().filter(|isa| wanted.is_empty() || wanted.iter().any(|name| name == isa.name()));
    chosen.for_each(|isa| measure(isa, &config, &replay));
    match Bf16::detect() {
        Some(bf16) => measure_bf16(bf16, &config, &replay),
        None => println!("bf16: this processor has no AVX512_BF16"),
    }
}
