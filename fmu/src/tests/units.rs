//! Plants of several batteries and CHPs, and without: the same day as in the built-in environment, unit by unit.

use super::day::{POLICIES, built_in_at, feed_sums};
use super::host::{BOTH, Host, log_lines};
use super::resources_of;
use crate::describe::model_description;
use crate::fault::Status;
use crate::model::Kind;
use crate::units::name;
use crate::variable::{Causality, Value};
use memg_core::env::EnvStep;
use memg_core::equipment::{Battery, Chp, Each, PlantParameters};
use memg_core::synthetic;

/// A new battery beside an older one, a modulating CHP beside one that knows only on and off.
fn nursery() -> PlantParameters {
    let mut plant = PlantParameters::reference();
    let (battery, chp) = (plant.battery_of_all(), plant.chp_of_all());
    let older = Battery {
        capacity_kwh: 60.0,
        charge_kw_max: 20.0,
        discharge_kw_max: 30.0,
        efficiency_store: 0.92,
        soc_min: 0.2,
        wear_eur_per_kwh: 0.015,
        ..battery
    };
    let modulating = Chp { p_kw_min: 25.0, p_kw_max: 50.0, ramp_kw_per_step: 25.0, start_cost_eur: 2.5, ..chp };
    let on_or_off = Chp { p_kw_min: 20.0, p_kw_max: 20.0, min_up_steps: 4, start_cost_eur: 1.5, ..chp };
    plant.battery = Each::new(&[battery, older]).unwrap();
    plant.chp = Each::new(&[modulating, on_or_off]).unwrap();
    plant
}

fn without(battery: bool, chp: bool) -> PlantParameters {
    let mut plant = PlantParameters::reference();
    plant.battery = if battery { Each::default() } else { plant.battery };
    plant.chp = if chp { Each::default() } else { plant.chp };
    plant
}

/// Every set-point of every unit as bits, in the order of batteries and CHPs.
fn wanted(plant: &PlantParameters, step: &EnvStep) -> Vec<u64> {
    let safe = &step.verdict.safe;
    let batteries = safe.batteries().into_iter().take(plant.battery.len()).map(|power| power.kilowatts().get());
    let chps = safe.chps().into_iter().take(plant.chp.len());
    let chps = chps.flat_map(|chp| [chp.power.kilowatts().get(), f64::from(u8::from(chp.on))]);
    batteries.chain(chps).map(f64::to_bits).collect()
}

fn found(plant: &PlantParameters, ems: &Host) -> Vec<u64> {
    let batteries = (0..plant.battery.len()).map(|index| ems.real(&name("p_battery_set", index)));
    let chps = (0..plant.chp.len()).flat_map(|index| {
        [ems.real(&name("p_chp_set", index)), f64::from(u8::from(ems.boolean(&name("chp_on_set", index))))]
    });
    batteries.chain(chps).map(f64::to_bits).collect()
}

/// A day through the controller of both standards, measured as in the environment.
fn a_day_is_the_built_in_day(plant: &PlantParameters, policy: &str) -> Vec<EnvStep> {
    let profile = synthetic::profile(1, 7);
    let folder = resources_of(plant, policy, &profile);
    let day = built_in_at(plant.validate().unwrap(), policy, &profile);
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        for (k, step) in day.iter().enumerate() {
            feed_sums(&ems, step);
            for (index, (soc, _)) in step.socs.iter().enumerate().take(plant.battery.len()) {
                ems.put_real(&name("soc", index), soc.get());
            }
            assert_eq!(ems.step(900.0 * k as f64, 900.0), Status::Ok, "{}", log_lines());
            assert_eq!(found(plant, &ems), wanted(plant, step), "{policy} {fmi:?} step {k}");
        }
    }
    day
}

#[test]
fn a_day_of_two_batteries_and_two_chps_is_the_built_in_day_bit_by_bit() {
    for policy in POLICIES {
        let day = a_day_is_the_built_in_day(&nursery(), policy);
        let moves = |index: usize| day.iter().any(|step| step.verdict.safe.batteries()[index].get() != 0);
        assert!(moves(0) && moves(1), "{policy}: otherwise this proves nothing");
    }
    let day = a_day_is_the_built_in_day(&nursery(), "rule");
    assert!((0..2).all(|index| day.iter().any(|step| step.verdict.safe.chps()[index].on)), "every CHP runs");
}

#[test]
fn a_plant_without_a_battery_or_a_chp_has_no_variable_of_it_and_the_built_in_day() {
    for (plant, gone) in [
        (without(true, false), &["soc", "p_battery", "p_battery_set", "battery.soc_max"][..]),
        (without(false, true), &["p_chp", "chp_on", "p_chp_set", "chp_on_set", "chp.p_kw_max"]),
        (without(true, true), &["soc", "chp_on"]),
    ] {
        let rows = Kind::Ems.variables(&plant, "rule");
        assert!(gone.iter().all(|gone| rows.iter().all(|row| row.name != *gone)), "{gone:?}");
        a_day_is_the_built_in_day(&plant, "rule");
    }
}

