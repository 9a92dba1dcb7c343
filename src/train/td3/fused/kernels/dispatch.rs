//! Chooses the instruction set at run time and enters the kernels compiled for it.
#![expect(unsafe_code, reason = "enters code for instruction sets found at run time")]

use super::adam::AdamStep;
use super::peak;
use crate::td3::fused::kernels::{self, Factors, Region};
use crate::td3::fused::memory::buffer::{Matrix, PANELS, Slab};
use crate::td3::fused::network::work::Work;
#[cfg(target_arch = "x86_64")]
use crate::td3::fused::vector::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::td3::fused::vector::avx512::Avx512;
use crate::td3::fused::vector::portable::Portable;
use crate::td3::fused::vector::random::Stream;

/// Instruction sets the kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// An instruction set this processor has. The private field is the proof: only `available` makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Set);

impl Isa {
    /// All sets this processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        let mut sets = [None; 3];
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            sets[0] = (fma && is_x86_feature_detected!("avx512f")).then_some(Isa(Set::Avx512));
            sets[1] = fma.then_some(Isa(Set::Avx2));
        }
        sets[2] = Some(Isa(Set::Portable));
        sets.into_iter().flatten()
    }

    /// The fastest set this processor has.
    pub fn detect() -> Isa {
        Isa::available().next().unwrap_or(Isa(Set::Portable))
    }

    /// Its name, as benchmarks print it.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            Set::Portable => "portable",
        }
    }
}

/// For each operation a safe method that enters the version compiled for the set.
macro_rules! enter {
    ($(fn $module:ident::$name:ident $(<const $c:ident: usize>)? ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        impl Isa { $(
            #[inline]
            pub(crate) fn $name $(<const $c: usize>)? (self, $($arg: $ty),*) $(-> $ret)? {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                fn with_avx512 $(<const $c: usize>)? ($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: this function is compiled for AVX-512F and entered only where it was detected.
                    unsafe { $module::$name::<Avx512 $(, $c)?>($($arg),*) }
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2 $(<const $c: usize>)? ($($arg: $ty),*) $(-> $ret)? {
                    // SAFETY: this function is compiled for AVX2 and FMA and entered only where both were detected.
                    unsafe { $module::$name::<Avx2 $(, $c)?>($($arg),*) }
                }
                match self.0 {
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: this value exists only where AVX-512 was detected.
                    Set::Avx512 => unsafe { with_avx512 $(::<$c>)? ($($arg),*) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: this value exists only where AVX2 and FMA were detected.
                    Set::Avx2 => unsafe { with_avx2 $(::<$c>)? ($($arg),*) },
                    // SAFETY: plain Rust runs anywhere.
                    Set::Portable => unsafe { $module::$name::<Portable $(, $c)?>($($arg),*) },
                }
            }
        )* }
    };
}

enter! {
    fn kernels::forward(a: &Matrix, k: usize, w: &[f32], c: &mut Matrix, panel: usize);
    fn kernels::backward(a: &Matrix, w: &[&[f32]; PANELS], gate: Option<&Matrix>, c: &mut Matrix, panel: usize);
    fn kernels::descend<const KS: usize>(works: &[Work], factors: Factors, panel: usize, region: Region<'_>, step: &AdamStep);
    fn kernels::descend_small(gradient: &[f32; 16], slab: &mut Slab, step: &AdamStep);
    fn kernels::dots<const OUT: usize>(h: &Matrix, w: &[f32], out: &mut [f32]);
    fn kernels::spread<const OUT: usize>(g: &[f32], w: &[f32], h: Option<&Matrix>, d: &mut Matrix);
    fn kernels::transpose(src: &[f32], dst: &mut [f32]);
    fn kernels::tanh(xs: &mut [f32]);
    fn kernels::normals(stream: Stream, first: u64, out: &mut [f32]);
    fn peak::chains(rounds: usize) -> f32;
}
