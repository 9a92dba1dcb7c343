//! What goes into the history: every signal as a cycle froze it, the set-points, limits from outside where there are any, what
//! the plant costs, the mode.

use super::demo::Demo;
use memg_control::account::cost_rate;
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::{Signal, Tag};
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
        let safe = decision.safe.as_ref();
        let batteries = (0..self.plant.batteries().len()).map(|index| battery(safe?, index));
        let chps = (0..self.plant.chps().len()).map(|index| chp(safe?, index));
        let limits = decision.limits_from_outside();
        let beside = [
            caps_kw.map(|(pv, _)| pv),
            caps_kw.map(|(_, wind)| wind),
            limits.import_kw_max,
            limits.export_kw_max,
            cost_rate(&self.plant, &input.state),
            Some(f64::from(decision.mode.number())),
        ];
        let values = signals.chain(batteries).chain(chps).chain(beside);
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
    // Named as the signals are: the first has no number.
    let each = |signal, count: usize| (1..).take(count).filter_map(move |number| Tag::new(signal, number));
    let batteries = each(Signal::BatteryKw, settings.plant.batteries().len());
    let units = batteries.chain(each(Signal::ChpKw, settings.plant.chps().len()));
    let beside = [
        ("setpoint.pv_limit_kw", "kW"),
        ("setpoint.wind_limit_kw", "kW"),
        ("limit.import_kw_max", "kW"),
        ("limit.export_kw_max", "kW"),
        ("cost_eur_per_h", "EUR/h"),
        ("mode", ""),
    ];
    let setpoints = units.map(|tag| info(format!("setpoint.{tag}"), "kW"));
    signals.chain(setpoints).chain(beside.map(|(name, unit)| info(name.to_owned(), unit))).collect()
}

/// Unit of a signal; empty where there is none.
pub(super) fn unit(tag: Tag) -> &'static str {
    match signal_dimension(tag.signal()) {
        Dimension::Ratio => "",
        dimension => dimension.unit_name(),
    }
}
