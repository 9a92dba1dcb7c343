//! One day gives the same set-points through the FMUs as through the built-in environment, bit by bit.

use super::host::{BOTH, Host, log_lines};
use super::{Untold, random_weights, resources};
use crate::describe::Fmi;
use crate::fault::Status;
use crate::model::Kind;
use memg_core::actor::RustActor;
use memg_core::env::{EnvStep, MemgEnv};
use memg_core::equipment::Plant;
use memg_core::forecast::Persistence;
use memg_core::observation::Schema;
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::{ActorPolicy, Policy};
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::synthetic;
use std::path::Path;
use std::sync::Arc;

/// battery, CHP, grid cap as bits; CHP on; raw action as bits.
pub(super) type Row = (u64, u64, u64, bool, [u64; 3]);

pub(super) const POLICIES: [&str; 3] = ["td3", "rule", "plan"];

fn policy(name: &str) -> Box<dyn Policy> {
    match name {
        "rule" => return Box::new(GoodRule),
        "plan" => return Box::new(Untold(Plan::new(Persistence, PlanSettings::default()))),
        _ => {}
    }
    Box::new(ActorPolicy(RustActor::from_safetensors("td3", Schema::TenD, &random_weights(10)).unwrap()))
}

fn built_in(name: &str, profile: &Profile) -> Vec<EnvStep> {
    built_in_at(Plant::reference(), name, profile)
}

/// A day of another plant.
pub(super) fn built_in_at(plant: Plant, name: &str, profile: &Profile) -> Vec<EnvStep> {
    let mut env = MemgEnv::new(plant, Arc::new(profile.clone()), RewardWeights::default());
    let mut policy = policy(name);
    std::iter::from_fn(|| env.step_policy(policy.as_mut()).unwrap()).take(96).collect()
}

pub(super) fn row_of(step: &EnvStep) -> Row {
    let safe = &step.verdict.safe;
    let cap = safe.renewable_limit().map_or(100.0, |limit| limit.kilowatts().get());
    let action = step.request.action.map(|a| a.0.map(|value| f64::from(value).to_bits()));
    let (battery, chp) = (safe.battery().kilowatts().get(), safe.chp().kilowatts().get());
    (battery.to_bits(), chp.to_bits(), cap.to_bits(), safe.chp_on(), action.unwrap_or_default())
}

fn row_from(ems: &Host, has_action: bool) -> Row {
    let bits = |name| ems.real(name).to_bits();
    let action = ["action_battery", "action_chp", "action_grid"].map(|name| if has_action { bits(name) } else { 0 });
    (bits("p_battery_set"), bits("p_chp_set"), bits("p_renewable_max"), ems.boolean("chp_on_set"), action)
}

fn feed(ems: &Host, step: &EnvStep) {
    feed_sums(ems, step);
    ems.put_real("soc", step.soc_before.get());
}

/// What is measured of the whole plant.
pub(super) fn feed_sums(ems: &Host, step: &EnvStep) {
    let row = &step.row;
    for (name, value) in [
        ("p_pv", row.pv_kw),
        ("p_wind", row.wind_kw),
        ("p_load", row.electric_load_kw),
        ("q_heat", row.heat_load_kw),
        ("price", row.import_price),
        ("price_export", row.export_price),
        ("v_pcc", row.grid_voltage_pu),
        ("f_grid", row.frequency_hz),
    ] {
        ems.put_real(name, value);
    }
}

pub(super) fn through_fmu(fmi: Fmi, name: &str, folder: &Path, day: &[EnvStep]) -> Vec<Row> {
    let ems = Host::ready(fmi, Kind::Ems, folder);
    let mut rows = Vec::new();
    for (k, step) in day.iter().enumerate() {
        feed(&ems, step);
        assert_eq!(ems.step(900.0 * k as f64, 900.0), Status::Ok, "{}", log_lines());
        rows.push(row_from(&ems, name == "td3"));
    }
    rows
}

#[test]
fn a_day_through_either_standard_is_the_built_in_day() {
    let profile = synthetic::profile(1, 7);
    for name in POLICIES {
        let folder = resources(name, &profile);
        let day = built_in(name, &profile);
        let wanted: Vec<Row> = day.iter().map(row_of).collect();
        assert!(wanted.iter().any(|row| row.3) && wanted.iter().any(|row| row.0 != 0), "a day without decisions");
        for fmi in BOTH {
            assert_eq!(through_fmu(fmi, name, folder.path(), &day), wanted, "{name} {fmi:?}");
        }
    }
}

const REALS: [&str; 14] = [
    "p_pv",
    "p_wind",
    "p_load",
    "q_heat",
    "soc",
    "price",
    "price_export",
    "v_pcc",
    "f_grid",
    "p_battery",
    "p_chp",
    "p_grid",
    "q_grid",
    "chp_on",
];

