//! How long modes last.

use serde::{Deserialize, Serialize};

/// Times of the modes, wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeTimes {
    /// Longest stay in Hold.
    pub hold_ms: u64,
    /// Time without fault that leads from Fallback back to Auto, and out of a safe stop that missing measurements caused.
    pub observe_ms: u64,
    /// Good cycles that lead out of Init and Hold.
    pub recover_cycles: u32,
    /// How long safe-stop set-points are written, at least, before the gateway falls silent and devices revert.
    pub stop_write_ms: u64,
    /// Longest stay in Manual.
    #[serde(default = "manual_ms")]
    pub manual_ms: u64,
}

const fn manual_ms() -> u64 {
    4 * 3_600_000
}

impl Default for ModeTimes {
    fn default() -> Self {
        Self {
            hold_ms: 60_000,
            observe_ms: 60_000,
            recover_cycles: 3,
            stop_write_ms: 3_600_000,
            manual_ms: manual_ms(),
        }
    }
}
