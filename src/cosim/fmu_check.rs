//! `gateway fmu check`: unpack, read, load, initialize and step an FMU once.

use super::error::CosimError;
use super::fmu_host::{Content, ForeignFmu, Watch, guarded};
use memg_fmu::describe::Fmi;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What a check found; an FMU that fails gives an error instead.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckReport {
    /// Its model name.
    pub model_name: String,
    /// Version of the standard.
    pub fmi: Fmi,
    /// Variables by causality, in the order input, output, parameter, other.
    pub variables: [usize; 4],
    /// Step that was taken, s.
    pub step_s: f64,
    /// Outputs whose value is not a finite number after that step.
    pub not_finite: Vec<String>,
    /// What the FMU wrote to its log.
    pub log: Vec<String>,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.fmi {
            Fmi::Two => "2.0",
            Fmi::Three => "3.0",
        };
        let [inputs, outputs, parameters, others] = self.variables;
        writeln!(f, "{}: FMI {version}, co-simulation", self.model_name)?;
        writeln!(f, "{inputs} inputs, {outputs} outputs, {parameters} parameters, {others} other variables")?;
        write!(f, "initialized, and stepped by {} s", self.step_s)?;
        for name in &self.not_finite {
            write!(f, "\nwarning: {name} is not a finite number after the first step")?;
        }
        for line in &self.log {
            write!(f, "\nlog: {line}")?;
        }
        Ok(())
    }
}

/// Checks an FMU. Its code runs in this process; each call of it may take `patience`.
///
/// # Errors
/// The first thing that is wrong.
pub fn fmu_check(path: &Path, patience: Duration) -> Result<CheckReport, CosimError> {
    let fmu = ForeignFmu::open(path)?;
    let folder = fmu.folder().to_owned();
    let done = guarded(path, patience, move |watch| check(&fmu, watch));
    if matches!(done, Err(CosimError::Hung { .. })) {
        ForeignFmu::abandon(&folder);
    }
    done
}

fn check(fmu: &ForeignFmu, watch: &Watch) -> Result<CheckReport, CosimError> {
    let description = &fmu.description;
    let step_s = description.step_size.unwrap_or(900.0);
    watch.enter("instantiate");
    let mut slave = fmu.instantiate("check")?;
    watch.enter("initialization");
    slave.enter_initialization(0.0, step_s)?;
    slave.exit_initialization()?;
    watch.enter("doStep at 0 s");
    slave.step(0.0, step_s)?;
    watch.enter("reading the outputs");
    let mut not_finite = Vec::new();
    let mut variables = [0; 4];
    for variable in &description.variables {
        let group = ["input", "output", "parameter"].iter().position(|name| *name == variable.causality);
        if let Some(count) = variables.get_mut(group.unwrap_or(3)) {
            *count += 1;
        }
        let Content::Number(kind) = variable.content else { continue };
        if variable.causality != "output" {
            continue;
        }
        let value = slave.number(kind, variable.reference).map_err(CosimError::at(&variable.name))?;
        if !value.is_finite() {
            not_finite.push(variable.name.clone());
        }
    }
    watch.enter("terminate");
    slave.terminate()?;
    let log = slave.log_lines();
    let (model_name, fmi) = (description.model_name.clone(), description.fmi);
    Ok(CheckReport { model_name, fmi, variables, step_s, not_finite, log })
}
