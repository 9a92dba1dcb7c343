//! The operations of forward and backward passes on whole panels, generic over the instruction set; called through `dispatch` only.
//!
//! Each one checks the extents of its operands once and then runs unchecked tiles. All are `unsafe` for one reason: the processor
//! must have the instruction set of `V`.
#![expect(unsafe_code, reason = "runs the unchecked tiles after checking the extents")]

pub(super) mod adam;
pub(super) mod bf16;
#[cfg(target_arch = "x86_64")]
mod bf16_kernels;
pub(super) mod dispatch;
mod peak;
mod tile;

use crate::td3::fused::memory::buffer::{HIDDEN, MARGIN, Matrix, PANEL, PANELS, STRIDE, Slab};
use crate::td3::fused::network::work::Work;
use crate::td3::fused::vector::lanes::Lanes;
use adam::{AdamStep, SlabPointers};
use tile::{BiasRelu, Destination, Finish, Gate, Single, Tile, Word, accumulate, product_tile, split, with_rows};

/// Columns `panel` of `c = relu(a[.., ..k]·w + bias)`; `w` is a panel of `1 + k` rows, the bias first.
#[inline(always)]
pub(crate) unsafe fn forward<V: Lanes>(a: &Matrix, k: usize, w: &[f32], c: &mut Matrix, panel: usize) {
    assert!(w.len() == (1 + k) * PANEL, "a panel of 1 + k rows");
    let finish = BiasRelu(w.as_ptr());
    // SAFETY: the bias is row 0 of the panel, the weights are the k rows after it.
    unsafe { product::<V, Single, _>(a, &[&w[PANEL..]], Columns { matrix: c, panel }, finish) }
}

/// Columns `panel` of `c = (a·w) ⊙ [gate > 0]`, without a gate of what `c` held before; `w` is a panel of the transposed weights, in
/// blocks of 32 rows.
#[inline(always)]
pub(crate) unsafe fn backward<V: Lanes>(
    a: &Matrix,
    w: &[&[f32]; PANELS],
    gate: Option<&Matrix>,
    c: &mut Matrix,
    panel: usize,
) {
    assert!(gate.is_none_or(|gate| gate.rows() == c.rows()), "the layer's own activation");
    let gate = gate.map(|gate| gate.raw().as_ptr());
    // SAFETY: the gate has the extent of c, and a tile reads its part before it writes it.
    unsafe { product::<V, Single, _>(a, w, Columns { matrix: c, panel }, Gate(gate)) }
}

/// A panel's columns of a batch matrix.
pub(crate) struct Columns<'a> {
    /// The matrix.
    pub(crate) matrix: &'a mut Matrix,
    /// The panel.
    pub(crate) panel: usize,
}

/// `result = finish(a·b)`; `b` in pieces of whole rows.
#[inline(always)]
pub(crate) unsafe fn product<V: Lanes, W: Word<V>, F: Finish>(
    a: &Matrix,
    b: &[&[f32]],
    result: Columns<'_>,
    finish: F,
) {
    let Columns { matrix: c, panel } = result;
    let rows = a.rows();
    let k: usize = b.iter().map(|piece| piece.len() / PANEL).sum();
    assert!(c.rows() == rows && k <= HIDDEN && panel < PANELS, "operands fit together");
    let (a, c, first) = (a.raw().as_ptr(), c.raw_mut().as_mut_ptr(), MARGIN + panel * PANEL);
    for col in (0..PANEL).step_by(2 * V::COUNT) {
        for i in 0..rows.div_ceil(V::TILE_ROWS) {
            let (row, count) = split(rows, V::TILE_ROWS, i);
            let destination = Destination { c, at: row * STRIDE + first, col };
            // SAFETY: rows and columns of the tile lie inside a and c, and b's rows inside its pieces, as asserted.
            unsafe { with_rows!(count, V, product_tile::<W, F>(a.add(row * STRIDE + MARGIN), b, destination, finish)) };
        }
    }
}

/// Finds in a piece of the batch the two factors of a gradient `aᵀ·b`: `a` with rows `KS` apart, and `b`.
pub(crate) type Factors = fn(&Work) -> (&[f32], &Matrix);

