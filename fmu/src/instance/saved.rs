//! Saved states: everything that a host may keep of an instance and go back to.

use super::{Instance, Phase};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::model::{Kind, ModelMemory};
use crate::variable::{Causality, Store, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that a host may save and restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    kind: Kind,
    phase: Phase,
    clock: Clock,
    values: Vec<Value>,
    memory: ModelMemory,
    #[serde(default)]
    refused: BTreeMap<u32, String>,
}

impl Instance {
    /// Everything that [`Instance::restore`] needs.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            kind: self.kind,
            phase: self.phase,
            clock: self.clock,
            values: self.store.values().to_vec(),
            memory: self.model.memory(),
            refused: self.refused.clone(),
        }
    }

    /// Goes back to a saved state, of this or of another instance of the model.
    ///
    /// # Errors
    /// The state is of another model, or its files are gone.
    pub fn restore(&mut self, state: &State) -> Result<(), Fault> {
        let same_parameters =
            !self.is_dirty && parameters(&self.store, self.store.values()).eq(parameters(&self.store, &state.values));
        let fits = state.kind == self.kind && self.store.replace(state.values.clone());
        if !fits {
            return Err(Fault::error("the saved state is of another model or version"));
        }
        let needs_model = matches!(state.phase, Phase::Stepping | Phase::Terminated | Phase::Failed);
        self.is_dirty = !(same_parameters && needs_model);
        if needs_model && !same_parameters {
            self.clock = state.clock;
            // A state that failed to initialise has nothing to load.
            let loaded = self.initialise();
            if state.phase != Phase::Failed {
                loaded?;
            }
            self.store.replace(state.values.clone());
        }
        (self.clock, self.phase, self.refused) = (state.clock, state.phase, state.refused.clone());
        let restored = self.model.restore(state.memory.clone());
        if restored { Ok(()) } else { Err(Fault::error("the saved state is of another model")) }
    }

    /// A state as bytes.
    ///
    /// # Errors
    /// Never in practice.
    pub fn serialize(state: &State) -> Result<Vec<u8>, Fault> {
        serde_json::to_vec(state).map_err(|error| Fault::error(format!("cannot serialize the state: {error}")))
    }

    /// A state from bytes.
    ///
    /// # Errors
    /// They are not a state.
    pub fn deserialize(bytes: &[u8]) -> Result<State, Fault> {
        serde_json::from_slice(bytes).map_err(|error| Fault::error(format!("not a serialized state: {error}")))
    }
}

fn parameters<'a>(store: &'a Store, values: &'a [Value]) -> impl Iterator<Item = &'a Value> {
    let pairs = store.rows().iter().zip(values);
    pairs.filter(|(row, _)| row.causality == Causality::Parameter).map(|(_, value)| value)
}
