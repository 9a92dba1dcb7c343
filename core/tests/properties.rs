//! Properties of the filter and the environment for inputs that nobody would think of.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use memg_core::action::Action;
use memg_core::constraint::{Anchor, Context, Priority, Span, limits, limits_and_hard_battery};
use memg_core::env::MemgEnv;
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::memory::ControlMemory;
use memg_core::profile::Profile;
use memg_core::reward::{RewardWeights, requested_violations};
use memg_core::safety::{Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Doubt, Situation};
use memg_core::synthetic;
use memg_core::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts};
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};

/// Any bit pattern: NaN with any payload, infinities, subnormals, both zeros.
fn bits() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

/// Mostly a plausible number, now and then any bits.
fn mostly(low: f64, high: f64) -> impl Strategy<Value = f64> {
    prop_oneof![15 => low..=high, 1 => bits()]
}

fn situation() -> impl Strategy<Value = Situation> {
    let powers = (mostly(0.0, 60.0), mostly(0.0, 40.0), mostly(5.0, 100.0), mostly(0.0, 150.0));
    let soc = (mostly(0.05, 0.95), mostly(0.0, 0.05), mostly(0.0, 0.05));
    let grid = (mostly(0.9, 1.1), mostly(-50.0, 50.0), mostly(49.3, 50.7));
    let prices = (mostly(-0.1, 0.4), mostly(-0.1, 0.3), mostly(0.0, 24.0));
    (powers, soc, grid, prices).prop_map(|(powers, soc, grid, prices)| Situation {
        pv: Kilowatts::new(powers.0),
        wind: Kilowatts::new(powers.1),
        electric_load: Kilowatts::new(powers.2),
        heat_load: KilowattsThermal::new(powers.3),
        soc: Soc::new(soc.0),
        soc_low: Soc::new(soc.0 - soc.1),
        soc_high: Soc::new(soc.0 + soc.2),
        socs: None,
        source_voltage: PerUnit::new(grid.0),
        reactive: Kilowatts::new(grid.1),
        frequency: Hertz::new(grid.2),
        import_price: EurPerKwh::new(prices.0),
        export_price: EurPerKwh::new(prices.1),
        local_hour: prices.2,
        doubt: Doubt::NONE,
    })
}

fn anchor() -> impl Strategy<Value = Anchor> {
    let watts = |high: i64| prop_oneof![15 => -high..=high, 1 => any::<i64>()];
    let times = || prop_oneof![15 => 0..7_200_000_i64, 1 => any::<i64>()];
    let powers = (watts(50_000), watts(80_000), watts(80_000));
    (powers, any::<bool>(), times(), times()).prop_map(|((battery, chp, now), chp_on, since, hold)| {
        let mut memory = ControlMemory::from_measured(Watts::new(battery), Watts::new(chp), chp_on, since);
        memory.chps[0].now = Watts::new(now);
        memory.anchor(hold)
    })
}

fn request() -> impl Strategy<Value = Setpoints> {
    let grid = prop_oneof![1 => Just(None), 1 => mostly(-100.0, 120.0).prop_map(Some)];
    (mostly(-70.0, 70.0), mostly(-10.0, 100.0), grid).prop_map(|(battery, chp, grid)| Setpoints {
        battery: Kilowatts::new(battery),
        chp: Kilowatts::new(chp),
        grid: grid.map(Kilowatts::new),
    })
}

fn bits_everywhere() -> impl Strategy<Value = (Situation, Setpoints)> {
    (proptest::collection::vec(bits(), 13), proptest::collection::vec(bits(), 3)).prop_map(|(s, r)| {
        let at = |i: usize| s.get(i).copied().unwrap_or(f64::NAN);
        let wish = |i: usize| Kilowatts::new(r.get(i).copied().unwrap_or(f64::NAN));
        let situation = Situation {
            pv: Kilowatts::new(at(0)),
            wind: Kilowatts::new(at(1)),
            electric_load: Kilowatts::new(at(2)),
            heat_load: KilowattsThermal::new(at(3)),
            soc: Soc::new(at(4)),
            soc_low: Soc::new(at(5)),
            soc_high: Soc::new(at(6)),
            socs: None,
            source_voltage: PerUnit::new(at(7)),
            reactive: Kilowatts::new(at(8)),
            frequency: Hertz::new(at(9)),
            import_price: EurPerKwh::new(at(10)),
            export_price: EurPerKwh::new(at(11)),
            local_hour: at(12),
            doubt: Doubt::NONE,
        };
        (situation, Setpoints { battery: wish(0), chp: wish(1), grid: Some(wish(2)) })
    })
}

fn within_ratings(verdict: &Verdict) -> bool {
    let (battery, chp) = (verdict.safe.battery().get(), verdict.safe.chp().get());
    let chp_ok = if verdict.safe.chp_on() { (10_000..=80_000).contains(&chp) } else { chp == 0 };
    (-50_000..=50_000).contains(&battery) && chp_ok && verdict.safe.renewable_limit().is_none_or(|w| w >= Watts::ZERO)
}

