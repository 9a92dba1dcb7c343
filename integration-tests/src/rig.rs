//! A running Modbus driver in front of a virtual device, and the means to look at both.

use crate::virtual_device::VirtualDevice;
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::memory::ControlMemory;
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::Setpoints;
use memg_core::situation::{Doubt, Situation};
use memg_core::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc, Watts};
use memg_gateway::plant_io::WriteOrder;
use memg_gateway::plant_io::device::{Device, RawDevice, load};
use memg_gateway::plant_io::event::{DriverEvent, EventKind};
use memg_gateway::plant_io::image::{ImageBuilder, ProcessImage};
use memg_gateway::plant_io::modbus::{CounterValues, Running, Surroundings, spawn};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// A battery as the tests know it: unit 1, addresses on the wire.
///
/// 0 SoC (0.1 %), 1 power (10 W, + = discharging), 10 reversion value, 11 its timer, 12 set-point (10 W, + = discharging),
/// 13 enable, 20 heartbeat, discrete input 0 remote.
pub const BATTERY: &str = r#"
[device]
maker = "Test"
model = "Battery"
address_base = 0
poll_s = 0.05
response_timeout_s = 0.15
remote_point = "remote"

[[point]]
name = "soc"
table = "holding"
address = 0
type = "u16"
scale = 0.1
unit = "%"
range = [0, 100]
signal = "soc"

[[point]]
name = "power"
table = "holding"
address = 1
type = "i16"
scale = 10
unit = "W"
sign = -1
range = [-60_000, 60_000]
signal = "battery_kw"

[[point]]
name = "reversion_power"
table = "holding"
address = 10
type = "i16"

[[point]]
name = "reversion_timer"
table = "holding"
address = 11
type = "u16"
unit = "s"

[[point]]
name = "setpoint"
table = "holding"
address = 12
type = "i16"
scale = 10
unit = "W"
sign = -1
[point.write]
output = "battery_setpoint_kw"
range = [-50_000, 50_000]
tolerance = 10
watchdog_s = 60
before = [{ point = "reversion_power", value = 0 }, { point = "reversion_timer", value = 60 }]
after = [{ point = "enable", value = 1 }]

[[point]]
name = "enable"
table = "holding"
address = 13
type = "u16"

[[point]]
name = "heartbeat"
table = "holding"
address = 20
type = "u16"
write = { output = "heartbeat", range = [0, 65_535], tolerance = 0 }

[[point]]
name = "remote"
table = "discrete"
address = 0
type = "bool"
signal = "battery_remote"
"#;

/// Permission to write the battery's set-point and heartbeat.
pub const PERMISSIONS: &str = r#"
write = [{ point = "setpoint", range = [-50, 50] }, { point = "heartbeat", range = [0, 65535] }]
"#;

