//! A network in - 256 - 256 - `OUT` with rectifiers, in the layout of the kernels.
//!
//! The hidden layers are cut into blocks of 32 units; a block owns the weights into its units, so that threads can train different blocks.

use super::Isa;
use super::adam::AdamStep;
use super::arena::{Aligned, Arena};
use super::buffer::{HIDDEN, Matrix, PANEL, PANELS, STRIDE, Slab};
use super::kernels::{Factors, Region};
use super::work::{Activations, Gradients, NetFactors, Work};

/// Floats in a square block of weights.
const BLOCK: usize = PANEL * PANEL;

/// Which copy of the parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
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
pub(super) struct Block {
    /// `[1 + inputs, 32]`, the bias first.
    pub(super) l1: Slab,
    /// `[1 + 256, 32]`, the bias first.
    pub(super) l2: Slab,
    /// The live weights of `l2` transposed for the backward pass: `[8, 32 units, 32 inputs]`, a panel of inputs after the other.
    pub(super) back: Aligned,
}

/// The last layer.
#[derive(Debug)]
pub(super) struct Head<const OUT: usize> {
    /// `[8, OUT, 32]`: weights of output o from hidden unit 32·p + j at `[p, o, j]`.
    pub(super) w: Slab,
    /// `[OUT]`, padded to 16.
    pub(super) bias: Slab,
}

/// A network with Adam moments and target.
#[derive(Debug)]
pub(super) struct Net<const OUT: usize> {
    /// Number of inputs.
    pub(super) inputs: usize,
    /// Hidden units, 32 a block.
    pub(super) blocks: Vec<Block>,
    /// The last layer.
    pub(super) head: Head<OUT>,
}

/// A part of a network that one thread trains at a time.
pub(super) enum Part<'a, const OUT: usize> {
    /// Hidden units `32·panel ..`.
    Block(&'a mut Block, usize),
    /// The last layer.
    Head(&'a mut Head<OUT>),
}

impl<const OUT: usize> Net<OUT> {
    /// A network of zeros.
    pub(super) fn zeros(inputs: usize, arena: &mut Arena) -> Self {
        let blocks = (0..PANELS).map(|_| Block::zeros(inputs, arena)).collect();
        let head = Head { w: Slab::zeros(OUT * HIDDEN, arena), bias: Slab::zeros(16, arena) };
        Self { inputs, blocks, head }
    }

    /// `h1 = relu(x·W1 + b1)`, `h2 = relu(h1·W2 + b2)`, `out = h2·W3 + b3`.
    pub(super) fn forward(&self, isa: Isa, weights: Weights, x: &Matrix, acts: &mut Activations) {
        let Activations { h1, h2, out } = acts;
        let out = &mut out[..x.rows() * OUT];
        for (panel, block) in self.blocks.iter().enumerate() {
            isa.forward(x, self.inputs, block.l1.read(weights), h1, panel);
        }
        for (panel, block) in self.blocks.iter().enumerate() {
            isa.forward(h1, HIDDEN, block.l2.read(weights), h2, panel);
        }
        isa.dots::<OUT>(h2, self.head.w.read(weights), out);
        let bias = &self.head.bias.read(weights)[..OUT];
        for out in out.chunks_exact_mut(OUT) {
            out.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
        }
    }

    /// From `d.out` the gradients before the rectifiers: `d2 = (d_out·W3ᵀ) ⊙ [h2 > 0]`, `d1 = (d2·W2ᵀ) ⊙ [h1 > 0]`.
    pub(super) fn backward(&self, isa: Isa, acts: &Activations, d: &mut Gradients) {
        isa.spread::<OUT>(&d.out, &self.head.w.w, Some(&acts.h2), &mut d.d2);
        for panel in 0..PANELS {
            isa.backward(&d.d2, &self.back(panel), Some(&acts.h1), &mut d.d1, panel);
        }
    }

    /// As `backward`, from the gradients `d_out`, with `d2` written over `h2` and `d1` over `h1`.
    pub(super) fn backward_in_place(&self, isa: Isa, d_out: &[f32], acts: &mut Activations) {
        isa.spread::<OUT>(d_out, &self.head.w.w, None, &mut acts.h2);
        for panel in 0..PANELS {
            isa.backward(&acts.h2, &self.back(panel), None, &mut acts.h1, panel);
        }
    }

    /// The transposed weights of the second layer to inputs `32·panel ..`, block after block.
    fn back(&self, panel: usize) -> [&[f32]; PANELS] {
        std::array::from_fn(|block| &self.blocks[block].back[panel * BLOCK..(panel + 1) * BLOCK])
    }

    /// The parts that train independently.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = Part<'_, OUT>> {
        let blocks = self.blocks.iter_mut().enumerate().map(|(panel, block)| Part::Block(block, panel));
        blocks.chain(std::iter::once(Part::Head(&mut self.head)))
    }

    /// Brings all transposed copies up to date.
    pub(super) fn refresh(&mut self, isa: Isa) {
        self.blocks.iter_mut().for_each(|block| block.refresh(isa));
    }

    /// Copies the first layer's weights of inputs `first ..` in the layout of a head, `[8, n, 32]`.
    pub(super) fn input_rows(&self, first: usize, out: &mut [f32]) {
        let len = out.len() / PANELS;
        for (out, block) in out.chunks_exact_mut(len).zip(&self.blocks) {
            let start = (1 + first) * PANEL;
            out.copy_from_slice(&block.l1.w[start..start + len]);
        }
    }
}

impl Block {
    /// A block of zeros.
    fn zeros(inputs: usize, arena: &mut Arena) -> Self {
        let (l1, l2) = (Slab::zeros((1 + inputs) * PANEL, arena), Slab::zeros((1 + HIDDEN) * PANEL, arena));
        Self { l1, l2, back: arena.zeros(HIDDEN * PANEL) }
    }

    /// Brings the transposed copy up to date.
    fn refresh(&mut self, isa: Isa) {
        for (from, to) in self.l2.w[PANEL..].chunks_exact(BLOCK).zip(self.back.chunks_exact_mut(BLOCK)) {
            isa.transpose(from, to);
        }
    }
}

impl<const OUT: usize> Part<'_, OUT> {
    /// One Adam step with the gradient found through `factors`; `inputs` as of the network.
    pub(super) fn descend(
        &mut self,
        isa: Isa,
        inputs: usize,
        works: &[Work],
        (factors, step): (&NetFactors, &AdamStep),
    ) {
        match self {
            Part::Block(block, panel) => {
                let l1 = Region { slab: &mut block.l1, base: 0, rows: 1 + inputs };
                isa.descend::<STRIDE>(works, factors.l1, *panel, l1, step);
                let l2 = Region { slab: &mut block.l2, base: 0, rows: 1 + HIDDEN };
                isa.descend::<STRIDE>(works, factors.l2, *panel, l2, step);
                block.refresh(isa);
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
