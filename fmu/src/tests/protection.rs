//! The plant's battery protects itself, whatever it is told and however it is stepped.

use super::day::{command, connect};
use super::host::{BOTH, Host, log_lines};
use super::resources;
use crate::fault::Status;
use crate::model::Kind;
use memg_core::synthetic;

/// The reference plant's band.
const BAND: std::ops::RangeInclusive<f64> = 0.1..=0.9;

#[test]
fn the_battery_stops_at_the_ends_of_its_band_and_says_so() {
    let folder = resources("rule", &synthetic::profile(1, 7));
    for (fmi, power, size) in BOTH.into_iter().flat_map(|f| [(f, 50.0, 900.0), (f, -50.0, 3600.0), (f, 50.0, 777.0)]) {
        let plant = Host::ready(fmi, Kind::Plant, folder.path());
        plant.put_real("p_battery_set", power);
        assert_eq!(plant.step(0.0, size), Status::Ok, "{}", log_lines());
        assert!(size > 900.0 || !plant.boolean("battery_limited"), "there is room in the first step");
        for k in 1..20 {
            assert_eq!(plant.step(size * f64::from(k), size), Status::Ok, "{}", log_lines());
            assert!(BAND.contains(&plant.real("soc")), "{} after step {k}", plant.real("soc"));
        }
        let end = if power > 0.0 { *BAND.end() } else { *BAND.start() };
        assert!((plant.real("soc") - end).abs() < 1e-4, "it is used to the end: {}", plant.real("soc"));
        assert!(plant.boolean("battery_limited") && plant.real("p_battery") == 0.0);
        plant.put_real("p_battery_set", -power / 10.0);
        assert_eq!(plant.step(20.0 * size, 300.0), Status::Ok, "{}", log_lines());
        assert!(!plant.boolean("battery_limited") && plant.real("p_battery") == -power / 10.0);
    }
}

#[test]
fn outside_its_band_the_battery_only_comes_back() {
    let folder = resources("rule", &synthetic::profile(1, 7));
    for (soc, power, given) in [(0.05, -20.0, 0.0), (0.05, 20.0, 20.0), (0.95, 20.0, 0.0), (0.95, -20.0, -20.0)] {
        let plant = Host::new(BOTH[0], Kind::Plant, folder.path());
        plant.put_real("soc_start", soc);
        plant.put_real("p_battery_set", power);
        assert_eq!((plant.enter(), plant.exit(), plant.step(0.0, 900.0)), (Status::Ok, Status::Ok, Status::Ok));
        assert_eq!((plant.real("p_battery"), plant.boolean("battery_limited")), (given, given != power));
    }
}

/// Each on the other's values of the step before, as masters of parallel steps do.
#[test]
fn stepped_at_once_with_the_controller_the_plant_stays_in_its_band() {
    let folder = resources("rule", &synthetic::profile(4, 7));
    let (ems, plant) =
        (Host::ready(BOTH[0], Kind::Ems, folder.path()), Host::ready(BOTH[0], Kind::Plant, folder.path()));
    let mut limited = 0;
    for k in 0..4 * 96 {
        let time = 900.0 * f64::from(k);
        connect(&plant, &ems);
        command(&ems, &plant);
        assert_eq!((ems.step(time, 900.0), plant.step(time, 900.0)), (Status::Ok, Status::Ok), "{}", log_lines());
        assert!(BAND.contains(&plant.real("soc")), "{} after step {k}", plant.real("soc"));
        limited += u32::from(plant.boolean("battery_limited"));
    }
    assert!(limited > 0, "otherwise this proves nothing");
}
