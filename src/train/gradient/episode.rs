//! Training episodes: windows of real days, varied so that the actor learns the plant and not the year.

use super::step::{Given, PlantPoint};
use super::tariff::Tariff;
use memg_core::env::Start;
use memg_core::equipment::Plant;
use memg_core::extended;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::profile::{Profile, ProfileRow};
use memg_core::units::Soc;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::ops::Range;

/// How episodes are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// Steps of an episode.
    pub steps: usize,
    /// Days in a window; nothing outside of it is known.
    pub window_days: usize,
    /// Share of episodes that are varied widely (others by ±`scale` alone).
    pub wide: f64,
    /// Usual half-width of the scaling.
    pub scale: f64,
}

impl Default for Variation {
    fn default() -> Self {
        Self { steps: 192, window_days: 5, wide: 0.8, scale: 0.12 }
    }
}

/// One episode.
#[derive(Debug, Clone)]
pub struct Episode {
    /// What cannot be chosen, step by step.
    pub given: Vec<Given>,
    /// Observations, with placeholders for what depends on the plant's state.
    pub observed: Vec<Observation>,
    /// Where it starts.
    pub start: PlantPoint,
    /// Worth of a kWh left in the battery, EUR.
    pub stored_eur_per_kwh: f64,
    /// How much each step's cost counts; 1 is usual.
    pub weights: Vec<f64>,
}

/// Days to draw from.
#[derive(Debug, Clone)]
pub struct EpisodeSource {
    plant: Plant,
    schema: Schema,
    /// Rows of the plant's step.
    profile: Profile,
    /// Consecutive days that are long enough for an episode.
    runs: Vec<Range<usize>>,
    /// First row of every day in them.
    days: Vec<usize>,
    steps_per_day: usize,
}

impl EpisodeSource {
    /// All days of a profile (rows of the plant's step) in runs that are long enough for an episode of `steps`.
    #[must_use]
    pub fn new(plant: Plant, schema: Schema, profile: Profile, steps: usize) -> Self {
        let steps_per_day = plant.steps_per_day();
        let runs: Vec<_> = profile.blocks(None).into_iter().filter(|run| run.len() >= steps).collect();
        let days = runs.iter().flat_map(|run| (run.start..run.end).step_by(steps_per_day)).collect();
        Self { plant, schema, profile, runs, days, steps_per_day }
    }

    /// A window of consecutive days around a random one.
    fn window(&self, rng: &mut Pcg64Mcg, days: usize) -> Range<usize> {
        let a_day = self.steps_per_day;
        let day = self.days[rng.random_range(0..self.days.len())];
        let run = self.runs.iter().find(|run| run.contains(&day)).cloned().unwrap_or(day..day + a_day);
        let length = (days * a_day).min(run.len());
        let latest = day.min(run.end - length);
        let earliest = (day + a_day).saturating_sub(length).max(run.start);
        let first = earliest + rng.random_range(0..=(latest - earliest) / a_day) * a_day;
        first..first + length
    }

    /// A varied window of consecutive days.
    #[must_use]
    pub fn window_of_days(&self, rng: &mut Pcg64Mcg, variation: &Variation) -> Vec<ProfileRow> {
        self.varied(rng, variation).0
    }

    /// A varied window of consecutive days, and the row that it begins with.
    fn varied(&self, rng: &mut Pcg64Mcg, variation: &Variation) -> (Vec<ProfileRow>, usize) {
        let window = self.window(rng, variation.window_days);
        let begin = window.start;
        let mut rows = self.profile.rows()[window].to_vec();
        let (width, tariff) = if rng.random_bool(variation.wide) {
            self.mix(&mut rows, rng, variation.window_days);
            (0.3, Tariff::wide(rng, self.schema))
        } else {
            (variation.scale, Tariff::usual(rng, variation.scale))
        };
        Scaling::draw(rng, width, tariff).apply(&mut rows, &self.plant);
        (rows, begin)
    }

    /// A random episode. `emphasis` is how much each day of the profile counts; days beyond its end count 1.
    #[must_use]
    pub fn draw(&self, rng: &mut Pcg64Mcg, variation: &Variation, emphasis: &[f64]) -> Episode {
        let (rows, begin) = self.varied(rng, variation);
        let steps = variation.steps.min(rows.len());
        // As often at a window's start, at rest and without history, as evaluation has first days.
        let (first, start) = if rng.random_bool(0.2) {
            (0, PlantPoint::REST)
        } else {
            (rng.random_range(0..=rows.len() - steps), self.random_point(rng))
        };
        // Live, tomorrow's prices are published at 13:00; replayed profiles know 24 hours.
        let published = if rng.random_bool(0.3) { Published::At13 } else { Published::AllDay };
        let weight = |t: usize| emphasis.get((begin + t) / self.steps_per_day).copied().unwrap_or(1.0);
        let weights = (first..first + steps).map(weight).collect();
        Episode { weights, ..self.episode(rows, first..first + steps, start, published) }
    }

