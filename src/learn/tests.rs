//! Journals of a plant that is not what its site file says: control's own cycle at the virtual plant's physics, meters that show
//! tenths, spikes, a gap, a restart.

use super::folder::{self, LearnedFile};
use super::*;
use memg_control::cycle::{Chain, ControlConfig, ControlState, CycleInput};
use memg_control::journal::{Header, Journal};
use memg_control::mode::ModeTimes;
use memg_control::recorder::{Recorder, cycle};
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::policy::{Policy, PolicyError, PolicyInput, Request};
use memg_core::rules::GoodRule;
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::{SafeSetpoints, Setpoints};
use memg_core::synthetic;
use memg_core::units::Kilowatts;
use memg_virtual_plant::chp::ChpOrder;
use memg_virtual_plant::noise::Noise;
use memg_virtual_plant::physics::{Commands, Dynamics, Physics};
use memg_virtual_plant::source::{AtEnd, Interpolation, ProfileSource, Reading};
use std::path::Path;
use std::sync::Arc;

/// Length of a cycle.
const CYCLE_MS: i64 = 60_000;
const CYCLES_PER_DAY: i64 = 1440;

/// A recording.
#[derive(Debug, Clone, Copy)]
struct Recording {
    days: i64,
    /// Heat and gas are metered.
    metered: bool,
    /// Meters show tenths of a kW and of a per cent, and spikes now and then.
    coarse: bool,
    /// Nothing is recorded for three hours, and later the gateway is started anew.
    interrupted: bool,
    /// Cycles that devices take to do as they are told.
    delay: usize,
}

const GOOD: Recording = Recording { days: 4, metered: true, coarse: true, interrupted: true, delay: 0 };

/// What the plant really is.
fn truth() -> Plant {
    let mut p = PlantParameters::reference();
    p.battery.edit(|battery| (battery.efficiency_store, battery.efficiency_dispatch) = (0.88, 0.9));
    p.chp.edit(|chp| (chp.efficiency_electric, chp.heat_per_power) = (0.29, 1.35));
    p.boiler.efficiency = 0.85;
    p.validate().unwrap()
}

fn physics(days: i64) -> Physics {
    let reading = Reading {
        start_row: 0,
        interpolation: Interpolation::Hold,
        at_end: AtEnd::Wrap,
        fluctuation: 0.0,
        noise: Noise::new(0),
    };
    let profile = Arc::new(synthetic::profile(u32::try_from(days).unwrap() + 1, 3));
    Physics::new(truth(), ProfileSource::new(truth(), profile, reading), Dynamics::default(), 0.5)
}

fn config(plant: Plant) -> ControlConfig {
    ControlConfig {
        filter: SafetyFilter::new(plant),
        times: ModeTimes::default(),
        simulated: true,
        cycle_ms: CYCLE_MS,
        stand_in_ms: u64::MAX,
        response_ms: u64::MAX,
        chp_response_ms: i64::MAX,
        substitutes: Default::default(),
        grid_limit: Default::default(),
    }
}

/// What meters show.
fn shown(value: f64, resolution: f64, coarse: bool) -> Measurement<f64> {
    Measurement::good(if coarse { (value / resolution).round() * resolution } else { value })
}

fn measured(plant: &Physics, number: i64, of: Recording) -> Vec<(Tag, Measurement<f64>)> {
    let (f, battery, chp) = (plant.flows(), plant.batteries()[0], plant.chp());
    let row = plant.source().at(plant.time_ms());
    let kw = |signal: Signal, value: f64| (Tag::first(signal), shown(value, 0.1, of.coarse));
    // Every few hours a meter shows nonsense for a cycle.
    let spike = if of.coarse && number % 371 == 370 { -0.2 } else { 0.0 };
    let mut all = vec![
        kw(Signal::PvKw, f.pv_kw),
        kw(Signal::WindKw, f.wind_kw),
        kw(Signal::ElectricLoadKw, f.electric_load_kw),
        kw(Signal::HeatLoadKw, f.heat_load_kw),
        (Tag::first(Signal::Soc), shown((battery.soc + spike).clamp(0.0, 1.0), 0.001, of.coarse)),
        kw(Signal::BatteryKw, battery.power_kw),
        kw(Signal::ChpKw, chp.power_kw),
        (Tag::first(Signal::ChpOn), Measurement::good(f64::from(u8::from(chp.is_on())))),
        kw(Signal::GridKw, f.grid_kw),
        (Tag::first(Signal::ImportPriceEurPerKwh), Measurement::good(row.import_price)),
        (Tag::first(Signal::ExportPriceEurPerKwh), Measurement::good(row.export_price)),
    ];
    if of.metered {
        all.extend([
            kw(Signal::GasKw, f.gas_kw),
            kw(Signal::ChpHeatKw, f.chp_heat_kw),
            kw(Signal::BoilerHeatKw, f.boiler_kw),
        ]);
    }
    all
}

