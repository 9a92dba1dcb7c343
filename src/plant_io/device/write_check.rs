//! Write rules of a device file: what a point may take, and what is written along with it.

use super::check::{Names, reference, seconds};
use super::point_check::scaled;
use super::raw::{RawPoint, RawStep, RawWrite};
use crate::modbus::codec;
use crate::point::{FixedWrite, Point, WriteRule};
use crate::problem::Problem;
use crate::quantity::unit;
use crate::{Output, OutputTag};
use std::time::Duration;

/// Adds the write rules of all points, once every point is known.
pub(super) fn rules(raw: &[Option<RawPoint>], names: &Names, points: &mut [Point], problems: &mut Vec<Problem>) {
    let mut rules = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let Some(point) = raw.as_ref() else { continue };
        let Some(write) = &point.write else { continue };
        let context =
            Context { points, names, index, key: format!("point[{index}].write"), unit: point.unit.as_deref() };
        rules.extend(context.rule(write, problems).map(|rule| (index, rule)));
    }
    for (index, rule) in rules {
        if let Some(point) = points.get_mut(index) {
            point.write = Some(rule);
        }
    }
}

struct Context<'a> {
    points: &'a [Point],
    names: &'a Names,
    index: usize,
    key: String,
    unit: Option<&'a str>,
}

impl Context<'_> {
    fn rule(&self, raw: &RawWrite, problems: &mut Vec<Problem>) -> Option<WriteRule> {
        let factor = self.unit.and_then(unit).map_or(1.0, |(_, factor)| factor);
        let time = |name: &str, value: Option<f64>, problems: &mut Vec<Problem>| {
            value.map(|value| seconds(&format!("{}.{name}", self.key), value, (0.0, 86_400.0), problems))
        };
        self.check_target(problems);
        self.check_numbers(raw, problems);
        self.check_non_volatile(raw, problems);
        Some(WriteRule {
            output: OutputTag::first(raw.output),
            share: None,
            range: scaled((raw.range[0], raw.range[1]), factor),
            off_on: self.off_on(raw, problems),
            interval_min: time("interval_s_min", raw.interval_s_min, problems).unwrap_or_default(),
            tolerance: raw.tolerance * factor,
            readback: self.readback(raw, problems),
            // The site's device knows its polls.
            confirm: Duration::ZERO,
            readback_delay: time("readback_delay_s", raw.readback_delay_s, problems).unwrap_or_default(),
            watchdog: time("watchdog_s", raw.watchdog_s, problems),
            non_volatile_per_day: raw.writes_per_day_max.filter(|_| raw.non_volatile),
            before: self.steps("before", &raw.before, problems),
            after: self.steps("after", &raw.after, problems),
            multiple: raw.multiple,
        })
    }

    fn say(&self, name: &str, message: impl Into<String>, problems: &mut Vec<Problem>) {
        problems.push(Problem::new(format!("{}.{name}", self.key), message));
    }

    fn check_target(&self, problems: &mut Vec<Problem>) {
        let Some(point) = self.points.get(self.index) else { return };
        if !point.table.is_writable() || !point.encoding.is_writable() {
            let message = "only a coil or a whole number in holding registers can be written";
            problems.push(Problem::new(self.key.clone(), message));
        }
    }

    fn check_numbers(&self, raw: &RawWrite, problems: &mut Vec<Problem>) {
        let [low, high] = raw.range;
        if !(low.is_finite() && high.is_finite() && low < high) {
            self.say("range", format!("[{low}, {high}] is not a range"), problems);
        }
        if !(raw.tolerance.is_finite() && raw.tolerance >= 0.0) {
            self.say("tolerance", "must be finite and not negative", problems);
        }
        if raw.watchdog_s.is_some_and(|watchdog| watchdog < 0.2) {
            self.say("watchdog_s", "cannot be refreshed in time below 0.2 s", problems);
        }
        if raw.watchdog_s.zip(raw.interval_s_min).is_some_and(|(watchdog, interval)| interval > watchdog / 2.0) {
            self.say("interval_s_min", "is above half of watchdog_s, the refresh would come late", problems);
        }
    }

    /// Flash memory wears out: no refresh, no heartbeat, and a budget.
    fn check_non_volatile(&self, raw: &RawWrite, problems: &mut Vec<Problem>) {
        if !raw.non_volatile {
            if raw.writes_per_day_max.is_some() {
                self.say("writes_per_day_max", "goes with non_volatile = true", problems);
            }
            return;
        }
        if raw.writes_per_day_max.is_none_or(|budget| budget == 0) {
            self.say("writes_per_day_max", "is required with non_volatile = true", problems);
        }
        if raw.watchdog_s.is_some() || raw.output == Output::Heartbeat {
            self.say("non_volatile", "such a register is never refreshed: no watchdog_s, no heartbeat", problems);
        }
    }

    fn off_on(&self, raw: &RawWrite, problems: &mut Vec<Problem>) -> Option<(u64, u64)> {
        if raw.off.is_some() != raw.on.is_some() {
            self.say("off", "off and on belong together", problems);
        }
        if raw.off.is_some() && raw.output != Output::ChpRun {
            self.say("off", "off and on are for run commands", problems);
        }
        if raw.off.is_some() && raw.off == raw.on {
            self.say("on", "is the same number as off", problems);
        }
        raw.off.zip(raw.on)
    }

    /// The point to read back: a set-point that nobody can see being applied is no set-point. Heartbeats need none.
    fn readback(&self, raw: &RawWrite, problems: &mut Vec<Problem>) -> Option<usize> {
        let index = match &raw.readback {
            Some(name) => self.companion("readback", name, problems)?,
            None if raw.output == Output::Heartbeat => return None,
            None => self.index,
        };
        if self.points.get(index).is_some_and(|point| !point.readable) {
            self.say("readback", "this point is write_only: name another one to read back", problems);
        }
        Some(index)
    }

    /// A point that is used together with this one: it must answer under the same unit id.
    fn companion(&self, name: &str, point: &str, problems: &mut Vec<Problem>) -> Option<usize> {
        let index = reference(&format!("{}.{name}", self.key), point, self.names, problems)?;
        let unit = |index: usize| self.points.get(index).and_then(|point| point.unit_id);
        if unit(index) != unit(self.index) {
            self.say(name, format!("{point:?} must have the same unit id"), problems);
        }
        Some(index)
    }

    fn steps(&self, name: &str, raw: &[RawStep], problems: &mut Vec<Problem>) -> Vec<FixedWrite> {
        let step = |(position, raw): (usize, &RawStep)| self.step(&format!("{name}[{position}]"), raw, problems);
        raw.iter().enumerate().filter_map(step).collect()
    }

    fn step(&self, name: &str, raw: &RawStep, problems: &mut Vec<Problem>) -> Option<FixedWrite> {
        let index = self.companion(&format!("{name}.point"), &raw.point, problems)?;
        let point = self.points.get(index)?;
        if index == self.index {
            self.say(name, "a step cannot write the set-point itself", problems);
        }
        if !point.table.is_writable() || !point.encoding.is_writable() {
            self.say(name, format!("{:?} cannot be written", raw.point), problems);
        } else if point.scale_factor.is_none() {
            // With a scale factor only the running device tells what fits.
            if let Err(error) = codec::encode(point, raw.value, Some(0)) {
                self.say(&format!("{name}.value"), error.to_string(), problems);
            }
        }
        let readback = raw.readback.unwrap_or(true) && point.readable;
        Some(FixedWrite { point: index, value: raw.value, when: raw.when, readback })
    }
}
