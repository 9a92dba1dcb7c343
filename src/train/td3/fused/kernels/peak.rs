//! The f32 peak of one core: independent chains of multiply-adds that never leave the registers.
#![expect(unsafe_code, reason = "runs vector operations of the chosen instruction set")]

use super::dispatch::Isa;
use crate::td3::fused::vector::lanes::Lanes;
use std::hint::black_box;
use std::time::Instant;

/// Independent chains: more than the product of latency and throughput (4 or 5 cycles, 2 a cycle) of any x86-64 core.
const CHAINS: usize = 12;

/// Runs `rounds` multiply-adds on each of the chains. Returns their sum, so that nothing can be left out.
#[inline(always)]
pub(crate) unsafe fn chains<V: Lanes>(rounds: usize) -> f32 {
    // SAFETY: the caller runs on a processor with V; the factor and the term are registers.
    unsafe {
        let (factor, term) = (V::splat(black_box(0.999)), V::splat(black_box(0.001)));
        let mut sums = [V::splat(black_box(1.0)); CHAINS];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = V::splat(black_box(1.0 + i as f32));
        }
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, term);
            }
        }
        let mut total = V::splat(0.0);
        for sum in sums {
            total = total.add(sum);
        }
        total.sum()
    }
}

impl Isa {
    /// Floats in a vector register.
    fn lanes(self) -> usize {
        match self.name() {
            "AVX-512" => 16,
            "AVX2" => 8,
            _ => 4,
        }
    }

    /// The f32 rate this core reaches now, in FLOP/s (a multiply-add counts as two): the best of short rounds over about 4 ms.
    pub fn peak_flops(self) -> f64 {
        const ROUNDS: usize = 20_000;
        let flop = (2 * ROUNDS * CHAINS * self.lanes()) as f64;
        let (start, mut best) = (Instant::now(), f64::INFINITY);
        while start.elapsed().as_millis() < 4 {
            let round = Instant::now();
            black_box(self.chains(black_box(ROUNDS)));
            best = best.min(round.elapsed().as_secs_f64());
        }
        flop / best
    }
}
