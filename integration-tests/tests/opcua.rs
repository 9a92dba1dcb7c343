//! OPC UA through the gateway's program, with asyncua as the client, judged at the device.

use memg_gateway::web::password;
use memg_integration_tests::north_plant::NorthPlant;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::promise_plant::until_mode;
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

const PASSWORD: &str = "correct horse battery";

async fn bench(north: &str) -> Option<NorthPlant> {
    let user =
        |(name, role)| format!("[[north.opcua.user]]\nname = '{name}'\nrole = '{role}'\npassword_env = 'OPCUA_HASH'\n");
    let users = [("anna", "operator"), ("grid", "guard")].map(user).concat();
    let hash = password::hash(PASSWORD).expect("a hash");
    NorthPlant::start("opcua", &format!("{north}\n{users}"), false, &[("OPCUA_HASH", &hash)]).await
}

/// Its address for clients.
fn url(bench: &NorthPlant) -> String {
    format!("opc.tcp://{}/", bench.address)
}

async fn client(python: &str, url: &str, options: &[&str]) -> Peer {
    let arguments: Vec<&str> = [url].iter().chain(options).copied().collect();
    Peer::start(python, "opcua_client.py", &arguments).await
}

/// Somebody who is logged in.
async fn user(python: &str, url: &str, name: &str) -> Peer {
    let user = client(python, url, &[&format!("user={name}"), &format!("password={PASSWORD}")]).await;
    assert_eq!(user.place, "yes", "{name} is logged in");
    user
}

/// The status of a write.
async fn write(client: &mut Peer, what: &str) -> String {
    client.tell(&format!("write {what}")).await.as_str().unwrap_or_default().to_owned()
}

async fn until_read(client: &mut Peer, name: &str, verb: &str, as_wished: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let read = client.tell(&format!("{verb} {name}")).await;
        if as_wished(&read) {
            return read;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} is never as wished: {}", client.tell(&format!("{verb} {name}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_and_subscribes_and_what_is_unknown_is_no_zero() {
    let (Some(python), Some(bench)) = (python(), bench("").await) else { return };
    let mut client = client(&python, &url(&bench), &[]).await;
    let names = client.tell("browse").await;
    let names: Vec<&str> = names.as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert!(names.len() > 60 && names.contains(&"electric_load_kw") && names.contains(&"command.battery_kw"));
    bench.plant.show("electric_load_kw", 41.5);
    let load = until_read(&mut client, "electric_load_kw", "read", |load| load["value"] == json!(41.5)).await;
    assert!(load["status"] == json!("Good") && load["source"].as_f64() > Some(1.7e9), "{load}");
    assert_eq!(client.tell("unit electric_load_kw").await, json!(["kW", 4_937_556]));
    for (name, value) in [("mode", json!("auto")), ("armed", json!(true)), ("alarms_high", json!(0))] {
        assert_eq!(client.tell(&format!("read {name}")).await["value"], value, "{name}");
    }
    assert!(client.tell("read why").await["value"].as_str().is_some_and(|words| words.len() > 5));
    assert_eq!(client.tell("watch electric_load_kw cycle wind_kw").await, json!(true));
    bench.plant.show("electric_load_kw", 43.0);
    until_read(&mut client, "electric_load_kw", "seen", |seen| seen["value"] == json!(43.0)).await;
    until_read(&mut client, "cycle", "seen", |seen| seen["count"].as_u64() > Some(5)).await;
    bench.plant.lose("wind_kw");
    until_read(&mut client, "wind_kw", "seen", |seen| seen["status"] == json!("Bad")).await;
    assert_eq!(client.tell("read no.such.point").await["status"], json!("BadNodeIdUnknown"));
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_those_of_the_role_and_the_answer_is_the_desks() {
    let (Some(python), Some(bench)) = (python(), bench("").await) else { return };
    let url = url(&bench);
    let NorthPlant { plant, gateway, mut state, .. } = bench;
    let wrong = client(&python, &url, &["user=anna", "password=wrong horse battery"]).await;
    assert_eq!(wrong.place, "BadUserAccessDenied", "a wrong password");
    assert_eq!(client(&python, &url, &["user=nobody", "password=x"]).await.place, "BadUserAccessDenied");
    let mut anonymous = client(&python, &url, &[]).await;
    for (what, status) in [
        ("command.mode String safe_stop", "BadUserAccessDenied"),
        ("command.export_limit_kw Double 20.0", "BadUserAccessDenied"),
        ("electric_load_kw Double 1.0", "BadUserAccessDenied"),
    ] {
        assert_eq!(write(&mut anonymous, what).await, status, "{what}");
    }
    assert_eq!(anonymous.tell("access command.battery_kw").await, json!(false));
    let mut grid = user(&python, &url, "grid").await;
    assert_eq!(write(&mut grid, "command.battery_kw Double -8.0").await, "BadUserAccessDenied");
    assert_eq!(write(&mut grid, "command.acknowledge UInt16 1").await, "BadUserAccessDenied");
    assert_eq!(write(&mut grid, "command.export_limit_kw Double 20.0").await, "Good");
    let mut anna = user(&python, &url, "anna").await;
    assert_eq!(anna.tell("access command.battery_kw").await, json!(true));
    assert_eq!(anna.tell("access mode").await, json!(false));
    assert_ne!(anna.tell("describe command.battery_kw").await, json!("Good"), "only values can be written");
    for (what, status) in [
        ("command.battery_kw Double -8.0", "BadInvalidState"),
        ("command.battery_kw Int64 5", "BadTypeMismatch"),
        ("command.battery_kw Double 1000000000.0", "BadOutOfRange"),
        ("command.mode String off", "BadOutOfRange"),
        ("command.mode UInt16 2", "BadTypeMismatch"),
        ("mode String manual", "BadUserAccessDenied"),
        ("no.such.point Double 1.0", "BadNodeIdUnknown"),
        ("command.mode String manual", "Good"),
    ] {
        assert_eq!(write(&mut anna, what).await, status, "{what}");
    }
    until_mode(&mut state, "manual").await;
    assert_eq!(write(&mut anna, "command.battery_kw Double -8.0").await, "Good");
    until("the battery is told", || (plant.battery_setpoint() + 8.0).abs() < 0.01).await;
    assert_eq!(anna.tell("read command.battery_kw").await["value"], json!(-8.0));
    assert_eq!(grid.tell("read command.battery_kw").await["value"], json!(0.0), "what anna wrote is hers");
    let journal = std::fs::read_to_string(plant.path("journal")).expect("a journal");
    assert!(journal.contains("\"principal\":\"anna\"") && journal.contains("\"means\":\"opc_ua\""));
    gateway.stop().await;
}

/// A folder with certificates and keys of applications, each signed by itself.
fn applications(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("trusted")).expect("a folder");
    for name in names {
        let subject = format!("/CN={name}");
        let (key, cert) = (format!("{name}.key.pem"), format!("{name}.pem"));
        let uri = format!("subjectAltName=URI:urn:test:{name},DNS:localhost");
        let usage = "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment";
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &subject]);
        command.args(["-keyout", &key, "-out", &cert, "-addext", &uri, "-addext", usage]);
        let done = command.current_dir(folder.path()).stderr(Stdio::null()).status().expect("openssl starts");
        assert!(done.success());
    }
    folder
}

