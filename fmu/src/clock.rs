//! Simulated time and its sampling instants `start + k * period`. No wall clock.

use serde::{Deserialize, Serialize};

/// Instants within this part of a period of each other are the same instant: hosts add up step sizes in floating point.
const TOLERANCE: f64 = 1e-6;
/// Sampling instants in one communication step at most, about 28 years at 15 minutes: a mistaken step size must not
/// hang the host.
pub const INSTANTS_MAX: f64 = 1e6;

/// The clock of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    start: f64,
    period: f64,
    ticks: u32,
    now: f64,
}

impl Clock {
    /// A clock at the start of the experiment. `period` > 0.
    #[must_use]
    pub const fn new(start: f64, period: f64) -> Self {
        Self { start, period, ticks: 0, now: start }
    }

    /// The present communication point.
    #[must_use]
    pub const fn now(&self) -> f64 {
        self.now
    }

    /// The period, s.
    #[must_use]
    pub const fn period(&self) -> f64 {
        self.period
    }

    /// Moves the communication point.
    pub const fn set_now(&mut self, now: f64) {
        self.now = now;
    }

    /// Whether a communication step may be that long: at most so many periods.
    ///
    /// # Errors
    /// What was expected.
    pub fn check_step(&self, size: f64, periods: f64) -> Result<(), String> {
        let longest = periods * self.period;
        if size > 0.0 && size <= longest * (1.0 + TOLERANCE) {
            return Ok(());
        }
        Err(format!("communicationStepSize: expected more than 0 and at most {longest} s, found {size}"))
    }

    /// Sampling instants so far.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.ticks
    }

    /// The next sampling instant if it lies before `until`.
    #[must_use]
    pub fn due(&self, until: f64) -> Option<f64> {
        let instant = self.next_instant();
        (instant < until - TOLERANCE * self.period).then_some(instant)
    }

    /// The next sampling instant.
    #[must_use]
    pub fn next_instant(&self) -> f64 {
        self.start + f64::from(self.ticks) * self.period
    }

    /// The next sampling instant is done.
    pub const fn tick(&mut self) {
        self.ticks = self.ticks.saturating_add(1);
    }

    /// Whether a host's idea of the present communication point is this one.
    #[must_use]
    pub fn is_now(&self, time: f64) -> bool {
        (time - self.now).abs() <= TOLERANCE * self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_come_once_each_whatever_the_step_size() {
        for steps_per_period in [1_u32, 3, 7] {
            let mut clock = Clock::new(0.1, 900.0);
            let mut instants = Vec::new();
            let mut now = 0.1;
            for _ in 0..4 * steps_per_period {
                now += 900.0 / f64::from(steps_per_period);
                while let Some(instant) = clock.due(now) {
                    instants.push(instant);
                    clock.tick();
                }
            }
            assert_eq!(instants, [0.1, 900.1, 1800.1, 2700.1]);
        }
    }
}
