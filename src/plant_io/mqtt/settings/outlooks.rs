//! Checks of `[[mqtt.outlook]]`.

use super::inputs::{Check, is_below};
use super::raw::{RawInput, RawOutlook};
use super::validate::Problems;
use super::{OutlookInput, Target};
use crate::problem::words;
use memg_core::plant_state::Tag;
use memg_core::series::Quantity;
use std::collections::BTreeSet;
use std::time::Duration;

/// As long as an outlook reaches.
const AGE_MAX_S: f64 = 129_600.0;

/// Checks every entry; `None` after any problem.
pub(super) fn validate_outlooks(
    tables: Vec<toml::Value>,
    prefix: Option<&str>,
    problems: &mut Problems,
) -> Option<Vec<OutlookInput>> {
    let mut one = |(n, table)| {
        let key = format!("mqtt.outlook[{n}]");
        let raw = problems.read(&key, table)?;
        Check { key, problems }.outlook(raw)
    };
    let typed: Vec<_> = tables.into_iter().enumerate().map(&mut one).collect();
    let outlooks: Vec<OutlookInput> = typed.into_iter().collect::<Option<_>>()?;
    let mut seen = BTreeSet::new();
    for (n, outlook) in outlooks.iter().enumerate() {
        if !seen.insert(outlook.quantity) {
            problems.add(format!("mqtt.outlook[{n}]"), format!("feeds {} a second time", outlook.quantity.name()));
        }
        if prefix.is_some_and(|prefix| is_below(&outlook.topic, prefix)) {
            problems.add(format!("mqtt.outlook[{n}].topic"), "is below the gateway's own prefix");
        }
    }
    Some(outlooks)
}

impl Check<'_> {
    fn outlook(&mut self, raw: RawOutlook) -> Option<OutlookInput> {
        let quantity = self.quantity(raw.quantity.as_deref());
        // The rules of an input, for what both have.
        let common = RawInput {
            topic: raw.topic,
            time_pointer: raw.time_pointer,
            time_format: raw.time_format,
            unit: raw.unit,
            scale: raw.scale,
            sign: raw.sign,
            offset: raw.offset,
            ..RawInput::default()
        };
        let topic = self.topic(&common);
        let pointer = self.pointer("pointer", &raw.pointer.unwrap_or_default());
        let time = self.time(&common);
        let target = quantity.and_then(|quantity| Tag::from_name(quantity.name())).map(Target::Signal);
        let factor = target.and_then(|target| self.factor(&common, Some(&target)));
        let offset = self.finite("offset", common.offset.unwrap_or(0.0));
        let range = self.range(raw.range.or_else(|| quantity.map(Quantity::possible).map(|(low, high)| [low, high])));
        let step = raw.step_s.map(|step| self.seconds("step_s", step, (1.0, 86_400.0)));
        let age_max = self.seconds("age_max_s", raw.age_max_s.unwrap_or(AGE_MAX_S), (1.0, 864_000.0));
        Some(OutlookInput {
            topic: topic?,
            quantity: quantity?,
            pointer: pointer?,
            start_key: raw.start_key.unwrap_or_else(|| "start".into()),
            value_key: raw.value_key.unwrap_or_else(|| "value".into()),
            time: time?,
            factor: factor?,
            offset: offset?,
            range: range?,
            step_ms: step.flatten().and_then(|step| i64::try_from(step.as_millis()).ok()),
            age_max: age_max?,
        })
    }

    fn quantity(&mut self, name: Option<&str>) -> Option<Quantity> {
        let name = self.problems.require(&self.at("quantity"), name)?;
        let quantity = Quantity::from_name(name);
        if quantity.is_none() {
            self.problems.add(self.at("quantity"), words::unknown(name, Quantity::ALL.map(Quantity::name)));
        }
        quantity
    }

    fn seconds(&mut self, field: &str, value: f64, bounds: (f64, f64)) -> Option<Duration> {
        self.problems.seconds(&self.at(field), value, bounds)
    }
}
