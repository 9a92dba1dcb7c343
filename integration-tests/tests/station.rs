//! The operator's station through the gateway's program: who may look and command, what a command does at the device, what is
//! shown of a plant in trouble, and what strangers cannot do to it. Conditions are waited for; nothing is judged by its speed.

use memg_gateway::web::password;
use memg_integration_tests::authority::Authority;
use memg_integration_tests::gateway::Gateway;
use memg_integration_tests::gateway_process;
use memg_integration_tests::http::Browser;
use memg_integration_tests::peer::{Peer, python};
use memg_integration_tests::peer_is_there;
use memg_integration_tests::promise_plant::PromisePlant;
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PASSWORD: &str = "correct horse";

/// Users of the tests: eva looks on, grid is a guard, anna an operator, ute an engineer.
fn web(more: &str) -> String {
    let user = |name: &str, role: &str| {
        format!("[[web.user]]\nname = '{name}'\nrole = '{role}'\npassword_env = 'STATION_HASH'\n")
    };
    let users = user("eva", "viewer") + &user("grid", "guard") + &user("anna", "operator") + &user("ute", "engineer");
    format!("[web]\nlisten = '127.0.0.1:0'\n{more}\n{users}[mqtt]")
}

struct Bench {
    plant: PromisePlant,
    gateway: Gateway,
    eva: Browser,
    anna: Browser,
    anyone: Browser,
}

/// A plant, real or simulated, with a station that people have logged in at. `None` without mosquitto.
async fn bench(control: &str, real: bool, more: &str) -> Option<Bench> {
    let plant = PromisePlant::start(control, "").await?;
    if real {
        plant.make_real();
    }
    plant.edit("gateway.toml", "[mqtt]", &web(more));
    let hash = password::hash(PASSWORD).expect("a hash");
    let environment = [("RUST_LOG", "warn"), ("STATION_HASH", hash.as_str())];
    let (gateway, url) = Gateway::with_station(&plant.path("gateway.toml"), &[], &environment).await;
    let anyone = Browser::at(&url);
    anyone.until("the first state", |state| state["cycle"].is_u64()).await;
    let (eva, anna) = (anyone.as_user("eva", PASSWORD).await, anyone.as_user("anna", PASSWORD).await);
    Some(Bench { plant, gateway, eva, anna, anyone })
}

fn mode(state: &Value) -> &str {
    state["mode"]["now"].as_str().unwrap_or_default()
}

