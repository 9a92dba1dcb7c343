//! The way of somebody new, with the binary alone: an empty folder, `init` at addresses, `check`, `doctor` finds what was
//! planted, Shadow runs and replays.

use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use memg_gateway::virtual_plant::{Options, VirtualPlant};
use memg_integration_tests::gateway_process::gateway;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::process::Command;

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

/// `--device` for each device of the plant, as an engineer would type them.
fn places(plant: &VirtualPlant, without: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(&plant.device_tables()).expect("TOML");
    let devices = table["device"].as_array().expect("devices");
    let text = |device: &toml::Value, key: &str| device[key].as_str().expect("text").to_owned();
    let place = |device: &toml::Value| {
        let tcp = device["transport"]["tcp"].as_str().expect("an address");
        format!("{}={}@tcp:{tcp}/{}", text(device, "name"), text(device, "file"), device["unit_id"])
    };
    let there = devices.iter().filter(|device| device["name"].as_str() != Some(without));
    there.flat_map(|device| ["--device".to_owned(), place(device)]).collect()
}

struct Folder(TempDir);

impl Folder {
    async fn run(&self, args: &[&str]) -> Output {
        Command::new(gateway()).args(args).current_dir(self.0.path()).output().await.expect("the gateway's program")
    }

    async fn init(&self, plant: &VirtualPlant, without: &str, more: &[&str]) -> Output {
        let site = format!("{CONFIG}/sites/site-a.toml");
        let places = places(plant, without);
        let mut args = vec!["init", "--out", ".", "--yes", "--force", "--name", "harbour", "--site", &site, "--permit"];
        args.extend(places.iter().map(String::as_str));
        args.extend(more);
        self.run(&args).await
    }

    /// Status and report of `doctor`.
    async fn doctor(&self) -> (Option<i32>, Value) {
        let output = self.run(&["doctor", "gateway.toml", "--json", "--watch", "3s"]).await;
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output))))
    }

    /// Edits the copy of a device file that `init` left.
    fn spoil(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join("devices").join(file);
        let text = std::fs::read_to_string(&path).expect("init copied it");
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("a file");
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Faults as `place: message -> remedy`.
fn faults(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().expect("findings");
    let faults = all.iter().filter(|finding| finding["severity"] == "fault");
    faults.map(|f| format!("{}: {} -> {}", f["place"], f["message"], f["remedy"])).collect()
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
