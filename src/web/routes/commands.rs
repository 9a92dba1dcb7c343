//! Commands: from a logged-in person to control's door, and what became of them.

use super::App;
use crate::arming;
use crate::guard::Principal;
use crate::refused::Refused;
use crate::sessions::token;
use crate::wires::Ask;
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use memg_core::command::{Command, CommandBody, ExchangeLimits, GridOrder, Means, Outcome, Role};
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A cycle takes commands within this time, or it does not.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);
/// No plant of this kind has more, kW.
const POWER_KW_MAX: f64 = 1e6;

/// A request's JSON; what is wrong with it is said with its place.
pub(super) async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let parsed = Json::<T>::from_request(request, &()).await;
    parsed.map(|Json(value)| value).map_err(|rejection| Refused::new(rejection.status(), rejection.body_text()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    body: Wish,
    /// Token of the first step of arming.
    confirm: Option<String>,
}

/// As in messages over MQTT: names, powers in kW.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Wish {
    SafeStop,
    Shadow,
    Manual,
    Auto,
    Arm,
    Acknowledge,
    #[serde(alias = "setpoint")]
    Setpoints(WishedPowers),
    #[serde(alias = "limit")]
    Limits(WishedLimits),
    GridLimit(WishedGridLimit),
}

/// Battery + = charging, kW.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedPowers {
    #[serde(alias = "battery")]
    battery_kw: f64,
    #[serde(alias = "chp")]
    chp_kw: f64,
    /// The balance decides it: null, where the form of the core is used.
    #[serde(default)]
    grid: Option<()>,
}

/// Limits at the connection, kW; null: the plant's own.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedLimits {
    #[serde(deserialize_with = "stated")]
    import_kw_max: Option<f64>,
    #[serde(deserialize_with = "stated")]
    export_kw_max: Option<f64>,
}

/// Limits at the connection for a time, kW, s; null: the plant's own.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WishedGridLimit {
    #[serde(deserialize_with = "stated")]
    import_kw_max: Option<f64>,
    #[serde(deserialize_with = "stated")]
    export_kw_max: Option<f64>,
    for_s: f64,
}

/// Both limits of a wish.
fn limits(import_kw_max: Option<f64>, export_kw_max: Option<f64>) -> Result<ExchangeLimits, Refused> {
    let limit = |key, kw: Option<f64>| kw.map(|kw| power(key, kw, 0.0)).transpose();
    Ok(ExchangeLimits {
        import_kw_max: limit("import_kw_max", import_kw_max)?,
        export_kw_max: limit("export_kw_max", export_kw_max)?,
    })
}

/// Null counts, absence does not: a limit is never lifted by forgetting it.
fn stated<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(deserializer)
}

fn power(key: &str, kw: f64, least: f64) -> Result<f64, Refused> {
    let fits = (least..=POWER_KW_MAX).contains(&kw);
    if fits { Ok(kw) } else { Err(Refused::wrong(format!("{key} must be a power of this plant in kW"))) }
}

impl Wish {
    fn checked(self) -> Result<CommandBody, Refused> {
        Ok(match self {
            Self::SafeStop => CommandBody::SafeStop,
            Self::Shadow => CommandBody::Shadow,
            Self::Manual => CommandBody::Manual,
            Self::Auto => CommandBody::Auto,
            Self::Arm => CommandBody::Arm,
            Self::Acknowledge => CommandBody::Acknowledge,
            Self::Setpoints(WishedPowers { battery_kw, chp_kw, grid: _ }) => CommandBody::Setpoints(Setpoints {
                battery: Kilowatts::new(power("battery_kw", battery_kw, -POWER_KW_MAX)?),
                chp: Kilowatts::new(power("chp_kw", chp_kw, 0.0)?),
                grid: None,
            }),
            Self::Limits(WishedLimits { import_kw_max, export_kw_max }) => {
                CommandBody::Limits(limits(import_kw_max, export_kw_max)?)
            }
            Self::GridLimit(WishedGridLimit { import_kw_max, export_kw_max, for_s }) => {
                let fits = for_s > 0.0 && for_s <= GridOrder::FOR_S_MAX;
                let limits = limits(import_kw_max, export_kw_max)?;
                let wrong = || Refused::wrong(format!("for_s must be a time up to {} s", GridOrder::FOR_S_MAX));
                if fits { CommandBody::GridLimit(GridOrder { limits, for_s }) } else { return Err(wrong()) }
            }
        })
    }
}

