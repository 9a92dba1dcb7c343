//! Market, weather and heat messages of the virtual plant, to any MQTT broker.
//!
//! | topic below the prefix | JSON members besides `time_unix_ms` |
//! |---|---|
//! | `market` | `import_price_eur_per_kwh`, `export_price_eur_per_kwh`: in force now |
//! | `day-ahead` | the same names, each an array of up to 24 hourly means, the first hour beginning now |
//! | `weather` | `irradiance_w_per_m2`, `wind_m_per_s`, `temperature_degc`: estimated back from what the plant produces and heats |
//! | `heat` | `heat_load_kw`: the demand, for sites without heat meter |
//!
//! Time stamps are wall time. Everything is said again within two seconds; `status` tells whether the plant is there.

use super::VirtualPlant;
use super::server::SharedWorld;
use super::source::DayAhead;
use super::world::Snapshot;
use memg_core::equipment::Plant;
use memg_plant_io::mqtt::clock::{Clock, Now};
use memg_plant_io::mqtt::settings::{Broker, Connection, Trust};
use memg_plant_io::mqtt::{self, Guarantee, LinkState, Message, Publisher, Receive};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttTarget {
    /// Broker's host.
    pub host: String,
    /// Broker's port.
    pub port: u16,
    /// First part of every topic; not the gateway's own prefix.
    pub prefix: String,
}

/// Everything is said again after this time at the latest; the gateway's default maximum age is 15 s.
const REPEAT: Duration = Duration::from_secs(2);

/// The plant listens to nobody.
struct Deaf;

