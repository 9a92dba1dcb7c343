//! A gateway inside this process that is commanded by hand, and what can be seen of it.

use anyhow::Result;
use memg_commission::trial::{Power, Trial};
use memg_control::account::RunSummary;
use memg_control::mode::Mode;
use memg_core::command::{CommandBody, Outcome};
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Tag;
use memg_daemon::view::View;
use memg_daemon::{Hand, Inside, North, RunOptions, terminal};
use memg_plant_io::device::Device;
use memg_plant_io::image::PointId;
use memg_plant_io::modbus::glimpse::LastWrite;
use memg_settings::{Known, Settings};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep};

/// Stands in the journal beside each command.
const PRINCIPAL: &str = "commissioning";
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Until everything that is required has been read.
const START: Duration = Duration::from_secs(60);

/// Why nothing more is done.
pub(super) const STOPPED: &str = "somebody stopped it here";

/// A running gateway.
pub(super) struct Session {
    hand: Hand,
    inside: Inside,
    view: watch::Receiver<View>,
    stop_in: watch::Sender<bool>,
    task: JoinHandle<Result<RunSummary>>,
    device: Device,
    signals: BTreeMap<Tag, Known>,
    plant: Plant,
    /// From here on it may have written.
    armed: bool,
}

impl Session {
    /// Starts a gateway of narrowed settings, and waits until it is in shadow. Within a local set: the controller stays on
    /// one thread. Whoever gives `stop` can end the waiting.
    pub async fn start(
        settings: Settings,
        trial: &Trial,
        stopped: Option<&watch::Receiver<bool>>,
    ) -> Result<Self, String> {
        let device = trial.device_in(&settings).ok_or("there is no such device")?.clone();
        let (signals, plant) = (settings.points.signals.clone(), settings.plant);
        let (end, hand, inside) = terminal(PRINCIPAL);
        let (stop_in, stop) = watch::channel(false);
        let (view_in, view) = watch::channel(View::default());
        let (station, north) = (None, North::default());
        let options = RunOptions { duration: None, stop, view: view_in, station, north, terminal: Some(end) };
        let task = spawn_local(memg_daemon::run(settings, None, options));
        let Ok(inside) = inside.await else {
            return Err(match task.await {
                Ok(Err(error)) => format!("{error:#}"),
                Ok(Ok(_)) | Err(_) => "the gateway has ended".to_owned(),
            });
        };
        let session = Self { hand, inside, view, stop_in, task, device, signals, plant, armed: false };
        let stopping = async {
            match stopped {
                Some(stopped) if stopped.clone().wait_for(|stop| *stop).await.is_ok() => {}
                Some(_) | None => std::future::pending().await,
            }
        };
        let begun = tokio::select! {
            begun = session.until(Mode::Shadow, START) => begun,
            () = stopping => Err(STOPPED.to_owned()),
        };
        match begun {
            Ok(()) => Ok(session),
            Err(why) => {
                session.end().await;
                Err(why)
            }
        }
    }

