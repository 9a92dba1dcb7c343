//! The gateway's own messages: JSON with unit-bearing names, time and quality.
//!
//! | topic below the prefix | content | kind |
//! |---|---|---|
//! | `status` | birth, last will, good-bye | retained |
//! | `state` | mode, who decides and why, fault, limits from outside, errors of forecasts, and every value with quality and age, one batch | retained |
//! | `state/<name>` | one value, if `per_value_topics` is on | retained |
//! | `setpoints` | what was written last | retained |
//! | `alarms/active` | the list of alarms | retained |
//! | `alarms` | each change of an alarm: raised, acknowledged, returned, shelved | event |
//! | `events` | what drivers tell, one message each | event |
//! | `interventions` | each time the filter changed a request | event |
//! | `modes` | each change of mode | event |
//! | `ack/<kind>` | answer to a command | event |
//! | `home_assistant` | values of the list of points, with `[north.home_assistant]` alone | retained |

use super::clock::Now;
use super::outbox::Publisher;
use super::settings::{Outputs, PerValue};
use crate::event::DriverEvent;
use crate::{Output, OutputTag, WriteOrder};
use memg_core::command::ExchangeLimits;
use memg_core::forecast::ForecastMae;
use memg_core::measurement::{Measurement, Quality};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// A value in a message; its unit is in its name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct ReportedValue {
    value: Option<f64>,
    quality: Quality,
    age_s: f64,
}

/// What control is doing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ControlReport<'a> {
    /// Cycle, from 1.
    pub cycle: u64,
    /// Mode.
    pub mode: &'a str,
    /// Who made the request that is in force.
    pub decided_by: &'a str,
    /// Why, in words, if that is a policy that plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The worst fault, if there is one.
    pub fault: Option<&'a str>,
    /// Limits at the connection from outside that are in force.
    pub limits: ExchangeLimits,
    /// What a grid operator's control box leaves of the connection, where one is configured or has given an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid_limit: Option<GridLimitReport>,
    /// Mean absolute errors of the policy's forecasts by quantity and hours ahead, kW; not there while none has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast_mae: Option<ForecastMae>,
}

/// Limits from outside that sources and orders say. `null`: none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GridLimitReport {
    /// Most power imported, kW.
    pub import_kw_max: Option<f64>,
    /// Most power exported, kW.
    pub export_kw_max: Option<f64>,
    /// The import's source is silent: its fail-safe value holds.
    pub import_silent: bool,
    /// The export's source is silent.
    pub export_silent: bool,
}

#[derive(Debug, Serialize)]
struct StateReport<'a> {
    time_unix_ms: u64,
    #[serde(flatten)]
    control: ControlReport<'a>,
    values: &'a BTreeMap<String, ReportedValue>,
}

#[derive(Debug, Serialize)]
struct ValueReport {
    time_unix_ms: u64,
    #[serde(flatten)]
    value: ReportedValue,
}

/// Publishes state no more often than the settings say.
#[derive(Debug)]
pub struct StateReporter {
    outputs: Outputs,
    last: Option<Instant>,
    mode: String,
    limits: ExchangeLimits,
    grid_limit: Option<GridLimitReport>,
}

impl StateReporter {
    /// Nothing published so far.
    #[must_use]
    pub fn new(outputs: Outputs) -> Self {
        Self { outputs, last: None, mode: String::new(), limits: ExchangeLimits::default(), grid_limit: None }
    }

    /// Publishes the measurements of a cycle as `state`, unless the last time was too recent and mode and limits are
    /// still the same. Names carry the unit.
    pub fn report(
        &mut self,
        publisher: &Publisher,
        now: Now,
        control: ControlReport<'_>,
        values: impl IntoIterator<Item = (String, Measurement<f64>)>,
    ) {
        let due = |last| now.mono.saturating_duration_since(last) >= self.outputs.state_interval;
        if !self.last.is_none_or(due)
            && self.mode == control.mode
            && self.limits == control.limits
            && self.grid_limit == control.grid_limit
        {
            return;
        }
        (self.limits, self.grid_limit) = (control.limits, control.grid_limit);
        control.mode.clone_into(&mut self.mode);
        self.last = Some(now.mono);
        let values: BTreeMap<_, _> = values.into_iter().map(|(name, m)| (name, reported(m))).collect();
        publisher.set("state", &StateReport { time_unix_ms: now.unix_ms, control, values: &values });
        if self.outputs.per_value == PerValue::Enabled {
            for (name, value) in values {
                let report = ValueReport { time_unix_ms: now.unix_ms, value };
                publisher.set(&format!("state/{name}"), &report);
            }
        }
    }
}

