//! What stands in `examples/`, run as its READMEs say (`own-actor` has a test of its own, the foreign plant is the tutorial's).

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::gateway_process::{Gateway, lockstep_configuration, text};
use memg_integration_tests::mosquitto::Mosquitto;
use memg_integration_tests::peer::python;
use memg_integration_tests::topics_site::{OPERATORS, PREFIX, Site};
use memg_integration_tests::written::{repository, run_page};
use memg_integration_tests::{peer_is_there, python_has};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

/// Topics of the flow, without the prefix that people replace.
const FLOW_PREFIX: &str = "memg/harbour/";

#[test]
fn broker_gateway_and_client_of_compose_do_what_the_page_says() {
    let Some(python) = python() else { return };
    if ["mosquitto", "mosquitto_pub", "openssl"].into_iter().all(peer_is_there) {
        run_page("examples/compose/README.md", &python);
    }
}

fn flow_file() -> PathBuf {
    repository().join("examples/node-red/flow.json")
}

fn flow() -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(flow_file()).expect("the flow")).expect("JSON")
}

fn word<'a>(node: &'a Value, key: &str) -> &'a str {
    node[key].as_str().unwrap_or_default()
}

#[test]
fn the_node_red_flow_is_connected_and_names_topics_of_the_gateway() {
    let flow = flow();
    let ids: BTreeSet<&str> = flow.iter().map(|node| word(node, "id")).collect();
    assert_eq!(ids.len(), flow.len(), "each node has an id of its own");
    let listed = std::fs::read_to_string(repository().join("docs/reference-names.md")).expect("the reference");
    for node in &flow {
        let wires = node["wires"].as_array().into_iter().flatten().flat_map(|out| out.as_array().into_iter().flatten());
        for place in wires.chain(node.get("broker").filter(|_| word(node, "type").starts_with("mqtt "))) {
            assert!(ids.contains(place.as_str().unwrap_or_default()), "{place} of {node}");
        }
        if word(node, "type") == "mqtt in" {
            let topic = word(node, "topic").strip_prefix(FLOW_PREFIX).unwrap_or_else(|| panic!("{node}"));
            let listed_as = format!("| `{}` |", topic.replace('+', "<kind>"));
            assert!(listed.contains(&listed_as), "{topic} is no topic of docs/reference-names.md");
        }
        let kind = node["props"].as_array().into_iter().flatten().find(|prop| prop["p"] == "kind");
        if let Some(kind) = kind.map(|kind| word(kind, "v")) {
            assert!(CommandKind::ALL.iter().any(|known| known.name() == kind), "{kind} is no command");
        }
    }
}

/// Runs the flow's function `sign` as Node-RED does, and prints what it would publish.
const SIGN: &str = r#"
const [file, prefix, kind, body] = process.argv.slice(2);
const node = JSON.parse(require("fs").readFileSync(file)).find((node) => node.id === "memg-sign");
const func = node.func.replaceAll("memg/harbour", prefix);
const run = new Function("msg", "env", "node", "crypto", func);
const env = { get: (name) => process.env[name] };
const told = run({ kind, payload: JSON.parse(body) }, env, { error: (text) => { throw new Error(text); } }, require("crypto"));
console.log(JSON.stringify(told.payload));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_red_flow_signs_is_taken() {
    if !peer_is_there("node") {
        return;
    }
    let Some(site) = Site::start("").await else { return };
    let (gateway, _state) = site.in_shadow().await;
    let mut answers = site.broker.listen(&format!("{PREFIX}/ack/mode")).await;
    std::fs::write(site.path("sign.js"), SIGN).expect("written");
    let (_, _, key) = OPERATORS[0];
    let mut node = Command::new("node");
    node.arg(site.path("sign.js")).arg(flow_file()).args([PREFIX, "mode", r#"{"mode": "safe_stop"}"#]);
    let signed = node.env("MEMG_KEY", key).output().expect("node runs");
    assert!(signed.status.success(), "{}", text(&signed.stderr));
    site.publish(CommandKind::Mode, text(&signed.stdout).trim()).await;
    let answer = answers.next().await.json();
    assert_eq!((&answer["outcome"], &answer["principal"]), (&"done".into(), &"anna".into()), "{answer}");
    gateway.stop().await;
}

/// What a simulation writes that uses `examples/lockstep.py`.
const SIMULATION: &str = r#"
import sys
sys.path.insert(0, sys.argv[1])
from lockstep import Controller, Refused
with Controller("127.0.0.1", int(sys.argv[2]), "memg/lab/cosim") as controller:
    controller.start(900)
    measured = {"pv_kw": 20, "wind_kw": 5, "electric_load_kw": 30, "heat_load_kw": 20, "soc": 0.5}
    for _ in range(4):
        print(sorted(controller.step(measured)))
    try:
        controller.step(measured | {"no_such_signal": 1})
    except Refused as refused:
        print("refused", refused)
    print(controller.stop()["steps"])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_lockstep_module_drives_the_gateway_and_says_what_was_refused() {
    if !python_has("paho.mqtt.client") {
        return;
    }
    let Some(broker) = Mosquitto::start().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let configuration = lockstep_configuration(folder.path(), broker.port, "rule");
    let gateway = Gateway::start(&["run", &configuration, "--json"]);
    let examples = repository().join("examples").display().to_string();
    let mut simulation = Command::new(memg_integration_tests::python());
    let arguments = ["-c", SIMULATION, &examples, &broker.port.to_string()].map(ToOwned::to_owned);
    let run = tokio::task::spawn_blocking(move || simulation.args(arguments).output().expect("Python runs"));
    let output = run.await.expect("it ends");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert_eq!(said.matches("'battery_kw', 'chp_kw'").count(), 4, "{said}");
    assert!(said.contains("refused") && said.contains("no_such_signal") && said.trim().ends_with('4'), "{said}");
    assert!(gateway.output().status.success());
}
