//! The site as a distributed energy resource: SunSpec models 1, 701, 702, 704, 713 and 715 behind one address.
//!
//! The resource is the site at its connection: power is what it gives to the network, + = injected, so `701.W` is the exchange and
//! `704.WSet` a wish for it, which the battery follows. `704.WMaxLimPct` limits the export. Set-points live by `715.ControllerHb` and
//! `704.WSetRvrtTms`; reversion values of its own the gateway does not take: it takes control back.

use crate::desk::{Principal, Refusal};
use crate::modbus::Registers;
use crate::wires::Wires;
use memg_sunspec::{END, Encoding, Field, MARK, Model, model};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// First register of the chain.
pub const BASE: u16 = 40_000;
/// Models of the chain, in their order.
const CHAIN: [u16; 6] = [1, 701, 702, 704, 713, 715];
/// A 16-bit number holds this much without its sign.
const LARGEST: f64 = 30_000.0;

/// What does not change.
#[derive(Debug, Clone)]
pub struct Nameplate {
    /// Name of the site, as serial number.
    pub site: String,
    /// Most import, kW.
    pub import_kw_max: f64,
    /// Most export, kW.
    pub export_kw_max: f64,
    /// Capacity of all batteries, kWh; 0: none.
    pub battery_kwh: f64,
}

/// The registers; clones are the same.
#[derive(Debug, Clone)]
pub struct Face {
    plate: Nameplate,
    wires: Wires,
    /// What clients wrote, by principal, model and point: SunSpec writes values first and enables them afterwards.
    staged: Arc<Mutex<BTreeMap<String, BTreeMap<String, f64>>>>,
}

/// A value on its way into registers.
enum Value {
    /// In the unit of its point.
    Number(f64),
    Text(String),
    Unknown,
}

/// Power of ten that lets `largest` fit into 16 bits.
fn scale_of(largest: f64) -> i32 {
    (0..10).find(|power| largest / 10f64.powi(*power) <= LARGEST).unwrap_or(0)
}

impl Face {
    /// The face of a site.
    #[must_use]
    pub fn new(plate: Nameplate, wires: Wires) -> Self {
        Self { plate, wires, staged: Arc::default() }
    }

