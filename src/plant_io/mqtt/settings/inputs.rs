//! Checks of `[[mqtt.inputs]]`.

use super::raw::RawInput;
use super::validate::Problems;
use super::{Input, Target, TimeSource, ValueSource};
use crate::problem::words;
use crate::quantity;
use memg_core::plant_state::{Signal, Tag};
use std::collections::BTreeSet;

/// More inputs than any site has; bounds memory and the subscription.
const INPUTS_MAX: usize = 1000;

/// Checks every input; `None` after any problem.
pub(super) fn validate_inputs(
    tables: Vec<toml::Value>,
    prefix: Option<&str>,
    problems: &mut Problems,
) -> Option<Vec<Input>> {
    if tables.len() > INPUTS_MAX {
        problems.add("mqtt.inputs", format!("are {} in number; at most {INPUTS_MAX} are possible", tables.len()));
        return None;
    }
    let mut one = |(n, table)| {
        let key = format!("mqtt.inputs[{n}]");
        let raw = problems.read(&key, table)?;
        Check { key, problems }.input(raw)
    };
    let typed: Vec<_> = tables.into_iter().enumerate().map(&mut one).collect();
    let inputs: Vec<Input> = typed.into_iter().collect::<Option<_>>()?;
    let mut seen = BTreeSet::new();
    for (n, input) in inputs.iter().enumerate() {
        if !seen.insert(&input.target) {
            problems.add(format!("mqtt.inputs[{n}]"), format!("feeds {} a second time", input.target.name()));
        }
        if prefix.is_some_and(|prefix| is_below(&input.topic, prefix)) {
            problems.add(format!("mqtt.inputs[{n}].topic"), "is below the gateway's own prefix");
        }
    }
    Some(inputs)
}

/// Yes-or-no signals need no unit.
const fn is_flag(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::ChpOn | Signal::BatteryRemote | Signal::ChpRemote | Signal::ChpFault | Signal::BatteryFault
    )
}

pub(super) fn is_below(topic: &str, prefix: &str) -> bool {
    topic.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Checks one input, reporting below its key.
pub(super) struct Check<'a> {
    pub(super) key: String,
    pub(super) problems: &'a mut Problems,
}

