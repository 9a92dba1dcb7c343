//! Plants of several batteries and CHPs: the filter keeps every unit's limits and those of the sum, judged by rules that
//! are written down here once more, unit by unit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests stop at the first surprise"
)]

use memg_core::equipment::{Battery, Each, Plant, PlantParameters};
use memg_core::measurement::Measurement;
use memg_core::memory::ControlMemory;
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::profile::ProfileRow;
use memg_core::safety::{Relaxation, SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Situation, SocEstimate, Substitutes, judge};
use memg_core::units::{Kilowatts, PerUnit, Soc, Watts};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// A random accepted plant of 0 to 4 batteries and 0 to 4 CHPs.
fn plant(rng: &mut Pcg64Mcg) -> Plant {
    loop {
        let mut p = PlantParameters::reference();
        let (battery, chp) = (*p.battery.get(0).unwrap(), *p.chp.get(0).unwrap());
        let mut batteries = vec![battery; rng.random_range(0..=4)];
        for b in &mut batteries {
            b.capacity_kwh = rng.random_range(5.0..200.0);
            (b.charge_kw_max, b.discharge_kw_max) = (rng.random_range(0.5..80.0), rng.random_range(0.5..80.0));
            b.ramp_kw_per_step = rng.random_range(0.5..60.0);
            (b.soc_min, b.soc_max) = (rng.random_range(0.0..0.4), rng.random_range(0.5..1.0));
        }
        let mut chps = vec![chp; rng.random_range(0..=4)];
        for c in &mut chps {
            c.p_kw_min = rng.random_range(1.0..20.0);
            c.p_kw_max = c.p_kw_min + rng.random_range(0.5..40.0);
            if rng.random_bool(0.2) {
                // One that knows only on and off, at a whole number of watts.
                c.p_kw_min = c.p_kw_min.ceil();
                c.p_kw_max = c.p_kw_min;
            }
            c.ramp_kw_per_step = rng.random_range(0.5..20.0);
            (c.min_up_steps, c.min_down_steps) = (rng.random_range(0..4), rng.random_range(0..4));
        }
        (p.battery, p.chp) = (Each::new(&batteries).unwrap(), Each::new(&chps).unwrap());
        let rated: f64 = chps.iter().map(|chp| chp.p_kw_max).sum();
        p.grid.export_kw_max = (rated - p.exogenous.electric_load_kw_min).max(0.0) + rng.random_range(0.5..40.0);
        (p.grid.voltage_pu_min, p.grid.voltage_pu_max) = (0.5, 1.5);
        if let Ok(plant) = p.validate() {
            return plant;
        }
    }
}

/// A plant on its way through random weather and requests.
struct World {
    plant: Plant,
    filter: SafetyFilter,
    memory: ControlMemory,
    socs: [f64; 4],
}

impl World {
    fn new(rng: &mut Pcg64Mcg) -> Self {
        let plant = plant(rng);
        let mut socs = [0.5; 4];
        for (soc, unit) in socs.iter_mut().zip(plant.batteries().iter()) {
            *soc = rng.random_range(unit.parameters.soc_min..=unit.parameters.soc_max);
        }
        Self { plant, filter: SafetyFilter::new(plant), memory: ControlMemory::at_rest(), socs }
    }

    fn situation(&self, rng: &mut Pcg64Mcg) -> Situation {
        let row = ProfileRow {
            pv_kw: rng.random_range(0.0..60.0),
            wind_kw: rng.random_range(0.0..40.0),
            electric_load_kw: rng.random_range(5.0..=100.0),
            ..ProfileRow::default()
        };
        let socs = self.socs.map(Soc::new);
        let mut situation = row.situation(self.plant.soc_of_all(&socs));
        situation.source_voltage = PerUnit::new(1.0);
        situation.socs = Some(socs.map(SocEstimate::exact));
        situation
    }

    fn step(&mut self, rng: &mut Pcg64Mcg) -> Relaxation {
        let situation = self.situation(rng);
        let kw = |rng: &mut Pcg64Mcg, low: f64, high: f64| Kilowatts::new(rng.random_range(low..high));
        let request = Setpoints { battery: kw(rng, -150.0, 150.0), chp: kw(rng, 0.0, 120.0), grid: None };
        self.memory.begin_step();
        let verdict = self.filter.filter(&situation, &self.memory.anchor(self.plant.step_ms()), &request);
        self.judge(&situation, &verdict);
        self.memory.record(&verdict);
        self.memory.elapse(self.plant.step_ms());
        for ((soc, unit), power) in
            self.socs.iter_mut().zip(self.plant.batteries().iter()).zip(verdict.safe.batteries())
        {
            *soc = unit.soc_after(Soc::new(*soc), power, self.plant.step()).get();
        }
        verdict.relaxation
    }

