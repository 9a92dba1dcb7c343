//! What a gateway would have expected at every training row, for actors that see forecasts.
//!
//! Forecasts have the quantity's unit and grow with it, and prices behind the published ones are means of those before: what
//! training makes of a window (other loads, another tariff) it makes of its forecasts in the same way. So all of them are
//! made once, with everything before the row as history, and the prices that a day-ahead market has published by then.

use crate::split::{Part, Split};
use memg_core::equipment::Plant;
use memg_core::forecast::{Forecast, Ridge};
use memg_core::foreseen::{Ahead, HOURS};
use memg_core::memory::ControlMemory;
use memg_core::policy::PolicyInput;
use memg_core::units::Soc;
use std::sync::Arc;

/// One for each row of the training days, in their order.
#[must_use]
pub fn aheads(plant: &Plant, split: &Split, ridge: &Ridge) -> Arc<[Ahead]> {
    let parts: Vec<Part> = split.parts.iter().copied().filter(|part| *part != Part::Test).collect();
    let wanted: Vec<usize> = (0..parts.len()).filter(|index| parts[*index] == Part::Training).collect();
    let half = wanted.len().div_ceil(2).max(1);
    let threads = std::thread::scope(|scope| {
        let parts = wanted.chunks(half).map(|rows| scope.spawn(|| some(plant, split, ridge.clone(), rows)));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let threads: Vec<Vec<Ahead>> = threads;
    threads.into_iter().flatten().collect()
}

/// Of some rows of the days that may be seen.
fn some(plant: &Plant, split: &Split, mut ridge: Ridge, rows: &[usize]) -> Vec<Ahead> {
    let (seen, memory, per_hour) = (&split.seen, ControlMemory::at_rest(), plant.steps_per_hour());
    let mut forecast = Forecast::of_steps(HOURS * per_hour);
    let all = 0..seen.rows().len();
    let of = |index: &usize| {
        let (situation, known) = (seen.rows()[*index].situation(Soc::new(0.5)), seen.view(&all, *index, per_hour));
        let input = PolicyInput { plant, situation: &situation, memory: &memory, known: &known };
        forecast.fill(&input, &mut ridge);
        Ahead::of(&forecast, per_hour)
    };
    rows.iter().map(of).collect()
}
