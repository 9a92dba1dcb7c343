//! The virtual plant over the network, read by a plain Modbus client.

use super::*;
use memg_core::synthetic;
use tokio::time::timeout;
use tokio_modbus::client::{Context, Reader, Writer, tcp};
use tokio_modbus::{ExceptionCode, Slave};

async fn stepped(faults: &[&str]) -> VirtualPlant {
    let faults = faults.iter().map(|text| text.parse().expect("a fault")).collect();
    let options = Options { clock: Clock::Stepped, faults, ..Options::default() };
    let profile = Arc::new(synthetic::profile(1, 1));
    VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts")
}

async fn client(plant: &VirtualPlant, device: &str) -> Context {
    let address = plant.address(device).expect("a standard device");
    tcp::connect_slave(address, Slave(1)).await.expect("it connects")
}

const MOMENT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_client_reads_the_state_of_charge_and_writes_a_setpoint() {
    let plant = stepped(&[]).await;
    let mut battery = client(&plant, "battery").await;
    assert_eq!(battery.read_input_registers(8, 1).await.expect("connected"), Ok(vec![5000]));
    // 25 kW of charging is -25000 W to the device.
    let written = [(-25_000_i32 as u32 >> 16) as u16, -25_000_i32 as u16, 1];
    assert_eq!(battery.write_multiple_registers(3, &written).await.expect("connected"), Ok(()));
    plant.advance(Duration::from_secs(10));
    assert!((plant.snapshot().flows.battery_kw - 25.0).abs() < 0.01);
    assert_eq!(battery.read_holding_registers(3, 3).await.expect("connected"), Ok(written.to_vec()));
    assert_eq!(plant.snapshot().devices[0].writes, 2);
    plant.shutdown().await;
}

#[tokio::test]
async fn unknown_registers_functions_and_units_are_refused() {
    let plant = stepped(&[]).await;
    let mut battery = client(&plant, "battery").await;
    let refused = battery.read_holding_registers(500, 1).await.expect("connected");
    assert_eq!(refused, Err(ExceptionCode::IllegalDataAddress));
    let refused = battery.write_single_register(3, 1).await.expect("connected");
    assert_eq!(refused, Err(ExceptionCode::IllegalDataValue));
    let refused = battery.masked_write_register(5, 0, 0).await.expect("connected");
    assert_eq!(refused, Err(ExceptionCode::IllegalFunction));
    tokio_modbus::prelude::SlaveContext::set_slave(&mut battery, Slave(9));
    let refused = battery.read_holding_registers(0, 1).await.expect("connected");
    assert_eq!(refused, Err(ExceptionCode::GatewayTargetDevice));
}

#[tokio::test]
async fn a_silent_device_answers_again_when_the_fault_is_over() {
    let plant = stepped(&["battery:no_answer@0+5", "pv:exception=4", "wind:slow=0.2"]).await;
    let mut battery = client(&plant, "battery").await;
    assert!(timeout(Duration::from_millis(100), battery.read_input_registers(8, 1)).await.is_err());
    plant.advance(MOMENT);
    let mut battery = client(&plant, "battery").await;
    assert!(battery.read_input_registers(8, 1).await.expect("connected").is_ok());
    let refused = client(&plant, "pv").await.read_holding_registers(101, 1).await.expect("connected");
    assert_eq!(refused, Err(ExceptionCode::ServerDeviceFailure));
    let mut wind = client(&plant, "wind").await;
    assert!(timeout(Duration::from_millis(100), wind.read_holding_registers(101, 1)).await.is_err());
}

#[tokio::test]
async fn a_device_that_is_down_closes_its_connections_and_comes_back_at_the_same_port() {
    let plant = stepped(&[]).await;
    let mut battery = client(&plant, "battery").await;
    plant.inject_now("battery", FaultKind::Down, None).expect("it exists");
    let ended = async { while battery.read_input_registers(8, 1).await.is_ok() {} };
    timeout(MOMENT, ended).await.expect("the connection ends");
    let address = plant.address("battery").expect("it exists");
    let refused = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    timeout(MOMENT, refused).await.expect("the port closes");
    plant.clear_faults("battery");
    let back = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await
        }
    };
    timeout(MOMENT, back).await.expect("the port opens again");
    assert!(client(&plant, "battery").await.read_input_registers(8, 1).await.expect("connected").is_ok());
}

#[tokio::test]
async fn the_running_clock_moves_the_plant_at_its_speed() {
    let options = Options { speed: 900.0, ..Options::default() };
    let profile = Arc::new(synthetic::profile(1, 1));
    let plant = VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts");
    let mut watch = plant.watch();
    let hour = watch.wait_for(|snapshot| snapshot.elapsed_s >= 3600.0);
    let reached = timeout(Duration::from_secs(20), hour).await.expect("in time").expect("running").clone();
    assert!((reached.elapsed_s / reached.wall_s - 900.0).abs() < 1e-6);
    assert_eq!(reached.time, "2016-01-01T01:00:00+01:00");
}

#[tokio::test]
async fn faults_of_unknown_devices_and_points_are_refused() {
    let plant = stepped(&[]).await;
    for text in ["toaster:down", "battery:no_value=colour"] {
        assert!(plant.inject(text.parse().expect("a fault")).is_err(), "{text}");
    }
    for speed in [0.0, -1.0, f64::NAN] {
        let options = Options { speed, ..Options::default() };
        let profile = Arc::new(synthetic::profile(1, 1));
        assert!(VirtualPlant::start(Plant::reference(), profile, options).await.is_err());
    }
}

/// Every device file that is shipped, from the folder: a new one is covered without being listed.
fn shipped() -> Vec<DeviceSpec> {
    let folder =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/devices")).expect("the folder is there");
    let paths = folder
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|x| x == "toml"));
    let spec = |path: std::path::PathBuf| DeviceSpec {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        file: path.file_name().expect("a name").to_string_lossy().into_owned(),
        text: std::fs::read_to_string(&path).expect("readable").into(),
        unit_id: 1,
        number: 1,
    };
    paths.map(spec).collect()
}

#[tokio::test]
async fn every_shipped_device_file_can_be_simulated() {
    for spec in shipped() {
        let name = spec.name.clone();
        let options = Options { clock: Clock::Stepped, devices: Some(vec![spec]), ..Options::default() };
        let profile = Arc::new(synthetic::profile(1, 1));
        let plant = VirtualPlant::start(Plant::reference(), profile, options).await.expect("it starts");
        let world = plant.world();
        let mut world = world.lock();
        let device = world.device_mut(0).expect("the device");
        for (index, point) in device.registers().points().iter().enumerate() {
            let shown = device.registers().value(index);
            assert!(point.signal.is_none() || shown.is_some(), "{name}: {} shows no number", point.name);
        }
        for driven in device.registers().points().iter().filter_map(|point| point.write.as_ref()) {
            assert!(device.drives(driven.output.output()).is_some(), "{name}: {:?} moves nothing", driven.output);
        }
    }
}
