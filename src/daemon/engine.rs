//! The ticking half: takes the frozen image, lets control decide, journals, sends, counts.

mod asking;
mod show;

use super::PlantClock;
use super::ahead::{self, Ahead};
use super::alarms::Alarms;
use super::archive::Archive;
use super::early;
use super::messages::Messages;
use super::north::Commands;
use super::notes::Notes;
use super::panics;
use super::service::Service;
use super::showing::{About, Event, Showing, event};
use super::standing;
use super::station::Desk;
use super::sync::DiskSync;
use super::terminal::Given;
use super::view::{Instants, View};
use memg_alarms::Kind;
use memg_control::account::{Account, RunSummary};
use memg_control::assumed::share_renewable_limit;
use memg_control::books::Books;
use memg_control::cycle::{Chain, ControlConfig, ControlState, CycleDecision, CycleInput};
use memg_control::fault::Fault;
use memg_control::recorder::{self, Recorder, UNWRITTEN};
use memg_core::measurement::Measurement;
use memg_core::plant_state::{PlantState, Tag};
use memg_core::series::Quantity;
use memg_plant_io::WriteOrder;
use memg_plant_io::event::DriverEvent;
use memg_plant_io::formula::Formula;
use memg_plant_io::image::{PointId, ProcessImage};
use memg_plant_io::modbus::{DeviceHealth, Running};
use memg_settings::Settings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

/// What connects the engine to the rest.
pub(super) struct Wires {
    pub image: ProcessImage,
    pub orders: watch::Sender<Option<WriteOrder>>,
    pub events: mpsc::Receiver<DriverEvent>,
    pub devices: Running,
    pub mqtt: Option<Messages>,
    pub clock: PlantClock,
    pub view: watch::Sender<View>,
    /// The operator's station.
    pub desk: Option<Desk>,
    /// SCADA's commands.
    pub north: Option<Commands>,
    /// Commands from within this process.
    pub terminal: Option<Given>,
    /// Somebody wishes something and need not wait for the next cycle.
    pub wished: Arc<Notify>,
    /// Where it is, or why it is not there.
    pub station: Option<String>,
    pub station_trouble: Option<String>,
    pub notes: Notes,
    pub archive: Option<Archive>,
    pub cycle: Duration,
    /// Shortest time between two cycles when a measurement moved; `None`: cycles come on their grid alone.
    pub react: Option<Duration>,
}

/// Why a cycle begins.
enum Begin {
    /// Its time has come: when it was due.
    Due(Instant),
    /// A measurement moved.
    Early,
    /// It does not: the run is over.
    Stop,
}

pub(super) struct Engine {
    config: ControlConfig,
    state: ControlState,
    chain: Chain,
    journal: Option<Recorder>,
    account: Account,
    books: Books,
    alarms: Alarms,
    showing: Showing,
    wires: Wires,
    signals: Vec<(Tag, Formula)>,
    /// Who measures each signal.
    sources: BTreeMap<Tag, BTreeSet<String>>,
    /// Forecasts that are written to registers.
    written_forecasts: Vec<Quantity>,
    /// A forecast is configured.
    forecasts: bool,
    /// What this cycle measured.
    frozen: Vec<(Tag, Measurement<f64>)>,
    ahead: Ahead,
    /// The present cycle's.
    at: Instants,
    cycle: u64,
    started: Instant,
    last_cycle: Instant,
    lateness_ms: Vec<f32>,
    sync: DiskSync,
    service: Service,
}

/// Lateness samples kept for the percentile in the summary.
const LATENESS_SAMPLES: usize = 100_000;

impl Engine {
    pub fn new(
        settings: Settings,
        config: ControlConfig,
        state: ControlState,
        chain: Chain,
        journal: Option<Recorder>,
        wires: Wires,
    ) -> Self {
        let signals = settings.points.signals.iter().map(|(signal, known)| (*signal, known.formula.clone()));
        let signals: Vec<(Tag, Formula)> = signals.collect();
        let series = settings.points.outlook.iter().copied().zip(settings.points.series.iter().copied()).collect();
        let ahead = ahead::Places { hours: settings.points.price_ahead.clone(), series };
        wires.image.watch(early::watched(&signals, &settings.plant));
        let mut alarms = Alarms::default();
        if let Some(trouble) = &wires.station_trouble {
            alarms.stands(Kind::Station, "", trouble);
        }
        let about = About {
            plant: settings.plant,
            times: settings.control.modes,
            simulated: settings.simulated,
            speed: settings.control.speed,
            site: settings.site.clone(),
            model: chain.model.clone(),
        };
        Self {
            showing: Showing::new(about),
            sources: standing::sources(&settings),
            written_forecasts: settings.north.forecasts.quantities.clone(),
            forecasts: !settings.points.series.is_empty() || settings.points.price_ahead.iter().any(Option::is_some),
            at: Instants::default(),
            account: Account::new(settings.plant),
            books: Books::default(),
            ahead: Ahead::new(ahead, settings.plant.step_ms(), settings.plant.steps_per_hour()),
            config,
            state,
            chain,
            journal,
            alarms,
            wires,
            signals,
            frozen: Vec::new(),
            cycle: 0,
            started: Instant::now(),
            last_cycle: Instant::now(),
            lateness_ms: Vec::new(),
            sync: DiskSync::default(),
            service: Service::default(),
        }
    }

