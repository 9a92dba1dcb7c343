//! The vector operations a kernel needs, implemented once per instruction set.
//!
//! Every method is `unsafe` for one reason: the processor must have the instruction set of the implementing type.
//! All methods are inlined into an entry point compiled for that set (see `dispatch`), where they become single instructions.
#![expect(unsafe_code, reason = "loads and stores through pointers; instructions only some processors have")]

use crate::td3::fused::memory::buffer::PANEL;

/// One vector register of `f32`.
pub(crate) trait Lanes: Copy {
    /// Floats in a register.
    const COUNT: usize;
    /// Most rows of a tile that still fits the registers, two registers a row.
    const TILE_ROWS: usize;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Reads `COUNT` floats; any alignment.
    unsafe fn load(p: *const f32) -> Self;
    /// Writes `COUNT` floats; any alignment.
    unsafe fn store(self, p: *mut f32);
    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self · b`.
    unsafe fn mul(self, b: Self) -> Self;
    /// `self / b`.
    unsafe fn div(self, b: Self) -> Self;
    /// `self · b + c`.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c - self · b`.
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// Square root.
    unsafe fn sqrt(self) -> Self;
    /// `max(self, 0)`.
    unsafe fn relu(self) -> Self;
    /// `self` where `gate > 0`, zero elsewhere.
    unsafe fn where_positive(self, gate: Self) -> Self;
    /// `m / (√v·root + tiny)` for `v ≥ 0`, the quotient of an Adam step; within 3 units in the last place.
    #[inline(always)]
    unsafe fn adam_quotient(m: Self, v: Self, root: Self, tiny: Self) -> Self {
        // SAFETY: the caller runs on a processor with this set.
        unsafe { m.div(v.sqrt().mul_add(root, tiny)) }
    }
    /// Asks for the cache line at `p`; has no other effect, `p` need not be readable.
    #[inline(always)]
    unsafe fn prefetch(_p: *const f32) {}
    /// Sum of the lanes.
    unsafe fn sum(self) -> f32;

    /// Writes the transpose of a `PANEL × PANEL` block; both blocks are contiguous.
    #[inline(always)]
    unsafe fn transpose(src: *const f32, dst: *mut f32) {
        for row in 0..PANEL {
            for col in 0..PANEL {
                // SAFETY: the caller passes two blocks of PANEL·PANEL floats.
                unsafe { *dst.add(row * PANEL + col) = *src.add(col * PANEL + row) };
            }
        }
    }
}
