//! Bad input and bad order of calls: a status, a log line that names the culprit, and no set-point from bad data.

use super::host::{BOTH, Host, log_lines};
use super::{random_weights, resources};
use crate::ems::{P_BATTERY_SET, RULE_BITS};
use crate::fault::Status;
use crate::instance::PANIC_LOAD_KW;
use crate::model::Kind;
use memg_core::equipment::PlantParameters;
use memg_core::synthetic;

fn check(status: Status, wanted: Status, words: &str) {
    let lines = log_lines();
    assert_eq!(status, wanted, "{lines}");
    assert!(lines.contains(words), "{words:?} is not in {lines:?}");
}

fn folder() -> tempfile::TempDir {
    resources("td3", &synthetic::profile(1, 7))
}

/// Inputs, what they cannot be at the reference plant, and the words that name the range.
const REFUSED: [(&str, f64, &str); 14] = [
    ("soc", 1.4, "soc: expected 0 to 1, found 1.4"),
    ("soc", -0.1, "soc: expected 0 to 1, found -0.1"),
    ("q_heat", 150.5, "q_heat: expected 0 to 150 as the plant declares, found 150.5"),
    ("p_load", 1e6, "p_load: expected 5 to 100 as the plant declares, found 1000000"),
    ("p_pv", 73.0, "p_pv: expected -1.2 to 72 as the plant declares, found 73"),
    ("p_wind", -1.0, "p_wind: expected -0.8 to 48 as the plant declares, found -1"),
    ("price", 200.0, "price: expected -100 to 100, found 200"),
    ("price_export", -200.0, "price_export: expected -100 to 100, found -200"),
    ("price_ahead_3", 200.0, "price_ahead_3: expected -100 to 100, found 200"),
    ("price_ahead_hours", 25.0, "price_ahead_hours: expected 0 to 24, found 25"),
    ("v_pcc", 4.0, "v_pcc: expected 0 to 3, found 4"),
    ("f_grid", 0.0, "f_grid: expected 10 to 100, found 0"),
    ("q_heat", f64::NAN, "q_heat: expected 0 to 150 as the plant declares, found NaN"),
    ("p_battery", f64::INFINITY, "p_battery: expected -1000000 to 1000000, found inf"),
];

#[test]
fn a_value_out_of_its_range_is_discarded_by_name_and_the_next_good_step_goes_on() {
    let folder = folder();
    for (fmi, (name, bad, words)) in BOTH.into_iter().flat_map(|fmi| REFUSED.map(|refused| (fmi, refused))) {
        let (ems, other) = (Host::ready(fmi, Kind::Ems, folder.path()), Host::ready(fmi, Kind::Ems, folder.path()));
        assert_eq!((ems.step(0.0, 900.0), other.step(0.0, 900.0)), (Status::Ok, Status::Ok));
        let (good, set_point) = (ems.real(name), ems.real("p_battery_set").to_bits());
        check(ems.set_real(ems.reference(name), bad), Status::Discard, words);
        assert_eq!(ems.real(name), good, "nothing is taken");
        // A host that does not look at what it is told gets no set-point from the value before either.
        for _ in 0..2 {
            check(ems.step(900.0, 900.0), Status::Discard, words);
            assert_eq!((ems.real("p_battery_set").to_bits(), ems.last_successful_time()), (set_point, 900.0));
        }
        ems.put_real(name, good);
        for k in 1..4 {
            assert_eq!(
                (ems.step(900.0 * f64::from(k), 900.0), other.step(900.0 * f64::from(k), 900.0)),
                (Status::Ok, Status::Ok)
            );
            assert_eq!(ems.real("p_battery_set").to_bits(), other.real("p_battery_set").to_bits());
            assert_eq!(ems.integer("status"), 1, "{name}");
        }
    }
}

#[test]
fn rounding_beyond_a_bound_is_taken_away() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        ems.put_real("soc", 1.0 + f64::EPSILON);
        assert_eq!((ems.real("soc"), ems.step(0.0, 900.0)), (1.0, Status::Ok));
    }
}

#[test]
fn of_a_call_that_is_refused_no_value_is_taken_and_all_have_to_be_set_again() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        let names = ["p_load", "soc", "q_heat"];
        check(ems.set_reals(&names, &[40.0, 1.4, 20.0]), Status::Discard, "soc: expected 0 to 1");
        assert_eq!((ems.real("p_load"), ems.real("q_heat")), (5.0, 0.0));
        ems.put_real("soc", 0.4);
        check(ems.step(0.0, 900.0), Status::Discard, "p_load has to be set again, because a value was refused: soc");
        assert_eq!((ems.set_reals(&names, &[40.0, 0.4, 20.0]), ems.step(0.0, 900.0)), (Status::Ok, Status::Ok));
    }
}

