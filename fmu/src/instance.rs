//! An instance: a model with its table, its phase and its log. Everything that both standards share.
//!
//! ```text
//! Instantiated -> Initializing -> Stepping -> Terminated
//!      ^               |             |            |
//!      +---- reset ----+---- Failed <+--- reset --+        any -> Broken (a panic; only freeing remains)
//! ```

mod saved;

pub use saved::State;

use crate::clock::{Clock, INSTANTS_MAX};
use crate::fault::{Fault, Status};
use crate::limits;
use crate::log::Log;
use crate::model::{Kind, Model};
use crate::resources::Resources;
use crate::variable::{Causality, Store, Value, Variable};
use memg_core::equipment::PlantParameters;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CString;

/// At this load a step panics in builds with the feature `panic-injection`.
#[cfg(any(test, feature = "panic-injection"))]
pub const PANIC_LOAD_KW: f64 = 66.625;

/// Where in its life an instance is. See the module's diagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Parameters may be set.
    Instantiated,
    /// Parameters may be set, outputs may be read.
    Initializing,
    /// Communication steps.
    Stepping,
    /// The end; outputs may be read.
    Terminated,
    /// Initialization or a step failed; outputs may be read.
    Failed,
    /// A panic was caught.
    Broken,
}

/// An instance of a model.
pub struct Instance {
    kind: Kind,
    phase: Phase,
    store: Store,
    model: Model,
    clock: Clock,
    resources: Resources,
    log: Log,
    /// Parameters have been set since the model was initialised.
    is_dirty: bool,
    /// Inputs that are to be set again before the next step, because what they were last set to was refused, and why: a host
    /// that does not look at what a call returns must not step on values of before.
    refused: BTreeMap<u32, String>,
    /// What failed, while the phase is [`Phase::Failed`].
    failure: Option<String>,
    /// Keeps the strings alive that a host has been given.
    strings: Vec<CString>,
}

impl Instance {
    /// An instance of the model that a token names, with limits from the resources.
    ///
    /// # Errors
    /// The token is not one of this binary's models, or the limits cannot be read.
    pub fn new(token: &str, resources: Result<Resources, String>, log: Log) -> Result<Self, (Fault, Log)> {
        match Self::prepare(token, resources) {
            Ok((kind, store, resources)) => Ok(Self::fresh(kind, store, resources, log)),
            Err(fault) => Err((fault, log)),
        }
    }

    /// An instance without packed files, for masters inside this project: `plant` and `policy` are the start values of the
    /// parameters, `folder` is where relative file names begin.
    #[must_use]
    pub fn in_process(kind: Kind, plant: &PlantParameters, policy: &str, folder: Resources, log: Log) -> Self {
        Self::fresh(kind, Store::new(kind.variables(plant, policy)), folder, log)
    }

    fn fresh(kind: Kind, store: Store, resources: Resources, log: Log) -> Self {
        Self {
            kind,
            phase: Phase::Instantiated,
            clock: clock(0.0, &store),
            store,
            model: Model::new(kind),
            resources,
            log,
            is_dirty: true,
            refused: BTreeMap::new(),
            failure: None,
            strings: Vec::new(),
        }
    }

    /// The table.
    #[must_use]
    pub fn rows(&self) -> &[Variable] {
        self.store.rows()
    }

    fn prepare(token: &str, resources: Result<Resources, String>) -> Result<(Kind, Store, Resources), Fault> {
        let resources = resources.map_err(Fault::error)?;
        let (plant, policy) = packed(&resources).map_err(Fault::error)?;
        let unknown = || {
            Fault::error(format!(
                "instantiation token {token:?} is not of this binary (memg_ems {}, memg_plant {}): model description and binary are of different versions, or of another plant than resources/limits.json",
                Kind::Ems.token_for(&plant),
                Kind::Plant.token_for(&plant)
            ))
        };
        let kind = Kind::from_token(token, &plant).ok_or_else(unknown)?;
        Ok((kind, Store::new(kind.variables(&plant, &policy)), resources))
    }

    /// Its log.
    pub const fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The present communication point.
    #[must_use]
    pub const fn now(&self) -> f64 {
        self.clock.now()
    }

    /// After a panic nothing can be trusted any more.
    pub const fn set_broken(&mut self) {
        self.phase = Phase::Broken;
    }