fn options(folder: &Path, name: &str, policy: &str) -> Vec<String> {
    let path = |file: &str| folder.join(file).display().to_string();
    let (cert, key, server) = (path(&format!("{name}.pem")), path(&format!("{name}.key.pem")), path("gateway.pem"));
    vec![format!("policy={policy}"), format!("cert={cert}"), format!("key={key}"), format!("server={server}")]
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_connections_are_for_clients_whose_certificate_is_trusted() {
    let Some(python) = python() else { return };
    let files = applications(&["gateway", "scada", "stranger"]);
    let trust = |name: &str| {
        let to = files.path().join("trusted").join(format!("{name}.pem"));
        std::fs::copy(files.path().join(format!("{name}.pem")), to).expect("a file");
    };
    trust("scada");
    let path = |name: &str| files.path().join(name).display().to_string();
    let north = format!(
        "cert_file = '{}'\nkey_file = '{}'\ntrusted_dir = '{}'",
        path("gateway.pem"),
        path("gateway.key.pem"),
        path("trusted")
    );
    let Some(bench) = bench(&north).await else { return };
    let as_anna = async |name: &str, policy: &str| {
        let mut all = options(files.path(), name, policy);
        all.extend(["user=anna".to_owned(), format!("password={PASSWORD}")]);
        client(&python, &url(&bench), &all.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    for policy in ["Basic256Sha256", "Aes256Sha256RsaPss"] {
        let mut anna = as_anna("scada", policy).await;
        assert_eq!(anna.place, "yes", "{policy}");
        assert_eq!(anna.tell("read mode").await["value"], json!("auto"), "{policy}");
        assert_eq!(write(&mut anna, "command.export_limit_kw Double 20.0").await, "Good", "{policy}");
    }
    assert_ne!(as_anna("stranger", "Basic256Sha256").await.place, "yes");
    trust("stranger");
    for _ in 0..200 {
        if as_anna("stranger", "Basic256Sha256").await.place == "yes" {
            return drop(bench.gateway.stop().await);
        }
    }
    panic!("a certificate that is put into the folder is never trusted");
}

/// Open files of a process.
fn handles(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_cost_nothing_but_their_connection() {
    let (Some(python), Some(bench)) = (python(), bench("").await) else { return };
    let address = bench.address.clone();
    let before = handles(bench.gateway.id());
    let mut open = Vec::new();
    for _ in 0..1000 {
        open.extend(TcpStream::connect(&address).await);
    }
    assert!(handles(bench.gateway.id()) < before + 250, "there are 64 places, each with three handles");
    let hello = |length: u32| [b"HELF", &length.to_le_bytes()[..], &[0xFF; 24]].concat();
    let garbage =
        [b"GET / HTTP/1.1\r\n\r\n".to_vec(), vec![0; 300], hello(u32::MAX), hello(32), hello(8), b"OPNF".to_vec()];
    for (stream, octets) in open.iter_mut().zip(garbage.iter().cycle()) {
        let _ = stream.write_all(octets).await;
    }
    // What is no message ends its connection, after the protocol's own error where there is time for one.
    let mut answer = Vec::new();
    let _ = open.first_mut().expect("a connection").read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"ERRF"), "{answer:?}");
    drop(open);
    until("every handle is given back", || handles(bench.gateway.id()) <= before).await;
    let mut client = client(&python, &url(&bench), &[]).await;
    assert_eq!(client.tell("read mode").await["value"], json!("auto"), "control goes on");
    bench.gateway.stop().await;
}
