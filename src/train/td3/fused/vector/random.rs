//! Random numbers by counter: number `i` of a stream is a hash of the stream's key and `i`, so that any thread can draw any number
//! and the whole state is one key and one counter.

/// The output function of SplitMix64 (Steele, Lea and Flood 2014).
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Distance of the counters of SplitMix64, the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of 2⁶⁴ random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream(u64);

impl Stream {
    /// Stream `index` of the family named by `seed`.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(GOLDEN)) ^ index.wrapping_mul(GOLDEN)))
    }

    /// Random number `i`.
    #[inline(always)]
    pub(crate) fn bits(self, i: u64) -> u64 {
        mix(self.0.wrapping_add(i.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Number `i` as an integer uniform in `0..len`.
    #[inline(always)]
    pub(crate) fn below(self, i: u64, len: usize) -> usize {
        ((u128::from(self.bits(i)) * len as u128) >> 64) as usize
    }

    /// Number `i` as a float uniform in [-1, 1).
    pub(crate) fn signed_unit(self, i: u64) -> f32 {
        (self.bits(i) >> 40) as f32 * (1.0 / 8_388_608.0) - 1.0
    }
}