/// A device from its file and where it is. `site` holds further keys of the `[[device]]`.
pub fn device(file: &str, transport: &str, site: &str, image: &mut ImageBuilder) -> Device {
    let file = load(file, "device.toml").unwrap_or_else(|problems| panic!("{problems:?}"));
    let unit_id = if site.contains("unit_id") { "" } else { "unit_id = 1" };
    let name = if site.contains("name =") { "" } else { "name = \"battery\"" };
    let text = format!("{name}\nfile = \"device.toml\"\ntransport = {{ {transport} }}\n{unit_id}\n{site}");
    let raw: RawDevice = toml::from_str(&text).expect("the site text is right");
    Device::new(&raw, &file, "device[0]", image).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// An order made by the safety filter of the reference plant, in whose limits ±20 kW lie at half charge.
pub fn order(battery_kw: f64, cycle: u64) -> WriteOrder {
    let plant = Plant::reference();
    let battery = Watts::nearest(Kilowatts::new(battery_kw));
    let memory = ControlMemory::from_measured(battery, Watts::ZERO, false, 0);
    let request = Setpoints { battery: battery.kilowatts(), chp: Kilowatts::ZERO, grid: None };
    let verdict = SafetyFilter::new(plant).filter(&calm(), &memory.anchor(1000), &request);
    assert_eq!(verdict.safe.battery(), battery, "the request is within the limits");
    WriteOrder {
        cycle,
        setpoints: verdict.safe,
        batteries: 1,
        chps: 1,
        pv_limit_kw: 50.0,
        wind_limit_kw: 50.0,
        heartbeat: u16::try_from(cycle % 65_536).unwrap_or(0),
        decided: Instant::now(),
    }
}

fn calm() -> Situation {
    Situation {
        pv: Kilowatts::new(10.0),
        wind: Kilowatts::new(10.0),
        electric_load: Kilowatts::new(30.0),
        heat_load: KilowattsThermal::new(10.0),
        soc: Soc::new(0.5),
        soc_low: Soc::new(0.5),
        soc_high: Soc::new(0.5),
        socs: None,
        source_voltage: PerUnit::new(1.0),
        reactive: Kilowatts::ZERO,
        frequency: Hertz::new(50.0),
        import_price: EurPerKwh::new(0.2),
        export_price: EurPerKwh::new(0.1),
        local_hour: 12.0,
        doubt: Doubt::NONE,
    }
}

/// A driver with everything around it.
#[derive(Debug)]
pub struct Rig {
    /// The devices it drives.
    pub devices: Vec<Device>,
    /// Where it publishes.
    pub image: ProcessImage,
    /// Where orders go.
    pub orders: watch::Sender<Option<WriteOrder>>,
    /// Its tasks and counters.
    pub running: Running,
    /// Every event so far.
    pub seen: Vec<DriverEvent>,
    events: mpsc::Receiver<DriverEvent>,
    shutdown: watch::Sender<bool>,
}

impl Rig {
    /// Starts the driver.
    pub fn start(devices: Vec<Device>, image: ImageBuilder) -> Self {
        let image = image.build();
        let (orders, order_slot) = watch::channel(None);
        let (event_sender, events) = mpsc::channel(4096);
        let (shutdown, stop) = watch::channel(false);
        let around = Surroundings { image: image.clone(), orders: order_slot, events: event_sender, shutdown: stop };
        let running = spawn(devices.clone(), &around);
        Self { devices, image, orders, running, seen: Vec::new(), events, shutdown }
    }

    /// A driver of the test battery at that transport, with all permissions.
    pub fn battery(transport: &str) -> Self {
        Self::battery_with(BATTERY, transport, PERMISSIONS)
    }

    /// A driver of one device.
    pub fn battery_with(file: &str, transport: &str, site: &str) -> Self {
        let mut image = ImageBuilder::default();
        let device = device(file, transport, site, &mut image);
        Self::start(vec![device], image)
    }

    /// The measurement of a point of the first device.
    pub fn point(&self, name: &str) -> Measurement<f64> {
        self.point_of(0, name)
    }

    /// The measurement of a point.
    pub fn point_of(&self, device: usize, name: &str) -> Measurement<f64> {
        let device = &self.devices[device];
        let index = device.points.iter().position(|point| point.name == name).expect("the point exists");
        self.image.freeze(Instant::now(), &[device.id(index)])[0]
    }

    /// Counters of the first device.
    pub fn counters(&self) -> CounterValues {
        self.running.devices[0].counters.values()
    }

    /// The set-point that the first device has not confirmed within its time.
    pub fn unconfirmed(&self) -> Option<String> {
        self.running.devices[0].unconfirmed(Instant::now())
    }

    /// Orders a battery power.
    pub fn order(&self, battery_kw: f64, cycle: u64) {
        self.orders.send_replace(Some(order(battery_kw, cycle)));
    }

    /// Events of that kind so far.
    pub fn events(&mut self, kind: EventKind) -> Vec<String> {
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        self.seen.iter().filter(|event| event.kind == kind).map(|event| event.detail.clone()).collect()
    }

    /// Ends the driver; its tasks must end by themselves.
    pub async fn stop(self) {
        self.shutdown.send_replace(true);
        for (name, task) in self.running.tasks {
            timeout(Duration::from_secs(2), task)
                .await
                .unwrap_or_else(|_| panic!("{name} did not stop"))
                .expect("no panic");
        }
    }
}

/// Sets up the registers of the test battery: half charged, idle, under remote control.
pub fn at_rest(device: &VirtualDevice) {
    device.set(0, &[500, 0]);
    device.set(10, &[0, 0, 0, 0]);
    device.set(20, &[0]);
    device.state().discrete.insert((1, 0), true);
}

/// How long [`until`] waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so; gives up only after a time that no busy machine needs.
///
/// # Panics
/// If it never is so.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "after {PATIENCE:?} still not: {what}");
        sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}
