//! A network in - 256 - 256 - `OUT` with rectifiers, in the layout of the kernels.
//!
//! The hidden layers are cut into blocks of 32 units; a block owns the weights into its units, so that threads can train different blocks.

use super::work::{Activations, Gradients, NetFactors, Work};
use crate::td3::fused::kernels::adam::AdamStep;
use crate::td3::fused::kernels::bf16::{Compute, Precision};
use crate::td3::fused::kernels::dispatch::Isa;
use crate::td3::fused::kernels::{Factors, Region};
use crate::td3::fused::memory::arena::{Aligned, Arena};
use crate::td3::fused::memory::buffer::{HIDDEN, Matrix, PANEL, PANELS, STRIDE, Slab};

/// Floats in a square block of weights.
const BLOCK: usize = PANEL * PANEL;

/// Which copy of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    /// The network being trained.
    Live,
    /// Its slow copy.
    Target,
}

impl Slab {
    /// The parameters of one copy.
    fn read(&self, weights: Weights) -> &[f32] {
        match weights {
            Weights::Live => &self.w,
            Weights::Target => &self.target,
        }
    }
}

/// Weights into 32 units of both hidden layers.
#[derive(Debug)]
pub(crate) struct Block {
    /// `[1 + inputs, 32]`, the bias first.
    pub(crate) l1: Slab,
    /// `[1 + 256, 32]`, the bias first.
    pub(crate) l2: Slab,
    /// The live weights of `l2` transposed for the backward pass: `[8, 32 units, 32 inputs]`, a panel of inputs after the other.
    pub(crate) back: Aligned,
    /// Copies of `l2` in bf16.
    pairs: Pairs,
}

/// Weights of the second layer into 32 units as pairs of bf16; empty in f32. Behind the floats in time: brought up to date by `refresh`.
#[derive(Debug)]
struct Pairs {
    /// Pairs of inputs of the live weights, `[128, 32]`.
    live: Aligned,
    /// The same of the target.
    target: Aligned,
    /// Pairs of units of the transposed live weights, `[8, 16 pairs, 32 inputs]`.
    back: Aligned,
}

impl Pairs {
    fn new(precision: Precision, arena: &mut Arena) -> Self {
        let [live, target, back] = std::array::from_fn(|_| arena.zeros(precision.pairs(HIDDEN / 2 * PANEL)));
        Self { live, target, back }
    }

    fn read(&self, weights: Weights) -> &[f32] {
        match weights {
            Weights::Live => &self.live,
            Weights::Target => &self.target,
        }
    }
}

/// The last layer.
#[derive(Debug)]
pub(crate) struct Head<const OUT: usize> {
    /// `[8, OUT, 32]`: weights of output o from hidden unit 32·p + j at `[p, o, j]`.
    pub(crate) w: Slab,
    /// `[OUT]`, padded to 16.
    pub(crate) bias: Slab,
}

/// A network with Adam moments and target.
#[derive(Debug)]
pub(crate) struct Net<const OUT: usize> {
    /// Number of inputs.
    pub(crate) inputs: usize,
    /// Hidden units, 32 a block.
    pub(crate) blocks: Vec<Block>,
    /// The last layer.
    pub(crate) head: Head<OUT>,
}

