//! A mode as a number, as histories keep it. The numbers stand in files: they never change, new modes get new ones.

use super::mode::Mode;

impl Mode {
    /// The number that stands for the mode.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Init => 0,
            Self::Shadow => 1,
            Self::Auto => 2,
            Self::Hold => 3,
            Self::Fallback => 4,
            Self::Manual => 5,
            Self::SafeStop => 6,
        }
    }

    /// The mode that a number stands for.
    #[must_use]
    pub fn from_number(number: f64) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| (f64::from(mode.number()) - number).abs() < 0.01)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_comes_back_from_its_number_and_what_lies_between_is_none() {
        for mode in Mode::ALL {
            assert_eq!(Mode::from_number(f64::from(mode.number())), Some(mode));
        }
        assert_eq!((Mode::from_number(1.5), Mode::from_number(f64::NAN)), (None, None));
    }
}
