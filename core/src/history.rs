//! What control remembers of the last day, for the extended observation: means of PV, net load and heat of every step.
//!
//! Day-ahead prices come as values of their own: nobody remembers the future.

use crate::extended::{HEAT_OFFSETS_H, Outlook, POWER_OFFSETS_H, PRICE_HOURS, extent};
use crate::situation::{Situation, Substitutes};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Means of one finished step, kW.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pv_kw: f64,
    net_load_kw: f64,
    heat_kw: f64,
    /// Import and export price, EUR/kWh; `None` where they were not known.
    #[serde(default)]
    prices: Option<[f64; 2]>,
}

impl Past {
    /// Import price less export price.
    fn spread(&self) -> Option<f64> {
        self.prices.map(|[import, export]| import - export)
    }
}

/// Ring of the last day's steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    steps: VecDeque<Past>,
    sum: [f64; 3],
    count: u32,
    /// The running step's latest known prices, import and export.
    #[serde(default)]
    prices: Option<[f64; 2]>,
}

impl History {
    /// Adds a cycle's situation to the running step. Prices count only where they are known: a substitute is no history.
    pub fn observe(&mut self, situation: &Situation, prices_are_known: bool) {
        let now = [situation.pv.get(), situation.net_load().get(), situation.heat_load.get()];
        for (sum, value) in self.sum.iter_mut().zip(now) {
            *sum += value;
        }
        self.count += 1;
        if prices_are_known {
            self.prices = Some([situation.import_price.get(), situation.export_price.get()]);
        }
    }

    /// Closes the running step. A step without any cycle forgets the past: nothing is carried across a gap.
    pub fn close_step(&mut self, steps_per_day: usize) {
        if self.count == 0 {
            self.steps.clear();
            self.prices = None;
            return;
        }
        let [pv_kw, net_load_kw, heat_kw] = self.sum.map(|sum| sum / f64::from(self.count));
        self.steps.push_back(Past { pv_kw, net_load_kw, heat_kw, prices: self.prices.take() });
        while self.steps.len() > steps_per_day {
            self.steps.pop_front();
        }
        (self.sum, self.count) = ([0.0; 3], 0);
    }

    /// What stands in for prices that are not known: those of the same time yesterday.
    #[must_use]
    pub fn substitutes(&self, steps_per_day: usize) -> Substitutes {
        let full = self.steps.len() >= steps_per_day;
        let prices = self.steps.front().filter(|_| full).and_then(|past| past.prices);
        Substitutes { import_price: prices.map(|[import, _]| import), export_price: prices.map(|[_, export]| export) }
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
        outlook.spread_seen = extent((0..24).filter_map(|hours| at(hours).and_then(Past::spread)));
        outlook
    }
}
