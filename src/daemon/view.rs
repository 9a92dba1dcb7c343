//! What a person sees of a running gateway: one value per cycle, latest only.

use memg_alarms::Alarm;
use memg_control::cycle::{CycleDecision, CycleInput, ExchangeLimits};
use memg_control::mode::{Mode, ModeState};
use memg_core::command::Holder;
use memg_core::forecast::ForecastMae;
use memg_core::measurement::Measurement;
use memg_core::outlook::Outlook;
use memg_core::planner::PlanByHour;
use memg_core::plant_state::Tag;
use memg_plant_io::WriteOrder;
use memg_plant_io::modbus::{CounterValues, DeviceState};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// One instant: the wall clock that modes count on, plant time as the site has it, and as the world has it; ms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instants {
    /// Monotonic, since the start of the run.
    pub now_ms: u64,
    /// Local time of the site, since 1970.
    pub plant_ms: i64,
    /// UTC, since 1970.
    pub unix_ms: i64,
}

/// The last command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    /// Who gave it.
    pub principal: String,
    /// By which entrance.
    pub means: &'static str,
    /// What it was.
    pub what: String,
    /// When, ms since 1970 UTC.
    pub unix_ms: i64,
}

/// A plan, and when and for what it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The plan.
    pub plan: PlanByHour,
    /// When it was made, ms since 1970 UTC.
    pub made_unix_ms: i64,
    /// Where its first entry begins.
    pub from_unix_ms: i64,
}

/// Mode in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentences {
    /// Why the gateway does what it does.
    pub why: String,
    /// What comes next and when, if nothing changes.
    pub next: Option<String>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    /// Cycles that began late.
    pub slips: u64,
    /// 99 % of the last cycles began within this time after they were due, ms.
    pub lateness_p99_ms: f32,
    /// Times that the mode changed.
    pub mode_changes: u64,
    /// Times that the policy was asked.
    pub policy_steps: u64,
    /// Rules that changed a request.
    pub interventions: u64,
    /// Commands that were judged.
    pub commands: u64,
}

/// One cycle for the eye.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Number of the cycle.
    pub cycle: u64,
    /// When it was.
    pub at: Instants,
    /// What came in and what was decided.
    pub last: Option<(CycleInput, CycleDecision)>,
    /// Every signal as it stands now.
    pub values: Vec<(Tag, Measurement<f64>)>,
    /// What is sent to the devices; `None` = nothing.
    pub order: Option<WriteOrder>,
    /// The mode with what its transitions depend on.
    pub mode_state: Option<ModeState>,
    /// When the mode was entered, ms since 1970 UTC.
    pub mode_since_unix_ms: i64,
    /// The mode in words.
    pub sentences: Sentences,
    /// Limits at the connection from outside.
    pub limits: ExchangeLimits,
    /// Who has control in manual mode.
    pub in_charge: Option<Holder>,
    /// The plan in force.
    pub planned: Option<Arc<Planned>>,
    /// What others say of the hours ahead, from the present step on.
    pub outlook: Arc<Outlook>,
    /// Who commanded last.
    pub commanded: Option<Commanded>,
    /// State of each device.
    pub devices: Vec<(String, DeviceState)>,
    /// The broker is there; `None` = no MQTT.
    pub broker: Option<bool>,
    /// Cost so far, EUR.
    pub cost_eur: f64,
    /// Cost since the day began, EUR.
    pub cost_today_eur: f64,
    /// The list of alarms.
    pub alarms: Arc<Vec<Alarm>>,
    /// Another number means another list.
    pub alarms_number: u64,
    /// The latest change of an alarm: what was told, and when, ms since 1970 UTC.
    pub alarm_last: Option<(String, i64)>,
    /// What the policy's forecasts were worth.
    pub forecast_mae: ForecastMae,
    /// What is counted.
    pub counts: Counts,
    /// What is wrong with the journal.
    pub journal_trouble: Option<String>,
    /// What is wrong with the history.
    pub history_trouble: Option<String>,
    /// Where the operator's station is.
    pub station: Option<String>,
    /// When the cycle was, on the clock of tasks.
    pub taken: Option<Instant>,
    /// What the drivers counted, by device.
    pub counters: BTreeMap<String, CounterValues>,
    /// MQTT messages received.
    pub messages: u64,
    /// The policy was asked last for a tariff that it was not trained for.
    pub outside_tariff: bool,
}

impl View {
    /// The present mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.last.as_ref().map_or(Mode::Init, |(_, decision)| decision.mode)
    }

    /// The worst alarm that nobody has seen, else the worst that stands, in words.
    #[must_use]
    pub fn alarm(&self) -> Option<&str> {
        self.alarms.first().map(|alarm| alarm.text.as_str())
    }
}
