//! Whether what is measured and written fits what the plant has: each unit that is there, and none that is not.

use super::Found;
use super::plant::SitePlant;
use super::points::PointMap;
use memg_core::plant_state::{Signal, Tag};
use memg_cosim::lockstep::villas::{Position, VillasMap};
use memg_plant_io::device::Device;
use memg_plant_io::problem::Problem;
use memg_plant_io::sources::required;
use memg_plant_io::{Output, OutputTag};
use std::collections::{BTreeMap, BTreeSet};

/// Told with the key of the device, or of the whole file. Without a plant, and where it is not clear what is measured (a device
/// or the broker is wrong), nobody knows what is missing: those causes have been told.
pub(super) fn check(map: &PointMap, found: &Found, site: Option<&SitePlant>, clear: bool, problems: &mut Vec<Problem>) {
    let Some(site) = site else { return };
    let beyond = map.signals.keys().any(|tag| beyond_measured(*tag, site).is_some());
    if clear && !beyond {
        let missing = required(&site.plant, &site.sources).into_iter().filter(|tag| !map.signals.contains_key(tag));
        problems.extend(missing.map(|tag| Problem::new("", nobody(tag))));
        problems.extend(unseen_chps(map, site).map(|message| Problem::new("", message)));
    }
    fits(map, found, site, problems);
}

fn nobody(signal: Tag) -> String {
    format!(
        "nobody measures {signal}; control cannot work without it: expected a [[device]] or [[mqtt.inputs]] with that \
         signal, or [signals.{signal}] that makes it of others"
    )
}

/// Nothing is measured or written of what the plant does not have.
fn fits(map: &PointMap, found: &Found, site: &SitePlant, problems: &mut Vec<Problem>) {
    problems.extend(too_many_measured(map, site));
    for (device, key) in found.devices.iter().zip(&found.keys) {
        for (tag, limit) in device.outputs().filter_map(|tag| Some((tag, beyond_written(tag, site)?))) {
            problems.push(Problem::new(format!("{key}.write"), format!("takes {tag}, but {limit}")));
        }
    }
    if found.complete {
        caps(map, &found.devices, site, problems);
    }
}

/// What is measured of units that are not there; once for each who measures it.
fn too_many_measured(map: &PointMap, site: &SitePlant) -> Vec<Problem> {
    let mut by_key: BTreeMap<&str, Vec<(Tag, String)>> = BTreeMap::new();
    for (tag, known) in &map.signals {
        if let Some(limit) = beyond_measured(*tag, site) {
            let message = format!("{tag} is measured by {}, but {limit}", known.origin);
            by_key.entry(&known.key).or_default().push((*tag, message));
        }
    }
    let told = |(key, list): (&str, Vec<(Tag, String)>)| {
        let mut list = list.into_iter();
        let (_, first) = list.next()?;
        let others: Vec<String> = list.map(|(tag, _)| tag.to_string()).collect();
        let also = if others.is_empty() { String::new() } else { format!("; so are {}", others.join(", ")) };
        Some(Problem::new(key, first + &also))
    };
    by_key.into_iter().filter_map(told).collect()
}

/// Frames of a simulator in lock-step hold nothing of units that the plant does not have.
pub(super) fn frames(villas: &VillasMap, site: &SitePlant) -> Vec<Problem> {
    let inputs = villas.inputs.iter().enumerate().filter_map(|(n, position)| match position {
        Position::Signal(tag) => Some((format!("inputs[{n}]"), *tag)),
        Position::Nothing | Position::PriceAhead(_) => None,
    });
    let outputs = villas.outputs.iter().enumerate();
    let outputs = outputs.filter_map(|(n, name)| Some((format!("outputs[{n}]"), Tag::from_name(name)?)));
    // The first of each is always answered.
    let further = inputs.chain(outputs).filter(|(_, tag)| tag.unit().get() > 1);
    let beyond = further.filter_map(|(key, tag)| Some((key, tag, beyond_measured(tag, site)?)));
    beyond
        .map(|(key, tag, limit)| Problem::new(format!("cosim.villas.{key}"), format!("is {tag}, but {limit}")))
        .collect()
}

