//! Days of plants with several units and with none, through the daemon, Modbus and MQTT, and their journals decided again.

use memg_gateway::control::journal::{Entry, Reader};
use memg_gateway::control::replay::replay;
use memg_gateway::daemon::{self, Demo, North, RunOptions, chain_of, view::View};
use memg_gateway::settings::{Override, SitePlant, load};
use memg_gateway::virtual_plant::server::SharedWorld;
use memg_integration_tests::lived::batteries_stayed_within_their_bands;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

const DAY: Duration = Duration::from_secs(86_400);

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(file)
}

/// A day of a site's virtual plant under the rule; its summary, its plant, and its journal.
async fn day(site: &str, folder: &Path) -> (Value, SharedWorld, PathBuf) {
    let journal = folder.join(site).with_extension("journal");
    let flag = |key, value: String| Override { key, value };
    let flags = [
        flag("site.plant_file", shipped("sites").join(site).display().to_string()),
        flag("journal.path", journal.display().to_string()),
        flag("policy.decide_with", "rule".to_owned()),
        flag("control.speed", "3600".to_owned()),
        flag("demo.noise", "0".to_owned()),
    ];
    let config = shipped("gateway.toml");
    let first = load(&config, "", &flags).unwrap_or_else(|problems| panic!("{site}: {problems:#?}"));
    let plant = SitePlant { plant: first.plant, sources: first.sources.clone() };
    let wanted = first.demo.as_ref().expect("a demonstration");
    let demo = Demo::start(wanted, plant, first.control.speed, &first.site, &[]).await.expect("it starts");
    let settings = load(&config, &demo.tables, &flags).unwrap_or_else(|problems| panic!("{site}: {problems:#?}"));
    let world = demo.plant().world();
    // The senders live as long as the run: a dropped one would end it.
    let (_stop_in, stop) = watch::channel(false);
    let (view, _shown) = watch::channel(View::default());
    let options =
        RunOptions { duration: Some(DAY), stop, view, station: None, north: North::default(), terminal: None };
    let summary = Box::pin(daemon::run(settings, Some(demo), options)).await.expect("a run");
    (serde_json::to_value(summary).expect("JSON"), world, journal)
}

/// Set-points of one kind of unit in a journal, cycle by cycle; the sum stands alone where only the first unit moves.
fn told(journal: &Path, list: &str) -> Vec<Value> {
    let entries = Reader::open(journal).expect("a journal").map(|entry| entry.expect("a whole line"));
    let of = |entry| match entry {
        Entry::Cycle(record, _) => record.decision["safe"].get(list).cloned(),
        Entry::Header(_) => None,
    };
    entries.filter_map(of).collect()
}

fn check(site: &str, summary: &Value, world: &SharedWorld, journal: &Path) {
    assert_eq!(summary["mode"], "auto", "{site}: {summary}");
    let yielded: u64 = summary["relaxations"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    let curtailed = summary["relaxations"]["curtailment"].as_u64().unwrap_or(0);
    assert_eq!(yielded, curtailed, "{site}: only renewables yield: {summary}");
    batteries_stayed_within_their_bands(site, world.lock().physics().plant(), journal);
    assert!(summary["writes"].as_u64() > Some(0), "{site}: {summary}");
    let replayed = replay(journal, chain_of).unwrap_or_else(|error| panic!("{site}: {error}"));
    assert_eq!(replayed.cycles as u64, summary["cycles"].as_u64().expect("a count"), "{site}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_every_site_is_controlled_within_limits_and_replays_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let sites = ["pv-battery.toml", "battery-only.toml", "chp-boiler.toml", "two-batteries-three-pvs-two-chps.toml"];
    // Four gateways at once are too much for the stack of a test's thread.
    let [pv, battery, chp, many] = sites.map(|site| Box::pin(day(site, folder.path())));
    let (pv, battery, chp, many) = tokio::join!(pv, battery, chp, many);
    for (site, (summary, world, journal)) in sites.iter().zip([&pv, &battery, &chp, &many]) {
        check(site, summary, world, journal);
    }
    let (_, world, journal) = many;
    let world = world.lock();
    let batteries = world.physics().batteries();
    assert!(batteries.iter().all(|battery| battery.discharged_kwh > 1.0), "each battery works: {batteries:?}");
    assert!(world.physics().chps().iter().any(|chp| chp.running_h > 1.0));
    assert!(told(&journal, "batteries").iter().any(|list| list[1] != 0), "the second battery's set-point is journaled");
    assert!(!told(&journal, "chps").is_empty(), "and the second CHP's");
}
