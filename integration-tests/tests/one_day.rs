//! One day of 96 steps through every master: the set-points must be the same bits, with the rule and with the network.

use memg_fmu::describe::Fmi;
use memg_fmu::model::Kind;
use memg_gateway::control::journal::{Entry, Reader};
use memg_gateway::cosim::{CosimOptions, PATIENCE, cosim};
use memg_integration_tests::cosim_day::{Decider, Row, STEPS, built_in, profile_file, rows, script, trace_rows};
use memg_integration_tests::gateway_process::{Gateway, gateway, lockstep_configuration, text};
use memg_integration_tests::mosquitto::Mosquitto;
use memg_integration_tests::peer::python;
use serde_json::Value;
use std::path::Path;

/// The bits of set-points, so that not even the sign of a zero may differ.
fn bits(rows: &[Row]) -> Vec<(u64, u64)> {
    rows.iter().map(|(battery, chp)| (battery.to_bits(), chp.to_bits())).collect()
}

/// The day through the real daemon and mosquitto, then its journal decided again.
fn lockstep(python: &str, broker: &Mosquitto, decider: &Decider, frames: bool) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let config = lockstep_configuration(folder.path(), broker.port, &decider.spec());
    let plant = decider.fmu(Kind::Plant, Fmi::Two).display().to_string();
    let (port, steps) = (broker.port.to_string(), STEPS.to_string());
    let daemon = Gateway::start(&["run", &config, "--for", "24h", "--json"]);
    let form = if frames { "--frames" } else { "--host=127.0.0.1" };
    let arguments = [&plant, "--port", &port, "--prefix", "memg/lab/cosim", "--steps", &steps, form];
    let found = rows(&script(python, "lockstep_plant.py", &arguments));
    let ended = daemon.output();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let summary: Value = serde_json::from_slice(&ended.stdout).expect("a summary");
    assert_eq!(
        (&summary["cycles"], &summary["policy_steps"], &summary["plant_hours"]),
        (&96.into(), &96.into(), &24.0.into())
    );
    let journal = folder.path().join("journal");
    replayed(&journal);
    assert_eq!(bits(&journaled(&journal)), bits(&found), "what is journaled is what was sent");
    found
}

fn replayed(journal: &Path) {
    let path = journal.display().to_string();
    let replay = Gateway::start(&["replay", &path, "--json"]).output();
    assert!(replay.status.success(), "{}", text(&replay.stderr));
    let replay: Value = serde_json::from_slice(&replay.stdout).expect("JSON");
    assert_eq!((&replay["runs"], &replay["cycles"], &replay["written"]), (&1.into(), &96.into(), &96.into()));
    let explained = Gateway::start(&["explain", &path, "40"]).output();
    assert!(text(&explained.stdout).contains("Sent: battery"), "{}", text(&explained.stderr));
}

fn journaled(journal: &Path) -> Vec<Row> {
    let entries = Reader::open(journal).expect("a journal").map(|entry| entry.expect("a whole line"));
    let cycle = |entry: Entry| match entry {
        Entry::Cycle(record, _) => {
            let kw = |name: &str| record.decision["safe"][name].as_f64().expect("W") / 1000.0;
            Some((kw("battery"), kw("chp")))
        }
        Entry::Header(_) => None,
    };
    entries.filter_map(cycle).collect()
}

/// Both simulators are gateways of their own, started by mosaik, connected to it over the network.
fn mosaik(python: &str, decider: &Decider) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = profile_file(folder.path());
    let gateway = gateway().display();
    let plant = format!("start:{gateway} mosaik %(addr)s --profile {}", profile.display());
    let ems = format!("start:{gateway} mosaik %(addr)s {}", decider.arguments());
    rows(&script(python, "cosim_mosaik.py", &[&plant, &ems, &STEPS.to_string()]))
}

fn fmpy(python: &str, decider: &Decider, fmi: Fmi) -> Vec<Row> {
    let [ems, plant] = [Kind::Ems, Kind::Plant].map(|kind| decider.fmu(kind, fmi).display().to_string());
    rows(&script(python, "cosim_loop.py", &["fmpy", &ems, &plant, &STEPS.to_string()]))
}

fn foreign_plant(decider: &Decider, fmi: Fmi) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace.csv");
    let (fmu, trace_file) = (decider.fmu(Kind::Plant, fmi), Some(trace.clone()));
    let options = CosimOptions {
        fmu,
        map: None,
        duration_s: 86_400.0,
        trace: trace_file,
        controller: decider.units(),
        patience: PATIENCE,
    };
    cosim(&options).expect("a simulation");
    trace_rows(&trace)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_day_has_the_same_set_points_through_every_master() {
    let Some(python) = python() else { return };
    let Some(broker) = Mosquitto::start_with("set_tcp_nodelay true").await else { return };
    for decider in Decider::all() {
        let expected = bits(&built_in(&decider));
        assert!(expected.iter().any(|row| *row != expected[0]), "a day on which nothing happens proves nothing");
        let masters = [
            ("FMI 2.0 under FMPy", fmpy(&python, &decider, Fmi::Two)),
            ("FMI 3.0 under FMPy", fmpy(&python, &decider, Fmi::Three)),
            ("lock-step, messages", lockstep(&python, &broker, &decider, false)),
            ("lock-step, VILLASnode frames", lockstep(&python, &broker, &decider, true)),
            ("mosaik", mosaik(&python, &decider)),
            ("gateway cosim, FMI 2.0", foreign_plant(&decider, Fmi::Two)),
            ("gateway cosim, FMI 3.0", foreign_plant(&decider, Fmi::Three)),
        ];
        for (master, found) in masters {
            assert_eq!(bits(&found), expected, "{master}, {decider:?}");
        }
    }
}
