//! Commands from operators and supervisory systems: what they are and how they are written.
//!
//! A command is a JSON object on `<prefix>/command/<kind>`: an envelope (`envelope.rs`) around the fields of its
//! kind. docs/commands.md has examples.
//!
//! | kind | fields |
//! |---|---|
//! | `mode` | `mode`: `shadow`, `manual`, `auto` or `safe_stop` |
//! | `setpoint` | `battery_kw` (+ = charging), `chp_kw` (0 = off) |
//! | `limit` | `import_kw_max`, `export_kw_max`: a number, or `null` to lift it |
//! | `grid_limit` | `import_kw_max`, `export_kw_max` as above, `for_s`: it ends after so long |
//! | `acknowledge` | none |
//! | `arm` | none; answered with a nonce |
//! | `confirm` | `nonce`; unsigned commands also `proof`: hex SHA-256 of nonce followed by secret |
//!
//! Fields that are not in the table are errors: a misspelt limit must not look accepted.

use super::envelope::Wish;
use memg_core::command::{CommandBody, ExchangeLimits, GridOrder, Role};
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Beyond 1 GW a number is a mistake.
const POWER_KW_MAX: f64 = 1.0e6;

/// The topics commands arrive on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Change of mode.
    Mode,
    /// Manual set-points.
    Setpoint,
    /// External limits.
    Limit,
    /// External limits for a time.
    GridLimit,
    /// Acknowledgement of latched faults.
    Acknowledge,
    /// First step of arming Auto.
    Arm,
    /// Second step of arming Auto.
    Confirm,
}

impl CommandKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Mode, Self::Setpoint, Self::Limit, Self::GridLimit, Self::Acknowledge, Self::Arm, Self::Confirm];

    /// Last level of the topic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Setpoint => "setpoint",
            Self::Limit => "limit",
            Self::GridLimit => "grid_limit",
            Self::Acknowledge => "acknowledge",
            Self::Arm => "arm",
            Self::Confirm => "confirm",
        }
    }

    /// The topic of commands of this kind below a prefix.
    #[must_use]
    pub fn topic(self, prefix: &str) -> String {
        format!("{prefix}/command/{}", self.name())
    }

    /// Where commands of this kind are answered below a prefix.
    #[must_use]
    pub fn answer_topic(self, prefix: &str) -> String {
        format!("{prefix}/ack/{}", self.name())
    }

    /// The least role that gives any command of this kind; control's door judges each by what it says.
    #[must_use]
    pub const fn role_min(self) -> Role {
        match self {
            Self::Mode => CommandBody::SafeStop.role_min(),
            Self::Setpoint => CommandBody::Setpoints(Setpoints::IDLE).role_min(),
            Self::Limit | Self::GridLimit => {
                CommandBody::Limits(ExchangeLimits { import_kw_max: None, export_kw_max: None }).role_min()
            }
            Self::Acknowledge => CommandBody::Acknowledge.role_min(),
            Self::Arm | Self::Confirm => CommandBody::Arm.role_min(),
        }
    }
}

/// Modes that may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeWish {
    Shadow,
    Manual,
    Auto,
    SafeStop,
}

/// The content of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Ready(CommandBody),
    Arm,
    Confirm { nonce: String, proof: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    mode: ModeWish,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetpointBody {
    battery_kw: f64,
    chp_kw: f64,
}

// Both keys must be there, `null` included: "not mentioned" and "lifted" are different wishes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitBody {
    #[serde(deserialize_with = "Option::deserialize")]
    import_kw_max: Option<f64>,
    #[serde(deserialize_with = "Option::deserialize")]
    export_kw_max: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GridLimitBody {
    #[serde(deserialize_with = "Option::deserialize")]
    import_kw_max: Option<f64>,
    #[serde(deserialize_with = "Option::deserialize")]
    export_kw_max: Option<f64>,
    for_s: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    nonce: String,
    proof: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

/// Reads what is wanted.
pub(super) fn content(kind: CommandKind, wish: Wish) -> Result<Content, String> {
    let object = wish.fields()?;
    Ok(match kind {
        CommandKind::Mode => Content::Ready(match body::<ModeBody>(object)?.mode {
            ModeWish::Shadow => CommandBody::Shadow,
            ModeWish::Manual => CommandBody::Manual,
            ModeWish::Auto => CommandBody::Auto,
            ModeWish::SafeStop => CommandBody::SafeStop,
        }),
        CommandKind::Setpoint => {
            let SetpointBody { battery_kw, chp_kw } = body(object)?;
            let (battery, chp) = (power("battery_kw", battery_kw, -1.0)?, power("chp_kw", chp_kw, 0.0)?);
            let [battery, chp] = [battery, chp].map(Kilowatts::new);
            Content::Ready(CommandBody::Setpoints(Setpoints { battery, chp, grid: None }))
        }
        CommandKind::Limit => Content::Ready(CommandBody::Limits(limits(&body(object)?)?)),
        CommandKind::GridLimit => {
            let GridLimitBody { import_kw_max, export_kw_max, for_s } = body(object)?;
            let limits = limits(&LimitBody { import_kw_max, export_kw_max })?;
            Content::Ready(CommandBody::GridLimit(GridOrder { limits, for_s }))
        }
        CommandKind::Acknowledge => body::<EmptyBody>(object).map(|_| Content::Ready(CommandBody::Acknowledge))?,
        CommandKind::Arm => body::<EmptyBody>(object).map(|_| Content::Arm)?,
        CommandKind::Confirm => {
            let ConfirmBody { nonce, proof } = body(object)?;
            Content::Confirm { nonce, proof }
        }
    })
}

fn limits(body: &LimitBody) -> Result<ExchangeLimits, String> {
    let limit = |key, kw: Option<f64>| kw.map(|kw| power(key, kw, 0.0)).transpose();
    Ok(ExchangeLimits {
        import_kw_max: limit("import_kw_max", body.import_kw_max)?,
        export_kw_max: limit("export_kw_max", body.export_kw_max)?,
    })
}

fn body<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())
}

