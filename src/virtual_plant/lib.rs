//! The virtual plant behind `gateway plant` and the tests: devices with lag, noise, ramps, watchdogs and faults.
//!
//! Responsible for: a simulated plant behind real Modbus TCP servers on the loopback interface, and its MQTT messages. A
//! gateway cannot tell it from a plant. It uses the domain's plant parameters and profiles and the gateway's device files,
//! nothing of control or policy. Terms: *plant time* is the simulated time, *wall time* the gateway's; `speed` is
//! their ratio. Physics run on plant time, watchdogs and faults on wall time.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use memg_core::{equipment::Plant, synthetic};
//! use memg_virtual_plant::{Options, VirtualPlant};
//! let profile = std::sync::Arc::new(synthetic::profile(7, 1));
//! let plant = VirtualPlant::start(Plant::reference(), profile, Options { speed: 900.0, ..Options::default() }).await?;
//! println!("{}", plant.device_tables());
//! plant.inject("battery:no_answer@60+30".parse()?)?;
//! plant.shutdown().await;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod battery;
pub mod chp;
pub mod companions;
pub mod device;
pub mod fault;
pub mod flows;
pub mod generator;
pub mod mqtt;
pub mod noise;
pub mod physics;
pub mod registers;
pub mod sensor;
pub mod server;
pub mod site;
pub mod source;
pub mod world;

use device::{Reversion, VirtualDevice};
use fault::{Fault, FaultKind};
use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use memg_plant_io::sources::Sources;
use mqtt::MqttTarget;
use noise::Noise;
use physics::{Dynamics, Physics};
use server::SharedWorld;
use site::DeviceSpec;
use source::{AtEnd, Interpolation, ProfileSource, Reading};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use world::{Accuracy, Snapshot, World};

/// Wall time of one tick of the running clock.
const TICK: Duration = Duration::from_millis(50);

/// Who moves the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// A task, in ticks of 50 ms of wall time.
    #[default]
    Running,
    /// The caller, through [`VirtualPlant::advance`]: repeatable to the last bit.
    Stepped,
}

/// How a virtual plant is run. Convenience only: the plant's limits come from its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Plant seconds per wall second, > 0 (900: a day in 96 s).
    pub speed: f64,
    /// First row of the profile.
    pub start_row: usize,
    /// Seed of noise and fluctuations.
    pub seed: u64,
    /// Measurement noise: 0 none, 1 as usual meters have.
    pub noise: f64,
    /// Relative fluctuation of powers within minutes, such as 0.03.
    pub fluctuation: f64,
    /// How the profile runs within a step.
    pub interpolation: Interpolation,
    /// What follows the profile's last row.
    pub at_end: AtEnd,
    /// State of charge at the start, 0..1.
    pub soc: f64,
    /// Lags and ramps of the equipment.
    pub dynamics: Dynamics,
    /// How devices fall back by themselves.
    pub reversion: Reversion,
    /// Who moves the time.
    pub clock: Clock,
    /// Ports: this one and the following; `None`: the system chooses.
    pub first_port: Option<u16>,
    /// Faults by schedule.
    pub faults: Vec<Fault>,
    /// Ratings of each PV and wind turbine; `None`: one of each, with the plant's whole rating.
    pub sources: Option<Sources>,
    /// Which devices are served, each behind an address of its own; `None`: those of the plant.
    pub devices: Option<Vec<DeviceSpec>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            speed: 1.0,
            start_row: 0,
            seed: 1,
            noise: 0.0,
            fluctuation: 0.0,
            interpolation: Interpolation::Hold,
            at_end: AtEnd::Wrap,
            soc: 0.5,
            dynamics: Dynamics::default(),
            reversion: Reversion::default(),
            clock: Clock::Running,
            first_port: None,
            faults: Vec::new(),
            sources: None,
            devices: None,
        }
    }
}

