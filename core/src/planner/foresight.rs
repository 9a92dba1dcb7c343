//! The planner that knows every row of a block beforehand: how good a policy can be, and how near the planner's grid comes to
//! the proven bound.
//!
//! It solves a block once and then decides each step on the exact plant, with the same settlement of stored energy at the
//! block's end as an evaluation has.

use super::grid::Grid;
use super::tables::{Tables, Terminal};
use super::{PlanSettings, request, search};
use crate::equipment::Plant;
use crate::forecast::Forecast;
use crate::policy::{Policy, PolicyError, PolicyInput, Request};
use crate::profile::{Profile, ProfileRow};
use core::ops::Range;
use std::sync::Arc;

/// Perfect foresight over blocks of a profile. `settings.hours` does not count: it looks to the end of the block.
#[derive(Debug)]
pub struct Foresight {
    profile: Arc<Profile>,
    blocks: Vec<Range<usize>>,
    settings: PlanSettings,
    solved: Option<Solved>,
}

#[derive(Debug)]
struct Solved {
    block: Range<usize>,
    grid: Grid,
    tables: Tables,
}

impl Foresight {
    /// For these blocks (ranges of rows), each of which begins at SoC 0.5. Needs 8 MB for five days of quarter-hours.
    #[must_use]
    pub const fn new(profile: Arc<Profile>, blocks: Vec<Range<usize>>, settings: PlanSettings) -> Self {
        Self { profile, blocks, settings, solved: None }
    }

    fn row_at(&self, minute: i64) -> Option<usize> {
        self.profile.rows().binary_search_by_key(&minute, |row| row.time.minute).ok()
    }
}

impl Policy for Foresight {
    fn name(&self) -> &'static str {
        "foresight"
    }

    fn act(&mut self, input: &PolicyInput<'_>) -> Result<Request, PolicyError> {
        let unknown = || PolicyError::Runtime("this time is in no block that is known beforehand".to_owned());
        let row = input.known.minute().and_then(|minute| self.row_at(minute)).ok_or_else(unknown)?;
        let block = self.blocks.iter().find(|block| block.contains(&row)).ok_or_else(unknown)?;
        let known = |solved: &Solved| solved.block == *block && solved.grid.plant == *input.plant;
        let solved = self.solved.take().filter(known);
        let rows = self.profile.rows().get(block.clone()).unwrap_or_default();
        let solved = solved.unwrap_or_else(|| solve(input.plant, block.clone(), rows, self.settings.soc_levels));
        let solved = self.solved.insert(solved);
        let step = row - solved.block.start;
        let first = search::first(input, &solved.grid, &solved.tables, step).ok_or(PolicyError::NotFinite)?;
        Ok(request(first.setpoints()))
    }
}

fn solve(plant: &Plant, block: Range<usize>, rows: &[ProfileRow], soc_levels: usize) -> Solved {
    let grid = Grid::merging(*plant, 1, rows.len().saturating_sub(1), soc_levels);
    let mut tables = Tables::new(&grid);
    let forecast = Forecast::of_rows(rows);
    let terminal = Terminal::settled(&grid, &forecast, 0.5);
    tables.solve(&grid, &forecast, &terminal);
    Solved { block, grid, tables }
}
