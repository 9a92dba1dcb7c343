//! What is wrong in a cycle, how bad it is, and which of several faults counts.

use serde::{Deserialize, Serialize};

/// How bad the worst fault of a cycle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing wrong.
    None,
    /// The policy or what only it needs failed (model, heat, prices); what safety needs is fine.
    Policy,
    /// A measurement is lost, a device is in local mode or does not follow, the journal cannot be written.
    Soft,
    /// A device reports a fault: stop, and wait for an operator.
    Hard,
}

/// The worst fault of a cycle, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// How bad.
    pub severity: Severity,
    /// What, for journal and alarm.
    pub cause: String,
    /// A safe stop that comes of it waits for an operator. Missing measurements do not: they come back by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub latches: bool,
    /// Stable name of the cause, as in the list of alarms: `battery.follow`; empty where it has none. No decision depends on it,
    /// and the journal has the words.
    #[serde(skip)]
    pub id: String,
}

impl Fault {
    /// No fault.
    #[must_use]
    pub const fn none() -> Self {
        Self { severity: Severity::None, cause: String::new(), latches: false, id: String::new() }
    }

    fn new(severity: Severity, cause: impl Into<String>, latches: bool) -> Self {
        Self { severity, cause: cause.into(), latches, id: String::new() }
    }

    /// The same, with the stable name of its cause.
    #[must_use]
    pub fn named(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// The policy failed, or what only it needs.
    #[must_use]
    pub fn policy(cause: impl Into<String>) -> Self {
        Self::new(Severity::Policy, cause, false)
    }

    /// Hold until it is gone; by itself.
    #[must_use]
    pub fn soft(cause: impl Into<String>) -> Self {
        Self::new(Severity::Soft, cause, false)
    }

    /// Hold; if it lasts, a safe stop that an operator has to acknowledge.
    #[must_use]
    pub fn unfollowed(cause: impl Into<String>) -> Self {
        Self::new(Severity::Soft, cause, true)
    }

    /// Stop at once and wait for an operator.
    #[must_use]
    pub fn hard(cause: impl Into<String>) -> Self {
        Self::new(Severity::Hard, cause, true)
    }

    /// The worse of two; on a tie the one that latches, then the first.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if (other.severity, other.latches) > (self.severity, self.latches) { other } else { self }
    }

    /// The worst of some.
    #[must_use]
    pub fn worst(faults: impl IntoIterator<Item = Self>) -> Self {
        faults.into_iter().fold(Self::none(), Self::worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_fault_never_makes_it_milder() {
        let all = || [Fault::none(), Fault::policy("p"), Fault::soft("s"), Fault::unfollowed("u"), Fault::hard("h")];
        for (a, b) in all().into_iter().flat_map(|a| all().map(|b| (a.clone(), b))) {
            let worst = Fault::worst([a.clone(), b.clone()]);
            assert!(worst.severity >= a.severity && worst.severity >= b.severity, "{a:?} {b:?}");
            assert_eq!(worst.severity, Fault::worst([b, a]).severity);
        }
    }
}