/// Why a virtual plant does not start, or does not do what it is told.
#[derive(Debug, Error)]
pub enum PlantError {
    /// A device file is wrong.
    #[error("{0}")]
    DeviceFile(String),
    /// The speed is not a positive number.
    #[error("the speed must be above 0 and at most 1e6, not {0}")]
    Speed(f64),
    /// The profile has no rows.
    #[error("the profile has no rows")]
    EmptyProfile,
    /// A fault names a device or a point that does not exist.
    #[error("there is no {0:?} in the virtual plant")]
    Unknown(String),
    /// A port could not be opened.
    #[error("port of device {0}: {1}")]
    Port(String, io::Error),
}

/// Where a device can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceAddress {
    /// Its name, file and unit id.
    pub spec: DeviceSpec,
    /// Its Modbus TCP address.
    pub address: SocketAddr,
}

/// A running virtual plant. Dropping it stops it.
#[derive(Debug)]
pub struct VirtualPlant {
    plant: Plant,
    sources: Sources,
    engine: Arc<Engine>,
    addresses: Vec<DeviceAddress>,
    /// Ends the publishers; so does dropping it.
    stop: watch::Sender<bool>,
    publishers: Mutex<Vec<JoinHandle<()>>>,
    tasks: JoinSet<()>,
}

/// The world and who is told about its changes.
#[derive(Debug)]
struct Engine {
    world: SharedWorld,
    snapshot: watch::Sender<Snapshot>,
    down: Vec<watch::Sender<bool>>,
}

impl Engine {
    fn advance(&self, wall: Duration) {
        self.world.lock().advance(wall);
        self.tell();
    }

    fn tell(&self) {
        let world = self.world.lock();
        for (device, down) in world.devices().iter().zip(&self.down) {
            let is_down = device.has(&FaultKind::Down);
            down.send_if_modified(|was| std::mem::replace(was, is_down) != is_down);
        }
        self.snapshot.send_replace(world.snapshot());
    }
}

impl VirtualPlant {
    /// Opens a port per device and starts the clock.
    ///
    /// # Errors
    /// A wrong device file, an unknown device in a fault, a port that cannot be opened.
    pub async fn start(plant: Plant, profile: Arc<Profile>, options: Options) -> Result<Self, PlantError> {
        check(&profile, &options)?;
        let sources = options.sources.clone().unwrap_or_else(|| Sources::one_each(&plant));
        let devices = options.devices.clone().unwrap_or_else(|| site::devices_of(&plant, &sources));
        let world = world(plant, (profile, &sources), &devices, &options)?;
        let (snapshot, _) = watch::channel(world.snapshot());
        let down = devices.iter().map(|_| watch::channel(false).0).collect();
        let engine = Arc::new(Engine { world: SharedWorld::new(world), snapshot, down });
        let (stop, _) = watch::channel(false);
        let (publishers, tasks) = (Mutex::default(), JoinSet::new());
        let mut started = Self { plant, sources, engine, addresses: Vec::new(), stop, publishers, tasks };
        for fault in options.faults.clone() {
            started.inject(fault)?;
        }
        for (index, spec) in devices.iter().enumerate() {
            started.open(index, spec, options.first_port).await?;
        }
        if options.clock == Clock::Running {
            started.tasks.spawn(run_clock(Arc::clone(&started.engine)));
        }
        Ok(started)
    }

    async fn open(&mut self, index: usize, spec: &DeviceSpec, first_port: Option<u16>) -> Result<(), PlantError> {
        let failed = |error| PlantError::Port(spec.name.clone(), error);
        let offset = u16::try_from(index).unwrap_or(u16::MAX);
        let port = first_port.map_or(0, |first| first.saturating_add(offset));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.addresses.push(DeviceAddress { spec: spec.clone(), address });
        let Some(down) = self.engine.down.get(index).map(watch::Sender::subscribe) else { return Ok(()) };
        self.tasks.spawn(server::serve(self.engine.world.clone(), index, listener, down));
        Ok(())
    }

    /// The plant's parameters.
    #[must_use]
    pub const fn plant(&self) -> &Plant {
        &self.plant
    }

    /// Where the devices are.
    #[must_use]
    pub fn addresses(&self) -> &[DeviceAddress] {
        &self.addresses
    }

