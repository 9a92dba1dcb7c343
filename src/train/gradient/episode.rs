//! Training episodes: windows of real days, varied so that the actor learns the plant and not the year.

use super::step::{Given, PlantPoint};
use super::tariff::Tariff;
use memg_core::env::Start;
use memg_core::equipment::Plant;
use memg_core::extended;
use memg_core::foreseen::Ahead;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::profile::{Profile, ProfileRow};
use memg_core::settlement::stored_kwh_worth;
use memg_core::units::Soc;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use std::ops::Range;
use std::sync::Arc;

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
    /// Share of episodes in which prices are known for 24 hours at any time; in the others as a day-ahead market publishes
    /// them.
    pub all_day: f64,
}

impl Default for Variation {
    fn default() -> Self {
        Self { steps: 192, window_days: 5, wide: 0.6, scale: 0.12, all_day: 0.1 }
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
    /// The rows themselves, and up to a day of those that follow.
    pub rows: Vec<ProfileRow>,
}

/// Days to draw from.
#[derive(Debug, Clone)]
pub struct EpisodeSource {
    plant: Plant,
    schema: Schema,
    /// Rows of the plant's step.
    profile: Profile,
    /// What is expected at each of them; empty for actors that see no forecasts.
    aheads: Arc<[Ahead]>,
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
        Self::foreseeing(plant, schema, profile, Arc::default(), steps)
    }

    /// The same with what is expected at each row, for actors that see forecasts.
    #[must_use]
    pub fn foreseeing(plant: Plant, schema: Schema, profile: Profile, aheads: Arc<[Ahead]>, steps: usize) -> Self {
        let steps_per_day = plant.steps_per_day();
        let runs: Vec<_> = profile.blocks(None).into_iter().filter(|run| run.len() >= steps).collect();
        let days = runs.iter().flat_map(|run| (run.start..run.end).step_by(steps_per_day)).collect();
        Self { plant, schema, profile, aheads, runs, days, steps_per_day }
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
        self.varied(rng, variation).rows
    }

    /// A varied window of consecutive days.
    fn varied(&self, rng: &mut Pcg64Mcg, variation: &Variation) -> Window {
        let span = self.window(rng, variation.window_days);
        let mut window = self.unvaried(span);
        let (width, tariff) = if rng.random_bool(variation.wide) {
            self.mix(&mut window, rng, variation.window_days);
            (0.3, Tariff::wide(rng, self.schema))
        } else {
            (variation.scale, Tariff::usual(rng, variation.scale))
        };
        Scaling::draw(rng, width, tariff).apply(&mut window, &self.plant);
        window
    }

    fn unvaried(&self, span: Range<usize>) -> Window {
        let aheads = self.aheads.get(span.clone()).unwrap_or_default().to_vec();
        Window { begin: span.start, rows: self.profile.rows()[span].to_vec(), aheads }
    }

    /// A random episode. `emphasis` is how much each day of the profile counts; days beyond its end count 1.
    #[must_use]
    pub fn draw(&self, rng: &mut Pcg64Mcg, variation: &Variation, emphasis: &[f64]) -> Episode {
        let window = self.varied(rng, variation);
        let (begin, length) = (window.begin, window.rows.len());
        let steps = variation.steps.min(length);
        // As often at a window's start, at rest and without history, as evaluation has first days.
        let (first, start) = if rng.random_bool(0.2) {
            (0, PlantPoint::REST)
        } else {
            (rng.random_range(0..=length - steps), self.random_point(rng))
        };
        let published = if rng.random_bool(1.0 - variation.all_day) { Published::At13 } else { Published::AllDay };
        let weight = |t: usize| emphasis.get((begin + t) / self.steps_per_day).copied().unwrap_or(1.0);
        let weights = (first..first + steps).map(weight).collect();
        Episode { weights, ..self.episode(window, first..first + steps, start, published) }
    }

    /// The episode of rows as they are, all of them; its weights are still missing.
    #[cfg(test)]
    pub(crate) fn episode_of_all(&self, start: PlantPoint) -> Episode {
        let span = 0..self.profile.rows().len();
        self.episode(self.unvaried(span.clone()), span, start, Published::At13)
    }

