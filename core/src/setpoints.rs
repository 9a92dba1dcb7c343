//! What is wanted and what may be written.
//!
//! Responsible for the border that makes an unfiltered set-point unwritable: [`Setpoints`] are wishes that anyone may
//! construct, [`SafeSetpoints`] have private fields and are made by [`crate::safety::SafetyFilter`] alone. Drivers
//! accept nothing else.

use crate::units::{Kilowatts, Watts};
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

/// Powers that may be written: they keep every hard limit of the plant. Whole watts, as on the wire. Only the safety
/// filter makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SafeSetpoints {
    battery: Watts,
    chp: Watts,
    chp_on: bool,
    renewable_limit: Option<Watts>,
}

impl SafeSetpoints {
    pub(crate) const fn new(battery: Watts, chp: Watts, chp_on: bool, renewable_limit: Option<Watts>) -> Self {
        Self { battery, chp, chp_on, renewable_limit }
    }
    /// Battery power, + = charging.
    #[must_use]
    pub const fn battery(&self) -> Watts {
        self.battery
    }
    /// CHP electric power; 0 when off.
    #[must_use]
    pub const fn chp(&self) -> Watts {
        self.chp
    }
    /// Whether the CHP runs.
    #[must_use]
    pub const fn chp_on(&self) -> bool {
        self.chp_on
    }
    /// Cap on PV plus wind; `None` = produce what is available.
    #[must_use]
    pub const fn renewable_limit(&self) -> Option<Watts> {
        self.renewable_limit
    }
}
