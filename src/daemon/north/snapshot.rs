//! A cycle as the list of points has it.

use crate::standing;
use crate::view::View;
use memg_alarms::{Alarm, Definition, Kind, Priority, State};
use memg_control::cycle::CycleDecision;
use memg_control::fault::Severity;
use memg_core::command::ExchangeLimits;
use memg_core::equipment::Plant;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::Tag;
use memg_north::points::{ALARMS_MAX, PointList, VERSION};
use memg_north::wires::{DeviceState, Reading, Snapshot, Trust};
use memg_plant_io::modbus::DeviceState as LinkState;
use memg_settings::Settings;
use std::collections::{BTreeMap, HashMap};

/// What a row of the table of alarms is called: `plant.stop`, `device.link`.
pub(super) fn alarm_name(row: &Definition) -> String {
    format!("{}.{}", row.about.unwrap_or("device"), row.suffix)
}

/// What does not change.
pub(super) struct Facts {
    plant: Plant,
    /// Places of the points that a device alone measures.
    owned: BTreeMap<String, Vec<usize>>,
}

impl Facts {
    pub fn of(settings: &Settings, list: &PointList) -> Self {
        let mut owned: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (tag, sources) in standing::sources(settings) {
            let place = list.named(&tag.to_string());
            if let (Some(place), Some(source)) = (place, sources.first().filter(|_| sources.len() == 1)) {
                owned.entry(source.clone()).or_default().push(place);
            }
        }
        Self { plant: settings.plant, owned }
    }

    fn devices(&self, view: &View) -> Vec<DeviceState> {
        let told = |(name, state): &(String, LinkState)| DeviceState {
            name: name.clone(),
            up: matches!(state, LinkState::Reading | LinkState::Controlled | LinkState::Local),
            points: self.owned.get(name).cloned().unwrap_or_default(),
        };
        view.devices.iter().map(told).collect()
    }
}

/// The snapshot of a cycle.
pub(super) fn snapshot(list: &PointList, view: &View, facts: &Facts) -> Snapshot {
    let mut known: HashMap<String, Reading> = HashMap::new();
    known.extend(view.values.iter().map(|(tag, measured)| (Tag::to_string(tag), measurement(measured))));
    known.extend(alarms(&view.alarms));
    if let Some((_, decision)) = &view.last {
        known.extend(own(view, decision, &facts.plant).map(|(name, reading)| (name.to_owned(), reading)));
        known.extend(setpoints(view, decision));
    }
    Snapshot {
        unix_ms: view.at.unix_ms,
        readings: list.points().iter().map(|point| known.remove(&point.name).unwrap_or_default()).collect(),
        devices: facts.devices(view),
        limits: view.limits,
        ordered: ordered(view),
        in_charge: view.in_charge.as_ref().map(|holder| (holder.principal.clone(), holder.means)),
    }
}

/// Limits that were ordered for a time.
fn ordered(view: &View) -> ExchangeLimits {
    let grid = view.last.as_ref().and_then(|(_, decision)| decision.grid_limit);
    grid.and_then(|grid| grid.from.order).map(|(limits, _)| limits).unwrap_or_default()
}

/// A device's value, with what its quality says of it.
fn measurement(measured: &Measurement<f64>) -> Reading {
    let measured = measured.finite();
    let trust = match measured.quality {
        Quality::Good | Quality::NotRequired => Trust::Good,
        Quality::Substituted | Quality::Frozen => Trust::Uncertain,
        Quality::Stale | Quality::OutOfRange | Quality::CommLost => Trust::Bad,
        Quality::NeverRead => Trust::Never,
    };
    Reading { value: measured.value, text: None, trust, age_s: measured.age_ms as f64 / 1000.0 }
}

fn flag(is: bool) -> Reading {
    Reading::own(f64::from(u8::from(is)))
}

