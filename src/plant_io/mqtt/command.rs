//! Commands from operators and supervisory systems: what they are and how they are written.
//!
//! Every command is a JSON object on `<prefix>/command/<kind>` with an envelope, `id` (1 to 64 characters of
//! `A-Z a-z 0-9 . _ : -`), `time_unix_ms` and `ttl_s`, and the fields of its kind:
//!
//! | kind | fields |
//! |---|---|
//! | `mode` | `mode`: `shadow`, `manual` or `safe_stop` |
//! | `setpoint` | `battery_kw` (+ = charging), `chp_kw` (0 = off) |
//! | `limit` | `import_kw_max`, `export_kw_max`: a number, or `null` to lift it |
//! | `acknowledge` | none |
//! | `arm` | none; answered with a nonce |
//! | `confirm` | `nonce`, `proof`: hex SHA-256 of nonce followed by secret |
//!
//! Fields that are not in the table are errors: a misspelt limit must not look accepted.

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
    /// Acknowledgement of latched faults.
    Acknowledge,
    /// First step of arming Auto.
    Arm,
    /// Second step of arming Auto.
    Confirm,
}

impl CommandKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Mode, Self::Setpoint, Self::Limit, Self::Acknowledge, Self::Arm, Self::Confirm];

    /// Last level of the topic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Setpoint => "setpoint",
            Self::Limit => "limit",
            Self::Acknowledge => "acknowledge",
            Self::Arm => "arm",
            Self::Confirm => "confirm",
        }
    }
}

/// A command for control: authenticated where that is needed, in time, seen for the first time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Leave for a mode that takes power away from the policy.
    Mode(ModeWish),
    /// Enter Auto; both steps of arming were made.
    ArmAuto,
    /// Set-points for Manual. They go through the safety filter like any request.
    Setpoints(Setpoints),
    /// Limits from outside. They can only narrow the plant's own.
    Limits(ExternalLimits),
    /// The operator has seen the latched faults.
    Acknowledge,
}

/// Modes that may be asked for without arming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModeWish {
    /// Compute, write nothing.
    Shadow,
    /// Follow the operator's set-points.
    Manual,
    /// Stop safely.
    SafeStop,
}

/// Limits at the connection from outside, for instance the grid operator; `None` = lifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExternalLimits {
    /// Most power imported, kW, >= 0.
    pub import_max: Option<Kilowatts>,
    /// Most power exported, kW, >= 0.
    pub export_max: Option<Kilowatts>,
}

/// Identity and life time of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) time_unix_ms: u64,
    pub(super) ttl_s: f64,
}

/// The content of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Ready(Command),
    Arm,
    Confirm { nonce: String, proof: String },
}

/// Why a payload is not a command; `id` as far as it could be read, for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) id: Option<String>,
    pub(super) message: String,
}

/// Takes a payload apart.
pub(super) fn parse(kind: CommandKind, payload: &[u8]) -> Result<(Envelope, Content), Malformed> {
    let mut object: Map<String, Value> = serde_json::from_slice(payload)
        .map_err(|_| Malformed { id: None, message: "the payload is not a JSON object".into() })?;
    let id = object.remove("id").and_then(valid_id);
    let malformed = |message| Malformed { id: id.clone(), message };
    let envelope = envelope(id.clone(), &mut object).map_err(malformed)?;
    let content = content(kind, object).map_err(malformed)?;
    Ok((envelope, content))
}

fn valid_id(value: Value) -> Option<String> {
    let Value::String(id) = value else { return None };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    ((1..=64).contains(&id.len()) && id.bytes().all(plain)).then_some(id)
}

