//! The terminal on the gateway's machine: whoever runs the gateway inside a command of their own, such as `gateway commission`,
//! gives commands through the same door as everybody else, and sees what drivers and process image hold.

use super::asked::Asked;
use memg_core::command::{Command, CommandAnswer, CommandBody, Means, Outcome, Role};
use memg_north::wires::Ask;
use memg_plant_io::image::ProcessImage;
use memg_plant_io::modbus::DeviceHealth;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Most groups of commands that wait for a cycle.
const WAITING_MAX: usize = 4;

/// The gateway's end.
#[derive(Debug)]
pub struct Terminal {
    asks: mpsc::Receiver<Vec<Ask>>,
    inside: oneshot::Sender<Inside>,
}

/// What can be looked at from within the process.
#[derive(Debug, Clone)]
pub struct Inside {
    /// Every point as it was read last.
    pub image: ProcessImage,
    /// Drivers of devices: what was written last, whether it was read back.
    pub devices: Vec<DeviceHealth>,
}

/// The end of whoever gives commands.
#[derive(Debug)]
pub struct Hand {
    asks: mpsc::Sender<Vec<Ask>>,
    principal: String,
    given: u64,
}

/// Both ends, and what can be looked at once the gateway runs. `principal` stands in the journal beside each command.
#[must_use]
pub fn terminal(principal: &str) -> (Terminal, Hand, oneshot::Receiver<Inside>) {
    let (asks_in, asks) = mpsc::channel(WAITING_MAX);
    let (inside_in, inside) = oneshot::channel();
    let hand = Hand { asks: asks_in, principal: principal.to_owned(), given: 0 };
    (Terminal { asks, inside: inside_in }, hand, inside)
}

impl Hand {
    /// Gives commands that are judged in one cycle, in their order, and waits for what became of each.
    ///
    /// # Errors
    /// The gateway has ended.
    pub async fn give(&mut self, bodies: &[CommandBody]) -> Result<Vec<Outcome>, String> {
        let (asks, answers): (Vec<_>, Vec<_>) = bodies.iter().map(|body| self.ask(*body)).unzip();
        let ended = || "the gateway has ended".to_owned();
        self.asks.send(asks).await.map_err(|_| ended())?;
        let mut outcomes = Vec::new();
        for answer in answers {
            outcomes.push(answer.await.map_err(|_| ended())?);
        }
        Ok(outcomes)
    }

    fn ask(&mut self, body: CommandBody) -> (Ask, oneshot::Receiver<Outcome>) {
        self.given += 1;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let command = Command {
            principal: self.principal.clone(),
            role: Role::Operator,
            means: Means::Terminal,
            id: self.given.to_string(),
            time_unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            body,
        };
        let (answer, answered) = oneshot::channel();
        (Ask { command, answer }, answered)
    }
}

/// The terminal as the cycle sees it.
#[derive(Debug)]
pub(super) struct Given {
    asks: mpsc::Receiver<Vec<Ask>>,
    asked: Asked,
}

impl Terminal {
    /// Shows what is inside, and takes commands from now on.
    pub(super) fn begin(self, image: &ProcessImage, devices: &[DeviceHealth]) -> Given {
        let _ = self.inside.send(Inside { image: image.clone(), devices: devices.to_vec() });
        Given { asks: self.asks, asked: Asked::default() }
    }
}

impl Given {
    /// The next group that waits for control's door.
    pub fn take(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for Ask { command, answer } in self.asks.try_recv().unwrap_or_default() {
            self.asked.wait(&command, answer);
            commands.push(command);
        }
        commands
    }

    /// Answers the commands of this cycle.
    pub fn answer(&mut self, answers: &[CommandAnswer]) {
        self.asked.answer(answers);
    }
}
