//! `gateway evaluate` and `gateway model` as a user meets them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod common;

use common::{gateway, path, run, text};
use serde_json::Value;
use std::path::Path;

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
    let trace = Trace::read(&file);
    let (steps, settled) = (trace.column("cost_eur"), trace.column("stored_energy_eur"));
    assert_eq!(settled.iter().filter(|eur| **eur != 0.0).count(), 1, "a block is settled once, in its last step");
    let (total, stored) = (number("cost_eur_per_day") * number("days"), settled.iter().sum::<f64>());
    let steps: f64 = steps.iter().sum();
    assert!((total - steps - stored).abs() < 1e-9, "{total} is not {steps} + {stored}");
    assert!((stored - number("stored_energy_eur")).abs() < 1e-12 && stored == *settled.last().unwrap());
    let unknown = run(&["evaluate", "--model", "gpu:models/actor-10d", "--profile", &profile]);
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("gpu:models/actor-10d"));
    let elsewhere = run(&["mosaik", "--model", "ort:models/actor-10d", "127.0.0.1:1"]);
    let said = text(&elsewhere.stderr);
    assert!(
        said.contains("FMUs run networks in plain Rust: expected DIR or rust:DIR, found ort:models/actor-10d"),
        "{said}"
    );
}

/// A trace by its columns.
struct Trace {
    header: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl Trace {
    fn read(file: &Path) -> Self {
        let csv = std::fs::read_to_string(file).unwrap();
        let cells = |row: &str| row.split(',').map(|cell| cell.parse().unwrap_or(f64::NAN)).collect();
        let header = csv.lines().next().unwrap().split(',').map(str::to_owned).collect();
        Self { header, rows: csv.lines().skip(1).map(cells).collect() }
    }

    fn column(&self, name: &str) -> Vec<f64> {
        let place = self.header.iter().position(|known| known == name).unwrap();
        self.rows.iter().map(|row| row[place]).collect()
    }
}

#[test]
fn a_trace_may_hold_what_a_network_would_see_whoever_decides() {
    let dir = tempfile::tempdir().unwrap();
    let (file, trace) = path(&dir, "trace.csv");
    let profile = first_days(&dir, 2);
    let own = ["evaluate", "--profile", &profile, "--no-bound", "--trace", &trace];
    for (policy, schema, numbers) in [("--policy=rule", "10d", 10), ("--model=models/actor-extended", "extended", 58)] {
        let output = run(&[&own[..], &[policy, "--observations", schema]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let found = Trace::read(&file);
        let seen = found.header.iter().filter(|name| name.starts_with("observation_")).count();
        assert_eq!((seen, found.rows.len()), (numbers, 192));
        let near = |a: &[f64], b: &[f64], scale: f64| a.iter().zip(b).all(|(a, b)| (a - b / scale).abs() < 1e-6);
        assert!(near(&found.column("observation_2"), &found.column("load_kw"), 100.0));
        assert!(near(&found.column("observation_4"), &found.column("soc_before"), 1.0));
    }
    let refused = run(&["evaluate", "--policy", "rule", "--profile", &profile, "--observations", "10d"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("--trace"), "{}", text(&refused.stderr));
}

#[test]
fn several_policies_and_sites_give_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let profile = first_days(&dir, 1);
    let sites = ["--site", "config/sites/site-a.toml", "--site", "config/sites/battery-only.toml"];
    let own = ["evaluate", "--profile", &profile, "--no-bound", "--policy", "plan", "--policy", "rule"];
    let model = ["--model", "models/plan", "--model", "rust:models/actor-10d"];
    let arguments = [&own[..], &model, &sites].concat();
    let output = run(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let names = ["idle", "seed", "rule", "plan", "models/plan", "actor-10d"];
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    let of = |site: &'static str| names.map(|name| vec![site, name]);
    assert_eq!(
        rows,
        [vec![vec!["site", "policy"]], of("site-a").to_vec(), of("battery-only").to_vec()].concat(),
        "{said}"
    );
    let elsewhere = text(&output.stderr);
    assert_eq!(elsewhere.matches("made for a plant with other parameters").count(), 1, "battery-only: {elsewhere}");
    let found: Value = serde_json::from_slice(&run(&[&arguments[..], &["--json"]].concat()).stdout).unwrap();
    let second = &found["sites"][1];
    assert_eq!((&second["site"], second["policies"].as_array().unwrap().len()), (&"battery-only".into(), 6), "{found}");
    assert_eq!(second["asked"], serde_json::json!(["plan", "rule", "models/plan", "actor-10d"]));
    let traced = run(&[&arguments[..], &["--trace", "nowhere.csv"]].concat());
    assert!(traced.status.code() == Some(64) && text(&traced.stderr).contains("one policy and one site"));
}

#[test]
fn profiles_in_other_units_are_refused_with_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let (file, profile) = path(&dir, "watts.csv");
    let shipped = std::fs::read_to_string("config/profiles/site-a-2016.csv").unwrap();
    let rows: Vec<Vec<String>> =
        shipped.lines().take(97).map(|row| row.split(',').map(str::to_owned).collect()).collect();
    for (column, factor, words) in [
        ("electric_load_kw", 1000.0, "expected a number from 0 to 1000, found"),
        ("heat_load_kw", 1000.0, "expected a number from 0 to 1500, found"),
        ("wind_kw", -1.0, "expected a number from 0 to 400, found"),
        ("import_price_eur_per_kwh", 1000.0, "expected a number from -10 to 10, found"),
    ] {
        let place = rows[0].iter().position(|name| name == column).unwrap();
        let mut changed = rows.clone();
        for row in &mut changed[1..] {
            row[place] = (factor * row[place].parse::<f64>().unwrap()).to_string();
        }
        let lines: Vec<String> = changed.iter().map(|row| row.join(",")).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        for command in [&["evaluate", "--policy", "rule"][..], &["train", "--only", "plan"]] {
            let output = run(&[command, &["--profile", &profile]].concat());
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{said}");
            assert!(said.contains("watts.csv: line ") && said.contains(&format!(", {column}: {words}")), "{said}");
        }
    }
}

#[test]
fn prices_of_zero_divide_by_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, profile) = path(&dir, "free.csv");
    let shipped = std::fs::read_to_string("config/profiles/site-a-2016.csv").unwrap();
    let mut rows: Vec<Vec<&str>> = shipped.lines().take(97).map(|row| row.split(',').collect()).collect();
    let free: Vec<usize> =
        (0..rows[0].len()).filter(|i| rows[0][*i].contains("price") || rows[0][*i].contains("heat")).collect();
    for row in &mut rows[1..] {
        free.iter().for_each(|place| row[*place] = "0");
    }
    std::fs::write(&file, rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n")).unwrap();
    let judged = ["evaluate", "--policy", "plan", "--profile", &profile, "--no-cache"];
    let output = run(&judged);
    let said = text(&output.stdout);
    assert!(output.status.success() && !said.contains("NaN") && !said.contains("inf"), "{said}");
    let found: Value = serde_json::from_slice(&run(&[&judged[..], &["--json"]].concat()).stdout).unwrap();
    assert!(found["cost_eur_per_day"].as_f64().unwrap().abs() < 0.005 && found["gap_to_optimum"].is_null(), "{found}");
}

#[test]
fn a_network_from_elsewhere_becomes_a_model_folder_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let ((folder, packed), (_, imported)) = (path(&dir, "packed"), path(&dir, "imported"));
    let onnx = "models/actor-10d/actor.onnx";
    let profile = "config/profiles/site-a-2016.csv";
    let pack = ["model", "pack", onnx, "--schema", "10d", "--out", &packed, "--site", "config/sites/site-a.toml"];
    let output = run(&[&pack[..], &["--profile", profile, "--description", "by a friend"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("memg-10d/1 network 10-256-256-3"), "{}", text(&output.stdout));
    let again = run(&pack);
    assert!(again.status.code() == Some(64) && text(&again.stderr).contains("--replace"), "{}", text(&again.stderr));
    let cost = |model: &str| {
        let output =
            run(&["evaluate", "--no-bound", "--json", "--profile", profile, "--month-days", "20-20", "--model", model]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["cost_eur_per_day"].clone()
    };
    assert_eq!(
        cost(&packed),
        cost("models/actor-10d"),
        "tariffs come from the whole profile, and it is the same network"
    );
    let shown = text(&run(&["model", "show", &packed]).stdout);
    for part in [
        "made for the reference plant",
        "by a friend",
        "rust: golden outputs within",
        "elsewhere the good rule decides",
    ] {
        assert!(shown.contains(part), "{part:?} is missing in {shown}");
    }
    std::fs::write(folder.join("actor.onnx"), "damaged").unwrap();
    let damaged = run(&["model", "show", &packed]);
    assert!(damaged.status.code() == Some(64) && text(&damaged.stderr).contains("actor.onnx: expected SHA-256"));
    let wrong = run(&["model", "pack", onnx, "--schema", "extended", "--out", &imported]);
    assert!(
        wrong.status.code() == Some(64) && text(&wrong.stderr).contains("its metadata name the schema \"memg-10d/1\"")
    );
    let output = run(&["model", "import-pt", "src/policy/fixtures/checkpoint.pt", "--out", &imported]);
    assert!(output.status.success() && text(&output.stdout).contains("10-4-4-3"), "{}", text(&output.stderr));
    assert!(text(&run(&["model", "show", "models/plan"]).stdout).contains("144 steps of 15 minutes ahead"));
}

/// What `gateway learn` would have found of the plant of `config/sites/site-a-as-it-is.toml`, in a folder.
fn learned(dir: &tempfile::TempDir) -> String {
    use memg_gateway::learn::Parameter::{self, ChpEfficiency, EfficiencyDispatch, EfficiencyStore};
    use memg_gateway::learn::folder::{FORMAT, LearnedFile, Row, equipment_hash};
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sites/site-a.toml");
    let stated = *memg_gateway::settings::read_site(&site).unwrap().plant.stated();
    let row = |(name, value): (Parameter, f64)| {
        let (low, high) = (value - 0.001, value + 0.001);
        Row { name, unit: 1, value, low, high, stated: None, used: true }
    };
    let file = LearnedFile {
        memg_learned: FORMAT,
        site: "test".into(),
        equipment_sha256: equipment_hash(&stated),
        days: 14.0,
        from: String::new(),
        to: String::new(),
        journals: Vec::new(),
        parameters: [(EfficiencyStore, 0.88), (EfficiencyDispatch, 0.88), (ChpEfficiency, 0.29)].map(row).to_vec(),
        not_identifiable: Vec::new(),
    };
    let (folder, name) = path(dir, "learned");
    file.write(&folder).unwrap();
    name
}

#[test]
fn a_plant_that_is_not_as_stated_costs_less_and_keeps_its_limits_when_what_was_learned_of_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (profile, learned) = (first_days(&dir, 3), learned(&dir));
    let own = ["evaluate", "--policy", "plan", "--profile", &profile, "--no-bound", "--json"];
    let sites = ["--site", "config/sites/site-a.toml", "--plant-truth", "config/sites/site-a-as-it-is.toml"];
    let found = |extra: &[&str]| {
        let output = run(&[&own[..], &sites, extra].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (stated, known) = (found(&[]), found(&["--plant-learned", &learned]));
    let cost = |found: &Value| found["cost_eur_per_day"].as_f64().unwrap();
    assert!(cost(&known) < cost(&stated), "{} {}", cost(&known), cost(&stated));
    assert_eq!(known["violations"].as_u64(), Some(0), "{known}");
    let elsewhere =
        run(&[&own[..], &["--site", "config/sites/battery-only.toml", "--plant-learned", &learned]].concat());
    assert_eq!(elsewhere.status.code(), Some(64));
    assert!(text(&elsewhere.stderr).contains("with other batteries"), "{}", text(&elsewhere.stderr));
}