    fn judge(&self, situation: &Situation, verdict: &Verdict) {
        let (safe, stage) = (&verdict.safe, verdict.relaxation);
        let units = self.plant.batteries().iter().zip(&self.memory.batteries).zip(safe.batteries()).zip(self.socs);
        for (((unit, past), power), soc) in units {
            assert!(power <= unit.charge_max && power >= -unit.discharge_max, "rating {power} {unit:?}");
            let after = unit.soc_after(Soc::new(soc), power, self.plant.step()).get();
            let (low, high) = unit.soc_band();
            assert!(after <= high.get().max(soc) + 1e-12 && after >= low.get().min(soc) - 1e-12, "SoC {soc} {after}");
            let kept = (power - past.anchor).abs() <= unit.ramp;
            assert!(kept || stage >= Relaxation::BatteryRamp, "ramp {power} from {past:?} {stage:?}");
        }
        let units = self.plant.chps().iter().zip(&self.memory.chps).zip(safe.chps());
        for ((unit, past), now) in units {
            let span = if now.on { unit.min..=unit.max } else { Watts::ZERO..=Watts::ZERO };
            assert!(span.contains(&now.power), "rating {now:?} {unit:?}");
            let needed = if past.on { unit.min_up_ms } else { unit.min_down_ms };
            assert!(now.on == past.on || past.in_state_ms >= needed || stage >= Relaxation::ChpTimes, "times {past:?}");
            if now.on && (!past.on || past.anchor == Watts::ZERO) {
                assert_eq!(now.power, unit.min, "a start lands at minimum power");
            } else if now.on {
                assert!(now.power - past.anchor <= unit.ramp, "loading {now:?} from {past:?}");
                assert!(past.anchor - now.power <= unit.ramp || stage >= Relaxation::ChpRamp, "unloading");
            }
        }
        let beyond = |used: usize| (used..4).all(|i| safe.batteries()[i] == Watts::ZERO);
        assert!(beyond(self.plant.batteries().len()), "a battery that is not there");
        assert!(safe.chps().iter().skip(self.plant.chps().len()).all(|chp| !chp.on && chp.power == Watts::ZERO));
        let renewables = situation.renewables().get();
        let produced = safe.renewable_limit().map_or(renewables, |cap| cap.kilowatts().get().min(renewables));
        let exchange = situation.electric_load.get() - produced + (safe.battery() - safe.chp()).kilowatts().get();
        let g = &self.plant.parameters().grid;
        let kept = exchange <= g.import_kw_max + 1e-6 && exchange >= -g.export_kw_max - 1e-6;
        assert!(kept || stage == Relaxation::Shedding, "exchange {exchange} {stage:?}");
    }
}

#[test]
fn every_unit_keeps_its_limits_and_the_sum_keeps_the_connections() {
    let mut rng = Pcg64Mcg::seed_from_u64(9);
    let plants = std::env::var("MEMG_PLANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let mut relaxed = 0;
    for _ in 0..plants {
        let mut world = World::new(&mut rng);
        relaxed += (0..60).filter(|_| world.step(&mut rng) > Relaxation::Curtailment).count();
    }
    assert!(relaxed > 0, "rules have to yield now and then, otherwise this shows little");
}

/// Two batteries measured at these states of charge and ages, everything else at rest.
fn two_batteries(socs: [(f64, u64); 2]) -> (Plant, PlantState) {
    let mut p = PlantParameters::reference();
    let battery = *p.battery.get(0).unwrap();
    p.battery = Each::new(&[battery, Battery { capacity_kwh: 50.0, ..battery }]).unwrap();
    let mut measured: Vec<(Tag, Measurement<f64>)> = [Signal::PvKw, Signal::WindKw, Signal::HeatLoadKw]
        .map(|signal| (signal.into(), Measurement::good(0.0)))
        .to_vec();
    measured.push((Signal::ElectricLoadKw.into(), Measurement::good(20.0)));
    for (number, (soc, age_ms)) in (1..).zip(socs) {
        measured.push((Tag::new(Signal::Soc, number).unwrap(), Measurement { age_ms, ..Measurement::good(soc) }));
    }
    (p.validate().unwrap(), PlantState::from_measured(&measured, 12.0))
}

#[test]
fn each_state_of_charge_is_doubted_by_its_own_age_and_the_mean_is_by_capacity() {
    let (plant, state) = two_batteries([(0.5, 0), (0.2, 36_000)]);
    let situation = judge(&state, &plant, &Substitutes::default()).unwrap().situation;
    let [first, second] = [0, 1].map(|index| situation.soc_of(index));
    assert_eq!((first.low, first.high), (Soc::new(0.5), Soc::new(0.5)));
    // 50 kW for 36 s at 95 % into 50 kWh.
    assert!((second.high.get() - 0.2 - 0.0095).abs() < 1e-9 && second.low.get() < 0.2 - 0.01, "{second:?}");
    assert!((situation.soc.get() - 0.4).abs() < 1e-9, "100 kWh at 0.5 and 50 kWh at 0.2");
    assert!(situation.soc_high.get() > 0.4 && situation.is_within_bounds(&plant));
    let wrong = two_batteries([(0.5, 0), (1.9, 0)]).1;
    let situation = judge(&wrong, &plant, &Substitutes::default()).unwrap().situation;
    assert!(!situation.is_within_bounds(&plant), "the mean of both would be");
}

#[test]
fn one_unknown_state_of_charge_of_two_is_no_situation() {
    let (plant, mut state) = two_batteries([(0.5, 0), (0.2, 0)]);
    state.batteries[1].soc = Measurement::never();
    let lost = judge(&state, &plant, &Substitutes::default()).unwrap_err();
    assert_eq!(lost.to_string(), "soc_2 is not usable: NeverRead");
}