fn envelope(id: Option<String>, object: &mut Map<String, Value>) -> Result<Envelope, String> {
    let time = object.remove("time_unix_ms").and_then(|value| value.as_u64());
    let ttl = object.remove("ttl_s").and_then(|value| value.as_f64());
    Ok(Envelope {
        id: id.ok_or("id is missing or not 1 to 64 characters of A-Z a-z 0-9 . _ : -")?,
        time_unix_ms: time.ok_or("time_unix_ms is missing or not a whole number")?,
        ttl_s: ttl.ok_or("ttl_s is missing or not a number")?,
    })
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
struct ConfirmBody {
    nonce: String,
    proof: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmptyBody {}

fn content(kind: CommandKind, object: Map<String, Value>) -> Result<Content, String> {
    Ok(match kind {
        CommandKind::Mode => Content::Ready(Command::Mode(body::<ModeBody>(object)?.mode)),
        CommandKind::Setpoint => {
            let SetpointBody { battery_kw, chp_kw } = body(object)?;
            let (battery, chp) = (power("battery_kw", battery_kw, -1.0)?, power("chp_kw", chp_kw, 0.0)?);
            Content::Ready(Command::Setpoints(Setpoints { battery, chp, grid: None }))
        }
        CommandKind::Limit => {
            let LimitBody { import_kw_max, export_kw_max } = body(object)?;
            let limit = |key, kw: Option<f64>| kw.map(|kw| power(key, kw, 0.0)).transpose();
            Content::Ready(Command::Limits(ExternalLimits {
                import_max: limit("import_kw_max", import_kw_max)?,
                export_max: limit("export_kw_max", export_kw_max)?,
            }))
        }
        CommandKind::Acknowledge => body::<EmptyBody>(object).map(|_| Content::Ready(Command::Acknowledge))?,
        CommandKind::Arm => body::<EmptyBody>(object).map(|_| Content::Arm)?,
        CommandKind::Confirm => {
            let ConfirmBody { nonce, proof } = body(object)?;
            Content::Confirm { nonce, proof }
        }
    })
}

fn body<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, String> {
    serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())
}

/// A power between `sign_min` times the bound and the bound.
fn power(key: &str, kw: f64, sign_min: f64) -> Result<Kilowatts, String> {
    let range = sign_min * POWER_KW_MAX..=POWER_KW_MAX;
    if range.contains(&kw) { Ok(Kilowatts::new(kw)) } else { Err(format!("{key} must be a power of this plant in kW")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: CommandKind, fields: &str) -> Result<Content, String> {
        let payload = format!(r#"{{"id":"a-1","time_unix_ms":1700000000000,"ttl_s":10{fields}}}"#);
        parse(kind, payload.as_bytes()).map(|(_, content)| content).map_err(|malformed| malformed.message)
    }

    #[test]
    fn every_kind_is_read() {
        let kw = |kw| Some(Kilowatts::new(kw));
        let setpoints = Setpoints { battery: Kilowatts::new(-12.5), chp: Kilowatts::new(20.0), grid: None };
        let limits = ExternalLimits { import_max: kw(40.0), export_max: None };
        let confirm = Content::Confirm { nonce: "n".into(), proof: "p".into() };
        let rows = [
            (CommandKind::Mode, r#","mode":"safe_stop""#, Content::Ready(Command::Mode(ModeWish::SafeStop))),
            (
                CommandKind::Setpoint,
                r#","battery_kw":-12.5,"chp_kw":20"#,
                Content::Ready(Command::Setpoints(setpoints)),
            ),
            (
                CommandKind::Limit,
                r#","import_kw_max":40,"export_kw_max":null"#,
                Content::Ready(Command::Limits(limits)),
            ),
            (CommandKind::Acknowledge, "", Content::Ready(Command::Acknowledge)),
            (CommandKind::Arm, "", Content::Arm),
            (CommandKind::Confirm, r#","nonce":"n","proof":"p""#, confirm),
        ];
        for (kind, fields, expected) in rows {
            assert_eq!(parsed(kind, fields), Ok(expected), "{kind:?}");
        }
    }

    #[test]
    fn a_field_that_is_unknown_missing_or_absurd_is_named() {
        let rows = [
            (CommandKind::Mode, r#","mode":"auto""#, "unknown variant `auto`"),
            (CommandKind::Mode, r#","mode":"manual","force":true"#, "unknown field `force`"),
            (CommandKind::Setpoint, r#","battery_kw":1"#, "missing field `chp_kw`"),
            (CommandKind::Setpoint, r#","battery_kw":1,"chp_kw":-1"#, "chp_kw must be"),
            (CommandKind::Setpoint, r#","battery_kw":1e9,"chp_kw":1"#, "battery_kw must be"),
            (CommandKind::Limit, r#","import_kw_max":10"#, "missing field `export_kw_max`"),
            (CommandKind::Limit, r#","import_kw_max":-1,"export_kw_max":1"#, "import_kw_max must be"),
            (CommandKind::Acknowledge, r#","all":true"#, "unknown field `all`"),
        ];
        for (kind, fields, expected) in rows {
            let message = parsed(kind, fields).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn the_answer_to_a_malformed_command_carries_its_id_if_that_is_readable() {
        let rows: [(&[u8], Option<&str>); 6] = [
            (b"\xff\x00", None),
            (b"[1]", None),
            (br#"{"id":"a/b"}"#, None),
            (br#"{"id":7}"#, None),
            (br#"{"id":"a-1"}"#, Some("a-1")),
            (br#"{"id":"a-1","time_unix_ms":"now","ttl_s":1}"#, Some("a-1")),
        ];
        for (payload, id) in rows {
            assert_eq!(parse(CommandKind::Acknowledge, payload).unwrap_err().id.as_deref(), id);
        }
    }
}
