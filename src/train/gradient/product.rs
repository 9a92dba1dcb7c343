//! One matrix product for all of a network's passes: `c[i, j] (+)= Σ_l a(i, l) b[l, j]`.
//!
//! `a` may be read by rows or by columns, so that the same code makes activations, their gradients and the gradients of
//! weights. Compiled for AVX-512, AVX2 and any processor; the choice is made at run time.
#![expect(unsafe_code, reason = "code compiled for instruction sets found at run time, inner loops checked once")]

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
        tiles::<4, 16, false>(self, c, before);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512(p: Product<'_>, c: &mut [f32], before: Before) {
    tiles::<12, 32, true>(p, c, before);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(p: Product<'_>, c: &mut [f32], before: Before) {
    tiles::<6, 16, true>(p, c, before);
}

/// Strides that are worth code of their own: rows of a hidden layer, and columns.
const COMMON: usize = 256;

#[inline(always)]
fn tiles<const R: usize, const N: usize, const FUSED: bool>(p: Product<'_>, c: &mut [f32], before: Before) {
    let a = p.a;
    match (a.row, a.column) {
        (COMMON, 1) => all_tiles::<R, N, FUSED>(Product { a: Left { row: COMMON, column: 1, ..a }, ..p }, c, before),
        (1, COMMON) => all_tiles::<R, N, FUSED>(Product { a: Left { row: 1, column: COMMON, ..a }, ..p }, c, before),
        _ => all_tiles::<R, N, FUSED>(p, c, before),
    }
}

#[inline(always)]
fn all_tiles<const R: usize, const N: usize, const FUSED: bool>(p: Product<'_>, c: &mut [f32], before: Before) {
    for j in (0..p.n).step_by(N) {
        let mut i = 0;
        while i + R <= p.m {
            tile::<R, N, FUSED>(p, i, j, c, before);
            i += R;
        }
        while i + 4 <= p.m {
            tile::<4, N, FUSED>(p, i, j, c, before);
            i += 4;
        }
        while i < p.m {
            tile::<1, N, FUSED>(p, i, j, c, before);
            i += 1;
        }
    }
}

/// Rows from `i` on and columns from `j` on.
#[inline(always)]
fn tile<const R: usize, const N: usize, const FUSED: bool>(
    p: Product<'_>,
    i: usize,
    j: usize,
    c: &mut [f32],
    before: Before,
) {
    let Product { k, n, a, b, .. } = p;
    let mut sums = [[0.0_f32; N]; R];
    assert!(k == 0 || ((i + R - 1) * a.row + (k - 1) * a.column < a.data.len() && (k - 1) * n + j + N <= b.len()));
    for l in 0..k {
        // SAFETY: `l < k`, and the assertion covers the last row and column of the tile in both matrices.
        let b: &[f32; N] = unsafe { &*b.as_ptr().add(l * n + j).cast() };
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: as above.
            let x = unsafe { *a.data.get_unchecked((i + r) * a.row + l * a.column) };
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum = if FUSED { x.mul_add(*y, *sum) } else { x * y + *sum };
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let c = &mut c[(i + r) * n + j..(i + r) * n + j + N];
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if before == Before::Kept { *c + sum } else { *sum };
        }
    }
}
