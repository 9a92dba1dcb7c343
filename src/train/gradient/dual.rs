//! A number with its derivatives with respect to a step's state and action.

use memg_core::equations::Scalar;
use std::ops::{Add, Mul, Neg, Sub};

/// State of charge, battery power, CHP power, three components of the action.
pub const PARTIALS: usize = 6;

/// A value and its partial derivatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual {
    /// The value, in the unit of what it stands for.
    pub v: f64,
    /// Its derivatives with respect to each of the [`PARTIALS`], in their order.
    pub d: [f64; PARTIALS],
}

impl Dual {
    /// A number that depends on none of them.
    pub const fn constant(v: f64) -> Self {
        Self { v, d: [0.0; PARTIALS] }
    }
    /// The variable of that number.
    pub const fn variable(v: f64, index: usize) -> Self {
        let mut d = [0.0; PARTIALS];
        d[index] = 1.0;
        Self { v, d }
    }
    /// The smaller one, with its derivatives.
    pub fn min(self, other: Self) -> Self {
        if other.v < self.v { other } else { self }
    }
    /// The larger one, with its derivatives.
    pub fn max(self, other: Self) -> Self {
        if other.v > self.v { other } else { self }
    }
    /// The absolute value; at zero the derivatives of the positive side.
    pub fn abs(self) -> Self {
        if self.v < 0.0 { -self } else { self }
    }
}

impl Scalar for Dual {
    fn value(self) -> f64 {
        self.v
    }
    fn smaller(self, other: Self) -> Self {
        self.min(other)
    }
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
    fn magnitude(self) -> Self {
        self.abs()
    }
}

impl From<f64> for Dual {
    fn from(v: f64) -> Self {
        Self::constant(v)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.v += other.v;
        for (a, b) in self.d.iter_mut().zip(other.d) {
            *a += b;
        }
        self
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

impl Mul<f64> for Dual {
    type Output = Self;
    fn mul(mut self, factor: f64) -> Self {
        self.v *= factor;
        for a in &mut self.d {
            *a *= factor;
        }
        self
    }
}

impl Add<f64> for Dual {
    type Output = Self;
    fn add(mut self, other: f64) -> Self {
        self.v += other;
        self
    }
}

impl Sub<f64> for Dual {
    type Output = Self;
    fn sub(self, other: f64) -> Self {
        self + -other
    }
}
