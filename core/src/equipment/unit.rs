//! One battery and one CHP as the filter counts: whole watts, rounded inward, and milliseconds.

use super::{Battery, Chp};
use crate::units::{Hours, Kilowatts, Soc, Watts};

/// A battery of the plant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatteryUnit {
    /// What equations count with: the site file's numbers, or what records say ([`super::Learned`]).
    pub parameters: Battery,
    /// What the site file says of it.
    pub stated: Battery,
    /// What limits count with: of both whatever moves the state of charge most.
    pub cautious: Battery,
    /// Largest charging power.
    pub charge_max: Watts,
    /// Largest discharging power, >= 0.
    pub discharge_max: Watts,
    /// Largest change of the set-point in a step.
    pub ramp: Watts,
    /// SoC gained per watt-hour charged, as limits count: `eta_ch / (1000 E)`.
    pub soc_per_wh_charged: f64,
    /// SoC lost per watt-hour discharged, as limits count: `1 / (1000 E eta_dch)`.
    pub soc_per_wh_discharged: f64,
}

impl BatteryUnit {
    pub(super) fn new(parameters: Battery) -> Self {
        let watts = |kw| Watts::floor(Kilowatts::new(kw));
        Self {
            parameters,
            stated: parameters,
            cautious: parameters,
            charge_max: watts(parameters.charge_kw_max),
            discharge_max: watts(parameters.discharge_kw_max),
            ramp: watts(parameters.ramp_kw_per_step),
            soc_per_wh_charged: per_wh_charged(&parameters),
            soc_per_wh_discharged: per_wh_discharged(&parameters),
        }
    }

    /// Equations go on with `parameters`; limits count with `cautious` from now on.
    pub(super) fn limit_by(&mut self, stated: &Battery, cautious: &Battery) {
        (self.stated, self.cautious) = (*stated, *cautious);
        (self.soc_per_wh_charged, self.soc_per_wh_discharged) = (per_wh_charged(cautious), per_wh_discharged(cautious));
    }

    /// Lowest and highest state of charge that a power may lead to, whichever of its efficiencies is the true one.
    #[must_use]
    pub fn soc_after_between(
        &self,
        (low, high): (Soc, Soc),
        (least, most): (Watts, Watts),
        duration: Hours,
    ) -> (Soc, Soc) {
        let after = |soc: Soc, power: Watts, of: &Battery| {
            crate::equations::soc_after(of, soc.get(), power.kilowatts().get(), duration.get())
        };
        let all = [&self.parameters, &self.stated, &self.cautious];
        let lowest = all.map(|of| after(low, least, of)).into_iter().fold(f64::INFINITY, f64::min);
        let highest = all.map(|of| after(high, most, of)).into_iter().fold(f64::NEG_INFINITY, f64::max);
        (Soc::new(lowest), Soc::new(highest))
    }

    /// Lowest and highest allowed state of charge.
    #[must_use]
    pub const fn soc_band(&self) -> (Soc, Soc) {
        (Soc::new(self.parameters.soc_min), Soc::new(self.parameters.soc_max))
    }

    /// See [`crate::equations::soc_after`].
    #[must_use]
    pub fn soc_after(&self, soc: Soc, power: Watts, duration: Hours) -> Soc {
        Soc::new(crate::equations::soc_after(&self.parameters, soc.get(), power.kilowatts().get(), duration.get()))
    }
}

fn per_wh_charged(b: &Battery) -> f64 {
    b.efficiency_store / (1000.0 * b.capacity_kwh)
}

fn per_wh_discharged(b: &Battery) -> f64 {
    1.0 / (1000.0 * b.capacity_kwh * b.efficiency_dispatch)
}

/// A CHP of the plant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChpUnit {
    /// What the site file says of it.
    pub parameters: Chp,
    /// Lowest power while on.
    pub min: Watts,
    /// Rated power.
    pub max: Watts,
    /// Largest change of the set-point in a step while on.
    pub ramp: Watts,
    /// Time that it stays on at least, ms.
    pub min_up_ms: i64,
    /// Time that it stays off at least, ms.
    pub min_down_ms: i64,
}

impl ChpUnit {
    pub(super) fn new(parameters: Chp, step_ms: i64) -> Self {
        Self {
            parameters,
            min: Watts::ceil(Kilowatts::new(parameters.p_kw_min)),
            max: Watts::floor(Kilowatts::new(parameters.p_kw_max)),
            ramp: Watts::floor(Kilowatts::new(parameters.ramp_kw_per_step)),
            min_up_ms: step_ms.saturating_mul(i64::from(parameters.min_up_steps)),
            min_down_ms: step_ms.saturating_mul(i64::from(parameters.min_down_steps)),
        }
    }
}
