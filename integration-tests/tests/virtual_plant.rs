//! The virtual plant as the gateway's own drivers and foreign programs see it.

use memg_core::equipment::Plant;
use memg_core::plant_state::Signal;
use memg_core::profile::{Profile, ProfileRow};
use memg_core::synthetic;
use memg_gateway::plant_io::device::{Device, RawDevice};
use memg_gateway::plant_io::event::EventKind;
use memg_gateway::plant_io::image::ImageBuilder;
use memg_gateway::virtual_plant::mqtt::publish;
use memg_gateway::virtual_plant::{Clock, Options, VirtualPlant};
use memg_integration_tests::mosquitto::Mosquitto;
use memg_integration_tests::peer_is_there;
use memg_integration_tests::rig::{Rig, until};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

async fn stepped() -> VirtualPlant {
    let row = ProfileRow {
        pv_kw: 31.0,
        wind_kw: 12.0,
        electric_load_kw: 44.0,
        heat_load_kw: 27.0,
        frequency_hz: 49.97,
        ..ProfileRow::default()
    };
    let options = Options { clock: Clock::Stepped, soc: 0.42, ..Options::default() };
    let profile = Arc::new(Profile::from_rows(vec![row]));
    VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts")
}

/// The gateway's Modbus driver, configured by the tables that the plant offers.
fn drive(plant: &VirtualPlant) -> Rig {
    let mut site: toml::Table = toml::from_str(&plant.device_tables()).expect("TOML");
    let tables = site.remove("device").and_then(|value| value.as_array().cloned()).expect("devices");
    let mut image = ImageBuilder::default();
    let device = |(table, address): (&toml::Value, &memg_gateway::virtual_plant::DeviceAddress)| {
        let raw: RawDevice = table.clone().try_into().expect("a device");
        let file = address.spec.load().expect("a correct device file");
        Device::new(&raw, &file, "device", &mut image).unwrap_or_else(|problems| panic!("{problems:?}"))
    };
    let devices: Vec<Device> = tables.iter().zip(plant.addresses()).map(device).collect();
    Rig::start(devices, image)
}

fn signal(rig: &Rig, signal: Signal) -> Option<f64> {
    let id = rig.devices.iter().flat_map(Device::signals).find(|(known, _)| *known == signal.into())?.1;
    rig.image.freeze(Instant::now(), &[id])[0].usable()
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 0.011)
}

#[tokio::test]
async fn the_driver_reads_all_signals_of_the_plant_and_its_setpoints_move_it() {
    let plant = stepped().await;
    let mut rig = drive(&plant);
    let grid_kw = 44.0 - 31.0 - 12.0;
    for (wanted, value) in [
        (Signal::PvKw, 31.0),
        (Signal::WindKw, 12.0),
        (Signal::PvAvailableKw, 31.0),
        (Signal::WindAvailableKw, 12.0),
        (Signal::ElectricLoadKw, 44.0),
        (Signal::HeatLoadKw, 27.0),
        (Signal::Soc, 0.42),
        (Signal::BatteryKw, 0.0),
        (Signal::ChpKw, 0.0),
        (Signal::ChpOn, 0.0),
        (Signal::GridKw, grid_kw),
        (Signal::GridKvar, 0.2 * 44.0),
        (Signal::FrequencyHz, 49.97),
        (Signal::BatteryRemote, 1.0),
        (Signal::ChpRemote, 1.0),
        (Signal::ChpFault, 0.0),
        (Signal::BatteryFault, 0.0),
    ] {
        until(wanted.name(), || near(signal(&rig, wanted), value)).await;
    }
    rig.order(15.0, 1);
    until("the battery charges", || {
        plant.advance(Duration::from_millis(100));
        near(Some(plant.snapshot().flows.battery_kw), 15.0) && near(Some(plant.snapshot().flows.pv_kw), 31.0)
    })
    .await;
    until("the driver sees it", || near(signal(&rig, Signal::BatteryKw), 15.0)).await;
    assert_eq!(rig.events(EventKind::NotApplied), Vec::<String>::new());
    rig.stop().await;
    plant.shutdown().await;
}

#[tokio::test]
async fn the_battery_falls_back_when_orders_stop_and_follows_again_when_they_return() {
    let plant = stepped().await;
    let rig = drive(&plant);
    let follows = |battery_kw: f64| {
        plant.advance(Duration::from_millis(20));
        near(Some(plant.snapshot().flows.battery_kw), battery_kw)
    };
    rig.order(-12.0, 1);
    until("the battery discharges", || follows(-12.0)).await;
    rig.orders.send_replace(None);
    plant.advance(Duration::from_secs(31));
    plant.advance(Duration::from_secs(10));
    let snapshot = plant.snapshot();
    assert_eq!(snapshot.devices[0].reversions, 1);
    assert!(near(Some(snapshot.flows.battery_kw), 0.0));
    rig.order(-8.0, 2);
    until("the battery discharges again", || follows(-8.0)).await;
    rig.stop().await;
}

#[tokio::test]
async fn mbpoll_reads_the_batterys_state_of_charge() {
    if !peer_is_there("mbpoll") {
        return;
    }
    let plant = stepped().await;
    let port = plant.address("battery").expect("a battery").port().to_string();
    let poll = move || {
        // Input register 8 on the wire is reference 9 for mbpoll; 0.01 % a digit.
        let arguments = ["-m", "tcp", "-p", &port, "-a", "1", "-t", "3", "-r", "9", "-c", "1", "-1", "127.0.0.1"];
        Command::new("mbpoll").args(arguments).output().expect("it runs")
    };
    let output = tokio::task::spawn_blocking(poll).await.expect("no panic");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.lines().any(|line| line.starts_with("[9]:") && line.trim_end().ends_with("4200")), "{text}");
}

#[tokio::test]
async fn a_foreign_subscriber_receives_the_prices_and_the_day_ahead() {
    let Some(broker) = Mosquitto::start().await else { return };
    let profile = Arc::new(synthetic::profile(2, 1));
    let row = profile.rows()[0];
    let options = Options { clock: Clock::Stepped, ..Options::default() };
    let plant = VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts");
    let mut subscriber = broker.listen("plant/harbour/#").await;
    let _ = publish(&plant, "127.0.0.1", broker.port, "harbour");
    let market = subscriber.until(|seen| seen.topic == "plant/harbour/market").await.json();
    assert_eq!(market["import_price_eur_per_kwh"], row.import_price);
    let day_ahead = subscriber.until(|seen| seen.topic == "plant/harbour/day-ahead").await.json();
    assert_eq!(day_ahead["export_price_eur_per_kwh"].as_array().map(Vec::len), Some(24));
    plant.shutdown().await;
}
