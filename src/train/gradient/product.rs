//! One matrix product for all of a network's passes: `c[i, j] (+)= Σ_l a(i, l) b[l, j]`.
//!
//! `a` may be read by rows or by columns, so that the same code makes activations, their gradients and the gradients of
//! weights. Compiled for AVX-512, AVX2 and any processor; the choice is made at run time.
#![expect(unsafe_code, reason = "code compiled for instruction sets found at run time, inner loops checked once")]

use crate::td3::fused::vector::lanes::Lanes;
use crate::td3::fused::vector::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::td3::fused::vector::{avx2::Avx2, avx512::Avx512};

/// How `a` lies in memory: `a(i, l) = data[i * row + l * column]`.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// The matrix, in either order.
    pub data: &'a [f32],
    /// From one `i` to the next.
    pub row: usize,
    /// From one `l` to the next.
    pub column: usize,
}

/// Columns of `b` and `c` are a multiple of this.
pub const LANES: usize = 32;

/// `a[m, k] b[k, n]`; rows of `b` are `n` long, `n` is a multiple of [`LANES`].
#[derive(Debug, Clone, Copy)]
pub struct Product<'a> {
    /// Rows of the result.
    pub m: usize,
    /// Terms of each sum.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// The left factor, `[m, k]`.
    pub a: Left<'a>,
    /// The right factor, `[k, n]`.
    pub b: &'a [f32],
}

/// What becomes of what the result held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// It is overwritten.
    Overwritten,
    /// The product is added to it.
    Kept,
}

impl Product<'_> {
    /// Writes the product to `c[m, n]`.
    pub fn store(self, c: &mut [f32]) {
        self.run(c, Before::Overwritten);
    }

    /// Adds the product to `c[m, n]`.
    pub fn add_to(self, c: &mut [f32]) {
        self.run(c, Before::Kept);
    }

    fn run(self, c: &mut [f32], before: Before) {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                // SAFETY: the features were detected.
                return unsafe { avx512(self, c, before) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: the features were detected.
                return unsafe { avx2(self, c, before) };
            }
        }
        // SAFETY: plain Rust runs anywhere.
        unsafe { tiles::<Portable, 4>(self, c, before) }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512(p: Product<'_>, c: &mut [f32], before: Before) {
    // SAFETY: this function is compiled for AVX-512F and entered only where it was detected.
    unsafe { tiles::<Avx512, 12>(p, c, before) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(p: Product<'_>, c: &mut [f32], before: Before) {
    // SAFETY: this function is compiled for AVX2 and FMA and entered only where both were detected.
    unsafe { tiles::<Avx2, 6>(p, c, before) }
}

/// Strides that are worth code of their own: rows of a hidden layer, and columns.
const COMMON: usize = 256;

#[inline(always)]
unsafe fn tiles<V: Lanes, const R: usize>(p: Product<'_>, c: &mut [f32], before: Before) {
    let a = p.a;
    // SAFETY: the caller runs on a processor with V.
    unsafe {
        match (a.row, a.column) {
            (COMMON, 1) => all_tiles::<V, R>(Product { a: Left { row: COMMON, column: 1, ..a }, ..p }, c, before),
            (1, COMMON) => all_tiles::<V, R>(Product { a: Left { row: 1, column: COMMON, ..a }, ..p }, c, before),
            _ => all_tiles::<V, R>(p, c, before),
        }
    }
}

#[inline(always)]
unsafe fn all_tiles<V: Lanes, const R: usize>(p: Product<'_>, c: &mut [f32], before: Before) {
    for j in (0..p.n).step_by(2 * V::COUNT) {
        let mut i = 0;
        // SAFETY: the caller runs on a processor with V.
        unsafe {
            while i + R <= p.m {
                tile::<V, R>(p, i, j, c, before);
                i += R;
            }
            while i + 4 <= p.m {
                tile::<V, 4>(p, i, j, c, before);
                i += 4;
            }
            while i < p.m {
                tile::<V, 1>(p, i, j, c, before);
                i += 1;
            }
        }
    }
}

/// Rows from `i` on and two registers of columns from `j` on. Registers are named and not left to the compiler to find: what
/// it makes of loops over arrays has been thirty times slower from one version of the code around it to the next.
#[inline(always)]
unsafe fn tile<V: Lanes, const R: usize>(p: Product<'_>, i: usize, j: usize, c: &mut [f32], before: Before) {
    let (Product { k, n, a, b, .. }, width) = (p, 2 * V::COUNT);
    assert!(k == 0 || ((i + R - 1) * a.row + (k - 1) * a.column < a.data.len() && (k - 1) * n + j + width <= b.len()));
    assert!((i + R - 1) * n + j + width <= c.len());
    // SAFETY: the caller runs on a processor with V; the assertions cover the last row and column of the tile in all three
    // matrices.
    unsafe {
        let mut sums = [[V::splat(0.0); 2]; R];
        for l in 0..k {
            let b = b.as_ptr().add(l * n + j);
            let (b0, b1) = (V::load(b), V::load(b.add(V::COUNT)));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = V::splat(*a.data.get_unchecked((i + r) * a.row + l * a.column));
                *sums = [x.mul_add(b0, sums[0]), x.mul_add(b1, sums[1])];
            }
        }
        for (r, [s0, s1]) in sums.into_iter().enumerate() {
            let c = c.as_mut_ptr().add((i + r) * n + j);
            let kept = |sum: V, at: *mut f32| if before == Before::Kept { V::load(at).add(sum) } else { sum };
            kept(s0, c).store(c);
            kept(s1, c.add(V::COUNT)).store(c.add(V::COUNT));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers: sums of their products are exact in any order.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7 + seed * 13) % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn a_product_is_the_sum_of_its_terms_in_every_shape_and_order() {
        for (m, k) in [(1, 1), (5, 3), (12, 256), (31, 10), (256, 17)] {
            let n = 2 * LANES;
            let (a, b, before) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
            let turned: Vec<f32> = (0..k * m).map(|at| a[at % m * k + at / m]).collect();
            let sum = |i: usize, j: usize| (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum::<f32>();
            let expected: Vec<f32> = (0..m * n).map(|at| sum(at / n, at % n)).collect();
            let kept: Vec<f32> = expected.iter().zip(&before).map(|(sum, before)| sum + before).collect();
            for a in [Left { data: &a, row: k, column: 1 }, Left { data: &turned, row: 1, column: m }] {
                let product = Product { m, k, n, a, b: &b };
                let mut c = before.clone();
                product.add_to(&mut c);
                assert_eq!(c, kept, "{m} x {k}");
                product.store(&mut c);
                assert_eq!(c, expected, "{m} x {k}");
            }
        }
    }
}
