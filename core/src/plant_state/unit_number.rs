//! Which of several units of a kind, and how its number stands in a name.

/// Number of a unit among those of its kind, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitNumber(u16);

impl UnitNumber {
    /// The first unit, or the only one.
    pub const FIRST: Self = Self(1);

    /// `None` if there cannot be one of that number among `max`.
    #[must_use]
    pub fn new(number: u16, max: u16) -> Option<Self> {
        (1..=max).contains(&number).then_some(Self(number))
    }

    /// From 1.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Place of the unit in lists, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0.saturating_sub(1))
    }

    /// The name at this unit of what the first has as `part` followed by `rest`: the first has no number (`battery_kw`), the
    /// others' stands behind the part (`battery_2_kw`).
    #[must_use]
    pub fn name(self, part: &str, rest: &str) -> String {
        match self {
            Self::FIRST => format!("{part}{rest}"),
            Self(number) => format!("{part}_{number}{rest}"),
        }
    }
}
