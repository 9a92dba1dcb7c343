//! Adam and the target network's slow copy, fused with the gradient product so that gradients never reach memory.
//!
//! `m' = β₁·m + (1-β₁)·g`, `v' = β₂·v + (1-β₂)·g²`, `w' = w - α/(1-β₁ᵗ) · m' / (√v'/√(1-β₂ᵗ) + ε)` (Kingma and Ba 2015, in the order of operations of
//! PyTorch), then, on the steps of the policy delay, `target' = (1-τ)·target + τ·w'`.
#![expect(unsafe_code, reason = "unchecked loads and stores in the inner loops")]

use crate::td3::fused::memory::buffer::Slab;
use crate::td3::fused::vector::lanes::Lanes;

/// Decay of the first moment.
pub const BETA1: f64 = 0.9;
/// Decay of the second moment.
pub const BETA2: f64 = 0.999;
/// Keeps the quotient finite.
pub const EPSILON: f64 = 1e-8;

/// What one step does to the target copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Polyak {
    /// Leaves it.
    Keep,
    /// Moves it by this share towards the parameters.
    Blend(f32),
}

/// The numbers of one Adam step, the same for all parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamStep {
    /// `α / (1-β₁ᵗ)`.
    rate: f32,
    /// `1 / √(1-β₂ᵗ)`.
    root: f32,
    /// Movement of the target copy.
    polyak: Polyak,
}

impl AdamStep {
    /// Step number `t`, counted from one, with learning rate `rate`.
    pub(crate) fn new(rate: f64, t: u64, polyak: Polyak) -> Self {
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        let rate = (rate / (1.0 - BETA1.powi(t))) as f32;
        let root = (1.0 / (1.0 - BETA2.powi(t)).sqrt()) as f32;
        Self { rate, root, polyak }
    }

    /// Whether the target copy moves.
    pub(crate) fn moves_target(&self) -> bool {
        self.polyak != Polyak::Keep
    }

    /// One register of parameters.
    #[inline(always)]
    pub(crate) unsafe fn apply<V: Lanes>(&self, gradient: V, at: usize, slab: &SlabPointers) {
        // SAFETY: the caller checked that the register at `at` lies inside the slab.
        unsafe {
            let (w, m, v) = (slab.w.add(at), slab.m.add(at), slab.v.add(at));
            let m_new = V::load(m).mul_add(V::splat(BETA1 as f32), gradient.mul(V::splat((1.0 - BETA1) as f32)));
            let square = gradient.mul(gradient);
            let v_new = V::load(v).mul_add(V::splat(BETA2 as f32), square.mul(V::splat((1.0 - BETA2) as f32)));
            let quotient = V::adam_quotient(m_new, v_new, V::splat(self.root), V::splat(EPSILON as f32));
            let w_new = quotient.neg_mul_add(V::splat(self.rate), V::load(w));
            m_new.store(m);
            v_new.store(v);
            w_new.store(w);
            if let Polyak::Blend(tau) = self.polyak {
                let target = slab.target.add(at);
                let old = V::load(target).mul(V::splat(1.0 - tau));
                w_new.mul_add(V::splat(tau), old).store(target);
            }
        }
    }
}

impl AdamStep {
    /// Asks for the memory `apply` will touch at `at`.
    #[inline(always)]
    pub(crate) unsafe fn prefetch<V: Lanes>(&self, at: usize, slab: &SlabPointers) {
        // SAFETY: a prefetch never faults; offsets are inside the slab.
        unsafe {
            V::prefetch(slab.w.add(at));
            V::prefetch(slab.m.add(at));
            V::prefetch(slab.v.add(at));
            if self.moves_target() {
                V::prefetch(slab.target.add(at));
            }
        }
    }
}

/// Where the four tensors of a slab start.
#[derive(Clone, Copy)]
pub(crate) struct SlabPointers {
    w: *mut f32,
    m: *mut f32,
    v: *mut f32,
    target: *mut f32,
}

impl SlabPointers {
    /// Pointers valid for `slab.w.len()` floats each.
    pub(crate) fn of(slab: &mut Slab) -> Self {
        let len = slab.w.len();
        assert!(slab.m.len() == len && slab.v.len() == len && slab.target.len() == len);
        Self {
            w: slab.w.as_mut_ptr(),
            m: slab.m.as_mut_ptr(),
            v: slab.v.as_mut_ptr(),
            target: slab.target.as_mut_ptr(),
        }
    }
}
