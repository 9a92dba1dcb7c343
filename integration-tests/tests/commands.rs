//! Operators and the gateway's program, with mosquitto between them: who is believed, who may what, what is answered.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::gateway_process::{gateway, text};
use memg_integration_tests::mosquitto::{Keep, Listener};
use memg_integration_tests::python;
use memg_integration_tests::topics_site::{OPERATORS, PREFIX, Site, now_ms, signed, until_mode, variable};
use serde_json::{Value, json};
use std::process::Output;

/// What was answered to a command.
async fn outcome(answers: &mut Listener, id: &str) -> (String, String) {
    let answer = answers.until(|seen| seen.json()["id"] == id).await.json();
    let word = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    (word("outcome"), word("reason"))
}

async fn answers(site: &Site) -> Listener {
    site.broker.listen(&format!("{PREFIX}/ack/#")).await
}

/// `gateway command` as another process, with one key.
async fn command(site: &Site, name: &str, words: &[&str]) -> Output {
    let (.., key) = OPERATORS.into_iter().find(|(known, ..)| *known == name).expect("somebody known");
    let mut command = tokio::process::Command::new(gateway());
    command.arg("command").arg(site.path("gateway.toml")).args(["--as", name]).args(words).env(variable(name), key);
    command.output().await.expect("it runs")
}

