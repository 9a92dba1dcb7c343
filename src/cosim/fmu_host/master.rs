//! The master loop of `gateway cosim`: a foreign FMU as the plant, the controller inside.
//!
//! Per step: plant outputs at `t` -> controller decides -> set-points -> plant lives `[t, t + dt]`. The controller acts on
//! measurements of the same instant, as it does live; there is no step of delay.

use super::super::error::CosimError;
use super::super::unit::{Unit, UnitOptions};
use super::map::{MapFile, Setting, Wiring};
use super::{ForeignFmu, Link, Watch, guarded};
use memg_fmu::variable::Causality;
use memg_fmu_host::Slave;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A co-simulation with a foreign plant.
#[derive(Debug, Clone)]
pub struct CosimOptions {
    /// The plant's .fmu file.
    pub fmu: PathBuf,
    /// Map of names; variables of equal name need none.
    pub map: Option<PathBuf>,
    /// Simulated time, s.
    pub duration_s: f64,
    /// Trace, one row a step.
    pub trace: Option<PathBuf>,
    /// The controller's plant limits, policy and local time at time 0.
    pub controller: UnitOptions,
    /// How long one call into the plant may take, wall clock.
    pub patience: Duration,
}

/// What a foreign plant was put through.
#[derive(Debug, Clone, PartialEq)]
pub struct PlantRun {
    /// The plant's model name.
    pub plant: String,
    /// Steps of the controller that the plant lived through.
    pub steps: u64,
    /// Steps in which the safety filter changed the request.
    pub interventions: u64,
    /// Steps of safe stop.
    pub safe_stops: u64,
}

/// Runs the simulation. The plant runs in a thread of its own, so that one that hangs ends with an error.
///
/// # Errors
/// The file, variable or FMU function that is wrong.
pub fn cosim(options: &CosimOptions) -> Result<PlantRun, CosimError> {
    let fmu = ForeignFmu::open(&options.fmu)?;
    let (folder, own) = (fmu.folder().to_owned(), options.clone());
    let done = guarded(&options.fmu, options.patience, move |watch| simulate(&own, fmu, watch));
    if matches!(done, Err(CosimError::Hung { .. })) {
        ForeignFmu::abandon(&folder);
    }
    done
}

fn simulate(options: &CosimOptions, fmu: ForeignFmu, watch: &Watch) -> Result<PlantRun, CosimError> {
    let step_s = options.controller.plant.step_h * 3600.0;
    let steps = step_count(options.duration_s, step_s)?;
    let map = options.map.as_deref().map_or(Ok(MapFile::default()), read_map)?;
    let mut controller = Unit::controller(&options.controller)?;
    let wiring = Wiring::new(&map, &fmu.description, controller.rows())?;
    let mut trace = options.trace.as_deref().map(|path| Trace::create(path, &controller)).transpose()?;
    controller.initialize()?;
    for (name, value) in &wiring.constants {
        controller.set_number(name, *value)?;
    }
    let mut plant = initialized(&fmu, &wiring, options.duration_s, watch)?;
    let mut summary = PlantRun { plant: fmu.description.model_name.clone(), steps, interventions: 0, safe_stops: 0 };
    for k in 0..steps {
        let time = k as f64 * step_s;
        watch.enter(format!("an exchange of values at {time} s"));
        exchange(&mut plant, &mut controller, &wiring, step_s)?;
        summary.count(&mut controller)?;
        // Before the plant lives through the step: what it does not come back from is there too.
        if let Some(trace) = &mut trace {
            trace.row(time, &mut controller)?;
        }
        watch.enter(format!("doStep at {time} s"));
        plant.step(time, step_s)?;
    }
    watch.enter("terminate");
    plant.terminate()?;
    Ok(summary)
}

impl PlantRun {
    fn count(&mut self, controller: &mut Unit) -> Result<(), CosimError> {
        self.interventions += u64::from(controller.number("safety_active")? > 0.5);
        self.safe_stops += u64::from(controller.number("status")? > 3.5);
        Ok(())
    }
}

