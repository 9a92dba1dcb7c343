//! Plants of several units or none: the shipped sites are right, and what does not fit them is told with file, line and key.

use super::{Problem, Settings, load};
use memg_virtual_plant::DeviceAddress;
use memg_virtual_plant::site::{device_tables, devices_of};
use std::path::{Path, PathBuf};

const MANY: &str = "two-batteries-three-pvs-two-chps.toml";

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/sites").join(file)
}

/// A gateway at a shipped site, both edited, with the site's own virtual devices in its configuration.
fn at_site(
    site: &str,
    edit_site: impl Fn(String) -> String,
    edit: impl Fn(String) -> String,
) -> Result<Settings, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let known = super::read_site(&shipped(site)).unwrap();
    let at = |(spec, port)| DeviceAddress { spec, address: ([127, 0, 0, 1], port).into() };
    let devices: Vec<_> = devices_of(&known.plant, &known.sources).into_iter().zip(1..).map(at).collect();
    let tables = device_tables(&known.plant, &known.sources, &devices);
    let head = "[site]\nname = 'x'\ntime_zone = '+00:00'\nplant_file = 'site.toml'\n[policy]\ndecide_with = 'rule'\n";
    std::fs::write(dir.path().join("site.toml"), edit_site(std::fs::read_to_string(shipped(site)).unwrap())).unwrap();
    std::fs::write(dir.path().join("gateway.toml"), edit(format!("{head}{tables}"))).unwrap();
    let told = |problems: Vec<Problem>| {
        let folder = dir.path().display().to_string();
        problems.iter().map(|p| p.to_string().replace(&folder, "")).collect()
    };
    load(&dir.path().join("gateway.toml"), "", &[]).map_err(told)
}

fn same(text: String) -> String {
    text
}

fn refused(site: &str, edit_site: impl Fn(String) -> String, edit: impl Fn(String) -> String) -> String {
    at_site(site, edit_site, edit).map_or_else(|problems| problems.join("\n"), |_| "accepted".to_owned())
}

#[test]
fn the_shipped_sites_are_right_with_the_devices_of_what_they_have() {
    for (site, batteries, chps, pv, wind) in [
        ("site-a.toml", 1, 1, 1, 1),
        ("pv-battery.toml", 1, 0, 1, 0),
        ("battery-only.toml", 1, 0, 0, 0),
        ("chp-boiler.toml", 0, 1, 0, 0),
        (MANY, 2, 2, 3, 1),
    ] {
        let settings = at_site(site, same, same).unwrap_or_else(|problems| panic!("{site}: {problems:#?}"));
        let (plant, sources) = (&settings.plant, &settings.sources);
        let found = (plant.batteries().len(), plant.chps().len(), sources.pv_kw.len(), sources.wind_kw.len());
        assert_eq!(found, (batteries, chps, pv, wind), "{site}");
    }
}

#[test]
fn signals_and_set_points_of_further_units_have_their_number() {
    let settings = at_site(MANY, same, same).unwrap();
    let measured: Vec<String> = settings.points.signals.keys().map(ToString::to_string).collect();
    for name in ["soc", "soc_2", "battery_2_kw", "chp_2_on", "pv_kw", "pv_3_kw", "wind_kw"] {
        assert!(measured.iter().any(|known| known == name), "{name}: {measured:?}");
    }
    let written: Vec<String> =
        settings.devices.iter().flat_map(|device| device.outputs()).map(|tag| tag.to_string()).collect();
    for name in ["battery_setpoint_kw", "battery_2_setpoint_kw", "chp_2_run", "chp_2_setpoint_kw", "pv_3_limit_kw"] {
        assert!(written.iter().any(|known| known == name), "{name}: {written:?}");
    }
}

