//! What people get wrong, and the one line that helps: `gateway check` on a configuration that is right but for one edit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::process::{Command, Output, Stdio};

/// The files that are edited, right as they are.
const GATEWAY: &str = include_str!("wrong_configurations/gateway.toml");
const HEAT: &str = include_str!("wrong_configurations/heat.toml");
const SITE: &str = include_str!("../config/sites/site-a.toml");
/// The edits.
const WRONG: &str = include_str!("wrong_configurations/wrong.toml");

struct Folder(tempfile::TempDir);

impl Folder {
    /// With each file as `edit` leaves it, by its name in the edits.
    fn new(edit: impl Fn(&str, &str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("devices")).unwrap();
        for (file, name, text) in
            [("gateway", "gateway.toml", GATEWAY), ("site", "site.toml", SITE), ("heat", "devices/heat.toml", HEAT)]
        {
            std::fs::write(dir.path().join(name), edit(file, text)).unwrap();
        }
        Self(dir)
    }

    fn check(&self, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["check", "gateway.toml"]).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").envs(environment.iter().copied()).output().unwrap()
    }
}

fn told(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_configuration_that_is_edited_is_right() {
    let output = Folder::new(|_, text| text.to_owned()).check(&[]);
    let (out, error) = told(&output);
    assert!(output.status.success() && out.contains(": correct."), "{out}{error}");
    for part in [
        "Decides: rule (built in)",
        "reads   market/now",
        "writes  memg/harbour/setpoints",
        "battery                      falls back 30 s after the last setpoint",
        "optional signals               frequency_hz (worst_case)",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}

#[test]
fn each_wrong_configuration_gets_the_line_that_helps_and_no_other() {
    let wrong: toml::Table = toml::from_str(WRONG).unwrap();
    let rows = wrong["wrong"].as_array().unwrap();
    assert!(rows.len() >= 60, "{}", rows.len());
    let failed: Vec<String> = rows.iter().filter_map(without_help).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), rows.len(), failed.join("\n\n"));
}

/// What a wrong configuration is told, if that does not help.
fn without_help(row: &toml::Value) -> Option<String> {
    let field = |key: &str| row[key].as_str().unwrap();
    let (file, from, expected) = (field("file"), field("replace"), field("helps"));
    let folder = Folder::new(|at, text| {
        assert!(at != file || text.contains(from), "{}: {from:?} is not there", field("name"));
        if at == file { text.replacen(from, field("by"), 1) } else { text.to_owned() }
    });
    let output = folder.check(&[]);
    let (out, error) = told(&output);
    let is_told = |line: &&str| line.contains("error: ") || line.contains("warning: ");
    let lines: Vec<&str> = error.lines().chain(out.lines()).filter(is_told).collect();
    let helps = lines.iter().any(|line| line.contains(expected));
    // A device of a unit that is not there measures and is written: two lines. Everything else is one.
    let is_alone =
        lines.len() == 1 || (lines.len() == 2 && lines.iter().all(|line| line.contains("but the plant has")));
    let right = helps && is_alone && !out.contains(": correct.");
    (!right).then(|| format!("{}: expected {expected:?}\n{}", field("name"), lines.join("\n")))
}

#[test]
fn what_the_environment_says_wrongly_is_blamed_on_the_environment() {
    for (variable, value, expected) in [
        (
            "MEMG__CONTROL__HOLDS",
            "5",
            "environment variable MEMG__CONTROL__HOLDS: control.holds: unknown key; did you mean \"hold_s\"?",
        ),
        ("MEMG__CONTRL__HOLD_S", "5", "environment variable MEMG__CONTRL__HOLD_S: contrl: unknown table; did you mean"),
        (
            "MEMG__CONTROL__HOLD_S",
            "60s",
            "environment variable MEMG__CONTROL__HOLD_S: control.hold_s: \"60s\" is text, expected seconds as a number",
        ),
        (
            "MEMG__CONTROL__CYCLE_S",
            "-1",
            "environment variable MEMG__CONTROL__CYCLE_S: control.cycle_s: expected a number from 0.01 to 60, found -1",
        ),
        (
            "MEMG_CONTROL__HOLD_S",
            "5",
            "warning: environment variable MEMG_CONTROL__HOLD_S: is not read: expected two underscores, MEMG__CONTROL__HOLD_S",
        ),
    ] {
        let output = Folder::new(|_, text| text.to_owned()).check(&[(variable, value)]);
        let (out, error) = told(&output);
        assert!(format!("{error}{out}").contains(expected), "{expected}\n{error}{out}");
        assert!(!out.contains(": correct."), "{out}");
    }
}
