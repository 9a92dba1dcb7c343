//! Decision makers: rules and the planner by name, trained networks from model folders.
//!
//! Responsible for turning a [`PolicySpec`] into a [`Policy`], and for everything that a model on disk has to prove before
//! it may decide anything: see [`model`]. Knows no driver, no clock and no training loop.
//!
//! | runtime | feature | reads | needs |
//! |---|---|---|---|
//! | [`Runtime::Candle`] | `candle` | actor.safetensors | nothing |
//! | [`Runtime::Ort`] | `ort` | actor.onnx | ONNX Runtime 1.17 or newer at run time |
//! | [`Runtime::Rust`] | always there | actor.safetensors | nothing |

#![forbid(unsafe_code)]

#[cfg(feature = "candle")]
pub mod candle_actor;
#[cfg(feature = "candle")]
pub mod import_pt;
pub mod model;
pub mod onnx;
mod onnx_dense;
pub mod onnx_scan;
#[cfg(feature = "ort")]
pub mod ort_actor;
#[cfg(feature = "ort")]
pub mod ort_library;
pub mod plan_folder;
pub mod reload;
pub mod signature;
mod spec;
pub mod weights;

pub use model::{ModelError, ModelFolder};
pub use plan_folder::{PlanFolder, load_forecaster};
pub use reload::ReloadablePolicy;
pub use signature::{PublicKey, Trust};
pub use spec::{PolicySpec, Runtime, SpecError};

use memg_core::builtin;
use memg_core::equipment::Plant;
use memg_core::guard::Guarded;
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::{ActorPolicy, ForeseeingPolicy, Policy};
use model::Kind;
use std::path::Path;

/// What the three outputs mean: [`memg_core::action::Action`]. Models name it, another one is refused.
pub const ACTION_MAP: &str = "memg-3d/1";

/// The policy of a spec for a plant. A network has been checked against its folder's hashes and golden outputs when this
/// returns, a planner's forecaster against its hash and the plant's step length; a planner runs in plain Rust, whatever
/// runtime is named. A network that was trained for a plant with other parameters is told in the log and decides all the
/// same: the filter keeps every limit, and what it is worth there only an evaluation says.
///
/// # Errors
/// Says which file and key is wrong, or what the runtime lacks. Nothing else has happened then.
pub fn load_policy(spec: &PolicySpec, plant: &Plant) -> Result<Box<dyn Policy>, ModelError> {
    load_trusted(spec, plant, &Trust::default())
}

/// As [`load_policy`], of a folder that somebody trusted has signed; that is looked at before anything in it is parsed.
///
/// # Errors
/// As there, and that nobody trusted has signed it.
pub fn load_trusted(spec: &PolicySpec, plant: &Plant, trust: &Trust) -> Result<Box<dyn Policy>, ModelError> {
    let (dir, runtime) = match spec {
        PolicySpec::Rule(name) => {
            return builtin::by_name(name).ok_or_else(|| ModelError::NoSuchRule { name: name.clone() });
        }
        PolicySpec::Model { dir, runtime } => (dir, *runtime),
    };
    let manifest = trust.manifest(dir)?;
    match Kind::of(&manifest)? {
        Kind::Actor => network(dir, &manifest, runtime, plant),
        Kind::Planner => {
            let ridge = PlanFolder::of(dir, &manifest)?.forecaster(plant)?;
            Ok(Box::new(Plan::new(ridge, PlanSettings::default())))
        }
    }
}

fn network(dir: &Path, manifest: &str, runtime: Runtime, plant: &Plant) -> Result<Box<dyn Policy>, ModelError> {
    let model = ModelFolder::of(dir, manifest)?;
    if runtime != Runtime::Ort && model.bytes(model::SAFETENSORS).is_err() {
        let reason = format!(
            "{0} has no {1}, it runs through ONNX Runtime alone: write ort:{0}",
            dir.display(),
            model::SAFETENSORS
        );
        return Err(ModelError::Runtime { runtime: runtime.name(), reason });
    }
    if !model.manifest().is_for(plant) {
        tracing::warn!(
            model = %dir.display(),
            "The model was made for a plant with other parameters (plant_hash): safe here, but `gateway evaluate --site` \
             has to tell what it is worth."
        );
    }
    let (actor, range) = (model.actor(runtime)?, model.manifest().tariff);
    Ok(match model.forecaster()? {
        // It refuses a plant of another step length when it is asked first.
        Some(ridge) => Box::new(Guarded { policy: ForeseeingPolicy::new(actor, ridge), range }),
        None => Box::new(Guarded { policy: ActorPolicy(actor), range }),
    })
}
