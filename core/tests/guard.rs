//! Where a network decides and where the good rule does, on whole days of changed tariffs.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use memg_core::env::MemgEnv;
use memg_core::equipment::Plant;
use memg_core::guard::{Guarded, HOURS_KNOWN_MIN, TariffRange};
use memg_core::policy::Policy;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::{GoodRule, Idle};
use memg_core::synthetic;
use std::sync::Arc;

const RANGE: TariffRange =
    TariffRange { spread_eur_per_kwh: [0.05, 0.09], spread_change_eur_per_kwh_max: 0.02, swing_eur_per_kwh_min: 0.01 };

/// What two days of a synthetic site cost with their prices changed, EUR.
fn cost(policy: &mut dyn Policy, prices: fn(&mut ProfileRow)) -> f64 {
    let mut rows = synthetic::profile(2, 4).rows().to_vec();
    rows.iter_mut().for_each(prices);
    let profile = Arc::new(Profile::from_rows(rows));
    let mut env = MemgEnv::new(Plant::reference(), profile, RewardWeights::default());
    std::iter::from_fn(|| env.step_policy(policy).unwrap()).map(|step| step.cost.get()).sum()
}

#[test]
fn the_policy_decides_within_its_tariffs_and_the_rule_outside() {
    let guarded = |range| Guarded { policy: Idle, range };
    let own: fn(&mut ProfileRow) = |row| row.export_price = row.import_price - 0.07;
    assert_eq!(cost(&mut guarded(Some(RANGE)), own), cost(&mut Idle, own));
    let others: [fn(&mut ProfileRow); 2] =
        [|row| row.export_price = row.import_price - 0.2, |row| row.export_price = f64::min(row.import_price, -1.0)];
    for other in others {
        assert_eq!(cost(&mut guarded(None), other), cost(&mut Idle, other));
        assert_eq!(cost(&mut guarded(Some(RANGE)), other), cost(&mut GoodRule, other));
    }
}

#[test]
fn an_export_price_that_does_not_follow_is_outside_even_while_the_import_price_passes_by() {
    assert!(RANGE.follows(0.07, None) && RANGE.follows(0.07, Some([0.06, 0.079])));
    for (now, seen) in [(0.07, [0.02, 0.07]), (0.07, [0.07, 0.1]), (0.055, [0.055, 0.08]), (0.1, [0.06, 0.07])] {
        assert!(!RANGE.follows(now, Some(seen)), "{now} {seen:?}");
    }
    assert!(!RANGE.follows(f64::NAN, None) && !RANGE.follows(f64::NAN, Some([0.06, 0.07])));
}

#[test]
fn a_flat_day_ahead_is_outside_and_an_unknown_one_is_not_judged() {
    assert!(RANGE.swings(&[None; 24]));
    assert!(RANGE.swings(&[Some(0.15); HOURS_KNOWN_MIN - 1]));
    assert!(!RANGE.swings(&[Some(0.15); HOURS_KNOWN_MIN]));
    let mut swinging = [Some(0.15); 24];
    swinging[20] = Some(0.161);
    assert!(RANGE.swings(&swinging));
}
