use super::*;
use memg_core::equipment::Plant;
use memg_plant_io::library;
use std::path::Path;

/// A configuration with a battery (watchdog 30 s), a CHP and PV of the library's virtual files.
fn settings(folder: &Path) -> Settings {
    let site = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/sites/site-a.toml");
    std::fs::copy(site, folder.join("site.toml")).unwrap();
    let mut text = String::from(
        "[site]\nname = 'x'\ntime_zone = '+01:00'\nplant_file = 'site.toml'\nsimulated = true\n[policy]\ndecide_with = 'rule'\n",
    );
    for (name, file, write) in [
        ("battery", "virtual-battery.toml", "{ point = 'setpoint', range = [-50, 50] }"),
        ("chp", "virtual-chp.toml", "{ point = 'setpoint', range = [0, 80] }, { point = 'run', range = [0, 1] }"),
        ("pv", "virtual-pv.toml", "{ point = 'limit', range = [0, 60] }"),
        ("wind", "virtual-wind.toml", ""),
        ("grid", "virtual-grid-meter.toml", ""),
        ("load", "virtual-load-meter.toml", ""),
        ("heat", "virtual-heat-meter.toml", ""),
    ] {
        assert!(library::text(file).is_some());
        text.push_str(&format!(
            "[[device]]\nname = '{name}'\nfile = '{file}'\ntransport = {{ tcp = '127.0.0.1:1' }}\nunit_id = 1\nwrite = [{write}]\n"
        ));
    }
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
    memg_settings::load(&folder.join("gateway.toml"), "", &[])
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(ToString::to_string).collect::<String>()))
}

fn ranges(settings: &Settings) -> Vec<(String, (f64, f64))> {
    let rules =
        settings.devices.iter().flat_map(|device| device.points.iter()).filter_map(|point| point.write.as_ref());
    rules.map(|rule| (rule.output.to_string(), rule.range)).collect()
}

#[test]
fn each_part_that_may_be_written_is_a_trial_with_a_tenth_of_its_rating() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let found = trials(&settings, None, None).unwrap();
    let seen: Vec<(String, f64, usize)> =
        found.iter().map(|trial| (trial.to_string(), trial.band_kw, trial.setpoints.len())).collect();
    let expected = [("battery (battery)", 5.0, 1), ("chp (CHP)", 8.0, 2), ("pv (PV)", 6.0, 1)];
    assert_eq!(seen, expected.map(|(name, kw, count)| (name.to_owned(), kw, count)));
    assert_eq!(found[0].watchdog, Some(Duration::from_secs(30)));
    let alone = trials(&settings, Some("battery"), Some(2.5)).unwrap();
    assert_eq!((alone.len(), alone[0].band_kw), (1, 2.5));
}

#[test]
fn nothing_to_try_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let why = |only, band| trials(&settings, only, band).unwrap_err();
    assert!(why(Some("grid"), None).contains("nothing may be written"));
    assert!(why(Some("gird"), None).contains("there are battery, chp, pv"));
    assert!(why(None, Some(-1.0)).contains("above 0 kW") && why(None, Some(f64::NAN)).contains("above 0 kW"));
}

#[test]
fn a_trial_leaves_the_one_part_and_its_band_to_filter_and_drivers() {
    let folder = tempfile::tempdir().unwrap();
    let found = trials(&settings(folder.path()), None, Some(3.0)).unwrap();
    let narrow = |index: usize| narrowed(settings(folder.path()), &found[index]).unwrap();
    let battery = narrow(0);
    assert_eq!(ranges(&battery), [("battery_setpoint_kw".to_owned(), (-3.0, 3.0))]);
    assert!(!battery.simulated, "it has to be armed");
    let power = |plant: &Plant| (plant.charge_max().kilowatts().get(), plant.chp_max().kilowatts().get());
    assert_eq!(power(&battery.plant), (3.0, 80.0));
    let chp = narrow(1);
    assert_eq!(ranges(&chp), [("chp_run".to_owned(), (0.0, 1.0)), ("chp_setpoint_kw".to_owned(), (0.0, 13.0))]);
    assert_eq!(power(&chp.plant), (0.001, 13.0), "the battery may do nothing, the CHP a little above its minimum");
    assert_eq!(ranges(&narrow(2)), [("pv_limit_kw".to_owned(), (0.0, 60.0))]);
}
