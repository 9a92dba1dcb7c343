//! Products of the 256 × 256 layers in bf16: entry into the kernels where the processor has them (AVX512_BF16).
//!
//! Operands are rounded to bf16 (8 bits of mantissa) inside the product only and sums are f32; weights, moments, targets and all else
//! stay f32. Terms: a *pair* is a 32-bit word of two bf16, neighbours along the product's inner index; where matrices
//! and parameters hold floats elsewhere, they hold the bits of pairs here.
#![expect(unsafe_code, reason = "enters code for an instruction set found at run time")]

use super::adam::AdamStep;
#[cfg(target_arch = "x86_64")]
use super::bf16_kernels as kernels;
use super::dispatch::Isa;
use super::{Factors, Region};
use crate::td3::fused::memory::buffer::{Matrix, PANELS};
use crate::td3::fused::network::work::Work;

/// What cannot be had on other processors.
#[cfg(target_arch = "x86_64")]
type Proof = ();
#[cfg(not(target_arch = "x86_64"))]
type Proof = std::convert::Infallible;

/// Products in bf16, which this processor has. The private field is the proof: only `detect` makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bf16(Proof);

/// How the products of the 256 × 256 layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// In f32.
    #[default]
    F32,
    /// With operands rounded to bf16.
    Bf16(Bf16),
}

/// What an update computes with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compute {
    /// Instruction set of all but products in bf16.
    pub(crate) isa: Isa,
    /// Of the 256 × 256 layers.
    pub(crate) precision: Precision,
}

impl Precision {
    /// Rows of a matrix of pairs: none in f32.
    pub(crate) fn pairs(self, rows: usize) -> usize {
        if self == Self::F32 { 0 } else { rows }
    }
}

impl Bf16 {
    /// The proof, where the processor has the instructions.
    pub fn detect() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            (avx512 && is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

/// For each operation a safe method that enters the compiled version.
macro_rules! enter {
    ($(fn $name:ident ($($arg:ident: $ty:ty),*);)*) => {
        impl Bf16 { $(
            pub(crate) fn $name(self, $($arg: $ty),*) {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
                fn entered($($arg: $ty),*) {
                    // SAFETY: this function is compiled for the instructions and entered only where they were detected.
                    unsafe { kernels::$name($($arg),*) }
                }
                #[cfg(target_arch = "x86_64")]
                // SAFETY: this value exists only where the instructions were detected.
                unsafe { entered($($arg),*) };
                #[cfg(not(target_arch = "x86_64"))]
                { let _ = ($($arg),*); match self.0 {} }
            }
        )* }
    };
}

enter! {
    fn pair_columns(from: &Matrix, to: &mut Matrix);
    fn pair_rows(from: &Matrix, to: &mut Matrix);
    fn pair_weights(from: &[f32], to: &mut [f32]);
    fn forward(a: &Matrix, w: &[f32], bias: &[f32], c: &mut Matrix, panel: usize);
    fn backward(a: &Matrix, w: &[&[f32]; PANELS], gate: Option<&Matrix>, c: &mut Matrix, panel: usize);
    fn descend(works: &[Work], factors: Factors, panel: usize, region: Region<'_>, step: &AdamStep);
}
