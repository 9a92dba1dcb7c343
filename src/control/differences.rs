//! What another program or another model would have sent on what a journal recorded: the gate of an upgrade.

use super::cycle::{Chain, decide};
use super::journal::{Entry, Header, JournalError, ReadRecord, Reader};
use super::replay::{ReplayError, Run, begin_with_any_model, other_model};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// A cycle that would have ended otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The cycle's number in its run.
    pub cycle: u64,
    /// Line in the journal.
    pub line: usize,
    /// Local time at the plant, ms since 1970.
    pub plant_ms: i64,
    /// Mode, whether something was sent, and set-points, as the journal has them.
    pub recorded: Value,
    /// The same as decided now.
    pub decided: Value,
}

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Runs in the journal.
    pub runs: usize,
    /// Cycles decided again.
    pub cycles: usize,
    /// Cycles that would have ended otherwise.
    pub differing: usize,
    /// Models that are not those of the journal, in words.
    pub models: Vec<String>,
}

/// Decides every cycle of a journal on its recorded inputs and hands over each that differs in mode, set-points or whether
/// they are sent. Set-points and timers in force before a cycle are always the recorded ones: a difference does not breed
/// others by itself.
///
/// # Errors
/// The journal cannot be read, or a run's plant or model does not hold.
pub fn differences(
    path: &Path,
    mut load: impl FnMut(&Header) -> Result<Chain, String>,
    mut found: impl FnMut(&Difference),
) -> Result<Compared, ReplayError> {
    let mut reader = Reader::open(path)?;
    let (mut run, mut compared): (Option<Run>, _) = (None, Compared::default());
    while let Some(entry) = reader.next() {
        match entry {
            // What a killed gateway could not finish was never sent either.
            Err(JournalError::Torn { .. }) => break,
            Err(error) => return Err(error.into()),
            Ok(Entry::Header(header)) => run = Some(compared.begin(&header, &mut load)?),
            Ok(Entry::Cycle(record, _)) => {
                let line = reader.line();
                let run = run.as_mut().ok_or(ReplayError::NoHeader { line })?;
                compared.cycles += 1;
                if let Some(difference) = again(run, &record, line) {
                    compared.differing += 1;
                    found(&difference);
                }
            }
        }
    }
    Ok(compared)
}

impl Compared {
    fn begin(
        &mut self,
        header: &Header,
        load: &mut impl FnMut(&Header) -> Result<Chain, String>,
    ) -> Result<Run, ReplayError> {
        let run = begin_with_any_model(header, load)?;
        self.runs += usize::from(!header.continued || self.runs == 0);
        self.models.extend(other_model(header, &run.2).filter(|message| !self.models.contains(message)));
        Ok(run)
    }
}

fn again((config, state, chain): &mut Run, record: &ReadRecord, line: usize) -> Option<Difference> {
    let decision = decide(config, state, &record.input, chain);
    state.memory = record.memory;
    let (recorded, decided) = (outcome(&record.decision), outcome(&serde_json::to_value(&decision).ok()?));
    let (cycle, plant_ms) = (record.input.cycle, record.input.plant_ms);
    (recorded != decided).then_some(Difference { cycle, line, plant_ms, recorded, decided })
}

/// What reaches a plant: mode, whether something is sent, and what the filter allows.
fn outcome(decision: &Value) -> Value {
    json!({ "mode": decision["mode"], "written": decision["written"], "safe": decision["safe"] })
}
