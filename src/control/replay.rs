//! Replay: decides every recorded cycle again and compares text for text.

use super::cycle::{Chain, ControlConfig, ControlState, decide};
use super::journal::{Entry, Header, JournalError, Reader, Record};
use super::mode::Mode;
use memg_core::equipment::Problem;
use memg_core::safety::SafetyFilter;
use serde_json::Value;
use std::path::Path;

/// What a replay found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Replayed {
    /// Runs in the journal.
    pub runs: usize,
    /// Cycles decided again, all identical.
    pub cycles: usize,
    /// Of these, cycles whose set-points were written.
    pub written: usize,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plant of the header is not valid.
    #[error("the plant in the journal is not valid: {0:?}")]
    Plant(Vec<Problem>),
    /// The model of the header cannot be loaded, or is another one.
    #[error("{0}")]
    Model(String),
    /// A cycle before any header.
    #[error("line {line}: a cycle without a header before it")]
    NoHeader {
        /// Line in the journal.
        line: usize,
    },
    /// A cycle decided otherwise.
    #[error("cycle {cycle} (line {line}) differs at {key}: recorded {recorded}, decided {decided}")]
    Differs {
        /// The cycle's number in its run.
        cycle: u64,
        /// Line in the journal.
        line: usize,
        /// First key that differs.
        key: String,
        /// What the journal says.
        recorded: String,
        /// What was decided now.
        decided: String,
    },
}

/// Decides a whole journal again. `load` makes the policy chain that a header names.
///
/// # Errors
/// The first difference, or whatever keeps it from being found.
pub fn replay(path: &Path, mut load: impl FnMut(&Header) -> Result<Chain, String>) -> Result<Replayed, ReplayError> {
    let mut reader = Reader::open(path)?;
    let mut run: Option<Run> = None;
    let mut found = Replayed { runs: 0, cycles: 0, written: 0 };
    while let Some(entry) = reader.next() {
        let entry = match entry {
            // What a killed gateway could not finish was never sent either.
            Err(JournalError::Torn { .. }) => break,
            entry => entry?,
        };
        match entry {
            Entry::Header(header) => {
                run = Some(begin(&header, &mut load)?);
                found.runs += usize::from(!header.continued || found.runs == 0);
            }
            Entry::Cycle(record, text) => {
                let line = reader.line();
                let Some((config, state, chain)) = run.as_mut() else { return Err(ReplayError::NoHeader { line }) };
                let decision = decide(config, state, &record.input, chain);
                let again = Record { input: &record.input, decision: &decision, memory: &state.memory };
                compare(line, record.input.cycle, &text, &again)?;
                found.cycles += 1;
                found.written += usize::from(decision.written && decision.mode != Mode::Init);
            }
        }
    }
    Ok(found)
}

/// What decides the cycles of a run: configuration, state, chain.
pub type Run = (ControlConfig, ControlState, Chain);

/// Configuration, state and chain of a run, with the very model that the journal was written with.
///
/// # Errors
/// The header's plant or model does not hold, or the model is another one.
pub fn begin(header: &Header, load: &mut impl FnMut(&Header) -> Result<Chain, String>) -> Result<Run, ReplayError> {
    let run = begin_with_any_model(header, load)?;
    other_model(header, &run.2).map_or(Ok(run), |message| Err(ReplayError::Model(message)))
}

/// Says so if the model is not the one that the journal was written with.
#[must_use]
pub fn other_model(header: &Header, chain: &Chain) -> Option<String> {
    let (was, now) = (&header.model, &chain.model);
    (was != now).then(|| format!("the journal was written with model {was}, {} is now {now}", header.policy))
}

/// Configuration, state and chain of a run, whatever its model is by now.
///
/// # Errors
/// The header's plant does not hold, or its model cannot be loaded.
pub fn begin_with_any_model(
    header: &Header,
    load: &mut impl FnMut(&Header) -> Result<Chain, String>,
) -> Result<Run, ReplayError> {
    let plant = header.believed().map_err(ReplayError::Plant)?;
    let config = ControlConfig {
        filter: SafetyFilter::new(plant),
        times: header.times,
        simulated: header.simulated,
        cycle_ms: header.cycle_ms,
        stand_in_ms: header.stand_in_ms,
        response_ms: header.response_ms,
        chp_response_ms: header.chp_response_ms,
        substitutes: header.substitutes.clone(),
        grid_limit: header.grid_limit,
    };
    Ok((config, header.state.clone(), load(header).map_err(ReplayError::Model)?))
}

fn compare(line: usize, cycle: u64, recorded: &str, again: &Record<'_>) -> Result<(), ReplayError> {
    let decided = serde_json::to_string(again).map_err(|e| ReplayError::Model(e.to_string()))?;
    if decided == recorded {
        return Ok(());
    }
    let value = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let (key, recorded, decided) = first_difference("", &value(recorded), &value(&decided));
    Err(ReplayError::Differs { cycle, line, key, recorded, decided })
}

fn first_difference(key: &str, a: &Value, b: &Value) -> (String, String, String) {
    let nothing = Value::Null;
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        let keys = a.keys().chain(b.keys());
        let differing = keys.filter(|name| a.get(*name) != b.get(*name)).min();
        if let Some(name) = differing {
            let inner = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            return first_difference(&inner, a.get(name).unwrap_or(&nothing), b.get(name).unwrap_or(&nothing));
        }
    }
    (key.to_owned(), a.to_string(), b.to_string())
}
