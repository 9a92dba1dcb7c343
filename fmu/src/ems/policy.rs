//! From the parameters `policy` and `model_file` to a policy.

use super::{DIVISORS, FORECAST_FILE, MODEL_FILE, PLAN_RIDGE, POLICY, TARIFF};
use crate::limits::SAMPLE_TIME;
use crate::resources::Resources;
use crate::variable::Store;
use memg_core::actor::{RustActor, WeightsError};
use memg_core::builtin;
use memg_core::forecast::{Coefficients, Ridge};
use memg_core::guard::{Guarded, TariffRange};
use memg_core::observation::{Divisors, Schema};
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::{ActorPolicy, ForeseeingPolicy, Policy, WithDivisors};

/// The policy that the parameters ask for.
///
/// # Errors
/// The parameter that is wrong, or the file that cannot be used.
pub fn load(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let name = store.text(POLICY);
    if name == "td3" {
        return network(store, resources);
    }
    if name == PLAN_RIDGE {
        return planner(store, resources);
    }
    let known = || format!("policy: expected td3, {PLAN_RIDGE} or one of {:?}, found {name:?}", builtin::NAMES);
    builtin::by_name(name).ok_or_else(known)
}

/// Plans on the forecaster of its file.
fn planner(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let ridge = forecaster(store, resources)?.ok_or("forecast_file: expected the name of a file, found nothing")?;
    Ok(Box::new(Plan::new(ridge, PlanSettings::default())))
}

fn read(parameter: &str, file: &str, resources: &Resources) -> Result<Vec<u8>, String> {
    if file.is_empty() {
        return Err(format!("{parameter}: expected the name of a safetensors file, found nothing"));
    }
    resources.read(file).map_err(|error| format!("{parameter}: {error}"))
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

fn network(store: &Store, resources: &Resources) -> Result<Box<dyn Policy>, String> {
    let file = store.text(MODEL_FILE);
    let bytes = read("model_file", file, resources)?;
    let actor = any_schema(&bytes).map_err(|error| format!("model_file: {file}: {error}"))?;
    let (actor, range) = (WithDivisors { actor, divisors: divisors(store)? }, Some(tariff(store)));
    Ok(match forecaster(store, resources)? {
        Some(ridge) => Box::new(Guarded { policy: ForeseeingPolicy::new(actor, ridge), range }),
        None => Box::new(Guarded { policy: ActorPolicy(actor), range }),
    })
}

/// The forecaster of a file; none without one. Its coefficients reach as far as an outlook, so their number tells the length of
/// the steps that they are for.
fn forecaster(store: &Store, resources: &Resources) -> Result<Option<Ridge>, String> {
    let file = store.text(FORECAST_FILE);
    if file.is_empty() {
        return Ok(None);
    }
    let coefficients = Coefficients::from_safetensors(&read("forecast_file", file, resources)?);
    let coefficients = coefficients.map_err(|error| format!("forecast_file: {file}: {error}"))?;
    let (step_ms, sample_s) = (coefficients.step_ms(), store.real(SAMPLE_TIME));
    if step_ms != (1000.0 * sample_s).round() as i64 {
        let fitted_s = step_ms as f64 / 1000.0;
        return Err(format!("forecast_file: {file}: fitted for steps of {fitted_s} s, sample_time is {sample_s} s"));
    }
    Ok(Some(Ridge::new(coefficients, step_ms)))
}

/// The width of the first layer tells the schema; an error is the one of the ten numbers.
fn any_schema(bytes: &[u8]) -> Result<RustActor, WeightsError> {
    let of = |schema| RustActor::from_safetensors("td3", schema, bytes);
    match of(Schema::TenD) {
        Err(WeightsError::Shape { name, expected, found }) if name == "l1.weight" => {
            let other = of(Schema::Extended).or_else(|_| of(Schema::Forecast));
            other.map_err(|_| WeightsError::Shape { name, expected, found })
        }
        other => other,
    }
}