    /// Address of a device.
    #[must_use]
    pub fn address(&self, device: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|known| known.spec.name == device).map(|known| known.address)
    }

    /// Access to the world, for tests and displays. Never hold it across an await.
    #[must_use]
    pub fn world(&self) -> SharedWorld {
        self.engine.world.clone()
    }

    /// The newest state; changes with every tick.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.engine.snapshot.subscribe()
    }

    /// The newest state.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot.borrow().clone()
    }

    /// Moves on by some wall time (and `speed` times that in the plant). For the stepped clock.
    pub fn advance(&self, wall: Duration) {
        self.engine.advance(wall);
    }

    /// Schedules a fault; its times count from the plant's start.
    ///
    /// # Errors
    /// If there is no such device or point.
    pub fn inject(&self, fault: Fault) -> Result<(), PlantError> {
        let mut world = self.engine.world.lock();
        let device = world.devices().iter().find(|device| device.name() == fault.device);
        let device = device.ok_or_else(|| PlantError::Unknown(fault.device.clone()))?;
        if let Some(point) = fault.kind.point().filter(|point| !device.has_point(point)) {
            return Err(PlantError::Unknown(format!("{}:{point}", fault.device)));
        }
        world.inject(fault);
        drop(world);
        self.engine.tell();
        Ok(())
    }

    /// Schedules a fault that begins now, for some time or for good.
    ///
    /// # Errors
    /// If there is no such device or point.
    pub fn inject_now(&self, device: &str, kind: FaultKind, length: Option<Duration>) -> Result<(), PlantError> {
        let from = self.engine.world.lock().wall();
        self.inject(Fault { device: device.to_owned(), kind, from, until: length.map(|length| from + length) })
    }

    /// Ends all faults of a device.
    pub fn clear_faults(&self, device: &str) {
        self.engine.world.lock().clear_faults(device);
        self.engine.tell();
    }

    /// The `[[device]]` tables of a site file with this plant's addresses.
    #[must_use]
    pub fn device_tables(&self) -> String {
        site::device_tables(&self.plant, &self.sources, &self.addresses)
    }

    /// Publishes prices, weather and heat demand at a broker, for as long as the plant lives.
    pub fn publish_to(&self, target: MqttTarget) {
        let (world, stop) = (self.world(), self.stop.subscribe());
        let task = tokio::spawn(mqtt::run(world, self.watch(), target, stop));
        self.publishers.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Stops clock and servers, says good-bye to the broker, and waits for all of them.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.tasks.shutdown().await;
        for publisher in self.publishers.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // A panic in it has been reported by the runtime.
            let _ = publisher.await;
        }
    }
}

fn check(profile: &Profile, options: &Options) -> Result<(), PlantError> {
    if !(options.speed > 0.0 && options.speed <= 1e6) {
        return Err(PlantError::Speed(options.speed));
    }
    if profile.rows().is_empty() { Err(PlantError::EmptyProfile) } else { Ok(()) }
}

fn world(
    plant: Plant,
    (profile, sources): (Arc<Profile>, &Sources),
    devices: &[DeviceSpec],
    options: &Options,
) -> Result<World, PlantError> {
    let noise = Noise::new(options.seed);
    let reading = Reading {
        start_row: options.start_row,
        interpolation: options.interpolation,
        at_end: options.at_end,
        fluctuation: options.fluctuation,
        noise,
    };
    let physics = Physics::new(plant, ProfileSource::new(plant, profile, reading), options.dynamics, options.soc);
    let physics = physics.with_sources(sources);
    let device = |spec: &DeviceSpec| {
        let file = spec.load()?;
        Ok(VirtualDevice::new(&spec.name, &file, spec.unit_id, options.reversion).numbered(spec.number))
    };
    let devices = devices.iter().map(device).collect::<Result<_, _>>()?;
    Ok(World::new(physics, devices, Accuracy { noise, level: options.noise }, options.speed))
}

/// Ticks of equal length, late ones made up for: the plant's time never drifts from the wall's.
async fn run_clock(engine: Arc<Engine>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    // The first tick of an interval comes at once.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        engine.advance(TICK);
    }
}

#[cfg(test)]
#[path = "plant_tests.rs"]
mod tests;
