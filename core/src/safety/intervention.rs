//! What the filter changed and why, in a list that needs no allocation.

use crate::constraint::Rule;
use crate::units::Watts;
use serde::{Deserialize, Serialize};

/// Which written value was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Battery power.
    Battery,
    /// CHP power.
    Chp,
    /// Power at the connection.
    Grid,
    /// Cap on renewables.
    Renewables,
}

/// The change one rule made to one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervention {
    /// The rule that was binding.
    pub rule: Rule,
    /// What was changed.
    pub quantity: Quantity,
    /// As requested.
    pub before_w: Watts,
    /// As allowed.
    pub after_w: Watts,
    /// Distance from what is allowed to the rule's own limit, W; 0 = exactly at the limit.
    pub margin_w: Watts,
}

/// Three numbers of the request that may be wrong, four quantities that rules may change, droop and price response.
const CAPACITY: usize = 9;

/// The interventions of a decision, in the order in which they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interventions {
    list: [Option<Intervention>; CAPACITY],
}

impl Interventions {
    /// Adds one; beyond the capacity it is dropped (see there why this does not happen).
    pub(super) fn push(&mut self, intervention: Intervention) {
        if let Some(slot) = self.list.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(intervention);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Intervention> {
        self.list.iter().flatten()
    }

    /// Nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}
