//! Decides a cycle and journals it, and says what a cycle is that could not be journaled.
//!
//! Replay needs every record to follow on the state that the line before it left. Where that would not hold, a header with
//! the state *before* the cycle comes first: in a new file, and after a write that failed. The same header also comes every
//! hour and every 16 MiB, because a restart reads back to the last one and no further than 64 MiB.
//!
//! A set-point that is not in the journal could never be explained: it is not sent. See [`cycle`].

use super::chain::Head;
use super::cycle::{Chain, ControlConfig, ControlState, CycleDecision, CycleInput, Fault, decide, measured};
use super::following::Following;
use super::journal::{Header, Journal, Record};
use memg_core::command::{Command, CommandAnswer, CommandBody, Outcome};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// So often the journal says where control stands, ms of plant time.
const STATE_EVERY_MS: i64 = 3_600_000;
/// And after so many bytes: early cycles write more of them in an hour.
const STATE_EVERY_BYTES: u64 = 16 << 20;

/// What a command is told that came in a cycle that nobody will ever know of.
pub const UNWRITTEN: &str = "the journal cannot be written";

/// A journal and where its last header stands.
#[derive(Debug)]
pub struct Recorder {
    journal: Journal,
    header: Header,
    /// The last header, if the lines behind it lead to the present state.
    stated: Option<Stated>,
    error: Option<String>,
}

/// When a header was written, and where it ends.
#[derive(Debug, Clone, Copy)]
struct Stated {
    uptime_ms: i64,
    bytes: u64,
}

impl Recorder {
    /// Begins a run.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn begin(mut journal: Journal, header: Header) -> io::Result<Self> {
        journal.begin(&header)?;
        let stated = Some(Stated { uptime_ms: 0, bytes: journal.bytes() });
        Ok(Self { journal, header, stated, error: None })
    }

    /// Why the last cycle could not be written, if it could not.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// See [`Journal::handles`].
    ///
    /// # Errors
    /// The system's own.
    pub fn handles(&mut self) -> io::Result<Vec<File>> {
        self.journal.handles()
    }

    /// See [`Journal::head`].
    #[must_use]
    pub fn head(&self) -> Option<(Head, PathBuf)> {
        self.journal.head()
    }

    fn write(&mut self, before: &ControlState, record: &Record<'_>) -> io::Result<()> {
        let stated = self.state_if_due(before, record.input.uptime_ms);
        let written = stated.and_then(|()| self.journal.write(record));
        self.error = written.as_ref().err().map(ToString::to_string);
        if written.is_err() {
            self.stated = None;
        }
        written
    }

    fn state_if_due(&mut self, before: &ControlState, uptime_ms: i64) -> io::Result<()> {
        let (bytes, full) = (self.journal.bytes(), self.journal.is_full());
        let near = |stated: &Stated| {
            uptime_ms.saturating_sub(stated.uptime_ms) < STATE_EVERY_MS
                && bytes.saturating_sub(stated.bytes) < STATE_EVERY_BYTES
        };
        if !full && self.stated.as_ref().is_some_and(near) {
            return Ok(());
        }
        (self.header.continued, self.header.state) = (true, before.clone());
        if full {
            self.journal.rotate(&self.header)?
        } else {
            self.journal.begin(&self.header)?
        }
        self.stated = Some(Stated { uptime_ms, bytes: self.journal.bytes() });
        Ok(())
    }
}

/// One cycle with its record, if records are wanted. Set-points may be sent if the decision says `written`.
pub fn cycle(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    chain: &mut Chain,
    recorder: Option<&mut Recorder>,
) -> CycleDecision {
    let Some(recorder) = recorder else { return decide(config, state, input, chain) };
    let before = state.clone();
    let (input, decision) = match decided(config, state, input, chain) {
        Ok(decision) => (Cow::Borrowed(input), decision),
        Err(fault) => {
            // Half of a cycle is no state to go on from.
            state.clone_from(&before);
            let stop = CycleInput { fault: Some(fault), ..input.clone() };
            let decision = decide(config, state, &stop, chain);
            (Cow::Owned(stop), decision)
        }
    };
    let input = input.as_ref();
    let record = Record { input, decision: &decision, memory: &state.memory };
    match recorder.write(&before, &record) {
        Ok(()) => decision,
        Err(error) => {
            *state = before;
            unrecorded(config, state, input, chain, &error)
        }
    }
}

/// The decision, or that deciding it panicked (a policy, most likely): a hard fault of this very cycle, which asks no policy. If
/// the safe stop panics as well the program ends, and devices fall back by themselves.
fn decided(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    chain: &mut Chain,
) -> Result<CycleDecision, Fault> {
    catch_unwind(AssertUnwindSafe(|| decide(config, state, input, chain))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
        Fault::hard(format!("control panicked: {words}")).named("driver.task")
    })
}

/// The same cycle as one of which nothing leaves: with the journal's fault, and without the commands, which a restart would
/// forget. A safe stop alone is taken: until the journal can be written nothing is sent at all, and then the stop goes on.
fn unrecorded(
    config: &ControlConfig,
    state: &mut ControlState,
    input: &CycleInput,
    chain: &mut Chain,
    error: &io::Error,
) -> CycleDecision {
    let is_stop = |command: &&Command| command.body == CommandBody::SafeStop;
    let (stops, others): (Vec<_>, Vec<_>) = input.commands.iter().partition(is_stop);
    let fault = Fault::soft(format!("{UNWRITTEN}: {error}")).named("journal.write");
    let fault = Fault::worst(input.fault.iter().cloned().chain([fault]));
    let commands = stops.into_iter().cloned().collect();
    let quiet = CycleInput { commands, fault: Some(fault), ..input.clone() };
    let cap = state.cap;
    let mut decision = decide(config, state, &quiet, chain);
    if decision.written {
        // Nobody was told anything: ramps begin at what the plant does, and no device has to follow.
        (state.memory, state.following, state.cap) = (measured(config, state, input), Following::default(), cap);
        decision.written = false;
    }
    decision.answers.extend(others.into_iter().map(rejected));
    decision
}

fn rejected(command: &Command) -> CommandAnswer {
    let (id, principal) = (command.id.clone(), command.principal.clone());
    CommandAnswer { id, principal, outcome: Outcome::Rejected { reason: UNWRITTEN.to_owned() } }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#[path = "recorder_tests.rs"]
mod tests;