/// Where there are several CHPs, nobody could tell which of them runs without their own signals.
fn unseen_chps<'a>(map: &'a PointMap, site: &SitePlant) -> impl Iterator<Item = String> + 'a {
    let count = site.plant.chps().len();
    let several = (1..).take(if count > 1 { count } else { 0 });
    several.filter_map(|number| {
        let (power, on) = (Tag::new(Signal::ChpKw, number)?, Tag::new(Signal::ChpOn, number)?);
        let seen = map.signals.contains_key(&power) || map.signals.contains_key(&on);
        (!seen).then(|| format!("nobody measures {power} or {on}; of several CHPs each has to be seen"))
    })
}

/// How many there are, if a signal is of more.
fn beyond_measured(tag: Tag, site: &SitePlant) -> Option<String> {
    let signal = tag.signal();
    if signal.is_of_battery() {
        return too_many(tag.unit().index(), site.plant.batteries().len(), "[[plant.battery]]");
    }
    if signal.is_of_chp() {
        return too_many(tag.unit().index(), site.plant.chps().len(), "[[plant.chp]]");
    }
    match signal {
        Signal::PvKw | Signal::PvAvailableKw => unrated(tag.unit().index(), &site.sources.pv_kw, "pv_kw_nom"),
        Signal::WindKw | Signal::WindAvailableKw => unrated(tag.unit().index(), &site.sources.wind_kw, "wind_kw_nom"),
        _ => None,
    }
}

/// The same of a set-point.
fn beyond_written(tag: OutputTag, site: &SitePlant) -> Option<String> {
    match tag.output() {
        Output::BatterySetpointKw => too_many(tag.unit().index(), site.plant.batteries().len(), "[[plant.battery]]"),
        Output::ChpSetpointKw | Output::ChpRun => {
            too_many(tag.unit().index(), site.plant.chps().len(), "[[plant.chp]]")
        }
        Output::PvLimitKw => unrated(tag.unit().index(), &site.sources.pv_kw, "pv_kw_nom"),
        Output::WindLimitKw => unrated(tag.unit().index(), &site.sources.wind_kw, "wind_kw_nom"),
        Output::Heartbeat => None,
    }
}

fn too_many(index: usize, there: usize, table: &str) -> Option<String> {
    (index >= there).then(|| format!("the plant has {there} of {table}"))
}

/// One number is the rating of all, however many there are; a list is of each.
fn unrated(index: usize, ratings: &[f64], key: &str) -> Option<String> {
    let there = ratings.len();
    (there != 1 && index >= there).then(|| format!("the plant has {there} of plant.exogenous.{key}"))
}

/// A cap is for all PV, or all wind: where several take it, their ratings say who gets which part, and none may be left out.
fn caps(map: &PointMap, devices: &[Device], site: &SitePlant, problems: &mut Vec<Problem>) {
    let rows = [
        (Output::PvLimitKw, [Signal::PvKw, Signal::PvAvailableKw], "pv_kw_nom"),
        (Output::WindLimitKw, [Signal::WindKw, Signal::WindAvailableKw], "wind_kw_nom"),
    ];
    for (output, signals, key) in rows {
        let measured = map.signals.keys().filter(|tag| signals.contains(&tag.signal())).map(|tag| tag.unit().get());
        let takers = devices.iter().flat_map(Device::outputs).filter(|tag| tag.output() == output);
        let takers: BTreeSet<u16> = takers.map(|tag| tag.unit().get()).collect();
        let all: BTreeSet<u16> = measured.chain(takers.iter().copied()).collect();
        if takers.is_empty() || all.len() < 2 {
            continue;
        }
        if site.sources.of(output).is_none_or(|ratings| ratings.len() < 2) {
            let message =
                format!("expected the ratings as a list: {} is shared among {} by them", output.name(), all.len());
            problems.push(Problem::new(format!("plant.exogenous.{key}"), message));
        }
        for number in all.difference(&takers) {
            let left = OutputTag::numbered(output, *number).map(|tag| tag.to_string()).unwrap_or_default();
            let message = format!("nobody takes {left}: where one of several takes a cap, all of them have to");
            problems.push(Problem::new("", message));
        }
    }
}
