//! The perfect-foresight bound: a cost that no policy can undercut on a block of days, whatever it knows.
//!
//! It is a **proven lower bound**, not a plan: a linear relaxation of the exact (mixed-integer) problem, and of that the
//! value that its multipliers prove ([`program::Program::bound`]), whatever the solver's tolerance. Blocks of more than
//! two weeks are solved in overlapping parts. The CHP is described by the convex hull of its trajectories ([`chp_graph`]), boiler heat by its hull over
//! on and off; what is relaxed is that CHP states may be mixed, that the battery may charge and discharge within one
//! step, and that frequency support is not asked for. Semantics otherwise are those of package `memg-evaluate`: start at SoC
//! 0.5, CHP off and free, battery at zero, correction for stored energy at the end, free curtailment, the grid as slack.
//!
//! Of several batteries and CHPs each has its own variables, limits and losses; the wear of batteries is counted on their sum, as the
//! environment does.

#![forbid(unsafe_code)]

mod block;
mod chp_graph;
mod costs;
mod fallback;
mod interior;
mod parts;
mod program;
mod scaled;
mod skyline;

use block::built;
use memg_core::equipment::Plant;
use memg_core::profile::Profile;
use parts::Part;
use program::Solution;
use std::ops::Range;

/// Raised with every change that may give another bound for the same days: bounds found before are then found anew.
pub const ALGORITHM_VERSION: u32 = 2;

/// Why there is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the optimum of rows {first}..{end} was not found: {status}")]
pub struct OptimumError {
    /// First row of the block.
    pub first: usize,
    /// Row after the last.
    pub end: usize,
    /// The solver's status, or that there are no such rows.
    pub status: String,
}

/// The bound of one block.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockOptimum {
    /// Lower bound of the block's cost, EUR, corrected for stored energy.
    pub cost_eur: f64,
    /// The relaxed plan's cost of each day, EUR; the correction is booked on the last day.
    pub daily_cost_eur: Vec<f64>,
    /// The relaxed plan.
    pub plan: Vec<PlanStep>,
}

/// Means over one step of the relaxed plan.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PlanStep {
    /// Power of all batteries, kW, + = charging.
    pub battery_kw: f64,
    /// Power of all CHPs, kW.
    pub chp_kw: f64,
    /// Share of the CHPs that is on.
    pub chp_on: f64,
    /// Grid power, kW, + = importing.
    pub grid_kw: f64,
    /// State of charge at the end of the step, the mean by capacity.
    pub soc: f64,
}

/// Bounds of all blocks, on as many threads as there are processors. `done` is told how many parts of blocks are, and of
/// how many.
///
/// # Errors
/// The first block without an answer.
pub fn of_profile(
    plant: &Plant,
    profile: &Profile,
    blocks: &[Range<usize>],
    done: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<BlockOptimum>, OptimumError> {
    let per_day = plant.steps_per_day();
    let programs = blocks.iter().map(|block| built(plant, profile, block)).collect::<Result<Vec<_>, _>>()?;
    let tasks: Vec<(usize, Part)> = programs
        .iter()
        .enumerate()
        .flat_map(|(block, built)| parts::of(built.steps.len(), per_day).into_iter().map(move |part| (block, part)))
        .collect();
    let solved = parts::in_parallel(&tasks, |(block, part)| programs[*block].program.solve(&part.padded), done);
    let mut solutions: Vec<Solution> =
        programs.iter().map(|built| Solution::zeros(&built.program, &(0..built.steps.len()))).collect();
    for ((block, part), solved) in tasks.iter().zip(solved) {
        let Range { start: first, end } = blocks[*block];
        let solved = solved.map_err(|status| OptimumError { first, end, status })?;
        solutions[*block].take(&solved, &programs[*block].program, &part.core);
    }
    let rows = |block: &Range<usize>| profile.rows().get(block.clone()).unwrap_or_default();
    Ok(programs.iter().zip(&solutions).zip(blocks).map(|((built, x), block)| built.found(x, rows(block))).collect())
}

/// The bound of one block.
///
/// # Errors
/// The solver's failure.
pub fn of_block(plant: &Plant, profile: &Profile, block: &Range<usize>) -> Result<BlockOptimum, OptimumError> {
    let found = of_profile(plant, profile, std::slice::from_ref(block), &|_, _| {})?;
    let none = || OptimumError { first: block.start, end: block.end, status: "no such rows".to_owned() };
    found.into_iter().next().ok_or_else(none)
}

#[cfg(test)]
mod tests;
