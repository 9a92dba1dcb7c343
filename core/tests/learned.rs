//! A plant of which records say other efficiencies than its site file: limits hold whichever of the two is right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop at the first surprise")]

use memg_core::action::Action;
use memg_core::env::MemgEnv;
use memg_core::equipment::{Identified, Learned, LearnedBattery, Plant, PlantParameters};
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::sync::Arc;

const DAYS: u32 = 20;

fn learned(store: f64, dispatch: f64) -> Learned {
    let found = |value: f64| Some(Identified { value, low: value - 0.005, high: value + 0.005 });
    let mut learned = Learned::default();
    let [first, ..] = &mut learned.battery;
    *first = LearnedBattery { efficiency_store: found(store), efficiency_dispatch: found(dispatch) };
    learned
}

/// The reference plant with other efficiencies.
fn plant(store: f64, dispatch: f64) -> Plant {
    let mut p = PlantParameters::reference();
    p.battery.edit(|battery| (battery.efficiency_store, battery.efficiency_dispatch) = (store, dispatch));
    p.validate().unwrap()
}

/// How far the state of charge leaves its band while a battery is asked for all it can, one way and the other.
fn furthest_outside(believed: Plant, truth: Plant) -> f64 {
    let mut env = MemgEnv::new(believed, Arc::new(synthetic::profile(DAYS, 5)), RewardWeights::default()).truly(truth);
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let (mut way, mut furthest) = (1.0, 0.0_f64);
    while let Some(step) = {
        if rng.random_bool(0.07) {
            way = -way;
        }
        env.step(Action([way, rng.random_range(-1.0..1.0), 0.0]))
    } {
        let soc = step.soc_after.get();
        furthest = furthest.max(0.1 - soc).max(soc - 0.9);
    }
    furthest
}

#[test]
fn the_band_is_kept_whether_the_site_file_or_the_records_are_right() {
    let stated = Plant::reference();
    // what records say, and within their interval what may be true
    for (store, dispatch) in [(0.88, 0.88), (0.99, 0.99), (0.9, 0.98), (0.98, 0.9)] {
        let believed = stated.believing(&learned(store, dispatch)).unwrap();
        for (name, truth) in [
            ("as stated", stated),
            ("as found", plant(store, dispatch)),
            ("at the upper ends", plant(store + 0.004, dispatch + 0.004)),
            ("at the lower ends", plant(store - 0.004, dispatch - 0.004)),
        ] {
            let outside = furthest_outside(believed, truth);
            assert!(outside <= 1e-9, "{store}, {dispatch}, {name}: {outside} outside");
        }
    }
}

#[test]
fn a_site_file_that_is_off_lets_the_band_be_left_so_the_test_above_can_fail() {
    assert!(furthest_outside(Plant::reference(), plant(0.88, 0.88)) > 1e-3);
}
