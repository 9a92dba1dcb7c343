//! Vectors of four floats in plain Rust, for any processor.
#![expect(unsafe_code, reason = "implements a trait of unsafe methods and reads through pointers")]

use super::lanes::Lanes;

/// Four floats; two SSE2 or NEON tiles fit the registers.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 4]);

/// Lane-wise `f(a, b)`.
#[inline(always)]
fn zip(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Lanes for Portable {
    const COUNT: usize = 4;
    const TILE_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 4])
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller promises four readable floats.
        Self(unsafe { p.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller promises four writable floats.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |x, y| x + y))
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |x, y| x * y))
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Self(zip(self.0, b.0, |x, y| x / y))
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        Self(zip(zip(self.0, b.0, |x, y| x * y), c.0, |xy, z| xy + z))
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Self(zip(zip(self.0, b.0, |x, y| x * y), c.0, |xy, z| z - xy))
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|x| if x > 0.0 { x } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        Self(zip(self.0, gate.0, |x, g| if g > 0.0 { x } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        (self.0[0] + self.0[1]) + (self.0[2] + self.0[3])
    }
}