    fn staged(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, f64>>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Powers of ten by the name of their point.
    fn scale(&self, name: &str) -> i32 {
        let power = 1000.0 * self.plate.import_kw_max.max(self.plate.export_kw_max);
        match name {
            "W_SF" | "VA_SF" | "Var_SF" => scale_of(2.0 * power),
            "WH_SF" => scale_of(1000.0 * self.plate.battery_kwh),
            "Hz_SF" => -2,
            "Pct_SF" | "WMaxLimPct_SF" => -1,
            // Energy counters and set-points of 32 and 64 bits are in W and Wh.
            _ => 0,
        }
    }

    /// A point of the list, in its own unit.
    fn known(&self, name: &str) -> Option<f64> {
        let place = self.wires.list.named(name)?;
        let live = self.wires.live.borrow();
        let reading = live.readings.get(place)?;
        // What is bad is not implemented: a master must not take it for a measurement.
        reading.value.filter(|_| matches!(reading.trust, crate::wires::Trust::Good | crate::wires::Trust::Uncertain))
    }

    fn value(&self, by: &Principal, model: u16, field: &Field) -> Value {
        let staged = |name: &str| self.staged().get(&by.name).and_then(|written| written.get(name).copied());
        let kilo = |name: &str, sign: f64| self.known(name).map(|value| sign * 1000.0 * value);
        let plate = &self.plate;
        let number = match (model, field.name.as_str()) {
            (1, "Mn") => return Value::Text("memg-gateway".to_owned()),
            (1, "Md") => return Value::Text("energy management gateway".to_owned()),
            (1, "Vr") => return Value::Text(env!("CARGO_PKG_VERSION").to_owned()),
            (1, "SN") => return Value::Text(plate.site.clone()),
            (1, "DA") => Some(1.0),
            (701, "ACType") => Some(2.0),
            (701, "St" | "ConnSt") => self.known("written"),
            (701, "InvSt") => self.state(),
            (701, "Alrm") => self.known("latched").map(|latched| 64.0 * latched),
            (701, "W") => kilo("grid_kw", -1.0),
            (701, "Var") => kilo("grid_kvar", -1.0),
            (701, "Hz") => self.known("frequency_hz"),
            (701, "TotWhInj") => kilo("grid_export_kwh", 1.0),
            (701, "TotWhAbs") => kilo("grid_import_kwh", 1.0),
            (702, "WMaxRtg" | "WMax" | "WDisChaRteMaxRtg" | "WDisChaRteMax") => Some(1000.0 * plate.export_kw_max),
            (702, "WChaRteMaxRtg" | "WChaRteMax") => Some(1000.0 * plate.import_kw_max),
            // Limit and set-point of active power.
            (702, "CtrlModes") => Some(3.0),
            (704, "WMaxLimPct") => self.known("limit.export_kw_max").map(|kw| self.percent(kw)),
            (704, "WMaxLimPctEna") => {
                self.known("limit.export_kw_max").map(|kw| f64::from(u8::from(kw < plate.export_kw_max)))
            }
            (704, "WSetEna") => Some(f64::from(u8::from(self.has_control(by)))),
            (704, "WSetMod") => Some(1.0),
            (704, "WSet") => Some(staged("WSet").unwrap_or(0.0)),
            (704, "WSetRvrtTms") => Some(self.wires.desk.reversion(by).as_secs_f64()),
            (704, "WSetRvrtRem") => Some(self.wires.desk.remaining(by).unwrap_or_default().as_secs_f64()),
            (713, "WHRtg") if plate.battery_kwh > 0.0 => Some(1000.0 * plate.battery_kwh),
            (713, "WHAvail") if plate.battery_kwh > 0.0 => kilo("soc", plate.battery_kwh),
            (713, "SoC") => self.known("soc").map(|soc| 100.0 * soc),
            (713, "Sta") => self.known("fault").map(|fault| if fault >= 2.0 { 2.0 } else { 0.0 }),
            (715, "LocRemCtl") => self.known("armed").map(|armed| 1.0 - armed),
            (715, "DERHb") => self.known("cycle"),
            (715, "ControllerHb") => Some(staged("ControllerHb").unwrap_or(0.0)),
            (715, "AlarmReset") => Some(0.0),
            (_, name) if field.encoding == Encoding::Scale => Some(f64::from(self.scale(name))),
            _ => None,
        };
        number.map_or(Value::Unknown, Value::Number)
    }

    fn percent(&self, kw: f64) -> f64 {
        if self.plate.export_kw_max > 0.0 { 100.0 * kw / self.plate.export_kw_max } else { 100.0 }
    }

    /// Running, standby, fault.
    fn state(&self) -> Option<f64> {
        let (latched, written) = (self.known("latched")?, self.known("written")?);
        Some(if latched > 0.0 {
            6.0
        } else if written > 0.0 {
            3.0
        } else {
            7.0
        })
    }

    fn has_control(&self, by: &Principal) -> bool {
        self.wires.live.borrow().in_charge.as_ref().is_some_and(|(name, _)| *name == by.name)
    }

    /// The whole chain.
    fn registers(&self, by: &Principal) -> Vec<u16> {
        let mut registers = MARK.to_vec();
        for model in models() {
            for field in &model.fields {
                let words = match field.name.as_str() {
                    "ID" => vec![model.number],
                    "L" => vec![model.registers - 2],
                    _ => self.encode(field, self.value(by, model.number, field)),
                };
                registers.extend(words);
            }
        }
        registers.extend([END, 0]);
        registers
    }

    fn encode(&self, field: &Field, value: Value) -> Vec<u16> {
        let size = usize::from(field.size);
        match value {
            Value::Unknown => field.not_implemented(),
            Value::Text(text) => {
                let bytes: Vec<u8> = text.bytes().chain(std::iter::repeat(0)).take(2 * size).collect();
                bytes
                    .chunks_exact(2)
                    .map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte)))
                    .collect()
            }
            Value::Number(number) => {
                let scale = field.scale.as_deref().map_or(0, |name| self.scale(name));
                let whole = (number / 10f64.powi(scale)).round() as i64;
                let shifts = (0..size).rev().map(|register| 16 * register);
                shifts.map(|shift| (whole >> shift) as u16).collect()
            }
        }
    }

    /// Points that a write fills, each as a number in its unit.
    fn decode(&self, first: u16, words: &[u16]) -> Option<Vec<(u16, &'static Field, f64)>> {
        let (mut address, mut rest) = (first, words);
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (model, field) = at(address)?;
            let (own, after) = rest.split_at_checked(usize::from(field.size))?;
            let whole = own.iter().fold(0u64, |whole, word| whole << 16 | u64::from(*word));
            let bits = 16 * u32::from(field.size);
            let signed = field.encoding == Encoding::Signed && whole >> (bits - 1) & 1 == 1;
            let whole = if signed { whole as i64 - (1i64 << bits) } else { whole as i64 };
            let scale = field.scale.as_deref().map_or(0, |name| self.scale(name));
            found.push((model, field, whole as f64 * 10f64.powi(scale)));
            address = address.checked_add(field.size)?;
            rest = after;
        }
        Some(found)
    }

    /// What follows from one point, as values of the list; written down for what is enabled later.
    fn follows(&self, by: &Principal, field: &str, value: f64) -> Result<Vec<(&'static str, f64)>, Refusal> {
        let mut staged = self.staged();
        let staged = staged.entry(by.name.clone()).or_default();
        staged.insert(field.to_owned(), value);
        let of = |name: &str| staged.get(name).copied();
        let grid_kw = of("WSet").map(|watts| ("command.grid_kw", -watts / 1000.0));
        let limit = |percent: f64| ("command.export_limit_kw", self.plate.export_kw_max * percent / 100.0);
        let limit_s = || ("command.limit_s", of("WMaxLimPctRvrtTms").unwrap_or(0.0));
        let wrong = |what: &str| Err(Refusal::OutOfRange(format!("{field} cannot be {value}: {what}")));
        Ok(match (field, value) {
            ("WSetEna", 1.0) => std::iter::once(("command.mode", 2.0)).chain(grid_kw).collect(),
            ("WSetEna", 0.0) => vec![("command.mode", 3.0)],
            ("WSet", _) if of("WSetEna") == Some(1.0) => grid_kw.into_iter().collect(),
            ("WSetMod", mode) if mode != 1.0 => return wrong("set-points are in W"),
            ("WSet" | "WSetMod", _) => Vec::new(),
            ("WSetRvrtTms", seconds) => vec![("command.reversion_s", seconds)],
            ("WMaxLimPctEna", 0.0) => vec![limit_s(), limit(100.0)],
            ("WMaxLimPctEna", 1.0) => of("WMaxLimPct").map_or(Vec::new(), |percent| vec![limit_s(), limit(percent)]),
            ("WMaxLimPct", percent) if percent > 100.0 => return wrong("more than all of it"),
            ("WMaxLimPct", percent) if of("WMaxLimPctEna") == Some(1.0) => vec![limit_s(), limit(percent)],
            ("WMaxLimPct" | "WMaxLimPctRvrtTms", _) => Vec::new(),
            ("ControllerHb", count) => vec![("command.heartbeat", count.rem_euclid(65_536.0))],
            ("AlarmReset", 1.0) => vec![("command.acknowledge", 1.0)],
            ("AlarmReset", 0.0) => Vec::new(),
            ("OpCtl", 0.0) => vec![("command.mode", 9.0)],
            ("OpCtl", 1.0) => vec![("command.mode", 3.0)],
            ("WSetEna" | "WMaxLimPctEna" | "AlarmReset" | "OpCtl", _) => return wrong("not a value of this point"),
            // Can be written elsewhere, not here.
            _ => return Err(Refusal::NotWritable),
        })
    }
}

