//! MQTT seen from the cycle: commands in, state out. Never waits.

use super::view::View;
use memg_control::cycle::{CycleDecision, ExchangeLimits};
use memg_control::mode::{Mode, ModeChange, Operator};
use memg_core::measurement::Measurement;
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;
use memg_plant_io::WriteOrder;
use memg_plant_io::event::DriverEvent;
use memg_plant_io::mqtt::clock::Clock;
use memg_plant_io::mqtt::command::{Command, ModeWish};
use memg_plant_io::mqtt::report::{ControlReport, StateReporter};
use memg_plant_io::mqtt::settings::Outputs;
use memg_plant_io::mqtt::{LinkState, MqttHandle};
use serde::Serialize;

/// What operators want in one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wishes {
    /// Latest change of mode or acknowledgement.
    pub operator: Option<Operator>,
    /// Latest manual set-points.
    pub manual: Option<Setpoints>,
    /// Latest limits from outside.
    pub limits: Option<ExchangeLimits>,
}

/// The MQTT side of the daemon.
#[derive(Debug)]
pub struct Messages {
    handle: MqttHandle,
    reporter: StateReporter,
    clock: Clock,
}

#[derive(Serialize)]
struct InterventionReport<'a> {
    time_unix_ms: u64,
    cycle: u64,
    mode: Mode,
    request: Option<Setpoints>,
    interventions: &'a [memg_core::safety::Intervention],
}

#[derive(Serialize)]
struct ModeReport<'a> {
    time_unix_ms: u64,
    cycle: u64,
    #[serde(flatten)]
    change: &'a ModeChange,
}

impl Messages {
    pub(super) fn new(handle: MqttHandle, outputs: Outputs) -> Self {
        Self { handle, reporter: StateReporter::new(outputs), clock: Clock::system() }
    }

    /// Takes the commands that wait and answers them; control carries them out in this cycle.
    pub fn wishes(&mut self, mode: Mode) -> Wishes {
        let mut wishes = Wishes::default();
        while let Ok(request) = self.handle.commands.try_recv() {
            match request.command {
                Command::Mode(wish) => wishes.operator = Some(operator(wish)),
                Command::ArmAuto => wishes.operator = Some(Operator::Arm),
                Command::Acknowledge => wishes.operator = Some(Operator::Acknowledge),
                Command::Setpoints(setpoints) if mode == Mode::Manual => wishes.manual = Some(setpoints),
                Command::Setpoints(_) => {
                    request.answer.refused("set-points are taken in manual mode only");
                    continue;
                }
                Command::Limits(limits) => {
                    wishes.limits = Some(ExchangeLimits {
                        import_kw_max: limits.import_max.map(Kilowatts::get),
                        export_kw_max: limits.export_max.map(Kilowatts::get),
                    });
                }
            }
            tracing::info!(id = %request.id, command = ?request.command, "An operator's command was taken.");
            request.answer.done();
        }
        wishes
    }

    /// Publishes measurements, set-points and interventions of a cycle.
    pub fn publish<'a>(
        &mut self,
        view: &View,
        decision: &CycleDecision,
        order: Option<&WriteOrder>,
        values: impl IntoIterator<Item = (&'a str, Measurement<f64>)>,
    ) {
        let now = self.clock.now();
        let publisher = &self.handle.publisher;
        let control = ControlReport {
            cycle: view.cycle,
            mode: decision.mode.name(),
            decided_by: &decision.decided_by,
            fault: decision.fault.as_ref().map(|fault| fault.cause.as_str()),
        };
        self.reporter.report(publisher, now, control, values);
        if let Some(change) = &decision.change {
            publisher.event("modes", &ModeReport { time_unix_ms: now.unix_ms, cycle: view.cycle, change });
        }
        if let Some(order) = order {
            publisher.setpoints(now, decision.mode.name(), order);
        }
        if !decision.interventions.is_empty() && decision.policy_step {
            let report = InterventionReport {
                time_unix_ms: now.unix_ms,
                cycle: view.cycle,
                mode: decision.mode,
                request: decision.request,
                interventions: &decision.interventions,
            };
            publisher.event("interventions", &report);
        }
    }

    /// Publishes a driver's event.
    pub fn alarm(&self, event: &DriverEvent) {
        self.handle.publisher.driver_event(self.clock.now(), event);
    }

    /// The broker is there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self.handle.link.borrow() == LinkState::Up
    }

    /// Waits for the good-bye to the broker.
    pub async fn join(self) {
        let _ = self.handle.task.await;
    }
}

const fn operator(wish: ModeWish) -> Operator {
    match wish {
        ModeWish::Shadow => Operator::Shadow,
        ModeWish::Manual => Operator::Manual,
        ModeWish::SafeStop => Operator::SafeStop,
    }
}
