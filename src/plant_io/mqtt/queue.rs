//! Commands on their way to control: bounded, and safe stops on a way of their own, so that nothing else holds one up.

use super::answer::CommandRequest;
use memg_core::command::CommandBody;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Commands waiting for control; more are refused.
const WAITING_MAX: usize = 16;
/// Safe stops waiting for control. When so many wait, one more changes nothing.
const STOPS_MAX: usize = 64;

/// The side of the connection.
#[derive(Debug)]
pub(super) struct Entry {
    stops: Sender<CommandRequest>,
    others: Sender<CommandRequest>,
}

/// The side of control.
#[derive(Debug)]
pub struct Waiting {
    stops: Receiver<CommandRequest>,
    others: Receiver<CommandRequest>,
}

pub(super) fn queue() -> (Entry, Waiting) {
    let (stops, stops_out) = mpsc::channel(STOPS_MAX);
    let (others, others_out) = mpsc::channel(WAITING_MAX);
    (Entry { stops, others }, Waiting { stops: stops_out, others: others_out })
}

impl Entry {
    /// Hands a command over, or gives it back when too many wait.
    pub(super) fn hand_over(&self, request: CommandRequest) -> Result<(), Box<CommandRequest>> {
        let way = if request.command.body == CommandBody::SafeStop { &self.stops } else { &self.others };
        way.try_send(request).map_err(|error| Box::new(error.into_inner()))
    }
}

impl Waiting {
    /// The next command that waits, safe stops before all others.
    pub fn try_next(&mut self) -> Option<CommandRequest> {
        self.stops.try_recv().or_else(|_| self.others.try_recv()).ok()
    }

    /// Waits for the next command; `None` when the connection's task has ended.
    pub async fn next(&mut self) -> Option<CommandRequest> {
        tokio::select! {
            biased;
            Some(request) = self.stops.recv() => Some(request),
            Some(request) = self.others.recv() => Some(request),
            else => None,
        }
    }
}
