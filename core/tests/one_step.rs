//! The environment and a controller beside it decide and remember the same, step by step.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use memg_core::decide;
use memg_core::env::MemgEnv;
use memg_core::equipment::Plant;
use memg_core::history::History;
use memg_core::memory::ControlMemory;
use memg_core::profile::ProfileRow;
use memg_core::reward::RewardWeights;
use memg_core::rules::{self, NAMES};
use memg_core::synthetic;
use memg_core::units::Soc;
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

#[test]
fn what_control_remembers_of_a_day_is_what_the_environment_knows_of_it() {
    let profile = synthetic::profile(3, 7);
    let rows = profile.rows();
    let mut history = History::default();
    for (index, row) in rows.iter().enumerate() {
        let expected = profile.outlook(&(0..rows.len()), index, 4);
        assert_eq!(history.outlook(&expected.import_price, 4), expected, "{}", row.time);
        assert_eq!(expected.spread_seen.is_some(), index >= 4);
        history.observe(&row.situation(Soc::new(0.5)), true);
        history.close_step(96);
    }
}

#[test]
fn steps_without_a_price_are_no_part_of_the_spread_that_was_seen() {
    let mut history = History::default();
    for (import, export) in [(0.2, 0.13), (0.0, 0.0), (0.3, 0.21)] {
        let row = ProfileRow { import_price: import, export_price: export, ..ProfileRow::default() };
        (0..4).for_each(|_| {
            history.observe(&row.situation(Soc::new(0.5)), import != 0.0);
            history.close_step(96);
        });
    }
    let seen = history.outlook(&[], 4).spread_seen.unwrap();
    assert!((seen[0] - 0.07).abs() < 1e-12 && (seen[1] - 0.09).abs() < 1e-12, "{seen:?}");
}
