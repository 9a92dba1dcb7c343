//! PV and wind one by one: control counts with their sums, but a cap on them has to be shared.

use super::{Output, OutputTag, Share};
use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};

/// Ratings of each PV and each wind turbine of a site, kW, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sources {
    /// PV; empty: there is none.
    pub pv_kw: Vec<f64>,
    /// Wind; empty: there is none.
    pub wind_kw: Vec<f64>,
}

impl Sources {
    /// One of each, with the whole rating of the plant.
    #[must_use]
    pub fn one_each(plant: &Plant) -> Self {
        let x = &plant.parameters().exogenous;
        Self { pv_kw: vec![x.pv_kw_nom], wind_kw: vec![x.wind_kw_nom] }
    }

    /// The ratings of those that a cap goes to; `None` for other outputs.
    #[must_use]
    pub fn of(&self, output: Output) -> Option<&[f64]> {
        match output {
            Output::PvLimitKw => Some(&self.pv_kw),
            Output::WindLimitKw => Some(&self.wind_kw),
            Output::BatterySetpointKw | Output::ChpSetpointKw | Output::ChpRun | Output::Heartbeat => None,
        }
    }

    /// The part of a cap that goes to one of several; `None` where there is but one, or for other outputs.
    #[must_use]
    pub fn share(&self, tag: OutputTag) -> Option<Share> {
        let ratings = self.of(tag.output()).filter(|ratings| ratings.len() > 1)?;
        let all_kw = ratings.iter().sum::<f64>();
        let own_kw = ratings.get(tag.unit().index()).copied().unwrap_or(0.0);
        (all_kw > 0.0).then_some(Share { own_kw, all_kw })
    }
}

/// The signals without which control cannot act at a plant: those of what it has.
#[must_use]
pub fn required(plant: &Plant, sources: &Sources) -> Vec<Tag> {
    let x = &plant.parameters().exogenous;
    let rated = |ratings: &[f64]| if ratings.iter().sum::<f64>() > 0.0 { ratings.len() } else { 0 };
    let count = |signal, count: usize| (1..).take(count).filter_map(move |number| Tag::new(signal, number));
    let sources = count(Signal::PvKw, rated(&sources.pv_kw)).chain(count(Signal::WindKw, rated(&sources.wind_kw)));
    let load = count(Signal::ElectricLoadKw, usize::from(x.electric_load_kw_max > 0.0));
    let heat = count(Signal::HeatLoadKw, usize::from(x.heat_load_kw_max > 0.0));
    sources.chain(load).chain(heat).chain(count(Signal::Soc, plant.batteries().len())).collect()
}
