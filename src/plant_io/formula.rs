//! What a signal is made of: one point, the sum of several with their signs, or a constant.
//!
//! A sum is as good as the worst of its parts and as old as the oldest: what is unknown of one is unknown of all.

use super::image::PointId;
use memg_core::measurement::Measurement;

/// A point and its factor: 1 or -1 times that of its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Where it is measured.
    pub point: PointId,
    /// From the point's unit and sign to those of the signal.
    pub factor: f64,
}

/// How a signal follows from points.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// It is what the site declares, whatever happens.
    Constant(f64),
    /// `sum of factor_i * point_i`.
    Sum(Vec<Term>),
}

impl Formula {
    /// The signal is what a point measures.
    #[must_use]
    pub fn point(point: PointId) -> Self {
        Self::Sum(vec![Term { point, factor: 1.0 }])
    }

    /// The points that it is made of.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        match self {
            Self::Constant(_) => &[],
            Self::Sum(terms) => terms,
        }
    }

    /// The signal from the measurements of its points; one that nobody measures is one of an empty sum.
    #[must_use]
    pub fn of(&self, measured: impl Fn(PointId) -> Measurement<f64>) -> Measurement<f64> {
        match self {
            Self::Constant(value) => Measurement::good(*value),
            Self::Sum(terms) => {
                let scaled = terms.iter().map(|term| match term.factor {
                    1.0 => measured(term.point),
                    factor => measured(term.point).map(|value| factor * value),
                });
                scaled.reduce(|a, b| a.with(b, |a, b| a + b)).unwrap_or_else(Measurement::absent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::measurement::Quality;

    fn sum(list: &[Measurement<f64>], factors: &[f64]) -> Measurement<f64> {
        let terms = factors.iter().enumerate().map(|(n, factor)| Term { point: PointId(n), factor: *factor });
        Formula::Sum(terms.collect()).of(|id| list[id.0])
    }

    #[test]
    fn a_sum_has_the_worst_quality_and_the_oldest_age_of_its_parts() {
        let old = Measurement { age_ms: 700, ..Measurement::good(5.0) };
        let both = sum(&[Measurement::good(2.0), old], &[1.0, -1.0]);
        assert_eq!((both.usable(), both.age_ms), (Some(-3.0), 700));
        for quality in [Quality::Stale, Quality::CommLost, Quality::OutOfRange, Quality::Frozen] {
            let worst = sum(&[Measurement::good(2.0), Measurement { quality, ..old }], &[1.0, 1.0]);
            assert_eq!((worst.usable(), worst.quality), (None, quality));
        }
    }

    #[test]
    fn a_part_that_was_never_read_leaves_the_sum_unknown_and_not_absent() {
        let unknown = sum(&[Measurement::good(2.0), Measurement::never()], &[1.0, 1.0]);
        assert!(unknown.usable().is_none() && unknown.is_lost() && !unknown.is_absent());
    }

    #[test]
    fn one_point_is_passed_on_as_it_is_and_a_constant_is_always_good() {
        let point = Measurement { age_ms: 3, ..Measurement::good(-0.0) };
        assert_eq!(Formula::point(PointId(0)).of(|_| point), point);
        assert_eq!(Formula::Constant(0.21).of(|_| Measurement::never()), Measurement::good(0.21));
    }
}
