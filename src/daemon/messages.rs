//! MQTT seen from the cycle: commands in, state out. Never waits.

use super::view::View;
use memg_alarms::{Alarm, Change};
use memg_control::cycle::{ControlState, CycleDecision};
use memg_control::mode::{Mode, ModeChange};
use memg_core::command::{Command, CommandAnswer};
use memg_core::setpoints::Setpoints;
use memg_plant_io::WriteOrder;
use memg_plant_io::event::DriverEvent;
use memg_plant_io::mqtt::clock::Clock;
use memg_plant_io::mqtt::report::{ControlReport, GridLimitReport, StateReporter};
use memg_plant_io::mqtt::settings::Outputs;
use memg_plant_io::mqtt::{Answer, CommandRequest, LinkState, MqttHandle};
use serde::Serialize;
use std::sync::atomic::Ordering;

/// The MQTT side of the daemon.
#[derive(Debug)]
pub struct Messages {
    handle: MqttHandle,
    reporter: StateReporter,
    clock: Clock,
    /// Number of the list of alarms that was told last.
    alarms_number: Option<u64>,
    /// Principal, id, and the way back.
    waiting: Vec<(String, String, Answer)>,
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

#[derive(Serialize)]
struct AlarmsReport<'a> {
    time_unix_ms: u64,
    alarms: &'a [Alarm],
}

impl Messages {
    pub(super) fn new(handle: MqttHandle, outputs: Outputs) -> Self {
        Self {
            handle,
            reporter: StateReporter::new(outputs),
            clock: Clock::system(),
            alarms_number: None,
            waiting: Vec::new(),
        }
    }

    /// Its task lives no longer.
    pub fn has_ended(&self) -> bool {
        self.handle.task.is_finished()
    }

    /// Takes the commands that wait; control judges them in this cycle.
    pub fn take_commands(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some(CommandRequest { command, answer }) = self.handle.commands.try_next() {
            self.waiting.push((command.principal.clone(), command.id.clone(), answer));
            commands.push(command);
        }
        commands
    }

    /// Answers them.
    pub fn answer(&mut self, answers: &[CommandAnswer]) {
        for (principal, id, waiting) in self.waiting.drain(..) {
            match answers.iter().find(|answer| answer.id == id && answer.principal == principal) {
                Some(answer) => waiting.send(&answer.outcome),
                None => drop(waiting),
            }
        }
    }

    /// Publishes measurements, set-points and interventions of a cycle; `state` is that of control after it.
    pub fn publish(
        &mut self,
        view: &View,
        (decision, state): (&CycleDecision, &ControlState),
        order: Option<&WriteOrder>,
    ) {
        let values = view.values.iter().map(|(tag, measured)| (tag.to_string(), *measured));
        let now = self.clock.now();
        let publisher = &self.handle.publisher;
        // In other modes the request in force is not the policy's.
        let planned = matches!(decision.mode, Mode::Auto | Mode::Shadow);
        let control = ControlReport {
            cycle: view.cycle,
            mode: decision.mode.name(),
            decided_by: &decision.decided_by,
            reason: state.reason.as_deref().filter(|_| planned),
            fault: decision.fault.as_ref().map(|fault| fault.cause.as_str()),
            limits: state.limits,
            grid_limit: decision.grid_limit.map(|grid| GridLimitReport {
                import_kw_max: grid.limits.import_kw_max,
                export_kw_max: grid.limits.export_kw_max,
                import_silent: grid.import_silent,
                export_silent: grid.export_silent,
            }),
            forecast_mae: Some(view.forecast_mae).filter(|mae| !mae.is_unknown()),
        };
        self.reporter.report(publisher, now, control, values);
        for change in &decision.changes {
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
    pub fn event(&self, event: &DriverEvent) {
        self.handle.publisher.driver_event(self.clock.now(), event);
    }

    /// Publishes what changed in the list of alarms, and the list itself when it is another one.
    pub fn alarms(&mut self, changes: &[Change], list: &[Alarm], number: u64) {
        let publisher = &self.handle.publisher;
        changes.iter().for_each(|change| publisher.event("alarms", change));
        if self.alarms_number.replace(number) != Some(number) {
            let time_unix_ms = self.clock.now().unix_ms;
            publisher.set("alarms/active", &AlarmsReport { time_unix_ms, alarms: list });
        }
    }

    /// Messages that the broker has brought.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.handle.counters.messages.load(Ordering::Relaxed)
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
