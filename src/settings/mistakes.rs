//! What a gateway could run with and nobody means: set-points that nobody takes, permissions and ranges that do not hold what
//! the site file says, folders that are not there.
//!
//! A gateway in shadow lives with these, so they stop no run; `gateway check` calls none of them correct.

use super::history::HistorySettings;
use super::plant::SitePlant;
use super::points::{Known, PointMap};
use super::{Found, Settings};
use memg_core::equipment::{Battery, Plant};
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::device::{Device, Offer};
use memg_plant_io::point::WriteRule;
use memg_plant_io::problem::Problem;
use memg_plant_io::{Output, OutputTag};
use memg_policy::{PolicySpec, load_trusted};
use std::path::Path;

/// Of the configuration alone.
pub(super) fn of(map: &PointMap, found: &Found, site: &SitePlant) -> Vec<Problem> {
    let mut mistakes = Vec::new();
    if found.devices.is_empty() && found.mqtt.is_none() {
        return mistakes;
    }
    for tag in controlled(&site.plant) {
        mistakes.extend(taken(tag, found));
    }
    mistakes.extend(curtailed(found, site));
    for (device, key) in found.devices.iter().zip(&found.keys) {
        mistakes.extend(halves(device, key));
        for (name, rule) in device.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?))) {
            mistakes.extend(permitted(name, rule, key, site));
        }
    }
    // Several meters share a load.
    let alone = |tag: Tag| map.signals.keys().filter(|other| other.signal() == tag.signal()).count() == 1;
    let shared = |tag: Tag| matches!(tag.signal(), Signal::ElectricLoadKw | Signal::HeatLoadKw) && !alone(tag);
    let judged = map.signals.iter().filter(|(tag, _)| !shared(**tag));
    mistakes.extend(judged.filter_map(|(tag, known)| believed(*tag, known, site)));
    mistakes
}

/// Of what has to be on this machine.
pub(super) fn on_this_machine(settings: &Settings) -> Vec<Problem> {
    let mut mistakes = Vec::new();
    if let Err(error) = load_trusted(&settings.policy.spec, &settings.plant, &settings.policy.trust) {
        let what = match &settings.policy.spec {
            PolicySpec::Model { dir, .. } if !dir.is_dir() => format!("there is no model folder {}", dir.display()),
            _ => error.to_string(),
        };
        mistakes.push(Problem::new("policy.decide_with", format!("{what}; the good rule would decide in its stead")));
    }
    match &settings.journal.path {
        None if !settings.simulated => {
            let message =
                "missing: expected path = \"gateway.journal\"; without it nothing can be explained or replayed";
            mistakes.push(Problem::new("journal.path", message));
        }
        Some(path) => mistakes.extend(file_problem("journal.path", path)),
        None => {}
    }
    if let HistorySettings::Kept(history) = &settings.history {
        let beside = settings.journal.path.as_ref().and_then(|journal| journal.parent()) == history.path.parent();
        mistakes.extend(file_problem("history.path", &history.path).filter(|_| !beside));
    }
    mistakes
}