#[test]
fn parameters_that_are_set_later_narrow_what_an_input_may_have_been() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::new(fmi, Kind::Ems, folder.path());
        ems.put_real("q_heat", 120.0);
        ems.put_real("exogenous.heat_load_kw_max", 100.0);
        assert_eq!((ems.enter(), ems.exit()), (Status::Ok, Status::Ok), "{}", log_lines());
        check(ems.step(0.0, 900.0), Status::Discard, "q_heat: expected 0 to 100 as the plant declares, found 120");
        ems.put_real("q_heat", 80.0);
        assert_eq!(ems.step(0.0, 900.0), Status::Ok);
    }
}

#[test]
fn a_saved_state_knows_what_was_refused_before_it_and_nothing_that_was_refused_later() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        let (mut before, mut after) = (std::ptr::null_mut(), std::ptr::null_mut());
        assert_eq!(ems.save(&mut before), Status::Ok);
        check(ems.set_real(ems.reference("soc"), 2.0), Status::Discard, "soc");
        assert_eq!(
            (ems.save(&mut after), ems.load(before), ems.step(0.0, 900.0)),
            (Status::Ok, Status::Ok, Status::Ok)
        );
        assert_eq!(ems.load(after), Status::Ok);
        check(ems.step(0.0, 900.0), Status::Discard, "soc");
        ems.free_state(&mut before);
        ems.free_state(&mut after);
    }
}

#[test]
fn a_plant_discards_set_points_that_are_no_numbers() {
    let folder = folder();
    for fmi in BOTH {
        let plant = Host::ready(fmi, Kind::Plant, folder.path());
        check(plant.set_real(plant.reference("p_battery_set"), f64::NAN), Status::Discard, "p_battery_set");
        check(plant.step(0.0, 900.0), Status::Discard, "p_battery_set");
        plant.put_real("p_battery_set", 1.0);
        assert_eq!(plant.step(0.0, 900.0), Status::Ok);
    }
}

/// The range of one input lets through what all of them together do not allow: what sources draw counts as load.
#[test]
fn what_inputs_together_leave_no_promise_for_gives_a_safe_stop_for_as_long_as_it_is_there() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        ems.put_real("p_load", 100.0);
        ems.put_real("p_pv", -1.0);
        assert_eq!(ems.step(0.0, 900.0), Status::Ok);
        let bit = RULE_BITS.len() - 1;
        assert_eq!((ems.integer("status"), ems.integer("relaxation"), ems.integer("safety_reasons")), (4, 6, 1 << bit));
        assert_eq!((ems.real("p_battery_set"), ems.boolean("safety_active")), (0.0, true));
        ems.put_real("p_pv", 0.0);
        assert_eq!((ems.step(900.0, 900.0), ems.integer("status")), (Status::Ok, 1));
    }
}

#[test]
fn disabled_it_follows_the_plant_and_starts_from_there() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        ems.put_boolean("enable", false);
        ems.put_boolean("chp_on", true);
        ems.put_real("p_chp", 42.0);
        ems.put_real("p_load", 60.0);
        assert_eq!(ems.step(0.0, 900.0), Status::Ok);
        assert_eq!((ems.integer("status"), ems.real("p_chp_set"), ems.boolean("chp_on_set")), (3, 42.0, true));
        ems.put_boolean("enable", true);
        assert_eq!(ems.step(900.0, 900.0), Status::Ok);
        assert!((ems.real("p_chp_set") - 42.0).abs() <= 5.0, "one ramp of 5 kW from the measured power");
    }
}

#[test]
fn calls_out_of_order_are_refused() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::new(fmi, Kind::Ems, folder.path());
        check(ems.get_real(P_BATTERY_SET).0, Status::Error, "p_battery_set has no value before initialization");
        assert_eq!(ems.real("sample_time"), 900.0);
        check(ems.step(0.0, 900.0), Status::Error, "Instantiated");
        check(ems.exit(), Status::Error, "has not begun");
        assert_eq!(ems.enter(), Status::Ok);
        assert_eq!(ems.real("p_battery_set"), 0.0);
        assert_eq!(ems.exit(), Status::Ok);
        let parameter = ems.reference("sample_time");
        check(ems.set_real(parameter, 60.0), Status::Error, "sample_time (Parameter) cannot be set");
        check(ems.set_real(P_BATTERY_SET, 1.0), Status::Error, "p_battery_set (Output) cannot be set");
        check(ems.get_real(7777).0, Status::Error, "reference 7777");
        check(ems.get_real(ems.reference("status")).0, Status::Error, "status is a Integer");
        check(ems.set_real(ems.reference("enable"), 1.0), Status::Error, "enable is a Boolean");
        check(ems.step(900.0, 900.0), Status::Error, "currentCommunicationPoint: expected 0, found 900");
    }
}

