//! The folder of somebody who commissions: what is run in it, and what it then holds.

use super::CONFIG;
use memg_gateway::virtual_plant::VirtualPlant;
use memg_integration_tests::foreign_bench::{BATTERY, Bench, CHP, HEAT, MAST, METER, ROOF};
use memg_integration_tests::gateway_process::gateway;
use serde_json::Value;
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// `--device` for each device of the plant, as an engineer would type them.
pub(super) fn places(plant: &VirtualPlant, without: &str) -> Vec<String> {
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

pub(super) struct Folder(pub(super) TempDir);

/// Of the battery, by 5 kW.
pub(super) const TRIAL: [&str; 9] =
    ["commission", "gateway.toml", "--device", "store", "--band-kw", "5", "--out", "report", "--yes"];
/// Longest that a test waits for what has to come.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

impl Folder {
    pub(super) async fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(gateway());
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().await.expect("the gateway's program")
    }

    /// `init` at six devices of others; the battery's own watchdog is stated as so many seconds.
    pub(super) async fn init_at(&self, bench: &Bench, watchdog_s: u32) {
        self.init_with(bench, watchdog_s, ROOF).await;
    }

    /// The same with another file for the PV.
    pub(super) async fn init_with(&self, bench: &Bench, watchdog_s: u32, roof: &str) {
        let own = self.0.path().join("own");
        std::fs::create_dir_all(&own).expect("a folder");
        let battery = BATTERY.replace("watchdog_s = 60", &format!("watchdog_s = {watchdog_s}"));
        let files = [&battery, CHP, METER, roof, MAST, HEAT];
        let names = ["store", "engine", "meter", "roof", "mast", "heat"];
        for (name, text) in names.iter().zip(files) {
            std::fs::write(own.join(name).with_extension("toml"), text).expect("a device file");
        }
        let tcp = |device: &str| format!("tcp:127.0.0.1:{}", bench.port(device));
        let places = [
            format!("serial:{}:19200N/7", bench.wire.end("b")),
            format!("{}/3", tcp("chp")),
            format!("rtu:127.0.0.1:{}/12", bench.port("meter")),
            format!("{}/1", tcp("roof")),
            format!("{}/5", tcp("mast")),
            format!("{}/9", tcp("heat")),
        ];
        let device = |(name, place): (&&str, &String)| format!("{name}=own/{name}.toml@{place}");
        let devices: Vec<String> = names.iter().zip(&places).map(device).collect();
        let plant = "init --out . --yes --force --permit --name elsewhere --battery 100:50 --chp 10:80 --pv 60 --wind 10 \
                     --load 5:100 --heat 150 --grid 100:80";
        let mut args: Vec<&str> = plant.split_whitespace().collect();
        args.extend(devices.iter().flat_map(|device| ["--device", device]));
        let init = self.run(&args).await;
        assert!(init.status.success() && told(&init).contains("written and correct"), "{}", told(&init));
    }

    /// Steps of 9 s; a CHP stays on for two of them.
    pub(super) fn shorten_steps(&self) {
        let site = self.0.path().join("site.toml");
        let text = std::fs::read_to_string(&site).expect("the site file");
        let shorter = text.replace("step_h = 0.25", "step_h = 0.0025").replace("min_up_steps = 4", "min_up_steps = 2");
        assert_eq!(text.len() + 2, shorter.len(), "both are there");
        std::fs::write(&site, shorter).expect("the site file");
    }

    /// `commission` of any device; its status, and the report in Markdown.
    pub(super) async fn commission_of(&self, device: &str) -> (Option<i32>, String) {
        let _ = std::fs::remove_dir_all(self.0.path().join("report"));
        let output = self.run(&TRIAL.map(|arg| if arg == "store" { device } else { arg })).await;
        (output.status.code(), self.report(&told(&output)))
    }

    /// `commission` of the battery by 5 kW; its status, and the report in Markdown.
    pub(super) async fn commission(&self, more: &[&str]) -> (Option<i32>, String) {
        let _ = std::fs::remove_dir_all(self.0.path().join("report"));
        let output = self.run(&[&TRIAL, more].concat()).await;
        (output.status.code(), self.report(&told(&output)))
    }

    /// `commission` of a device by 5 kW whose terminal is lost as soon as `register` is not 0; the report.
    pub(super) async fn lost_in_a_trial(&self, bench: &mut Bench, device: &str, register: &str) -> String {
        // Whoever runs the tests may have had the signal ignored, which is inherited.
        let mut command = Command::new("env");
        let args = TRIAL.map(|arg| if arg == "store" { device } else { arg });
        command
            .arg("--default-signal=HUP")
            .arg(gateway())
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the gateway's program");
        let moved = async {
            while bench.peer.ask(register).await == [0] {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONGEST, moved).await.expect("the device is moved");
        // First nobody reads any more, then the terminal is gone; a shell tells it twice.
        drop((running.stdout.take(), running.stderr.take()));
        let pid = running.id().expect("it runs").to_string();
        for _ in 0..2 {
            let told = Command::new("kill").args(["-HUP", &pid]).status().await.expect("kill");
            assert!(told.success());
        }
        let status = timeout(LONGEST, running.wait()).await.expect("it ends").expect("a status");
        let report = self.report("no report");
        assert_eq!(status.code(), Some(1), "{report}");
        for words in ["| FAILED |", "somebody stopped it", "safe stop after a fault", "Stopped safely"] {
            assert!(report.contains(words), "{words}: {report}");
        }
        report
    }

    /// The one report, in Markdown; the HTML is looked at beside.
    pub(super) fn report(&self, told: &str) -> String {
        let files = std::fs::read_dir(self.0.path().join("report")).unwrap_or_else(|_| panic!("{told}"));
        let texts = files.map(|file| std::fs::read_to_string(file.expect("a file").path()).expect("a report"));
        let (html, markdown): (Vec<String>, Vec<String>) = texts.partition(|text| text.starts_with("<!doctype html>"));
        assert_eq!((html.len(), markdown.len()), (1, 1), "{told}");
        assert!(html[0].contains("Grid operator") && html[0].contains("</html>"), "{}", html[0]);
        markdown[0].clone()
    }

    pub(super) async fn init(&self, plant: &VirtualPlant, without: &str, more: &[&str]) -> Output {
        let site = format!("{CONFIG}/sites/site-a.toml");
        let places = places(plant, without);
        let mut args = vec!["init", "--out", ".", "--yes", "--force", "--name", "harbour", "--site", &site, "--permit"];
        args.extend(places.iter().map(String::as_str));
        args.extend(more);
        self.run(&args).await
    }

    /// Status and report of `doctor`.
    pub(super) async fn doctor(&self) -> (Option<i32>, Value) {
        let output = self.run(&["doctor", "gateway.toml", "--json", "--watch", "3s"]).await;
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", told(&output))))
    }

    /// The largest power that the battery was told in any journaled cycle, W.
    pub(super) fn most_told_w(&self) -> u64 {
        let journal = std::fs::read_to_string(self.0.path().join("gateway.journal")).expect("a journal");
        let told = |line: &str| {
            let record: Value = serde_json::from_str(line.get(line.find('{')?..=line.rfind('}')?)?).ok()?;
            record.pointer("/decision/safe/battery")?.as_i64().map(i64::unsigned_abs)
        };
        journal.lines().filter_map(told).max().expect("set-points are journaled")
    }

    /// Edits the copy of a device file that `init` left.
    pub(super) fn spoil(&self, file: &str, from: &str, to: &str) {
        let path = self.0.path().join("devices").join(file);
        let text = std::fs::read_to_string(&path).expect("init copied it");
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("a file");
    }
}

pub(super) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Faults as `place: message -> remedy`.
pub(super) fn faults(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().expect("findings");
    let faults = all.iter().filter(|finding| finding["severity"] == "fault");
    faults.map(|f| format!("{}: {} -> {}", f["place"], f["message"], f["remedy"])).collect()
}