fn near(register: f32, kw: f32) -> bool {
    (register - kw).abs() < 0.011
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_commands_what_the_role_allows_and_it_reaches_the_registers_with_its_principal() {
    let Some(bench) = bench("", false, "").await else { return };
    let Bench { plant, gateway, eva, anna, anyone } = bench;
    anna.until("auto", |state| mode(state) == "auto").await;
    assert_eq!(anyone.post("commands", &json!({ "body": "safe_stop" })).await.status, 401);
    assert_eq!(eva.post("commands", &json!({ "body": "safe_stop" })).await.status, 403);
    assert_eq!(anna.command(json!("manual")).await["outcome"], "done");
    let asked = json!({ "setpoints": { "battery_kw": -8.0, "chp_kw": 0.0 } });
    let outcome = anna.command(asked).await;
    assert!(matches!(outcome["outcome"].as_str(), Some("done" | "clamped")), "{outcome}");
    until("the battery is told", || plant.battery_setpoint() < -1.0).await;
    let shown = anna.until("what was written", |state| state["setpoints"]["battery_kw"].as_f64() < Some(-1.0)).await;
    assert_eq!(
        (shown["control"]["principal"].as_str(), shown["setpoints"]["sent"].as_bool()),
        (Some("anna"), Some(true))
    );
    let log = anyone.get("log?from=0").await.json();
    let entry = log.as_array().and_then(|log| log.iter().find(|entry| entry["what"] == "setpoint")).cloned();
    let entry = entry.expect("it is written down");
    assert_eq!((entry["principal"].as_str(), entry["means"].as_str()), (Some("anna"), Some("web")));
    let device = anyone.get("devices").await.json();
    let written = device.as_array().and_then(|all| all.iter().find(|device| device["name"] == "battery")).cloned();
    let point = &written.expect("the battery")["points"][0];
    assert_eq!(point["raw"].as_array().map(Vec::len), Some(2), "{point}");
    assert!(point["last_write"]["value"].as_f64() < Some(-1.0) && point["last_write"]["read_back"] == true, "{point}");
    assert_eq!(anna.command(json!("safe_stop")).await["outcome"], "done");
    until("the battery rests", || near(plant.battery_setpoint(), 0.0)).await;
    let journal = std::fs::read_to_string(plant.path("journal")).expect("a journal");
    assert!(journal.contains("\"means\":\"web\"") && journal.contains("\"principal\":\"anna\""));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arming_takes_two_steps_and_only_then_anything_is_written() {
    let Some(bench) = bench("", true, "").await else { return };
    let Bench { plant, anna, .. } = &bench;
    anna.until("shadow", |state| mode(state) == "shadow" && state["mode"]["fault"].is_null()).await;
    assert_eq!(anna.command(json!("arm")).await["outcome"], "rejected");
    let first = anna.post("arm", &json!({})).await.json();
    let review = first["review"].as_array().expect("a review").clone();
    assert!(review.iter().any(|row| row["what"] == "mode" && row["ok"] == true), "{review:?}");
    assert!(plant.battery_writes().is_empty(), "nothing before the second step");
    let second = anna.post("commands", &json!({ "body": "arm", "confirm": first["token"] })).await.json();
    assert_eq!(second["outcome"], "done", "{second}");
    anna.until("auto", |state| mode(state) == "auto" && state["mode"]["armed"] == true).await;
    until("something is written", || !plant.battery_writes().is_empty()).await;
    let again = anna.post("commands", &json!({ "body": "arm", "confirm": first["token"] })).await.json();
    assert_eq!(again["outcome"], "rejected", "a token counts once");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_in_fails_with_a_wrong_password_ends_by_its_time_and_foreign_pages_get_nowhere() {
    let Some(bench) = bench("", false, "session_s = 2.0").await else { return };
    let Bench { anna, anyone, .. } = &bench;
    assert_eq!(anyone.log_in("anna", "wrong horse").await.status, 401);
    let ended = async {
        while anna.get("session").await.json()["principal"] == "anna" {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("a session ends");
    assert_eq!(anna.post("commands", &json!({ "body": "safe_stop" })).await.status, 401);
    let address = &anyone.address;
    for (host, origin, expected) in [
        (address.as_str(), "http://evil.example", 403),
        ("evil.example", "http://evil.example", 403),
        (address.as_str(), "", 403),
    ] {
        let head = format!(
            "POST /api/v1/commands HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n"
        );
        assert_eq!(anyone.send(&head, "{\"body\":\"safe_stop\"}").await.status, expected, "{host} {origin}");
    }
    let rebound = anyone.send("GET /api/v1/state HTTP/1.1\r\nHost: evil.example\r\n", "").await;
    assert_eq!(rebound.status, 403);
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_is_one_alarm_that_says_what_follows_and_is_acknowledged_while_it_stands() {
    let Some(bench) = bench("hold_s = 600.0", false, "").await else { return };
    let Bench { plant, anna, anyone, .. } = &bench;
    anna.until("auto", |state| mode(state) == "auto").await;
    plant.lose("soc");
    let state = anyone.until("hold", |state| mode(state) == "hold" && !state["alarms"]["top"].is_null()).await;
    assert!(
        state["devices"].as_array().is_some_and(|all| all.iter().any(|d| d["name"] == "soc" && d["state"] == "down"))
    );
    assert!(state["mode"]["next"].as_str().is_some_and(|next| next.contains("stops safely")), "{}", state["mode"]);
    let told = anyone.until("its consequences", |state| {
        state["alarms"]["top"]["text"].as_str().is_some_and(|text| text.contains("holds its last request"))
    });
    let told = told.await;
    let top = &told["alarms"]["top"];
    assert_eq!((top["id"].as_str(), top["priority"].as_str()), (Some("soc.link"), Some("high")), "{top}");
    let list = anyone.get("alarms").await.json();
    let about_it: Vec<&Value> = list["alarms"].as_array().expect("a list").iter().collect();
    assert_eq!(about_it.len(), 1, "one cause, one alarm: {list}");
    assert!(
        top["advice"].as_str().is_some_and(|advice| advice.contains("At ") && advice.contains("stops safely")),
        "{top}"
    );
    let seen = anna.post("alarms/soc.link/acknowledge", &json!({})).await;
    assert_eq!((seen.status, seen.json()["state"].as_str()), (200, Some("acknowledged")));
    assert_eq!(mode(&anyone.state().await), "hold", "an acknowledgement changes nothing at the plant");
    plant.restore("soc");
    anyone.until("auto again", |state| mode(state) == "auto" && state["alarms"]["high"] == 0).await;
    let history = anyone.get("alarms?from=0").await.json()["history"].clone();
    let states: Vec<&str> = history.as_array().expect("history").iter().filter_map(|h| h["state"].as_str()).collect();
    assert_eq!(states, ["normal", "acknowledged", "unacknowledged"], "{history}");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_shown_within_three_seconds_and_so_is_its_return() {
    let Some(mut bench) = bench("", false, "").await else { return };
    bench.anyone.until("the broker", |state| state["broker"] == true && mode(state) == "auto").await;
    bench.plant.broker.kill();
    let killed = Instant::now();
    bench.anyone.until("its absence", |state| state["broker"] == false).await;
    // A machine that is busy with other tests may be slower than the promise; the promise is for one that is not.
    println!("the broker's absence was shown after {:.2} s", killed.elapsed().as_secs_f64());
    let alarm = bench.anyone.until("its alarm", |state| state["alarms"]["medium"] == 1).await;
    assert_eq!(alarm["alarms"]["top"]["id"], "mqtt.broker");
    bench.plant.broker.restart().await;
    bench.anyone.until("its return", |state| state["broker"] == true && state["alarms"]["medium"] == 0).await;
    bench.gateway.stop().await;
}

async fn alarm_states(browser: &Browser) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = browser.get("alarms").await.json();
    let mut found: Vec<(String, String)> = list["alarms"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|alarm| (text(&alarm["id"]), text(&alarm["state"])))
        .filter(|(id, _)| id.ends_with(".link"))
        .collect();
    found.sort();
    found
}

/// Waits until the alarms of links stand as wanted.
async fn alarms_are(browser: &Browser, wanted: &[(&str, &str)]) {
    let wanted: Vec<(String, String)> = wanted.iter().map(|(id, state)| ((*id).into(), (*state).into())).collect();
    let begin = Instant::now();
    while alarm_states(browser).await != wanted {
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}, not {wanted:?}", alarm_states(browser).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_shelved_or_taken_out_of_service_is_so_after_a_restart_of_a_real_plants_gateway() {
    let Some(bench) = bench("", true, "").await else { return };
    let Bench { plant, gateway, anna, anyone, .. } = bench;
    let ute = anyone.as_user("ute", PASSWORD).await;
    for signal in ["frequency_hz", "grid_kw", "heat_load_kw", "wind_kw"] {
        plant.lose(signal);
    }
    let unseen = ["frequency_hz.link", "grid_kw.link", "heat_load_kw.link", "wind_kw.link"];
    alarms_are(&anyone, &unseen.map(|id| (id, "unacknowledged"))).await;
    let shelf = json!({ "minutes": 60, "reason": "known" });
    let out = json!({ "hours": 48, "reason": "work order 4471" });
    assert_eq!(anna.post("alarms/frequency_hz.link/acknowledge", &json!({})).await.status, 200);
    assert_eq!(anna.post("alarms/grid_kw.link/shelve", &shelf).await.status, 200);
    assert_eq!(anna.post("alarms/heat_load_kw.link/out-of-service", &out).await.status, 403, "that takes an engineer");
    assert_eq!(ute.post("alarms/heat_load_kw.link/out-of-service", &out).await.status, 200);
    assert_eq!(anna.post("alarms/heat_load_kw.link/shelve", &shelf).await.status, 400, "no shelf shortens it");
    let wanted = [
        ("frequency_hz.link", "acknowledged"),
        ("grid_kw.link", "shelved"),
        ("heat_load_kw.link", "out_of_service"),
        ("wind_kw.link", "unacknowledged"),
    ];
    alarms_are(&anyone, &wanted).await;
    gateway.stop().await;
    let hash = password::hash(PASSWORD).expect("a hash");
    let environment = [("RUST_LOG", "warn"), ("STATION_HASH", hash.as_str())];
    let (again, url) = Gateway::with_station(&plant.path("gateway.toml"), &[], &environment).await;
    let anyone = Browser::at(&url);
    anyone.until("the first state", |state| state["cycle"].is_u64()).await;
    alarms_are(&anyone, &wanted).await;
    let ute = anyone.as_user("ute", PASSWORD).await;
    assert_eq!(ute.post("alarms/heat_load_kw.link/return-to-service", &json!({})).await.status, 200);
    alarms_are(&anyone, &[wanted[0], wanted[1], ("heat_load_kw.link", "unacknowledged"), wanted[3]]).await;
    let log = anyone.get("log?from=0").await.json();
    let who = log.as_array().and_then(|log| log.iter().find(|entry| entry["what"] == "alarm out of service").cloned());
    let who = who.expect("it is written down over the restart");
    assert_eq!((who["principal"].as_str(), who["role"].as_str()), (Some("ute"), Some("engineer")));
    assert!(who["detail"].as_str().is_some_and(|detail| detail.contains("work order 4471")), "{who}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_with_a_log_in_a_foreign_client_commands_and_nothing_else_gets_in() {
    let (Some(python), Some(plant)) = (python(), PromisePlant::start("", "").await) else { return };
    let (authority, stranger) = (Authority::new(&["station"]), Authority::new(&["station"]));
    let (cert, key) = (authority.path("station.pem"), authority.path("station.key"));
    plant.edit("gateway.toml", "[mqtt]", &web(&format!("tls_cert_file = '{cert}'\ntls_key_file = '{key}'")));
    let hash = password::hash(PASSWORD).expect("a hash");
    let environment = [("RUST_LOG", "warn"), ("STATION_HASH", hash.as_str())];
    let (gateway, url) = Gateway::with_station(&plant.path("gateway.toml"), &[], &environment).await;
    let place = url.strip_prefix("https://").expect("the address says that it is encrypted").trim_end_matches('/');
    let mut client = Peer::start(&python, "station_https.py", &[place, &authority.path("ca.pem")]).await;
    let seen = client.tell("get /").await;
    assert!(seen["status"] == 200 && seen["tls"].as_str().is_some_and(|tls| tls.starts_with("TLSv1")), "{seen}");
    let other = client.tell(&format!("trusting {}", stranger.path("ca.pem"))).await;
    assert_eq!(other["error"], "SSLCertVerificationError", "its certificate is checked by who asks");
    assert!(client.tell("plain").await["error"].is_string(), "nothing is said without TLS");
    assert_eq!(client.tell("post /api/v1/commands {\"body\":\"safe_stop\"}").await["status"], 401);
    let wrong = json!({ "name": "anna", "password": "wrong horse" });
    assert_eq!(client.tell(&format!("post /api/v1/session {wrong}")).await["status"], 401);
    let right = json!({ "name": "anna", "password": PASSWORD });
    let session = client.tell(&format!("post /api/v1/session {right}")).await;
    let cookie = session["cookie"].as_str().unwrap_or_default().to_owned();
    for flag in ["Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(session["status"] == 204 && cookie.contains(flag), "{session}");
    }
    let is_auto = |seen: &Value| seen["body"].as_str().is_some_and(|state| state.contains("\"now\":\"auto\""));
    let begin = Instant::now();
    while !is_auto(&client.tell("get /api/v1/state").await) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come to auto");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for body in [json!("manual"), json!({ "setpoints": { "battery_kw": -8.0, "chp_kw": 0.0 } })] {
        let done = client.tell(&format!("post /api/v1/commands {}", json!({ "body": body }))).await;
        let outcome = serde_json::from_str::<Value>(done["body"].as_str().unwrap_or_default()).unwrap_or_default();
        assert!(matches!(outcome["outcome"].as_str(), Some("done" | "clamped")), "{done}");
    }
    until("the battery is told", || plant.battery_setpoint() < -1.0).await;
    gateway.stop().await;
}

/// Bytes that are no request.
fn rubbish(number: usize) -> Vec<u8> {
    let mut seed = number as u64 + 1;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    };
    (0..400).map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn control_goes_on_while_strangers_send_rubbish_hold_connections_open_and_ask_for_files() {
    let Some(bench) = bench("", false, "").await else { return };
    let Bench { anyone, .. } = &bench;
    anyone.until("auto", |state| mode(state) == "auto").await;
    let before = anyone.state().await;
    let mut held = Vec::new();
    for number in 0..1000 {
        // More than there are places: the rest is closed at once.
        if let Ok(mut stream) = TcpStream::connect(&anyone.address).await {
            let bytes = match number % 4 {
                0 => rubbish(number),
                1 => b"GET /api/v1/state HTTP/1.1\r\nHost: loc".to_vec(),
                2 => format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000)).into_bytes(),
                _ => b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n".to_vec(),
            };
            let _ = stream.write_all(&bytes).await;
            held.push(stream);
        }
    }
    assert!(held.len() > 500, "{} connections", held.len());
    drop(held);
    let after = anyone
        .until("the station again", |state| state["cycle"].as_u64() > before["cycle"].as_u64().map(|cycle| cycle + 10));
    let after = after.await;
    assert_eq!((mode(&after), after["health"]["journal"].as_str()), ("auto", Some("ok")));
    for path in ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/assets/../../../Cargo.toml"] {
        assert_eq!(anyone.get(path).await.status, 404, "{path}");
    }
    assert_eq!(anyone.get("/healthz").await.status, 200);
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_begins_at_once_and_goes_on() {
    let Some(bench) = bench("", false, "").await else { return };
    let mut stream = TcpStream::connect(&bench.anyone.address).await.expect("it listens");
    let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", bench.anyone.address);
    stream.write_all(head.as_bytes()).await.expect("it takes the request");
    let (mut text, mut buffer) = (String::new(), vec![0; 65_536]);
    let reading = async {
        while text.matches("event: state").count() < 3 || !text.contains("event: alarms") {
            let length = stream.read(&mut buffer).await.expect("it goes on");
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("three states");
    assert!(text.contains("content-type: text/event-stream"), "{text}");
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_clean_for_promtool() {
    let Some(bench) = bench("", false, "").await else { return };
    bench.anyone.until("auto", |state| mode(state) == "auto").await;
    let told = bench.anyone.get("/metrics").await;
    for name in ["memg_control_cycles_total", "memg_mode{mode=\"auto\"} 1", "memg_point_age_seconds{point=\"soc\"}"] {
        assert!(told.body.contains(name), "{name} is not in {}", told.body);
    }
    if peer_is_there("promtool") {
        let mut command = tokio::process::Command::new("promtool");
        let mut child = command.args(["check", "metrics"]).stdin(Stdio::piped()).spawn().expect("promtool starts");
        child.stdin.take().expect("its input").write_all(told.body.as_bytes()).await.expect("it reads");
        assert!(child.wait().await.expect("it ends").success(), "{}", told.body);
    }
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_without_tls_or_users_nothing_starts_and_the_key_is_named() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.edit("gateway.toml", "[mqtt]", "[web]\nlisten = '0.0.0.0:0'\n[mqtt]");
    for verb in ["run", "check"] {
        let config = plant.path("gateway.toml");
        let output = std::process::Command::new(gateway_process::gateway()).arg(verb).arg(config).output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{verb}: {said}");
        assert!(said.contains("web.tls_cert_file: missing") && said.contains("web.user: missing"), "{verb}: {said}");
    }
}
