//! The binary as a user meets it: the demonstration, its journal, wrong configurations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use common::{gateway, path, run, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

mod common;

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
    a_time_is_explained_by_the_policy_step_in_force(&journal);
    a_journal_that_lost_its_end_is_not_whole(&file);
    tampered_journal_is_refused(&file);
    let history = file.with_extension("history").display().to_string();
    the_history_beside_the_journal_is_exported(&history);
    wrong_questions_to_a_history_are_told_what_was_expected(&history);
    the_ledger_reads_the_history(&history);
}

#[test]
fn the_plant_of_any_site_file_is_served() {
    let served = |site: &str| {
        let output = run(&["plant", "--site", site, "--for", "1s"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let many = served("config/sites/two-batteries-three-pvs-two-chps.toml");
    for device in ["battery", "battery-2", "chp-2", "pv-3"] {
        assert!(many.contains(&format!("name = \"{device}\"")), "{device}: {many}");
    }
    let few = served("config/sites/battery-only.toml");
    assert!(few.contains("name = \"battery\"") && !few.contains("chp") && !few.contains("pv"), "{few}");
    let wrong = run(&["plant", "--site", "config/gateway.toml", "--for", "1s"]);
    assert_eq!(wrong.status.code(), Some(64), "{}", text(&wrong.stderr));
}

/// Its plant is made with the program: what an earlier one did and was told would be wrong of it.
#[test]
fn a_demonstration_begins_anew_whatever_its_journal_says_of_an_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    let (file, journal) = path(&dir, "journal");
    for _ in 0..2 {
        let output = run(&["run", "--for", "40m", "--speed", "900", "--journal", &journal, "--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(&line[9..]).unwrap()).collect();
    let begins = |pair: &&[Value]| pair[1]["input"]["cycle"] == 1;
    let states: Vec<&Value> = lines.windows(2).filter(begins).map(|pair| &pair[0]["state"]).collect();
    assert!(states.len() == 2 && states[0].is_object() && states[0] == states[1], "{states:#?}");
    let closed = |line: &&Value| !line["decision"]["closed"].is_null();
    assert!(lines.iter().filter(closed).count() >= 2, "the first one had something to remember");
}

fn a_journal_that_lost_its_end_is_not_whole(file: &Path) {
    let journal = file.display().to_string();
    let verified = |more: &[&str]| run(&[&["journal", "verify", &journal], more].concat());
    let output = verified(&["--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["head"], &found["begins"]), (&Value::from("held"), &Value::from("anew")), "{found}");
    let last = found["last"].as_str().unwrap();
    assert!(text(&verified(&["--holds", last]).stdout).contains("none missing"));
    let whole = std::fs::read(file).unwrap();
    let cut = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    std::fs::write(file, &whole[..=cut]).unwrap();
    let refused = verified(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("its end was cut off"), "{}", text(&refused.stderr));
    std::fs::write(file, whole).unwrap();
}

fn the_history_beside_the_journal_is_exported(history: &str) {
    let export = |more: &[&str]| {
        let output = run(&[&["history", "export", "--history", history, "--points", "soc,mode"], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let raw = export(&["--from", "2016-04-20 00:30", "--to", "2016-04-20T01:00:00Z"]);
    let rows: Vec<Vec<&str>> = raw.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["time", "unix_ms", "soc", "mode"]);
    assert!(rows.len() > 20 && rows.iter().all(|row| row.len() == 4), "{raw}");
    let times: Vec<i64> = rows[1..].iter().map(|row| row[1].parse().unwrap()).collect();
    let begin = 1_461_112_200_000;
    assert!(times.is_sorted() && times.iter().all(|t| (begin..begin + 1_800_000).contains(t)), "{raw}");
    assert!(rows[1..].iter().all(|row| (0.1..0.9).contains(&row[2].parse::<f64>().unwrap()) && row[3] == "2"), "{raw}");
    let minutes = export(&["--resolution", "minute", "--zone", "Europe/Berlin", "--from", "2016-04-20 02:30"]);
    let head =
        "time,unix_ms,soc_min,soc_mean,soc_max,mode_min,mode_mean,mode_max\n2016-04-20T02:30:00+02:00,1461112200000,";
    assert!(minutes.starts_with(head), "{minutes}");
    let influx = export(&["--resolution", "quarter", "--format", "influx"]);
    let lines: Vec<&str> = influx.lines().collect();
    assert!(lines.len() >= 8 && lines.iter().all(|line| line.starts_with("memg soc_min=0.")), "{influx}");
    assert!(lines[1].ends_with(" 1461111300000000000"), "{influx}");
}

fn wrong_questions_to_a_history_are_told_what_was_expected(history: &str) {
    for (more, told) in [
        (["--points", "soz"], "--points: \"soz\" is unknown; did you mean \"soc\"?"),
        (["--from", "yesterday"], "--from: expected a local time such as 2026-11-24"),
        (["--zone", "Mars"], "--zone: expected a name like Europe/Berlin"),
        (["--history", "/none/there.history"], "the history /none/there.history cannot be read"),
    ] {
        let known: &[&str] = if more[0] == "--history" { &[] } else { &["--history", history] };
        let output = run(&[&["history", "export"], known, &more].concat());
        assert_eq!(output.status.code(), Some(64), "{more:?}");
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}

fn the_ledger_reads_the_history(history: &str) {
    let output =
        run(&["ledger", "--history", history, "--config", "config/gateway.toml", "--month", "2016-04", "--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let day = &found["days"][0];
    // Two hours are no day.
    assert_eq!((day["day"].as_str(), day["valid"].as_bool()), (Some("2016-04-20"), Some(false)), "{found}");
    assert!(day["why"].as_str().unwrap().contains("were not recorded") && day["rule_eur"].is_null(), "{found}");
    assert!(day["hours_auto"].as_f64().unwrap() > 1.5, "{found}");
    let refused = run(&["ledger", "--history", history, "--config", "config/gateway.toml", "--month", "April"]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("--month: expected a month such as 2026-11"), "{}", text(&refused.stderr));
}

fn a_time_is_explained_by_the_policy_step_in_force(journal: &str) {
    let at = |time: &str| run(&["explain", journal, "--at", time]);
    let explained = text(&at("2016-04-20 01:07").stdout);
    assert!(
        explained.contains("plant time 2016-04-20 01:00") && explained.contains("asked in this cycle"),
        "{explained}"
    );
    assert_eq!(text(&at("2016-04-20T01:14:59").stdout), explained, "the same step");
    let (before, wrong) = (at("2016-04-19 12:00"), at("yesterday"));
    let said = text(&before.stderr);
    assert!(before.status.code() == Some(1) && said.contains("the journal covers 2016-04-20 00:0"), "{said}");
    assert!(wrong.status.code() == Some(2) && text(&wrong.stderr).contains("expected a local time of the plant"));
}

#[test]
fn an_upgrade_that_would_send_something_else_is_shown_before_it_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, journal) = path(&dir, "journal");
    assert!(run(&["run", "--for", "30m", "--speed", "900", "--journal", &journal, "--json"]).status.success());
    let program = env!("CARGO_BIN_EXE_gateway");
    let check = |new: &str| run(&["upgrade-check", program, new, &journal]);
    let same = check(program);
    assert!(same.status.success() && text(&same.stdout).contains(": 0 would have ended otherwise"), "{same:?}");
    let other = dir.path().join("other");
    std::fs::write(&other, format!("#!/bin/sh\n{program} \"$@\" | sed 's/\"differing\":0/\"differing\":1/'\n"))
        .unwrap();
    make_executable(&other);
    assert_eq!(check(&other.display().to_string()).status.code(), Some(1), "status follows the new program's count");
    let broken = check("/bin/true");
    assert!(!broken.status.success() && text(&broken.stderr).contains("/bin/true cannot decide"), "{broken:?}");
    // Another limit in the header is what another filter would be: the old program does not find its own work any more.
    rewrite_header(&file, "\"discharge_kw_max\":50.0", "\"discharge_kw_max\":1.0");
    let foreign = check(program);
    assert!(text(&foreign.stderr).contains("nothing to compare with"), "{foreign:?}");
    let differing = run(&["replay", &journal, "--differences"]);
    let lines: Vec<Value> = text(&differing.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, found) = lines.split_last().unwrap();
    assert_eq!(last["differing"], found.len(), "{last}");
    assert!(!found.is_empty() && found[0]["recorded"] != found[0]["decided"] && found[0]["cycle"].is_u64(), "{last}");
    assert_eq!(differing.status.code(), Some(1));
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Changes the first line of a journal, checksum included.
fn rewrite_header(file: &Path, from: &str, to: &str) {
    let all = std::fs::read_to_string(file).unwrap();
    let (header, rest) = all.split_once('\n').unwrap();
    let changed = header.get(9..).unwrap().replacen(from, to, 1);
    assert_ne!(changed, header[9..], "{from} stands in the header");
    std::fs::write(file, format!("{:08x} {changed}\n{rest}", crc32fast::hash(changed.as_bytes()))).unwrap();
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
