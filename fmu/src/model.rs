//! The closed set of models, and what tells them apart.

use crate::clock::Clock;
use crate::ems::{self, Ems};
use crate::fault::Fault;
use crate::plant::{self, PlantModel};
use crate::resources::Resources;
use crate::variable::{Causality, Store, Value, Variable};
use memg_core::decide::StepMemory;
use memg_core::equipment::PlantParameters;
use memg_core::plant_state::Range;
use serde::{Deserialize, Serialize};

/// Which model an FMU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The controller.
    Ems,
    /// The plant.
    Plant,
}

impl Kind {
    /// Controller and plant.
    pub const ALL: [Self; 2] = [Self::Ems, Self::Plant];

    /// Model name and model identifier; the binary inside the FMU has this file name.
    #[must_use]
    pub const fn identifier(self) -> &'static str {
        match self {
            Self::Ems => "memg_ems",
            Self::Plant => "memg_plant",
        }
    }

    /// What it is, for the model description.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Ems => "Energy management of a multi-energy microgrid: a policy behind a safety filter",
            Self::Plant => {
                "A multi-energy microgrid with battery, CHP, boiler and grid connection, driven by a profile"
            }
        }
    }

    /// The variables of a plant. `policy` is the start value of the controller's parameter of that name.
    #[must_use]
    pub fn variables(self, plant: &PlantParameters, policy: &str) -> Vec<Variable> {
        match self {
            Self::Ems => ems::rows(plant, policy),
            Self::Plant => plant::rows(plant),
        }
    }

    /// What is physically possible for an input of the controller; a plant's parameters may be narrower.
    #[must_use]
    pub fn possible(self, row: &Variable) -> Option<Range> {
        let judged = self == Self::Ems && row.causality == Causality::Input;
        judged.then(|| ems::possible(row.reference)).flatten().filter(|_| matches!(row.start, Value::Real(_)))
    }

    /// The GUID of FMI 2.0 and instantiation token of FMI 3.0. It changes with the table: a binary refuses a model
    /// description made from another one, and tells from it which model it is. Plants of as many batteries and CHPs have
    /// the same.
    #[must_use]
    pub fn token(self, variables: &[Variable]) -> String {
        // FNV-1a; nothing secret here.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |text: &str| {
            for byte in text.bytes().chain([0]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(self.identifier());
        for row in variables {
            add(&row.reference.to_string());
            add(&row.name);
            add(row.start.type_name());
            add(row.unit.map_or("", crate::variable::Unit::name));
        }
        let (a, b, c) = (hash >> 32, (hash >> 16) & 0xffff, hash & 0xffff);
        format!("{{{a:08x}-{b:04x}-{c:04x}-6d65-6d672d666d75}}")
    }

    /// The token for a plant.
    #[must_use]
    pub fn token_for(self, plant: &PlantParameters) -> String {
        self.token(&self.variables(plant, ""))
    }

    /// The model of a token, for a plant.
    #[must_use]
    pub fn from_token(token: &str, plant: &PlantParameters) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.token_for(plant) == token)
    }
}

/// What a model remembers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ModelMemory {
    /// The controller's.
    Ems(Box<StepMemory>),
    /// The plant's.
    Plant(plant::PlantMemory),
}

/// A model of either kind.
pub enum Model {
    /// The controller.
    Ems(Box<Ems>),
    /// The plant.
    Plant(Box<PlantModel>),
}

impl Model {
    /// A model before initialization.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Ems => Self::Ems(Box::default()),
            Kind::Plant => Self::Plant(Box::default()),
        }
    }

    /// Reads parameters and files.
    ///
    /// # Errors
    /// What is wrong, by name.
    pub fn initialise(&mut self, store: &mut Store, resources: &Resources, clock: &Clock) -> Result<(), Fault> {
        match self {
            Self::Ems(ems) => ems.initialise(store, resources),
            Self::Plant(plant) => plant.initialise(store, resources, clock),
        }
    }

    /// A value for an input, as it is taken.
    ///
    /// # Errors
    /// Its name, what was expected and what was found.
    pub fn admit(&self, row: &Variable, value: Value) -> Result<Value, String> {
        match (self, &value) {
            (Self::Ems(ems), _) => ems.admit(row, value),
            (Self::Plant(_), Value::Real(number)) => finite(row, *number).map(Value::Real),
            (Self::Plant(_), _) => Ok(value),
        }
    }

    /// Whether a step can be made on the present inputs.
    ///
    /// # Errors
    /// The first that does not fit, by name.
    pub fn check_inputs(&self, store: &Store) -> Result<(), String> {
        // Texts do not depend on parameters: they were read when they were set.
        let is_judged = |row: &Variable| row.causality == Causality::Input && row.is_number();
        let mut inputs = store.rows().iter().zip(store.values()).filter(|(row, _)| is_judged(row));
        inputs.try_for_each(|(row, value)| self.admit(row, value.clone()).map(drop))
    }

    /// Moves to `until`; `Some` is a warning.
    ///
    /// # Errors
    /// What is wrong, by name.
    pub fn advance(&mut self, store: &mut Store, clock: &mut Clock, until: f64) -> Result<Option<String>, Fault> {
        let warning = match self {
            Self::Ems(ems) => ems.advance(store, clock, until)?,
            Self::Plant(plant) => plant.advance(store, clock, until).map(|()| None)?,
        };
        clock.set_now(until);
        Ok(warning)
    }

    /// What it remembers.
    #[must_use]
    pub fn memory(&self) -> ModelMemory {
        match self {
            Self::Ems(ems) => ModelMemory::Ems(Box::new(ems.memory())),
            Self::Plant(plant) => ModelMemory::Plant(plant.memory()),
        }
    }

    /// Replaces what it remembers; false if the memory is another model's.
    pub fn restore(&mut self, memory: ModelMemory) -> bool {
        match (self, memory) {
            (Self::Ems(ems), ModelMemory::Ems(memory)) => ems.restore(*memory),
            (Self::Plant(plant), ModelMemory::Plant(memory)) => plant.restore(memory),
            _ => return false,
        }
        true
    }
}

/// A number of an input without bounds.
pub(crate) fn finite(row: &Variable, number: f64) -> Result<f64, String> {
    let is_one = number.is_finite().then_some(number);
    is_one.ok_or_else(|| format!("{}: expected a finite number, found {number}", row.name))
}