    /// Waits for a mode.
    pub async fn until(&self, mode: Mode, patience: Duration) -> Result<(), String> {
        let began = Instant::now();
        while self.mode() != mode {
            if began.elapsed() > patience {
                let why = self.why();
                return Err(format!(
                    "in {} and not in {} after {} s: {why}",
                    self.mode().name(),
                    mode.name(),
                    patience.as_secs()
                ));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Gives commands that are judged in one cycle; the first that is rejected is the error.
    pub async fn give(&mut self, bodies: &[CommandBody]) -> Result<Vec<Outcome>, String> {
        // Without an answer it may be.
        self.armed |= bodies.contains(&CommandBody::Arm);
        let outcomes = self.hand.give(bodies).await?;
        match outcomes.iter().zip(bodies).find_map(|(outcome, body)| match outcome {
            Outcome::Rejected { reason } => Some(format!("{} was rejected: {reason}", body.name())),
            Outcome::Done | Outcome::Clamped { .. } => None,
        }) {
            Some(reason) => Err(reason),
            None => Ok(outcomes),
        }
    }

    /// The mode of the last cycle.
    pub fn mode(&self) -> Mode {
        self.view.borrow().mode()
    }

    /// Why the gateway does what it does, and what stands.
    pub fn why(&self) -> String {
        let view = self.view.borrow();
        let causes = view.last.as_ref().map_or_else(String::new, |(_, decision)| {
            decision.changes.iter().map(|change| format!("; {}", change.cause)).collect()
        });
        let alarms: String = view.alarms.iter().take(3).map(|alarm| format!("; {}", alarm.text)).collect();
        format!("{}{causes}{alarms}", view.sentences.why)
    }

    /// Rules that changed the last request, in words.
    pub fn interventions(&self) -> String {
        let view = self.view.borrow();
        let Some((_, decision)) = view.last.as_ref() else { return String::new() };
        let name = |rule| serde_json::to_value(rule).ok()?.as_str().map(ToOwned::to_owned);
        let mut rules: Vec<String> = decision.interventions.iter().filter_map(|change| name(change.rule)).collect();
        rules.dedup();
        rules.join(", ")
    }

    /// It was armed: what the device holds may be an order of this session.
    pub const fn was_armed(&self) -> bool {
        self.armed
    }

    /// What the last decision counts on although nobody may write it during the trial.
    pub fn unpermitted(&self, trial: &Trial) -> Option<String> {
        let view = self.view.borrow();
        let (_, decision) = view.last.as_ref()?;
        trial.unpermitted(&self.plant, decision.safe.as_ref()?, decision.relaxation)
    }

    /// What the order in force says for a set-point of the device.
    pub fn ordered(&self, index: usize) -> Option<f64> {
        let order = self.view.borrow().order?;
        Some(self.device.points.get(index)?.write.as_ref()?.value(&order))
    }

    /// The last write of a set-point that the device acknowledged.
    pub fn last_write(&self, index: usize) -> Option<LastWrite> {
        let health = self.inside.devices.iter().find(|health| *health.name == *self.device.name)?;
        health.glimpses.all().get(&index)?.last_write
    }

    /// What is read back of a set-point now: the index of the point, and its value.
    pub fn read_back(&self, index: usize) -> Option<(usize, f64)> {
        let point = self.device.points.get(index)?.write.as_ref()?.readback?;
        Some((point, self.point(self.device.id(point)).usable()?))
    }

    /// The measured power of a trial's part, or of any other signal.
    pub fn power(&self, tag: Option<Tag>) -> Power {
        match tag.filter(|tag| self.signals.contains_key(tag)) {
            Some(tag) => self.signal(tag).map_or(Power::Lost, Power::Kw),
            None => Power::NotMeasured,
        }
    }

    /// A measured signal now.
    pub fn signal(&self, tag: Tag) -> Option<f64> {
        self.signals.get(&tag)?.formula.of(|id| self.point(id)).usable()
    }

    fn point(&self, id: PointId) -> Measurement<f64> {
        self.inside.image.freeze(Instant::now(), &[id]).first().copied().unwrap_or_else(Measurement::never)
    }

    /// Written values this close to the order are it: what the register cannot resolve.
    pub fn tolerance(&self, index: usize) -> f64 {
        let rule = self.device.points.get(index).and_then(|point| point.write.as_ref());
        rule.map_or(0.0, |rule| rule.tolerance).max(1e-6)
    }

    /// A limit at the connection was ordered for a time, and holds.
    pub fn is_limited(&self) -> bool {
        let view = self.view.borrow();
        let grid = view.last.as_ref().and_then(|(_, decision)| decision.grid_limit);
        grid.is_some_and(|grid| grid.from.order.is_some())
    }

    /// A safe stop waits for its acknowledgement.
    pub fn is_latched(&self) -> bool {
        self.view.borrow().mode_state.is_some_and(|state| state.latched)
    }

    /// The device.
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Falls silent: nothing is written any more, the device is left as it is. When anything was written last, heartbeats
    /// and refreshes included.
    pub async fn end(self) -> Option<Instant> {
        let _ = self.stop_in.send(true);
        let _ = self.task.await;
        let health = self.inside.devices.iter().find(|health| *health.name == *self.device.name)?;
        health.glimpses.all().values().filter_map(|glimpse| Some(glimpse.last_write?.at)).max()
    }
}
