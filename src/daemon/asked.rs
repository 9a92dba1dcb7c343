//! Commands whose senders wait for what becomes of them.

use memg_core::command::{Command, CommandAnswer, Outcome};
use tokio::sync::oneshot;

/// Those of the present cycle: principal, id, the way back.
#[derive(Debug, Default)]
pub(super) struct Asked(Vec<(String, String, oneshot::Sender<Outcome>)>);

impl Asked {
    /// One more.
    pub fn wait(&mut self, command: &Command, answer: oneshot::Sender<Outcome>) {
        self.0.push((command.principal.clone(), command.id.clone(), answer));
    }

    /// Answers all of them; one that was not judged is dropped, which says so.
    pub fn answer(&mut self, answers: &[CommandAnswer]) {
        for (principal, id, waiting) in self.0.drain(..) {
            if let Some(answer) = answers.iter().find(|answer| answer.id == id && answer.principal == principal) {
                let _ = waiting.send(answer.outcome.clone());
            }
        }
    }
}