    /// Ticks until the time is over or somebody says stop.
    pub async fn run(&mut self, duration: Option<Duration>, mut stop: watch::Receiver<bool>) -> RunSummary {
        let mut ticks = interval(self.wires.cycle);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let begin = self.wires.clock.elapsed();
        self.started = Instant::now();
        self.begin();
        loop {
            match self.next(&mut ticks, &mut stop).await {
                Begin::Due(due) => {
                    self.lateness(due);
                    self.tick(false);
                }
                Begin::Early => self.tick(true),
                Begin::Stop => break,
            }
            let passed = self.wires.clock.elapsed().saturating_sub(begin);
            if duration.is_some_and(|duration| passed >= duration) {
                break;
            }
        }
        // Without orders the drivers stop writing and devices fall back by their own watchdogs.
        self.wires.orders.send_replace(None);
        self.note("stop", "");
        self.service.stopping();
        self.summary()
    }

    /// Writes down that a run begins; what was acknowledged before it counts on, where time goes on, too.
    fn begin(&mut self) {
        self.at = self.instants();
        if !self.config.simulated {
            self.alarms.restore(&self.wires.notes, self.at.unix_ms);
        }
        self.note("start", &format!("version {}, model {}", env!("CARGO_PKG_VERSION"), self.chain.model));
    }

    fn note(&self, what: &str, detail: &str) {
        event(&self.wires.notes, self.at.unix_ms, &Event { what, detail, ..Event::own() });
    }

    fn instants(&self) -> Instants {
        let (plant_ms, unix_ms) = self.wires.clock.now_ms();
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Instants { now_ms, plant_ms, unix_ms }
    }

    async fn next(&self, ticks: &mut Interval, stop: &mut watch::Receiver<bool>) -> Begin {
        let moved = async {
            match self.wires.react {
                None => std::future::pending().await,
                Some(gap) => {
                    tokio::select! {
                        () = self.wires.image.moved() => {}
                        () = self.wires.wished.notified() => {}
                    }
                    sleep_until(self.last_cycle + gap).await;
                }
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => Begin::Stop,
            due = ticks.tick() => Begin::Due(due),
            () = moved => Begin::Early,
        }
    }

    fn lateness(&mut self, due: Instant) {
        let late = due.elapsed();
        self.account.summary.slips += u64::from(late > self.wires.cycle / 2);
        self.showing.late(late.as_secs_f32() * 1000.0, self.account.summary.slips);
        if self.lateness_ms.len() < LATENESS_SAMPLES {
            self.lateness_ms.push(late.as_secs_f32() * 1000.0);
        }
    }

    fn tick(&mut self, early: bool) {
        self.cycle += 1;
        self.last_cycle = Instant::now();
        self.at = self.instants();
        self.take_events();
        let input = CycleInput { early, ..self.input() };
        let decision = self.decide(&input);
        let order = self.order(&input, &decision);
        self.wires.orders.send_replace(order);
        let answers = decision.answers.clone();
        if let Some(journal) = &mut self.journal {
            self.sync.when_due(journal);
        }
        self.account.add(&input, &decision);
        self.keep_books(&input);
        self.show(input, decision, order.as_ref());
        // Whoever is answered finds what came of it in the view.
        self.answer(&answers);
        self.service.cycle_completed();
    }

    fn decide(&mut self, input: &CycleInput) -> CycleDecision {
        let failed = self.journal_error().is_some();
        let Self { config, state, chain, journal, .. } = self;
        let decision = recorder::cycle(config, state, input, chain, journal.as_mut());
        match self.journal_error() {
            Some(error) if !failed => tracing::error!(error, "The journal cannot be written; no set-points are sent."),
            None if failed => tracing::info!("The journal can be written again."),
            Some(_) | None => {}
        }
        self.log(&decision);
        decision
    }

    fn journal_error(&self) -> Option<&str> {
        self.journal.as_ref().and_then(Recorder::error)
    }

    fn take_events(&mut self) {
        while let Ok(event) = self.wires.events.try_recv() {
            self.alarms.take(&event, self.at.now_ms);
            if let Some(mqtt) = &self.wires.mqtt {
                mqtt.event(&event);
            }
        }
    }

    fn input(&mut self) -> CycleInput {
        let now = Instant::now();
        let commands = self.commands();
        let Instants { now_ms, plant_ms, unix_ms } = self.at;
        let local_hour = plant_ms.rem_euclid(86_400_000) as f64 / 3_600_000.0;
        self.frozen = self.freeze(now);
        let (witnesses, others): (Vec<_>, Vec<_>) = self.frozen.iter().partition(|(tag, _)| tag.signal().is_witness());
        let (grid_limits, measured): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(tag, _)| tag.signal().is_grid_limit());
        CycleInput {
            cycle: self.cycle,
            early: false,
            now_ms,
            uptime_ms: i64::try_from(self.wires.clock.elapsed().as_millis()).unwrap_or(i64::MAX),
            plant_ms,
            state: PlantState::from_measured(&measured, local_hour),
            witnesses,
            grid_limits,
            outlook: self.ahead.news(&self.wires.image, now, ahead::Instants { plant_ms, unix_ms }),
            commands,
            fault: self.fault(),
        }
    }