/// At most ten million steps: about 285 years at 15 minutes, and no endless run by a slip of the pen.
fn step_count(duration_s: f64, step_s: f64) -> Result<u64, CosimError> {
    let steps = (duration_s / step_s).round();
    if (1.0..=1e7).contains(&steps) {
        return Ok(steps as u64);
    }
    Err(CosimError::Controller(format!("duration: expected 1 to 10000000 steps of {step_s} s, found {duration_s} s")))
}

fn read_map(path: &Path) -> Result<MapFile, CosimError> {
    let text = std::fs::read_to_string(path).map_err(|error| CosimError::file(path, &error))?;
    toml::from_str(&text).map_err(|error| CosimError::file(path, &error))
}

fn initialized(fmu: &ForeignFmu, wiring: &Wiring, stop: f64, watch: &Watch) -> Result<Slave, CosimError> {
    watch.enter("instantiate");
    let mut plant = fmu.instantiate("plant")?;
    for (name, setting) in &wiring.settings {
        watch.enter(format!("setting {name}"));
        let set = match setting {
            Setting::Number(kind, reference, value) => plant.set_number(*kind, *reference, *value),
            Setting::Text(reference, value) => plant.set_text(*reference, value),
        };
        set.map_err(CosimError::at(name))?;
    }
    watch.enter("initialization");
    plant.enter_initialization(0.0, stop)?;
    plant.exit_initialization()?;
    Ok(plant)
}

fn exchange(plant: &mut Slave, controller: &mut Unit, wiring: &Wiring, step_s: f64) -> Result<(), CosimError> {
    for link in &wiring.measurements {
        let raw = plant.number(link.kind, link.reference).map_err(CosimError::at(&link.plant))?;
        let value = link.scale * raw + link.offset;
        controller.set_number(&link.controller, value).map_err(|error| from_plant(&error, link))?;
    }
    controller.step(step_s)?;
    for link in &wiring.set_points {
        let value = controller.number(&link.controller)?;
        let set = plant.set_number(link.kind, link.reference, link.scale * value + link.offset);
        set.map_err(CosimError::at(&link.plant))?;
    }
    Ok(())
}

fn from_plant(error: &CosimError, link: &Link) -> CosimError {
    CosimError::Controller(format!("{error} (from the plant's {})", link.plant))
}

/// The CSV trace: time, the controller's inputs and outputs. Every row is in the file when it is written: foreign code
/// may hang or take the process along at any time.
struct Trace {
    path: PathBuf,
    out: File,
    columns: Vec<String>,
}

impl Trace {
    fn create(path: &Path, controller: &Unit) -> Result<Self, CosimError> {
        let numbers =
            |causality| controller.rows().iter().filter(move |row| row.causality == causality && row.is_number());
        let columns =
            numbers(Causality::Input).chain(numbers(Causality::Output)).map(|row| row.name.to_string()).collect();
        let file = File::create(path).map_err(|error| CosimError::file(path, &error))?;
        let mut trace = Self { path: path.to_owned(), out: file, columns };
        let header = format!("time_s,{}", trace.columns.join(","));
        trace.line(&header)?;
        Ok(trace)
    }

    fn line(&mut self, line: &str) -> Result<(), CosimError> {
        self.out.write_all(format!("{line}\n").as_bytes()).map_err(|error| CosimError::file(&self.path, &error))
    }

    fn row(&mut self, time: f64, controller: &mut Unit) -> Result<(), CosimError> {
        let mut line = time.to_string();
        for name in self.columns.clone() {
            line += &format!(",{}", controller.number(&name)?);
        }
        self.line(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::equipment::PlantParameters;

    #[test]
    fn a_row_of_the_trace_is_in_the_file_before_the_next_call_into_the_plant() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.csv");
        let plant = PlantParameters::reference();
        let options = UnitOptions { plant, policy: "rule".to_owned(), weights: None, hour_start: 0.0 };
        let mut controller = Unit::controller(&options).unwrap();
        let mut trace = Trace::create(&path, &controller).unwrap();
        controller.initialize().unwrap();
        for (rows, time) in [(2, 0.0), (3, 900.0)] {
            trace.row(time, &mut controller).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == rows, "{text}");
        }
    }
}
