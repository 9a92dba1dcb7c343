//! Numbers side by side: vectors of each instruction set, elementary functions without branches, random numbers by counter.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
pub(super) mod lanes;
pub(super) mod portable;
pub(super) mod random;
pub(super) mod scalar;
