//! Speed of the fused TD3 update beside the f32 peak of a core, measured in turn in the same run.
//!
//! `cargo bench --bench td3_update` prints, for one thread and for all, the medians over the rounds.

use memg_gateway::train::fused::{
    ExpertField, Isa, Replay, Td3Config, Td3Kernel, Threads, Transition, flop_per_update,
};
use std::time::Instant;

const OBS_DIM: usize = 10;
const ROUNDS: usize = 15;
const ROUND_S: f64 = 0.3;

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

fn steps_per_second(kernel: &mut Td3Kernel, replay: &Replay) -> f64 {
    let (start, mut steps) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < ROUND_S {
        for _ in 0..10 {
            kernel.update(replay);
        }
        steps += 10;
    }
    f64::from(steps) / start.elapsed().as_secs_f64()
}

fn median(xs: &mut [f64]) -> f64 {
    xs.sort_by(f64::total_cmp);
    xs[xs.len() / 2]
}

fn main() {
    let (config, replay) = (Td3Config::default(), replay());
    let flop = flop_per_update(OBS_DIM, &config);
    println!("{:.1} MFLOP an update, replay {:.1} MB", flop / 1e6, replay.bytes() as f64 / 1e6);
    for isa in Isa::available() {
        let all = Threads::All.count();
        let mut kernels: Vec<_> =
            [1, all].iter().map(|&n| Td3Kernel::with_isa(OBS_DIM, &config, 1, Threads::exactly(n), isa)).collect();
        let (mut peaks, mut one, mut many, mut shares, mut ratios) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let before = isa.peak_flops();
            let single = steps_per_second(&mut kernels[0], &replay);
            let peak = before.max(isa.peak_flops());
            let multi = steps_per_second(&mut kernels[1], &replay);
            peaks.push(peak);
            one.push(single);
            many.push(multi);
            shares.push(single * flop / peak);
            ratios.push(multi / single);
        }
        println!(
            "{:8}: peak {:6.1} GFLOP/s a core; 1 thread {:6.1} steps/s, {:4.1} % of peak; {all} threads {:6.1} steps/s, {:.2} times one (best {:.3} / {:.2})",
            isa.name(),
            median(&mut peaks) / 1e9,
            median(&mut one),
            100.0 * median(&mut shares),
            median(&mut many),
            median(&mut ratios),
            shares.iter().copied().fold(0.0, f64::max),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
}
