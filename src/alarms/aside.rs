//! An alarm that may stand and calls nobody: shelved by an operator, or out of service by an engineer. When it ends is the list's matter.

use crate::list::State;

/// Why an alarm that may stand calls nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// By an operator, for a shift at most.
    Shelved,
    /// By an engineer, for as long as work lasts.
    OutOfService,
}

impl Aside {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Shelved => State::Shelved,
            Self::OutOfService => State::OutOfService,
        }
    }
}
