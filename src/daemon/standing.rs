//! What is wrong at this moment, with consequences attached to their cause: one cause is one alarm.
//!
//! Causes are, in this order: a device or broker that is away, values of a device that cannot be used, and what control
//! finds. A lost measurement belongs to its device; a fault of the cycle to what explains it; the mode that follows stands in
//! the text of the worst of them, and so does the latched stop.

use super::view::{Instants, Sentences};
use memg_alarms::{Kind, Raised};
use memg_control::cycle::CycleDecision;
use memg_control::fault::{Fault, Severity};
use memg_control::mode::Mode;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Tag;
use memg_plant_io::device::Device;
use memg_plant_io::image::PointId;
use memg_plant_io::modbus::DeviceState;
use memg_settings::{Known, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the broker among the sources of measurements.
pub(super) const BROKER: &str = "mqtt";

/// Who measures each signal; a sum has several.
pub(super) fn sources(settings: &Settings) -> BTreeMap<Tag, BTreeSet<String>> {
    let source = |id: PointId| {
        let holds = |device: &&Device| (device.first.0..device.first.0 + device.points.len()).contains(&id.0);
        let device = settings.devices.iter().find(holds).map(|device| device.name.to_string());
        device.or_else(|| settings.points.mqtt.contains(&id).then(|| BROKER.to_owned()))
    };
    let of = |known: &Known| known.formula.terms().iter().filter_map(|term| source(term.point)).collect();
    settings.points.signals.iter().map(|(tag, known)| (*tag, of(known))).collect()
}

/// Everything that a cycle knows about what is wrong.
pub(super) struct Facts<'a> {
    pub at: Instants,
    pub devices: &'a [(String, DeviceState)],
    /// `None` = no MQTT.
    pub broker: Option<bool>,
    pub values: &'a [(Tag, Measurement<f64>)],
    /// Who measures a signal: devices, or [`BROKER`].
    pub sources: &'a BTreeMap<Tag, BTreeSet<String>>,
    pub decision: &'a CycleDecision,
    pub sentences: &'a Sentences,
    pub history_trouble: Option<&'a str>,
    /// The policy was asked last for a tariff that it was not trained for.
    pub outside_tariff: bool,
    /// A forecast is configured, and none is known.
    pub forecast_is_missing: bool,
}

/// All of it; `told` is what drivers and books told.
pub(super) fn raised(facts: &Facts<'_>, told: Vec<Raised>) -> Vec<Raised> {
    let mut raised = away(facts);
    lost_values(facts, &mut raised);
    raised.extend(told);
    beside(facts, &mut raised);
    let cause = fault(facts, &mut raised);
    consequences(facts, cause, &mut raised);
    raised
}

/// Devices and broker that are not there.
fn away(facts: &Facts<'_>) -> Vec<Raised> {
    let is_away = |state: &DeviceState| matches!(state, DeviceState::Starting | DeviceState::Offline);
    let devices = facts.devices.iter().filter(|(_, state)| is_away(state));
    let devices = devices.map(|(name, _)| Raised::new(Kind::Link, name, ""));
    let broker = (facts.broker == Some(false)).then(|| Raised::new(Kind::Broker, BROKER, ""));
    devices.chain(broker).collect()
}

fn words(quality: Quality) -> &'static str {
    match quality {
        Quality::Good | Quality::NotRequired | Quality::Substituted => "good",
        Quality::Stale => "too old",
        Quality::Frozen => "the same for too long",
        Quality::OutOfRange => "out of range",
        Quality::CommLost => "not answered",
        Quality::NeverRead => "never read",
    }
}

/// Measurements that cannot be used: consequences of whoever is away, else an alarm for each device, not for each point.
fn lost_values(facts: &Facts<'_>, raised: &mut Vec<Raised>) {
    let mut of_cause: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut of_source: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (tag, measured) in facts.values.iter().filter(|(_, measured)| measured.is_lost()) {
        let nobody = BTreeSet::new();
        let sources = facts.sources.get(tag).unwrap_or(&nobody);
        let is_cause = |alarm: &Raised| sources.contains(&alarm.name);
        match raised.iter().position(is_cause) {
            Some(index) => of_cause.entry(index).or_default().push(tag.to_string()),
            None => {
                let source = sources.iter().next().map_or("the configuration", String::as_str);
                let word = format!("{tag} is {}", words(measured.quality));
                of_source.entry(source.to_owned()).or_default().push(word);
            }
        }
    }
    for (index, tags) in of_cause {
        if let Some(alarm) = raised.get_mut(index) {
            alarm.effects.push(format!("Not known without it: {}", tags.join(", ")));
        }
    }
    raised.extend(of_source.into_iter().map(|(source, words)| Raised::new(Kind::Values, source, words.join(", "))));
}

