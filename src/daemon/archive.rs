//! What goes into the history: every signal as a cycle froze it, the set-points, limits from outside where there are any, what
//! the plant costs, the mode.

use super::demo::Demo;
use memg_control::account::cost_rate;
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::Tag;
use memg_core::setpoints::SafeSetpoints;
use memg_history::{PointInfo, Reader, Writer};
use memg_plant_io::quantity::{Dimension, signal_dimension};
use memg_settings::{HistorySettings, Settings};
use tempfile::TempDir;

/// The history of a run.
#[derive(Debug)]
pub(super) struct Archive {
    /// Takes samples and notes.
    pub writer: Writer,
    /// Reads them, for pages and the ledger.
    pub reader: Reader,
    plant: Plant,
    /// Removed at the end with what is in it.
    _passing: Option<TempDir>,
}

impl Archive {
    /// Opens the history, if there is to be one. It fails no run: what is wrong is said by [`Writer::trouble`].
    ///
    /// # Errors
    /// No temporary folder can be made for a demonstration.
    pub fn open(settings: &Settings, demo: Option<&Demo>) -> std::io::Result<Option<Self>> {
        let (history, passing) = match &settings.history {
            HistorySettings::Off => return Ok(None),
            HistorySettings::Kept(history) => (history.clone(), None),
            HistorySettings::Passing(history) => {
                let folder = tempfile::Builder::new().prefix("memg-history-").tempdir()?;
                (memg_history::Settings { path: folder.path().join("demo.history"), ..history.clone() }, Some(folder))
            }
        };
        if demo.is_some() || settings.control.speed != 1.0 {
            // Its days come again: two runs in one history would be one curve.
            memg_history::begin_anew(&history.path);
        }
        let (writer, reader) = memg_history::open(&history, &points(settings));
        Ok(Some(Self { writer, reader, plant: settings.plant, _passing: passing }))
    }

    /// One cycle. `frozen` are its signals in the order of the configuration, `caps_kw` those of PV and wind.
    pub fn sample(
        &self,
        unix_ms: i64,
        frozen: &[(Tag, Measurement<f64>)],
        (input, decision): (&CycleInput, &CycleDecision),
        caps_kw: Option<(f64, f64)>,
    ) {
        let signals = frozen.iter().map(|(_, measured)| measured.usable());
        let batteries = self.plant.batteries().len();
        let safe = decision.safe.as_ref();
        let split = |values: Vec<Option<f64>>| if values.len() > 1 { values } else { Vec::new() };
        let each_battery = split((0..batteries).map(|index| battery(safe?, index)).collect());
        let each_chp = split((0..self.plant.chps().len()).map(|index| chp(safe?, index)).collect());
        let all = [
            safe.map(|safe| safe.battery().kilowatts().get()),
            safe.map(|safe| safe.chp().kilowatts().get()),
            caps_kw.map(|(pv, _)| pv),
            caps_kw.map(|(_, wind)| wind),
            decision.limits.import_kw_max,
            decision.limits.export_kw_max,
            cost_rate(&self.plant, &input.state),
            Some(f64::from(decision.mode.number())),
        ];
        let values = signals.chain(all).chain(each_battery).chain(each_chp);
        let values: Vec<(usize, Option<f32>)> =
            values.map(|value| value.map(|value| value as f32)).enumerate().collect();
        self.writer.sample(unix_ms, &values);
    }
}

fn battery(safe: &SafeSetpoints, index: usize) -> Option<f64> {
    safe.batteries().get(index).map(|power| power.kilowatts().get())
}

fn chp(safe: &SafeSetpoints, index: usize) -> Option<f64> {
    safe.chps().get(index).map(|chp| chp.power.kilowatts().get())
}

/// Every point, in the order of [`Archive::sample`].
fn points(settings: &Settings) -> Vec<PointInfo> {
    let info = |name: String, unit: &str| PointInfo { name, unit: unit.to_owned() };
    let signals = settings.points.signals.keys().map(|tag| info(tag.to_string(), unit(*tag)));
    let kw =
        ["battery_kw", "chp_kw", "pv_limit_kw", "wind_limit_kw"].map(|name| info(format!("setpoint.{name}"), "kW"));
    let limits = ["import_kw_max", "export_kw_max"].map(|name| info(format!("limit.{name}"), "kW"));
    let beside = [info("cost_eur_per_h".to_owned(), "EUR/h"), info("mode".to_owned(), "")];
    let each = |part: &'static str, count: usize| {
        let number = move |n: usize| if n == 0 { "_1".to_owned() } else { format!("_{}", n + 1) };
        let all = if count > 1 { count } else { 0 };
        (0..all).map(move |n| format!("setpoint.{part}{}_kw", number(n)))
    };
    let units = each("battery", settings.plant.batteries().len()).chain(each("chp", settings.plant.chps().len()));
    signals.chain(kw).chain(limits).chain(beside).chain(units.map(|name| info(name, "kW"))).collect()
}

/// Unit of a signal; empty where there is none.
pub(super) fn unit(tag: Tag) -> &'static str {
    match signal_dimension(tag.signal()) {
        Dimension::Ratio => "",
        dimension => dimension.unit_name(),
    }
}
