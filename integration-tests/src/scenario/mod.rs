//! Scenarios: a table of faults (`scenarios.toml`), each played against the gateway's program and a plant of ours, and judged by a
//! monitor at the plant that sees every register write.
//!
//! A row says what goes wrong as a sequence of steps, which mode that leads to and within what time, which alarm stands, and
//! what brings the plant back: nothing but time, an acknowledgement, or arming. What the registers must never show holds in every
//! row ([`monitor`]). Deadlines count the gateway's own cycles and its configured timers, so that a busy machine cannot fail them.

pub mod bench;
pub mod clients;
mod configure;
pub mod monitor;
pub mod observer;
pub mod page;
pub mod play;
mod shown;
mod starts;
mod steps;

use serde::Deserialize;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What happens, in a few words; unique.
    pub name: String,
    /// Where it happens: `modbus`, `mqtt`, `web`, `north`, `machine` or `start`.
    pub at: String,
    /// What decides in Auto: `hostile`, `idle`, `rule`, or another policy of the configuration.
    #[serde(default = "hostile")]
    pub policy: String,
    /// Length of a policy step, s. A CHP's minimum times are two of them.
    #[serde(default = "step_s")]
    pub step_s: f64,
    /// `control.hold_s`.
    #[serde(default = "hold_s")]
    pub hold_s: f64,
    /// `control.observe_s`.
    #[serde(default = "observe_s")]
    pub observe_s: f64,
    /// Changes of the configuration, see `configure.rs`.
    #[serde(default)]
    pub with: Vec<String>,
    /// The mode in which it happens: `auto`, `shadow`, or `off` where no gateway runs yet.
    #[serde(default = "auto")]
    pub begins: String,
    /// Steps before it happens, see `steps.rs`.
    #[serde(default)]
    pub before: Vec<String>,
    /// What happens.
    pub fault: Vec<String>,
    /// The mode that it leads to; `none`: no gateway runs.
    pub mode: String,
    /// Words that the cause in that mode has.
    #[serde(default)]
    pub says: String,
    /// Configured times that go by before that mode, s.
    #[serde(default)]
    pub after_s: f64,
    /// The alarm that stands.
    #[serde(default)]
    pub alarm: String,
    /// What ends it.
    #[serde(default)]
    pub heal: Vec<String>,
    /// What brings the plant back.
    pub back: Back,
    /// Where to, when nobody does anything.
    #[serde(default = "auto")]
    pub to: String,
    /// Steps afterwards, still watched.
    #[serde(default)]
    pub then: Vec<String>,
    /// Rules that have to give way here, so that the monitor does not ask for them: `ramp`.
    #[serde(default)]
    pub yields: Vec<String>,
    /// The journal cannot tell what happens; the station does.
    #[serde(default)]
    pub without_journal: bool,
}

/// What brings a plant back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Back {
    /// Time: the gateway goes on by itself.
    Itself,
    /// An operator acknowledges after the cause is gone, and arms again.
    Acknowledged,
    /// An operator arms again.
    Armed,
    /// Nothing has to: it is where it is meant to be.
    Stays,
}

fn hostile() -> String {
    "hostile".into()
}

fn auto() -> String {
    "auto".into()
}

const fn step_s() -> f64 {
    2.0
}

const fn hold_s() -> f64 {
    60.0
}

const fn observe_s() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct Table {
    scenario: Vec<Scenario>,
}

/// The whole table, in its order.
///
/// # Panics
/// If the table is wrong, or two rows have one name.
#[must_use]
pub fn table() -> Vec<Scenario> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios.toml")).expect("the table");
    let table: Table = toml::from_str(&text).unwrap_or_else(|wrong| panic!("scenarios.toml: {wrong}"));
    let mut names: Vec<&str> = table.scenario.iter().map(|row| row.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).for_each(|pair| assert!(pair[0] != pair[1], "two rows are called {}", pair[0]));
    table.scenario
}

/// Instants and orders that follow from a seed. Any spread will do: Numerical Recipes' generator.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            list.swap(last, other);
        }
    }
}
