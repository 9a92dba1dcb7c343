//! Lock-step co-simulation over MQTT: the simulator says what it measures, the controller answers, and only then goes
//! time on.
//!
//! Topics below `<prefix>/cosim/`, QoS 1, never retained (retained messages are ignored):
//!
//! | topic | from | content |
//! |---|---|---|
//! | `start` | simulator | `{"sid","t0","dt_s","mode","history"}`: begins a run at simulated time `t0` seconds; `mode` and `history` may be left out |
//! | `ready` | controller | `{"sid","status":"ok"}`, or `"error"` and why |
//! | `meas` | simulator | `{"sid","k","t","v":{"pv_kw":…}}`: step `k` = 0, 1, 2, …; `t = t0 + k dt_s`; `v` holds signals by name, and perhaps `outlook` or `import_price_ahead` |
//! | `setp` | controller | `{"sid","k","t","v":{…},"safety":[…],"status":"ok"}`, exactly one for every `meas` |
//! | `stop` | simulator | `{"sid"}` |
//! | `summary` | controller | `{"sid","status","steps","hold_steps","repeated","errors","t_last"}` |
//!
//! Signals are those of [`memg_core::plant_state::Signal`], in the units of their names. What is known beyond this step may be told, too; models of
//! the extended schemas look at it, and without it assume that the present price stays:
//! - `"outlook": {"import_price_eur_per_kwh":[…], "export_price_eur_per_kwh":[…], "pv_kw":[…], "wind_kw":[…],
//!   "electric_load_kw":[…], "heat_load_kw":[…]}`, every list optional: one value for each of the plant's steps (the
//!   site's `step_h`, whatever `dt_s` is), the first one for the step that `t` lies in, up to 36 hours; `null` is a gap.
//! - `import_price_ahead`: a list of the mean import prices of up to 24 hours, EUR/kWh, the first one beginning at `t`. It
//!   fills the gaps of an `outlook` in the same message.
//! - Either replaces all that was said before; a `meas` without both leaves it.
//! - `history` in `start`: the same shape, the last value of every list for the step before `t0`, up to 15 days.
//!
//! Rules:
//! - `k` = last + 1 is stepped. `k` = last gets the cached answer, byte for byte: a message that came twice, or an answer
//!   that got lost, changes nothing. Any other `k`, a foreign `sid`, a `t` that does not fit: `"status":"error"` with the
//!   reason and without `v`; the run goes on where it was.
//! - A required signal that is missing, `null`, NaN or infinite (bare `NaN` as Python writes it included) gives safe
//!   set-points, `"status":"hold"`, and `"fault"` with its name. `"status":"fallback"` says that the network failed and the
//!   good rule decided.
//! - A `start` with another sid ends the run before; the same `start` again is answered again.
//! - A message above `mqtt.payload_bytes_max` (64 KiB unless the site says otherwise) is refused unread.
//! - Simulated time alone counts. The wall clock only ends a run that was silent for `idle_max_s`.
//!
//! Simulators that speak VILLASnode frames instead use `villas/in` and `villas/out`: see [`villas`].

mod controller;
pub mod machine;
mod message;
mod service;
pub mod settings;
pub mod villas;

pub use controller::{Controller, ControllerOptions, Journaling, Progress, SETPOINTS};
pub use service::{connection, spawn};

use machine::Ending;
use memg_core::extended::PRICE_HOURS;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Tag;
use memg_core::series::Series;
use std::collections::BTreeMap;

/// The controller, as the protocol sees it.
pub trait Stepper: Send {
    /// The signals without which only safe set-points can be given.
    fn required(&self) -> &[Tag];

    /// Forgets the run before and prepares a new one.
    ///
    /// # Errors
    /// Why such a run is not possible; the simulator is told.
    fn begin(&mut self, start: &Start) -> Result<(), String>;

