//! Limits at the connection that a grid operator's control box says: what a relay, a register or a topic feeds, and orders for
//! a time. They only narrow; where a source falls silent its fail-safe value holds until it is heard again.
//!
//! Everything here is counted from what a cycle gets, so that it replays. A source is heard while its signal is good, a number
//! of at least 0, and not older than `silent_after_ms`; anything else counts as silence.

use super::cycle::{ControlConfig, ControlState, CycleInput, ExchangeLimits};
use memg_core::command::{GridOrder, Role};
use memg_core::measurement::Measurement;
use memg_core::plant_state::{Signal, Tag};
use serde::{Deserialize, Serialize};

/// What holds while a source is silent, and when it is. Without it a silent source narrows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FailSafe {
    /// Most power imported, kW; `None`: the import is not fed from outside.
    pub import_kw: Option<f64>,
    /// Most power exported, kW; `None`: the export is not fed from outside.
    pub export_kw: Option<f64>,
    /// A value that is older than this counts no longer, ms.
    pub silent_after_ms: i64,
}

impl FailSafe {
    /// Nothing is configured.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A signal that says a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LimitSource {
    /// What it said last, kW; `None`: nothing yet.
    pub kw: Option<f64>,
    /// How old that is, ms of plant time.
    pub silent_ms: i64,
    /// That was before a restart: who knows what was said meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_before: bool,
}

/// What sources and orders say. A restart takes it from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GridLimit {
    /// Of the import, if a signal says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<LimitSource>,
    /// Of the export, if a signal says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<LimitSource>,
    /// An order, and how long it still holds, ms of plant time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<(ExchangeLimits, i64)>,
    /// Who gave it ([`number_of`]); 0: nobody, or an earlier version.
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub order_by: u32,
}

/// What is in force of it, for people, journal and restart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InForce {
    /// The narrowest of source, fail-safe value and order.
    #[serde(flatten)]
    pub limits: ExchangeLimits,
    /// The import's source is silent: its fail-safe value holds.
    pub import_silent: bool,
    /// The export's source is silent.
    pub export_silent: bool,
    /// Where it comes from.
    pub from: GridLimit,
}

impl GridLimit {
    /// As a restart finds it. Time without the gateway is not counted: an order holds too long rather than too short, and of
    /// what a source said before and its fail-safe value the narrower holds until it is heard or silent.
    pub(super) fn restarted(&mut self) {
        for source in [&mut self.import, &mut self.export].into_iter().flatten() {
            (source.silent_ms, source.from_before) = (0, true);
        }
    }

    /// Takes an order in the place of the one before. Somebody else's, which still holds, is not widened by it: the narrower of both then
    /// holds, and as long as the longer; an engineer may replace it.
    pub(super) fn order(&mut self, order: &GridOrder, by: &str, role: Role) -> Result<(), String> {
        let GridOrder { limits, for_s } = order;
        let bad = |limit: Option<f64>| limit.is_some_and(|kw| !kw.is_finite() || kw < 0.0);
        if bad(limits.import_kw_max) || bad(limits.export_kw_max) {
            return Err("a limit must be a finite power of at least 0 kW, or null".into());
        }
        if !(*for_s > 0.0 && *for_s <= GridOrder::FOR_S_MAX) {
            return Err(format!("for_s must be more than 0 and at most {} s", GridOrder::FOR_S_MAX));
        }
        let (by, wished) = (number_of(by), (*limits, ms(*for_s)));
        let of_another = self.order.filter(|_| self.order_by != by && role < Role::Engineer);
        self.order =
            Some(of_another.map_or(wished, |(limits, left_ms)| (narrowest(limits, wished.0), left_ms.max(wished.1))));
        if of_another.is_none() {
            self.order_by = by;
        }
        Ok(())
    }
}

/// A number for a principal (FNV-1a, 32 bits), never 0.
#[must_use]
pub fn number_of(principal: &str) -> u32 {
    principal.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).max(1)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_nobody(number: &u32) -> bool {
    *number == 0
}

fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Hears the sources and lets time pass.
pub(super) fn listen(config: &ControlConfig, state: &mut ControlState, input: &CycleInput, elapsed_ms: i64) {
    let heard = |signal, before| hear(config, input, signal, before, elapsed_ms);
    let GridLimit { import, export, order, order_by } = state.grid_limit;
    let order = order.map(|(limits, left_ms)| (limits, left_ms - elapsed_ms)).filter(|(_, left_ms)| *left_ms > 0);
    state.grid_limit = GridLimit {
        import: heard(Signal::GridImportLimitKw, import),
        export: heard(Signal::GridExportLimitKw, export),
        order,
        order_by: if order.is_some() { order_by } else { 0 },
    };
}

/// `None`: nothing feeds it.
fn hear(
    config: &ControlConfig,
    input: &CycleInput,
    signal: Signal,
    before: Option<LimitSource>,
    elapsed_ms: i64,
) -> Option<LimitSource> {
    let (_, measured) = input.grid_limits.iter().find(|(tag, _)| *tag == Tag::first(signal))?;
    let never = LimitSource { kw: None, silent_ms: i64::MAX, from_before: false };
    let before = before.unwrap_or(never);
    let waited = LimitSource { silent_ms: before.silent_ms.saturating_add(elapsed_ms), ..before };
    let said = said(measured).map(|(kw, age_ms)| LimitSource { kw: Some(kw), silent_ms: age_ms, from_before: false });
    said.filter(|said| said.silent_ms <= config.grid_limit.silent_after_ms).or(Some(waited))
}

/// A limit and its age, ms; a negative one and what is no number say nothing.
fn said(measured: &Measurement<f64>) -> Option<(f64, i64)> {
    let kw = measured.usable().filter(|kw| kw.is_finite() && *kw >= 0.0)?;
    Some((kw, i64::try_from(measured.age_ms).unwrap_or(i64::MAX)))
}

/// What is in force of sources and orders; `None` where nothing is configured or ordered.
pub(super) fn in_force(config: &ControlConfig, state: &ControlState) -> Option<InForce> {
    let from = state.grid_limit;
    if from == GridLimit::default() && config.grid_limit.is_none() {
        return None;
    }
    let fail_safe = &config.grid_limit;
    let [(import, import_silent), (export, export_silent)] =
        [(from.import, fail_safe.import_kw), (from.export, fail_safe.export_kw)]
            .map(|(source, fail_safe_kw)| of(source, fail_safe_kw, fail_safe.silent_after_ms));
    let ordered = from.order.map(|(limits, _)| limits).unwrap_or_default();
    let limits = narrowest(ExchangeLimits { import_kw_max: import, export_kw_max: export }, ordered);
    Some(InForce { limits, import_silent, export_silent, from })
}

/// The limit of one direction, and whether its source is silent.
fn of(source: Option<LimitSource>, fail_safe_kw: Option<f64>, silent_after_ms: i64) -> (Option<f64>, bool) {
    let Some(source) = source else { return (None, false) };
    match source.kw.filter(|_| source.silent_ms <= silent_after_ms) {
        Some(kw) if source.from_before => (least(Some(kw), fail_safe_kw), false),
        Some(kw) => (Some(kw), false),
        None => (fail_safe_kw, true),
    }
}

fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::min)
}

pub(super) fn narrowest(a: ExchangeLimits, b: ExchangeLimits) -> ExchangeLimits {
    ExchangeLimits {
        import_kw_max: least(a.import_kw_max, b.import_kw_max),
        export_kw_max: least(a.export_kw_max, b.export_kw_max),
    }
}

/// All limits from outside: an operator's and the grid's, the narrowest of them.
pub(super) fn from_outside(config: &ControlConfig, state: &ControlState) -> ExchangeLimits {
    let grid = in_force(config, state).map(|grid| grid.limits).unwrap_or_default();
    narrowest(state.limits, grid)
}

#[cfg(test)]
#[path = "grid_limit_tests.rs"]
mod tests;
