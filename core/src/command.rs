//! Commands of operators and supervisory systems, whatever entrance they came through.
//!
//! Responsible for: what a [`Command`] is, who may give it, and what can be answered. An entrance (MQTT, page, Modbus
//! server, terminal) authenticates and makes one; control judges it in the cycle that takes it, journals it with its
//! principal, and answers with an [`Outcome`]. No entrance carries anything out by itself.

use crate::setpoints::Setpoints;
use serde::{Deserialize, Serialize};

/// What a principal may do. Ordered: a later role may do everything that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks on; no command.
    Viewer,
    /// May stop the plant safely and narrow the limits at the connection, nothing else: a grid operator's control box.
    Guard,
    /// Runs the plant: modes, set-points, limits, acknowledgement, arming.
    Operator,
    /// Everything, and what changes configuration.
    Engineer,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Guard, Self::Operator, Self::Engineer];

    /// The role of that name.
    ///
    /// # Errors
    /// What was expected, for whoever wrote it; without a name, too.
    pub fn read(name: Option<&str>) -> Result<Self, String> {
        let found = || name.map_or("nothing".to_owned(), |name| format!("{name:?}"));
        let role = Self::ALL.into_iter().find(|role| Some(role.name()) == name);
        role.ok_or_else(|| format!("expected one of {}, found {}", Self::ALL.map(Self::name).join(", "), found()))
    }

    /// As in configurations, messages and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Guard => "guard",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
        }
    }
}

/// The entrance that a command came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// A topic of the broker.
    Mqtt,
    /// The daemon's own page or API.
    Web,
    /// The Modbus server for SCADA.
    ModbusServer,
    /// The SunSpec face of the site.
    Sunspec,
    /// IEC 60870-5-104.
    Iec104,
    /// OPC UA.
    OpcUa,
    /// The terminal on the gateway's machine.
    Terminal,
}

impl Means {
    /// As in logs and on pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Web => "web",
            Self::ModbusServer => "modbus",
            Self::Sunspec => "sunspec",
            Self::Iec104 => "iec104",
            Self::OpcUa => "opcua",
            Self::Terminal => "terminal",
        }
    }
}

/// Who has control in manual mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// As the configuration names it.
    pub principal: String,
    /// By which entrance it took control.
    pub means: Means,
}

/// Limits at the connection from outside, for instance the grid operator's; `None` = the plant's own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ExchangeLimits {
    /// Most power imported, kW, >= 0.
    pub import_kw_max: Option<f64>,
    /// Most power exported, kW, >= 0.
    pub export_kw_max: Option<f64>,
}

/// Limits at the connection for a time, as a grid operator's control box orders them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GridOrder {
    /// What may be carried.
    #[serde(flatten)]
    pub limits: ExchangeLimits,
    /// For so long, s.
    pub for_s: f64,
}

impl GridOrder {
    /// Longest time of an order, s: a week.
    pub const FOR_S_MAX: f64 = 604_800.0;
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandBody {
    /// Stop safely. Taken in every mode, before everything else of its cycle.
    SafeStop,
    /// Compute, write nothing.
    Shadow,
    /// Follow the operator's set-points. Only where the gateway is armed already.
    Manual,
    /// Give control back to the policy from Manual. Only where the gateway is armed already.
    Auto,
    /// Enter Auto from Shadow; both steps of arming were made.
    Arm,
    /// Set-points for Manual; they go through the safety filter like any request.
    Setpoints(Setpoints),
    /// Limits at the connection; they only narrow the plant's own.
    Limits(ExchangeLimits),
    /// Limits at the connection that end by themselves, beside those of [`Self::Limits`]; they only narrow.
    GridLimit(GridOrder),
    /// The operator has seen the latched fault, and its cause is gone.
    Acknowledge,
}

impl CommandBody {
    /// The least role that may give it.
    #[must_use]
    pub const fn role_min(&self) -> Role {
        match self {
            Self::SafeStop | Self::Limits(_) | Self::GridLimit(_) => Role::Guard,
            Self::Shadow | Self::Manual | Self::Auto | Self::Arm | Self::Setpoints(_) | Self::Acknowledge => {
                Role::Operator
            }
        }
    }

    /// As in messages, journals and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SafeStop => "safe_stop",
            Self::Shadow => "shadow",
            Self::Manual => "manual",
            Self::Auto => "auto",
            Self::Arm => "arm",
            Self::Setpoints(_) => "setpoint",
            Self::Limits(_) => "limit",
            Self::GridLimit(_) => "grid_limit",
            Self::Acknowledge => "acknowledge",
        }
    }
}

/// One command, authenticated, in time, seen for the first time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Who gave it, as the configuration names operators.
    pub principal: String,
    /// What that principal may do.
    pub role: Role,
    /// By which entrance it came.
    pub means: Means,
    /// The sender's id, unique while the command lives.
    pub id: String,
    /// When it was given, by the sender's clock, ms since 1970 UTC.
    pub time_unix_ms: u64,
    /// What is wanted.
    pub body: CommandBody,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It is in force.
    Done,
    /// It is not in force, and changes nothing.
    Rejected {
        /// Why, for the operator.
        reason: String,
    },
    /// It is in force with other powers than asked for: what the plant's ratings and limits leave of it.
    Clamped {
        /// Battery power in force, kW, + = charging.
        battery_kw: f64,
        /// CHP power in force, kW.
        chp_kw: f64,
    },
}

/// The answer to a command of a cycle, journaled with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The command's id.
    pub id: String,
    /// Who gave it.
    pub principal: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_looking_on_allows_nothing() {
        assert!(Role::Viewer < Role::Guard && Role::Guard < Role::Operator && Role::Operator < Role::Engineer);
        let limits = CommandBody::Limits(ExchangeLimits::default());
        for body in [CommandBody::SafeStop, limits, CommandBody::Arm, CommandBody::Acknowledge] {
            assert!(body.role_min() > Role::Viewer, "{body:?}");
        }
        assert!(CommandBody::Setpoints(Setpoints::IDLE).role_min() > Role::Guard);
    }
}
