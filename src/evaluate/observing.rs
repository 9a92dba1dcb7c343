//! A policy beside which an observation is kept, whatever the policy itself looks at: what a network of that schema would
//! have seen, for traces that somebody learns from.

use memg_core::observation::{Divisors, Schema};
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};

/// Decides as `policy` does; its requests hold the observation of a schema.
pub struct Observing<'a> {
    /// Who decides.
    pub policy: &'a mut dyn Policy,
    /// What is kept.
    pub schema: Schema,
    /// What powers and prices are divided by: those of the site, see [`Divisors::of`].
    pub divisors: Divisors,
}

impl Policy for Observing<'_> {
    fn name(&self) -> &str {
        self.policy.name()
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let observation = input.observe(self.schema, &self.divisors);
        let request = self.policy.act(input)?;
        Ok(Request { observation: Some(observation), ..request })
    }
}
