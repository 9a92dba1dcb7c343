//! The way of somebody new, with the binary alone: an empty folder, `init` at addresses, `check`, `doctor` finds what was
//! planted, `commission` tries what may be written and reports it, Shadow runs and replays. At the virtual plant, and at six
//! devices of others.

#[path = "commissioning/folder.rs"]
mod folder;

use folder::{Folder, faults, told};
use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use memg_gateway::virtual_plant::{Options, VirtualPlant};
use memg_integration_tests::foreign_bench::{Bench, ROOF};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config");

/// A plant at noon in May, when all powers are far from zero but the battery's.
async fn plant() -> VirtualPlant {
    let plant = Plant::reference();
    let text = std::fs::read_to_string(Path::new(CONFIG).join("profiles/site-a-2016.csv")).expect("the profile");
    let profile = Profile::parse_csv(&text, plant.step_h()).expect("a profile");
    let day = profile.rows().iter().position(|row| row.time.to_string().starts_with("2016-05-20"));
    let options = Options { start_row: day.expect("the day") + 48, ..Options::default() };
    VirtualPlant::start(plant, Arc::new(profile), options).await.expect("a virtual plant")
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_folder_to_shadow() {
    let plant = plant().await;
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    let init = folder.init(&plant, "none", &[]).await;
    assert!(init.status.success() && told(&init).contains("written and correct"), "{}", told(&init));
    let check = folder.run(&["check", "gateway.toml"]).await;
    assert!(check.status.success() && told(&check).contains(": correct."), "{}", told(&check));
    let (status, report) = folder.doctor().await;
    assert_eq!((status, faults(&report)), (Some(0), Vec::new()));

    folder.spoil("virtual-grid-meter.toml", "address_base = 0", "address_base = 0\nword_order = \"CDAB\"");
    let (status, report) = folder.doctor().await;
    let found = faults(&report).into_iter().find(|fault| fault.contains("grid-meter.power"));
    assert_eq!(status, Some(1));
    assert!(found.as_ref().is_some_and(|fault| fault.contains("ABCD")), "{found:?}");
    folder.spoil("virtual-grid-meter.toml", "\"CDAB\"", "\"ABCD\"");

    folder.spoil("virtual-load-meter.toml", "range = [0, 10_000_000]", "sign = -1\nrange = [-10_000_000, 10_000_000]");
    let (_, report) = folder.doctor().await;
    let found = faults(&report).into_iter().find(|fault| fault.contains("balance of powers"));
    assert!(found.as_ref().is_some_and(|fault| fault.contains("sign of electric_load_kw is wrong")), "{found:?}");
    folder.spoil("virtual-load-meter.toml", "sign = -1", "sign = 1");

    shadow(&folder).await;
    plant.shutdown().await;
}

/// Shadow decides and journals, writes nothing, and replays.
async fn shadow(folder: &Folder) {
    let run = folder.run(&["run", "gateway.toml", "--for", "6s", "--json"]).await;
    assert!(run.status.success(), "{}", told(&run));
    let summary: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{}", told(&run)));
    assert_eq!((&summary["mode"], summary["writes"].as_u64()), (&Value::from("shadow"), Some(0)), "{summary}");
    let replay = folder.run(&["replay", "gateway.journal"]).await;
    assert!(replay.status.success(), "{}", told(&replay));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_folder_to_a_signed_report_at_six_devices_of_others() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    bench.peer.ask("live 4").await;
    folder.init_at(&bench, 4).await;
    let (status, report) = folder.doctor().await;
    assert_eq!((status, faults(&report)), (Some(0), Vec::new()));

    folder.spoil("mast.toml", "CDAB", "ABCD");
    let (status, report) = folder.doctor().await;
    let found = faults(&report).into_iter().find(|fault| fault.contains("mast.power"));
    assert_eq!(status, Some(1));
    assert!(found.as_ref().is_some_and(|fault| fault.contains("CDAB")), "{found:?}");
    folder.spoil("mast.toml", "ABCD", "CDAB");

    folder.spoil("meter.toml", "range = [0, 200]", "sign = -1\nrange = [-200, 200]");
    let (_, report) = folder.doctor().await;
    let found = faults(&report).into_iter().find(|fault| fault.contains("balance of powers"));
    assert!(found.as_ref().is_some_and(|fault| fault.contains("sign of electric_load_kw is wrong")), "{found:?}");
    folder.spoil("meter.toml", "sign = -1", "sign = 1");

    let refused = folder.run(&["commission", "gateway.toml"]).await;
    assert!(!refused.status.success() && told(&refused).contains("consent"), "{}", told(&refused));
    assert_eq!(bench.peer.ask("get battery 1 5 1").await, [0], "nothing is written without consent");
    let (status, report) = folder.commission(&[]).await;
    assert_eq!(status, Some(0), "{report}");
    for words in ["store (battery)", "| passed |", "setpoint holding[300] 5 after", "setpoint 0 after", "falls back"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert_eq!(bench.peer.ask("get battery 3 300 1").await, [0], "it was released");
    assert_eq!(bench.peer.ask("get chp 1 1 1").await, [0], "one device at a time");
    let most = folder.most_told_w();
    assert!((4_000..=5_000).contains(&most), "the band is filled and never left: {most} W");
    shadow(&folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_apply_its_set_point_or_does_not_fall_back_is_stopped_safely_and_reported() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    bench.peer.ask("live 0").await;
    folder.init_at(&bench, 2).await;
    bench.peer.ask("deaf battery 300").await;
    let (status, report) = folder.commission(&[]).await;
    assert_eq!(status, Some(1), "{report}");
    for words in ["| FAILED |", "safe stop after a fault", "Stopped safely", "not timed: the trial ended before"] {
        assert!(report.contains(words), "{words}: {report}");
    }

    bench.peer.ask("hear battery").await;
    let (status, report) = folder.commission(&[]).await;
    assert!(status == Some(1) && report.contains("a safe stop waits for its acknowledgement"), "{report}");
    assert_eq!(bench.peer.ask("get battery 3 300 1").await, [0], "nothing is written before somebody has looked");
    let (status, report) = folder.commission(&["--acknowledge"]).await;
    assert_eq!(status, Some(1), "{report}");
    for words in ["A safe stop of before was acknowledged", "DID NOT FALL BACK", "brought to rest again"] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert_eq!(bench.peer.ask("get battery 3 300 1").await, [0], "it is not left with its set-point");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_lost_stops_a_trial_safely_and_the_report_says_so() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    bench.peer.ask("live 0").await;
    folder.init_at(&bench, 60).await;
    let report = folder.lost_in_a_trial(&mut bench, "store", "get battery 3 300 1").await;
    assert_eq!(bench.peer.ask("get battery 3 300 1").await, [0], "it is not left with its set-point");
    assert!(!report.contains("| before the silence |"), "nothing is moved again: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chp_that_has_just_started_is_said_to_be_stopped_once_it_is() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    bench.peer.ask("live 0").await;
    folder.init_at(&bench, 60).await;
    folder.shorten_steps();
    let report = folder.lost_in_a_trial(&mut bench, "engine", "get chp 1 1 1").await;
    assert_eq!(bench.peer.ask("get chp 1 1 1").await, [0], "it was waited for: {report}");
    assert_eq!(bench.peer.ask("get chp 4 10 1").await, [0], "its power is at rest");
}

/// What a cap of the PV is written to.
const CAP: &str = "
[[point]]
name = \"cap\"
table = \"holding\"
address = 104
type = \"u16\"
scale = 0.1
unit = \"kW\"
[point.write]
output = \"pv_limit_kw\"
range = [0, 60]
tolerance = 0.1
";

#[tokio::test(flavor = "multi_thread")]
async fn a_chp_and_a_cap_are_tried_from_rest_to_rest_and_what_does_not_fall_back_is_said() {
    let Some(mut bench) = Bench::start().await else { return };
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    bench.peer.ask("live 0").await;
    folder.init_with(&bench, 60, &format!("{ROOF}{CAP}")).await;
    folder.shorten_steps();
    let (status, report) = folder.commission_of("engine").await;
    assert_eq!(status, Some(0), "{report}");
    for words in
        ["engine (CHP)", "| passed |", "run coil[1] 1 after", "setpoint holding[20] 15 after", "run coil[1] 0 after"]
    {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert!(report.contains("nothing makes it fall back when the gateway dies"), "{report}");
    assert_eq!(bench.peer.ask("get chp 1 1 1").await, [0], "it is off again: {report}");

    let (status, report) = folder.commission_of("roof").await;
    assert!(status == Some(1) && report.contains("Not tried: no cap below the rating"), "it exports nothing: {report}");
    bench.peer.ask("sun 40").await;
    let (status, report) = folder.commission_of("roof").await;
    assert_eq!(status, Some(0), "{report}");
    for words in
        ["roof (PV)", "| passed |", "hold down | export of", "filter: grid_export", "release | the limit has ended"]
    {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert_eq!(bench.peer.ask("get roof 3 103 1").await, [600], "the cap is released: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_nothing_is_commissioned() {
    let plant = plant().await;
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    let init = folder.init(&plant, "none", &[]).await;
    assert!(init.status.success(), "{}", told(&init));
    let config = folder.0.path().join("gateway.toml");
    let mut table: toml::Table = toml::from_str(&std::fs::read_to_string(&config).expect("a file")).expect("TOML");
    assert!(table.remove("journal").is_some(), "init writes one");
    std::fs::write(&config, table.to_string()).expect("a file");
    let refused = folder.run(&["commission", "gateway.toml", "--yes"]).await;
    assert!(refused.status.code() == Some(64) && told(&refused).contains("journal.path"), "{}", told(&refused));
    plant.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_no_meter_shows_is_journaled_as_the_sum_of_what_is_measured() {
    let plant = plant().await;
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    let sum = "electric_load_kw=grid_kw+pv_kw+wind_kw+chp_kw+-battery_kw";
    let init = folder.init(&plant, "load-meter", &["--sum", sum]).await;
    assert!(init.status.success(), "{}", told(&init));
    shadow(&folder).await;
    let journal = std::fs::read_to_string(folder.0.path().join("gateway.journal")).expect("a journal");
    let load = |line: &str| {
        let record: Value = serde_json::from_str(line.get(line.find('{')?..=line.rfind('}')?)?).ok()?;
        let load = record.pointer("/input/state/electric_load")?.clone();
        (load["quality"] == "good").then(|| load["value"].as_f64())?
    };
    let seen: Vec<f64> = journal.lines().filter_map(load).collect();
    let truth = plant.snapshot().flows.electric_load_kw;
    assert!(seen.iter().any(|kw| (kw - truth).abs() < 0.5), "{seen:?}, not {truth}");
    assert!(
        journal.contains("\"witnesses\":[[\"boiler_heat_kw\"") || journal.contains("\"chp_heat_kw\""),
        "witnesses are journaled"
    );
    plant.shutdown().await;
}