/// The part of a slab one gradient panel belongs to.
pub(crate) struct Region<'a> {
    /// The slab.
    pub(crate) slab: &'a mut Slab,
    /// Offset of the panel in the slab.
    pub(crate) base: usize,
    /// Rows of the panel.
    pub(crate) rows: usize,
}

/// Gradient `aᵀ·b` of a panel, summed over the batch in its order, and the Adam step of the panel with it.
#[inline(always)]
pub(crate) unsafe fn descend<V: Lanes, const KS: usize>(
    works: &[Work],
    factors: Factors,
    panel: usize,
    region: Region<'_>,
    step: &AdamStep,
) {
    // SAFETY: the caller runs on a processor with V.
    unsafe { descend_words::<V, Single, KS>(works, factors, panel, region, step) }
}

/// As `descend`, from factors whose words hold as many samples as `W` says.
#[inline(always)]
pub(crate) unsafe fn descend_words<V: Lanes, W: Word<V>, const KS: usize>(
    works: &[Work],
    factors: Factors,
    panel: usize,
    region: Region<'_>,
    step: &AdamStep,
) {
    let Region { slab, base, rows } = region;
    assert!(base + rows * PANEL <= slab.w.len() && panel < PANELS, "the panel lies inside the slab");
    for work in works {
        let (a, b) = factors(work);
        assert!(
            b.rows() == work.rows().div_ceil(W::NUMBERS) && (b.rows() == 0 || a.len() >= (b.rows() - 1) * KS + rows),
            "the factors have equal length"
        );
    }
    let slab = SlabPointers::of(slab);
    for col in (0..PANEL).step_by(2 * V::COUNT) {
        for i in 0..rows.div_ceil(V::TILE_ROWS) {
            let (row, count) = split(rows, V::TILE_ROWS, i);
            let place = Place { row, col: MARGIN + panel * PANEL + col, at: base + row * PANEL + col };
            // SAFETY: the tile lies inside the factors and the slab, as asserted.
            unsafe { with_rows!(count, V, descend_tile::<W, KS>(works, factors, place, &slab, step)) };
        }
    }
}

/// Rows of the batch between two prefetches of a tile's parameters.
const CHUNK: usize = 16;

/// Where a tile of a gradient lies.
#[derive(Clone, Copy)]
struct Place {
    /// First column of `a`.
    row: usize,
    /// First column of `b`.
    col: usize,
    /// Offset in the slab.
    at: usize,
}

/// One tile of `descend`.
#[inline(always)]
unsafe fn descend_tile<V: Lanes, const R: usize, W: Word<V>, const KS: usize>(
    works: &[Work],
    factors: Factors,
    place: Place,
    slab: &SlabPointers,
    step: &AdamStep,
) {
    let Place { row, col, at } = place;
    // SAFETY: the caller checked the extents.
    unsafe {
        let mut tile: Tile<V, R> = [[V::splat(0.0); 2]; R];
        let mut ahead = 0;
        for work in works.iter().filter(|work| work.rows() > 0) {
            let (a, b) = factors(work);
            let (a, raw) = (a.as_ptr().add(row), b.raw().as_ptr().add(col));
            for first in (0..b.rows()).step_by(CHUNK / W::NUMBERS) {
                if ahead < R {
                    step.prefetch::<V>(at + ahead * PANEL, slab);
                    step.prefetch::<V>(at + ahead * PANEL + V::COUNT, slab);
                    ahead += 1;
                }
                let k = (CHUNK / W::NUMBERS).min(b.rows() - first);
                accumulate::<V, W, R, 1, KS, STRIDE>(&mut tile, k, a.add(first * KS), raw.add(first * STRIDE));
            }
        }
        for (r, sums) in tile.iter().enumerate() {
            step.apply(sums[0], at + r * PANEL, slab);
            step.apply(sums[1], at + r * PANEL + V::COUNT, slab);
        }
    }
}

/// One Adam step of a slab of 16 parameters with a given gradient.
#[inline(always)]
pub(crate) unsafe fn descend_small<V: Lanes>(gradient: &[f32; 16], slab: &mut Slab, step: &AdamStep) {
    assert!(slab.w.len() == gradient.len(), "a gradient for each parameter");
    let slab = SlabPointers::of(slab);
    for at in (0..gradient.len()).step_by(V::COUNT) {
        // SAFETY: the register at `at` lies inside gradient and slab.
        unsafe { step.apply(V::load(gradient.as_ptr().add(at)), at, &slab) };
    }
}

