//! Several whole updates against the readable TD3: smoothing, twin critics, delayed actor, Adam and the targets together.

use super::*;
use crate::td3::reference::ReferenceTd3;
use candle_core::Result;

const UPDATES: u64 = 6;
/// Largest difference of a loss, relative; found are 1e-7.
const LOSS_TOLERANCE: f64 = 1e-6;
/// Largest Euclidean distance of a tensor from the reference's, as a share of how far the updates moved it; found are
/// 2e-5, and 0.02 for a tau that is wrong by 2 %. Not each weight by itself: Adam divides by the gradient's own size, so
/// where a gradient is nothing but rounding its direction is, too.
const MOVE_TOLERANCE: f32 = 2e-4;

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
}

fn check(isa: Isa, seed: u64, config: Td3Config) -> Result<()> {
    let (obs_dim, rows) = (10, 64);
    let config = Td3Config { batch: rows, ..config };
    let mut kernel = Td3Kernel::with_isa(obs_dim, &config, seed, Threads::exactly(2), isa);
    let before = lively(&mut kernel, seed);
    let mut reference = ReferenceTd3::new(&before, &config)?;
    for update in 0..UPDATES {
        let (data, noise) = (Data::random(obs_dim, rows, 100 * seed + update), kernel.smoothing_noise(rows));
        let found = kernel.update(&data.batch());
        let expected = reference.update(&data.batch(), &noise)?;
        let close = |found: f64, expected: f32| {
            let distance = (found - f64::from(expected)).abs();
            assert!(distance < LOSS_TOLERANCE * found.abs().max(1.0), "{found}, not {expected}, in update {update}");
        };
        close(found.critic_loss, expected.critic);
        match (found.actor, expected.actor) {
            (None, None) => assert!(update % 2 == 0, "the actor is trained in every second update"),
            (Some(found), Some(expected)) => close(found.loss, expected),
            (found, expected) => panic!("{found:?}, but {expected:?} in update {update}"),
        }
    }
    let after = kernel.export();
    for expected in reference.tensors()? {
        let (found, start) = (tensor(&after, &expected.name), tensor(&before, &expected.name));
        let moved = distance(&expected.data, start);
        let share = distance(found, &expected.data) / moved;
        assert!(moved > 0.0 && share < MOVE_TOLERANCE, "{} on {}: {share}", expected.name, isa.name());
    }
    Ok(())
}

fn check_on_all(config: Td3Config) -> Result<()> {
    Isa::available().try_for_each(|isa| (0..3).try_for_each(|seed| check(isa, seed, config)))
}

#[test]
fn several_updates_agree_with_the_readable_td3() -> Result<()> {
    check_on_all(Td3Config::default())
}

#[test]
fn several_updates_relative_to_an_origin_agree_with_the_readable_td3() -> Result<()> {
    let origin = Origin([Some((4, 0.5)), Some((5, -1.5)), None, None, None]);
    check_on_all(Td3Config { origin, ..Td3Config::default() })
}
