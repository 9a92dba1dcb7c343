//! Sine, cosine and exponential from sums and products alone, so that a day is equal, bit for bit, on every processor:
//! a platform's own functions differ in their last bit, and a fused multiply-add rounds once where others round twice.

use crate::units::narrow;
use core::f64::consts::{LN_2, LOG2_E, TAU};

/// Coefficients of the sine's Taylor series in x², lowest first: `(-1)^k / (2k+1)!`.
const SINE: [f64; 9] = [
    1.0,
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
];

/// Coefficients of the cosine's Taylor series in x², lowest first: `(-1)^k / (2k)!`.
const COSINE: [f64; 9] = [
    1.0,
    -1.0 / 2.0,
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
];

fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Sine and cosine of an angle in turns (1 = 2 pi), within 4e-16. Not a number in, not a number out.
#[must_use]
pub fn sine_cosine_of_turn(turns: f64) -> (f64, f64) {
    let within = turns - turns.floor();
    // The nearest quarter is taken off exactly; what is left lies within an eighth of a turn.
    let quarter = (4.0 * within + 0.5).floor();
    let angle = (within - 0.25 * quarter) * TAU;
    let square = angle * angle;
    let (sine, cosine) = (angle * horner(&SINE, square), horner(&COSINE, square));
    if quarter == 1.0 {
        (cosine, -sine)
    } else if quarter == 2.0 {
        (-sine, -cosine)
    } else if quarter == 3.0 {
        (-cosine, sine)
    } else {
        (sine, cosine)
    }
}

/// The exponential of `x` in [-700, 700], within 1e-15 of itself; beyond, that of the nearest bound.
#[must_use]
pub fn exponential(x: f64) -> f64 {
    let x = x.clamp(-700.0, 700.0);
    let doublings = (x * LOG2_E).round();
    let rest = x - doublings * LN_2;
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..=16_u8 {
        term *= rest / f64::from(n);
        sum += term;
    }
    let (factor, mut left) = (if doublings < 0.0 { 0.5 } else { 2.0 }, doublings.abs());
    while left >= 1.0 {
        sum *= factor;
        left -= 1.0;
    }
    sum
}

/// The hyperbolic tangent, within one unit of the last place of f32. Not a number in, not a number out.
#[must_use]
pub fn hyperbolic_tangent(x: f32) -> f32 {
    let size = f64::from(x).abs();
    // Below, the cube's share is less than the last place; the formula would lose digits.
    if size < 1e-5 || size.is_nan() {
        return x;
    }
    let shrunk = exponential(-2.0 * size);
    narrow((1.0 - shrunk) / (1.0 + shrunk)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minute_of_a_day_has_the_sine_and_cosine_of_its_angle() {
        for minute in -1440..2880 {
            let turns = f64::from(minute) / 1440.0;
            let (sine, cosine) = sine_cosine_of_turn(turns);
            let angle = TAU * turns;
            assert!((sine - angle.sin()).abs() < 2e-15 && (cosine - angle.cos()).abs() < 2e-15, "{minute}");
        }
        assert_eq!(
            [0.0, 0.25, 0.5, 0.75].map(sine_cosine_of_turn),
            [(0.0, 1.0), (1.0, -0.0), (-0.0, -1.0), (-1.0, 0.0)]
        );
        assert!(sine_cosine_of_turn(f64::NAN).0.is_nan());
    }

    #[test]
    fn the_tangent_is_that_of_the_platform_up_to_the_last_place() {
        for x in [-200.0_f32, -9.0, -1.5, -1e-3, -0.0, 1e-6, 2e-5, 0.3, 0.99, 4.0, 20.0] {
            let (found, expected) = (hyperbolic_tangent(x), f64::from(x).tanh());
            assert!((f64::from(found) - expected).abs() <= 6e-8 * expected.abs(), "{x}: {found} {expected}");
        }
        assert!(hyperbolic_tangent(f32::NAN).is_nan());
    }

    #[test]
    fn the_exponential_is_that_of_the_platform_up_to_its_last_digits() {
        for x in [-30.0, -3.7, -1e-9, 0.0, 1e-3, 0.5, 1.0, 12.25, 100.0] {
            assert!((exponential(x) / f64::exp(x) - 1.0).abs() < 2e-15, "{x}");
        }
        assert_eq!(exponential(0.0), 1.0);
    }
}