fn commands(told: Option<SafeSetpoints>) -> Commands {
    let Some(told) = told else { return Commands::REST };
    let order = ChpOrder { run: told.chp_on(), setpoint_kw: told.chp().kilowatts().get(), trip: false };
    Commands::REST.battery(told.battery().kilowatts().get()).chp(order)
}

/// Charges and discharges in turn and moves the CHP through its range, as a market with a spread makes a planner do.
struct Restless;

impl Policy for Restless {
    fn name(&self) -> &'static str {
        "restless"
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let step = (4.0 * input.situation.local_hour) as u32;
        let battery = if (step / 9).is_multiple_of(2) { 28.0 } else { -24.0 };
        let chp = if (step / 30).is_multiple_of(3) { 0.0 } else { 20.0 + f64::from(step % 40) };
        let setpoints = Setpoints { battery: Kilowatts::new(battery), chp: Kilowatts::new(chp), grid: None };
        Ok(Request { observation: None, action: None, setpoints, outside_tariff: false })
    }
}

fn chain() -> Chain {
    Chain { policy: Some(Box::new(Restless)), model: "restless".into(), rule: GoodRule }
}

/// Records a gateway that believes `plant` at the plant as it is.
fn record(path: &Path, plant: Plant, of: Recording) {
    let config = config(plant);
    let mut physics = physics(of.days);
    let mut chain = chain();
    let mut state = ControlState::start(0);
    let begin = |state: &ControlState| {
        let header = Header::new("test", &config, ["restless", "rule", "restless"], state);
        Recorder::begin(Journal::open(path, u64::MAX).unwrap(), header).unwrap()
    };
    let mut recorder = Some(begin(&state));
    let (mut told, mut begun) = (Vec::<Option<SafeSetpoints>>::new(), 0);
    for number in 0..of.days * CYCLES_PER_DAY {
        if of.interrupted && number == 2 * CYCLES_PER_DAY + 400 {
            drop(recorder.take());
            (recorder, begun) = (Some(begin(&state)), number);
        }
        let silent = of.interrupted && (1500..1680).contains(&number);
        let wanted = told.len().checked_sub(1 + of.delay).and_then(|index| told[index]);
        physics.advance_to(number * CYCLE_MS, &commands(wanted));
        if silent {
            told.push(told.last().copied().flatten());
            continue;
        }
        let all = measured(&physics, number, of);
        let (witnesses, known): (Vec<_>, Vec<_>) = all.into_iter().partition(|(tag, _)| tag.signal().is_witness());
        let since_ms = (number - begun) * CYCLE_MS;
        let input = CycleInput {
            cycle: u64::try_from(number - begun + 1).unwrap(),
            early: false,
            now_ms: u64::try_from(since_ms).unwrap(),
            uptime_ms: since_ms,
            plant_ms: number * CYCLE_MS,
            state: PlantState::from_measured(&known, (number % CYCLES_PER_DAY) as f64 / 60.0),
            witnesses,
            grid_limits: Vec::new(),
            outlook: None,
            commands: Vec::new(),
            fault: None,
        };
        let decision = cycle(&config, &mut state, &input, &mut chain, recorder.as_mut());
        told.push(decision.safe.filter(|_| decision.written));
    }
}

fn recorded(of: Recording) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plant.journal");
    record(&path, Plant::reference(), of);
    (dir, path)
}

fn learnt(of: Recording) -> Learnt {
    let (_dir, path) = recorded(of);
    learn(&[path]).unwrap()
}

fn found(learnt: &Learnt, parameter: Parameter) -> Result<Identified, String> {
    let of = learnt.findings.iter().find(|finding| finding.parameter == parameter).expect("it was asked");
    match &of.outcome {
        Outcome::Identified(found) => Ok(*found),
        Outcome::NotIdentifiable(reason) => Err(reason.clone()),
    }
}

