//! Wishes from the station on their way into a cycle, and what became of them on their way back. Never waits.

use crate::alarms::Alarms;
use crate::asked::Asked;
use crate::notes::Notes;
use crate::showing::{Event, event};
use crate::view::Instants;
use memg_core::command::{Command, CommandAnswer, Role};
use memg_web::wires::{AlarmAction, Ask, NoAnswer};
use serde_json::Value;
use tokio::sync::mpsc;

/// Most wishes taken in one cycle; the rest waits for the next.
const TAKEN_MAX: usize = 16;

/// The station as the cycle sees it.
pub(crate) struct Desk {
    asks: mpsc::Receiver<Ask>,
    asked: Asked,
}

impl Desk {
    pub fn new(asks: mpsc::Receiver<Ask>) -> Self {
        Self { asks, asked: Asked::default() }
    }

    /// Takes what waits: commands for control's door; what concerns alarms is done here.
    pub fn take(&mut self, at: Instants, alarms: &mut Alarms, notes: &Notes) -> Vec<Command> {
        let mut commands = Vec::new();
        for _ in 0..TAKEN_MAX {
            match self.asks.try_recv() {
                Ok(Ask::Command(command, answer)) => {
                    self.asked.wait(&command, answer);
                    commands.push(command);
                }
                Ok(Ask::Alarm { id, action, by, role, answer }) => {
                    let _ = answer.send(alarm(at, alarms, notes, (&id, &action), (&by, role)));
                }
                Err(_) => break,
            }
        }
        commands
    }

    /// Answers the commands of this cycle; one that was not judged is dropped, which says so.
    pub fn answer(&mut self, answers: &[CommandAnswer]) {
        self.asked.answer(answers);
    }
}

fn alarm(
    at: Instants,
    alarms: &mut Alarms,
    notes: &Notes,
    (id, action): (&str, &AlarmAction),
    (by, role): (&str, Role),
) -> Result<Value, NoAnswer> {
    let done = alarms.act(at, id, action, by);
    let what = match action {
        AlarmAction::Acknowledge => "alarm acknowledged",
        AlarmAction::Shelve { .. } => "alarm shelved",
        AlarmAction::Unshelve => "alarm unshelved",
        AlarmAction::OutOfService { .. } => "alarm out of service",
        AlarmAction::ReturnToService => "alarm back in service",
    };
    let detail = match action {
        AlarmAction::Shelve { minutes, reason } => format!("{id} for {minutes} min: {reason}"),
        AlarmAction::OutOfService { hours, reason } => format!("{id} for {hours} h: {reason}"),
        AlarmAction::Acknowledge | AlarmAction::Unshelve | AlarmAction::ReturnToService => id.to_owned(),
    };
    let outcome = if done.is_ok() { "done" } else { "rejected" };
    event(notes, at.unix_ms, &Event { principal: by, role: role.name(), means: "web", what, outcome, detail: &detail });
    let change = done?;
    alarms.tell(&change, notes);
    serde_json::to_value(&change.alarm).map_err(|error| NoAnswer::Failed(error.to_string()))
}