/// What the gateway knows of itself.
fn own(view: &View, decision: &CycleDecision, plant: &Plant) -> impl Iterator<Item = (&'static str, Reading)> {
    let severity = decision.fault.as_ref().map_or(0, |fault| match fault.severity {
        Severity::None => 0,
        Severity::Policy => 1,
        Severity::Soft => 2,
        Severity::Hard => 3,
    });
    let grid = plant.parameters().grid;
    let limits = decision.limits_from_outside();
    let narrowest = |outside: Option<f64>, own: f64| Reading::own(outside.map_or(own, |kw| kw.min(own)));
    let control = view.commanded.as_ref();
    let control = control.map_or(String::new(), |c| format!("{} ({}): {}", c.principal, c.means, c.what));
    [
        ("map_version", Reading::own(f64::from(VERSION))),
        ("cycle", Reading::own((view.cycle % 65_536) as f64)),
        ("mode", Reading::own(f64::from(decision.mode.number()))),
        ("armed", flag(view.mode_state.is_some_and(|mode| mode.armed))),
        ("latched", flag(decision.latched)),
        ("written", flag(decision.written)),
        ("fault", Reading::own(f64::from(severity))),
        ("limit.import_kw_max", narrowest(limits.import_kw_max, grid.import_kw_max)),
        ("limit.export_kw_max", narrowest(limits.export_kw_max, grid.export_kw_max)),
        ("cost_today_eur", Reading::own(view.cost_today_eur)),
        ("why", Reading::words(&view.sentences.why)),
        ("next", Reading::words(view.sentences.next.as_deref().unwrap_or_default())),
        ("control", Reading::words(&control)),
        ("top_alarm", Reading::words(view.alarm().unwrap_or_default())),
    ]
    .into_iter()
}

/// Set-points in force, as far as there are any.
fn setpoints(view: &View, decision: &CycleDecision) -> Vec<(String, Reading)> {
    let Some(safe) = &decision.safe else { return Vec::new() };
    let number = |place: usize| if place == 0 { String::new() } else { format!("_{}", place + 1) };
    let batteries = safe.batteries().into_iter().enumerate();
    let batteries = batteries.map(|(n, power)| (format!("setpoint.battery{}_kw", number(n)), power.kilowatts().get()));
    let chps = safe.chps().into_iter().enumerate();
    let chps = chps.map(|(n, chp)| (format!("setpoint.chp{}_kw", number(n)), chp.power.kilowatts().get()));
    let caps = view.order.iter().flat_map(|order| {
        [("setpoint.pv_limit_kw", order.pv_limit_kw), ("setpoint.wind_limit_kw", order.wind_limit_kw)]
    });
    let caps = caps.map(|(name, kw)| (name.to_owned(), kw));
    batteries.chain(chps).chain(caps).map(|(name, kw)| (name, Reading::own(kw))).collect()
}

/// Counts, words and flags of alarms.
fn alarms(list: &[Alarm]) -> Vec<(String, Reading)> {
    let stands = |alarm: &&Alarm| matches!(alarm.state, State::Unacknowledged | State::Acknowledged);
    let kinds: Vec<Kind> = list.iter().filter(stands).filter_map(|alarm| Some(Kind::of_id(&alarm.id)?.0)).collect();
    let mut words = [0u16; ALARMS_MAX as usize / 16];
    let mut told = Vec::new();
    for (place, row) in memg_alarms::TABLE.iter().enumerate().take(usize::from(ALARMS_MAX)) {
        let on = kinds.contains(&row.kind);
        if let Some(word) = words.get_mut(place / 16).filter(|_| on) {
            *word |= 1 << (place % 16);
        }
        told.push((format!("alarm.{}", alarm_name(row)), flag(on)));
    }
    told.extend((1..).zip(words).map(|(n, word)| (format!("alarm_word_{n}"), Reading::own(f64::from(word)))));
    let count = |priority| list.iter().filter(stands).filter(|alarm| alarm.priority == priority).count();
    let unseen = |alarm: &&Alarm| matches!(alarm.state, State::Unacknowledged | State::Returned);
    let counts = [
        ("alarms_high", count(Priority::High)),
        ("alarms_medium", count(Priority::Medium)),
        ("alarms_low", count(Priority::Low)),
        ("alarms_unacknowledged", list.iter().filter(unseen).count()),
    ];
    told.extend(counts.map(|(name, count)| (name.to_owned(), Reading::own(count as f64))));
    told
}

#[cfg(test)]
mod tests {
    use memg_control::mode::Mode;
    use memg_north::points::MODES;

    #[test]
    fn modes_have_the_numbers_of_the_history() {
        let ours: Vec<(u16, &str)> = Mode::ALL.map(|mode| (u16::from(mode.number()), mode.name())).to_vec();
        let mut numbered = ours;
        numbered.sort_unstable();
        assert_eq!(numbered, MODES);
    }

    #[test]
    fn every_kind_of_alarm_has_a_place_and_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> = memg_alarms::TABLE.iter().map(super::alarm_name).collect();
        assert_eq!(names.len(), memg_alarms::TABLE.len());
        assert!(memg_alarms::TABLE.len() <= usize::from(super::ALARMS_MAX));
    }
}
