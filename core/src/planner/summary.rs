//! What a plan says of itself: the steps that it expects, and in words why it begins as it does.

use super::levels::number;
use super::reason::Reason;
use serde::{Deserialize, Serialize};

/// Means over one step of a plan. Signs: battery + = charging, exchange + = importing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlanStep {
    /// Battery power, kW.
    pub battery_kw: f64,
    /// CHP electric power, kW; 0 = off.
    pub chp_kw: f64,
    /// State of charge at the step's end.
    pub soc: f64,
    /// Power at the connection, kW.
    pub exchange_kw: f64,
    /// Heat demand, kW thermal.
    pub heat_kw: f64,
    /// Import price, EUR/kWh.
    pub import_price: f64,
    /// Export price, EUR/kWh.
    pub export_price: f64,
}

impl PlanStep {
    /// What a kWh into or out of the battery is worth, EUR: the price of the direction in which power flows without it.
    pub(super) fn worth(&self) -> f64 {
        if self.exchange_kw < self.battery_kw { self.export_price } else { self.import_price }
    }
}

/// A plan: what is decided now, and what is expected to follow if the forecast comes true.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    /// Local time of day at which the present step began, minutes.
    pub begins_min: f64,
    /// Length of the present step, hours.
    pub now_h: f64,
    /// The present step.
    pub now: PlanStep,
    /// Length of the steps that follow, hours.
    pub step_h: f64,
    /// The steps that follow.
    pub ahead: Vec<PlanStep>,
    /// Why it begins as it does.
    pub reason: Reason,
}

/// A plan by the hour, rounded to what people read and journals keep: powers to 0.1 kW, SoC to 0.001, prices to 0.01 ct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanByHour {
    /// Why it begins as it does.
    pub reason: String,
    /// Length of an entry, minutes: an hour, or the plant's step where that is longer.
    pub entry_min: f64,
    /// Battery power, + = charging. The first entry begins where the present step ends.
    pub battery_kw: Vec<f64>,
    /// CHP power.
    pub chp_kw: Vec<f64>,
    /// State of charge at the end of each entry.
    pub soc: Vec<f64>,
    /// Import price.
    pub import_price_eur_per_kwh: Vec<f64>,
    /// Export price. For whoever looks on: journals do not keep it, decisions of before would not compare with those of now.
    #[serde(skip)]
    pub export_price_eur_per_kwh: Vec<f64>,
}

impl PlanSummary {
    /// Room for a plan of so many steps.
    pub(super) fn of_steps(steps: usize) -> Self {
        let (now, reason) = (PlanStep::default(), Reason::default());
        Self { begins_min: 0.0, now_h: 0.0, now, step_h: 0.0, ahead: Vec::with_capacity(steps), reason }
    }

    /// Local time of day at which a step of `ahead` begins, minutes; beyond 1440 on the days that follow.
    pub(super) fn minute_of(&self, step: usize) -> f64 {
        self.begins_min + 60.0 * (self.now_h + number(step) * self.step_h)
    }

    /// The same by the hour.
    #[must_use]
    pub fn by_hour(&self) -> PlanByHour {
        let steps = super::levels::count(1.0 / self.step_h.max(1e-3) + 0.5).max(1);
        let hours = || self.ahead.chunks(steps);
        let mean = |of: fn(&PlanStep) -> f64, parts: f64| {
            let rounded = |hour: &[PlanStep]| {
                let sum: f64 = hour.iter().map(of).sum();
                (parts * sum / number(hour.len())).round() / parts
            };
            hours().map(rounded).collect()
        };
        PlanByHour {
            reason: self.reason.to_string(),
            entry_min: 60.0 * self.step_h * number(steps),
            battery_kw: mean(|step| step.battery_kw, 10.0),
            chp_kw: mean(|step| step.chp_kw, 10.0),
            soc: hours().filter_map(<[PlanStep]>::last).map(|step| (1e3 * step.soc).round() / 1e3).collect(),
            import_price_eur_per_kwh: mean(|step| step.import_price, 1e4),
            export_price_eur_per_kwh: mean(|step| step.export_price, 1e4),
        }
    }
}
