//! One matrix product for all of a network's passes: `c[i, j] (+)= Σ_l a(i, l) b[l, j]`.
//!
//! `a` may be read by rows or by columns, so that the same code makes activations, their gradients and the gradients of
//! weights. Compiled for AVX-512, AVX2 and any processor; the choice is made at run time.
#![expect(unsafe_code, reason = "code compiled for instruction sets found at run time, inner loops checked once")]

/// How `a` lies in memory: `a(i, l) = data[i * row + l * column]`.
#[derive(Debug, Clone, Copy)]
pub struct Left<'a> {
    /// The numbers.
    pub data: &'a [f32],
    /// From one `i` to the next.
    pub row: usize,
    /// From one `l` to the next.
    pub column: usize,
}

/// Columns of `b` and `c` are a multiple of this.
pub const LANES: usize = 32;

/// `c[m, n] (+)= a[m, k] b[k, n]`; `n` a multiple of [`LANES`], rows of `b` and `c` are `n` long.
pub fn product(m: usize, k: usize, n: usize, a: Left<'_>, b: &[f32], c: &mut [f32], add: bool) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were detected.
            return unsafe { avx512(m, k, n, a, b, c, add) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were detected.
            return unsafe { avx2(m, k, n, a, b, c, add) };
        }
    }
    tiles::<4, 16, false>(m, k, n, a, b, c, add);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn avx512(m: usize, k: usize, n: usize, a: Left<'_>, b: &[f32], c: &mut [f32], add: bool) {
    tiles::<12, 32, true>(m, k, n, a, b, c, add);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(m: usize, k: usize, n: usize, a: Left<'_>, b: &[f32], c: &mut [f32], add: bool) {
    tiles::<6, 16, true>(m, k, n, a, b, c, add);
}

/// Strides that are worth code of their own: rows of a hidden layer, and columns.
const COMMON: usize = 256;

#[inline(always)]
fn tiles<const R: usize, const N: usize, const FUSED: bool>(
    m: usize,
    k: usize,
    n: usize,
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    add: bool,
) {
    match (a.row, a.column) {
        (COMMON, 1) => all_tiles::<R, N, FUSED>(m, k, n, Left { row: COMMON, column: 1, ..a }, b, c, add),
        (1, COMMON) => all_tiles::<R, N, FUSED>(m, k, n, Left { row: 1, column: COMMON, ..a }, b, c, add),
        _ => all_tiles::<R, N, FUSED>(m, k, n, a, b, c, add),
    }
}

#[inline(always)]
fn all_tiles<const R: usize, const N: usize, const FUSED: bool>(
    m: usize,
    k: usize,
    n: usize,
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    add: bool,
) {
    for j in (0..n).step_by(N) {
        let mut i = 0;
        while i + R <= m {
            tile::<R, N, FUSED>((i, j), k, n, a, b, c, add);
            i += R;
        }
        while i + 4 <= m {
            tile::<4, N, FUSED>((i, j), k, n, a, b, c, add);
            i += 4;
        }
        while i < m {
            tile::<1, N, FUSED>((i, j), k, n, a, b, c, add);
            i += 1;
        }
    }
}

#[inline(always)]
fn tile<const R: usize, const N: usize, const FUSED: bool>(
    (i, j): (usize, usize),
    k: usize,
    n: usize,
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    add: bool,
) {
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
            *c = if add { *c + sum } else { *sum };
        }
    }
}
