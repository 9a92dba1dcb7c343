//! Long blocks in overlapping parts.
//!
//! What happens within a week hardly depends on what happens two days before or after it: the battery is full or empty
//! in between. Each part is solved with a margin on both sides whose answers are thrown away.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Days whose answers are kept.
const CORE_DAYS: usize = 7;
/// Days of margin on each side.
const MARGIN_DAYS: usize = 1;
/// Shorter blocks stay whole.
const WHOLE_DAYS: usize = 14;

/// Steps that are solved together, and those of them whose answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub core: Range<usize>,
    pub padded: Range<usize>,
}

/// The parts of a block.
pub fn of(steps: usize, steps_per_day: usize) -> Vec<Part> {
    let days = steps.div_ceil(steps_per_day);
    let count = if days <= WHOLE_DAYS { 1 } else { days.div_ceil(CORE_DAYS) };
    let border = |i: usize| (days * i / count * steps_per_day).min(steps);
    let margin = MARGIN_DAYS * steps_per_day;
    let part = |i: usize| {
        let core = border(i)..border(i + 1);
        let padded = core.start.saturating_sub(margin)..(core.end + margin).min(steps);
        Part { core, padded }
    };
    (0..count).map(part).collect()
}

/// Does all tasks on as many threads as there are processors; results in the order of the tasks. `done` is told how many
/// are done, and of how many.
pub fn in_parallel<T: Sync, R: Send>(
    tasks: &[T],
    work: impl Fn(&T) -> R + Sync,
    done: &(dyn Fn(usize, usize) + Sync),
) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(tasks.len().max(1));
    let [next, count] = [0, 0].map(AtomicUsize::new);
    let run = || {
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else { return found };
            found.push((index, work(task)));
            done(count.fetch_add(1, Ordering::Relaxed) + 1, tasks.len());
        }
    };
    let mut all: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap_or_default()).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_block_once_and_overlap_by_their_margins() {
        for days in [1, 5, 14, 15, 31, 366] {
            let parts = of(days * 96, 96);
            assert_eq!(parts.len() == 1, days <= WHOLE_DAYS, "{days}");
            assert_eq!((parts[0].core.start, parts[parts.len() - 1].core.end), (0, days * 96));
            for pair in parts.windows(2) {
                assert_eq!(pair[0].core.end, pair[1].core.start);
                assert_eq!(
                    (pair[0].padded.end, pair[1].padded.start + 96),
                    (pair[0].core.end + 96, pair[1].core.start)
                );
            }
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_tasks() {
        let tasks: Vec<usize> = (0..50).collect();
        assert_eq!(in_parallel(&tasks, |x| 2 * x, &|_, _| {}), (0..100).step_by(2).collect::<Vec<_>>());
    }
}
