//! The binary as a user meets it: the demonstration, its journal, wrong configurations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn gateway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

fn run(args: &[&str]) -> Output {
    gateway(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(dir: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = dir.path().join(name);
    let text = path.display().to_string();
    (path, text)
}

#[test]
fn the_demonstration_runs_ends_and_replays_identically() {
    let dir = tempfile::tempdir().unwrap();
    let (file, journal) = path(&dir, "journal");
    let output = run(&["run", "--for", "2h", "--speed", "900", "--journal", &journal, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["mode"], "auto", "{summary}");
    assert!(summary["writes"].as_u64().unwrap() > 0 && summary["policy_steps"].as_u64().unwrap() >= 8, "{summary}");
    assert!(summary["cost_eur"].as_f64().unwrap() > 0.0 && summary["energy"]["load_kwh"].as_f64().unwrap() > 10.0);
    for key in ["cycles", "interventions", "mode_changes", "slips", "worst_input_age_s", "relaxations"] {
        assert!(summary.get(key).is_some(), "{key} is missing: {summary}");
    }
    let replay = run(&["replay", &journal]);
    assert!(replay.status.success(), "{}", text(&replay.stderr));
    let explained = run(&["explain", &journal, "20"]);
    assert!(text(&explained.stdout).contains("Sent: battery"), "{}", text(&explained.stdout));
    tampered_journal_is_refused(&file);
}

fn tampered_journal_is_refused(file: &Path) {
    let changed =
        std::fs::read_to_string(file).unwrap().replacen("\"soc\":{\"value\":0.5", "\"soc\":{\"value\":0.6", 1);
    std::fs::write(file, changed).unwrap();
    let replay = run(&["replay", &file.display().to_string()]);
    assert_eq!(replay.status.code(), Some(1));
    assert!(text(&replay.stderr).contains("the checksum does not fit"), "{}", text(&replay.stderr));
}

#[test]
fn a_killed_gateway_leaves_a_journal_that_replays() {
    let dir = tempfile::tempdir().unwrap();
    let (file, journal) = path(&dir, "journal");
    let mut child = gateway(&["run", "--journal", &journal, "--json"]).stderr(Stdio::null()).spawn().unwrap();
    let lines = || std::fs::read_to_string(&file).map_or(0, |text| text.lines().count());
    for _ in 0..600 {
        if lines() > 40 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines() > 40, "the gateway never got going");
    let replay = run(&["replay", &journal, "--json"]);
    assert!(replay.status.success(), "{}", text(&replay.stderr));
    let found: Value = serde_json::from_slice(&replay.stdout).unwrap();
    assert!(found["cycles"].as_u64().unwrap() >= 39, "{found}");
}

#[test]
fn wrong_configurations_end_with_64_and_say_where() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = path(&dir, "wrong.toml");
    std::fs::write(&file, "[site]\nname = \"x\"\ntime_zone = \"Mars/Olympus\"\n\n[control]\ncycle = 1\n").unwrap();
    let (journal_file, journal) = path(&dir, "journal");
    let output = run(&["run", &config, "--journal", &journal]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for part in ["wrong.toml:3: site.time_zone", "wrong.toml:6: control.cycle", "plant: missing"] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert!(!journal_file.exists(), "nothing is opened");
    assert_eq!(run(&["check", &config]).status.code(), Some(64));
}

#[test]
fn a_profile_with_a_hole_is_refused_with_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let (file, profile) = path(&dir, "hole.csv");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles/site-a-2016.csv");
    let rows: Vec<String> = std::fs::read_to_string(shipped).unwrap().lines().take(97).map(str::to_owned).collect();
    let holed: Vec<String> = rows.iter().enumerate().filter(|(i, _)| *i != 50).map(|(_, row)| row.clone()).collect();
    std::fs::write(&file, holed.join("\n")).unwrap();
    let output = run(&["evaluate", "--policy", "rule", "--profile", &profile]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("hole.csv: line 51, time: a hole in the day"), "{}", text(&output.stderr));
}

#[test]
fn policies_cost_what_an_independent_model_says() {
    let profile = "config/profiles/site-a-2016.csv";
    // policy, EUR a day on days 20..24 of every month by an independent model, tolerance
    for (policy, expected, tolerance) in
        [("idle", 121.40, 0.005), ("seed", 102.44, 0.02 * 102.44), ("rule", 92.34, 0.02 * 92.34)]
    {
        let output = run(&["evaluate", "--policy", policy, "--profile", profile, "--month-days", "20-24", "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let cost = found["cost_eur_per_day"].as_f64().unwrap();
        assert!((cost - expected).abs() <= tolerance, "{policy}: {cost}");
        assert_eq!((found["violations"].as_u64(), found["days"].as_u64()), (Some(0), Some(60)));
    }
}

/// The first days of the shipped profile, in a file.
fn first_days(dir: &tempfile::TempDir, days: usize) -> String {
    let (file, profile) = path(dir, "days.csv");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/profiles/site-a-2016.csv");
    let rows: Vec<String> =
        std::fs::read_to_string(shipped).unwrap().lines().take(1 + 96 * days).map(str::to_owned).collect();
    std::fs::write(file, rows.join("\n")).unwrap();
    profile
}

#[test]
fn a_bound_is_kept_in_the_users_cache_folder_unless_told_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let profile = first_days(&dir, 1);
    let (folder, _) = path(&dir, "cache");
    let found = |extra: &[&str]| {
        let own = ["evaluate", "--profile", &profile, "--compare", "--json", "--policy", "rule"];
        let output = gateway(&[&own[..], extra].concat()).env("XDG_CACHE_HOME", &folder).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let anew = found(&["--no-cache"]);
    assert!(!folder.exists(), "nothing is written");
    let (first, second) = (found(&[]), found(&[]));
    assert_eq!((&first, &second), (&anew, &anew));
    assert_eq!(std::fs::read_dir(folder.join("memg-gateway/bounds")).unwrap().count(), 1);
}

#[test]
fn days_that_are_not_judged_are_what_a_planner_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let profile = first_days(&dir, 2);
    let found = |extra: &[&str]| {
        let own = ["evaluate", "--profile", &profile, "--no-bound", "--json", "--policy", "plan"];
        let output = run(&[&own[..], extra].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (both, second) = (found(&["--block-days", "1"]), found(&["--month-days", "2-2"]));
    assert_eq!((both["days"].as_u64(), both["blocks"].as_u64()), (Some(2), Some(2)));
    assert_eq!((second["days"].as_u64(), second["violations"].as_u64()), (Some(1), Some(0)));
    assert_eq!(second["daily_cost_eur"][0], both["daily_cost_eur"][1], "the first day is known either way");
    let names: Vec<_> = second["policies"].as_array().unwrap().iter().map(|p| p["policy"].as_str().unwrap()).collect();
    assert_eq!(names, ["idle", "seed", "rule", "plan"]);
}

#[test]
fn blocks_of_no_days_and_days_that_no_month_has_are_refused() {
    let profile = "config/profiles/site-a-2016.csv";
    let refused = |flag: &str, value: &str| {
        let output = run(&["evaluate", "--policy", "rule", "--profile", profile, flag, value]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{flag} {value}");
        text(&output.stderr)
    };
    assert!(refused("--block-days", "0").contains("--block-days"));
    assert!(refused("--month-days", "40-41").contains("no day of"));
    assert!(refused("--month-days", "24").contains("expected FROM-TO"));
}

#[test]
fn a_trace_has_a_row_a_step_and_balances() {
    let dir = tempfile::tempdir().unwrap();
    let (file, trace) = path(&dir, "trace.csv");
    let profile = "config/profiles/site-a-2016.csv";
    let output =
        run(&["evaluate", "--policy", "rule", "--profile", profile, "--month-days", "20-21", "--trace", &trace]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let csv = std::fs::read_to_string(file).unwrap();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|known| *known == name).unwrap();
    let rows: Vec<Vec<f64>> =
        csv.lines().skip(1).map(|row| row.split(',').map(|cell| cell.parse().unwrap_or(f64::NAN)).collect()).collect();
    assert_eq!(rows.len(), 24 * 96);
    let of = |row: &Vec<f64>, name: &str| row[column(name)];
    for row in &rows {
        let sources = of(row, "pv_kw") + of(row, "wind_kw") - of(row, "curtailed_kw") + of(row, "p_chp_kw");
        let residual =
            sources + of(row, "p_grid_kw") + of(row, "unserved_kw") - of(row, "load_kw") - of(row, "p_battery_kw");
        assert!(residual.abs() < 1e-9, "{residual}");
    }
}

#[test]
fn a_model_may_name_its_runtime_and_what_it_costs_is_the_sum_of_its_trace_and_the_stored_energy() {
    let dir = tempfile::tempdir().unwrap();
    let (file, trace) = path(&dir, "trace.csv");
    // Half a profile, so that the bound is found soon.
    let (short, profile) = path(&dir, "short.csv");
    let shipped = std::fs::read_to_string("config/profiles/site-a-2016.csv").unwrap();
    std::fs::write(short, shipped.lines().take(1 + 2 * 96).collect::<Vec<_>>().join("\n")).unwrap();
    let evaluate = ["evaluate", "--model", "rust:models/actor-10d", "--profile", &profile, "--trace", &trace, "--json"];
    let output = run(&[&evaluate[..], &["--no-cache"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| found[name].as_f64().unwrap();
    let csv = std::fs::read_to_string(file).unwrap();
    let cost = csv.lines().next().unwrap().split(',').position(|name| name == "cost_eur").unwrap();
    let steps: f64 = csv.lines().skip(1).map(|row| row.split(',').nth(cost).unwrap().parse::<f64>().unwrap()).sum();
    let (total, stored) = (number("cost_eur_per_day") * number("days"), number("stored_energy_eur"));
    assert!((total - steps - stored).abs() < 1e-9, "{total} is not {steps} + {stored}");
    let unknown = run(&["evaluate", "--model", "gpu:models/actor-10d", "--profile", &profile]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("gpu:models/actor-10d"));
    let elsewhere = run(&["mosaik", "--model", "ort:models/actor-10d", "127.0.0.1:1"]);
    let said = text(&elsewhere.stderr);
    assert!(
        said.contains("FMUs run networks in plain Rust: expected DIR or rust:DIR, found ort:models/actor-10d"),
        "{said}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut check =
        gateway(&["check", "config/gateway.toml"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(check.stdout.take());
    let output = check.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn check_says_of_every_signal_what_its_loss_means_and_how_words_are_ordered() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = path(&dir, "gateway.toml");
    let shipped = std::fs::read_to_string("config/gateway.toml").unwrap();
    let site = std::fs::canonicalize("config/sites/site-a.toml").unwrap();
    let real = shipped.split("\n[demo]").next().unwrap().replace("sites/site-a.toml", &site.display().to_string());
    let real = real.replace("\"../models/actor-10d\"", "\"rule\"");
    let devices: String = ["pv", "wind", "load-meter", "heat-meter", "battery", "grid-meter"]
        .map(|name| {
            format!(
                "[[device]]\nname = '{name}'\nfile = 'virtual-{name}.toml'\ntransport = {{ tcp = '127.0.0.1:1' }}\n\
                 unit_id = 1\nwrite = []\n"
            )
        })
        .concat();
    let optional = "[signals.frequency_hz]\noptional = true\nsubstitute = 'worst_case'\n";
    std::fs::write(&file, format!("{real}\n{devices}{optional}")).unwrap();
    let output = run(&["check", &config]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in [
        "soc                        required",
        "the battery may have run at 50 kW or -50 kW since",
        "frequency_hz               optional, worst_case: neither battery nor CHP moves",
        "grid_voltage_pu            required",
        "pv_available_kw            optional: what is produced stands in for it",
        "Not measured",
        "chp_kw                     a CHP whose power is not what it was told is not noticed",
        "power (ABCD)",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
}

/// A feeder with R = 0.03 and X = 0.02 pu on 100 kVA: P steps every 7 s, Q every 11 s, a voltmeter of 0.0002 pu.
fn feeder(q_kvar: f64) -> String {
    let mut csv = String::from("time_s,p_kw,q_kvar,v_pu\n");
    for second in 0..7200_u32 {
        let p = 10.0 * f64::from(second / 7 * 5 % 9) - 40.0;
        let q = q_kvar * f64::from(second / 11 * 3 % 7);
        let vs = 1.0 + 1e-6 * f64::from(second);
        let noise = 2e-4 * (f64::from(second * 7919 % 101) / 50.0 - 1.0);
        csv += &format!("{second},{p},{q},{}\n", vs - (0.03 * p + 0.02 * q) / 100.0 / vs + noise);
    }
    csv
}

#[test]
fn calibrate_finds_r_and_x_of_a_feeder_and_prints_lines_that_a_site_file_takes() {
    let dir = tempfile::tempdir().unwrap();
    let (file, csv) = path(&dir, "feeder.csv");
    std::fs::write(&file, feeder(6.0)).unwrap();
    let json = run(&["calibrate", "--csv", &csv, "--base-kva", "100", "--json"]);
    assert!(json.status.success(), "{}", text(&json.stderr));
    let found: Value = serde_json::from_slice(&json.stdout).unwrap();
    let near = |name: &str, truth: f64| (found[name].as_f64().unwrap() - truth).abs() < 0.03 * truth;
    assert!(near("resistance_pu", 0.03) && near("reactance_pu", 0.02), "{found}");
    let said = text(&run(&["calibrate", "--csv", &csv, "--base-kva", "100"]).stdout);
    let lines = said.split("For the site file:").nth(1).unwrap();
    let table: toml::Table = toml::from_str(lines).unwrap();
    let margin = table["plant"]["margins"]["voltage_pu"].as_float().unwrap();
    assert!((0.0002..0.001).contains(&margin), "{said}");
    assert_eq!(table["plant"]["grid"]["base_kva"].as_float(), Some(100.0));
    std::fs::write(&file, feeder(0.0)).unwrap();
    let refused = run(&["calibrate", "--csv", &csv, "--base-kva", "100"]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("while Q moves in larger steps"), "{}", text(&refused.stderr));
}

#[test]
fn calibrate_reads_a_gateways_journal_and_says_when_it_is_too_short() {
    let dir = tempfile::tempdir().unwrap();
    let (_, journal) = path(&dir, "journal");
    let output = run(&["run", "--for", "2h", "--speed", "900", "--journal", &journal, "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let refused = run(&["calibrate", &journal]);
    let said = text(&refused.stderr);
    assert!(refused.status.code() == Some(64) && said.contains("are too few; expected at least 200"), "{said}");
}

#[test]
fn a_terminated_training_saves_and_goes_on_only_as_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let (profile, profile_text) = path(&dir, "days.csv");
    let (out, out_text) = path(&dir, "out");
    let text_of = std::fs::read_to_string("config/profiles/site-a-2016.csv").unwrap();
    let lines: Vec<&str> = text_of.lines().take(1 + 9 * 96).collect();
    std::fs::write(&profile, lines.join("\n")).unwrap();
    let train = ["train", "config/train/td3.toml", "--profile", &profile_text, "--out", &out_text];
    let child = gateway(&train).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The file is there once the run has begun and listens to signals.
    assert!(comes(|| out.join("metrics.csv").exists()), "the run never began");
    let terminated = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(terminated.success() && output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("Continue with the same command and --resume"), "{output:?}");
    let checkpoint = out.join("checkpoint.safetensors");
    let before = std::fs::read(&checkpoint).unwrap();
    for (more, expected) in [(&[][..], "--anew"), (&["--resume", "--seed", "9"], "seed: 1, asked for 9")] {
        let refused = run(&[&train[..], more].concat());
        assert!(!refused.status.success() && text(&refused.stderr).contains(expected), "{refused:?}");
    }
    assert_eq!(std::fs::read(&checkpoint).unwrap(), before);
}

fn comes(done: impl Fn() -> bool) -> bool {
    (0..1200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        done()
    })
}

#[test]
fn a_planner_alone_is_fitted_and_takes_no_flag_that_it_cannot_honour() {
    let dir = tempfile::tempdir().unwrap();
    let (out, out_text) = path(&dir, "out");
    let (profile, profile_text) = path(&dir, "days.csv");
    let text_of = std::fs::read_to_string("config/profiles/site-a-2016.csv").unwrap();
    let lines: Vec<&str> = text_of.lines().take(1 + 24 * 96).collect();
    std::fs::write(&profile, lines.join("\n")).unwrap();
    let only = ["train", "--only", "plan", "--profile", &profile_text, "--out", &out_text];
    let fitted = run(&[&only[..], &["--json"]].concat());
    assert!(fitted.status.success(), "{}", text(&fitted.stderr));
    let found: Value = serde_json::from_slice(&fitted.stdout).unwrap();
    let errors = found["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 16, "two forecasters, four quantities, validation and test: {found}");
    assert!(out.join("plan/model.toml").exists() && !out.join("model").exists());
    for flag in ["--resume", "--anew", "--force", "--seed=2", "--updates=3", "--minutes=1", "--schema=10d"] {
        let refused = run(&[&only[..], &[flag]].concat());
        assert!(!refused.status.success() && text(&refused.stderr).contains("cannot be used with"), "{flag}");
    }
}
