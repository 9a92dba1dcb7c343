//! The small parts: replay, random numbers, elementary functions, the pool.

use super::*;
use crate::td3::fused::memory::buffer::{PANEL, STRIDE};
use crate::td3::fused::update::pool::Pool;
use crate::td3::fused::vector::scalar;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn full_replay_overwrites_the_oldest() {
    let data = Data::random(4, 25, 1);
    let replay = data.replay(10);
    let batch = replay.batch();
    assert_eq!((replay.len(), replay.capacity(), replay.next_row()), (10, 10, 5));
    assert_eq!(batch.reward[..5], data.reward[20..25]);
    assert_eq!(batch.reward[5..], data.reward[15..20]);
    assert_eq!(batch.obs[4 * 5..], data.obs[4 * 15..4 * 20]);
    assert_eq!(batch.action[..3 * 5], data.action[3 * 20..]);
    assert_eq!(batch.terminated[..5], data.terminated[20..]);
}

#[test]
fn replay_restored_from_its_fields_is_the_same() {
    for rows in [7, 10, 13] {
        let mut replay = Data::random(4, rows, 1).replay(10);
        replay.push(&Transition {
            obs: &[0.0; 4],
            action: [1.0; 3],
            reward: 1.0,
            next_obs: &[0.0; 4],
            terminated: false,
            expert: Some([0.5; 3]),
        });
        let restored = Replay::restore(&replay.batch(), 10, replay.next_row()).expect("its own fields");
        let fields = |replay: &Replay| format!("{replay:?}");
        assert_eq!(fields(&restored), fields(&replay));
        assert!(Replay::restore(&replay.batch(), 5, 0).is_none());
    }
}

#[test]
fn million_transitions_take_at_most_110_mb() {
    for (expert, most) in [(ExpertField::Absent, 97_000_000), (ExpertField::Stored, 109_000_000)] {
        let replay = Replay::new(10, 1_000_000, expert);
        assert!(replay.bytes() <= most, "{} bytes", replay.bytes());
    }
}

#[test]
fn drawing_is_uniform() {
    let (stream, mut counts) = (Stream::new(1, 2), [0_u32; 7]);
    for i in 0..70_000 {
        counts[stream.below(i, 7)] += 1;
    }
    assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
}

#[test]
fn normal_numbers_have_the_moments_and_the_tail_of_the_normal_distribution() {
    let mut xs = vec![0.0_f32; 200_000];
    Isa::detect().normals(Stream::new(1, 2), 0, &mut xs);
    let mean = |f: &dyn Fn(f64) -> f64| xs.iter().map(|&x| f(f64::from(x))).sum::<f64>() / xs.len() as f64;
    assert!(mean(&|x| x).abs() < 0.01);
    assert!((mean(&|x| x * x) - 1.0).abs() < 0.01);
    assert!((mean(&|x| x.powi(4)) - 3.0).abs() < 0.08);
    assert!((mean(&|x| f64::from(u8::from(x.abs() > 2.5))) - 0.012_42).abs() < 0.001);
    assert!((mean(&|x| f64::from(u8::from(x > 3.5))) - 0.000_233).abs() < 0.000_12);
}

#[test]
fn elementary_functions_are_accurate() {
    for i in -4000..4000 {
        let x = i as f32 * 0.003;
        let (found, truth) = (f64::from(scalar::tanh(x)), f64::from(x).tanh());
        assert!((found - truth).abs() <= 3e-7 * truth.abs() + 1e-12, "tanh({x}) = {found}, not {truth}");
    }
    // Quantiles of the normal distribution at u = 0.5, 0.9 and 0.999 of the interval (-1, 1).
    for (u, z) in [(0.5, 0.674_489_75), (0.9, 1.644_853_6), (0.999, 3.290_526_7)] {
        let bits = (((u + 1.0) * 4_194_304.0) as u64) << 41;
        assert!((scalar::normal(bits) - z).abs() < 1e-4 * z, "{u}: {}", scalar::normal(bits));
    }
}

#[test]
fn instruction_sets_give_the_same_elementary_functions() {
    let plain = Isa::available().last().unwrap_or(Isa::detect());
    for isa in Isa::available() {
        let (mut a, mut b) = (vec![0.0; 1001], vec![0.0; 1001]);
        isa.normals(Stream::new(1, 2), 5, &mut a);
        plain.normals(Stream::new(1, 2), 5, &mut b);
        assert!(a == b, "normals on {}", isa.name());
        isa.tanh(&mut a);
        plain.tanh(&mut b);
        assert!(a == b, "tanh on {}", isa.name());
    }
}

#[test]
fn transposes_a_block() {
    let src: Vec<f32> = (0..PANEL * PANEL).map(|i| i as f32).collect();
    for isa in Isa::available() {
        let mut dst = vec![0.0; PANEL * PANEL];
        isa.transpose(&src, &mut dst);
        let right = |i: usize| dst[i] == src[i % PANEL * PANEL + i / PANEL];
        assert!((0..PANEL * PANEL).all(right), "{}", isa.name());
    }
}

#[test]
fn every_item_is_run_once_by_any_number_of_threads() {
    for threads in 1..6 {
        let mut pool = Pool::new(Threads::exactly(threads));
        for round in 0..300 {
            let mut items = vec![0_u32; round % 40];
            pool.for_each(&mut items, |item| *item += 1);
            assert!(items.iter().all(|&item| item == 1));
        }
    }
}

#[test]
fn sleeping_workers_wake_for_the_next_phase() {
    let mut pool = Pool::new(Threads::exactly(3));
    let busy = AtomicUsize::new(0);
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(2));
        // All three threads must be inside at the same time for the phase to end.
        let before = busy.load(Ordering::SeqCst);
        pool.for_each(&mut [(); 3], |()| {
            busy.fetch_add(1, Ordering::SeqCst);
            while busy.load(Ordering::SeqCst) < before + 3 {
                std::thread::yield_now();
            }
        });
    }
    assert_eq!(busy.load(Ordering::SeqCst), 15);
}

#[test]
fn panic_in_a_worker_reaches_the_caller_and_the_pool_stays_usable() {
    let mut pool = Pool::new(Threads::exactly(2));
    for _ in 0..3 {
        let run = || pool.for_each(&mut [0, 1, 2, 3], |item| assert!(*item != 2, "an item that panics"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    }
    let mut items = [0; 8];
    pool.for_each(&mut items, |item| *item += 1);
    assert_eq!(items, [1; 8]);
}

#[test]
fn rows_of_a_matrix_start_at_cache_lines() {
    let matrix =
        crate::td3::fused::memory::buffer::Matrix::new(5, &mut crate::td3::fused::memory::arena::Arena::default());
    assert_eq!(matrix.raw().as_ptr() as usize % 64, 0);
    assert_eq!(STRIDE % 16, 0);
}

#[test]
#[should_panic(expected = "at least one transition")]
fn empty_replay_cannot_be_learned_from() {
    let replay = Replay::new(10, 10, ExpertField::Absent);
    Td3Kernel::new(10, &Td3Config::default(), 1, Threads::exactly(1)).update(&replay);
}