#[test]
fn wrong_units_of_a_site_are_told_with_file_line_and_key() {
    let fifth = |site: String| {
        let one = "[[plant.battery]]\ncapacity_kwh = 1.0\ncharge_kw_max = 1.0\ndischarge_kw_max = 1.0\n\
                   efficiency_store = 0.9\nefficiency_dispatch = 0.9\nsoc_min = 0.1\nsoc_max = 0.9\n\
                   ramp_kw_per_step = 1.0\nwear_eur_per_kwh = 0.0\n";
        format!("{site}\n{}", one.repeat(3))
    };
    let found = refused(MANY, fifth, same);
    assert!(found.contains("plant.battery[4]: is one too many: expected up to 4, found 5"), "{found}");
    let negative = refused(MANY, |site| site.replace("capacity_kwh = 60.0", "capacity_kwh = -60.0"), same);
    let expected = "/site.toml:21: plant.battery[1].capacity_kwh: expected a number from 0.001 to 1000000, found -60";
    assert_eq!(negative, expected);
    let missing = refused(MANY, |site| site.replace("capacity_kwh = 60.0\n", ""), same);
    assert!(missing.contains("plant.battery[1].capacity_kwh: missing"), "{missing}");
    let unknown = refused(MANY, |site| site.replace("capacity_kwh = 60.0", "capacity_kwh = 60.0\ncolour = 1"), same);
    assert!(unknown.contains("plant.battery[1].colour: unknown key"), "{unknown}");
    let rating = refused(MANY, |site| site.replace("[30.0, 20.0, 10.0]", "[30.0, -20.0, 10.0]"), same);
    assert!(rating.contains("plant.exogenous.pv_kw_nom[1]: expected a number above 0 and up to 1000000"), "{rating}");
}

#[test]
fn a_unit_that_nobody_measures_and_a_measurement_without_its_unit_are_refused() {
    let without = |name: &'static str| {
        move |text: String| {
            let all: Vec<&str> = text.split("[[device]]").filter(|table| !table.contains(name)).collect();
            all.join("[[device]]")
        }
    };
    let battery = refused(MANY, same, without("name = \"battery-2\""));
    assert!(battery.contains("nobody measures soc_2; control cannot work without it"), "{battery}");
    let chp = refused(MANY, same, without("name = \"chp-2\""));
    assert!(chp.contains("nobody measures chp_2_kw or chp_2_on"), "{chp}");
    let pv = refused(MANY, same, without("name = \"pv-3\""));
    assert!(pv.contains("nobody measures pv_3_kw"), "{pv}");
    let third = refused(MANY, same, |text| text.replacen("number = 2", "number = 3", 1));
    assert!(
        third.contains("soc_3 is measured by device battery-2, but the plant has 2 of [[plant.battery]]"),
        "{third}"
    );
    assert!(third.contains("takes battery_3_setpoint_kw, but the plant has 2"), "{third}");
    let none = refused("pv-battery.toml", |site| site.replace("pv_kw_nom = 60.0\n", ""), same);
    assert!(
        none.contains("pv_kw is measured by device pv, but the plant has 0 of plant.exogenous.pv_kw_nom"),
        "{none}"
    );
}

#[test]
fn a_cap_on_several_sources_needs_their_ratings_and_all_of_them() {
    let sum = refused(MANY, |site| site.replace("[30.0, 20.0, 10.0]", "60.0"), same);
    assert!(sum.contains("plant.exogenous.pv_kw_nom: expected the ratings as a list"), "{sum}");
    let left = refused(MANY, same, |text| {
        let (head, tail) = text.split_once("name = \"pv-2\"").unwrap();
        let mut lines: Vec<&str> = tail.lines().collect();
        let written = lines.iter().position(|line| line.starts_with("write")).unwrap();
        lines.remove(written);
        format!("{head}name = \"pv-2\"{}", lines.join("\n"))
    });
    assert!(left.contains("nobody takes pv_2_limit_kw"), "{left}");
}

#[test]
fn a_single_unit_of_size_zero_is_not_there() {
    let nothing = |site: String| site.replace("capacity_kwh = 80.0", "capacity_kwh = 0.0");
    let found = refused("pv-battery.toml", nothing, same);
    assert!(found.contains("soc is measured by device battery, but the plant has 0 of [[plant.battery]]"), "{found}");
    let found = refused("pv-battery.toml", |site| site.replace("pv_kw_nom = 60.0", "pv_kw_nom = 0.0"), same);
    assert!(found.contains("pv_kw is measured by device pv, but the plant has 0"), "{found}");
}
