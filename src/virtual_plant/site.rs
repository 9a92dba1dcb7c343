//! The devices of the virtual plant as a site file sees them.

use super::{DeviceAddress, PlantError};
use memg_core::equipment::Plant;
use memg_plant_io::Output;
use memg_plant_io::device::{self, DeviceFile};
use memg_plant_io::point::WriteRule;
use memg_plant_io::sources::Sources;
use std::borrow::Cow;
use std::fmt::Write;

/// A device to be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Its name in the site file.
    pub name: String,
    /// Name of its device file in `config/devices/`.
    pub file: String,
    /// Text of that file: the gateway's map and the server's registers.
    pub text: Cow<'static, str>,
    /// Modbus unit id.
    pub unit_id: u8,
    /// Which battery, CHP, source or meter of the plant it is, from 1.
    pub number: u16,
}

impl DeviceSpec {
    /// Reads and checks the device file.
    ///
    /// # Errors
    /// Every problem, one a line.
    pub fn load(&self) -> Result<DeviceFile, PlantError> {
        device::load(&self.text, &self.file).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            PlantError::DeviceFile(lines.join("\n"))
        })
    }
}

macro_rules! standard {
    ($name:literal, $file:literal) => {
        ($name, $file, include_str!(concat!("../../config/devices/", $file)))
    };
}

/// A kind of device: its name in a site file, its device file, and the file's text.
type Kind = (&'static str, &'static str, &'static str);

const BATTERY: Kind = standard!("battery", "virtual-battery.toml");
const CHP: Kind = standard!("chp", "virtual-chp.toml");
const GRID_METER: Kind = standard!("grid-meter", "virtual-grid-meter.toml");
const PV: Kind = standard!("pv", "virtual-pv.toml");
const WIND: Kind = standard!("wind", "virtual-wind.toml");
const HEAT_METER: Kind = standard!("heat-meter", "virtual-heat-meter.toml");
const LOAD_METER: Kind = standard!("load-meter", "virtual-load-meter.toml");

/// Devices of a kind, numbered from 1; the first is called by the kind's name, the others `battery-2` and so on.
fn numbered((name, file, text): Kind, count: usize) -> impl Iterator<Item = DeviceSpec> {
    (1..).take(count).map(move |number: u16| DeviceSpec {
        name: if number == 1 { name.to_owned() } else { format!("{name}-{number}") },
        file: file.to_owned(),
        text: Cow::Borrowed(text),
        unit_id: 1,
        number,
    })
}

/// The devices of a plant: each battery, CHP, PV and wind turbine that it has, its grid meter, and meters of the heat and
/// load that it has.
#[must_use]
pub fn devices_of(plant: &Plant, sources: &Sources) -> Vec<DeviceSpec> {
    let x = &plant.parameters().exogenous;
    let there = |kw: f64| usize::from(kw > 0.0);
    numbered(BATTERY, plant.batteries().len())
        .chain(numbered(CHP, plant.chps().len()))
        .chain(numbered(GRID_METER, 1))
        .chain(numbered(PV, sources.pv_kw.len()))
        .chain(numbered(WIND, sources.wind_kw.len()))
        .chain(numbered(HEAT_METER, there(x.heat_load_kw_max)))
        .chain(numbered(LOAD_METER, there(x.electric_load_kw_max)))
        .collect()
}

/// Battery, CHP, grid meter, PV, wind, heat meter, load meter: one of each.
#[must_use]
pub fn standard_devices() -> Vec<DeviceSpec> {
    let plant = Plant::reference();
    devices_of(&plant, &Sources::one_each(&plant))
}

/// The `[[device]]` tables of a site file: addresses as they are, write permissions by the plant's ratings.
#[must_use]
pub fn device_tables(plant: &Plant, sources: &Sources, addresses: &[DeviceAddress]) -> String {
    let mut text = String::new();
    for DeviceAddress { spec, address } in addresses {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "[[device]]\nname = {:?}\nfile = {:?}\ntransport = {{ tcp = \"{address}\" }}\nunit_id = {}",
            spec.name, spec.file, spec.unit_id
        );
        if spec.number > 1 {
            let _ = writeln!(text, "number = {}", spec.number);
        }
        let permissions = spec.load().map(|file| permissions(plant, sources, spec.number, &file)).unwrap_or_default();
        if !permissions.is_empty() {
            let _ = writeln!(text, "write = [{}]", permissions.join(", "));
        }
        text.push('\n');
    }
    text
}

fn permissions(plant: &Plant, sources: &Sources, number: u16, file: &DeviceFile) -> Vec<String> {
    let rules = file.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?)));
    let permission = |(name, rule): (&String, &WriteRule)| {
        let (low, high) = allowed(plant, sources, number, rule.output.output());
        let (low, high) = (low.max(rule.range.0), high.min(rule.range.1));
        format!("{{ point = {name:?}, range = [{low:?}, {high:?}] }}")
    };
    rules.map(permission).collect()
}

/// What the ratings of the unit of that number allow to be written, in the output's unit.
fn allowed(plant: &Plant, sources: &Sources, number: u16, output: Output) -> (f64, f64) {
    let index = usize::from(number.saturating_sub(1));
    let rating = |ratings: &[f64]| (0.0, ratings.get(index).copied().unwrap_or(0.0));
    match output {
        Output::BatterySetpointKw => plant
            .batteries()
            .get(index)
            .map_or((0.0, 0.0), |unit| (-unit.parameters.discharge_kw_max, unit.parameters.charge_kw_max)),
        Output::ChpSetpointKw => (0.0, plant.chps().get(index).map_or(0.0, |unit| unit.parameters.p_kw_max)),
        Output::ChpRun => (0.0, 1.0),
        Output::PvLimitKw => rating(&sources.pv_kw),
        Output::WindLimitKw => rating(&sources.wind_kw),
        Output::Heartbeat => (0.0, 65_535.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_device_has_a_correct_device_file() {
        for spec in standard_devices() {
            assert_eq!(spec.load().err().map(|error| error.to_string()), None, "{}", spec.file);
        }
    }
}
