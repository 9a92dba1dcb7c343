//! Devices and plant together, without a network: watchdogs, faults, local control, limits.

use super::super::device::{ChpReversion, Reversion, Watchdogs};
use super::super::physics::Dynamics;
use super::super::registers::exception::BUSY;
use super::super::site::standard_devices;
use super::super::source::{AtEnd, Interpolation, ProfileSource, Reading};
use super::*;
use memg_core::equipment::Plant;
use memg_core::profile::{Profile, ProfileRow};
use memg_plant_io::device as device_file;
use memg_plant_io::modbus::codec;
use memg_plant_io::point::Table;
use std::sync::Arc;

const ROW: ProfileRow = ProfileRow {
    time: memg_core::calendar::LocalTime { minute: 0, offset_min: 0 },
    pv_kw: 40.0,
    wind_kw: 20.0,
    electric_load_kw: 50.0,
    heat_load_kw: 60.0,
    import_price: 0.2,
    export_price: 0.1,
    grid_voltage_pu: 1.0,
    frequency_hz: 50.02,
};

fn world(reversion: Reversion, level: f64) -> World {
    let reading = Reading {
        start_row: 0,
        interpolation: Interpolation::Hold,
        at_end: AtEnd::Wrap,
        fluctuation: 0.0,
        noise: Noise::new(4),
    };
    let source = ProfileSource::new(Plant::reference(), Arc::new(Profile::from_rows(vec![ROW])), reading);
    let physics = Physics::new(Plant::reference(), source, Dynamics::default(), 0.5);
    let device = |spec: super::super::site::DeviceSpec| {
        VirtualDevice::new(&spec.name, &spec.load().expect("a correct file"), spec.unit_id, reversion)
    };
    let devices = standard_devices().into_iter().map(device).collect();
    World::new(physics, devices, Accuracy { noise: Noise::new(4), level }, 1.0)
}

/// Writes a value as the driver would.
fn write(world: &mut World, device: &str, point: &str, value: f64) -> Result<(), u8> {
    let (index, spec) = spec(device);
    let file = device_file::load(&spec.text, &spec.file).expect("a correct file");
    let point = file.points.iter().find(|known| known.name == point).expect("a point of the map");
    let cells = codec::encode(point, value, None).expect("it fits");
    let now = world.wall();
    let device = world.device_mut(index).expect("a standard device");
    device.write(now, spec.unit_id, point.table, point.address, cells.as_slice())
}

/// Reads a value as the driver would; `None` if it decodes to no number.
fn read(world: &mut World, device: &str, point: &str) -> Option<f64> {
    let (index, spec) = spec(device);
    let file = device_file::load(&spec.text, &spec.file).expect("a correct file");
    let point = file.points.iter().find(|known| known.name == point).expect("a point of the map");
    let device = world.device_mut(index).expect("a standard device");
    let mut cells = |address, count| device.read(spec.unit_id, point.table, address, count).expect("readable");
    let exponent = point.scale_factor.and_then(|at| file.points.get(at)).map(|sf| cells(sf.address, 1)[0] as i16);
    let cells = cells(point.address, point.encoding.cells());
    codec::decode(point, &cells, exponent.map(i32::from)).ok()
}

fn spec(device: &str) -> (usize, super::super::site::DeviceSpec) {
    let found = standard_devices().into_iter().enumerate().find(|(_, spec)| spec.name == device);
    found.expect("a standard device")
}

fn seconds(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.advance(Duration::from_secs(1));
    }
}

fn enabled(reversion: Reversion) -> World {
    let mut world = world(reversion, 0.0);
    write(&mut world, "battery", "reversion_time", 30.0).expect("taken");
    write(&mut world, "battery", "setpoint", 30.0).expect("taken");
    write(&mut world, "battery", "setpoint_enable", 1.0).expect("taken");
    world
}

#[test]
fn every_measured_value_reads_as_the_plants_true_value() {
    let mut world = enabled(Reversion::default());
    seconds(&mut world, 20);
    let f = *world.physics().flows();
    let soc = world.physics().soc();
    for (device, point, truth, resolution) in [
        ("battery", "power", f.battery_kw, 0.001),
        ("battery", "state_of_charge", soc, 0.0001),
        ("battery", "remote", 1.0, 0.0),
        ("battery", "fault", 0.0, 0.0),
        ("chp", "power", 0.0, 0.0),
        ("chp", "state", 0.0, 0.0),
        ("grid-meter", "power", f.grid_kw, 1e-4),
        ("grid-meter", "reactive_power", 10.0, 1e-4),
        ("grid-meter", "voltage", f.voltage_pu, 0.0005),
        ("grid-meter", "frequency", 50.02, 0.001),
        ("pv", "power", 40.0, 0.01),
        ("pv", "available_power", 40.0, 0.01),
        ("wind", "power", 20.0, 0.01),
        ("heat-meter", "heat_demand", 60.0, 1e-4),
        ("heat-meter", "boiler_heat", 60.0, 1e-4),
        ("load-meter", "power", 50.0, 0.001),
        ("battery", "charged_energy", 30.0 * 19.0 / 3600.0, 0.02),
    ] {
        let value = read(&mut world, device, point).expect(point);
        assert!((value - truth).abs() <= resolution, "{device} {point}: {value} instead of {truth}");
    }
}

