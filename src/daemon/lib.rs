//! The daemon: wires drivers, control, journal and messages together, and stops them again.
//!
//! The only place that knows them all. [`run`] needs a tokio runtime; it returns the run's summary when its time is
//! over or it is told to stop.

#![forbid(unsafe_code)]

mod ahead;
mod alarms;
mod archive;
mod asked;
mod clock;
mod cosim;
mod demo;
mod early;
mod engine;
mod messages;
mod north;
mod notes;
mod panics;
mod service;
mod showing;
mod standing;
mod station;
mod sync;
mod terminal;
mod thread;
pub mod view;

pub use clock::PlantClock;
pub use demo::Demo;
pub use north::{North, extent};
pub use station::Station;
pub use terminal::{Hand, Inside, Terminal, terminal};

use anyhow::{Context, Result};
use engine::{Engine, Wires};
use memg_control::account::RunSummary;
use memg_control::cycle::{Chain, ControlConfig, ControlState, NO_MODEL};
use memg_control::journal::{Header, Journal};
use memg_control::recorder::Recorder;
use memg_control::restore::restore;
use memg_core::equipment::Plant;
use memg_core::rules::GoodRule;
use memg_core::safety::SafetyFilter;
use memg_plant_io::event::DriverEvent;
use memg_plant_io::image::ProcessImage;
use memg_plant_io::{modbus, mqtt};
use memg_policy::{PolicySpec, load_policy, load_trusted, model};
use memg_settings::{PolicySettings, Settings};
use messages::Messages;
use notes::Notes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use view::View;

/// Events waiting for the cycle; more are lost and counted by the drivers.
const EVENTS: usize = 1024;

/// How a run is bounded and watched.
#[derive(Debug)]
pub struct RunOptions {
    /// Plant time after which it ends; `None` = until told to stop.
    pub duration: Option<Duration>,
    /// True ends the run.
    pub stop: watch::Receiver<bool>,
    /// Where the live view goes.
    pub view: watch::Sender<View>,
    /// The operator's station, if one was opened.
    pub station: Option<Station>,
    /// Servers for SCADA that were opened.
    pub north: North,
    /// Commands from within this process.
    pub terminal: Option<Terminal>,
}

/// Runs the gateway.
///
/// # Errors
/// The journal cannot be opened or belongs to a running gateway; a model cannot be loaded where nothing may stand in
/// for it. No set-point has been written then. Or control has panicked, and no order leaves any more.
pub async fn run(settings: Settings, demo: Option<Demo>, options: RunOptions) -> Result<RunSummary> {
    if let Some(lockstep) = settings.cosim.clone() {
        return cosim::run(settings, lockstep, options).await;
    }
    begin(&settings);
    let cycle = settings.control.wall_cycle();
    let config = control_config(&settings);
    let chain = chain(&settings.policy, &settings.plant);
    let mut state = ControlState::start(0);
    let journal = open_journal(&settings, &config, &chain, &mut state)?;
    let clock = clock(&settings, demo.as_ref());
    let archive = archive::Archive::open(&settings, demo.as_ref()).context("the history of the demonstration")?;
    let image = settings.image.clone().build();
    let (stop_drivers, stopped) = watch::channel(false);
    let (orders, order_slot) = watch::channel(None);
    let (events_in, events) = mpsc::channel(EVENTS);
    let around = modbus::Surroundings {
        image: image.clone(),
        orders: order_slot,
        events: events_in.clone(),
        shutdown: stopped.clone(),
    };
    let devices = modbus::spawn(settings.devices.clone(), &around);
    let mqtt = messages(&settings, &image, events_in, stopped.clone());
    // Accelerated plants get their cycles on the grid alone: everything moves all the time.
    let react = settings.control.react.filter(|react| *react < cycle && settings.control.speed == 1.0);
    let notes = Notes::new(archive.as_ref().map(|archive| (archive.writer.clone(), archive.reader.clone())));
    let around = station::Around {
        settings: &settings,
        image: image.clone(),
        health: &devices.devices,
        views: options.view.subscribe(),
        notes: notes.clone(),
        stop: stopped,
    };
    let wished = Arc::new(Notify::new());
    let north =
        north::serve(options.north, &settings, &image, options.view.subscribe(), Arc::clone(&wished), &around.stop);
    let served = options.station.map(|station| station::serve(station, around)).unwrap_or_default();
    let terminal = options.terminal.map(|terminal| terminal.begin(&image, &devices.devices));
    let wires = Wires {
        image,
        orders,
        events,
        devices,
        mqtt,
        clock,
        view: options.view,
        desk: served.desk,
        north: north.desk,
        terminal,
        wished,
        station: served.address,
        station_trouble: served.trouble,
        notes,
        archive,
        cycle,
        react,
    };
    let engine = Engine::new(settings, config, state, chain, journal, wires);
    let (engine, summary) = thread::run(engine, options.duration, options.stop).await?;
    let _ = stop_drivers.send(true);
    engine.join().await;
    // Nobody waits for a page.
    served.tasks.iter().chain(&north.tasks).for_each(JoinHandle::abort);
    if let Some(demo) = demo {
        demo.shutdown().await;
    }
    Ok(summary)
}

