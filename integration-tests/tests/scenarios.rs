//! Rows of `scenarios.toml` against the gateway's program: here a handful; all of them by `integration-tests/campaign --scenarios`.
//! `MEMG_SCENARIOS` says how many (`all` of them, or the name of one), `MEMG_SEED` in which order and at which instants.

use memg_integration_tests::scenario::{Scenario, page, play, table};
use std::path::Path;

/// One of each kind.
const HANDFUL: [&str; 6] = [
    "state of charge lost",
    "battery does not follow",
    "set-point acknowledged and not applied",
    "killed in auto",
    "battery reports a fault",
    "connection swallows everything",
];
/// Most rows at a time: they mostly wait.
const AT_A_TIME: usize = 8;

fn chosen() -> Vec<Scenario> {
    let rows = table();
    let wanted = std::env::var("MEMG_SCENARIOS").unwrap_or_default();
    match (wanted.as_str(), wanted.parse::<usize>()) {
        ("", _) => rows.into_iter().filter(|row| HANDFUL.contains(&row.name.as_str())).collect(),
        ("all", _) => rows,
        (_, Ok(count)) => rows.into_iter().take(count).collect(),
        (part, Err(_)) => rows.into_iter().filter(|row| row.name.contains(part)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_row_leads_to_its_mode_and_alarm_and_back_and_nothing_wrong_is_ever_written() {
    let seed = std::env::var("MEMG_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let keep = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios");
    let rows = chosen();
    assert!(!rows.is_empty(), "no row has that name");
    let at_a_time = std::env::var("MEMG_AT_A_TIME").ok().and_then(|text| text.parse().ok()).unwrap_or(AT_A_TIME);
    let Some(played) = play::play_all(rows, seed, at_a_time, keep).await else { return };
    let good = played.iter().filter(|row| row.outcome.is_ok()).count();
    println!("scenarios: {good} of {}, seed {seed}", played.len());
    let failed: Vec<&str> = played.iter().filter(|row| row.outcome.is_err()).map(|row| row.name.as_str()).collect();
    assert!(failed.is_empty(), "seed {seed}: {failed:?}");
}

#[test]
fn the_page_of_scenarios_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let made = page::page();
    if std::env::var_os("MEMG_BLESS").is_some() {
        std::fs::write(&path, &made).expect("the page");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == made, "stale: MEMG_BLESS=1 writes it anew");
}

#[test]
fn the_handful_is_in_the_table_and_the_table_has_eighty_rows() {
    let rows = table();
    HANDFUL.iter().for_each(|name| assert!(rows.iter().any(|row| row.name == *name), "{name}"));
    assert!(rows.len() >= 80, "{} rows", rows.len());
}
