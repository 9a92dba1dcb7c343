//! Devices and signals as they are named on a command line.

use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};
use std::str::FromStr;

/// `NAME=FILE@PLACE/UNIT[#NUMBER]`, for instance `battery=kostal-plenticore.toml@tcp:192.0.2.10:1502/71`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChoice {
    /// Its name.
    pub name: String,
    /// Device file.
    pub file: String,
    /// As TOML.
    pub transport: String,
    /// Unit id.
    pub unit_id: u8,
    /// Which of its kind.
    pub number: u16,
    /// Text of the file where it is not the library's.
    pub text: Option<String>,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "expected NAME=FILE@tcp:HOST:PORT/UNIT, …@rtu:HOST:PORT/UNIT or …@serial:PATH:BAUD/UNIT";
        let wrong = || format!("{form}, found {text:?}");
        let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
        let (file, rest) = rest.split_once('@').ok_or_else(wrong)?;
        let (place, unit) = rest.rsplit_once('/').ok_or_else(wrong)?;
        let (unit, number) = unit.split_once('#').unwrap_or((unit, "1"));
        let file = if file.ends_with(".toml") { file.to_owned() } else { format!("{file}.toml") };
        Ok(Self {
            name: name.to_owned(),
            file,
            transport: transport(place).ok_or_else(wrong)?,
            unit_id: unit.parse().map_err(|_| wrong())?,
            number: number.parse().map_err(|_| wrong())?,
            text: None,
        })
    }
}

/// A place as a configuration writes it.
pub(crate) fn transport(place: &str) -> Option<String> {
    let (kind, rest) = place.split_once(':')?;
    let (address, last) = rest.rsplit_once(':')?;
    match kind {
        "tcp" => Some(format!("{{ tcp = {rest:?} }}")),
        "rtu" => Some(format!("{{ rtu_over_tcp = {rest:?} }}")),
        // 9600N means no parity; without a letter it is even, as Modbus asks for.
        "serial" => {
            let (digits, parity) = match last.strip_suffix(['N', 'n']) {
                Some(digits) => (digits, ", parity = \"none\""),
                None => (last, ""),
            };
            let baud: u32 = digits.parse().ok()?;
            Some(format!("{{ serial = {{ path = {address:?}, baud = {baud}{parity} }} }}"))
        }
        _ => None,
    }
}

/// `DEVICE.POINT=SIGNAL`, with a minus before the signal where the meter counts the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalChoice {
    /// Device.
    pub device: String,
    /// Point of its file.
    pub point: String,
    /// What it means.
    pub signal: Tag,
    /// It counts the other way round.
    pub turned: bool,
}

impl FromStr for SignalChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected DEVICE.POINT=SIGNAL (or =-SIGNAL), found {text:?}");
        let (place, signal) = text.split_once('=').ok_or_else(wrong)?;
        let (device, point) = place.rsplit_once('.').ok_or_else(wrong)?;
        let (turned, signal) = signal.strip_prefix('-').map_or((false, signal), |signal| (true, signal));
        let signal = Tag::from_name(signal).ok_or_else(|| format!("{signal:?} is no signal"))?;
        Ok(Self { device: device.to_owned(), point: point.to_owned(), signal, turned })
    }
}

impl SignalChoice {
    /// As an entry of `signal = […]`, with a range that holds what the plant is rated for.
    pub(super) fn table(&self, plant: &Plant) -> String {
        let p = plant.parameters();
        let most = p.grid.import_kw_max.max(p.grid.export_kw_max).max(p.exogenous.electric_load_kw_max);
        let range = match self.signal.signal() {
            Signal::Soc => "[0, 1]".to_owned(),
            Signal::FrequencyHz => "[45, 65]".to_owned(),
            Signal::GridVoltagePu => "[0.5, 1.5]".to_owned(),
            Signal::ElectricLoadKw | Signal::HeatLoadKw => {
                let rated = p.exogenous.electric_load_kw_max.max(p.exogenous.heat_load_kw_max);
                format!("[{}, {}]", -0.2 * rated, 2.0 * rated)
            }
            _ => format!("[{}, {}]", -2.0 * most, 2.0 * most),
        };
        let sign = if self.turned { ", sign = -1" } else { "" };
        format!("{{ point = {:?}, signal = \"{}\"{sign}, range = {range} }}", self.point, self.signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        for (text, transport, unit) in [
            ("b=x@tcp:192.0.2.1:1502/71", "{ tcp = \"192.0.2.1:1502\" }", 71),
            ("b=x.toml@rtu:gateway:4001/3", "{ rtu_over_tcp = \"gateway:4001\" }", 3),
            (
                "b=x@serial:/dev/serial/by-id/a:9600N/1",
                "{ serial = { path = \"/dev/serial/by-id/a\", baud = 9600, parity = \"none\" } }",
                1,
            ),
        ] {
            let choice: DeviceChoice = text.parse().unwrap();
            assert_eq!((choice.transport.as_str(), choice.unit_id, choice.file.as_str()), (transport, unit, "x.toml"));
        }
        for bad in ["b", "b=x", "b=x@tcp:1", "b=x@tcp:a:1", "b=x@udp:a:1/1", "b=x@tcp:a:1/300"] {
            assert!(bad.parse::<DeviceChoice>().is_err(), "{bad}");
        }
    }
}
