use super::*;
use memg_control::explain::explain;
use memg_control::replay::replay;
use memg_core::env::MemgEnv;
use memg_core::equipment::Each;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::series::{Known, Quantity, Series, hourly_price};
use memg_core::synthetic;
use memg_policy::load_policy;
use std::path::Path;
use std::sync::Arc;

const DAY: usize = 96;

fn chain(policy: &str) -> Chain {
    let policy = load_policy(&policy.parse().unwrap(), &Plant::reference()).unwrap();
    Chain { policy: Some(policy), model: "the one".into(), rule: GoodRule }
}

fn controller(policy: &str, journal: Option<&Path>, duration: Option<Duration>) -> Controller {
    let journal = journal.map(|path| Journal::open(path, u64::MAX).unwrap());
    let journaling = Journaling { site: "test".into(), policy: [policy.into(), "rule".into()], journal };
    Controller::new(ControllerOptions {
        plant: Plant::reference(),
        chain: chain(policy),
        journaling,
        zero_ms: 0,
        after_stop: AfterStop::Exit,
        duration,
    })
}

fn start() -> Start {
    Start { sid: "a".into(), t0_s: 0.0, dt_s: 900.0, mode: None, history: Series::default() }
}

fn values(row: &ProfileRow, soc: f64) -> Values {
    Values::new([
        (Signal::PvAvailableKw, row.pv_kw),
        (Signal::WindAvailableKw, row.wind_kw),
        (Signal::ElectricLoadKw, row.electric_load_kw),
        (Signal::HeatLoadKw, row.heat_load_kw),
        (Signal::Soc, soc),
        (Signal::ImportPriceEurPerKwh, row.import_price),
        (Signal::ExportPriceEurPerKwh, row.export_price),
        (Signal::GridVoltagePu, row.grid_voltage_pu),
        (Signal::FrequencyHz, row.frequency_hz),
    ])
}

fn some_values() -> Values {
    values(&ProfileRow { pv_kw: 20.0, electric_load_kw: 40.0, ..ProfileRow::default() }, 0.5)
}

/// Two days, so that the second one knows a yesterday.
fn same_as_the_environment(policy: &str, profile: Profile) {
    let mut judge = load_policy(&policy.parse().unwrap(), &Plant::reference()).unwrap();
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile.clone()), RewardWeights::default());
    let mut controller = controller(policy, None, None);
    controller.begin(&start()).unwrap();
    for k in 0..2 * DAY {
        let view = profile.view(&(0..profile.rows().len()), k, 4);
        let ahead: Vec<_> = (0..24).map(|hour| hourly_price(&view, hour, 4)).collect();
        let measured = values(&profile.rows()[k], env.soc().get()).with_prices(ahead);
        let answer = controller.step(900.0 * k as f64, &measured).unwrap();
        let safe = env.step_policy(judge.as_mut()).unwrap().unwrap().verdict.safe;
        let expected = [safe.battery(), safe.chp()].map(|power| power.kilowatts().get().to_bits());
        let found = ["battery_kw", "chp_kw"].map(|name| answer.setpoints[name].to_bits());
        assert_eq!((found, answer.status), (expected, StepStatus::Ok), "{policy} {k}");
    }
}

#[test]
fn further_units_are_measured_and_told_under_their_numbered_names() {
    let mut parameters = *Plant::reference().parameters();
    let (battery, chp) = (*parameters.battery.get(0).unwrap(), *parameters.chp.get(0).unwrap());
    (parameters.battery, parameters.chp) = (Each::new(&[battery; 2]).unwrap(), Each::new(&[chp; 2]).unwrap());
    parameters.grid.export_kw_max = 160.0;
    let journaling = Journaling { site: "test".into(), policy: ["rule".into(), "rule".into()], journal: None };
    let plant = parameters.validate().unwrap();
    let (zero_ms, after_stop, duration) = (0, AfterStop::Exit, None);
    let chain = chain("rule");
    let mut controller = Controller::new(ControllerOptions { plant, chain, journaling, zero_ms, after_stop, duration });
    assert!(controller.required().contains(&Tag::from_name("soc_2").unwrap()));
    controller.begin(&start()).unwrap();
    let object = serde_json::json!({ "pv_kw": 1, "wind_kw": 0, "electric_load_kw": 60, "heat_load_kw": 0, "soc": 0.5,
        "soc_2": 0.8, "import_price_eur_per_kwh": 0.3, "export_price_eur_per_kwh": 0.1 });
    let measured = super::super::super::reading::read(object.as_object().unwrap()).unwrap();
    let answer = controller.step(0.0, &measured).unwrap();
    let [first, second] = ["battery_kw", "battery_2_kw"].map(|name| answer.setpoints[name]);
    assert!(first < 0.0 && second < 0.0 && answer.status == StepStatus::Ok, "{answer:?}");
    assert!(answer.setpoints.contains_key("chp_2_kw") && answer.setpoints.contains_key("chp_2_on"));
}

