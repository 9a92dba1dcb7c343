//! The doctor at a virtual plant whose device files were spoilt.

use super::doctor::{Report, Severity, examine};
use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use memg_plant_io::library;
use memg_settings::load;
use memg_virtual_plant::{Options, VirtualPlant};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A virtual plant at noon, and the report on it with `file` edited and `tables` changed.
async fn report(file: &str, edit: impl Fn(&str) -> String, tables: impl Fn(String) -> String) -> Report {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let plant = Plant::reference();
    let text = std::fs::read_to_string(root.join("profiles/site-a-2016.csv")).unwrap();
    let profile = Profile::parse_csv(&text, plant.step_h()).unwrap();
    let noon = profile.rows().iter().position(|row| row.time.to_string().starts_with("2016-05-20")).unwrap() + 48;
    let options = Options { start_row: noon, ..Options::default() };
    let virtual_plant = VirtualPlant::start(plant, Arc::new(profile), options).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("devices")).unwrap();
    std::fs::write(dir.path().join("devices").join(file), edit(library::text(file).unwrap())).unwrap();
    std::fs::copy(root.join("sites/site-a.toml"), dir.path().join("site.toml")).unwrap();
    let head = "[site]\nname = 'x'\ntime_zone = '+00:00'\nplant_file = 'site.toml'\n[policy]\ndecide_with = 'rule'\n";
    let text = tables(format!("{head}{}", virtual_plant.device_tables()));
    std::fs::write(dir.path().join("gateway.toml"), text).unwrap();
    let settings = load(&dir.path().join("gateway.toml"), "", &[])
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(ToString::to_string).collect::<String>()));
    let report = examine(&settings, Duration::from_secs(3)).await;
    virtual_plant.shutdown().await;
    report
}

fn faults(report: &Report) -> Vec<String> {
    let faults = report.findings.iter().filter(|finding| finding.severity == Severity::Fault);
    let told = faults.map(|f| format!("{}: {} -> {}", f.place, f.message, f.remedy.clone().unwrap_or_default()));
    told.collect()
}

#[tokio::test]
async fn a_right_plant_has_no_fault() {
    let report = report("virtual-pv.toml", ToOwned::to_owned, |tables| tables).await;
    assert_eq!(faults(&report), Vec::<String>::new());
    assert!(report.balance.is_judged() && report.balance.holds(), "{:?}", report.balance);
    assert!(report.signals.iter().all(|signal| signal.quality == "good"), "{:?}", report.signals);
}

#[tokio::test]
async fn swapped_words_are_found_and_the_order_is_named() {
    let swap = |text: &str| text.replacen("address_base = 0", "address_base = 0\nword_order = \"CDAB\"", 1);
    let report = report("virtual-grid-meter.toml", swap, |tables| tables).await;
    let power = faults(&report).into_iter().find(|fault| fault.starts_with("grid-meter.power:"));
    assert!(power.as_ref().is_some_and(|fault| fault.contains("word_order = \"ABCD\" would read")), "{power:?}");
}

#[tokio::test]
async fn a_register_too_far_is_found_and_the_one_before_it_is_named() {
    let later =
        |text: &str| text.replace("address = 2", "address = 3").replace("address = 0\ntype", "address = 1\ntype");
    let report = report("virtual-load-meter.toml", later, |tables| tables).await;
    let power = faults(&report).into_iter().find(|fault| fault.starts_with("load-meter.power:"));
    assert!(power.as_ref().is_some_and(|fault| fault.contains("the register before it")), "{power:?}");
}

#[tokio::test]
async fn a_wrong_sign_is_named() {
    for (device, signal, point) in [("grid-meter", "grid_kw", "power"), ("load-meter", "electric_load_kw", "power")] {
        let turned = |tables: String| {
            let range = "[-1000, 1000]";
            let line = format!("signal = [{{ point = {point:?}, signal = {signal:?}, sign = -1, range = {range} }}]\n");
            let name = format!("name = {device:?}\n");
            tables.replacen(&name, &format!("{name}{line}"), 1)
        };
        let report = report("virtual-pv.toml", ToOwned::to_owned, turned).await;
        let told = faults(&report).join("\n");
        assert!(told.contains(&format!("the sign of {signal} is wrong")), "{signal}: {told} {:?}", report.balance);
    }
}
