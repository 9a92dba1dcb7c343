//! `/metrics`, made from the latest cycle when it is asked for.

use super::source::Telling;
use crate::view::View;
use memg_alarms::{Priority, State};
use memg_control::mode::Mode;
use memg_web::wires::Source as _;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt::{self, Error};

/// OpenMetrics text.
pub(super) fn metrics(telling: &Telling) -> String {
    let view = telling.views.borrow().clone();
    let (alive, ready) = (telling.alive().is_ok(), telling.ready().is_ok());
    let mut registry = Registry::with_prefix("memg");
    registry.register_collector(Box::new(Measured { view, alive, ready }));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Measured {
    view: View,
    alive: bool,
    ready: bool,
}

/// Writes families one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

/// A sample: labels and value.
type Sample = (Vec<(&'static str, String)>, f64);

fn one(value: f64) -> Vec<Sample> {
    vec![(Vec::new(), value)]
}

/// A label's value as the text format has it: prometheus-client 0.24 writes it as it is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

impl Families<'_> {
    fn gauge(&mut self, name: &str, help: &str, samples: Vec<Sample>) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples)
    }

    fn counter(&mut self, name: &str, help: &str, samples: Vec<Sample>) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples)
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType, samples: Vec<Sample>) -> fmt::Result {
        if samples.is_empty() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            let sample = |encoder: prometheus_client::encoding::MetricEncoder<'_>| match kind {
                MetricType::Counter => prometheus_client::metrics::counter::ConstCounter::new(value).encode(encoder),
                _ => prometheus_client::metrics::gauge::ConstGauge::new(value).encode(encoder),
            };
            if labels.is_empty() {
                return sample(family);
            }
            let labels: Vec<_> = labels.into_iter().map(|(name, value)| (name, escaped(&value))).collect();
            sample(family.encode_family(&labels.as_slice())?)?;
        }
        Ok(())
    }
}

impl Collector for Measured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut families = Families(encoder);
        self.control(&mut families)?;
        self.points(&mut families)?;
        self.setpoints(&mut families)?;
        self.devices(&mut families)?;
        self.rest(&mut families)
    }
}

impl Measured {
    fn control(&self, f: &mut Families<'_>) -> fmt::Result {
        let (view, counts) = (&self.view, &self.view.counts);
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        f.gauge("build_info", "The program that runs; always 1", vec![(version, 1.0)])?;
        f.gauge("control_alive", "1 while the control loop goes on", one(flag(self.alive)))?;
        f.gauge("control_ready", "1 while what control needs to know is known", one(flag(self.ready)))?;
        f.counter("control_cycles", "Cycles decided since the start", one(view.cycle as f64))?;
        f.counter(
            "control_late_cycles",
            "Cycles that began late by more than half of their length",
            one(counts.slips as f64),
        )?;
        f.gauge(
            "control_lateness_p99_seconds",
            "99 % of the last 512 cycles began within this time after they were due",
            one(f64::from(counts.lateness_p99_ms) / 1e3),
        )?;
        f.counter("policy_steps", "Times that the policy was asked", one(counts.policy_steps as f64))?;
        f.counter(
            "interventions",
            "Rules of the safety filter that changed a request",
            one(counts.interventions as f64),
        )?;
        f.counter("commands", "Commands judged at control's door", one(counts.commands as f64))?;
        f.counter("mode_changes", "Changes of mode", one(counts.mode_changes as f64))?;
        let modes = Mode::ALL.map(|mode| (vec![("mode", mode.name().to_owned())], flag(mode == view.mode())));
        f.gauge("mode", "1 for the mode that the gateway is in", modes.to_vec())?;
        let decision = view.last.as_ref().map(|(_, decision)| decision);
        f.gauge(
            "latched",
            "1 while a safe stop waits for an operator",
            one(flag(decision.is_some_and(|d| d.latched))),
        )?;
        f.gauge("fault", "1 while control finds a fault", one(flag(decision.is_some_and(|d| d.fault.is_some()))))
    }

    fn points(&self, f: &mut Families<'_>) -> fmt::Result {
        let label = |name: String| vec![("point", name)];
        let values =
            self.view.values.iter().filter_map(|(tag, m)| Some((label(tag.to_string()), m.finite().usable()?)));
        f.gauge(
            "point_value",
            "Value of a measured signal in the unit that its name ends with; absent while it cannot be used",
            values.collect(),
        )?;
        let known = self.view.values.iter().filter(|(_, m)| m.value.is_some());
        let ages = known.map(|(tag, m)| (label(tag.to_string()), m.age_ms as f64 / 1e3)).collect();
        f.gauge("point_age_seconds", "Age of a measured signal", ages)?;
        let good =
            self.view.values.iter().map(|(tag, m)| (label(tag.to_string()), flag(m.quality.is_usable()))).collect();
        f.gauge("point_usable", "1 while control may rely on a signal", good)
    }

    fn setpoints(&self, f: &mut Families<'_>) -> fmt::Result {
        let mut samples: Vec<Sample> = Vec::new();
        if let Some((_, decision)) = &self.view.last
            && let Some(safe) = decision.safe
        {
            let mut add = |name: &str, kw: f64| samples.push((vec![("setpoint", name.to_owned())], kw));
            add("battery_kw", safe.battery().kilowatts().get());
            add("chp_kw", safe.chp().kilowatts().get());
            if let Some(limit) = safe.renewable_limit() {
                add("renewable_limit_kw", limit.kilowatts().get());
            }
        }
        f.gauge("setpoint_kilowatts", "Set-points after the safety filter, battery + = charging", samples)?;
        let sent = self.view.order.is_some();
        f.gauge("setpoints_sent", "1 while set-points go to the devices", one(flag(sent)))?;
        let limits = [("import", self.view.limits.import_kw_max), ("export", self.view.limits.export_kw_max)];
        let limits = limits.into_iter().filter_map(|(side, kw)| Some((vec![("direction", side.to_owned())], kw?)));
        f.gauge(
            "exchange_limit_kilowatts",
            "Limits at the connection from outside; absent while the plant's own count",
            limits.collect(),
        )
    }

