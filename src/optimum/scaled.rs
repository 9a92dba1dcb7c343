//! A linear program in the form that the interior-point method works on: every variable from zero to one, every factor at
//! most one, inequalities with a slack, rows in the order of their last variable so that normal equations have a band.

use super::interior::{Answer, Row, RowKind};
use super::skyline::Skyline;

/// A variable with less room is a number.
const ROOM_MIN: f64 = 1e-9;

/// The scaled program.
#[derive(Debug)]
pub struct Scaled {
    /// First the boxed variables, then the slacks.
    pub columns: Columns,
    pub cost: Vec<f64>,
    /// Of each row that is kept.
    pub right: Vec<f64>,
    pub boxed: usize,
    /// Cost with every variable at its lower bound.
    pub constant: f64,
    boxes: Vec<[f64; 2]>,
    /// The variable of each boxed column.
    variables: Vec<usize>,
    kept: Vec<Kept>,
    row_count: usize,
}

/// A row that is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    row: usize,
    kind: RowKind,
    scale: f64,
}

/// A sparse matrix by columns.
#[derive(Debug, Default)]
pub struct Columns {
    begins: Vec<usize>,
    /// Row and factor; rows ascend within a column.
    terms: Vec<(usize, f64)>,
    rows: usize,
}

impl Scaled {
    /// Nothing if a box has no ends.
    pub fn new(cost: &[f64], boxes: &[[f64; 2]], rows: &[Row]) -> Option<Self> {
        if !boxes.iter().flatten().all(|end| end.is_finite()) {
            return None;
        }
        let variables: Vec<usize> = (0..cost.len()).filter(|x| room(boxes[*x]) > ROOM_MIN).collect();
        let kept = kept(rows, boxes);
        let right = kept.iter().map(|k| k.scale * right_above_low(&rows[k.row], boxes)).collect();
        let columns = columns(&kept, rows, &variables, boxes);
        let mut scaled_cost: Vec<f64> = variables.iter().map(|x| cost[*x] * room(boxes[*x])).collect();
        scaled_cost.resize(columns.len(), 0.0);
        Some(Self {
            columns,
            cost: scaled_cost,
            right,
            boxed: variables.len(),
            constant: cost.iter().zip(boxes).map(|(cost, [low, _])| cost * low).sum(),
            boxes: boxes.to_vec(),
            variables,
            kept,
            row_count: rows.len(),
        })
    }

    /// `c - A' y`.
    pub fn reduced_costs(&self, y: &[f64]) -> Vec<f64> {
        self.cost.iter().zip(self.columns.transposed_times(y)).map(|(cost, pushed)| cost - pushed).collect()
    }

    /// The value that multipliers prove: `right y + Σ min(0, reduced cost)`, after those of the wrong sign became zero.
    pub fn proven(&self, y: &[f64]) -> f64 {
        let y: Vec<f64> = self.kept.iter().zip(y).map(|(kept, y)| kept.signed(*y)).collect();
        let rows: f64 = self.right.iter().zip(&y).map(|(right, y)| right * y).sum();
        self.constant + rows + self.reduced_costs(&y).iter().take(self.boxed).map(|cost| cost.min(0.0)).sum::<f64>()
    }

    /// What inequalities leave over when every variable is in its middle.
    pub fn slacks_at_the_middle(&self) -> Vec<f64> {
        let mut values = vec![0.5; self.boxed];
        values.resize(self.columns.len(), 0.0);
        let served = self.columns.times(&values);
        let left = self.kept.iter().zip(&self.right).zip(served);
        left.filter(|((kept, _), _)| kept.kind == RowKind::AtMost).map(|((_, right), served)| right - served).collect()
    }

    /// Back in the units of the program.
    pub fn answer(&self, values: &[f64], y: &[f64]) -> Answer {
        let mut x: Vec<f64> = self.boxes.iter().map(|[low, _]| *low).collect();
        for (variable, value) in self.variables.iter().zip(values) {
            x[*variable] += room(self.boxes[*variable]) * value;
        }
        let mut z = vec![0.0; self.row_count];
        self.kept.iter().zip(y).for_each(|(kept, y)| z[kept.row] = -kept.scale * kept.signed(*y));
        Answer { x, z }
    }
}

