//! `[grid_limit]`: what holds at the connection while whoever says its limits from outside is silent.

use super::{Loader, PointMap, Problem};
use memg_control::grid_limit::FailSafe;
use memg_core::plant_state::{Signal, Tag};
use serde::Deserialize;

/// `[grid_limit]`: what holds at the connection while whoever says its limits from outside is silent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGridLimit {
    /// Most power imported while `grid_import_limit_kw` is silent, kW.
    import_fail_safe_kw: Option<f64>,
    /// Most power exported while `grid_export_limit_kw` is silent, kW.
    export_fail_safe_kw: Option<f64>,
    /// A value that is older than this counts no longer, s.
    #[serde(default = "silent_after_s")]
    silent_after_s: f64,
}

const fn silent_after_s() -> f64 {
    60.0
}

/// The table, and whether it fits what feeds it: each signal has a fail-safe value, each value a signal. Nothing of this is
/// there in lock-step, and nobody knows yet what is measured where devices come `later`.
pub(super) fn fail_safe(loader: &mut Loader, points: &PointMap, (later, lockstep): (bool, bool)) -> FailSafe {
    let is_there = loader.layers.has("grid_limit");
    let raw = loader.table::<RawGridLimit>("grid_limit");
    let mut problem = |key: &str, message: String| loader.problems.push(Problem::new(key, message));
    if is_there && lockstep {
        problem("grid_limit", "cannot stand beside [cosim]: nobody narrows the connection of a simulation".to_owned());
    }
    if is_there && raw.is_none() {
        return FailSafe::default();
    }
    let (import_kw, export_kw) =
        raw.as_ref().map_or((None, None), |raw| (raw.import_fail_safe_kw, raw.export_fail_safe_kw));
    let rows = [
        (Signal::GridImportLimitKw, "grid_limit.import_fail_safe_kw", import_kw),
        (Signal::GridExportLimitKw, "grid_limit.export_fail_safe_kw", export_kw),
    ];
    for (signal, key, kw) in rows {
        let name = signal.name();
        let is_fed = points.signals.contains_key(&Tag::first(signal));
        match kw {
            Some(kw) if !(0.0..=1e6).contains(&kw) => problem(key, format!("expected 0 to 1000000 kW, found {kw}")),
            Some(_) if !is_fed && !later => problem(
                key,
                format!(
                    "nobody says {name}: give that signal to a point of a device or to an MQTT input, or leave this out"
                ),
            ),
            None if is_fed => {
                problem(key, format!("missing: {name} is fed, and has to have a value for when it is silent"))
            }
            Some(_) | None => {}
        }
    }
    let silent_after_s = raw.map_or(0.0, |raw| raw.silent_after_s);
    if is_there && !(1.0..=86_400.0).contains(&silent_after_s) {
        problem("grid_limit.silent_after_s", format!("expected 1 to 86400 s, found {silent_after_s}"));
    }
    FailSafe { import_kw, export_kw, silent_after_ms: (silent_after_s.clamp(0.0, 86_400.0) * 1000.0).round() as i64 }
}
