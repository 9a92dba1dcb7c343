//! Save, restore, serialize and reset bring back the same future.

use super::host::{BOTH, Host, log_lines};
use super::resources;
use crate::fault::Status;
use crate::model::Kind;
use memg_core::synthetic;

/// Steps `from..to` with a load that changes; returns set-points.
fn run(ems: &Host, from: u32, to: u32) -> Vec<u64> {
    let mut rows = Vec::new();
    for k in from..to {
        ems.put_real("p_load", 20.0 + 7.0 * f64::from(k % 9));
        ems.put_real("price", 0.05 * f64::from(k % 5));
        assert_eq!(ems.step(900.0 * f64::from(k), 900.0), Status::Ok, "{}", log_lines());
        rows.extend(["p_battery_set", "p_chp_set"].map(|name| ems.real(name).to_bits()));
    }
    rows
}

#[test]
fn a_saved_state_has_the_same_future_in_this_and_in_another_instance() {
    let folder = resources("td3", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        run(&ems, 0, 10);
        let mut state = std::ptr::null_mut();
        assert_eq!(ems.save(&mut state), Status::Ok);
        let future = run(&ems, 10, 40);
        assert_eq!(ems.load(state), Status::Ok);
        assert_eq!(run(&ems, 10, 40), future);

        let bytes = ems.bytes(state);
        let other = Host::new(fmi, Kind::Ems, folder.path());
        let mut copy = std::ptr::null_mut();
        assert_eq!(other.state_from(&bytes, &mut copy), Status::Ok);
        assert_eq!(other.load(copy), Status::Ok, "{}", log_lines());
        assert_eq!(run(&other, 10, 40), future);
        // A state saved over an old one reuses its slot.
        assert_eq!(other.save(&mut copy), Status::Ok);
        ems.free_state(&mut state);
        other.free_state(&mut copy);
        assert!(state.is_null() && copy.is_null());
    }
}

#[test]
fn reset_starts_again() {
    let folder = resources("td3", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        let first = run(&ems, 0, 20);
        assert_eq!((ems.reset(), ems.enter(), ems.exit()), (Status::Ok, Status::Ok, Status::Ok));
        assert_eq!(run(&ems, 0, 20), first);
    }
}

#[test]
fn a_plant_state_survives_bytes() {
    let folder = resources("td3", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let plant = Host::ready(fmi, Kind::Plant, folder.path());
        plant.put_real("p_battery_set", 30.0);
        assert_eq!(plant.step(0.0, 1000.0), Status::Ok);
        let mut state = std::ptr::null_mut();
        assert_eq!(plant.save(&mut state), Status::Ok);
        let bytes = plant.bytes(state);
        assert_eq!(plant.step(1000.0, 1000.0), Status::Ok);
        let wanted = (plant.real("soc").to_bits(), plant.real("cost").to_bits());
        let mut copy = std::ptr::null_mut();
        assert_eq!(plant.state_from(&bytes, &mut copy), Status::Ok);
        assert_eq!((plant.load(copy), plant.step(1000.0, 1000.0)), (Status::Ok, Status::Ok));
        assert_eq!((plant.real("soc").to_bits(), plant.real("cost").to_bits()), wanted);
        plant.free_state(&mut state);
        plant.free_state(&mut copy);
    }
}

#[test]
fn bytes_that_are_no_state_are_refused() {
    let folder = resources("td3", &synthetic::profile(1, 7));
    for fmi in BOTH {
        let (ems, plant) = (Host::ready(fmi, Kind::Ems, folder.path()), Host::ready(fmi, Kind::Plant, folder.path()));
        let mut state = std::ptr::null_mut();
        assert_eq!(ems.save(&mut state), Status::Ok);
        let bytes = ems.bytes(state);
        let mut copy = std::ptr::null_mut();
        for bad in [&b""[..], b"nonsense", &bytes[..bytes.len() / 2]] {
            assert_eq!(ems.state_from(bad, &mut copy), Status::Error);
            assert!(log_lines().contains("not a serialized state") && copy.is_null());
        }
        assert_eq!(plant.load(state), Status::Error);
        assert!(log_lines().contains("another model"));
        ems.free_state(&mut state);
    }
}