    /// A panic was caught before.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        matches!(self.phase, Phase::Broken)
    }

    /// A value for the host.
    ///
    /// # Errors
    /// There is no such variable, or it has no value yet.
    pub fn value(&mut self, reference: u32) -> Result<&Value, Fault> {
        if self.phase == Phase::Initializing && self.is_dirty {
            self.initialise()?;
        }
        let phase = self.phase;
        let (row, value) = self.store.find(reference).ok_or_else(|| unknown(reference))?;
        if row.causality == Causality::Output && phase == Phase::Instantiated {
            return Err(Fault::error(format!("{} has no value before initialization", row.name)));
        }
        Ok(value)
    }

    /// The row of a reference.
    ///
    /// # Errors
    /// There is no such variable.
    pub fn row(&self, reference: u32) -> Result<&Variable, Fault> {
        self.store.find(reference).map(|(row, _)| row).ok_or_else(|| unknown(reference))
    }

    /// Takes the values of one call of the host: all of them or none.
    ///
    /// # Errors
    /// There is no such variable, or it has another type or may not be set now. A value that an input cannot have is refused
    /// ([`Status::Discard`]); then all of them have to be set before the next step.
    pub fn assign(&mut self, values: Vec<(u32, Value)>) -> Result<(), Fault> {
        let references: Vec<u32> = values.iter().map(|(reference, _)| *reference).collect();
        let admitted: Result<Vec<_>, Fault> =
            values.into_iter().map(|(r, value)| Ok((r, self.admit(r, value)?))).collect();
        let admitted = admitted.inspect_err(|fault| self.refuse(&references, fault))?;
        for (reference, value) in admitted {
            self.refused.remove(&reference);
            self.is_dirty |= self.row(reference).is_ok_and(|row| row.causality == Causality::Parameter);
            self.store.put(reference, value);
        }
        Ok(())
    }

    fn admit(&self, reference: u32, value: Value) -> Result<Value, Fault> {
        let phase = self.phase;
        let row = self.row(reference)?;
        if row.start.type_name() != value.type_name() {
            return Err(wrong_type(row, value.type_name()));
        }
        let before = matches!(phase, Phase::Instantiated | Phase::Initializing);
        match row.causality {
            Causality::Input if before || phase == Phase::Stepping => {
                self.model.admit(row, value).map_err(Fault::refused)
            }
            Causality::Parameter if before => Ok(value),
            causality => Err(Fault::error(format!("{} ({causality:?}) cannot be set while {phase:?}", row.name))),
        }
    }

    fn refuse(&mut self, references: &[u32], fault: &Fault) {
        if fault.status == Status::Discard {
            self.refused.extend(references.iter().map(|reference| (*reference, fault.message.clone())));
        }
    }

    /// Strings that stay valid until the next call.
    pub const fn strings(&mut self) -> &mut Vec<CString> {
        &mut self.strings
    }

    /// The experiment's start.
    ///
    /// # Errors
    /// Not a time, or not before initialization.
    pub fn set_up(&mut self, start: f64) -> Result<(), Fault> {
        self.expect(&[Phase::Instantiated], "the experiment can be set up before initialization only")?;
        if !start.is_finite() {
            return Err(Fault::error(format!("startTime: expected a finite number, found {start}")));
        }
        self.clock = clock(start, &self.store);
        Ok(())
    }

    /// Initialization begins.
    ///
    /// # Errors
    /// It has begun before.
    pub fn enter_initialization(&mut self) -> Result<(), Fault> {
        self.expect(&[Phase::Instantiated], "initialization begins once, after instantiation or reset")?;
        self.phase = Phase::Initializing;
        self.is_dirty = true;
        Ok(())
    }

    /// Initialization ends: parameters are checked and files loaded.
    ///
    /// # Errors
    /// What is wrong, by name; the instance must then be reset.
    pub fn exit_initialization(&mut self) -> Result<(), Fault> {
        self.expect(&[Phase::Initializing], "initialization has not begun")?;
        self.initialise()?;
        self.phase = Phase::Stepping;
        Ok(())
    }

    fn initialise(&mut self) -> Result<(), Fault> {
        let result = self.try_initialise();
        self.is_dirty = result.is_err();
        result.inspect_err(|fault| self.fail(fault))
    }

    fn try_initialise(&mut self) -> Result<(), Fault> {
        finite_parameters(&self.store)?;
        // The clock's period is a parameter.
        self.clock = clock(self.clock.now(), &self.store);
        self.model.initialise(&mut self.store, &self.resources, &self.clock)
    }

    /// One communication step.
    ///
    /// # Errors
    /// What is wrong, by name; the instance must then be reset, unless it is an input: then the step may be asked for again.
    pub fn step(&mut self, from: f64, size: f64) -> Result<Status, Fault> {
        self.expect(&[Phase::Stepping], "a step needs an initialized instance that has not failed")?;
        let result = self.try_step(from, size);
        result.inspect_err(|fault| {
            if fault.status != Status::Discard {
                self.fail(fault);
            }
        })
    }

    /// The standards want a reset before anything else; until then every refusal says what it was.
    fn fail(&mut self, fault: &Fault) {
        (self.phase, self.failure) = (Phase::Failed, Some(fault.message.clone()));
    }

    fn try_step(&mut self, from: f64, size: f64) -> Result<Status, Fault> {
        if !self.clock.is_now(from) {
            let now = self.clock.now();
            return Err(Fault::error(format!("currentCommunicationPoint: expected {now}, found {from}")));
        }
        // Inputs hold within a communication step: a second decision would rest on the first one's measurements, and at
        // 3600 s the state of charge left its band with status ok.
        let longest = if self.kind == Kind::Ems { 1.0 } else { INSTANTS_MAX };
        self.clock.check_step(size, longest).map_err(Fault::error)?;
        self.check_inputs()?;
        #[cfg(any(test, feature = "panic-injection"))]
        inject_panic(&self.store);
        let warning = self.model.advance(&mut self.store, &mut self.clock, from + size)?;
        Ok(warning.map_or(Status::Ok, |message| {
            self.log.write(Status::Warning, &message);
            Status::Warning
        }))
    }

    /// Nothing is decided on what was refused, nor on what does not fit the parameters: those may have been set later.
    fn check_inputs(&self) -> Result<(), Fault> {
        let named = |reference: u32| self.row(reference).map_or("", |row| &row.name);
        if let Some((reference, why)) = self.refused.first_key_value() {
            let name = named(*reference);
            return Err(Fault::refused(format!("{name} has to be set again, because a value was refused: {why}")));
        }
        self.model.check_inputs(&self.store).map_err(Fault::refused)
    }

    /// The simulation ends.
    ///
    /// # Errors
    /// It has not begun.
    pub fn terminate(&mut self) -> Result<(), Fault> {
        self.expect(&[Phase::Stepping, Phase::Failed], "only a running simulation can be terminated")?;
        self.phase = Phase::Terminated;
        Ok(())
    }

    /// Back to just after instantiation.
    pub fn reset(&mut self) {
        self.store.reset();
        self.model = Model::new(self.kind);
        self.refused.clear();
        self.clock = clock(0.0, &self.store);
        self.phase = Phase::Instantiated;
        self.is_dirty = true;
    }

    fn expect(&self, phases: &[Phase], what: &str) -> Result<(), Fault> {
        if phases.contains(&self.phase) {
            return Ok(());
        }
        let failure = self.failure.as_ref().filter(|_| self.phase == Phase::Failed);
        let why = failure.map_or(String::new(), |failure| format!(" until it is reset, because of {failure:?}"));
        Err(Fault::error(format!("{what}; the instance is {:?}{why}", self.phase)))
    }
}

