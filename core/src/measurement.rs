//! A value from the plant with its quality and age.
//!
//! Responsible for saying how far a number can be trusted. It does not know where the number came from, nor what time
//! it is: ages are computed by whoever owns a clock and passed in.

use serde::{Deserialize, Serialize};

/// How far a measurement can be trusted. Missing data is not one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Read in time, finite, within its declared range.
    Good,
    /// Nobody has to measure this here (the point is not configured); a neutral value stands in.
    NotRequired,
    /// Stands for a value that could not be read (forecast, default, neighbour).
    Substituted,
    /// Read once, but longer ago than its maximum age.
    Stale,
    /// Read in time, but the same number for longer than its source ever rests.
    Frozen,
    /// Read, but outside the declared range, not a number, or a sentinel for "not implemented".
    OutOfRange,
    /// The device or broker does not answer; the value is the last one before.
    CommLost,
    /// Never read since the start.
    NeverRead,
}

impl Quality {
    /// Whether control may rely on the value.
    #[must_use]
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Good | Self::NotRequired | Self::Substituted)
    }
}

/// A value from the plant, its quality, and its age in milliseconds at the instant when the cycle froze it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measurement<T> {
    /// The last value, whatever its quality; `None` if there never was one.
    pub value: Option<T>,
    /// How far it can be trusted.
    pub quality: Quality,
    /// Age, ms.
    pub age_ms: u64,
}

impl<T: Copy> Measurement<T> {
    /// A good value of age zero.
    #[must_use]
    pub const fn good(value: T) -> Self {
        Self { value: Some(value), quality: Quality::Good, age_ms: 0 }
    }
    /// Never read.
    #[must_use]
    pub const fn never() -> Self {
        Self { value: None, quality: Quality::NeverRead, age_ms: 0 }
    }
    /// Nobody measures this here: the site configures no such point. Whoever needs a value says what stands in for it.
    #[must_use]
    pub const fn absent() -> Self {
        Self { value: None, quality: Quality::NotRequired, age_ms: 0 }
    }
    /// The site configures no such point; a point that is configured and silent is another thing.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.quality, Quality::NotRequired) && self.value.is_none()
    }
    /// The value if control may rely on it.
    #[must_use]
    pub fn usable(&self) -> Option<T> {
        if self.quality.is_usable() { self.value } else { None }
    }
    /// The point is configured, and control may not rely on it: stale, lost, out of range, never read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.is_absent() && self.usable().is_none()
    }
    /// What is wrong with it, if the point is configured and control may not rely on it.
    #[must_use]
    pub fn lost(&self) -> Option<Quality> {
        self.is_lost().then_some(self.quality)
    }
    /// Both as one: as old as the older, and as good as the worse. Without both values there is none.
    #[must_use]
    pub fn with(self, other: Self, join: impl FnOnce(T, T) -> T) -> Self {
        let own = !self.quality.is_usable() || other.quality == Quality::Good;
        Self {
            value: self.value.zip(other.value).map(|(a, b)| join(a, b)),
            quality: if own { self.quality } else { other.quality },
            age_ms: self.age_ms.max(other.age_ms),
        }
    }
    /// The same measurement with a transformed value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Measurement<U> {
        Measurement { value: self.value.map(f), quality: self.quality, age_ms: self.age_ms }
    }
}

impl Measurement<f64> {
    /// What is not a number is out of range, whoever says good.
    #[must_use]
    pub fn finite(self) -> Self {
        match self.value {
            Some(value) if !value.is_finite() => Self { value: None, quality: Quality::OutOfRange, ..self },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_number_is_never_usable_whoever_says_good() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = Measurement::good(value).finite();
            assert_eq!((found.usable(), found.quality), (None, Quality::OutOfRange));
        }
        assert_eq!(Measurement::good(1.5).finite().usable(), Some(1.5));
    }

    #[test]
    fn a_point_that_is_not_configured_is_not_lost() {
        assert!(!Measurement::<f64>::absent().is_lost() && Measurement::<f64>::never().is_lost());
        let stale = Measurement { quality: Quality::Stale, ..Measurement::good(1.0) };
        assert!(stale.is_lost() && !Measurement::good(1.0).is_lost());
    }
}