fn models() -> impl Iterator<Item = &'static Model> {
    CHAIN.into_iter().filter_map(model)
}

/// Model and point that begin at an address.
fn at(address: u16) -> Option<(u16, &'static Field)> {
    let mut start = BASE + MARK.len() as u16;
    for model in models() {
        if let Some(field) = model.fields.iter().find(|field| start + field.offset == address) {
            return Some((model.number, field));
        }
        start += model.registers;
    }
    None
}

impl Registers for Face {
    fn read(&self, by: &Principal, first: u16, count: u16) -> Option<Vec<u16>> {
        let from = usize::from(first.checked_sub(BASE)?);
        self.registers(by).get(from..from + usize::from(count)).map(<[u16]>::to_vec)
    }

    async fn write(&self, by: &Principal, first: u16, words: &[u16]) -> Result<(), Refusal> {
        let points = self.decode(first, words).ok_or(Refusal::NotWritable)?;
        let mut values = Vec::new();
        for (_, field, value) in points {
            if !field.writable {
                return Err(Refusal::NotWritable);
            }
            for (name, value) in self.follows(by, &field.name, value)? {
                values.push((self.wires.list.named(name).ok_or(Refusal::NotWritable)?, value));
            }
        }
        let written = self.wires.desk.write(by, &values).await;
        if written.is_err() {
            // What was refused is not enabled: the next write of it asks again.
            let mut staged = self.staged();
            let staged = staged.entry(by.name.clone()).or_default();
            staged.remove("WSetEna");
            staged.remove("WMaxLimPctEna");
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_let_every_plant_fit() {
        assert_eq!([100.0, 30_000.0, 30_001.0, 5e6].map(scale_of), [0, 0, 1, 3]);
    }

    #[test]
    fn points_begin_where_the_chain_has_them() {
        let name = |address| at(address).map(|(model, field)| (model, field.name.as_str()));
        assert_eq!(name(40_002), Some((1, "ID")));
        assert_eq!(name(40_070 + 10), Some((701, "W")));
        assert_eq!(name(40_070 + 155 + 52 + 24), Some((704, "WSet")));
        assert_eq!((name(40_070 + 155 + 52 + 25), name(100)), (None, None), "in the middle of a point, elsewhere");
    }
}
