//! A policy that can be exchanged while it decides, and that stays as it is if the exchange fails.

use super::{ModelError, PolicySpec, load_policy};
use memg_core::equipment::Plant;
use memg_core::forecast::Forecast;
use memg_core::planner::PlanSummary;
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};

/// The last good policy of a spec.
pub struct ReloadablePolicy {
    spec: PolicySpec,
    plant: Plant,
    current: Box<dyn Policy>,
}

impl std::fmt::Debug for ReloadablePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReloadablePolicy").field("spec", &self.spec).field("current", &self.current.name()).finish()
    }
}

impl ReloadablePolicy {
    /// Loads a policy for a plant for the first time.
    ///
    /// # Errors
    /// There is no policy then; the caller falls back to a rule.
    pub fn load(spec: PolicySpec, plant: Plant) -> Result<Self, ModelError> {
        let current = load_policy(&spec, &plant)?;
        Ok(Self { spec, plant, current })
    }

    /// Loads the spec again, with every check, and exchanges the policy if all is well.
    ///
    /// # Errors
    /// What is wrong on disk; the policy that was there goes on deciding. The caller raises an alarm.
    pub fn reload(&mut self) -> Result<(), ModelError> {
        self.current = load_policy(&self.spec, &self.plant)?;
        Ok(())
    }

    /// What is loaded.
    #[must_use]
    pub const fn spec(&self) -> &PolicySpec {
        &self.spec
    }
}

impl Policy for ReloadablePolicy {
    fn name(&self) -> &str {
        self.current.name()
    }
    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        self.current.act(input)
    }
    fn plan(&self) -> Option<&PlanSummary> {
        self.current.plan()
    }
    fn forecast(&self) -> Option<&Forecast> {
        self.current.forecast()
    }
}
