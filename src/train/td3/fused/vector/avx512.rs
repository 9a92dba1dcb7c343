//! Vectors of sixteen floats: AVX-512F.
#![expect(unsafe_code, reason = "AVX-512 intrinsics")]

use super::lanes::Lanes;
use crate::td3::fused::memory::buffer::PANEL;
use std::arch::x86_64::*;

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(pub(crate) __m512);

// SAFETY of every block below: the trait's contract, that the processor has AVX-512F and that pointers are good for sixteen floats.
impl Lanes for Avx512 {
    const COUNT: usize = 16;
    const TILE_ROWS: usize = 14;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(x) })
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_div_ps(self.0, b.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_fnmadd_ps(self.0, b.0, c.0) })
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_max_ps(self.0, _mm512_setzero_ps()) })
    }
    #[inline(always)]
    unsafe fn where_positive(self, gate: Self) -> Self {
        // SAFETY: see above.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate.0, _mm512_setzero_ps());
            Self(_mm512_maskz_mov_ps(mask, self.0))
        }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    unsafe fn transpose(src: *const f32, dst: *mut f32) {
        for (row, col) in [(0, 0), (0, 16), (16, 0), (16, 16)] {
            // SAFETY: both blocks hold PANEL·PANEL floats; the quarter at (row, col) lies inside.
            unsafe { transpose_quarter(src.add(col * PANEL + row), dst.add(row * PANEL + col)) };
        }
    }
}

/// Transposes 16 × 16 floats between two blocks with rows `PANEL` apart: pairs, then quads, then 128-bit lanes.
#[inline(always)]
unsafe fn transpose_quarter(src: *const f32, dst: *mut f32) {
    // SAFETY: the caller promises AVX-512F and 16 rows of 16 floats at both places.
    unsafe {
        let mut quads = [_mm512_setzero_ps(); 16];
        for group in 0..4 {
            let rows = src.add(4 * group * PANEL);
            let (a, b) = (_mm512_loadu_ps(rows), _mm512_loadu_ps(rows.add(PANEL)));
            let (c, d) = (_mm512_loadu_ps(rows.add(2 * PANEL)), _mm512_loadu_ps(rows.add(3 * PANEL)));
            let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (low2, high2) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            quads[group] = pairs_low(low, low2);
            quads[4 + group] = pairs_high(low, low2);
            quads[8 + group] = pairs_low(high, high2);
            quads[12 + group] = pairs_high(high, high2);
        }
        for i in 0..4 {
            let q = &quads[4 * i..4 * i + 4];
            let (ab, cd) = (_mm512_shuffle_f32x4::<0x44>(q[0], q[1]), _mm512_shuffle_f32x4::<0x44>(q[2], q[3]));
            let (ab2, cd2) = (_mm512_shuffle_f32x4::<0xee>(q[0], q[1]), _mm512_shuffle_f32x4::<0xee>(q[2], q[3]));
            _mm512_storeu_ps(dst.add(i * PANEL), _mm512_shuffle_f32x4::<0x88>(ab, cd));
            _mm512_storeu_ps(dst.add((4 + i) * PANEL), _mm512_shuffle_f32x4::<0xdd>(ab, cd));
            _mm512_storeu_ps(dst.add((8 + i) * PANEL), _mm512_shuffle_f32x4::<0x88>(ab2, cd2));
            _mm512_storeu_ps(dst.add((12 + i) * PANEL), _mm512_shuffle_f32x4::<0xdd>(ab2, cd2));
        }
    }
}

/// The lower pair of every 128-bit lane of `a` and `b`.
#[inline(always)]
unsafe fn pairs_low(a: __m512, b: __m512) -> __m512 {
    // SAFETY: the caller promises AVX-512F.
    unsafe { _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))) }
}

/// The upper pair of every 128-bit lane of `a` and `b`.
#[inline(always)]
unsafe fn pairs_high(a: __m512, b: __m512) -> __m512 {
    // SAFETY: the caller promises AVX-512F.
    unsafe { _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b))) }
}
