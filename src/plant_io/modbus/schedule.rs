//! When a block is read: on an absolute grid, so that nothing drifts.
//!
//! A read that comes late does not move the ones after it; places on the grid that pass without a read are counted.

use super::plan::Block;
use std::time::Duration;
use tokio::time::Instant;

/// How often a busy device (exceptions 5 and 6) is asked again before the block waits for its next place on the grid.
const TRIES_MAX: u8 = 3;

/// A block and its times.
#[derive(Debug)]
pub(super) struct Read {
    pub block: Block,
    /// Next place on the grid.
    next: Instant,
    /// Wanted besides the grid: first read after connecting, read-back after a write.
    extra: Option<Instant>,
    /// Not before: the device is busy or refuses the block.
    hold: Option<Instant>,
    tries: u8,
    /// Since when the device has been too busy to answer it.
    busy_since: Option<Instant>,
    /// The refusal has been told.
    pub told: bool,
}

impl Read {
    pub fn new(block: Block, first: Instant) -> Self {
        Self { block, next: first, extra: None, hold: None, tries: 0, busy_since: None, told: false }
    }

    /// When it is due.
    pub fn due(&self) -> Instant {
        let wanted = self.extra.map_or(self.next, |extra| extra.min(self.next));
        self.hold.map_or(wanted, |hold| hold.max(wanted))
    }

    /// Wants a read at `at` besides the grid; a later wish wins, because it follows a later write.
    pub fn want(&mut self, at: Instant) {
        self.extra = Some(self.extra.map_or(at, |extra| extra.max(at)));
    }

    /// A request goes out at `now`. Returns how many places on the grid passed unused.
    pub fn start(&mut self, now: Instant) -> u64 {
        self.extra = self.extra.filter(|extra| *extra > now);
        self.hold = None;
        let Some(late) = now.checked_duration_since(self.next) else { return 0 };
        let skipped = late.as_nanos() / self.block.poll.as_nanos().max(1);
        let skipped = u32::try_from(skipped).unwrap_or(u32::MAX);
        self.next += self.block.poll.saturating_mul(skipped.saturating_add(1));
        u64::from(skipped)
    }

    /// It was answered.
    pub fn answered(&mut self) {
        (self.tries, self.busy_since, self.told) = (0, None, false);
    }

    /// The device is busy: once more soon, a few times. Returns since when it has been.
    pub fn busy(&mut self, now: Instant, pause: Duration) -> Instant {
        self.tries += 1;
        if self.tries <= TRIES_MAX {
            self.want(now + pause);
        } else {
            self.tries = 0;
        }
        *self.busy_since.get_or_insert(now)
    }

    /// Leaves the block alone until then.
    pub fn hold_until(&mut self, at: Instant) {
        self.hold = Some(at);
    }

    /// Forgets pauses and asks for a read now.
    pub fn restart(&mut self, now: Instant) {
        (self.hold, self.extra, self.tries) = (None, Some(now), 0);
    }

    /// The same times for a part of the block, due at once.
    pub fn part(&self, block: Block, now: Instant) -> Self {
        Self { block, next: self.next, extra: Some(now), hold: None, tries: 0, busy_since: None, told: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::Table;

    fn read(now: Instant) -> Read {
        let poll = Duration::from_secs(1);
        Read::new(Block { unit_id: 1, table: Table::Holding, start: 0, count: 1, points: vec![0], poll }, now)
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_read_does_not_move_the_grid_and_skipped_places_are_counted() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut read = read(start);
        assert_eq!((read.start(ms(300)), read.due()), (0, ms(1000)));
        assert_eq!((read.start(ms(1000)), read.due()), (0, ms(2000)));
        assert_eq!((read.start(ms(4500)), read.due()), (2, ms(5000)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extra_read_leaves_the_grid_alone() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut read = read(ms(1000));
        read.want(ms(200));
        assert_eq!(read.due(), ms(200));
        assert_eq!((read.start(ms(200)), read.due()), (0, ms(1000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_device_is_asked_again_three_times_and_then_at_the_next_place() {
        let start = Instant::now();
        let mut read = read(start);
        let pause = Duration::from_millis(10);
        for tries in 0..4_u32 {
            let now = start + pause * tries;
            read.start(now);
            assert_eq!(read.busy(now, pause), start);
            let again = if tries < 3 { now + pause } else { start + Duration::from_secs(1) };
            assert_eq!(read.due(), again);
        }
    }
}