/// A part of a network that one thread trains at a time.
pub(crate) enum Part<'a, const OUT: usize> {
    /// Hidden units `32·panel ..`.
    Block(&'a mut Block, usize),
    /// The last layer.
    Head(&'a mut Head<OUT>),
}

impl<const OUT: usize> Net<OUT> {
    /// A network of zeros.
    pub(crate) fn zeros(inputs: usize, precision: Precision, arena: &mut Arena) -> Self {
        let blocks = (0..PANELS).map(|_| Block::zeros(inputs, precision, arena)).collect();
        let head = Head { w: Slab::zeros(OUT * HIDDEN, arena), bias: Slab::zeros(16, arena) };
        Self { inputs, blocks, head }
    }

    /// `h1 = relu(x·W1 + b1)`, `h2 = relu(h1·W2 + b2)`, `out = h2·W3 + b3`.
    pub(crate) fn forward(&self, compute: Compute, weights: Weights, x: &Matrix, acts: &mut Activations) {
        let Activations { h1, h2, out, pairs } = acts;
        let isa = compute.isa;
        let out = &mut out[..x.rows() * OUT];
        for (panel, block) in self.blocks.iter().enumerate() {
            isa.forward(x, self.inputs, block.l1.read(weights), h1, panel);
        }
        if let Precision::Bf16(bf16) = compute.precision {
            bf16.pair_columns(h1, pairs);
        }
        for (panel, block) in self.blocks.iter().enumerate() {
            let w = block.l2.read(weights);
            match compute.precision {
                Precision::F32 => isa.forward(h1, HIDDEN, w, h2, panel),
                Precision::Bf16(bf16) => bf16.forward(pairs, block.pairs.read(weights), &w[..PANEL], h2, panel),
            }
        }
        isa.dots::<OUT>(h2, self.head.w.read(weights), out);
        let bias = &self.head.bias.read(weights)[..OUT];
        for out in out.chunks_exact_mut(OUT) {
            out.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }

    /// From `d.out` the gradients before the rectifiers: `d2 = (d_out·W3ᵀ) ⊙ [h2 > 0]`, `d1 = (d2·W2ᵀ) ⊙ [h1 > 0]`.
    pub(crate) fn backward(&self, compute: Compute, acts: &Activations, d: &mut Gradients) {
        compute.isa.spread::<OUT>(&d.out, &self.head.w.w, Some(&acts.h2), &mut d.d2);
        if let Precision::Bf16(bf16) = compute.precision {
            bf16.pair_columns(&d.d2, &mut d.pairs);
            bf16.pair_rows(&acts.h1, &mut d.samples[0]);
            bf16.pair_rows(&d.d2, &mut d.samples[1]);
        }
        for panel in 0..PANELS {
            match compute.precision {
                Precision::F32 => compute.isa.backward(&d.d2, &self.back(panel), Some(&acts.h1), &mut d.d1, panel),
                Precision::Bf16(bf16) => {
                    bf16.backward(&d.pairs, &self.back_pairs(panel), Some(&acts.h1), &mut d.d1, panel);
                }
            }
        }
    }

    /// As `backward`, from the gradients `d_out`, with `d2` written over `h2` and `d1` over `h1`.
    pub(crate) fn backward_in_place(&self, compute: Compute, d_out: &[f32], acts: &mut Activations) {
        let Activations { h1, h2, pairs, .. } = acts;
        compute.isa.spread::<OUT>(d_out, &self.head.w.w, None, h2);
        if let Precision::Bf16(bf16) = compute.precision {
            bf16.pair_columns(h2, pairs);
        }
        for panel in 0..PANELS {
            match compute.precision {
                Precision::F32 => compute.isa.backward(h2, &self.back(panel), None, h1, panel),
                Precision::Bf16(bf16) => bf16.backward(pairs, &self.back_pairs(panel), None, h1, panel),
            }
        }
    }

    /// The transposed weights of the second layer to inputs `32·panel ..`, block after block.
    fn back(&self, panel: usize) -> [&[f32]; PANELS] {
        std::array::from_fn(|block| &self.blocks[block].back[panel * BLOCK..(panel + 1) * BLOCK])
    }

    /// As `back`, in pairs of units.
    fn back_pairs(&self, panel: usize) -> [&[f32]; PANELS] {
        const HALF: usize = BLOCK / 2;
        std::array::from_fn(|block| &self.blocks[block].pairs.back[panel * HALF..(panel + 1) * HALF])
    }

    /// The parts that train independently.
    pub(crate) fn parts(&mut self) -> impl Iterator<Item = Part<'_, OUT>> {
        let blocks = self.blocks.iter_mut().enumerate().map(|(panel, block)| Part::Block(block, panel));
        blocks.chain(std::iter::once(Part::Head(&mut self.head)))
    }

    /// Brings all rearranged copies up to date.
    pub(crate) fn refresh(&mut self, compute: Compute) {
        for block in &mut self.blocks {
            block.refresh(compute);
            block.refresh_target(compute);
        }
    }

    /// Copies the first layer's weights of inputs `first ..` in the layout of a head, `[8, n, 32]`.
    pub(crate) fn input_rows(&self, first: usize, out: &mut [f32]) {
        let len = out.len() / PANELS;
        for (out, block) in out.chunks_exact_mut(len).zip(&self.blocks) {
            let start = (1 + first) * PANEL;
            out.copy_from_slice(&block.l1.w[start..start + len]);
        }
    }
}

impl Block {
    /// A block of zeros.
    fn zeros(inputs: usize, precision: Precision, arena: &mut Arena) -> Self {
        let (l1, l2) = (Slab::zeros((1 + inputs) * PANEL, arena), Slab::zeros((1 + HIDDEN) * PANEL, arena));
        Self { l1, l2, back: arena.zeros(HIDDEN * PANEL), pairs: Pairs::new(precision, arena) }
    }

    /// Brings the copies of the live weights up to date.
    fn refresh(&mut self, compute: Compute) {
        for (from, to) in self.l2.w[PANEL..].chunks_exact(BLOCK).zip(self.back.chunks_exact_mut(BLOCK)) {
            compute.isa.transpose(from, to);
        }
        if let Precision::Bf16(bf16) = compute.precision {
            bf16.pair_weights(&self.l2.w[PANEL..], &mut self.pairs.live);
            bf16.pair_weights(&self.back, &mut self.pairs.back);
        }
    }

    /// Brings the copy of the target's weights up to date.
    fn refresh_target(&mut self, compute: Compute) {
        if let Precision::Bf16(bf16) = compute.precision {
            bf16.pair_weights(&self.l2.target[PANEL..], &mut self.pairs.target);
        }
    }
}

/// A network's gradient and what is made of it.
#[derive(Clone, Copy)]
pub(crate) struct Descent<'a> {
    /// Where the gradient's factors are.
    pub(crate) factors: &'a NetFactors,
    /// The step along it.
    pub(crate) step: &'a AdamStep,
}

