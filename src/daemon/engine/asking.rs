//! Commands of every entrance into a cycle, and their answers back.

use super::Engine;
use crate::messages::Messages;
use crate::north::Commands;
use crate::terminal::Given;
use memg_core::command::{Command, CommandAnswer};

impl Engine {
    /// What waits at the entrances.
    pub(super) fn commands(&mut self) -> Vec<Command> {
        let mut commands = self.wires.mqtt.as_mut().map(Messages::take_commands).unwrap_or_default();
        if let Some(desk) = &mut self.wires.desk {
            commands.extend(desk.take(self.at, &mut self.alarms, &self.wires.notes));
        }
        commands.extend(self.wires.north.iter_mut().flat_map(Commands::take));
        commands.extend(self.wires.terminal.iter_mut().flat_map(Given::take));
        commands
    }

    /// Answers what this cycle has judged.
    pub(super) fn answer(&mut self, answers: &[CommandAnswer]) {
        if let Some(mqtt) = &mut self.wires.mqtt {
            mqtt.answer(answers);
        }
        if let Some(desk) = &mut self.wires.desk {
            desk.answer(answers);
        }
        if let Some(north) = &mut self.wires.north {
            north.answer(answers);
        }
        if let Some(terminal) = &mut self.wires.terminal {
            terminal.answer(answers);
        }
    }
}