impl Receive for Deaf {
    fn topics(&self) -> Vec<(String, Guarantee)> {
        Vec::new()
    }
    fn message(&mut self, _: Message<'_>, _: Now) {}
    fn tick(&mut self, _: LinkState, _: Now) {}
}

/// Publishes the plant at a broker below `plant/<site>`, and returns the `[[mqtt.inputs]]` tables of a gateway there.
#[must_use]
pub fn publish(plant: &VirtualPlant, host: &str, port: u16, site: &str) -> String {
    let prefix = format!("plant/{site}");
    let tables = input_tables(&prefix);
    plant.publish_to(MqttTarget { host: host.to_owned(), port, prefix });
    tables
}

/// Publishes until `stop`; reconnects by itself.
pub(super) async fn run(
    world: SharedWorld,
    snapshots: watch::Receiver<Snapshot>,
    target: MqttTarget,
    mut stop: watch::Receiver<bool>,
) {
    let clock = Clock::system();
    // What goes wrong with the broker is for the gateway to report: it uses the same one.
    let (events, _) = mpsc::channel(1);
    let service = mqtt::serve(connection(target), |_| Deaf, events, clock.clone(), stop.clone());
    tokio::select! {
        () = speak(&service.publisher, &world, snapshots, &clock) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let _ = service.task.await;
}

fn connection(target: MqttTarget) -> Connection {
    let broker = Broker {
        host: target.host,
        port: target.port,
        tls: None,
        client_id: format!("memg-virtual-plant-{}", std::process::id()),
        login: None,
        keep_alive: Duration::from_secs(5),
    };
    let trust = Trust { payload_bytes_max: 65_536, future_max: Duration::from_secs(2) };
    Connection { broker, prefix: target.prefix, trust }
}

/// Speaks whenever a row of the profile begins, and every two seconds. Ends when the plant is gone.
async fn speak(publisher: &Publisher, world: &SharedWorld, mut snapshots: watch::Receiver<Snapshot>, clock: &Clock) {
    loop {
        let (messages, row) = {
            let world = world.lock();
            let snapshot = world.snapshot();
            let time_unix_ms = clock.now().unix_ms;
            (messages(world.physics().plant(), &snapshot, &world.day_ahead(), time_unix_ms), snapshot.row)
        };
        for (topic, payload) in messages {
            publisher.set(topic, &payload);
        }
        if let Ok(Err(_)) = timeout(REPEAT, snapshots.wait_for(|snapshot| snapshot.row != row)).await {
            return;
        }
    }
}

/// Topics below the prefix and what is published there.
#[must_use]
pub fn messages(
    plant: &Plant,
    snapshot: &Snapshot,
    prices: &DayAhead,
    time_unix_ms: u64,
) -> [(&'static str, Value); 4] {
    let (f, x) = (&snapshot.flows, &plant.parameters().exogenous);
    let share = |value: f64, full: f64| if full > 0.0 { (value / full).clamp(0.0, 1.0) } else { 0.0 };
    let market = json!({
        "time_unix_ms": time_unix_ms,
        "import_price_eur_per_kwh": f.import_price,
        "export_price_eur_per_kwh": f.export_price,
    });
    let day_ahead = json!({
        "time_unix_ms": time_unix_ms,
        "import_price_eur_per_kwh": prices.import,
        "export_price_eur_per_kwh": prices.export,
    });
    let weather = json!({
        "time_unix_ms": time_unix_ms,
        "irradiance_w_per_m2": 1000.0 * share(f.pv_available_kw, x.pv_kw_nom),
        // The cubic part of a turbine's curve: cut-in at 3 m/s, rated at 12 m/s.
        "wind_m_per_s": 3.0 + 9.0 * share(f.wind_available_kw, x.wind_kw_nom).cbrt(),
        // Heating begins below 18 degC and is at its largest at -12 degC.
        "temperature_degc": 18.0 - 30.0 * share(f.heat_load_kw, x.heat_load_kw_max),
    });
    let heat = json!({ "time_unix_ms": time_unix_ms, "heat_load_kw": f.heat_load_kw });
    [("market", market), ("day-ahead", day_ahead), ("weather", weather), ("heat", heat)]
}

/// The `[[mqtt.inputs]]` tables with which a gateway reads the prices.
#[must_use]
pub fn input_tables(prefix: &str) -> String {
    let mut text = String::new();
    for signal in ["import_price_eur_per_kwh", "export_price_eur_per_kwh"] {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "[[mqtt.inputs]]\ntopic = \"{prefix}/market\"\nsignal = \"{signal}\"\npointer = \"/{signal}\"\n\
             time_pointer = \"/time_unix_ms\"\ntime_format = \"unix_ms\"\nunit = \"EUR/kWh\"\nrange = [-5, 5]\n"
        );
    }
    for hour in 0..DAY_AHEAD_HOURS {
        let _ = writeln!(
            text,
            "[[mqtt.inputs]]\ntopic = \"{prefix}/day-ahead\"\nname = \"import_price_ahead_{hour}\"\n\
             pointer = \"/import_price_eur_per_kwh/{hour}\"\ntime_pointer = \"/time_unix_ms\"\ntime_format = \"unix_ms\"\n\
             unit = \"EUR/kWh\"\nrange = [-5, 5]\n"
        );
    }
    text
}

/// Hours of day-ahead prices that a gateway reads.
const DAY_AHEAD_HOURS: usize = 24;

#[cfg(test)]
mod tests {
    use super::super::{Clock as PlantClock, Options};
    use super::*;
    use memg_core::synthetic;
    use std::sync::Arc;

    #[tokio::test]
    async fn messages_carry_the_plants_values_and_24_hours_of_prices() {
        let options = Options { clock: PlantClock::Stepped, start_row: 48, ..Options::default() };
        let profile = Arc::new(synthetic::profile(2, 1));
        let row = profile.rows()[48];
        let plant = VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts");
        let day_ahead = plant.world().lock().day_ahead();
        let [market, day_ahead, weather, heat] =
            messages(plant.plant(), &plant.snapshot(), &day_ahead, 5).map(|(_, payload)| payload);
        assert_eq!(market["import_price_eur_per_kwh"], row.import_price);
        assert_eq!(day_ahead["import_price_eur_per_kwh"].as_array().map(Vec::len), Some(24));
        assert_eq!(day_ahead["export_price_eur_per_kwh"].as_array().map(Vec::len), Some(24));
        assert_eq!(heat["heat_load_kw"], row.heat_load_kw);
        assert_eq!((market["time_unix_ms"].as_u64(), weather["time_unix_ms"].as_u64()), (Some(5), Some(5)));
        let irradiance = weather["irradiance_w_per_m2"].as_f64().expect("a number");
        assert!((irradiance - 1000.0 * row.pv_kw / 60.0).abs() < 1e-9);
    }
}