/// The decision again, as a request.
fn as_request(verdict: &Verdict) -> Setpoints {
    Setpoints {
        battery: verdict.battery_base.into_iter().sum::<Watts>().kilowatts(),
        chp: verdict.safe.chp().kilowatts(),
        grid: None,
    }
}

fn with_droop() -> Plant {
    let mut p = PlantParameters::reference();
    p.frequency.droop_pu = Some(0.05);
    p.validate().unwrap()
}

fn is_inside(inner: &Span, outer: &Span) -> bool {
    inner.low.value >= outer.low.value && inner.high.value <= outer.high.value && inner.low.value <= inner.high.value
}

static YEAR: LazyLock<Arc<Profile>> = LazyLock::new(|| Arc::new(synthetic::profile(365, 7)));

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn set_points_are_within_ratings_whatever_comes_in(s in situation(), a in anchor(), r in request()) {
        for plant in [Plant::reference(), with_droop()] {
            prop_assert!(within_ratings(&SafetyFilter::new(plant).filter(&s, &a, &r)));
        }
    }

    #[test]
    fn no_bit_pattern_in_any_field_panics((s, r) in bits_everywhere(), a in anchor()) {
        let filter = SafetyFilter::new(with_droop());
        let verdict = filter.filter(&s, &a, &r);
        prop_assert!(within_ratings(&verdict));
        prop_assert!(verdict.interventions.iter().count() <= 9);
        let _ = requested_violations(filter.plant(), &s, &a, &r);
        let mut memory = a.memory;
        memory.record(&filter.filter(&s, &memory.anchor(a.hold_ms), &r));
        memory.elapse(a.hold_ms);
    }

    #[test]
    fn filtering_twice_is_filtering_once(s in situation(), a in anchor(), r in request()) {
        for plant in [Plant::reference(), with_droop()] {
            let filter = SafetyFilter::new(plant);
            let once = filter.filter(&s, &a, &r);
            let twice = filter.filter(&s, &a, &as_request(&once));
            prop_assert_eq!((once.safe, once.battery_base), (twice.safe, twice.battery_base));
            prop_assert_eq!(once.relaxation, twice.relaxation);
        }
    }

    #[test]
    fn what_is_allowed_passes_unchanged_and_unlogged(s in situation(), a in anchor(), r in request()) {
        let filter = SafetyFilter::new(Plant::reference());
        let once = filter.filter(&s, &a, &r);
        if once.relaxation == Relaxation::None && once.safe.renewable_limit().is_none() {
            let wish = as_request(&once);
            let twice = filter.filter(&s, &a, &wish);
            prop_assert_eq!(twice.safe.battery().kilowatts(), wish.battery);
            prop_assert_eq!(twice.safe.chp().kilowatts(), wish.chp);
            prop_assert!(twice.interventions.is_empty());
            let context = Context { plant: filter.plant(), situation: &s, anchor: &a };
            prop_assert!(limits(&context, Priority::BatteryRamp).battery().contains(once.safe.battery()));
        }
    }

    #[test]
    fn rules_only_narrow(s in situation(), a in anchor()) {
        let plant = Plant::reference();
        let context = Context { plant: &plant, situation: &s, anchor: &a };
        let stages = [Priority::Hard, Priority::ChpTimes, Priority::ChpRamp, Priority::BatteryRamp];
        let all = stages.map(|weakest| limits(&context, weakest));
        for (wide, narrow) in all.iter().zip(all.iter().skip(1)) {
            prop_assert!(is_inside(&narrow.battery(), &wide.battery()));
            let (narrow_chp, wide_chp) = (&narrow.chps()[0], &wide.chps()[0]);
            prop_assert!(is_inside(&narrow_chp.power, &wide_chp.power));
            prop_assert!(is_inside(&narrow.grid, &wide.grid));
            prop_assert!(wide_chp.may_run.is_ok() || narrow_chp.may_run.is_err());
            prop_assert!(wide_chp.may_rest.is_ok() || narrow_chp.may_rest.is_err());
        }
        let hard_battery = limits(&context, Priority::Hard).battery();
        prop_assert_eq!(limits_and_hard_battery(&context), (limits(&context, Priority::BatteryRamp), hard_battery));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn energy_balances_in_every_step(seed in any::<u64>(), actions in proptest::collection::vec(any::<[i16; 3]>(), 200)) {
        let mut env = MemgEnv::new(Plant::reference(), Arc::clone(&YEAR), RewardWeights::default());
        env.reset_seeded(seed, 200);
        let (low, high) = env.filter().plant().soc_band();
        for numbers in actions {
            let action = Action(numbers.map(|n| f32::from(n) / 32_767.0));
            let Some(step) = env.step(action) else { break };
            prop_assert!(step.dispatch.electricity_residual().get().abs() < 1e-9);
            prop_assert!(step.dispatch.heat_residual().get().abs() < 1e-9);
            prop_assert!(step.soc_after >= low && step.soc_after <= high);
            prop_assert!(step.dispatch.unserved == Kilowatts::ZERO);
            prop_assert!(step.cost.is_finite() && step.reward.is_finite() && !step.terminated);
        }
    }
}