/// What concerns neither devices nor the mode.
fn beside(facts: &Facts<'_>, raised: &mut Vec<Raised>) {
    raised.extend(facts.history_trouble.map(|trouble| Raised::new(Kind::History, "", trouble)));
    if let Some(grid) = &facts.decision.grid_limit {
        let silent = [(grid.import_silent, "import"), (grid.export_silent, "export")];
        let silent: Vec<&str> = silent.into_iter().filter_map(|(is, side)| is.then_some(side)).collect();
        if !silent.is_empty() {
            raised.push(Raised::new(Kind::GridLimit, "", silent.join(" and ")));
        }
    }
    if facts.outside_tariff {
        raised.push(Raised::new(Kind::Tariff, "", ""));
    }
    if facts.decision.price_is_substituted && !is_explained(facts, raised, "price") {
        raised.push(Raised::new(Kind::Prices, "", ""));
    }
    if facts.forecast_is_missing && !raised.iter().any(|alarm| alarm.kind == Kind::Broker) {
        raised.push(Raised::new(Kind::Forecast, "", ""));
    }
}

/// A lost signal whose name has this part belongs to an alarm already.
fn is_explained(facts: &Facts<'_>, raised: &[Raised], part: &str) -> bool {
    let mut lost = facts.values.iter().filter(|(tag, measured)| measured.is_lost() && tag.to_string().contains(part));
    lost.any(|(tag, _)| {
        let sources = facts.sources.get(tag);
        raised.iter().any(|alarm| sources.is_some_and(|sources| sources.contains(&alarm.name)))
    })
}

/// Where the fault of the cycle belongs: an alarm that explains it, or one of its own. Its place.
fn fault(facts: &Facts<'_>, raised: &mut Vec<Raised>) -> Option<usize> {
    let fault = facts.decision.fault.as_ref().filter(|fault| fault.severity > Severity::None)?;
    explaining(fault, raised).or_else(|| {
        raised.push(own(fault));
        Some(raised.len() - 1)
    })
}

fn explaining(fault: &Fault, raised: &[Raised]) -> Option<usize> {
    let (kind, _) = Kind::of_id(&fault.id).unwrap_or((Kind::Fault, "plant"));
    // A set-point that is not confirmed names its device.
    let named = |alarm: &Raised| fault.cause.strip_prefix(&alarm.name).is_some_and(|rest| rest.starts_with(':'));
    let is_cause = |alarm: &Raised| match alarm.kind {
        Kind::Link | Kind::Broker | Kind::Values => {
            named(alarm) || (kind == Kind::Input && mentions(alarm, &fault.cause))
        }
        Kind::Local => kind == Kind::Local || named(alarm),
        Kind::Write => named(alarm),
        other => other == kind && kind.id(&alarm.name) == fault.id,
    };
    raised.iter().position(is_cause)
}

/// The alarm's words, or those of its consequences, name the signal that the fault begins with.
fn mentions(alarm: &Raised, cause: &str) -> bool {
    let signal = cause.split(' ').next().unwrap_or(cause);
    let is_it = |text: &String| text.split([' ', ',', ':']).any(|word| word == signal);
    std::iter::once(&alarm.detail).chain(&alarm.effects).any(is_it)
}

/// An alarm of its own for a fault that nothing else explains.
fn own(fault: &Fault) -> Raised {
    match Kind::of_id(&fault.id) {
        Some((kind @ (Kind::Device | Kind::Bounds), name)) => Raised::new(kind, name, ""),
        Some((Kind::Local, _)) => Raised::new(Kind::Local, "a device", ""),
        Some((kind, name)) => Raised::new(kind, name, &fault.cause),
        None => Raised::new(Kind::Fault, "plant", &fault.cause),
    }
}

/// The mode, and what happens next, stand in the text of the cause; a latched stop whose cause is gone is an alarm.
fn consequences(facts: &Facts<'_>, cause: Option<usize>, raised: &mut Vec<Raised>) {
    let decision = facts.decision;
    let mode = match decision.mode {
        Mode::Hold => Some("The gateway holds its last request"),
        Mode::Fallback => Some("The good rule decides in place of the policy"),
        Mode::SafeStop => Some("The gateway has stopped the plant safely"),
        Mode::Init | Mode::Shadow | Mode::Auto | Mode::Manual => None,
    };
    if let Some(alarm) = cause.and_then(|cause| raised.get_mut(cause)) {
        alarm.effects.extend(mode.map(ToOwned::to_owned));
        if decision.latched {
            alarm
                .effects
                .push("A safe stop waits for an operator: give the command Acknowledge when the cause is gone".into());
        }
        alarm.next = facts.sentences.next.as_ref().filter(|_| mode.is_some()).map(|next| capital(next));
    } else if decision.latched {
        raised.push(Raised::new(Kind::Stop, "plant", ""));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests stop at the first surprise")]
#[path = "standing_tests.rs"]
mod tests;
