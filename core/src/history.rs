//! What control remembers of the last day, for the extended observation: means of PV, net load and heat of every step.
//!
//! Day-ahead prices come as values of their own: nobody remembers the future.

use crate::extended::{HEAT_OFFSETS_H, Outlook, POWER_OFFSETS_H, PRICE_HOURS, extent};
use crate::situation::Situation;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Means of one finished step, kW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pv_kw: f64,
    net_load_kw: f64,
    heat_kw: f64,
    /// Import price less export price, EUR/kWh; `None` where no price was known.
    #[serde(default)]
    spread: Option<f64>,
}

/// Ring of the last day's steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    steps: VecDeque<Past>,
    sum: [f64; 3],
    count: u32,
    /// Of the running step's latest known prices.
    #[serde(default)]
    spread: Option<f64>,
}

impl History {
    /// Adds a cycle's situation to the running step.
    pub fn observe(&mut self, situation: &Situation) {
        let now = [situation.pv.get(), situation.net_load().get(), situation.heat_load.get()];
        for (sum, value) in self.sum.iter_mut().zip(now) {
            *sum += value;
        }
        self.count += 1;
        let (import, export) = (situation.import_price.get(), situation.export_price.get());
        // A situation without prices holds zeros.
        if import != 0.0 || export != 0.0 {
            self.spread = Some(import - export);
        }
    }

    /// Closes the running step. A step without any cycle forgets the past: nothing is carried across a gap.
    pub fn close_step(&mut self, steps_per_day: usize) {
        if self.count == 0 {
            self.steps.clear();
            self.spread = None;
            return;
        }
        let [pv_kw, net_load_kw, heat_kw] = self.sum.map(|sum| sum / f64::from(self.count));
        self.steps.push_back(Past { pv_kw, net_load_kw, heat_kw, spread: self.spread.take() });
        while self.steps.len() > steps_per_day {
            self.steps.pop_front();
        }
        (self.sum, self.count) = ([0.0; 3], 0);
    }

    /// Yesterday's values as forecasts, the day-ahead prices as given.
    #[must_use]
    pub fn outlook(&self, price_ahead: &[Option<f64>], steps_per_hour: usize) -> Outlook {
        let mut outlook = Outlook::default();
        for (slot, price) in outlook.import_price.iter_mut().zip(price_ahead.iter().take(PRICE_HOURS)) {
            *slot = *price;
        }
        // The last entry is one step old; yesterday at this time plus `hours` is a day less `hours` old.
        let at = |hours: usize| {
            let back = (24 - hours) * steps_per_hour;
            self.steps.len().checked_sub(back).and_then(|index| self.steps.get(index))
        };
        for (slot, hours) in outlook.pv_kw.iter_mut().zip(POWER_OFFSETS_H) {
            *slot = at(hours).map(|past| past.pv_kw);
        }
        for (slot, hours) in outlook.net_load_kw.iter_mut().zip(POWER_OFFSETS_H) {
            *slot = at(hours).map(|past| past.net_load_kw);
        }
        for (slot, hours) in outlook.heat_load_kw.iter_mut().zip(HEAT_OFFSETS_H) {
            *slot = at(hours).map(|past| past.heat_kw);
        }
        outlook.spread_seen = extent((0..24).filter_map(|hours| at(hours).and_then(|past| past.spread)));
        outlook
    }
}
