//! What is wanted and what may be written.
//!
//! Responsible for the border that makes an unfiltered set-point unwritable: [`Setpoints`] are wishes that anyone may
//! construct, [`SafeSetpoints`] have private fields and are made by [`crate::safety::SafetyFilter`] alone. Drivers
//! accept nothing else.

use crate::equipment::UNITS_MAX;
use crate::units::{Kilowatts, Watts};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// Requested powers. Signs: battery + = charging, CHP >= 0 (0 = off), grid + = importing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setpoints {
    /// Battery power, + = charging.
    pub battery: Kilowatts,
    /// CHP electric power; 0 asks for "off".
    pub chp: Kilowatts,
    /// Power at the connection; `None` leaves it to the balance.
    pub grid: Option<Kilowatts>,
}

impl Setpoints {
    /// Battery at zero, CHP off, the grid takes the rest.
    pub const IDLE: Self = Self { battery: Kilowatts::ZERO, chp: Kilowatts::ZERO, grid: None };
}

/// What a CHP may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SafeChp {
    /// Electric power; 0 when off.
    pub power: Watts,
    /// It runs.
    pub on: bool,
}

/// Powers that may be written: they keep every hard limit of the plant and of each unit. Whole watts, as on the wire. Only
/// the safety filter makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeSetpoints {
    batteries: [Watts; UNITS_MAX],
    chps: [SafeChp; UNITS_MAX],
    renewable_limit: Option<Watts>,
}

impl SafeSetpoints {
    pub(crate) const fn new(
        batteries: [Watts; UNITS_MAX],
        chps: [SafeChp; UNITS_MAX],
        renewable_limit: Option<Watts>,
    ) -> Self {
        Self { batteries, chps, renewable_limit }
    }
    /// Power of all batteries, + = charging.
    #[must_use]
    pub fn battery(&self) -> Watts {
        self.batteries.iter().copied().sum()
    }
    /// Electric power of all CHPs.
    #[must_use]
    pub fn chp(&self) -> Watts {
        self.chps.iter().map(|chp| chp.power).sum()
    }
    /// Whether any CHP runs.
    #[must_use]
    pub fn chp_on(&self) -> bool {
        self.chps.iter().any(|chp| chp.on)
    }
    /// Power of each battery, + = charging; 0 beyond those of the plant.
    #[must_use]
    pub const fn batteries(&self) -> [Watts; UNITS_MAX] {
        self.batteries
    }
    /// Each CHP; off beyond those of the plant.
    #[must_use]
    pub const fn chps(&self) -> [SafeChp; UNITS_MAX] {
        self.chps
    }
    /// Cap on PV plus wind; `None` = produce what is available.
    #[must_use]
    pub const fn renewable_limit(&self) -> Option<Watts> {
        self.renewable_limit
    }
}

/// Sums first, as readers of journals and messages look for them; units where there are several.
impl Serialize for SafeSetpoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = |used: Option<usize>| used.map_or(0, |last| last + 1);
        let batteries = last(self.batteries.iter().rposition(|power| *power != Watts::ZERO));
        let chps = last(self.chps.iter().rposition(|chp| *chp != SafeChp::default()));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("battery", &self.battery())?;
        map.serialize_entry("chp", &self.chp())?;
        map.serialize_entry("chp_on", &self.chp_on())?;
        map.serialize_entry("renewable_limit", &self.renewable_limit)?;
        if let Some(several) = self.batteries.get(..batteries).filter(|list| list.len() > 1) {
            map.serialize_entry("batteries", several)?;
        }
        if let Some(several) = self.chps.get(..chps).filter(|list| list.len() > 1) {
            map.serialize_entry("chps", several)?;
        }
        map.end()
    }
}