pub(super) async fn command(who: Principal, State(app): State<App>, request: Request) -> Result<Json<Value>, Refused> {
    let Order { body, confirm } = body(request).await?;
    let body = body.checked()?;
    who.at_least(body.role_min())?;
    if body == CommandBody::Arm {
        let token = confirm.as_deref().unwrap_or_default();
        if !app.arming().confirm(&who.name, token, Instant::now()) {
            let reason = "there is no such token, it was used, it is older than 30 s, or it was given to somebody else";
            return Ok(Json(json!({ "id": null, "outcome": "rejected", "reason": reason })));
        }
    }
    let id = new_token()?;
    let time_unix_ms = u64::try_from(app.wires.source.moment().unix_ms).unwrap_or(0);
    let command =
        Command { principal: who.name, role: who.role, means: Means::Web, id: id.clone(), time_unix_ms, body };
    let (answer, answered) = oneshot::channel();
    let outcome = taken(&app, Ask::Command(command, answer), answered).await?;
    Ok(Json(told(&id, &outcome)))
}

fn new_token() -> Result<String, Refused> {
    token().ok_or_else(|| Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no random numbers are available"))
}

fn told(id: &str, outcome: &Outcome) -> Value {
    let mut told = serde_json::to_value(outcome).unwrap_or_default();
    told["id"] = id.into();
    told
}

/// Hands a wish to the control loop and waits until a cycle has taken it.
pub(super) async fn taken<T>(app: &App, ask: Ask, answered: oneshot::Receiver<T>) -> Result<T, Refused> {
    let busy = |text: &str| Refused::new(StatusCode::SERVICE_UNAVAILABLE, text);
    app.wires.asks.try_send(ask).map_err(|_| busy("too many wishes wait for the control loop"))?;
    match tokio::time::timeout(TAKEN_WITHIN, answered).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(busy("control did not take it")),
        Err(_) => Err(busy("control has not answered within 8 s; look at the state before you try again")),
    }
}

pub(super) async fn arm(who: Principal, State(app): State<App>) -> Result<Json<Value>, Refused> {
    who.at_least(Role::Operator)?;
    let none = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no random numbers are available");
    let token = app.arming().begin(&who.name, Instant::now()).ok_or_else(none)?;
    let expires_unix_ms = app.wires.source.moment().after(arming::VALID);
    let review = app.wires.live.borrow().review.clone();
    Ok(Json(json!({ "token": token, "expires_unix_ms": expires_unix_ms, "review": review })))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<CommandBody, String> {
        let wish: Wish = serde_json::from_str(text).map_err(|error| error.to_string())?;
        wish.checked().map_err(|refused| refused.text)
    }

    #[test]
    fn wishes_are_read_as_over_mqtt_and_what_is_wrong_is_named() {
        let setpoints = Setpoints { battery: Kilowatts::new(-12.5), chp: Kilowatts::new(20.0), grid: None };
        let limits = ExchangeLimits { import_kw_max: Some(40.0), export_kw_max: None };
        assert_eq!(parsed("\"safe_stop\""), Ok(CommandBody::SafeStop));
        assert_eq!(parsed(r#"{"setpoints":{"battery_kw":-12.5,"chp_kw":20}}"#), Ok(CommandBody::Setpoints(setpoints)));
        assert_eq!(parsed(r#"{"limits":{"import_kw_max":40,"export_kw_max":null}}"#), Ok(CommandBody::Limits(limits)));
        for (text, expected) in [
            ("\"hold\"", "unknown variant `hold`"),
            (r#"{"setpoints":{"battery_kw":1}}"#, "missing field `chp_kw`"),
            (r#"{"setpoints":{"battery_kw":1,"chp_kw":-1}}"#, "chp_kw must be"),
            (r#"{"setpoints":{"battery_kw":1e9,"chp_kw":1}}"#, "battery_kw must be"),
            (r#"{"limits":{"import_kw_max":10}}"#, "missing field `export_kw_max`"),
            (r#"{"grid_limit":{"import_kw_max":1,"export_kw_max":1,"for_s":0}}"#, "for_s must be"),
            (r#"{"limits":{"import_kw_max":-1,"export_kw_max":1}}"#, "import_kw_max must be"),
        ] {
            let message = parsed(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