    /// The episode of given rows, steps `span` of them; its weights are still missing.
    pub(crate) fn episode(
        &self,
        rows: Vec<ProfileRow>,
        span: Range<usize>,
        start: PlantPoint,
        published: Published,
    ) -> Episode {
        let mean = |price: fn(&ProfileRow) -> f64| rows.iter().map(price).sum::<f64>() / rows.len() as f64;
        let b = self.plant.battery();
        let bought = mean(|row| row.import_price) / b.efficiency_store;
        let sold = mean(|row| row.export_price) * b.efficiency_dispatch;
        let given = rows[span.clone()].iter().map(|row| Given::new(&self.plant, row)).collect();
        let window = Profile::from_rows(rows);
        let block = Start::block(0..window.rows().len()).block;
        let per_hour = self.plant.steps_per_hour();
        let divisors = Divisors::of(&self.plant);
        let observed = span.map(|index| {
            let situation = window.rows()[index].situation(Soc::new(0.5));
            let memory = ControlMemory::at_rest();
            match self.schema {
                Schema::TenD => Observation::ten_d(&situation, false, &divisors),
                Schema::Extended => {
                    let view = window.view(&block, index, per_hour);
                    let view = match published {
                        Published::AllDay => view.with_prices_of(extended::PRICE_HOURS * per_hour),
                        Published::At13 => view,
                    };
                    extended::observe(&situation, &memory, &view, per_hour, &divisors)
                }
            }
        });
        let observed = observed.collect();
        Episode { given, observed, start, stored_eur_per_kwh: 0.5 * (bought + sold), weights: Vec::new() }
    }

    /// Prices, renewables or loads of other days.
    fn mix(&self, rows: &mut [ProfileRow], rng: &mut Pcg64Mcg, days: usize) {
        for part in 0..3 {
            if !rng.random_bool(0.3) {
                continue;
            }
            let other = self.window(rng, days);
            let other = &self.profile.rows()[other];
            for (i, row) in rows.iter_mut().enumerate() {
                let from = &other[i % other.len()];
                match part {
                    0 => (row.import_price, row.export_price) = (from.import_price, from.export_price),
                    1 => (row.pv_kw, row.wind_kw) = (from.pv_kw, from.wind_kw),
                    _ => (row.electric_load_kw, row.heat_load_kw) = (from.electric_load_kw, from.heat_load_kw),
                }
            }
        }
    }

    fn random_point(&self, rng: &mut Pcg64Mcg) -> PlantPoint {
        let plant = &self.plant;
        let soc = rng.random_range(plant.battery().soc_min..=plant.battery().soc_max);
        let on = rng.random_bool(0.5);
        let chp = if !on {
            0.0
        } else if rng.random_bool(0.3) {
            plant.chp().p_kw_min
        } else {
            rng.random_range(plant.chp().p_kw_min..=plant.chp().p_kw_max)
        };
        PlantPoint { soc, battery: 0.0, chp, on, age: rng.random_range(1..20) }
    }
}

/// When prices of the hours ahead are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Published {
    /// A whole day ahead at any time.
    AllDay,
    /// Tomorrow's from 13:00 on, as live.
    At13,
}

/// Factors and shifts of one window.
struct Scaling {
    pv: f64,
    wind: f64,
    load: f64,
    heat: f64,
    tariff: Tariff,
}

impl Scaling {
    fn draw(rng: &mut Pcg64Mcg, width: f64, tariff: Tariff) -> Self {
        let mut around_one = || 1.0 + rng.random_range(-width..=width);
        Self { pv: around_one(), wind: around_one(), load: around_one(), heat: around_one(), tariff }
    }

    fn apply(&self, rows: &mut [ProfileRow], plant: &Plant) {
        let x = &plant.parameters().exogenous;
        for row in &mut *rows {
            row.pv_kw = (row.pv_kw * self.pv).min(x.pv_kw_nom);
            row.wind_kw = (row.wind_kw * self.wind).min(x.wind_kw_nom);
            row.electric_load_kw =
                (row.electric_load_kw * self.load).clamp(x.electric_load_kw_min, x.electric_load_kw_max);
            row.heat_load_kw = (row.heat_load_kw * self.heat).min(x.heat_load_kw_max);
        }
        self.tariff.apply(rows);
    }
}
