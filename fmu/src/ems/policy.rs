//! From the parameters `policy` and `model_file` to a policy.

use super::{DIVISORS, FORECAST_STEP, MODEL_FILE, PLAN_RIDGE, POLICY, TARIFF};
use crate::limits::SAMPLE_TIME;
use crate::resources::Resources;
use crate::variable::Store;
use memg_core::actor::{RustActor, WeightsError};
use memg_core::builtin;
use memg_core::forecast::{Coefficients, Ridge};
use memg_core::guard::{Guarded, TariffRange};
use memg_core::observation::{Divisors, Schema};
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::{ActorPolicy, Policy, WithDivisors};

/// The policy that the parameters ask for.
///
/// # Errors
/// The parameter that is wrong, or the file that cannot be used.
pub fn load(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let name = store.text(POLICY);
    if name == "td3" {
        return network(store.text(MODEL_FILE), resources, tariff(store), divisors(store)?);
    }
    if name == PLAN_RIDGE {
        return planner(store, resources);
    }
    let known = || format!("policy: expected td3, {PLAN_RIDGE} or one of {:?}, found {name:?}", builtin::NAMES);
    builtin::by_name(name).ok_or_else(known)
}

/// Plans on the forecaster in the model's file.
fn planner(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let file = store.text(MODEL_FILE);
    let coefficients = Coefficients::from_safetensors(&read(file, resources)?);
    let coefficients = coefficients.map_err(|error| format!("model_file: {file}: {error}"))?;
    let [fitted_s, sample_s] = [FORECAST_STEP, SAMPLE_TIME].map(|reference| store.real(reference));
    if fitted_s != sample_s {
        return Err(format!("forecast.step: expected {sample_s} s as sample_time, found {fitted_s} s: fit it anew"));
    }
    let ridge = Ridge::new(coefficients, (1000.0 * fitted_s).round() as i64);
    Ok(Box::new(Plan::new(ridge, PlanSettings::default())))
}

fn read(file: &str, resources: &Resources) -> Result<Vec<u8>, String> {
    if file.is_empty() {
        return Err("model_file: expected the name of a safetensors file, found nothing".to_owned());
    }
    resources.read(file).map_err(|error| format!("model_file: {error}"))
}

fn tariff(store: &Store) -> TariffRange {
    let [low, high, change, swing] = TARIFF.map(|reference| store.real(reference));
    TariffRange { spread_eur_per_kwh: [low, high], spread_change_eur_per_kwh_max: change, swing_eur_per_kwh_min: swing }
}

fn divisors(store: &Store) -> Result<Divisors, String> {
    let [pv_kw, wind_kw, electric_load_kw, heat_load_kw, price_eur_per_kwh, battery_kw, chp_kw] =
        DIVISORS.map(|reference| store.real(reference));
    let divisors = Divisors { pv_kw, wind_kw, electric_load_kw, heat_load_kw, price_eur_per_kwh, battery_kw, chp_kw };
    let wrong = || "divisor.…: expected finite numbers >= 0, as in the model's model.toml".to_owned();
    divisors.are_valid().then_some(divisors).ok_or_else(wrong)
}

fn network(
    file: &str,
    resources: &Resources,
    tariff: TariffRange,
    divisors: Divisors,
) -> Result<Box<dyn Policy>, String> {
    let bytes = read(file, resources)?;
    let actor = any_schema(&bytes).map_err(|error| format!("model_file: {file}: {error}"))?;
    Ok(Box::new(Guarded { policy: ActorPolicy(WithDivisors { actor, divisors }), range: Some(tariff) }))
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
