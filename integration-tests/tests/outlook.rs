//! Prices of the hours ahead over MQTT, seen from outside: what the gateway's program does with them.

use memg_integration_tests::gateway_process::{gateway, text};
use memg_integration_tests::mosquitto::Keep;
use memg_integration_tests::rig::until;
use memg_integration_tests::topics_site::{OPERATORS, Site, now_ms, variable};
use serde_json::{Value, json};
use std::process::Command;

/// An entry for day-ahead prices in the shape of aWATTar.
const ENTRY: &str = "[[mqtt.outlook]]\ntopic = 'market/day-ahead'\nquantity = 'import_price_eur_per_kwh'\n\
    pointer = '/data'\nstart_key = 'start_timestamp'\nvalue_key = 'marketprice'\nunit = 'EUR/MWh'\n";

/// Hourly prices from the hour that has begun on, EUR/MWh, with a hole after the second one.
fn market() -> String {
    const HOUR_MS: u64 = 3_600_000;
    let begun = now_ms() / HOUR_MS * HOUR_MS;
    let entry = |(hour, price): (u64, u64)| json!({ "start_timestamp": begun + hour * HOUR_MS, "marketprice": price });
    let data: Vec<Value> = [(0, 125), (1, 250), (3, 500)].into_iter().map(entry).collect();
    json!({ "object": "list", "data": data }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlook_that_was_retained_before_the_start_is_in_the_journal_and_replay_needs_nothing_else() {
    let Some(site) = Site::start(ENTRY).await else { return };
    site.broker.publish("market/day-ahead", market(), Keep::Retained).await;
    let (running, _state) = site.in_shadow().await;
    let journal = || std::fs::read_to_string(site.path("journal")).unwrap_or_default();
    let told = "\"outlook\":{\"import_price_eur_per_kwh\":[0.125";
    until("the outlook is in the journal", || journal().contains(told)).await;
    running.stop().await;
    let lines = journal();
    let line = lines.lines().find(|line| line.contains(told)).expect("it was there");
    assert!(line.contains(",0.25,null,") && line.contains(",null,0.5,"), "{line}");
    let replayed = Command::new(gateway()).arg("replay").arg(site.path("journal")).output().expect("it runs");
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let mut check = Command::new(gateway());
    check.arg("check").arg(site.path("gateway.toml")).envs(OPERATORS.map(|(name, _, key)| (variable(name), key)));
    let output = check.output().expect("it runs");
    let (listed, said) = (text(&output.stdout), text(&output.stderr));
    assert!(listed.contains("import_price_eur_per_kwh   mqtt market/day-ahead, at most 129600 s"), "{listed}{said}");
}