    fn devices(&self, f: &mut Families<'_>) -> fmt::Result {
        let label = |name: &String| vec![("device", name.clone())];
        let up = self
            .view
            .devices
            .iter()
            .map(|(name, state)| (label(name), flag(super::state::device_state(*state) == "up")));
        f.gauge("device_up", "1 while a device answers", up.collect())?;
        let counted = |of: fn(&memg_plant_io::modbus::CounterValues) -> u64| -> Vec<Sample> {
            self.view.counters.iter().map(|(name, values)| (label(name), of(values) as f64)).collect()
        };
        f.counter("device_polls", "Read requests answered", counted(|c| c.polls))?;
        f.counter(
            "device_polls_missed",
            "Places on the poll grid that passed without a read",
            counted(|c| c.polls_missed),
        )?;
        f.counter("device_timeouts", "Requests without an answer in time", counted(|c| c.timeouts))?;
        f.counter("device_connects", "Connections made", counted(|c| c.connects))?;
        f.counter("device_writes", "Set-points written", counted(|c| c.writes))?;
        f.counter("device_writes_failed", "Writes that were not acknowledged", counted(|c| c.writes_failed))?;
        f.counter("device_writes_applied", "Set-points read back as written", counted(|c| c.applied))?;
        f.counter(
            "device_writes_not_applied",
            "Set-points acknowledged, yet read back differently",
            counted(|c| c.not_applied),
        )?;
        let broker = self.view.broker.map(|up| one(flag(up))).unwrap_or_default();
        f.gauge("broker_up", "1 while the MQTT broker is there", broker)?;
        let messages = self.view.broker.map(|_| one(self.view.messages as f64)).unwrap_or_default();
        f.counter("mqtt_messages", "MQTT messages received", messages)
    }

    fn rest(&self, f: &mut Families<'_>) -> fmt::Result {
        let view = &self.view;
        let standing = |priority: Priority| {
            let stands = |state| matches!(state, State::Unacknowledged | State::Acknowledged);
            let number = view.alarms.iter().filter(|alarm| alarm.priority == priority && stands(alarm.state)).count();
            (vec![("priority", priority.name().to_owned())], number as f64)
        };
        f.gauge("alarms_active", "Alarms that stand", Priority::ALL.map(standing).to_vec())?;
        let unseen = view.alarms.iter().filter(|a| matches!(a.state, State::Unacknowledged | State::Returned)).count();
        f.gauge("alarms_unacknowledged", "Alarms that nobody has seen", one(unseen as f64))?;
        f.gauge("journal_ok", "1 while the journal is written", one(flag(view.journal_trouble.is_none())))?;
        f.gauge("history_ok", "1 while the history is complete", one(flag(view.history_trouble.is_none())))?;
        f.gauge("cost_eur", "Cost since the start, EUR; falls where export earns", one(view.cost_eur))?;
        f.gauge("cost_today_eur", "Cost since the local day began, EUR", one(view.cost_today_eur))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use memg_core::measurement::Measurement;
    use memg_core::plant_state::{Signal, Tag};
    use memg_plant_io::modbus::DeviceState;
    use std::collections::BTreeSet;

    /// A view with one of everything.
    fn told() -> String {
        let view = View {
            values: vec![(Tag::first(Signal::Soc), Measurement::good(0.5))],
            devices: vec![("chp\"\\\n".into(), DeviceState::Offline)],
            counters: [("chp".to_owned(), memg_plant_io::modbus::CounterValues::default())].into(),
            broker: Some(true),
            limits: memg_control::cycle::ExchangeLimits { import_kw_max: Some(40.0), export_kw_max: None },
            ..View::default()
        };
        let mut registry = Registry::with_prefix("memg");
        registry.register_collector(Box::new(Measured { view, alive: true, ready: false }));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn every_family_has_its_help_and_labels_are_escaped() {
        let text = told();
        let families = |head: &str| text.lines().filter(|line| line.starts_with(head)).count();
        assert!(families("# HELP memg_") > 25 && families("# HELP memg_") == families("# TYPE memg_"), "{text}");
        assert!(text.contains("memg_device_up{device=\"chp\\\"\\\\\\n\"} 0"), "{text}");
        assert!(
            text.contains("memg_point_value{point=\"soc\"} 0.5") && text.contains("memg_control_alive 1"),
            "{text}"
        );
    }

    #[test]
    fn the_dashboard_asks_for_nothing_that_is_not_there() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/grafana/memg-gateway.json");
        let dashboard: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let told = told();
        // A set-point needs a decision, which needs a plant: its family is named in the source above.
        let counter = |name: &str| told.contains(&format!("# TYPE {name} counter"));
        let known = |name: &str| {
            let family = name.strip_suffix("_total").filter(|family| counter(family)).unwrap_or(name);
            told.contains(&format!("# TYPE {family} ")) && (counter(family) == name.ends_with("_total"))
        };
        let mut asked = BTreeSet::new();
        for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            asked.extend(words.filter(|word| word.starts_with("memg_")).map(ToOwned::to_owned));
        }
        assert!(asked.len() > 20, "{asked:?}");
        let unknown: Vec<_> = asked.iter().filter(|name| !known(name) && *name != "memg_setpoint_kilowatts").collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let fields = ["title", "uid", "schemaVersion", "templating", "panels"];
        assert!(fields.iter().all(|field| dashboard.get(field).is_some()));
    }
}
