//! Memory of the kernel: 64-byte aligned floats, batch matrices and parameter slabs.
//!
//! Terms: a *panel* is 32 columns of a weight matrix stored row after row, so that a tile of it is one run of memory;
//! a *slab* is a parameter tensor with its Adam moments and its target copy, all four in the same panel layout.

use super::arena::{Aligned, Arena};

/// Units of both hidden layers.
pub const HIDDEN: usize = 256;
/// Components of an action.
pub const ACTION_DIM: usize = 3;
/// Columns of a panel: two AVX-512 registers, so that a panel of 256 rows (32 kB) fits a first-level cache.
pub(crate) const PANEL: usize = 32;
/// Panels of a hidden layer.
pub(crate) const PANELS: usize = HIDDEN / PANEL;
/// Columns before the data of a batch matrix; the last of them is constant one, the input of the bias.
pub(crate) const MARGIN: usize = 16;
/// Floats from one row of a batch matrix to the next. 17 cache lines: coprime to the 64 sets of a first-level cache.
pub(crate) const STRIDE: usize = MARGIN + HIDDEN;

/// A batch matrix `[rows, <= 256]`, one sample a row, with a column of ones before the data.
#[derive(Debug)]
pub(crate) struct Matrix {
    data: Aligned,
    /// Rows in use; never more than were allocated.
    rows: usize,
}

impl Matrix {
    /// A matrix with room for `rows` samples, all in use.
    pub(crate) fn new(rows: usize, arena: &mut Arena) -> Self {
        let mut data = arena.zeros(rows * STRIDE);
        for row in data.chunks_exact_mut(STRIDE) {
            row[MARGIN - 1] = 1.0;
        }
        Self { data, rows }
    }

    /// Uses the first `rows` samples only.
    pub(crate) fn set_rows(&mut self, rows: usize) {
        assert!(rows * STRIDE <= self.data.len(), "more rows than allocated");
        self.rows = rows;
    }

    /// Samples in use.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The data of one sample.
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * STRIDE + MARGIN..(row + 1) * STRIDE]
    }

    /// The rows in use, margins included: `rows * STRIDE` floats.
    pub(crate) fn raw(&self) -> &[f32] {
        &self.data[..self.rows * STRIDE]
    }

    /// The rows in use from the first one's constant on; empty without rows.
    pub(crate) fn since_ones(&self) -> &[f32] {
        self.raw().get(MARGIN - 1..).unwrap_or_default()
    }

    /// The rows in use, margins included: `rows * STRIDE` floats.
    pub(crate) fn raw_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.rows * STRIDE]
    }
}

/// A parameter tensor with its Adam moments and its target copy, in one layout.
#[derive(Debug)]
pub(crate) struct Slab {
    /// Parameters.
    pub(crate) w: Aligned,
    /// First moment.
    pub(crate) m: Aligned,
    /// Second moment.
    pub(crate) v: Aligned,
    /// Target network's parameters.
    pub(crate) target: Aligned,
}

impl Slab {
    /// A slab of zeros.
    pub(crate) fn zeros(len: usize, arena: &mut Arena) -> Self {
        let [w, m, v, target] = std::array::from_fn(|_| arena.zeros(len));
        Self { w, m, v, target }
    }
}
