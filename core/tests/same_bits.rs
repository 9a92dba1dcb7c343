//! The same days have the same bits on every processor: a journal that was written on one replays on another.
//!
//! The figures below are a processor's only in so far as it rounds sums and products to the nearest, as IEEE 754 says.
//! `integration-tests/arm64` runs this test for another processor.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests stop at the first surprise"
)]

use memg_core::actor::RustActor;
use memg_core::env::{EnvStep, MemgEnv};
use memg_core::equipment::{Each, Plant, PlantParameters};
use memg_core::forecast::{Coefficients, Ridge};
use memg_core::observation::Schema;
use memg_core::policy::{ActorPolicy, ForeseeingPolicy, Policy};
use memg_core::reward::RewardWeights;
use memg_core::{builtin, synthetic};
use std::sync::Arc;

/// FNV-1a over the bits of numbers.
struct Bits(u64);

impl Bits {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
    fn add(&mut self, value: f64) {
        for byte in value.to_bits().to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    fn add_step(&mut self, step: &EnvStep) {
        let safe = &step.verdict.safe;
        safe.batteries().iter().for_each(|power| self.add(power.kilowatts().get()));
        safe.chps().iter().for_each(|chp| self.add(chp.power.kilowatts().get()));
        let (d, grid) = (&step.dispatch, &step.dispatch.grid);
        let flows = [grid.import().get(), grid.export().get(), d.voltage.get()];
        let values = [step.cost.get(), step.soc_after.get(), step.reward];
        flows.into_iter().chain(values).for_each(|x| self.add(x));
        step.request.action.iter().flat_map(|action| action.0).for_each(|x| self.add(f64::from(x)));
        step.request.observation.iter().flat_map(|o| o.values().to_vec()).for_each(|x| self.add(f64::from(x)));
    }
}

fn actor(folder: &str, schema: Schema) -> Box<dyn Policy> {
    let path = format!("{}/../models/{folder}/actor.safetensors", env!("CARGO_MANIFEST_DIR"));
    Box::new(ActorPolicy(RustActor::from_safetensors(folder, schema, &std::fs::read(path).unwrap()).unwrap()))
}

/// The actor that sees forecasts, with the forecaster of its folder.
fn foreseeing() -> Box<dyn Policy> {
    let read = |file: &str| {
        let path = format!("{}/../models/actor-forecast/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let network = RustActor::from_safetensors("forecast", Schema::Forecast, &read("actor.safetensors")).unwrap();
    let coefficients = Coefficients::from_safetensors(&read("forecast.safetensors")).unwrap();
    Box::new(ForeseeingPolicy::new(network, Ridge::new(coefficients, 900_000)))
}

/// Two batteries and two CHPs, none like the other.
fn of_several_units() -> Plant {
    let mut p = PlantParameters::reference();
    let (battery, chp) = (*p.battery.get(0).unwrap(), *p.chp.get(0).unwrap());
    let (mut small, mut quick) = (battery, chp);
    (small.capacity_kwh, small.charge_kw_max, small.efficiency_store) = (37.0, 11.3, 0.91);
    (quick.p_kw_min, quick.p_kw_max, quick.ramp_kw_per_step) = (7.7, 21.1, 9.9);
    (p.battery, p.chp) = (Each::new(&[battery, small]).unwrap(), Each::new(&[chp, quick]).unwrap());
    p.grid.export_kw_max = 120.0;
    p.grid.voltage_pu_max = 1.2;
    p.validate().unwrap()
}

/// The bits of ten days.
fn lived(plant: Plant, mut policy: Box<dyn Policy>) -> u64 {
    let mut env = MemgEnv::new(plant, Arc::new(synthetic::profile(10, 7)), RewardWeights::default());
    let mut bits = Bits::new();
    while let Some(step) = env.step_policy(policy.as_mut()).unwrap() {
        bits.add_step(&step);
    }
    bits.0
}

#[test]
fn ten_days_have_the_same_bits_on_every_processor() {
    let rule = |name: &str| builtin::by_name(name).unwrap();
    let found = [
        ("seed", lived(Plant::reference(), rule("seed"))),
        ("rule", lived(Plant::reference(), rule("rule"))),
        ("plan", lived(Plant::reference(), rule("plan"))),
        ("ten numbers", lived(Plant::reference(), actor("actor-10d", Schema::TenD))),
        ("extended", lived(Plant::reference(), actor("actor-extended", Schema::Extended))),
        ("forecast", lived(Plant::reference(), foreseeing())),
        ("several units", lived(of_several_units(), rule("rule"))),
    ];
    let expected: [(&str, u64); 7] = [
        ("seed", 0x57b3_7676_80cb_1ca9),
        ("rule", 0xd46b_7cd1_149f_30fe),
        ("plan", 0xa70a_fd6c_88ef_f2b5),
        ("ten numbers", 0xebf7_3402_8bad_416d),
        ("extended", 0x6b90_e64d_43ae_64ca),
        ("forecast", 0xadb1_ae92_8572_12ef),
        ("several units", 0x3ee1_8e14_3519_750f),
    ];
    assert_eq!(found, expected);
}
