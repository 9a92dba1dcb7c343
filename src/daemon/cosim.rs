//! `gateway run` with `[cosim]`: control of a simulated plant in lock-step over MQTT.
//!
//! The simulator's messages are the clock; this file only wires the controller to broker and journal, and stops them. It
//! ends when it is told to stop, when a simulator says `stop`, or when the simulated time is used up.

use super::alarms::Alarms;
use super::notes::Notes;
use super::standing::Facts;
use super::view::{Instants, Sentences, View};
use super::{EVENTS, RunOptions, model_hash, open_journal_file};
use anyhow::{Context, Result, bail};
use memg_control::account::RunSummary;
use memg_control::cycle::{Chain, CycleDecision};
use memg_core::rules::GoodRule;
use memg_cosim::lockstep::settings::LockstepSettings;
use memg_cosim::lockstep::{Controller, ControllerOptions, Journaling, Progress, connection, spawn};
use memg_plant_io::event::DriverEvent;
use memg_plant_io::mqtt::clock::Clock;
use memg_plant_io::mqtt::{LinkState, Service};
use memg_policy::load_trusted;
use memg_settings::Settings;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Runs until the simulations are over.
///
/// # Errors
/// The model cannot be loaded (a simulation of another policy than the one wanted is worth nothing), or the journal cannot
/// be opened.
pub(super) async fn run(settings: Settings, lockstep: LockstepSettings, options: RunOptions) -> Result<RunSummary> {
    let Some(mqtt) = &settings.mqtt else { bail!("[cosim] needs [mqtt]") };
    let spec = &settings.policy.spec;
    let policy = load_trusted(spec, &settings.plant, &settings.policy.trust).context("the policy cannot be loaded")?;
    let chain = Chain { policy: Some(policy), model: model_hash(spec), rule: GoodRule };
    let journaling =
        Journaling { site: settings.site.clone(), policy: spec.recorded(), journal: open_journal_file(&settings)? };
    let controller = Controller::new(ControllerOptions {
        plant: settings.plant,
        chain,
        journaling,
        zero_ms: lockstep.start_ms,
        after_stop: lockstep.after_stop,
        duration: options.duration,
    });
    let progress = controller.progress();
    let place = connection(&mqtt.connection);
    let broker = format!("{}:{}", place.broker.host, place.broker.port);
    tracing::info!(broker, prefix = place.prefix, "Lock-step: waiting for a simulator.");
    let (stop, stopped) = watch::channel(false);
    let (events_in, events) = mpsc::channel(EVENTS);
    let service = spawn(place, lockstep, controller, events_in, Clock::system(), stopped);
    let (alarms, view, started) = (Alarms::default(), options.view, Instant::now());
    let watcher = Watcher { events, progress, alarms, view, started };
    watcher.watch(service, options.stop, stop).await
}

/// Looks on while the service works.
struct Watcher {
    events: mpsc::Receiver<DriverEvent>,
    progress: watch::Receiver<Progress>,
    alarms: Alarms,
    view: watch::Sender<View>,
    started: Instant,
}

impl Watcher {
    async fn watch(
        mut self,
        mut service: Service,
        mut told: watch::Receiver<bool>,
        stop: watch::Sender<bool>,
    ) -> Result<RunSummary> {
        loop {
            tokio::select! {
                _ = told.wait_for(|stop| *stop) => break,
                Some(event) = self.events.recv() => self.alarms.take(&event, self.now_ms()),
                changed = self.progress.changed() => if changed.is_err() || self.look(&service).is_break() {
                    break;
                },
                ended = &mut service.task => {
                    return ended.context("the co-simulation's task").and_then(|()| bail!("the co-simulation's task has ended"));
                }
            }
        }
        let _ = stop.send(true);
        service.task.await.context("the co-simulation's task")?;
        let mut summary = self.progress.borrow().summary.clone();
        summary.alarms = self.alarms.counts;
        Ok(summary)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn list_alarms(&mut self, at: Instants, decision: &CycleDecision, broker: Option<bool>) {
        let (values, sources) = (&[], &BTreeMap::new());
        let sentences = &Sentences::default();
        let (history_trouble, outside_tariff, forecast_is_missing) = (None, decision.outside_tariff, false);
        let devices = &[];
        let facts = Facts {
            at,
            devices,
            broker,
            values,
            sources,
            decision,
            sentences,
            history_trouble,
            outside_tariff,
            forecast_is_missing,
        };
        self.alarms.observe(&facts, &Notes::default());
    }

    fn look(&mut self, service: &Service) -> ControlFlow<()> {
        let Progress { summary, last, over } = self.progress.borrow_and_update().clone();
        let broker = Some(*service.link.borrow() == LinkState::Up);
        if let Some((input, decision)) = &last {
            let at = Instants { now_ms: self.now_ms(), plant_ms: input.plant_ms, unix_ms: input.plant_ms };
            self.list_alarms(at, decision, broker);
        }
        let (alarms, alarms_number) = self.alarms.shown();
        let cycle = summary.cycles;
        let view = View { cycle, last, broker, cost_eur: summary.cost_eur, alarms, alarms_number, ..View::default() };
        self.view.send_replace(view);
        if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
