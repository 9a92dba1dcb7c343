//! Policies that need no file, by name: the one table that command line, configuration, FMU and co-simulation read.

use crate::forecast::Persistence;
use crate::planner::{Plan, PlanSettings};
use crate::policy::Policy;
use crate::rules::{GoodRule, Idle, SeedRule};

/// Names for [`by_name`]: the rules, and the planner.
pub const NAMES: [&str; 4] = ["idle", "seed", "rule", "plan"];

/// The policy of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<Box<dyn Policy>> {
    match name {
        "idle" => Some(Box::new(Idle)),
        "seed" => Some(Box::new(SeedRule)),
        "rule" => Some(Box::new(GoodRule)),
        "plan" => Some(Box::new(Plan::new(Persistence, PlanSettings::default()))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_its_policy_and_no_other_is_known() {
        for name in NAMES {
            assert_eq!(by_name(name).map(|policy| policy.name().to_owned()).as_deref(), Some(name));
        }
        assert!(by_name("best").is_none());
    }
}
