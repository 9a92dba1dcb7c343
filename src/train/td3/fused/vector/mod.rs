//! Numbers side by side: vectors of each instruction set, elementary functions without branches, random numbers by counter.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod lanes;
pub(crate) mod portable;
pub(crate) mod random;
pub(crate) mod scalar;
