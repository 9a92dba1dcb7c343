//! An actor's tensors as checked weights, and as a policy.

use super::setup::Setup;
use crate::TrainError;
use memg_core::actor::RustActor;
use memg_core::guard::Guarded;
use memg_core::observation::{Divisors, Schema};
use memg_core::policy::{ActorPolicy, ForeseeingPolicy, Policy, WithDivisors};
use memg_policy::weights::{Dense, Weights, WeightsError};

/// An actor's tensors, `l1.weight` to `l3.bias`: name, shape (`[out, in]` or `[out]`), data row after row.
pub(crate) type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Tensors as checked weights.
///
/// # Errors
/// A tensor is missing, has another shape than the schema's network or holds a number that is not finite.
pub(crate) fn weights(schema: Schema, tensors: &Tensors) -> Result<Weights, WeightsError> {
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

/// Tensors as a policy of that name, with the divisors, the forecaster and the guard that a gateway puts before it.
pub(super) fn policy(
    name: &str,
    setup: &Setup<'_>,
    schema: Schema,
    tensors: &Tensors,
) -> Result<Box<dyn Policy>, TrainError> {
    let bytes = weights(schema, tensors)?.to_safetensors()?;
    let actor = RustActor::from_safetensors(name, schema, &bytes)?;
    let (actor, range) = (WithDivisors { actor, divisors: Divisors::of(&setup.options.plant) }, setup.tariff);
    Ok(match &setup.forecaster {
        Some(ridge) => Box::new(Guarded { policy: ForeseeingPolicy::new(actor, ridge.clone()), range }),
        None => Box::new(Guarded { policy: ActorPolicy(actor), range }),
    })
}
