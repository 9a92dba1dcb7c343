//! A network in - 256 - 256 - `OUT` with rectifiers, in the layout of the kernels.
//!
//! The hidden layers are cut into blocks of 32 units; a block owns the weights into its units, so that threads can train different blocks.

use super::Isa;
use super::adam::AdamStep;
use super::buffer::{Aligned, HIDDEN, Matrix, PANEL, PANELS, STRIDE, Slab};
use super::kernels::Region;
use super::work::{Pass, Work, head_factors, hidden_factors, input_factors};

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
    /// The second layer's live weights transposed, `[256 units, 32 inputs]` each, for the backward pass.
    back: Vec<Aligned>,
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
    pub(super) fn zeros(inputs: usize) -> Self {
        let block = |_| Block { l1: Slab::zeros((1 + inputs) * PANEL), l2: Slab::zeros((1 + HIDDEN) * PANEL) };
        let head = Head { w: Slab::zeros(OUT * HIDDEN), bias: Slab::zeros(16) };
        let back = (0..PANELS).map(|_| Aligned::zeros(HIDDEN * PANEL)).collect();
        Self { inputs, blocks: (0..PANELS).map(block).collect(), head, back }
    }

    /// `h1 = relu(x·W1 + b1)`, `h2 = relu(h1·W2 + b2)`, `out = h2·W3 + b3`.
    pub(super) fn forward(
        &self,
        isa: Isa,
        weights: Weights,
        x: &Matrix,
        (h1, h2, out): (&mut Matrix, &mut Matrix, &mut [f32]),
    ) {
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

    /// From `pass.d_out` the gradients before the rectifiers: `d2 = (d_out·W3ᵀ) ⊙ [h2 > 0]`, `d1 = (d2·W2ᵀ) ⊙ [h1 > 0]`.
    pub(super) fn backward(&self, isa: Isa, pass: &mut Pass) {
        let Pass { h1, h2, d1, d2, d_out, .. } = pass;
        isa.spread::<OUT>(d_out, &self.head.w.w, h2, d2);
        for (panel, back) in self.back.iter().enumerate() {
            isa.backward(d2, back, h1, d1, panel);
        }
    }

    /// The parts that train independently.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = Part<'_, OUT>> {
        let blocks = self.blocks.iter_mut().enumerate().map(|(panel, block)| Part::Block(block, panel));
        blocks.chain(std::iter::once(Part::Head(&mut self.head)))
    }

    /// The transposed copies, each with the blocks it is made from and its number.
    pub(super) fn transposes(&mut self) -> impl Iterator<Item = (&mut Aligned, &[Block], usize)> {
        let blocks = &*self.blocks;
        self.back.iter_mut().enumerate().map(move |(panel, back)| (back, blocks, panel))
    }

    /// Brings all transposed copies up to date.
    pub(super) fn refresh(&mut self, isa: Isa) {
        self.transposes().for_each(|copy| transpose(isa, copy));
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

/// Copy number `panel`: the weights from hidden units `32·panel ..` into all others.
pub(super) fn transpose(isa: Isa, (back, blocks, panel): (&mut Aligned, &[Block], usize)) {
    const SIZE: usize = PANEL * PANEL;
    for (back, block) in back.chunks_exact_mut(SIZE).zip(blocks) {
        let start = PANEL + panel * SIZE;
        isa.transpose(&block.l2.w[start..start + SIZE], back);
    }
}

impl<const OUT: usize> Part<'_, OUT> {
    /// One Adam step with the gradient of pass `PASS`; `inputs` as of the network.
    pub(super) fn descend<const PASS: usize>(&mut self, isa: Isa, inputs: usize, works: &[Work], step: &AdamStep) {
        match self {
            Part::Block(block, panel) => {
                let l1 = Region { slab: &mut block.l1, base: 0, rows: 1 + inputs };
                isa.descend::<STRIDE>(works, input_factors::<PASS>, *panel, l1, step);
                let l2 = Region { slab: &mut block.l2, base: 0, rows: 1 + HIDDEN };
                isa.descend::<STRIDE>(works, hidden_factors::<PASS>, *panel, l2, step);
            }
            Part::Head(head) => head.descend::<PASS>(isa, works, step),
        }
    }
}

impl<const OUT: usize> Head<OUT> {
    fn descend<const PASS: usize>(&mut self, isa: Isa, works: &[Work], step: &AdamStep) {
        for panel in 0..PANELS {
            let region = Region { slab: &mut self.w, base: panel * OUT * PANEL, rows: OUT };
            isa.descend::<OUT>(works, head_factors::<PASS>, panel, region, step);
        }
        let mut gradient = [0.0; 16];
        for work in works {
            let d_out = &work.passes[PASS].d_out[..work.rows() * OUT];
            for d in d_out.chunks_exact(OUT) {
                gradient.iter_mut().zip(d).for_each(|(g, d)| *g += d);
            }
        }
        isa.descend_small(&gradient, &mut self.bias, step);
    }
}