pub(super) fn connect(plant: &Host, ems: &Host) {
    for name in REALS {
        if name == "chp_on" {
            ems.put_boolean(name, plant.boolean(name));
        } else {
            ems.put_real(name, plant.real(name));
        }
    }
}

pub(super) fn command(ems: &Host, plant: &Host) {
    for name in ["p_battery_set", "p_chp_set", "p_renewable_max"] {
        plant.put_real(name, ems.real(name));
    }
    plant.put_boolean("chp_on_set", ems.boolean("chp_on_set"));
}

#[test]
fn controller_then_plant_is_the_built_in_day_with_its_cost() {
    let profile = synthetic::profile(1, 7);
    for (name, fmi) in [("td3", Fmi::Two), ("rule", Fmi::Three)] {
        let folder = resources(name, &profile);
        let (ems, plant) = (Host::ready(fmi, Kind::Ems, folder.path()), Host::ready(fmi, Kind::Plant, folder.path()));
        let day = built_in(name, &profile);
        for (k, step) in day.iter().enumerate() {
            let time = 900.0 * k as f64;
            connect(&plant, &ems);
            assert_eq!(plant.real("soc").to_bits(), step.soc_before.get().to_bits(), "{name} step {k}");
            assert_eq!(ems.step(time, 900.0), Status::Ok, "{}", log_lines());
            assert_eq!(row_from(&ems, name == "td3"), row_of(step), "{name} step {k}");
            command(&ems, &plant);
            assert_eq!(plant.step(time, 900.0), Status::Ok, "{}", log_lines());
        }
        let cost: f64 = day.iter().map(|step| step.cost.get()).sum();
        assert!((plant.real("cost") - cost).abs() < 1e-6, "{name}: {} instead of {cost}", plant.real("cost"));
    }
}

#[test]
fn set_points_hold_between_sampling_instants() {
    let folder = resources("rule", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        ems.put_real("p_load", 60.0);
        assert_eq!(ems.step(0.0, 300.0), Status::Ok);
        let first = row_from(&ems, true);
        ems.put_real("p_load", 20.0);
        assert_eq!((ems.step(300.0, 300.0), ems.step(600.0, 300.0)), (Status::Ok, Status::Ok));
        assert_eq!(row_from(&ems, true), first);
        assert_eq!(ems.step(900.0, 300.0), Status::Ok);
        assert_ne!(row_from(&ems, true), first);
    }
}

#[test]
fn a_plant_in_small_steps_stores_the_same_energy() {
    let folder = resources("rule", &synthetic::profile(1, 7));
    let soc = |size: f64| {
        let plant = Host::ready(Fmi::Three, Kind::Plant, folder.path());
        plant.put_real("p_battery_set", 20.0);
        let steps = (7200.0 / size) as u32;
        for k in 0..steps {
            assert_eq!(plant.step(f64::from(k) * size, size), Status::Ok, "{}", log_lines());
        }
        (plant.real("soc"), plant.real("cost"), plant.real("hour"), plant.real("p_load"))
    };
    let (whole, fine) = (soc(900.0), soc(60.0));
    assert!((whole.0 - fine.0).abs() < 1e-9 && (whole.1 - fine.1).abs() < 1e-9);
    assert_eq!((whole.2, whole.3), (fine.2, fine.3));
    assert!((soc(700.0 * 7200.0 / 7000.0).1 - whole.1).abs() < 1e-9);
}

#[test]
fn instances_in_threads_do_not_know_of_each_other() {
    let profile = synthetic::profile(1, 7);
    let folder = resources("td3", &profile);
    let day = built_in("td3", &profile);
    let wanted: Vec<Row> = day.iter().map(row_of).collect();
    std::thread::scope(|scope| {
        for fmi in BOTH.into_iter().cycle().take(8) {
            let (folder, day, wanted) = (folder.path(), &day, &wanted);
            scope.spawn(move || assert_eq!(&through_fmu(fmi, "td3", folder, day), wanted));
        }
    });
}

#[test]
fn ten_thousand_steps_run_on() {
    let folder = resources("rule", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let (ems, plant) = (Host::ready(fmi, Kind::Ems, folder.path()), Host::ready(fmi, Kind::Plant, folder.path()));
        for k in 0..10_000 {
            let time = 900.0 * f64::from(k);
            connect(&plant, &ems);
            command(&ems, &plant);
            assert_eq!((ems.step(time, 900.0), plant.step(time, 900.0)), (Status::Ok, Status::Ok), "{}", log_lines());
        }
        let soc = plant.real("soc");
        assert!((0.0..=1.0).contains(&soc), "{soc}");
    }
}