#[test]
fn two_days_are_those_of_the_environment_with_rule_and_both_schemas() {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    for policy in ["rule", "actor-10d", "actor-extended"] {
        let policy = &if policy == "rule" { policy.to_owned() } else { format!("rust:{models}/{policy}") };
        same_as_the_environment(policy, synthetic::profile(4, 7));
    }
}

/// What a simulator could tell at a row: the steps before it, or the prices from it on.
fn told(profile: &Profile, row: usize, what: impl Fn(&dyn Known, Quantity) -> Vec<Option<f64>>) -> Series {
    let view = profile.view(&(0..profile.rows().len()), row, 4);
    let mut series = Series::default();
    Quantity::ALL.into_iter().for_each(|quantity| *series.column_mut(quantity) = what(&view, quantity).into());
    series
}

#[test]
fn a_supplied_history_and_outlook_make_the_first_day_what_a_run_that_lived_through_both_would_do() {
    let policy = concat!("rust:", env!("CARGO_MANIFEST_DIR"), "/../../models/actor-extended");
    let profile = synthetic::profile(4, 7);
    let mut judge = load_policy(&policy.parse().unwrap(), &Plant::reference()).unwrap();
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile.clone()), RewardWeights::default());
    env.reset(memg_core::env::Start { first: DAY, ..memg_core::env::Start::block(0..profile.rows().len()) });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cosim.journal");
    let mut controller = controller(policy, Some(&path), None);
    let history =
        told(&profile, DAY, |view, quantity| (1..=DAY).rev().map(|steps| view.ago(quantity, steps)).collect());
    controller.begin(&Start { history, ..start() }).unwrap();
    for k in 0..DAY {
        let outlook =
            told(&profile, DAY + k, |view, quantity| (0..DAY).map(|steps| view.ahead(quantity, steps)).collect());
        let measured = values(&profile.rows()[DAY + k], env.soc().get()).with_outlook(outlook);
        let answer = controller.step(900.0 * k as f64, &measured).unwrap();
        let safe = env.step_policy(judge.as_mut()).unwrap().unwrap().verdict.safe;
        assert_eq!(answer.setpoints["battery_kw"].to_bits(), safe.battery().kilowatts().get().to_bits(), "{k}");
    }
    drop(controller);
    assert_eq!(replay(&path, |_| Ok(chain(policy))).unwrap().cycles, DAY);
}

#[test]
fn an_outlook_goes_before_hourly_prices_which_fill_its_gaps() {
    let mut series = Series::default();
    *series.column_mut(Quantity::ImportPrice) = [Some(0.5), None].into();
    let values = Values::default().with_prices([Some(0.1), Some(0.2)]).with_outlook(series);
    let outlook = controller("rule", None, None).outlook(&values).unwrap();
    let prices = [0, 1, 4, 8].map(|step| outlook.ahead(Quantity::ImportPrice, step));
    assert_eq!(prices, [Some(0.5), Some(0.1), Some(0.2), None]);
    assert_eq!(controller("rule", None, None).outlook(&Values::default()), None);
}

/// The same values with one missing.
fn without(values: &Values, missing: Signal) -> Values {
    let others = Signal::ALL.into_iter().filter(|signal| *signal != missing);
    Values::new(others.filter_map(|signal| Some((signal, values.measurement(signal).value?))))
}

#[test]
fn a_missing_value_gives_safe_stop_set_points_that_name_it_and_the_next_good_step_is_control() {
    for signal in ["pv_available_kw", "wind_available_kw", "electric_load_kw", "soc"] {
        let missing = Signal::from_name(signal).unwrap();
        let good = some_values();
        let bad = without(&good, missing);
        let mut controller = controller("rule", None, None);
        controller.begin(&start()).unwrap();
        let answers = [&bad, &good, &bad, &good].map(|values| {
            let t_s = 900.0 * controller.run.cycle as f64;
            controller.step(t_s, values).unwrap()
        });
        let hold = |answer: &StepAnswer| {
            let named = answer.fault.as_deref().unwrap().contains(signal.trim_end_matches("_available_kw"));
            named && answer.setpoints["battery_kw"] == 0.0 && answer.setpoints["renewable_limit_kw"] == 0.0
        };
        assert_eq!(answers.each_ref().map(|a| a.status.name()), ["hold", "ok", "hold", "ok"], "{signal}");
        assert!(hold(&answers[0]) && hold(&answers[2]), "{answers:#?}");
        assert_eq!(answers[0].safety, ["safe_stop"]);
    }
}

