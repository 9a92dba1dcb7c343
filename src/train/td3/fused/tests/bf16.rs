//! Products in bf16: exact where rounding loses nothing, close to f32 where it does, repeatable. Where the processor has none of the
//! instructions there is nothing to test here; that asking is refused there is tested with the configuration.

use super::same::{continue_run, run_with};
use super::*;
use crate::td3::fused::kernels::Region;
use crate::td3::fused::kernels::adam::{AdamStep, Polyak};
use crate::td3::fused::memory::arena::Arena;
use crate::td3::fused::memory::buffer::{Matrix, PANEL, PANELS, Slab};
use crate::td3::fused::network::work::{CRITIC, Work};

/// Whole numbers from -8 to 8: bf16 holds them, and f32 their sums of products.
fn whole(stream: Stream, xs: &mut [f32]) {
    xs.iter_mut().enumerate().for_each(|(i, x)| *x = stream.below(i as u64, 17) as f32 - 8.0);
}

fn matrix(rows: usize, purpose: u64, arena: &mut Arena) -> Matrix {
    let mut matrix = Matrix::new(rows, arena);
    (0..rows).for_each(|row| whole(Stream::new(row as u64, purpose), matrix.row_mut(row)));
    matrix
}

#[test]
fn forward_and_backward_are_exact_for_numbers_that_bf16_holds() {
    let Some(bf16) = Bf16::detect() else { return };
    for rows in [1, 2, 13, 14, 128] {
        let (mut arena, isa) = (Arena::default(), Isa::detect());
        let (a, gate) = (matrix(rows, 0, &mut arena), matrix(rows, 1, &mut arena));
        let [mut pairs, mut expected, mut found] = std::array::from_fn(|_| Matrix::new(rows, &mut arena));
        let mut w = vec![0.0; (1 + HIDDEN) * PANEL];
        whole(Stream::new(1, 2), &mut w);
        let mut w_pairs = vec![0.0; HIDDEN / 2 * PANEL];
        bf16.pair_columns(&a, &mut pairs);
        bf16.pair_weights(&w[PANEL..], &mut w_pairs);
        isa.forward(&a, HIDDEN, &w, &mut expected, 3);
        bf16.forward(&pairs, &w_pairs, &w[..PANEL], &mut found, 3);
        assert!(found.raw() == expected.raw() && found.raw().iter().any(|x| *x > 8.0), "forward, {rows} rows");
        let of = |w: &[f32], block: usize| -> std::ops::Range<usize> {
            block * w.len() / PANELS..(block + 1) * w.len() / PANELS
        };
        let (back, back_pairs) = (&w[PANEL..], &w_pairs[..]);
        let blocks: [&[f32]; PANELS] = std::array::from_fn(|block| &back[of(back, block)]);
        let block_pairs: [&[f32]; PANELS] = std::array::from_fn(|block| &back_pairs[of(back_pairs, block)]);
        isa.backward(&a, &blocks, Some(&gate), &mut expected, 5);
        bf16.backward(&pairs, &block_pairs, Some(&gate), &mut found, 5);
        assert!(found.raw() == expected.raw(), "backward, {rows} rows");
    }
}

#[test]
fn gradients_are_exact_for_numbers_that_bf16_holds() {
    let Some(bf16) = Bf16::detect() else { return };
    for rows in [1, 2, 31, 64] {
        let mut arena = Arena::default();
        let mut work = Work::new(rows, Precision::Bf16(bf16), &mut arena);
        work.set_rows(0, rows);
        (work.critic.h1, work.gradients.d2) = (matrix(rows, 0, &mut arena), matrix(rows, 1, &mut arena));
        let [h1_pairs, d2_pairs] = &mut work.gradients.samples;
        bf16.pair_rows(&work.critic.h1, h1_pairs);
        bf16.pair_rows(&work.gradients.d2, d2_pairs);
        let [mut expected, mut found] = std::array::from_fn(|_| Slab::zeros((1 + HIDDEN) * PANEL, &mut arena));
        let (works, step) = ([work], AdamStep::new(1e-3, 1, Polyak::Blend(0.1)));
        let region = |slab| Region { slab, base: 0, rows: 1 + HIDDEN };
        Isa::detect().descend::<{ crate::td3::fused::memory::buffer::STRIDE }>(
            &works,
            CRITIC.l2,
            2,
            region(&mut expected),
            &step,
        );
        bf16.descend(&works, CRITIC.l2_pairs, 2, region(&mut found), &step);
        assert!(found.m[..] == expected.m[..] && found.target[..] == expected.target[..], "{rows} rows");
        assert!(found.m.iter().any(|m| m.abs() > 1.0));
    }
}

/// Rounding moves an operand by at most 2⁻⁸ of itself, because bf16 has 8 bits of mantissa, and so a product of two by 2⁻⁷ + 2⁻¹⁶; the last
/// factor leaves room for the f32 sums of both.
const PRODUCT: f64 = (1.0 / 128.0 + 1.0 / 65_536.0) * 1.001;

