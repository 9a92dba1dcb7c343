//! A training run: through its stages to an exported model.

pub mod checkpoint;
mod export;
mod stages;
mod state;

use crate::config::TrainConfig;
use crate::gradient::episode::Source;
use crate::gradient::risk::TrainingDays;
use crate::gradient::trainer::GradientTrainer;
use crate::metrics::{Figures, MetricsFiles};
use crate::split::Split;
use crate::td3::{self, Td3, fused};
use crate::{CHECKPOINT, MODEL, Progress, REPORT, Stage, Summary, TrainError, TrainOptions, tariff_range};
use memg_core::actor::RustActor;
use memg_core::guard::{Guarded, TariffRange};
use memg_core::policy::{ActorPolicy, Policy};
use memg_evaluate::compare::{Bound, bound};
use memg_policy::weights::{Dense, Weights, WeightsError};
use serde::{Deserialize, Serialize};
use stages::{Done, Run};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// The best actor so far.
#[derive(Debug, Clone, PartialEq)]
struct Best {
    tensors: Tensors,
    score: f64,
    updates: u64,
    stage: Stage,
}

/// An actor's tensors, `l1.weight` to `l3.bias`.
pub(crate) type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Trains.
///
/// # Errors
/// See [`TrainError`]. A run that `stop` ended is not an error: the summary says so.
pub fn run(options: &TrainOptions, sink: &mut dyn FnMut(&Progress)) -> Result<Summary, TrainError> {
    let problems = options.config.problems();
    if !problems.is_empty() {
        return Err(TrainError::Config(problems.join("\n")));
    }
    let mut run = Run::new(options)?;
    while run.stage() != Stage::Done {
        if options.stop.load(Ordering::Relaxed) {
            run.save()?;
            return Ok(run.summary(true));
        }
        run.advance()?;
        if run.looks_due() {
            run.look()?;
            run.keep_time();
            sink(&run.progress());
        }
        if run.save_due() {
            run.save()?;
        }
    }
    run.look()?;
    run.save()?;
    run.finish()
}

/// Seconds kept for the final table and the report at least.
const RESERVE_S: f64 = 45.0;

fn make_dir(dir: &Path) -> Result<(), TrainError> {
    std::fs::create_dir_all(dir).map_err(|e| TrainError::Save { path: dir.to_owned(), reason: e.to_string() })
}

/// Tensors as checked weights.
pub(crate) fn weights(schema: memg_core::observation::Schema, tensors: &Tensors) -> Result<Weights, WeightsError> {
    let of = |name: &str| {
        let found = tensors.iter().find(|(n, ..)| n == name);
        found.map_or((Vec::new(), Vec::new()), |(_, shape, data)| (shape.clone(), data.clone()))
    };
    let dense = |layer: &str| {
        let (shape, weight) = of(&format!("{layer}.weight"));
        let (_, bias) = of(&format!("{layer}.bias"));
        Dense { inputs: shape.get(1).copied().unwrap_or(0), outputs: shape.first().copied().unwrap_or(0), weight, bias }
    };
    Weights::new(schema, ["l1", "l2", "l3"].map(dense))
}

/// Tensors as a policy, with the guard that a gateway puts before it.
fn policy(
    name: &str,
    schema: memg_core::observation::Schema,
    range: Option<TariffRange>,
    tensors: &Tensors,
) -> Result<Box<dyn Policy>, TrainError> {
    let bytes = weights(schema, tensors)?.to_safetensors()?;
    let policy = ActorPolicy(RustActor::from_safetensors(name, schema, &bytes)?);
    Ok(Box::new(Guarded { policy, range }))
}