    fn freeze(&self, now: Instant) -> Vec<(Tag, Measurement<f64>)> {
        let points = self.signals.iter().flat_map(|(_, formula)| formula.terms()).map(|term| term.point);
        let ids: Vec<PointId> = points.collect();
        let values: BTreeMap<PointId, Measurement<f64>> =
            ids.iter().copied().zip(self.wires.image.freeze(now, &ids)).collect();
        let of = |id: PointId| values.get(&id).copied().unwrap_or_else(Measurement::never);
        self.signals.iter().map(|(signal, formula)| (*signal, formula.of(of))).collect()
    }

    /// Faults of the gateway itself: a journal that cannot be written, a driver that died, a device that does not follow.
    fn fault(&self) -> Option<Fault> {
        if let Some(dead) = self.dead() {
            return Some(Fault::hard(dead).named("driver.task"));
        }
        if let Some(error) = self.journal_error() {
            return Some(Fault::soft(format!("{UNWRITTEN}: {error}")).named("journal.write"));
        }
        let now = Instant::now();
        let found = |device: &DeviceHealth| Some((device.name.to_string(), device.unconfirmed(now)?));
        let (name, unconfirmed) = self.wires.devices.devices.iter().find_map(found)?;
        Some(Fault::unfollowed(unconfirmed).named(format!("{name}.follow")))
    }

    /// What has ended or panicked that was meant to live as long as control does.
    fn dead(&self) -> Option<String> {
        let ended = |name: &str| format!("the task {name} has ended");
        let driver =
            || self.wires.devices.tasks.iter().find(|(_, task)| task.is_finished()).map(|(name, _)| ended(name));
        let mqtt = || self.wires.mqtt.as_ref().filter(|mqtt| mqtt.has_ended()).map(|_| ended("of MQTT"));
        panics::first().or_else(driver).or_else(mqtt)
    }

    fn log(&self, decision: &CycleDecision) {
        for change in &decision.changes {
            let (from, to) = (change.from.name(), change.to.name());
            tracing::info!(cycle = self.cycle, from, to, cause = %change.cause, "The mode changed.");
        }
    }

    fn order(&self, input: &CycleInput, decision: &CycleDecision) -> Option<WriteOrder> {
        let safe = decision.safe.filter(|_| decision.written)?;
        let (pv_limit_kw, wind_limit_kw) = share_renewable_limit(&self.config, &safe, input.state.wind.usable());
        Some(WriteOrder {
            cycle: self.cycle,
            setpoints: safe,
            batteries: self.config.filter.plant().batteries().len(),
            chps: self.config.filter.plant().chps().len(),
            pv_limit_kw,
            wind_limit_kw,
            heartbeat: (self.cycle % 65_536) as u16,
            decided: Instant::now(),
        })
    }

    fn summary(&mut self) -> RunSummary {
        let mut summary = self.account.summary.clone();
        summary.alarms = self.alarms.counts.clone();
        for device in &self.wires.devices.devices {
            let counted = device.counters.values();
            summary.writes += counted.writes;
            summary.polls += counted.polls;
            summary.polls_missed += counted.polls_missed;
        }
        self.lateness_ms.sort_by(f32::total_cmp);
        let rank = self.lateness_ms.len().saturating_sub(1) * 99 / 100;
        summary.tick_lateness_p99_ms = self.lateness_ms.get(rank).copied().unwrap_or(0.0);
        summary
    }

    /// Waits for drivers and messages to end.
    pub async fn join(mut self) {
        if let Some(journal) = &mut self.journal {
            self.sync.finish(journal).await;
        }
        for (_, task) in self.wires.devices.tasks {
            let _ = task.await;
        }
        if let Some(mqtt) = self.wires.mqtt {
            mqtt.join().await;
        }
        if let Some(archive) = self.wires.archive {
            archive.writer.close().await;
        }
    }
}