    /// One step of the length that [`Stepper::begin`] was told, at simulated time `t_s`. Must answer whatever is missing:
    /// without a required value it gives its safe set-points.
    ///
    /// # Errors
    /// Why there are no set-points at all; nothing has moved, and the same step may be asked again.
    fn step(&mut self, t_s: f64, values: &Values) -> Result<StepAnswer, String>;

    /// The time for simulations is used up: the run ends after this step.
    fn is_over(&self) -> bool {
        false
    }

    /// The run has ended.
    fn ended(&mut self, ending: Ending) {
        let _ = ending;
    }
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The simulator's name for the run.
    pub sid: String,
    /// Simulated time of step 0, s.
    pub t0_s: f64,
    /// Length of a step, s, > 0.
    pub dt_s: f64,
    /// What the simulator asked for; its meaning is the controller's business.
    pub mode: Option<String>,
    /// What was before the run, one value a step of the plant, the last one for the step before `t0_s`.
    pub history: Series,
}

/// What the simulator measures in one step; finite numbers only, in the units of the signals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    signals: BTreeMap<Tag, f64>,
    price_ahead: Vec<Option<f64>>,
    outlook: Series,
}

impl Values {
    /// Keeps what is finite.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (impl Into<Tag>, f64)>) -> Self {
        let named = values.into_iter().map(|(signal, value)| (signal.into(), value));
        let signals = named.filter(|(_, value)| value.is_finite()).collect();
        Self { signals, price_ahead: Vec::new(), outlook: Series::default() }
    }

    /// The same with import prices of the hours ahead, EUR/kWh; what is not finite is not known.
    #[must_use]
    pub fn with_prices(mut self, prices: impl IntoIterator<Item = Option<f64>>) -> Self {
        let known = |price: Option<f64>| price.filter(|price| price.is_finite());
        self.price_ahead = prices.into_iter().take(PRICE_HOURS).map(known).collect();
        self
    }

    /// The same with prices and forecasts, one value a step of the plant, the first one for the step that has begun.
    #[must_use]
    pub fn with_outlook(mut self, outlook: Series) -> Self {
        self.outlook = outlook;
        self
    }

    /// Prices and forecasts at the plant's step length.
    #[must_use]
    pub const fn outlook(&self) -> &Series {
        &self.outlook
    }

    /// Import prices of the hours ahead, EUR/kWh.
    #[must_use]
    pub fn price_ahead(&self) -> &[Option<f64>] {
        &self.price_ahead
    }

    /// The measurement of a signal: good, or never read.
    #[must_use]
    pub fn measurement(&self, signal: impl Into<Tag>) -> Measurement<f64> {
        self.signals.get(&signal.into()).map_or(Measurement::never(), |value| Measurement::good(*value))
    }

    /// The signals that are measured.
    pub fn measured(&self) -> impl Iterator<Item = Tag> + '_ {
        self.signals.keys().copied()
    }

    /// Whether there is none for one of these signals.
    #[must_use]
    pub fn lacks_any(&self, required: &[Tag]) -> bool {
        required.iter().any(|signal| !self.signals.contains_key(signal))
    }
}

/// What the controller answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepAnswer {
    /// Set-points by unit-bearing name, such as `battery_kw` (+ = charging).
    pub setpoints: BTreeMap<String, f64>,
    /// Why the safety filter changed something; empty if it did not.
    pub safety: Vec<String>,
    /// Whether this is control or only safety.
    pub status: StepStatus,
    /// What is wrong, by name.
    pub fault: Option<String>,
    /// How far rules had to yield, as in the journal; `None`: every limit is met.
    pub relaxation: Option<String>,
}

/// Whether an answer is control or only safety.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StepStatus {
    /// The policy decided, the filter agreed or corrected.
    #[default]
    Ok,
    /// Safe set-points, because something is missing.
    Hold,
    /// The network failed; the good rule decided, the filter agreed or corrected.
    Fallback,
}

impl StepStatus {
    /// The word in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hold => "hold",
            Self::Fallback => "fallback",
        }
    }
}
