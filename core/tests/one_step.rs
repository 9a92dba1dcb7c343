//! The environment and a controller beside it decide the same, step by step.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use memg_core::decide;
use memg_core::env::MemgEnv;
use memg_core::equipment::Plant;
use memg_core::memory::ControlMemory;
use memg_core::reward::RewardWeights;
use memg_core::rules::{self, NAMES};
use memg_core::synthetic;
use std::sync::Arc;

#[test]
fn rules_decide_the_same_inside_and_outside_the_environment() {
    for name in NAMES {
        let mut env = MemgEnv::new(Plant::reference(), Arc::new(synthetic::profile(3, 7)), RewardWeights::default());
        let (mut inside, mut outside) = (rules::by_name(name).unwrap(), rules::by_name(name).unwrap());
        let mut memory = ControlMemory::at_rest();
        loop {
            let (situation, outlook, filter) = (env.situation(), env.outlook(), *env.filter());
            let Some(step) = env.step_policy(inside.as_mut()).unwrap() else { break };
            let decision = decide::step(&filter, &situation, &mut memory, &outlook, outside.as_mut()).unwrap();
            memory.elapse(filter.plant().step_ms());
            assert_eq!((decision.request, decision.verdict), (step.request, step.verdict), "{name} {}", step.row.time);
        }
    }
}
