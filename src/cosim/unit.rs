//! Controller and plant models by name, for masters inside the gateway: the same instances as in the FMUs.

use super::error::CosimError;
use memg_core::equipment::PlantParameters;
use memg_fmu::fault::{Fault, Status};
use memg_fmu::instance::Instance;
use memg_fmu::log::Log;
use memg_fmu::model::Kind;
use memg_fmu::resources::Resources;
use memg_fmu::variable::{Causality, Value, Variable};
use std::path::PathBuf;

/// What a unit is started from.
#[derive(Debug, Clone)]
pub struct UnitOptions {
    /// Ratings and limits.
    pub plant: PlantParameters,
    /// A rule's name, or `td3` as [`super::checked_weights`] gives it with the network's tariffs.
    pub policy: String,
    /// Weights, for `td3`.
    pub weights: Option<PathBuf>,
    /// Local time of day at time 0, h.
    pub hour_start: f64,
}

/// An instance with access by name.
pub struct Unit {
    instance: Instance,
}

fn refused(fault: &Fault) -> CosimError {
    CosimError::Controller(fault.message.clone())
}

impl Unit {
    /// A controller, its parameters set, before initialization.
    ///
    /// # Errors
    /// A parameter is refused.
    pub fn controller(options: &UnitOptions) -> Result<Self, CosimError> {
        let mut unit = Self::new(Kind::Ems, options);
        unit.set("hour_start", Value::Real(options.hour_start))?;
        if let Some(weights) = &options.weights {
            unit.set("model_file", Value::Text(weights.display().to_string()))?;
        }
        Ok(unit)
    }

    /// A unit with the options' plant and policy.
    #[must_use]
    pub fn new(kind: Kind, options: &UnitOptions) -> Self {
        let sink = |status: Status, message: &str| match status {
            Status::Ok => tracing::debug!(message),
            Status::Warning => tracing::warn!(message),
            // The error itself carries the message to whoever asked.
            Status::Discard | Status::Error | Status::Fatal => {}
        };
        let here = Resources::from_path("");
        let log = Log::new(Box::new(sink), false);
        Self { instance: Instance::in_process(kind, &options.plant, &options.policy, here, log) }
    }

    /// Its variables.
    #[must_use]
    pub fn rows(&self) -> &[Variable] {
        self.instance.rows()
    }

    /// Names of its inputs or outputs.
    #[must_use]
    pub fn names(&self, causality: Causality) -> Vec<String> {
        self.rows().iter().filter(|row| row.causality == causality).map(|row| row.name.to_string()).collect()
    }

    fn row(&self, name: &str) -> Result<&Variable, CosimError> {
        let found = self.rows().iter().find(|row| row.name == name);
        found.ok_or_else(|| CosimError::Controller(format!("there is no variable {name:?}")))
    }