#[test]
fn a_devices_fault_stops_the_run_and_every_later_answer_says_so_until_another_run_begins() {
    let good = some_values();
    let known = || Signal::ALL.into_iter().filter_map(|s| Some((s, good.measurement(s).value?)));
    let with = |fault| Values::new(known().chain([(Signal::BatteryFault, fault)]));
    let mut controller = controller("rule", None, None);
    controller.begin(&start()).unwrap();
    let answers = [0.0, 1.0, 0.0, 0.0].map(|fault| {
        let t_s = 900.0 * controller.run.cycle as f64;
        controller.step(t_s, &with(fault)).unwrap()
    });
    assert_eq!(answers.each_ref().map(|a| a.status.name()), ["ok", "hold", "hold", "hold"]);
    let words = "safe stop until the run ends, because the battery reports a fault";
    assert!(answers[1..].iter().all(|answer| answer.fault.as_deref() == Some(words)), "{answers:#?}");
    controller.begin(&start()).unwrap();
    assert_eq!(controller.step(0.0, &with(0.0)).unwrap().status, StepStatus::Ok);
}

#[test]
fn without_heat_or_price_the_rule_decides_and_the_answer_says_so() {
    for (signal, by_now) in [("heat_load_kw", "fallback"), ("export_price_eur_per_kwh", "fallback")] {
        let missing = Signal::from_name(signal).unwrap();
        let good = some_values();
        let bad = without(&good, missing);
        let mut controller = controller("rule", None, None);
        controller.begin(&start()).unwrap();
        let answers = [&good, &bad, &good].map(|values| {
            let t_s = 900.0 * controller.run.cycle as f64;
            controller.step(t_s, values).unwrap()
        });
        assert_eq!(answers.each_ref().map(|a| a.status.name()), ["ok", by_now, "ok"], "{signal}");
        assert!(answers[1].fault.as_deref().unwrap().contains(signal), "{answers:#?}");
    }
}

#[test]
fn what_was_measured_once_and_is_left_out_later_is_lost_and_not_nominal() {
    let voltage = [(Signal::GridVoltagePu, 1.0), (Signal::GridKw, 10.0)];
    let good = some_values();
    let known = || Signal::ALL.into_iter().filter_map(|s| Some((s, good.measurement(s).value?)));
    let with = Values::new(known().chain(voltage));
    let mut controller = controller("rule", None, None);
    controller.begin(&start()).unwrap();
    let answers = [&good, &with, &good].map(|values| {
        let t_s = 900.0 * controller.run.cycle as f64;
        controller.step(t_s, values).unwrap()
    });
    assert_eq!(answers.each_ref().map(|a| a.status.name()), ["ok", "ok", "hold"]);
    assert!(answers[2].fault.as_deref().unwrap().contains("grid_kw"), "{answers:#?}");
}

#[test]
fn a_value_out_of_the_declared_range_is_refused_by_name_moves_nothing_and_latches_nothing() {
    let with = |signal: Signal, value: f64| {
        let good = some_values();
        let known = Signal::ALL.into_iter().filter_map(|s| Some((s, good.measurement(s).value?)));
        Values::new(known.chain([(signal, value)]))
    };
    let mut controller = controller("rule", None, None);
    controller.begin(&start()).unwrap();
    controller.step(0.0, &some_values()).unwrap();
    for (signal, value, words) in [
        (Signal::HeatLoadKw, 151.0, "v.heat_load_kw: expected 0 to 150 as the plant declares, found 151"),
        (Signal::ElectricLoadKw, 1e5, "v.electric_load_kw: expected"),
        (Signal::PvAvailableKw, -7.0, "v.pv_available_kw: expected"),
    ] {
        let refused = controller.step(900.0, &with(signal, value)).unwrap_err();
        assert!(refused.contains(words), "{refused}");
        assert_eq!(controller.run.cycle, 1);
    }
    assert_eq!(controller.step(900.0, &some_values()).unwrap().status, StepStatus::Ok);
}

#[test]
fn runs_are_journaled_so_that_replay_and_explanation_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut controller = controller("rule", Some(&path), None);
    for _ in 0..2 {
        controller.begin(&start()).unwrap();
        for k in 0..8 {
            let measured = if k == 4 { Values::default() } else { some_values() };
            controller.step(900.0 * f64::from(k), &measured).unwrap();
        }
    }
    let found = replay(&path, |_| Ok(chain("rule"))).unwrap();
    assert_eq!((found.runs, found.cycles, found.written), (2, 16, 16));
    assert!(explain(&path, 5).unwrap().unwrap().contains("is not usable"));
    assert!(explain(&path, 3).unwrap().unwrap().contains("Sent: battery"));
}

