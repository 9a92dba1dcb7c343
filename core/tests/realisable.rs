//! That actors ask for what can be.

use memg_core::action::Action;
use memg_core::env::{MemgEnv, Start};
use memg_core::equipment::Plant;
use memg_core::observation::{Observation, Schema};
use memg_core::policy::{Actor, ActorPolicy, PolicyError};
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::sync::Arc;

/// Wishes for anything.
struct Dice(Pcg64Mcg);

impl Actor for Dice {
    fn name(&self) -> &str {
        "dice"
    }
    fn schema(&self) -> Schema {
        Schema::TenD
    }
    fn infer(&mut self, _: &Observation) -> Result<Action, PolicyError> {
        Ok(Action([(); 3].map(|()| self.0.random_range(-1.0..=1.0))))
    }
}

#[test]
fn an_actor_asks_for_what_can_be_and_gets_what_its_wish_would_have_got() {
    let plant = Plant::reference();
    let profile = Arc::new(synthetic::profile(10, 3));
    let start = Start::block(0..profile.rows().len());
    let env = || {
        let mut env = MemgEnv::new(plant, Arc::clone(&profile), RewardWeights::default());
        env.reset(start.clone());
        env
    };
    let (mut asking, mut wishing) = (env(), env());
    let mut policy = ActorPolicy(Dice(Pcg64Mcg::seed_from_u64(1)));
    while let Ok(Some(asked)) = asking.step_policy(&mut policy) {
        let wished = wishing.step(asked.request.action.expect("an action")).expect("a step");
        assert_eq!(asked.verdict.safe, wished.verdict.safe, "{:?}", asked.row.time);
        let (request, row) = (asked.request.setpoints, asked.row);
        let given = &asked.verdict.safe;
        assert_eq!(request.battery, given.battery().kilowatts(), "{:?}", row.time);
        assert_eq!(request.chp, given.chp().kilowatts(), "{:?}", row.time);
        let balance = row.electric_load_kw - row.pv_kw - row.wind_kw + (request.battery - request.chp).get();
        assert!(request.grid.is_some_and(|grid| (grid.get() - balance).abs() < 1e-9), "{:?}", row.time);
        assert_eq!(asked.violations_requested, 0, "{:?}", row.time);
    }
    assert!(asking.is_over() && wishing.is_over());
}