    /// Sets a variable.
    ///
    /// # Errors
    /// Unknown, of another type, not to be set now, or out of its range.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), CosimError> {
        let reference = self.row(name)?.reference;
        self.instance.assign(vec![(reference, value)]).map_err(|fault| refused(&fault))
    }

    /// Sets a variable from a number: a boolean is true from 0.5 upward.
    ///
    /// # Errors
    /// Unknown, a text, not a number, or not to be set now.
    pub fn set_number(&mut self, name: &str, number: f64) -> Result<(), CosimError> {
        if !number.is_finite() {
            return Err(CosimError::Controller(format!("{name}: expected a finite number, found {number}")));
        }
        let value = match self.row(name)?.start {
            Value::Real(_) => Value::Real(number),
            Value::Boolean(_) => Value::Boolean(number >= 0.5),
            Value::Integer(_) => Value::Integer(number.round() as i32),
            Value::Text(_) => return Err(CosimError::Controller(format!("{name} is a text"))),
        };
        self.set(name, value)
    }

    /// A variable's value.
    ///
    /// # Errors
    /// Unknown, or it has no value yet.
    pub fn value(&mut self, name: &str) -> Result<Value, CosimError> {
        let reference = self.row(name)?.reference;
        self.instance.value(reference).cloned().map_err(|fault| refused(&fault))
    }

    /// A variable's value as a number; a boolean is 0 or 1.
    ///
    /// # Errors
    /// Unknown, a text, or it has no value yet.
    pub fn number(&mut self, name: &str) -> Result<f64, CosimError> {
        match self.value(name)? {
            Value::Real(value) => Ok(value),
            Value::Integer(value) => Ok(f64::from(value)),
            Value::Boolean(value) => Ok(f64::from(u8::from(value))),
            Value::Text(_) => Err(CosimError::Controller(format!("{name} is a text"))),
        }
    }

    /// Initializes at time 0.
    ///
    /// # Errors
    /// A parameter or file is wrong.
    pub fn initialize(&mut self) -> Result<(), CosimError> {
        let instance = &mut self.instance;
        let done = instance.set_up(0.0).and_then(|()| instance.enter_initialization());
        done.and_then(|()| instance.exit_initialization()).map_err(|fault| refused(&fault))
    }

    /// Present time, s.
    #[must_use]
    pub const fn now(&self) -> f64 {
        self.instance.now()
    }

    /// One step.
    ///
    /// # Errors
    /// An input does not fit the parameters.
    pub fn step(&mut self, size: f64) -> Result<(), CosimError> {
        let now = self.instance.now();
        self.instance.step(now, size).map(drop).map_err(|fault| refused(&fault))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::checked_weights;
    use super::*;
    use std::path::Path;

    /// Set-points and actions (a rule's are those that would request the same) of a first step, prices in EUR/kWh.
    fn set_points(policy: &str, weights: Option<PathBuf>, import: f64, export: f64) -> [f64; 4] {
        let plant = PlantParameters::reference();
        let options = UnitOptions { plant, policy: policy.to_owned(), weights, hour_start: 0.0 };
        let mut unit = Unit::controller(&options).unwrap();
        unit.initialize().unwrap();
        let inputs = [("p_pv", 50.0), ("p_load", 20.0), ("q_heat", 30.0), ("price", import), ("price_export", export)];
        inputs.into_iter().for_each(|(name, value)| unit.set_number(name, value).unwrap());
        unit.step(900.0).unwrap();
        ["p_battery_set", "p_chp_set", "action_battery", "action_chp"].map(|name| unit.number(name).unwrap())
    }

    #[test]
    fn a_network_leaves_tariffs_that_it_was_not_trained_for_to_the_rule_as_in_the_daemon() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/actor-10d");
        let (weights, policy) = checked_weights(&model).unwrap();
        let network = |import, export| set_points(&policy, weights.clone(), import, export);
        assert_eq!(network(0.40, 0.02), set_points("rule", None, 0.40, 0.02));
        assert_ne!(network(0.15, 0.08), set_points("rule", None, 0.15, 0.08));
    }

    #[test]
    fn a_network_sees_its_inputs_over_the_divisors_that_it_was_packed_with() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/actor-10d");
        let (weights, policy) = checked_weights(&model).unwrap();
        let actions = |pv_kw: f64, divisor_kw: f64| {
            let policy = policy.replace("\"pv_kw\":60.0", &format!("\"pv_kw\":{divisor_kw}"));
            let plant = PlantParameters::reference();
            let options = UnitOptions { plant, policy, weights: weights.clone(), hour_start: 0.0 };
            let mut unit = Unit::controller(&options).unwrap();
            unit.initialize().unwrap();
            for (name, value) in [("p_pv", pv_kw), ("p_load", 40.0), ("q_heat", 30.0)] {
                unit.set_number(name, value).unwrap();
            }
            unit.step(900.0).unwrap();
            ["action_battery", "action_chp", "action_grid"].map(|name| unit.number(name).unwrap())
        };
        assert_eq!(actions(25.0, 60.0), actions(50.0, 120.0));
        assert_ne!(actions(25.0, 60.0), actions(25.0, 120.0));
    }
}