impl Check<'_> {
    pub(super) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.key)
    }

    fn input(&mut self, raw: RawInput) -> Option<Input> {
        let topic = self.topic(&raw);
        let target = self.target(&raw);
        let source = self.source(&raw);
        let time = self.time(&raw);
        let factor = self.factor(&raw, target.as_ref());
        let offset = self.finite("offset", raw.offset.unwrap_or(0.0));
        let range = self.range(raw.range);
        let age_max = self.problems.seconds(&self.at("age_max_s"), raw.age_max_s.unwrap_or(15.0), (0.1, 86_400.0));
        let frozen = raw.frozen_s.map(|frozen| self.problems.seconds(&self.at("frozen_s"), frozen, (1.0, 864_000.0)));
        if raw.words.values().any(|number| !number.is_finite()) {
            self.problems.add(self.at("words"), "must be finite numbers");
        }
        Some(Input {
            topic: topic?,
            target: target?,
            source: source?,
            time: time?,
            words: raw.words,
            factor: factor?,
            offset: offset?,
            range: range?,
            age_max: age_max?,
            frozen: frozen.flatten(),
        })
    }

    pub(super) fn topic(&mut self, raw: &RawInput) -> Option<String> {
        let topic = self.problems.require(&self.at("topic"), raw.topic.clone());
        topic.and_then(|topic| self.problems.topic(&self.at("topic"), topic))
    }

    fn target(&mut self, raw: &RawInput) -> Option<Target> {
        match (&raw.signal, &raw.name) {
            (Some(name), None) => {
                let signal = Tag::from_name(name);
                if signal.is_none() {
                    let known = words::unknown(name, Signal::ALL.map(Signal::name));
                    self.problems.add(self.at("signal"), format!("{known}; with a number where there are several"));
                }
                signal.map(Target::Signal)
            }
            (None, Some(name)) => Some(Target::Named(name.clone())),
            (Some(_), Some(_)) | (None, None) => {
                self.problems.add(&self.key, "needs exactly one of signal and name");
                None
            }
        }
    }

    fn source(&mut self, raw: &RawInput) -> Option<ValueSource> {
        match (&raw.pointer, raw.raw.unwrap_or(false)) {
            (Some(pointer), false) => self.pointer("pointer", pointer).map(ValueSource::Pointer),
            (None, true) => Some(ValueSource::Raw),
            (Some(_), true) | (None, false) => {
                self.problems.add(&self.key, "needs exactly one of pointer and raw = true");
                None
            }
        }
    }

    pub(super) fn pointer(&mut self, field: &str, pointer: &str) -> Option<String> {
        let ok = |text: &String| text.is_empty() || text.starts_with('/');
        self.problems.check(
            &self.at(field),
            pointer.to_owned(),
            ok,
            "must be a JSON pointer: empty or starting with a slash",
        )
    }

    #[expect(
        clippy::option_option,
        reason = "the outer None says 'problem already reported', the inner one 'no time stamp'"
    )]
    /// The outer `None` follows a problem; the inner one is an input without time stamp.
    pub(super) fn time(&mut self, raw: &RawInput) -> Option<Option<TimeSource>> {
        match (&raw.time_pointer, raw.time_format) {
            (None, None) => Some(None),
            (Some(_), Some(_)) if raw.raw == Some(true) => {
                self.problems.add(self.at("time_pointer"), "needs a JSON payload, not raw = true");
                None
            }
            (Some(pointer), Some(format)) => {
                self.pointer("time_pointer", pointer).map(|pointer| Some(TimeSource { pointer, format }))
            }
            (Some(_), None) => {
                self.problems.add(self.at("time_format"), "is missing: unix_s, unix_ms or rfc3339");
                None
            }
            (None, Some(_)) => {
                self.problems.add(self.at("time_pointer"), "is missing, although there is a time_format");
                None
            }
        }
    }

    /// Unit, scale and sign in one number.
    pub(super) fn factor(&mut self, raw: &RawInput, target: Option<&Target>) -> Option<f64> {
        let unit = self.unit(target, raw.unit.as_deref());
        let scale = self.finite("scale", raw.scale.unwrap_or(1.0));
        let positive = |s: &f64| *s > 0.0;
        let scale =
            scale.and_then(|s| self.problems.check(&self.at("scale"), s, positive, "must be above 0; use sign"));
        let sign = raw.sign.unwrap_or(1.0);
        let sign = self.problems.check(&self.at("sign"), sign, |s| s.abs() == 1.0, "must be 1 or -1");
        Some(unit? * scale? * sign?)
    }

    /// Factor from the unit in the message to the project's.
    fn unit(&mut self, target: Option<&Target>, unit: Option<&str>) -> Option<f64> {
        let own = match target {
            Some(Target::Signal(signal)) if is_flag(signal.signal()) && unit.is_none() => return Some(1.0),
            Some(Target::Signal(signal)) => Some(quantity::signal_dimension(signal.signal())),
            Some(Target::Named(_)) | None if unit.is_none() => return Some(1.0),
            Some(Target::Named(_)) | None => None,
        };
        let unit = self.problems.require(&self.at("unit"), unit)?;
        let Some((dimension, factor)) = quantity::unit(unit) else {
            self.problems.add(self.at("unit"), quantity::unknown_unit(unit));
            return None;
        };
        if let Some(wanted) = own.filter(|own| *own != dimension) {
            self.problems.add(self.at("unit"), quantity::mismatch(unit, dimension, wanted));
            return None;
        }
        Some(factor)
    }

    pub(super) fn finite(&mut self, field: &str, number: f64) -> Option<f64> {
        self.problems.check(&self.at(field), number, |number| number.is_finite(), "must be a finite number")
    }

    pub(super) fn range(&mut self, range: Option<[f64; 2]>) -> Option<(f64, f64)> {
        let [low, high] = self.problems.require(&self.at("range"), range)?;
        let ok = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite() && low <= high;
        self.problems.check(&self.at("range"), (low, high), ok, "must be two finite numbers, the lower one first")
    }
}
