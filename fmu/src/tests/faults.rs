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

#[test]
fn an_input_that_is_not_a_number_stops_the_step_and_is_named() {
    let folder = folder();
    for fmi in BOTH {
        for bad in [f64::NAN, f64::INFINITY] {
            let ems = Host::ready(fmi, Kind::Ems, folder.path());
            assert_eq!(ems.step(0.0, 900.0), Status::Ok);
            let before = ems.real("p_battery_set").to_bits();
            ems.put_real("q_heat", bad);
            check(ems.step(900.0, 900.0), Status::Error, "q_heat: expected a finite number");
            assert_eq!(ems.real("p_battery_set").to_bits(), before);
            let latched = "the instance is Failed until it is reset, because of \"q_heat: expected a finite number";
            check(ems.step(900.0, 900.0), Status::Error, latched);
            assert_eq!((ems.reset(), ems.enter(), ems.exit()), (Status::Ok, Status::Ok, Status::Ok));
            assert_eq!(ems.step(0.0, 900.0), Status::Ok);
        }
    }
}

#[test]
fn numbers_out_of_bounds_give_a_safe_stop() {
    let folder = folder();
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        ems.put_real("p_load", 1e6);
        assert_eq!(ems.step(0.0, 900.0), Status::Ok);
        let bit = RULE_BITS.len() - 1;
        assert_eq!((ems.integer("status"), ems.integer("relaxation"), ems.integer("safety_reasons")), (4, 6, 1 << bit));
        assert_eq!((ems.real("p_battery_set"), ems.boolean("safety_active")), (0.0, true));
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
