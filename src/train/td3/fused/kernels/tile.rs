//! Register tiles of the matrix products: the inner loops of the kernel.
//!
//! A tile is `R` rows by two registers of columns, held in registers while the inner dimension runs once through it; each element is
//! therefore one chain of multiply-adds in the order of the inner index, whatever the tile's shape or the thread that computes it.
#![expect(unsafe_code, reason = "unchecked loads and stores in the inner loops")]

use crate::td3::fused::memory::buffer::{PANEL, STRIDE};
use crate::td3::fused::vector::lanes::Lanes;

/// Registers of columns in a tile.
pub(crate) const WIDE: usize = 2;
/// Accumulators of a tile.
pub(crate) type Tile<V, const R: usize> = [[V; WIDE]; R];

/// Calls `$f::<V, rows>` with the run-time number of rows; the arms above `V::TILE_ROWS` vanish at compile time.
macro_rules! with_rows {
    ($rows:expr, $V:ty, $f:ident :: <$($g:tt),*> $args:tt) => {
        with_rows!(@arms $rows, $V, $f, [$($g),*], $args, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    (@arms $rows:expr, $V:ty, $f:ident, $g:tt, $args:tt, $($n:literal)*) => {
        match $rows {
            $($n if $n <= <$V as Lanes>::TILE_ROWS => with_rows!(@call $f, $V, $n, $g, $args),)*
            _ => unreachable!("a tile has 1 to TILE_ROWS rows"),
        }
    };
    (@call $f:ident, $V:ty, $n:literal, [$($g:tt),*], $args:tt) => { $f::<$V, $n, $($g),*> $args };
}
pub(crate) use with_rows;

/// Rows of the `i`-th of the fewest tiles of nearly equal height that cover `rows`: (first row, rows).
#[inline(always)]
pub(crate) fn split(rows: usize, rows_max: usize, i: usize) -> (usize, usize) {
    let tiles = rows.div_ceil(rows_max);
    let (first, next) = (i * rows / tiles, (i + 1) * rows / tiles);
    (first, next - first)
}

/// What happens to a tile of a product before it is stored.
pub(crate) trait Finish: Copy {
    /// Start value of the accumulators in the columns at `col`.
    unsafe fn start<V: Lanes>(self, col: usize) -> V;
    /// Value stored at offset `at` of the result `c`.
    unsafe fn finish<V: Lanes>(self, sum: V, c: *const f32, at: usize) -> V;
}

/// Forward: starts at the bias, ends with the rectifier.
#[derive(Clone, Copy)]
pub(crate) struct BiasRelu(pub(crate) *const f32);

impl Finish for BiasRelu {
    #[inline(always)]
    unsafe fn start<V: Lanes>(self, col: usize) -> V {
        // SAFETY: the pointer is a panel's bias row, `col` a register inside it.
        unsafe { V::load(self.0.add(col)) }
    }
    #[inline(always)]
    unsafe fn finish<V: Lanes>(self, sum: V, _c: *const f32, _at: usize) -> V {
        // SAFETY: the caller runs on a processor with V.
        unsafe { sum.relu() }
    }
}

/// Backward: passes the gradient where the activation was positive; the pointer is the activation, laid out as the result, and without it
/// the result's place holds the activation.
#[derive(Clone, Copy)]
pub(crate) struct Gate(pub(crate) Option<*const f32>);

impl Finish for Gate {
    #[inline(always)]
    unsafe fn start<V: Lanes>(self, _col: usize) -> V {
        // SAFETY: the caller runs on a processor with V.
        unsafe { V::splat(0.0) }
    }
    #[inline(always)]
    unsafe fn finish<V: Lanes>(self, sum: V, c: *const f32, at: usize) -> V {
        // SAFETY: the activation has the result's shape.
        unsafe { sum.where_positive(V::load(self.0.unwrap_or(c).add(at))) }
    }
}

/// What a 32-bit word of a product's operands holds.
pub(crate) trait Word<V: Lanes>: Copy {
    /// Numbers in a word: neighbours along the product's inner index.
    const NUMBERS: usize;
    /// `sum + a·b`, over all numbers of a word.
    unsafe fn mul_add(a: V, b: V, sum: V) -> V;
}

/// One float.
#[derive(Clone, Copy)]
pub(crate) struct Single;

impl<V: Lanes> Word<V> for Single {
    const NUMBERS: usize = 1;

    #[inline(always)]
    unsafe fn mul_add(a: V, b: V, sum: V) -> V {
        // SAFETY: the caller runs on a processor with V.
        unsafe { a.mul_add(b, sum) }
    }
}

/// Adds `k` outer products to a tile: `tile[r] += a[i·KS + r·RS] · b[i·BS ..]`.
///
/// `a` by rows (`RS = STRIDE, KS = 1`) is the forward and backward product, by columns (`RS = 1, KS = STRIDE`) the gradient product.
#[inline(always)]
pub(crate) unsafe fn accumulate<
    V: Lanes,
    W: Word<V>,
    const R: usize,
    const RS: usize,
    const KS: usize,
    const BS: usize,
>(
    tile: &mut Tile<V, R>,
    k: usize,
    a: *const f32,
    b: *const f32,
) {
    for i in 0..k {
        // SAFETY: the caller checked that a and b reach `k` steps and `R` rows far.
        unsafe {
            let (b0, b1) = (V::load(b.add(i * BS)), V::load(b.add(i * BS + V::COUNT)));
            for (r, row) in tile.iter_mut().enumerate() {
                let x = V::splat(*a.add(i * KS + r * RS));
                row[0] = W::mul_add(x, b0, row[0]);
                row[1] = W::mul_add(x, b1, row[1]);
            }
        }
    }
}

/// Where a tile of a product is stored.
#[derive(Clone, Copy)]
pub(crate) struct Destination {
    /// The result.
    pub(crate) c: *mut f32,
    /// Offset of the tile's first row in the panel's first column.
    pub(crate) at: usize,
    /// The tile's first column in the panel.
    pub(crate) col: usize,
}

/// One tile of `C = finish(A·B)`: `R` rows of the batch by `2·COUNT` columns of a panel; B in pieces of whole rows.
#[inline(always)]
pub(crate) unsafe fn product_tile<V: Lanes, const R: usize, W: Word<V>, F: Finish>(
    mut a: *const f32,
    b: &[&[f32]],
    destination: Destination,
    finish: F,
) {
    let Destination { c, at, col } = destination;
    // SAFETY: the caller checked that all tiles of the panel lie inside the matrices.
    unsafe {
        let start = [finish.start::<V>(col), finish.start::<V>(col + V::COUNT)];
        let mut tile: Tile<V, R> = [start; R];
        for piece in b {
            let k = piece.len() / PANEL;
            accumulate::<V, W, R, STRIDE, 1, PANEL>(&mut tile, k, a, piece.as_ptr().add(col));
            a = a.add(k);
        }
        for (r, row) in tile.iter().enumerate() {
            for (j, &sum) in row.iter().enumerate() {
                let at = at + r * STRIDE + col + j * V::COUNT;
                finish.finish(sum, c, at).store(c.add(at));
            }
        }
    }
}