#[test]
fn a_setpoint_has_no_effect_before_it_is_enabled() {
    let mut world = world(Reversion::default(), 0.0);
    write(&mut world, "battery", "setpoint", 30.0).expect("taken");
    seconds(&mut world, 5);
    assert_eq!(world.physics().flows().battery_kw, 0.0);
    write(&mut world, "battery", "setpoint_enable", 1.0).expect("taken");
    seconds(&mut world, 10);
    assert!((world.physics().flows().battery_kw - 30.0).abs() < 0.1);
}

#[test]
fn the_battery_falls_back_when_its_setpoint_is_not_refreshed() {
    let mut world = enabled(Reversion::default());
    seconds(&mut world, 25);
    write(&mut world, "battery", "setpoint", 30.0).expect("taken");
    seconds(&mut world, 25);
    assert!((world.physics().flows().battery_kw - 30.0).abs() < 0.1, "refreshed in time");
    seconds(&mut world, 15);
    assert!(world.physics().flows().battery_kw.abs() < 0.1);
    assert_eq!(
        (read(&mut world, "battery", "setpoint"), read(&mut world, "battery", "reversions")),
        (Some(0.0), Some(1.0))
    );
    write(&mut world, "battery", "setpoint", -10.0).expect("taken");
    seconds(&mut world, 10);
    assert!((world.physics().flows().battery_kw + 10.0).abs() < 0.1, "a new set-point ends the fall-back");
}

#[test]
fn the_battery_falls_back_to_the_power_written_for_that() {
    let mut world = enabled(Reversion::default());
    // In the device's unit: W, after the sign.
    write(&mut world, "battery", "reversion_power", -5000.0).expect("taken");
    seconds(&mut world, 45);
    assert!((world.physics().flows().battery_kw + 5.0).abs() < 0.1);
}

fn chp_started(reversion: Reversion) -> World {
    let mut world = world(reversion, 0.0);
    write(&mut world, "chp", "setpoint", 20.0).expect("taken");
    write(&mut world, "chp", "run", 1.0).expect("taken");
    for beat in 1..=120 {
        write(&mut world, "chp", "heartbeat", f64::from(beat)).expect("taken");
        seconds(&mut world, 1);
    }
    world
}

#[test]
fn the_chp_stops_or_holds_when_the_heartbeat_stands_still() {
    for (chp, phase, run) in
        [(ChpReversion::Stop, ChpPhase::Stopping, 0.0), (ChpReversion::Hold, ChpPhase::Running, 1.0)]
    {
        let mut world = chp_started(Reversion { chp, ..Reversion::default() });
        assert!((world.physics().flows().chp_kw - 20.0).abs() < 0.1);
        for _ in 0..70 {
            write(&mut world, "chp", "heartbeat", 120.0).expect("the same beat again is taken, but is no sign of life");
            seconds(&mut world, 1);
        }
        assert_eq!((world.physics().chp().phase, read(&mut world, "chp", "run")), (phase, Some(run)));
        for _ in 0..70 {
            write(&mut world, "chp", "heartbeat", 120.0).expect("taken");
            seconds(&mut world, 1);
        }
        assert_eq!(read(&mut world, "chp", "reversions"), Some(1.0), "it fell back once and stays there");
    }
}

#[test]
fn watchdogs_can_be_fixed_or_switched_off() {
    for (watchdogs, after_s, power_kw) in
        [(Watchdogs::Fixed(Duration::from_secs(5)), 15, 0.0), (Watchdogs::Off, 300, 30.0)]
    {
        let mut world = enabled(Reversion { watchdogs, ..Reversion::default() });
        seconds(&mut world, after_s);
        assert!((world.physics().flows().battery_kw - power_kw).abs() < 0.1, "{watchdogs:?}");
    }
}

