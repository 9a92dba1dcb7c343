//! The settings of a trial: one part that can be moved, by a small power, and nothing else that can be written.

use super::{Part, Trial};
use crate::live::harmless;
use memg_core::equipment::{Plant, PlantParameters};
use memg_plant_io::Output;
use memg_plant_io::device::Device;
use memg_plant_io::point::WriteRule;
use memg_settings::Settings;

/// What a battery that is not tried is rated in the filter, kW: a watt, so that it keeps its number and gets nothing.
const NOTHING_KW: f64 = 0.001;

/// The same settings, under which a gateway can move the part of `trial` by its band and write nothing else: neither the
/// filter nor the drivers let more through. It has to be armed, whatever the site says; nobody else commands it but over
/// the broker.
///
/// # Errors
/// The narrowed plant is none; in words.
pub fn narrowed(mut settings: Settings, trial: &Trial) -> Result<Settings, String> {
    settings.plant = plant(&settings, trial)?;
    settings.simulated = false;
    // Whoever commissions gives the set-points; a policy that was made for the whole plant is none for this one.
    settings.policy.spec = "idle".parse().map_err(|error| format!("{error}"))?;
    let devices = settings.devices.iter().map(|device| permitted(device, trial, &settings.plant));
    settings.devices = devices.collect();
    Ok(settings)
}

/// The plant that the filter keeps: ratings no wider than the band.
fn plant(settings: &Settings, trial: &Trial) -> Result<Plant, String> {
    let mut p: PlantParameters = *settings.plant.parameters();
    // A droop would move the battery by itself.
    p.frequency.droop_pu = None;
    for (index, battery) in p.battery.iter_mut().enumerate() {
        let tried = trial.part == Part::Battery && index == trial.unit.index();
        let most_kw = if tried { trial.band_kw } else { NOTHING_KW };
        battery.charge_kw_max = battery.charge_kw_max.min(most_kw);
        battery.discharge_kw_max = battery.discharge_kw_max.min(most_kw);
    }
    if trial.part == Part::Chp {
        let tried = p.chp.iter_mut().nth(trial.unit.index());
        tried.into_iter().for_each(|chp| chp.p_kw_max = chp.p_kw_max.min(chp.p_kw_min + trial.band_kw));
    }
    let words = |list: Vec<memg_core::equipment::Problem>| {
        let list: Vec<String> = list.iter().map(|p| format!("plant.{}: expected {}", p.path(), p.expected)).collect();
        format!("a band of {} kW: {}", trial.band_kw, list.join("; "))
    };
    p.validate().map_err(words)
}

/// A device with the permissions of the trial, narrowed; any other device has none.
fn permitted(device: &Device, trial: &Trial, plant: &Plant) -> Device {
    if *device.name != *trial.device {
        return harmless(device);
    }
    let mut points = device.points.to_vec();
    for point in &mut points {
        let kept = point.write.take();
        point.write = kept.and_then(|rule| narrower(rule, trial, plant));
    }
    Device { points: points.into(), ..device.clone() }
}

/// A rule of the trial with the narrower range; heartbeats stay, others go.
fn narrower(rule: WriteRule, trial: &Trial, plant: &Plant) -> Option<WriteRule> {
    let output = rule.output.output();
    if output == Output::Heartbeat {
        return Some(rule);
    }
    if !trial.moves(rule.output) {
        return None;
    }
    let (low, high) = rule.range;
    let range = match output {
        Output::BatterySetpointKw => (low.max(-trial.band_kw), high.min(trial.band_kw)),
        Output::ChpSetpointKw => {
            let most = plant.chps().get(trial.unit.index()).map_or(0.0, |chp| chp.max.kilowatts().get());
            (low, high.min(most))
        }
        // A cap is no power: what it may do is the filter's.
        Output::ChpRun | Output::PvLimitKw | Output::WindLimitKw | Output::Heartbeat => (low, high),
    };
    Some(WriteRule { range, ..rule })
}