impl<const OUT: usize> Part<'_, OUT> {
    /// One Adam step with the gradient found through the descent's factors; `inputs` as of the network.
    pub(crate) fn descend(&mut self, compute: Compute, inputs: usize, works: &[Work], descent: Descent<'_>) {
        let Descent { factors, step } = descent;
        let Compute { isa, precision } = compute;
        match self {
            Part::Block(block, panel) => {
                let l1 = Region { slab: &mut block.l1, base: 0, rows: 1 + inputs };
                isa.descend::<STRIDE>(works, factors.l1, *panel, l1, step);
                let l2 = Region { slab: &mut block.l2, base: 0, rows: 1 + HIDDEN };
                match precision {
                    Precision::F32 => isa.descend::<STRIDE>(works, factors.l2, *panel, l2, step),
                    Precision::Bf16(bf16) => bf16.descend(works, factors.l2_pairs, *panel, l2, step),
                }
                block.refresh(compute);
                if step.moves_target() {
                    block.refresh_target(compute);
                }
            }
            Part::Head(head) => head.descend(isa, works, factors.l3, step),
        }
    }
}

impl<const OUT: usize> Head<OUT> {
    fn descend(&mut self, isa: Isa, works: &[Work], factors: Factors, step: &AdamStep) {
        for panel in 0..PANELS {
            let region = Region { slab: &mut self.w, base: panel * OUT * PANEL, rows: OUT };
            isa.descend::<OUT>(works, factors, panel, region, step);
        }
        let mut gradient = [0.0; 16];
        for work in works {
            let (d_out, _) = factors(work);
            for d in d_out[..work.rows() * OUT].chunks_exact(OUT) {
                gradient.iter_mut().zip(d).for_each(|(g, d)| *g += d);
            }
        }
        isa.descend_small(&gradient, &mut self.bias, step);
    }
}