/// Panics are watched from here on, and what needs a look is said.
fn begin(settings: &Settings) {
    panics::watch();
    for warning in settings.warnings.iter().chain(&settings.mistakes) {
        tracing::warn!(%warning, "The configuration needs a look.");
    }
}

/// Time of the plant.
fn clock(settings: &Settings, demo: Option<&Demo>) -> PlantClock {
    let live = || PlantClock::live(settings.clock.clone(), settings.control.speed);
    demo.map_or_else(live, Demo::clock)
}

/// The MQTT side, if there is one.
fn messages(
    settings: &Settings,
    image: &ProcessImage,
    events: mpsc::Sender<DriverEvent>,
    stopped: watch::Receiver<bool>,
) -> Option<Messages> {
    let mqtt = settings.mqtt.clone()?;
    let outputs = mqtt.outputs;
    let places = mqtt::Places { points: &settings.points.mqtt, series: &settings.points.series };
    let handle = mqtt::spawn(mqtt, image.clone(), places, events, mqtt::clock::Clock::system(), stopped);
    Some(Messages::new(handle, outputs))
}

fn control_config(settings: &Settings) -> ControlConfig {
    ControlConfig {
        filter: SafetyFilter::new(settings.plant),
        times: settings.control.modes,
        simulated: settings.simulated,
        cycle_ms: (settings.control.wall_cycle().as_secs_f64() * 1000.0 * settings.control.speed).round() as i64,
        stand_in_ms: u64::MAX,
        response_ms: u64::try_from(settings.control.response.as_millis()).unwrap_or(u64::MAX),
        chp_response_ms: i64::try_from(settings.control.chp_response.as_millis()).unwrap_or(i64::MAX),
        substitutes: settings.substitutes.clone(),
        grid_limit: settings.grid_limit,
    }
}

/// A model that cannot be loaded is not the end: the chain then begins with the good rule, and says so every cycle.
fn chain(PolicySettings { spec, trust }: &PolicySettings, plant: &Plant) -> Chain {
    match load_trusted(spec, plant, trust) {
        Ok(policy) => Chain { policy: Some(policy), model: model_hash(spec), rule: GoodRule },
        Err(error) => {
            tracing::error!(%error, "The policy could not be loaded; the good rule decides.");
            // The first line says what is wrong; it stands in every record, so that replay finds the same.
            let reason = error.to_string();
            let model = format!("{NO_MODEL}: {}", reason.lines().next().unwrap_or_default());
            Chain { policy: None, model, rule: GoodRule }
        }
    }
}

/// What identifies a policy in journals: the hash of its weights, or the rule's name.
#[must_use]
pub fn model_hash(spec: &PolicySpec) -> String {
    match spec {
        PolicySpec::Rule(name) => name.clone(),
        // The manifest names the hash of every other file, and loading has checked them.
        PolicySpec::Model { dir, .. } => {
            std::fs::read(dir.join(model::MANIFEST)).map_or_else(|_| NO_MODEL.into(), |bytes| model::sha256_hex(&bytes))
        }
    }
}

/// The chain that a journal's header names.
///
/// # Errors
/// The model cannot be loaded now although it could when the journal was written.
pub fn chain_of(header: &Header) -> Result<Chain, String> {
    let spec = PolicySpec::from_recorded(&header.policy, &header.runtime)?;
    if header.model.starts_with(NO_MODEL) {
        return Ok(Chain { policy: None, model: header.model.clone(), rule: GoodRule });
    }
    let plant = header.believed().map_err(|problems| format!("the plant in the journal: {problems:?}"))?;
    let policy = load_policy(&spec, &plant).map_err(|error| error.to_string())?;
    Ok(Chain { policy: Some(policy), model: model_hash(&spec), rule: GoodRule })
}

fn open_journal_file(settings: &Settings) -> Result<Option<Journal>> {
    let Some(path) = &settings.journal.path else { return Ok(None) };
    let journal = Journal::open(path, settings.journal.bytes_max);
    journal.map(Some).with_context(|| format!("journal {}", path.display()))
}

fn open_journal(
    settings: &Settings,
    config: &ControlConfig,
    chain: &Chain,
    state: &mut ControlState,
) -> Result<Option<Recorder>> {
    let Some(path) = &settings.journal.path else { return Ok(None) };
    let Some(journal) = open_journal_file(settings)? else { return Ok(None) };
    let what = || format!("journal {}", path.display());
    if journal.is_broken() {
        let (path, hint) = (path.display(), "gateway journal verify");
        tracing::error!(%path, hint, "Lines that had been written to the journal are gone: its end was cut off, or it is an older copy.");
    }
    if settings.plant_lives_on() && restore(path, state, settings.plant.steps_per_day()).with_context(what)? {
        tracing::info!(path = %path.display(), latched = state.mode.latched, "Set-points, CHP timers, limits and history restored from the journal.");
    }
    let [policy, runtime] = settings.policy.spec.recorded();
    let header = Header::new(&settings.site, config, [&policy, &runtime, &chain.model], state);
    Recorder::begin(journal, header).map(Some).with_context(what)
}