impl Kept {
    /// The multiplier, or zero where it has the wrong sign.
    fn signed(self, y: f64) -> f64 {
        match self.kind {
            RowKind::Equal => y,
            RowKind::AtMost => y.min(0.0),
        }
    }
}

fn room([low, high]: [f64; 2]) -> f64 {
    high - low
}

/// Rows in the order of their last variable. Inequalities of one variable are its box.
fn kept(rows: &[Row], boxes: &[[f64; 2]]) -> Vec<Kept> {
    let is_box = |row: &Row| row.kind == RowKind::AtMost && row.terms.len() == 1;
    let scale = |row: &Row| {
        let largest = row.terms.iter().map(|(x, factor)| (factor * room(boxes[*x])).abs()).fold(0.0, f64::max);
        if largest > 0.0 { 1.0 / largest } else { 1.0 }
    };
    let mut kept: Vec<Kept> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| !is_box(row))
        .map(|(index, row)| Kept { row: index, kind: row.kind, scale: scale(row) })
        .collect();
    let last = |kept: &Kept| rows[kept.row].terms.iter().map(|(x, _)| *x).max();
    kept.sort_by_key(|kept| (last(kept), kept.row));
    kept
}

/// A row's right side when variables count from their lower bounds.
fn right_above_low(row: &Row, boxes: &[[f64; 2]]) -> f64 {
    row.right - row.terms.iter().map(|(x, factor)| factor * boxes[*x][0]).sum::<f64>()
}

fn columns(kept: &[Kept], rows: &[Row], variables: &[usize], boxes: &[[f64; 2]]) -> Columns {
    let mut of: Vec<Vec<(usize, f64)>> = vec![Vec::new(); boxes.len()];
    for (place, kept) in kept.iter().enumerate() {
        for (x, factor) in &rows[kept.row].terms {
            of[*x].push((place, factor * room(boxes[*x]) * kept.scale));
        }
    }
    let mut columns = Columns { begins: vec![0], terms: Vec::new(), rows: kept.len() };
    variables.iter().for_each(|x| columns.push(&of[*x]));
    let slacks = kept.iter().enumerate().filter(|(_, kept)| kept.kind == RowKind::AtMost);
    slacks.for_each(|(place, _)| columns.push(&[(place, 1.0)]));
    columns
}

impl Columns {
    fn push(&mut self, terms: &[(usize, f64)]) {
        self.terms.extend_from_slice(terms);
        self.begins.push(self.terms.len());
    }

    fn len(&self) -> usize {
        self.begins.len() - 1
    }

    fn iter(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        self.begins.windows(2).map(|ends| &self.terms[ends[0]..ends[1]])
    }

    /// `A x`.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.rows];
        for (column, x) in self.iter().zip(x) {
            column.iter().for_each(|(row, factor)| sums[*row] += factor * x);
        }
        sums
    }

    /// `A' y`.
    pub fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        self.iter().map(|column| column.iter().map(|(row, factor)| factor * y[*row]).sum()).collect()
    }

    /// For each row the first row that shares a column with it.
    pub fn first_rows(&self) -> Vec<usize> {
        let mut first: Vec<usize> = (0..self.rows).collect();
        for column in self.iter() {
            let Some((least, _)) = column.first() else { continue };
            column.iter().for_each(|(row, _)| first[*row] = first[*row].min(*least));
        }
        first
    }

    /// `A W A'` for the weights `W`.
    pub fn weighted_squares(&self, weights: &[f64], into: &mut Skyline) {
        into.clear();
        for (column, weight) in self.iter().zip(weights) {
            for (i, (row, factor)) in column.iter().enumerate() {
                let weighted = weight * factor;
                column[..=i].iter().for_each(|(other, factor)| into.add(*row, *other, weighted * factor));
            }
        }
    }
}
