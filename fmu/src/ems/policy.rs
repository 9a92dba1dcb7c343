//! From the parameters `policy` and `model_file` to a policy.

use super::{MODEL_FILE, POLICY, TARIFF};
use crate::resources::Resources;
use crate::variable::Store;
use memg_core::actor::{RustActor, WeightsError};
use memg_core::guard::{Guarded, TariffRange};
use memg_core::observation::Schema;
use memg_core::policy::{ActorPolicy, Policy};
use memg_core::rules;

/// The policy that the parameters ask for.
///
/// # Errors
/// The parameter that is wrong, or the file that cannot be used.
pub fn load(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let name = store.text(POLICY);
    if name == "td3" {
        return network(store.text(MODEL_FILE), resources, tariff(store));
    }
    let known = || format!("policy: expected td3 or one of {:?}, found {name:?}", rules::NAMES);
    rules::by_name(name).ok_or_else(known)
}

fn tariff(store: &Store) -> TariffRange {
    let [low, high, change, swing] = TARIFF.map(|reference| store.real(reference));
    TariffRange { spread_eur_per_kwh: [low, high], spread_change_eur_per_kwh_max: change, swing_eur_per_kwh_min: swing }
}

fn network(file: &str, resources: &Resources, tariff: TariffRange) -> Result<Box<dyn Policy>, String> {
    if file.is_empty() {
        return Err("model_file: expected the name of a safetensors file, found nothing".to_owned());
    }
    let bytes = resources.read(file).map_err(|error| format!("model_file: {error}"))?;
    let actor = any_schema(&bytes).map_err(|error| format!("model_file: {file}: {error}"))?;
    Ok(Box::new(Guarded { policy: ActorPolicy(actor), range: Some(tariff) }))
}

/// The width of the first layer tells the schema; an error is the one of the schema that is nearer by that width.
fn any_schema(bytes: &[u8]) -> Result<RustActor, WeightsError> {
    let ten = RustActor::from_safetensors("td3", Schema::TenD, bytes);
    match ten {
        Err(WeightsError::Shape { ref name, .. }) if name == "l1.weight" => {
            RustActor::from_safetensors("td3", Schema::Extended, bytes).or(ten)
        }
        other => other,
    }
}
