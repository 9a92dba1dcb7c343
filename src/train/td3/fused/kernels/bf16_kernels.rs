//! Packing to pairs of bf16 and the products of pairs, for AVX512_BF16; called through `bf16` only.
//!
//! A forward or backward product runs along the columns of its left factor: there, pairs are neighbouring columns, and neighbouring rows of
//! the weights. A gradient product runs along the batch: there, pairs are neighbouring samples of both factors.
#![expect(unsafe_code, reason = "AVX-512 intrinsics; runs the unchecked tiles after checking the extents")]

use super::adam::AdamStep;
use super::tile::{BiasRelu, Gate, Word};
use crate::td3::fused::kernels::{self, Columns, Factors, Region};
use crate::td3::fused::memory::buffer::{HIDDEN, MARGIN, Matrix, PANEL, PANELS, STRIDE};
use crate::td3::fused::network::work::Work;
use crate::td3::fused::vector::avx512::Avx512;
use crate::td3::fused::vector::lanes::Lanes;
use std::arch::x86_64::*;
use std::mem::transmute;

/// Two bf16 in a word.
#[derive(Clone, Copy)]
struct Pair;

impl Word<Avx512> for Pair {
    const NUMBERS: usize = 2;

    #[inline(always)]
    unsafe fn mul_add(a: Avx512, b: Avx512, sum: Avx512) -> Avx512 {
        // SAFETY: the caller runs on a processor with AVX512_BF16; all three types are 512 bits.
        unsafe {
            Avx512(_mm512_dpbf16_ps(sum.0, transmute::<__m512, __m512bh>(a.0), transmute::<__m512, __m512bh>(b.0)))
        }
    }
}

/// Floats rounded to bf16, `low` in the lower half of the register.
#[inline(always)]
unsafe fn round(low: Avx512, high: Avx512) -> __m512i {
    // SAFETY: the caller runs on a processor with AVX512_BF16; both types are 512 bits.
    unsafe { transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high.0, low.0)) }
}

/// Pairs of neighbouring columns: `to[r, k] = (from[r, 2k], from[r, 2k + 1])`.
#[inline(always)]
pub(crate) unsafe fn pair_columns(from: &Matrix, to: &mut Matrix) {
    assert!(from.rows() == to.rows(), "a row for each row");
    let rows = from.raw().chunks_exact(STRIDE).zip(to.raw_mut().chunks_exact_mut(STRIDE));
    for (from, to) in rows {
        for col in (0..HIDDEN).step_by(2 * Avx512::COUNT) {
            // SAFETY: columns col .. col + 32 lie inside the row, and half as many words from col / 2 on.
            unsafe {
                let from = from.as_ptr().add(MARGIN + col);
                let pairs = round(Avx512::load(from), Avx512::load(from.add(Avx512::COUNT)));
                _mm512_storeu_si512(to.as_mut_ptr().add(MARGIN + col / 2).cast(), pairs);
            }
        }
    }
}

/// Pairs of neighbouring samples, margins included: `to[r, c] = (from[2r, c], from[2r + 1, c])`; a sample without neighbour is paired with zeros.
#[inline(always)]
pub(crate) unsafe fn pair_rows(from: &Matrix, to: &mut Matrix) {
    assert!(to.rows() == from.rows().div_ceil(2), "a row for each pair");
    const ZEROS: [f32; STRIDE] = [0.0; STRIDE];
    let pairs = from.raw().chunks(2 * STRIDE).zip(to.raw_mut().chunks_exact_mut(STRIDE));
    for (from, to) in pairs {
        let (first, second) = from.split_at(STRIDE);
        let second = if second.is_empty() { &ZEROS } else { second };
        // SAFETY: all three have STRIDE floats.
        unsafe { interleave(first, second, to) }
    }
}

/// Pairs of neighbouring rows of a panel: `to[k, j] = (from[2k, j], from[2k + 1, j])`.
#[inline(always)]
pub(crate) unsafe fn pair_weights(from: &[f32], to: &mut [f32]) {
    assert!(from.len() == HIDDEN * PANEL && to.len() == HIDDEN / 2 * PANEL, "a panel of 256 rows");
    for (from, to) in from.chunks_exact(2 * PANEL).zip(to.chunks_exact_mut(PANEL)) {
        let (first, second) = from.split_at(PANEL);
        // SAFETY: all three have PANEL floats.
        unsafe { interleave(first, second, to) }
    }
}

/// `to[c] = (first[c], second[c])`, all of the same length, a multiple of 16.
#[inline(always)]
unsafe fn interleave(first: &[f32], second: &[f32], to: &mut [f32]) {
    // SAFETY: the caller promises the lengths, and a processor with AVX512_BF16.
    unsafe {
        let words = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        // Number 2c of the result is number c of the rounded ones, number 2c + 1 is number 16 + c.
        let order = _mm512_or_si512(words, _mm512_slli_epi32::<16>(_mm512_add_epi32(words, _mm512_set1_epi32(16))));
        for at in (0..to.len()).step_by(Avx512::COUNT) {
            let both = round(Avx512::load(first.as_ptr().add(at)), Avx512::load(second.as_ptr().add(at)));
            _mm512_storeu_si512(to.as_mut_ptr().add(at).cast(), _mm512_permutexvar_epi16(order, both));
        }
    }
}

/// Columns `panel` of `c = relu(a·w + bias)`.
#[inline(always)]
pub(crate) unsafe fn forward(a: &Matrix, w: &[f32], bias: &[f32], c: &mut Matrix, panel: usize) {
    assert!(w.len() == HIDDEN / 2 * PANEL && bias.len() == PANEL, "a panel of 128 pairs and its bias");
    // SAFETY: the bias has a panel's width.
    unsafe { kernels::product::<Avx512, Pair, _>(a, &[w], Columns { matrix: c, panel }, BiasRelu(bias.as_ptr())) }
}

/// Columns `panel` of `c = (a·w) ⊙ [gate > 0]`, without a gate of what `c` held before.
#[inline(always)]
pub(crate) unsafe fn backward(a: &Matrix, w: &[&[f32]; PANELS], gate: Option<&Matrix>, c: &mut Matrix, panel: usize) {
    assert!(gate.is_none_or(|gate| gate.rows() == c.rows()), "the layer's own activation");
    let gate = gate.map(|gate| gate.raw().as_ptr());
    // SAFETY: the gate has the extent of c, and a tile reads its part before it writes it.
    unsafe { kernels::product::<Avx512, Pair, _>(a, w, Columns { matrix: c, panel }, Gate(gate)) }
}

/// Gradient of a panel and its Adam step, from pairs of samples.
#[inline(always)]
pub(crate) unsafe fn descend(works: &[Work], factors: Factors, panel: usize, region: Region<'_>, step: &AdamStep) {
    // SAFETY: the caller runs on a processor with AVX512_BF16.
    unsafe { kernels::descend_words::<Avx512, Pair, STRIDE>(works, factors, panel, region, step) }
}