/// A file that is written while the gateway runs needs its folder.
fn file_problem(key: &str, path: &Path) -> Option<Problem> {
    if path.is_dir() {
        return Some(Problem::new(key, format!("{} is a folder, expected a file", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())?;
    let what =
        format!("there is no folder {} (paths of journal and history begin in the working folder)", folder.display());
    Some(Problem::new(key, what))
}

/// The set-points that a plant needs somebody to take.
fn controlled(plant: &Plant) -> Vec<OutputTag> {
    let each = |output, count: usize| (1..).take(count).filter_map(move |n| OutputTag::numbered(output, n).ok());
    let batteries = each(Output::BatterySetpointKw, plant.batteries().len());
    batteries.chain(each(Output::ChpSetpointKw, plant.chps().len())).collect()
}

/// Somebody takes it, or it is said that nobody shall. Over MQTT all set-points are published.
fn taken(tag: OutputTag, found: &Found) -> Option<Problem> {
    let mut devices = found.devices.iter().zip(&found.keys);
    if devices.clone().any(|(device, _)| device.outputs().any(|taken| taken == tag)) {
        return None;
    }
    let offered = |device: &Device| device.unpermitted.offers.iter().find(|offer| offer.output == tag).cloned();
    let offer = devices.clone().find_map(|(device, key)| Some((device, key, offered(device)?)));
    match offer {
        Some((device, _, _)) if device.unpermitted.stated => None,
        Some((_, key, offer)) => Some(unpermitted(tag, &offer, key)),
        // A file that cannot be written may belong to a device that is only read.
        None if found.mqtt.is_some() || devices.any(|(device, _)| device.unpermitted.stated) => None,
        None => Some(Problem::new("", format!("nobody takes {tag}: no [[device]] may be written with it"))),
    }
}

fn unpermitted(tag: OutputTag, offer: &Offer, key: &str) -> Problem {
    let (point, (low, high)) = (&offer.point, offer.rule.range);
    let message = format!(
        "missing: nobody takes {tag}. Permit it with write = [{{ point = {point:?}, range = [low, high] }}] (the device \
         takes {low} to {high}), or state write = [] for a device that is only read"
    );
    Problem::new(format!("{key}.write"), message)
}

/// Surplus that nobody can switch off may break the limit of export.
fn curtailed(found: &Found, site: &SitePlant) -> Option<Problem> {
    let (x, export) = (&site.plant.parameters().exogenous, site.plant.export_max().kilowatts().get());
    let surplus = x.pv_kw_nom + x.wind_kw_nom - x.electric_load_kw_min;
    let caps = [(Output::PvLimitKw, x.pv_kw_nom), (Output::WindLimitKw, x.wind_kw_nom)];
    let takes = |output| found.devices.iter().flat_map(Device::outputs).any(|tag| tag.output() == output);
    let (output, _) = caps.into_iter().find(|(output, kw)| *kw > 0.0 && !takes(*output))?;
    // Where nothing is written at all, nothing is promised; over MQTT all set-points are published.
    let writes = found.devices.iter().flat_map(Device::outputs).next().is_some();
    let offers = |device: &Device| {
        !device.unpermitted.stated && device.unpermitted.offers.iter().any(|offer| offer.output.output() == output)
    };
    let offered = found.devices.iter().zip(&found.keys).find(|(device, _)| offers(device)).map(|(_, key)| key);
    if surplus <= export || !writes || (offered.is_none() && found.mqtt.is_some()) {
        return None;
    }
    let message = format!(
        "nobody takes {}, and a surplus of {surplus} kW may break the limit of {export} kW to the grid: the filter's promise \
         needs renewables that can be curtailed",
        output.name()
    );
    Some(Problem::new(offered.map_or_else(String::new, |key| format!("{key}.write")), message))
}

/// A set-point without its run command or its heartbeat is half a permission.
fn halves(device: &Device, key: &str) -> Vec<Problem> {
    let permitted = |output: Output| device.outputs().any(|tag| tag.output() == output);
    if !(permitted(Output::ChpSetpointKw) || permitted(Output::BatterySetpointKw)) {
        return Vec::new();
    }
    let left = |offer: &&Offer| matches!(offer.output.output(), Output::ChpRun | Output::Heartbeat);
    let told = |offer: &Offer| {
        let cost = match offer.rule.watchdog {
            Some(watchdog) => format!("; the device falls back after {} s without it", watchdog.as_secs_f64()),
            None => String::new(),
        };
        let (what, point) = (offer.output, &offer.point);
        let message =
            format!("{what} is not permitted although the set-point is: expected point = {point:?} as well{cost}");
        Problem::new(format!("{key}.write"), message)
    };
    device.unpermitted.offers.iter().filter(left).map(told).collect()
}

/// A permission holds what the plant is rated for: what is beyond it is refused, and the plant would be held.
fn permitted(name: &str, rule: &WriteRule, key: &str, site: &SitePlant) -> Option<Problem> {
    let index = rule.output.unit().index();
    let source = |ratings: &[f64]| match ratings {
        [all] => Some(*all),
        each => each.get(index).copied(),
    };
    let (low, high) = match rule.output.output() {
        Output::BatterySetpointKw => {
            let battery = site.plant.batteries().get(index)?.parameters;
            (-battery.discharge_kw_max, battery.charge_kw_max)
        }
        // 0 when it is off.
        Output::ChpSetpointKw => (0.0, site.plant.chps().get(index)?.parameters.p_kw_max),
        Output::ChpRun => (0.0, 1.0),
        Output::PvLimitKw => (0.0, source(&site.sources.pv_kw)?),
        Output::WindLimitKw => (0.0, source(&site.sources.wind_kw)?),
        Output::Heartbeat => (0.0, 65_535.0),
    };
    let (from, to) = rule.range;
    let narrow = from > low + SLACK || to < high - SLACK;
    let message = || {
        format!(
            "{name:?} may take {from} to {to}, but the site file says {low} to {high} for {}: what is beyond the permission \
             is refused, and control would hold",
            rule.output
        )
    };
    narrow.then(|| Problem::new(format!("{key}.write"), message()))
}

/// Rounding of scales.
const SLACK: f64 = 1e-6;

/// What is believed holds what the plant is rated for.
fn believed(tag: Tag, known: &Known, site: &SitePlant) -> Option<Problem> {
    let (low, high) = known.range?;
    let (from, to) = rated(tag, site)?;
    if low <= from + SLACK && high >= to - SLACK {
        return None;
    }
    // Too narrow by more than a choice would make it, and right with a thousand times as much.
    let thousand = high * 50.0 <= to && low * 1e3 <= from + SLACK && high * 1e3 >= to - SLACK;
    let hint = if thousand { ": the range of a point is in its own unit, perhaps W" } else { "" };
    let message = format!(
        "{tag} is believed from {low} to {high} alone, but the site file says {from} to {to}{hint}; everything else would \
         count as lost"
    );
    Some(Problem::new(format!("{}.range", known.key), message))
}

/// What a signal may be at a plant, in its unit; `None` where the site file does not say.
#[must_use]
pub fn rated(tag: Tag, site: &SitePlant) -> Option<(f64, f64)> {
    let p = site.plant.parameters();
    let (index, x) = (tag.unit().index(), &p.exogenous);
    let source = |ratings: &[f64]| Some((0.0, ratings.get(index).copied()?));
    let battery = |of: fn(&Battery) -> (f64, f64)| Some(of(&site.plant.batteries().get(index)?.parameters));
    match tag.signal() {
        Signal::PvKw | Signal::PvAvailableKw => source(&site.sources.pv_kw),
        Signal::WindKw | Signal::WindAvailableKw => source(&site.sources.wind_kw),
        Signal::Soc => battery(|b| (b.soc_min, b.soc_max)),
        Signal::BatteryKw => battery(|b| (-b.discharge_kw_max, b.charge_kw_max)),
        Signal::ChpKw => Some((0.0, site.plant.chps().get(index)?.parameters.p_kw_max)),
        Signal::GridKw => Some((-p.grid.export_kw_max, p.grid.import_kw_max)),
        Signal::GridVoltagePu => Some((p.grid.voltage_pu_min, p.grid.voltage_pu_max)),
        Signal::FrequencyHz => Some((p.frequency.hz_min, p.frequency.hz_max)),
        Signal::ElectricLoadKw => Some((x.electric_load_kw_min, x.electric_load_kw_max)),
        Signal::HeatLoadKw => Some((0.0, x.heat_load_kw_max)),
        Signal::GridKvar
        | Signal::ChpOn
        | Signal::ImportPriceEurPerKwh
        | Signal::ExportPriceEurPerKwh
        | Signal::BatteryRemote
        | Signal::ChpRemote
        | Signal::ChpFault
        | Signal::BatteryFault
        | Signal::GasKw
        | Signal::ChpHeatKw
        | Signal::BoilerHeatKw
        | Signal::GridImportKwh
        | Signal::GridExportKwh
        | Signal::GridImportLimitKw
        | Signal::GridExportLimitKw => None,
    }
}