#[test]
fn every_sum_is_as_close_to_f32_as_rounded_operands_allow() {
    let Some(bf16) = Bf16::detect() else { return };
    let (rows, mut arena) = (16, Arena::default());
    let random = |purpose, xs: &mut [f32]| {
        let stream = Stream::new(7, purpose);
        xs.iter_mut().enumerate().for_each(|(i, x)| *x = stream.signed_unit(i as u64));
    };
    let [mut a, mut pairs, mut expected, mut found] = std::array::from_fn(|_| Matrix::new(rows, &mut arena));
    (0..rows).for_each(|row| random(row as u64, a.row_mut(row)));
    let (mut w, mut w_pairs) = (vec![0.0; (1 + HIDDEN) * PANEL], vec![0.0; HIDDEN / 2 * PANEL]);
    random(99, &mut w);
    bf16.pair_columns(&a, &mut pairs);
    bf16.pair_weights(&w[PANEL..], &mut w_pairs);
    Isa::detect().forward(&a, HIDDEN, &w, &mut expected, 0);
    bf16.forward(&pairs, &w_pairs, &w[..PANEL], &mut found, 0);
    for row in 0..rows {
        for col in 0..PANEL {
            let terms = a.row_mut(row).iter().zip(w[PANEL + col..].iter().step_by(PANEL));
            let size: f64 = terms.map(|(a, w)| f64::from(a * w).abs()).sum();
            let error = f64::from(found.row_mut(row)[col] - expected.row_mut(row)[col]).abs();
            assert!(error <= PRODUCT * size, "row {row}, column {col}: {error} of {size}");
        }
    }
    assert!(found.raw() != expected.raw(), "was it computed in bf16?");
}

/// The Euclidean distance of two tensors over the length of the second.
fn euclidean_distance(a: &[f32], b: &[f32]) -> f32 {
    let length = |xs: &mut dyn Iterator<Item = f32>| xs.map(|x| x * x).sum::<f32>().sqrt();
    length(&mut a.iter().zip(b).map(|(x, y)| x - y)) / length(&mut b.iter().copied()).max(1e-12)
}

/// Rounding moves a sum by at most 2⁻⁸ of its spread: each operand by 2⁻⁸ of itself at most, by half of that on average, in either
/// direction. So at most about that share of the rectifiers switches, and a share p of the terms makes up √p of the length of a gradient:
/// 2⁻⁴, beside which the rounding of the gradient products themselves is small. Single elements may move further.
#[test]
fn gradients_of_networks_differ_from_f32_by_no_more_than_switched_rectifiers_explain() {
    let Some(bf16) = Bf16::detect() else { return };
    for seed in 0..4 {
        let after = |precision| {
            let config =
                Td3Config { batch: 101, policy_delay: 1, objective: mixed(), precision, ..Td3Config::default() };
            let mut kernel = Td3Kernel::new(10, &config, seed, Threads::exactly(2));
            lively(&mut kernel, seed);
            kernel.update(&Data::random(10, 101, seed).batch());
            kernel.export()
        };
        let (expected, found) = (after(Precision::F32), after(Precision::Bf16(bf16)));
        for net in ["actor_adam_m", "critic_adam_m.q1", "critic_adam_m.q2"] {
            let gradient = |state: &Td3State| -> Vec<f32> {
                let tensors = state.tensors.iter().filter(|tensor| tensor.name.starts_with(net));
                tensors.flat_map(|tensor| tensor.data.clone()).collect()
            };
            let distance = euclidean_distance(&gradient(&found), &gradient(&expected));
            assert!((1e-4..0.0625).contains(&distance), "{net}: {distance}");
        }
    }
}

#[test]
fn same_seed_gives_the_same_weights_in_bf16_on_any_number_of_threads() {
    let Some(precision) = Bf16::detect().map(Precision::Bf16) else { return };
    let one = run_with(precision, Isa::detect(), 1, 5, 12);
    for threads in [1, 2, 3, 7] {
        assert!(run_with(precision, Isa::detect(), threads, 5, 12) == one, "on {threads} threads");
    }
    assert!(one != run_with(Precision::F32, Isa::detect(), 1, 5, 12), "was it computed in bf16?");
}

#[test]
fn continuing_in_bf16_equals_not_having_stopped() {
    let Some(precision) = Bf16::detect().map(Precision::Bf16) else { return };
    let config = Td3Config { batch: 100, objective: mixed(), precision, ..Td3Config::default() };
    let mut resumed = Td3Kernel::new(10, &config, 1234, Threads::exactly(1));
    resumed.import(&run_with(precision, Isa::detect(), 2, 5, 9)).expect("a state of the same shape");
    continue_run(&mut resumed, 8);
    assert!(resumed.export() == run_with(precision, Isa::detect(), 2, 5, 17));
}

#[test]
fn acts_in_f32_whatever_the_precision_of_updates() {
    let Some(precision) = Bf16::detect().map(Precision::Bf16) else { return };
    let act = |precision| {
        let config = Td3Config { precision, ..Td3Config::default() };
        let mut kernel = Td3Kernel::new(10, &config, 1, Threads::exactly(1));
        lively(&mut kernel, 3);
        let mut actions = vec![0.0; 900];
        kernel.act(&Data::random(10, 300, 8).obs, &mut actions);
        actions
    };
    assert!(act(precision) == act(Precision::F32));
}