#[test]
fn a_journal_that_begins_a_new_file_in_a_run_still_replays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut controller = controller("rule", None, None);
    controller.journaling.journal = Some(Journal::open(&path, 20_000).unwrap());
    controller.begin(&start()).unwrap();
    (0..96).for_each(|k| drop(controller.step(900.0 * f64::from(k), &some_values()).unwrap()));
    let found = replay(&path, |_| Ok(chain("rule"))).unwrap();
    assert!(found.cycles > 0 && found.cycles < 96, "{found:?}");
}

#[test]
fn ramps_begin_at_the_powers_that_the_first_step_measures() {
    let mut controller = controller("idle", None, None);
    controller.begin(&start()).unwrap();
    let running = [(Signal::BatteryKw, 30.0), (Signal::ChpKw, 50.0), (Signal::ChpOn, 1.0)];
    let good = some_values();
    let known = Signal::ALL.into_iter().filter_map(|s| Some((s, good.measurement(s).value?)));
    let answer = controller.step(0.0, &Values::new(known.chain(running))).unwrap();
    // 10 kW and 5 kW a step is what site A allows.
    assert_eq!((answer.setpoints["battery_kw"], answer.setpoints["chp_kw"]), (20.0, 45.0));
}

#[test]
fn a_step_that_cannot_be_journaled_is_an_error_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut controller = controller("rule", None, None);
    // One byte is always exceeded: the second step begins a new file, where there is no folder any more.
    controller.journaling.journal = Some(Journal::open(&folder.path().join("journal"), 1).unwrap());
    controller.begin(&start()).unwrap();
    controller.step(0.0, &some_values()).unwrap();
    drop(folder);
    for _ in 0..2 {
        let error = controller.step(900.0, &some_values()).unwrap_err();
        assert!(error.contains("the journal cannot be written"), "{error}");
        assert_eq!(controller.run.cycle, 1);
    }
}

#[test]
fn the_time_for_simulations_is_used_up_by_all_runs_together() {
    let mut controller = controller("rule", None, Some(Duration::from_secs(1800)));
    for (k, over) in [(0, false), (0, true)] {
        controller.begin(&start()).unwrap();
        controller.step(900.0 * f64::from(k), &some_values()).unwrap();
        assert_eq!((controller.is_over(), controller.progress().borrow().over), (over, over));
    }
    assert_eq!(controller.progress().borrow().summary.plant_hours, 0.5);
}

#[test]
fn a_start_that_control_cannot_keep_is_refused() {
    let wrong = [
        ("mode", Start { mode: Some("manual".into()), ..start() }),
        ("dt_s", Start { dt_s: 0.0001, ..start() }),
        ("dt_s", Start { dt_s: 1e9, ..start() }),
        ("t0", Start { t0_s: 1e300, ..start() }),
    ];
    for (name, start) in wrong {
        let error = controller("rule", None, None).begin(&start).unwrap_err();
        assert!(error.starts_with(name), "{error}");
    }
}

#[test]
fn smaller_steps_ask_the_policy_once_a_policy_step_and_filter_every_time() {
    let mut controller = controller("rule", None, None);
    controller.begin(&Start { dt_s: 60.0, ..start() }).unwrap();
    for k in 0..30 {
        let measured = if k == 20 { Values::default() } else { some_values() };
        let answer = controller.step(60.0 * f64::from(k), &measured).unwrap();
        assert_eq!(answer.status == StepStatus::Hold, k == 20, "{k}");
    }
    let summary = controller.progress().borrow().summary.clone();
    assert_eq!((summary.cycles, summary.policy_steps), (30, 2));
    assert!((summary.plant_hours - 0.5).abs() < 1e-9, "{}", summary.plant_hours);
}

/// Fails whenever it is asked.
struct Broken;

impl memg_core::policy::Policy for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    fn act(
        &mut self,
        _: &memg_core::policy::PolicyInput<'_>,
    ) -> Result<memg_core::policy::Request, memg_core::policy::PolicyError> {
        Err(memg_core::policy::PolicyError::NotFinite)
    }
}

#[test]
fn the_good_rule_stands_in_for_a_policy_that_fails_and_the_simulator_is_told() {
    let mut broken = controller("rule", None, None);
    broken.chain.policy = Some(Box::new(Broken));
    let mut rule = controller("rule", None, None);
    for controller in [&mut broken, &mut rule] {
        controller.begin(&start()).unwrap();
    }
    for k in 0..4 {
        let t_s = 900.0 * f64::from(k);
        let (found, expected) = (broken.step(t_s, &some_values()).unwrap(), rule.step(t_s, &some_values()).unwrap());
        assert_eq!((found.setpoints, found.status), (expected.setpoints, StepStatus::Fallback), "{k}");
        assert!(found.fault.unwrap().contains("not finite"));
    }
}