/// A power between `sign_min` times the bound and the bound, kW.
fn power(key: &str, kw: f64, sign_min: f64) -> Result<f64, String> {
    let range = sign_min * POWER_KW_MAX..=POWER_KW_MAX;
    if range.contains(&kw) { Ok(kw) } else { Err(format!("{key} must be a power of this plant in kW")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: CommandKind, fields: &str) -> Result<Content, String> {
        content(kind, Wish::Text(fields.to_owned()))
    }

    #[test]
    fn every_kind_is_read() {
        let setpoints = Setpoints { battery: Kilowatts::new(-12.5), chp: Kilowatts::new(20.0), grid: None };
        let limits = ExchangeLimits { import_kw_max: Some(40.0), export_kw_max: None };
        let confirm = Content::Confirm { nonce: "n".into(), proof: Some("p".into()) };
        let ready = Content::Ready;
        let rows = [
            (CommandKind::Mode, r#"{"mode":"safe_stop"}"#, ready(CommandBody::SafeStop)),
            (CommandKind::Mode, r#"{"mode":"auto"}"#, ready(CommandBody::Auto)),
            (CommandKind::Setpoint, r#"{"battery_kw":-12.5,"chp_kw":20}"#, ready(CommandBody::Setpoints(setpoints))),
            (CommandKind::Limit, r#"{"import_kw_max":40,"export_kw_max":null}"#, ready(CommandBody::Limits(limits))),
            (
                CommandKind::GridLimit,
                r#"{"import_kw_max":40,"export_kw_max":null,"for_s":900}"#,
                ready(CommandBody::GridLimit(GridOrder { limits, for_s: 900.0 })),
            ),
            (CommandKind::Acknowledge, "{}", ready(CommandBody::Acknowledge)),
            (CommandKind::Arm, "{}", Content::Arm),
            (CommandKind::Confirm, r#"{"nonce":"n","proof":"p"}"#, confirm),
            (CommandKind::Confirm, r#"{"nonce":"n"}"#, Content::Confirm { nonce: "n".into(), proof: None }),
        ];
        for (kind, fields, expected) in rows {
            assert_eq!(parsed(kind, fields), Ok(expected), "{kind:?}");
        }
    }

    #[test]
    fn a_field_that_is_unknown_missing_or_absurd_is_named() {
        let rows = [
            (CommandKind::Mode, r#"{"mode":"hold"}"#, "unknown variant `hold`"),
            (CommandKind::Mode, r#"{"mode":"manual","force":true}"#, "unknown field `force`"),
            (CommandKind::Setpoint, r#"{"battery_kw":1}"#, "missing field `chp_kw`"),
            (CommandKind::Setpoint, r#"{"battery_kw":1,"chp_kw":-1}"#, "chp_kw must be"),
            (CommandKind::Setpoint, r#"{"battery_kw":1e9,"chp_kw":1}"#, "battery_kw must be"),
            (CommandKind::Limit, r#"{"import_kw_max":10}"#, "missing field `export_kw_max`"),
            (CommandKind::Limit, r#"{"import_kw_max":-1,"export_kw_max":1}"#, "import_kw_max must be"),
            (CommandKind::GridLimit, r#"{"import_kw_max":1,"export_kw_max":1}"#, "missing field `for_s`"),
            (CommandKind::GridLimit, r#"{"import_kw_max":1,"for_s":1}"#, "missing field `export_kw_max`"),
            (CommandKind::Acknowledge, r#"{"all":true}"#, "unknown field `all`"),
            (CommandKind::Acknowledge, "[]", "body does not hold a JSON object"),
        ];
        for (kind, fields, expected) in rows {
            let message = parsed(kind, fields).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