fn last_answer(output: &Output) -> Value {
    serde_json::from_str(text(&output.stdout).lines().last().unwrap_or_default()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_commands_are_done_and_unsigned_altered_or_repeated_ones_rejected() {
    let Some(site) = Site::start("").await else { return };
    let (_gateway, mut state) = site.in_shadow().await;
    let mut answers = answers(&site).await;
    let limits = json!({ "import_kw_max": 40.0, "export_kw_max": null });
    let good = signed("anna", CommandKind::Limit, "good", &limits).payload;
    let mut unsigned = limits.clone();
    (unsigned["id"], unsigned["time_unix_ms"], unsigned["ttl_s"]) = (json!("bare"), json!(now_ms()), json!(10));
    let mut forged: Value = serde_json::from_str(&good).expect("JSON");
    (forged["id"], forged["mac"]) = (json!("forged"), json!("00".repeat(32)));
    for (payload, id, reason) in [
        (unsigned.to_string(), "bare", "not signed"),
        (forged.to_string(), "forged", "the mac does not fit"),
        (good.replace("40.0", "90.0"), "good", "the mac does not fit"),
    ] {
        site.publish(CommandKind::Limit, &payload).await;
        let (outcome, why) = outcome(&mut answers, id).await;
        assert!(outcome == "rejected" && why.contains(reason), "{payload}: {outcome}, {why}");
    }
    site.publish(CommandKind::Limit, &good).await;
    let answer = answers.until(|seen| seen.json()["id"] == "good").await.json();
    assert_eq!((&answer["outcome"], &answer["principal"]), (&json!("done"), &json!("anna")), "{answer}");
    state.until(|seen| seen.json()["limits"] == limits).await;
    site.publish(CommandKind::Limit, &good).await;
    assert_eq!(outcome(&mut answers, "good").await, ("rejected".into(), "this id was seen before".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_may_nothing_and_a_guard_may_stop_and_limit_alone() {
    let Some(site) = Site::start("").await else { return };
    let (_gateway, _state) = site.in_shadow().await;
    let limit = ["limit", "--import-kw-max", "30", "--export-kw-max", "none"];
    let rows: [(&str, &[&str], &str); 6] = [
        ("eve", &["arm"], "eve is viewer; this takes the role operator"),
        ("eve", &["safe-stop"], "eve is viewer; this takes the role guard"),
        ("grid", &["arm"], "grid is guard; this takes the role operator"),
        ("grid", &["mode", "manual"], "grid is guard; this takes the role operator"),
        ("grid", &limit, ""),
        ("grid", &["safe-stop"], ""),
    ];
    for (name, words, reason) in rows {
        let output = command(&site, name, words).await;
        let answer = last_answer(&output);
        let expected = if reason.is_empty() { (Some(0), "done") } else { (Some(1), "rejected") };
        assert_eq!((output.status.code(), answer["outcome"].as_str().unwrap_or_default()), expected, "{answer}");
        assert_eq!(answer["reason"].as_str().unwrap_or_default(), reason, "{name} {words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_arms_takes_over_and_leaves_no_trace_of_its_own() {
    let Some(site) = Site::start("").await else { return };
    let (running, mut state) = site.in_shadow().await;
    let early = command(&site, "anna", &["mode", "manual"]).await;
    assert_eq!((early.status.code(), &last_answer(&early)["reason"]), (Some(1), &json!("the gateway is not armed")));
    let armed = command(&site, "anna", &["arm"]).await;
    assert_eq!(armed.status.code(), Some(0), "{}{}", text(&armed.stdout), text(&armed.stderr));
    until_mode(&mut state, "auto").await;
    assert_eq!(command(&site, "anna", &["mode", "manual"]).await.status.code(), Some(0));
    until_mode(&mut state, "manual").await;

    let wanted = command(&site, "anna", &["setpoint", "--battery-kw", "-5", "--chp-kw", "0"]).await;
    assert_eq!((wanted.status.code(), &last_answer(&wanted)["outcome"]), (Some(0), &json!("done")));
    let absurd = command(&site, "anna", &["setpoint", "--battery-kw", "900", "--chp-kw", "0"]).await;
    let answer = last_answer(&absurd);
    assert_eq!((absurd.status.code(), &answer["outcome"]), (Some(0), &json!("clamped")), "{answer}");
    assert!(answer["battery_kw"].as_f64().is_some_and(|kw| kw > 0.0 && kw <= 50.0), "{answer}");

    let mut status = site.broker.listen(&format!("{PREFIX}/status")).await;
    assert_eq!(status.next().await.json()["status"], "online", "no last will of the visitors");
    running.stop().await;
    let journal = std::fs::read_to_string(site.path("journal")).expect("a journal");
    assert!(journal.contains(r#""principal":"anna","role":"operator""#), "who armed stands in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_from_outside_survive_a_restart_and_stand_in_the_state() {
    let Some(site) = Site::start("").await else { return };
    let (running, mut state) = site.in_shadow().await;
    let limit = ["limit", "--import-kw-max", "25", "--export-kw-max", "none"];
    assert_eq!(command(&site, "grid", &limit).await.status.code(), Some(0));
    let limits = json!({ "import_kw_max": 25.0, "export_kw_max": null });
    state.until(|seen| seen.json()["limits"] == limits).await;
    running.stop().await;
    let (_again, mut state) = site.in_shadow().await;
    let first = state.until(|seen| seen.keep == Keep::No).await;
    assert_eq!(first.json()["limits"], limits, "{}", first.payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_there_is_no_answer_and_without_a_key_no_connection() {
    let Some(site) = Site::start("").await else { return };
    let nobody = command(&site, "anna", &["--wait", "1s", "safe-stop"]).await;
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("no answer within 1s"), "{}", text(&nobody.stderr));
    let config = site.path("gateway.toml");
    let keyless =
        std::process::Command::new(gateway()).arg("command").arg(config).args(["--as", "anna", "arm"]).output();
    let keyless = keyless.expect("it runs");
    assert_eq!(keyless.status.code(), Some(64));
    assert!(text(&keyless.stderr).contains("operator[0].key_env: names the variable KEY_OF_ANNA, which is not set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_can_be_published_by_another_client() {
    let Some(site) = Site::start("").await else { return };
    let (_gateway, _state) = site.in_shadow().await;
    let mut answers = answers(&site).await;
    let printed = text(&command(&site, "anna", &["--print", "mode", "shadow"]).await.stdout);
    let (topic, payload) = printed.trim_end().split_once('\n').expect("two lines");
    site.broker.publish(topic, payload, Keep::No).await;
    assert_eq!(answers.next().await.json()["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_does_not_hold_up_a_safe_stop() {
    let Some(site) = Site::start("").await else { return };
    let (_gateway, mut state) = site.in_shadow().await;
    assert_eq!(command(&site, "anna", &["arm"]).await.status.code(), Some(0));
    until_mode(&mut state, "auto").await;
    let mut answers = answers(&site).await;
    let limits = json!({ "import_kw_max": null, "export_kw_max": null });
    let flood = |n| signed("anna", CommandKind::Limit, &format!("flood-{n}"), &limits).payload;
    let lines: Vec<String> = (0..100).map(flood).collect();
    site.broker.publish_lines(&CommandKind::Limit.topic(PREFIX), &lines).await;
    let stop = signed("grid", CommandKind::Mode, "stop", &json!({ "mode": "safe_stop" }));
    site.publish(CommandKind::Mode, &stop.payload).await;
    let mut refused = 0;
    loop {
        let answer = answers.next().await.json();
        if answer["id"] == "stop" {
            assert_eq!(answer["outcome"], "done", "{answer}");
            break;
        }
        refused += u32::from(answer["reason"].as_str().is_some_and(|reason| reason.contains("too many")));
    }
    assert!(refused > 0, "the flood was one");
    until_mode(&mut state, "safe_stop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_from_the_documentation_is_accepted() {
    let Some(site) = Site::start("").await else { return };
    let (_gateway, _state) = site.in_shadow().await;
    let mut answers = answers(&site).await;
    let manual = include_str!("../../docs/commands.md");
    let script = manual.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    let file = site.path("sign.py");
    std::fs::write(&file, script).expect("written");
    let topic = CommandKind::Mode.topic(PREFIX);
    let (name, _, key) = OPERATORS[0];
    let output = std::process::Command::new(python())
        .arg(&file)
        .args([&topic, name, r#"{"mode": "shadow"}"#])
        .env("MEMG_KEY", key)
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    site.broker.publish(&topic, text(&output.stdout).trim_end(), Keep::No).await;
    let answer = answers.next().await.json();
    assert_eq!((&answer["outcome"], &answer["principal"]), (&json!("done"), &json!("anna")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_broker_is_trusted_unsigned_commands_have_its_role() {
    let Some(site) = Site::start("trust_broker_as = 'guard'").await else { return };
    let (_gateway, _state) = site.in_shadow().await;
    let mut answers = answers(&site).await;
    for (mode, id, expected) in [("manual", "1", "rejected"), ("safe_stop", "2", "done")] {
        let payload = json!({ "id": id, "time_unix_ms": now_ms(), "ttl_s": 10, "mode": mode }).to_string();
        site.publish(CommandKind::Mode, &payload).await;
        let answer = answers.until(|seen| seen.json()["id"] == id).await.json();
        assert_eq!((&answer["outcome"], &answer["principal"]), (&json!(expected), &json!("broker")), "{answer}");
    }
}