#[test]
fn step_sizes_that_are_no_step_are_refused() {
    let folder = folder();
    for fmi in BOTH {
        for size in [0.0, -900.0, f64::NAN, f64::INFINITY, 1e12, 901.0, 3600.0] {
            let ems = Host::ready(fmi, Kind::Ems, folder.path());
            check(ems.step(0.0, size), Status::Error, "communicationStepSize");
        }
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        check(ems.step(f64::NAN, 900.0), Status::Error, "currentCommunicationPoint");
    }
}

#[test]
fn wrong_parameters_are_named_when_initialization_ends() {
    let folder = folder();
    let reals = [("sample_time", 0.0), ("sample_time", f64::NAN), ("battery.soc_max", 7.0), ("hour_start", f64::NAN)];
    let texts =
        [("policy", "best"), ("model_file", "none.safetensors"), ("model_file", ""), ("model_file", "policy.txt")];
    for fmi in BOTH {
        for (name, value) in reals {
            let ems = Host::new(fmi, Kind::Ems, folder.path());
            ems.put_real(name, value);
            assert_eq!(ems.enter(), Status::Ok);
            check(ems.exit(), Status::Error, name);
        }
        for (name, value) in texts {
            let ems = Host::new(fmi, Kind::Ems, folder.path());
            ems.put_text(name, value);
            assert_eq!(ems.text(name), value);
            assert_eq!(ems.enter(), Status::Ok);
            check(ems.exit(), Status::Error, name);
        }
    }
}

#[test]
fn weights_of_another_shape_or_with_nan_are_refused() {
    for (weights, words) in [(random_weights(9), "l1.weight"), (random_weights(10)[..900].to_vec(), "safetensors")] {
        let folder = folder();
        std::fs::write(folder.path().join("actor.safetensors"), weights).unwrap();
        for fmi in BOTH {
            let ems = Host::new(fmi, Kind::Ems, folder.path());
            assert_eq!(ems.enter(), Status::Ok);
            check(ems.exit(), Status::Error, words);
        }
    }
}

#[test]
fn what_is_missing_at_instantiation_is_named() {
    let empty = tempfile::tempdir().unwrap();
    let folder = folder();
    for fmi in BOTH {
        assert!(
            Host::try_new(fmi, Kind::Ems, &Kind::Ems.token_for(&PlantParameters::reference()), empty.path()).is_none()
        );
        check(Status::Error, Status::Error, "limits.json");
        assert!(Host::try_new(fmi, Kind::Ems, "{other}", folder.path()).is_none());
        check(Status::Error, Status::Error, "different versions");
        std::fs::write(folder.path().join("profile.csv"), "time,pv_kw\n").unwrap();
        let plant = Host::new(fmi, Kind::Plant, folder.path());
        assert_eq!(plant.enter(), Status::Ok);
        check(plant.exit(), Status::Error, "wind_kw");
    }
}

#[test]
fn a_panic_in_a_step_leaves_the_host_alive() {
    let folder = folder();
    for fmi in BOTH {
        let (broken, other) = (Host::ready(fmi, Kind::Ems, folder.path()), Host::ready(fmi, Kind::Ems, folder.path()));
        broken.put_real("p_load", PANIC_LOAD_KW);
        check(broken.step(0.0, 900.0), Status::Fatal, "injected panic: 100 % deliberate #");
        assert_eq!((broken.step(0.0, 900.0), broken.reset()), (Status::Fatal, Status::Fatal));
        assert_eq!(other.step(0.0, 900.0), Status::Ok);
    }
}

#[test]
fn null_pointers_are_errors() {
    let folder = folder();
    let ems = Host::ready(crate::describe::Fmi::Two, Kind::Ems, folder.path());
    // SAFETY: null is what the guard is there for.
    unsafe {
        assert_eq!(crate::abi::fmi2DoStep(std::ptr::null_mut(), 0.0, 1.0, 0), Status::Error);
        let status = crate::abi::fmi2GetReal(ems.handle, std::ptr::null(), 2, std::ptr::null_mut());
        check(status, Status::Error, "null pointer");
        check(crate::abi::fmi2SetFMUstate(ems.handle, std::ptr::null_mut()), Status::Error, "null pointer");
        crate::abi::fmi2FreeInstance(std::ptr::null_mut());
        assert!(
            crate::abi::fmi2Instantiate(
                std::ptr::null(),
                1,
                std::ptr::null(),
                std::ptr::null(),
                std::ptr::null(),
                0,
                0
            )
            .is_null()
        );
    }
}