    /// The episode of a window, steps `span` of it; its weights are still missing.
    fn episode(&self, window: Window, span: Range<usize>, start: PlantPoint, published: Published) -> Episode {
        let Window { rows, aheads, .. } = window;
        let b = self.plant.battery();
        let (bought, sold) = stored_kwh_worth(b, &rows);
        let given = rows[span.clone()].iter().map(|row| Given::new(&self.plant, row)).collect();
        let ahead = rows[span.start..(span.end + self.steps_per_day).min(rows.len())].to_vec();
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
                Schema::Forecast => {
                    aheads.get(index).copied().unwrap_or_default().observe(&situation, &memory, &divisors)
                }
            }
        });
        let observed = observed.collect();
        let stored_eur_per_kwh = 0.5 * (bought + sold);
        Episode { given, observed, start, stored_eur_per_kwh, weights: Vec::new(), rows: ahead }
    }

    /// Prices, renewables or loads of other days.
    fn mix(&self, window: &mut Window, rng: &mut Pcg64Mcg, days: usize) {
        for part in [Mixed::Prices, Mixed::Renewables, Mixed::Loads] {
            if !rng.random_bool(0.3) {
                continue;
            }
            let other = self.unvaried(self.window(rng, days));
            for (i, row) in window.rows.iter_mut().enumerate() {
                part.take(row, &other.rows[i % other.rows.len()]);
            }
            for (i, ahead) in window.aheads.iter_mut().enumerate() {
                part.take_ahead(ahead, &other.aheads[i % other.aheads.len()]);
            }
        }
    }

    /// A random state of the plant, the battery at rest.
    pub fn random_point(&self, rng: &mut Pcg64Mcg) -> PlantPoint {
        let plant = &self.plant;
        let soc = rng.random_range(plant.battery().soc_min..=plant.battery().soc_max);
        let on = rng.random_bool(0.5) && !plant.chps().is_empty();
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

/// Rows and what is expected at each of them.
struct Window {
    /// Place of the first row in the profile.
    begin: usize,
    rows: Vec<ProfileRow>,
    /// As many as rows, or none.
    aheads: Vec<Ahead>,
}

/// What may come from other days.
#[derive(Debug, Clone, Copy)]
enum Mixed {
    Prices,
    Renewables,
    Loads,
}

impl Mixed {
    fn take(self, row: &mut ProfileRow, from: &ProfileRow) {
        match self {
            Self::Prices => (row.import_price, row.export_price) = (from.import_price, from.export_price),
            Self::Renewables => (row.pv_kw, row.wind_kw) = (from.pv_kw, from.wind_kw),
            Self::Loads => (row.electric_load_kw, row.heat_load_kw) = (from.electric_load_kw, from.heat_load_kw),
        }
    }

    fn take_ahead(self, ahead: &mut Ahead, from: &Ahead) {
        match self {
            Self::Prices => {
                (ahead.import, ahead.late_import, ahead.export) = (from.import, from.late_import, from.export);
            }
            Self::Renewables => ahead.powers[..2].copy_from_slice(&from.powers[..2]),
            Self::Loads => ahead.powers[2..].copy_from_slice(&from.powers[2..]),
        }
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

    fn apply(&self, window: &mut Window, plant: &Plant) {
        let tariff = self.tariff.fitted(&window.rows);
        for row in &mut window.rows {
            let powers = [row.pv_kw, row.wind_kw, row.electric_load_kw, row.heat_load_kw];
            [row.pv_kw, row.wind_kw, row.electric_load_kw, row.heat_load_kw] = self.powers(powers, plant);
        }
        tariff.apply(&mut window.rows);
        for ahead in &mut window.aheads {
            for span in 0..ahead.powers[0].len() {
                let scaled = self.powers(ahead.powers.map(|means| means[span]), plant);
                ahead.powers.iter_mut().zip(scaled).for_each(|(means, scaled)| means[span] = scaled);
            }
            tariff.apply_ahead(ahead);
        }
    }

    /// What becomes of PV, wind, load and heat, or of means of them, kW.
    fn powers(&self, [pv, wind, load, heat]: [f64; 4], plant: &Plant) -> [f64; 4] {
        let x = &plant.parameters().exogenous;
        [
            (pv * self.pv).min(x.pv_kw_nom),
            (wind * self.wind).min(x.wind_kw_nom),
            (load * self.load).clamp(x.electric_load_kw_min, x.electric_load_kw_max),
            (heat * self.heat).min(x.heat_load_kw_max),
        ]
    }
}