fn reported(measurement: Measurement<f64>) -> ReportedValue {
    // JSON has no NaN; what is not finite is not a value, and not good, whoever says so.
    let value = measurement.value.filter(|value| value.is_finite());
    let quality =
        if value.is_none() && measurement.usable().is_some() { Quality::OutOfRange } else { measurement.quality };
    ReportedValue { value, quality, age_s: measurement.age_ms as f64 / 1000.0 }
}

#[derive(Debug, Serialize)]
struct SetpointReport<'a> {
    time_unix_ms: u64,
    cycle: u64,
    mode: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    battery_kw: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chp_kw: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chp_on: Option<bool>,
    pv_limit_kw: f64,
    wind_limit_kw: f64,
    /// Of further units: `battery_2_kw`, `chp_2_kw`, `chp_2_on`.
    #[serde(flatten)]
    further: BTreeMap<String, Value>,
}

/// Set-points of the units after the first, under their numbered names.
fn further(order: &WriteOrder) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let batteries = order.setpoints.batteries().into_iter().take(order.batteries);
    for (number, power) in (1..).zip(batteries).skip(1) {
        values.insert(format!("battery_{number}_kw"), power.kilowatts().get().into());
    }
    for (number, chp) in (1..).zip(order.setpoints.chps().into_iter().take(order.chps)).skip(1) {
        values.insert(format!("chp_{number}_kw"), chp.power.kilowatts().get().into());
        values.insert(format!("chp_{number}_on"), chp.on.into());
    }
    values
}

#[derive(Debug, Serialize)]
struct EventReport<'a> {
    time_unix_ms: u64,
    alarm: bool,
    #[serde(flatten)]
    event: &'a DriverEvent,
}

impl Publisher {
    /// Publishes the safe set-points of a cycle as `setpoints`, those of every unit that the plant has. Battery + = charging.
    pub fn setpoints(&self, now: Now, mode: &str, order: &WriteOrder) {
        let report = SetpointReport {
            time_unix_ms: now.unix_ms,
            cycle: order.cycle,
            mode,
            battery_kw: (order.batteries > 0).then(|| OutputTag::first(Output::BatterySetpointKw).value(order)),
            chp_kw: (order.chps > 0).then(|| OutputTag::first(Output::ChpSetpointKw).value(order)),
            chp_on: (order.chps > 0).then(|| OutputTag::first(Output::ChpRun).value(order) > 0.5),
            pv_limit_kw: order.pv_limit_kw,
            wind_limit_kw: order.wind_limit_kw,
            further: further(order),
        };
        self.set("setpoints", &report);
    }