/// Outputs of one to inputs of equal name of the other.
fn copy(from: &Host, to: &Host) {
    let is = |causality| move |row: &&crate::variable::Variable| row.causality == causality;
    for row in to.rows.iter().filter(is(Causality::Input)) {
        if !from.rows.iter().filter(is(Causality::Output)).any(|output| output.name == row.name) {
            continue;
        }
        match row.start {
            Value::Real(_) => to.put_real(&row.name, from.real(&row.name)),
            Value::Boolean(_) => to.put_boolean(&row.name, from.boolean(&row.name)),
            Value::Integer(_) | Value::Text(_) => {}
        }
    }
}

#[test]
fn controller_then_plant_of_several_units_is_the_built_in_day_with_its_cost() {
    let profile = synthetic::profile(1, 7);
    for (plant, fmi) in
        [(nursery(), BOTH[0]), (nursery(), BOTH[1]), (without(true, false), BOTH[0]), (without(false, true), BOTH[1])]
    {
        let folder = resources_of(&plant, "rule", &profile);
        let [ems, virtual_plant] = Kind::ALL.map(|kind| Host::ready(fmi, kind, folder.path()));
        let day = built_in_at(plant.validate().unwrap(), "rule", &profile);
        for (k, step) in day.iter().enumerate() {
            let time = 900.0 * k as f64;
            copy(&virtual_plant, &ems);
            for (index, (soc, _)) in step.socs.iter().enumerate().take(plant.battery.len()) {
                assert_eq!(virtual_plant.real(&name("soc", index)).to_bits(), soc.get().to_bits(), "step {k}");
            }
            assert_eq!(ems.step(time, 900.0), Status::Ok, "{}", log_lines());
            assert_eq!(found(&plant, &ems), wanted(&plant, step), "step {k}");
            copy(&ems, &virtual_plant);
            assert_eq!(virtual_plant.step(time, 900.0), Status::Ok, "{}", log_lines());
        }
        let cost: f64 = day.iter().map(|step| step.cost.get()).sum();
        let found = virtual_plant.real("cost");
        assert!((found - cost).abs() < 1e-6, "{found} instead of {cost}");
    }
}

#[test]
fn disabled_every_battery_rests_and_every_chp_is_as_measured() {
    let folder = resources_of(&nursery(), "rule", &synthetic::profile(1, 7));
    let ems = Host::ready(BOTH[1], Kind::Ems, folder.path());
    ems.put_boolean("enable", false);
    ems.put_real("p_battery_2", 5.0);
    ems.put_real("p_chp_2", 20.0);
    ems.put_boolean("chp_2_on", true);
    assert_eq!(ems.step(0.0, 900.0), Status::Ok, "{}", log_lines());
    let reals = ["p_battery_set", "p_battery_2_set", "p_chp_set", "p_chp_2_set"].map(|name| ems.real(name));
    assert_eq!((reals, ems.boolean("chp_on_set"), ems.boolean("chp_2_on_set")), ([0.0, 0.0, 0.0, 20.0], false, true));
}

#[test]
fn a_number_that_is_none_is_refused_in_the_name_of_its_unit() {
    let folder = resources_of(&nursery(), "rule", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        assert_eq!(ems.set_real(ems.reference("soc_2"), f64::NAN), Status::Discard);
        assert!(log_lines().contains("soc_2: expected 0 to 1, found NaN"));
        let plant = Host::new(fmi, Kind::Plant, folder.path());
        plant.put_real("soc_2_start", 1.5);
        assert_eq!((plant.enter(), plant.exit()), (Status::Ok, Status::Error));
        assert!(log_lines().contains("soc_2_start: expected a number from 0 to 1, found 1.5"));
    }
}

#[test]
fn descriptions_and_states_of_another_number_of_units_are_refused() {
    let profile = synthetic::profile(1, 7);
    let (one, two) =
        (resources_of(&PlantParameters::reference(), "rule", &profile), resources_of(&nursery(), "rule", &profile));
    for fmi in BOTH {
        let token = Kind::Ems.token_for(&PlantParameters::reference());
        assert!(Host::try_new(fmi, Kind::Ems, &token, two.path()).is_none());
        assert!(log_lines().contains("of another plant than resources/limits.json"));
        let (of_one, of_two) = (Host::ready(fmi, Kind::Ems, one.path()), Host::ready(fmi, Kind::Ems, two.path()));
        let mut state = std::ptr::null_mut();
        assert_eq!(of_two.save(&mut state), Status::Ok);
        assert_eq!(of_one.load(state), Status::Error);
        of_two.free_state(&mut state);
        let text = model_description(fmi, Kind::Ems, &of_two.rows);
        assert!(
            text.contains("\"chp_2_on_set\"") && text.contains("\"battery_2.capacity_kwh\"") && !text.contains("chp_3")
        );
    }
}