/// `out[r, o] = h[r, ..]·w[o, ..]` for a few outputs; `w` is stored in panels of `OUT` rows.
#[inline(always)]
pub(crate) unsafe fn dots<V: Lanes, const OUT: usize>(h: &Matrix, w: &[f32], out: &mut [f32]) {
    let rows = h.rows();
    assert!(w.len() == OUT * HIDDEN && out.len() >= rows * OUT, "OUT rows of 256 weights");
    let (h, w) = (h.raw().as_ptr(), w.as_ptr());
    for (r, out) in out.chunks_exact_mut(OUT).take(rows).enumerate() {
        // SAFETY: row r of h has 256 floats after its margin, w has OUT·256.
        unsafe {
            let mut sums = [[V::splat(0.0); 2]; OUT];
            for at in (0..HIDDEN).step_by(2 * V::COUNT) {
                let x = h.add(r * STRIDE + MARGIN + at);
                let (x0, x1) = (V::load(x), V::load(x.add(V::COUNT)));
                for (o, sum) in sums.iter_mut().enumerate() {
                    let w = w.add((at / PANEL * OUT + o) * PANEL + at % PANEL);
                    *sum = [x0.mul_add(V::load(w), sum[0]), x1.mul_add(V::load(w.add(V::COUNT)), sum[1])];
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum[0].add(sum[1]).sum();
            }
        }
    }
}

/// `d[r, ..] = Σₒ g[r, o]·w[o, ..] ⊙ [h[r, ..] > 0]`, the gradient behind a layer of few outputs; without `h` of what `d` held before.
#[inline(always)]
pub(crate) unsafe fn spread<V: Lanes, const OUT: usize>(g: &[f32], w: &[f32], h: Option<&Matrix>, d: &mut Matrix) {
    let rows = d.rows();
    let shapes = h.is_none_or(|h| h.rows() == rows);
    assert!(w.len() == OUT * HIDDEN && g.len() >= rows * OUT && shapes, "OUT rows of 256 weights");
    let (w, d) = (w.as_ptr(), d.raw_mut().as_mut_ptr());
    let h = h.map_or(d.cast_const(), |h| h.raw().as_ptr());
    for (r, g) in g.chunks_exact(OUT).take(rows).enumerate() {
        for at in (0..HIDDEN).step_by(V::COUNT) {
            // SAFETY: row r of h and d has 256 floats after its margin, w has OUT·256.
            unsafe {
                let mut sum = V::splat(0.0);
                for (o, &g) in g.iter().enumerate() {
                    let w = V::load(w.add((at / PANEL * OUT + o) * PANEL + at % PANEL));
                    sum = V::splat(g).mul_add(w, sum);
                }
                let x = r * STRIDE + MARGIN + at;
                sum.where_positive(V::load(h.add(x))).store(d.add(x));
            }
        }
    }
}

/// Writes the transpose of a `PANEL × PANEL` block.
#[inline(always)]
pub(crate) unsafe fn transpose<V: Lanes>(src: &[f32], dst: &mut [f32]) {
    assert!(src.len() == PANEL * PANEL && dst.len() == PANEL * PANEL, "one block");
    // SAFETY: both blocks have PANEL·PANEL floats.
    unsafe { V::transpose(src.as_ptr(), dst.as_mut_ptr()) }
}

/// The hyperbolic tangent of every element, in place.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Lanes>(xs: &mut [f32]) {
    for x in xs {
        *x = crate::td3::fused::vector::scalar::tanh(*x);
    }
}

/// Standard normal numbers from the random numbers `first..` of a stream.
#[inline(always)]
pub(crate) unsafe fn normals<V: Lanes>(stream: crate::td3::fused::vector::random::Stream, first: u64, out: &mut [f32]) {
    for (i, x) in out.iter_mut().enumerate() {
        *x = crate::td3::fused::vector::scalar::normal(stream.bits(first.wrapping_add(i as u64)));
    }
}