#[test]
fn a_few_days_of_coarse_meters_tell_what_the_plant_really_is() {
    let learnt = learnt(GOOD);
    // parameter, truth, widest interval that is of use
    for (parameter, truth, widest) in [
        (Parameter::EfficiencyStore, 0.88, 0.03),
        (Parameter::EfficiencyDispatch, 0.9, 0.03),
        (Parameter::RoundTrip, 0.88 * 0.9, 0.03),
        (Parameter::ChpEfficiency, 0.29, 0.01),
        (Parameter::HeatPerPower, 1.35, 0.03),
        (Parameter::BoilerEfficiency, 0.85, 0.02),
    ] {
        let found = found(&learnt, parameter).unwrap();
        assert!(found.holds(truth), "{}: {found:?}, true is {truth}", parameter.name());
        assert!(found.high - found.low < widest, "{}: {found:?}", parameter.name());
    }
    assert!((3.0..4.0).contains(&learnt.file.days), "a gap is no day: {}", learnt.file.days);
    for unknown in [Parameter::Capacity, Parameter::StartCost] {
        assert!(found(&learnt, unknown).is_err(), "{}", unknown.name());
    }
}

#[test]
fn what_nobody_measures_is_not_identifiable_and_says_what_it_needs() {
    let learnt = learnt(Recording { metered: false, ..GOOD });
    for (parameter, needs) in [
        (Parameter::ChpEfficiency, "gas_kw"),
        (Parameter::BoilerEfficiency, "gas_kw"),
        (Parameter::HeatPerPower, "chp_heat_kw"),
    ] {
        let reason = found(&learnt, parameter).unwrap_err();
        assert!(reason.contains(needs), "{}: {reason}", parameter.name());
    }
    assert!(found(&learnt, Parameter::EfficiencyStore).unwrap().holds(0.88));
}

#[test]
fn the_time_that_devices_take_is_seen_in_steps_and_below() {
    for (delay, expected_s) in [(0, 0.0), (15, 900.0)] {
        let learnt = learnt(Recording { coarse: false, interrupted: false, delay, ..GOOD });
        let response = found(&learnt, Parameter::BatteryResponse).unwrap();
        assert!((response.value - expected_s).abs() < 90.0, "{delay} cycles: {response:?}");
    }
}

#[test]
fn what_was_learned_is_believed_where_it_was_learned_and_nowhere_else() {
    let learnt = learnt(GOOD);
    let dir = tempfile::tempdir().unwrap();
    learnt.file.write(dir.path()).unwrap();
    assert_eq!(LearnedFile::read(dir.path()).unwrap(), learnt.file);
    let (believed, file) = folder::believing(&Plant::reference(), dir.path()).unwrap();
    assert!((believed.battery().efficiency_store - 0.88).abs() < 0.02);
    assert!(believed.cautious_battery().efficiency_store >= 0.95, "limits become no wider");
    let off: Vec<Parameter> = file.off(believed.stated()).into_iter().map(|(parameter, ..)| parameter).collect();
    assert!(off.contains(&Parameter::EfficiencyStore) && off.contains(&Parameter::ChpEfficiency), "{off:?}");
    let mut other = PlantParameters::reference();
    other.battery.edit(|battery| battery.capacity_kwh = 120.0);
    let error = folder::believing(&other.validate().unwrap(), dir.path()).unwrap_err().to_string();
    assert!(error.contains("other batteries"), "{error}");
    let mut dearer = PlantParameters::reference();
    dearer.costs.gas_eur_per_kwh = 0.07;
    assert!(folder::believing(&dearer.validate().unwrap(), dir.path()).is_ok(), "prices make no other plant");
}

#[test]
fn a_run_that_believes_what_was_learned_replays_to_the_bit() {
    let learnt = learnt(Recording { days: 4, ..GOOD });
    let believed = Plant::reference().believing(&learnt.file.learned()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("believing.journal");
    record(&path, believed, Recording { days: 1, ..GOOD });
    let replayed = memg_control::replay::replay(&path, |_| Ok(chain())).unwrap();
    assert_eq!(i64::try_from(replayed.cycles).unwrap(), CYCLES_PER_DAY);
}

#[test]
fn journals_that_are_short_broken_or_of_two_plants_are_refused() {
    let (dir, path) = recorded(Recording { days: 2, interrupted: false, ..GOOD });
    let error = learn(std::slice::from_ref(&path)).unwrap_err();
    assert!(matches!(error, LearnError::TooShort { .. }) && error.to_string().contains("at least 3"), "{error}");
    let other = dir.path().join("other.journal");
    let mut p = PlantParameters::reference();
    p.battery.edit(|battery| battery.capacity_kwh = 150.0);
    record(&other, p.validate().unwrap(), Recording { days: 1, interrupted: false, ..GOOD });
    let error = learn(&[path.clone(), other]).unwrap_err();
    assert!(matches!(error, LearnError::OtherPlant { line: 1, .. }), "{error}");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = [&lines[..100], &lines[101..]].concat().join("\n") + "\n";
    std::fs::write(&path, without).unwrap();
    let error = learn(&[path]).unwrap_err();
    assert!(matches!(error, LearnError::Broken(_)) && error.to_string().contains("101"), "{error}");
}
