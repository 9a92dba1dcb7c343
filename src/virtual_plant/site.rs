//! The devices of the virtual plant as a site file sees them.

use super::{DeviceAddress, PlantError};
use memg_core::equipment::Plant;
use memg_plant_io::Output;
use memg_plant_io::device::{self, DeviceFile};
use memg_plant_io::point::WriteRule;
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
        DeviceSpec {
            name: $name.to_owned(),
            file: $file.to_owned(),
            text: Cow::Borrowed(include_str!(concat!("../../config/devices/", $file))),
            unit_id: 1,
        }
    };
}

/// Battery, CHP, grid meter, PV, wind, heat meter, load meter: all that a microgrid of this project has.
#[must_use]
pub fn standard_devices() -> Vec<DeviceSpec> {
    vec![
        standard!("battery", "virtual-battery.toml"),
        standard!("chp", "virtual-chp.toml"),
        standard!("grid-meter", "virtual-grid-meter.toml"),
        standard!("pv", "virtual-pv.toml"),
        standard!("wind", "virtual-wind.toml"),
        standard!("heat-meter", "virtual-heat-meter.toml"),
        standard!("load-meter", "virtual-load-meter.toml"),
    ]
}

/// The `[[device]]` tables of a site file: addresses as they are, write permissions by the plant's ratings.
#[must_use]
pub fn device_tables(plant: &Plant, addresses: &[DeviceAddress]) -> String {
    let mut text = String::new();
    for DeviceAddress { spec, address } in addresses {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "[[device]]\nname = {:?}\nfile = {:?}\ntransport = {{ tcp = \"{address}\" }}\nunit_id = {}",
            spec.name, spec.file, spec.unit_id
        );
        let permissions = spec.load().map(|file| permissions(plant, &file)).unwrap_or_default();
        if !permissions.is_empty() {
            let _ = writeln!(text, "write = [{}]", permissions.join(", "));
        }
        text.push('\n');
    }
    text
}

fn permissions(plant: &Plant, file: &DeviceFile) -> Vec<String> {
    let rules = file.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?)));
    let permission = |(name, rule): (&String, &WriteRule)| {
        let (low, high) = allowed(plant, rule.output);
        let (low, high) = (low.max(rule.range.0), high.min(rule.range.1));
        format!("{{ point = {name:?}, range = [{low:?}, {high:?}] }}")
    };
    rules.map(permission).collect()
}

/// What the plant's ratings allow to be written, in the output's unit.
fn allowed(plant: &Plant, output: Output) -> (f64, f64) {
    let p = plant.parameters();
    match output {
        Output::BatterySetpointKw => (-plant.battery().discharge_kw_max, plant.battery().charge_kw_max),
        Output::ChpSetpointKw => (0.0, plant.chp().p_kw_max),
        Output::ChpRun => (0.0, 1.0),
        Output::PvLimitKw => (0.0, p.exogenous.pv_kw_nom),
        Output::WindLimitKw => (0.0, p.exogenous.wind_kw_nom),
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