    /// Publishes what a driver told as an event on `events`; `alarm` says whether an operator has to look.
    pub fn driver_event(&self, now: Now, event: &DriverEvent) {
        self.event("events", &EventReport { time_unix_ms: now.unix_ms, alarm: event.kind.is_alarm(), event });
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::Clock;
    use super::super::outbox::Outbox;
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    async fn sent(outbox: &Outbox) -> Vec<String> {
        let mut messages = Vec::new();
        while !outbox.is_empty() {
            let next = outbox.next_value().await;
            messages.push(format!("{} {}", next.topic, next.payload));
        }
        messages
    }

    #[tokio::test(start_paused = true)]
    async fn set_points_of_further_units_have_their_number_and_what_is_not_there_is_not_said() {
        let publisher = Publisher { outbox: Arc::default(), counters: Arc::default() };
        let clock = Clock::starting_at(1_700_000_000_000);
        for (batteries, chps, expected) in [
            (
                1,
                1,
                r#""mode":"auto","battery_kw":0.0,"chp_kw":0.0,"chp_on":false,"pv_limit_kw":5.0,"wind_limit_kw":0.0}"#,
            ),
            (2, 0, r#""mode":"auto","battery_kw":0.0,"pv_limit_kw":5.0,"wind_limit_kw":0.0,"battery_2_kw":0.0}"#),
            (
                0,
                2,
                r#""mode":"auto","chp_kw":0.0,"chp_on":false,"pv_limit_kw":5.0,"wind_limit_kw":0.0,"chp_2_kw":0.0,"chp_2_on":false}"#,
            ),
        ] {
            publisher.setpoints(clock.now(), "auto", &at_rest(batteries, chps));
            let sent = sent(&publisher.outbox).await.pop().unwrap_or_default();
            assert!(sent.ends_with(expected), "{sent}");
        }
    }

    /// What a safe stop says.
    fn at_rest(batteries: usize, chps: usize) -> WriteOrder {
        let memory = memg_core::memory::ControlMemory::at_rest();
        let filter = memg_core::safety::SafetyFilter::new(memg_core::equipment::Plant::reference());
        let setpoints = filter.shut_down(&memory.anchor(1000)).safe;
        let (pv_limit_kw, wind_limit_kw, heartbeat, decided) = (5.0, 0.0, 0, Instant::now());
        WriteOrder { cycle: 1, setpoints, batteries, chps, pv_limit_kw, wind_limit_kw, heartbeat, decided }
    }

    #[tokio::test(start_paused = true)]
    async fn state_carries_time_quality_and_age_and_keeps_its_interval() {
        let publisher = Publisher { outbox: Arc::default(), counters: Arc::default() };
        let clock = Clock::starting_at(1_700_000_000_000);
        let outputs = Outputs { state_interval: Duration::from_secs(5), per_value: PerValue::Enabled };
        let mut reporter = StateReporter::new(outputs);
        let limits = ExchangeLimits { import_kw_max: Some(40.0), export_kw_max: None };
        let soc = Measurement { value: Some(0.5), quality: Quality::Stale, age_ms: 16_500 };
        let reason = Some("holds 40 %");
        let forecast_mae = None;
        let control = ControlReport {
            cycle: 7,
            mode: "auto",
            decided_by: "plan",
            reason,
            fault: None,
            limits,
            grid_limit: None,
            forecast_mae,
        };
        let values = [("soc".into(), soc), ("pv_kw".into(), Measurement::good(f64::NAN))];
        reporter.report(&publisher, clock.now(), control, values);
        let expected = [
            r#"state {"time_unix_ms":1700000000000,"cycle":7,"mode":"auto","decided_by":"plan","reason":"holds 40 %","fault":null,"limits":{"import_kw_max":40.0,"export_kw_max":null},"values":{"pv_kw":{"value":null,"quality":"out_of_range","age_s":0.0},"soc":{"value":0.5,"quality":"stale","age_s":16.5}}}"#,
            r#"state/pv_kw {"time_unix_ms":1700000000000,"value":null,"quality":"out_of_range","age_s":0.0}"#,
            r#"state/soc {"time_unix_ms":1700000000000,"value":0.5,"quality":"stale","age_s":16.5}"#,
        ];
        assert_eq!(sent(&publisher.outbox).await, expected);
        tokio::time::advance(Duration::from_secs(4)).await;
        reporter.report(&publisher, clock.now(), control, [("soc".into(), soc)]);
        assert!(publisher.outbox.is_empty(), "too soon");
        tokio::time::advance(Duration::from_secs(1)).await;
        reporter.report(&publisher, clock.now(), control, [("soc".into(), soc)]);
        assert_eq!(sent(&publisher.outbox).await.len(), 2);
        let forecasting = ControlReport { forecast_mae: Some(ForecastMae::default()), mode: "shadow", ..control };
        reporter.report(&publisher, clock.now(), forecasting, [("soc".into(), soc)]);
        let unknown = r#""forecast_mae":{"pv_kw":{"12h":null,"1h":null,"24h":null,"3h":null,"6h":null},"#;
        assert!(sent(&publisher.outbox).await[0].contains(unknown));
        let held = ControlReport { mode: "hold", fault: Some("soc is stale"), ..control };
        reporter.report(&publisher, clock.now(), held, [("soc".into(), soc)]);
        assert_eq!(sent(&publisher.outbox).await.len(), 2, "a change of mode is told at once");
        let lifted = ControlReport { limits: ExchangeLimits::default(), ..held };
        reporter.report(&publisher, clock.now(), lifted, [("soc".into(), soc)]);
        assert_eq!(sent(&publisher.outbox).await.len(), 2, "a change of limits is told at once");
    }
}