/// Limits and default policy as packed.
fn packed(resources: &Resources) -> Result<(PlantParameters, String), String> {
    let bytes = resources.read("limits.json")?;
    let plant: PlantParameters = serde_json::from_slice(&bytes).map_err(|e| format!("resources/limits.json: {e}"))?;
    let policy = String::from_utf8(resources.read("policy.txt")?).map_err(|_| "resources/policy.txt is not text")?;
    Ok((plant, policy.trim().to_owned()))
}

fn clock(start: f64, store: &Store) -> Clock {
    Clock::new(start, store.real(limits::SAMPLE_TIME))
}

fn finite_parameters(store: &Store) -> Result<(), Fault> {
    store.not_finite(Causality::Parameter).map_or(Ok(()), |(row, value)| {
        Err(Fault::error(format!("{}: expected a finite number, found {value}", row.name)))
    })
}

fn unknown(reference: u32) -> Fault {
    Fault::error(format!("there is no variable with the reference {reference}"))
}

/// The message for a variable that is asked for as another type than it has.
#[must_use]
pub fn wrong_type(row: &Variable, asked: &str) -> Fault {
    Fault::error(format!("{} is a {}, not a {asked}", row.name, row.start.type_name()))
}

#[cfg(any(test, feature = "panic-injection"))]
fn inject_panic(store: &Store) {
    let load = store.rows().iter().find(|row| row.name == "p_load").map(|row| store.real(row.reference));
    assert!(load != Some(PANIC_LOAD_KW), "injected panic: 100 % deliberate #");
}