#[test]
fn a_curtailment_limit_is_obeyed_and_the_available_power_stays_visible() {
    let mut world = world(Reversion::default(), 0.0);
    write(&mut world, "pv", "limit", 12.5).expect("taken");
    seconds(&mut world, 1);
    assert!((read(&mut world, "pv", "power").expect("a number") - 12.5).abs() < 0.01);
    assert!((world.physics().flows().pv_kw - 12.5).abs() < 1e-9);
    assert!((read(&mut world, "pv", "available_power").expect("a number") - 40.0).abs() < 0.01);
    assert_eq!(world.physics().flows().wind_kw, 20.0, "the other one is free");
}

#[test]
fn faulty_sensors_show_frozen_missing_or_stuck_values() {
    let mut world = enabled(Reversion { watchdogs: Watchdogs::Off, ..Reversion::default() });
    for fault in [
        "battery:frozen=power",
        "battery:no_value=state_of_charge",
        "grid-meter:no_value=power",
        "load-meter:stuck=power/7",
    ] {
        world.inject(fault.parse().expect("a fault"));
    }
    seconds(&mut world, 10);
    assert!(world.physics().flows().battery_kw > 29.0);
    assert_eq!(read(&mut world, "battery", "power"), Some(0.0));
    assert_eq!(read(&mut world, "battery", "state_of_charge"), None);
    assert_eq!(read(&mut world, "grid-meter", "power"), None);
    assert_eq!(read(&mut world, "load-meter", "power"), Some(7.0));
    for device in ["battery", "grid-meter", "load-meter"] {
        world.clear_faults(device);
    }
    seconds(&mut world, 1);
    assert!(read(&mut world, "battery", "power").expect("a number") > 29.0);
    assert!(read(&mut world, "battery", "state_of_charge").is_some());
}

#[test]
fn writes_may_be_ignored_or_clamped_in_silence() {
    let mut world = enabled(Reversion::default());
    world.inject("battery:not_applied@0+10".parse().expect("a fault"));
    world.inject("battery:clamp=-20..20@10".parse().expect("a fault"));
    assert_eq!(write(&mut world, "battery", "setpoint", -40.0), Ok(()));
    assert_eq!(read(&mut world, "battery", "setpoint"), Some(30.0));
    seconds(&mut world, 10);
    assert_eq!(write(&mut world, "battery", "setpoint", -40.0), Ok(()));
    assert_eq!(read(&mut world, "battery", "setpoint"), Some(-20.0));
}

#[test]
fn under_local_control_writes_are_refused_and_the_battery_rests() {
    let mut world = enabled(Reversion::default());
    world.inject("battery:local@5+10".parse().expect("a fault"));
    seconds(&mut world, 15);
    assert!(world.physics().flows().battery_kw.abs() < 0.01, "it stays at rest until somebody writes again");
    assert_eq!(read(&mut world, "battery", "remote"), Some(1.0));
    world.inject("battery:local".parse().expect("a fault"));
    seconds(&mut world, 1);
    assert_eq!(read(&mut world, "battery", "remote"), Some(0.0));
    assert_eq!(write(&mut world, "battery", "setpoint", 10.0), Err(BUSY));
}

#[test]
fn a_trip_takes_the_power_and_is_shown() {
    let mut world = chp_started(Reversion::default());
    world.inject(Fault::lasting("chp", FaultKind::Trip));
    seconds(&mut world, 1);
    assert_eq!(world.physics().flows().chp_kw, 0.0);
    assert_eq!((read(&mut world, "chp", "fault"), read(&mut world, "chp", "state")), (Some(1.0), Some(0.0)));
}

#[test]
fn writes_are_counted_by_point() {
    let mut world = enabled(Reversion::default());
    write(&mut world, "battery", "setpoint", 5.0).expect("taken");
    let counters = world.devices()[0].counters();
    assert_eq!(counters.writes.get("setpoint"), Some(&2));
    assert_eq!(counters.writes_total(), 4);
    let _ = world.device_mut(0).expect("battery").read(1, Table::Holding, 999, 1);
    assert_eq!(world.devices()[0].counters().exceptions, 1);
}

#[test]
fn noise_is_small_and_the_same_run_gives_the_same_values() {
    let run = || {
        let mut world = world(Reversion::default(), 1.0);
        let mut values = Vec::new();
        for _ in 0..200 {
            seconds(&mut world, 1);
            values.push(read(&mut world, "load-meter", "power").expect("a number"));
        }
        values
    };
    let values = run();
    assert_eq!(values, run());
    let mean = values.iter().sum::<f64>() / 200.0;
    assert!((mean - 50.0).abs() < 0.05 && values.iter().any(|value| (value - 50.0).abs() > 0.05));
}
