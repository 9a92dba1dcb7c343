//! What a reading would be if all were right.

use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::point::Point;
use memg_settings::{Settings, rated};

/// Meters and inverters go a little beyond their ratings.
const BEYOND: f64 = 0.2;

/// What a signal is likely to be, in its unit; `None` where anything may be.
#[must_use]
pub fn signal(tag: Tag, settings: &Settings) -> Option<(f64, f64)> {
    let (low, high) = rated(tag, &settings.site_plant())?;
    let wider = |share: f64| (low - share * (high - low), high + share * (high - low));
    Some(match tag.signal() {
        Signal::Soc => (0.0, 1.0),
        Signal::GridVoltagePu => (0.8, 1.2),
        Signal::FrequencyHz => {
            let nominal = settings.plant.parameters().frequency.hz_nominal;
            (0.9 * nominal, 1.1 * nominal)
        }
        _ => wider(BEYOND),
    })
}

/// What telemetry is likely to be, by its unit.
#[must_use]
pub fn telemetry(unit: &str, settings: &Settings) -> Option<(f64, f64)> {
    // Limits and ratings stand among telemetry, too: only what is far beyond is nonsense.
    let kw = 10.0 * largest_kw(settings);
    Some(match unit {
        "kW" | "kvar" | "kVA" => (-kw, kw),
        "W" | "var" | "VA" => (-1e3 * kw, 1e3 * kw),
        "V" => (0.0, 1_500.0),
        "Hz" => (40.0, 70.0),
        "A" => (-1e4, 1e4),
        "%" => (-100.0, 200.0),
        "degC" => (-60.0, 700.0),
        "kWh" => (0.0, 1e9),
        _ => return None,
    })
}

/// Of a point: its signal's, else its unit's, and never beyond the range that its file states.
#[must_use]
pub fn point(point: &Point, settings: &Settings) -> Option<(f64, f64)> {
    let (low, high) = point.range;
    match point.signal {
        Some(tag) => signal(tag, settings).or_else(|| low.is_finite().then_some((low, high))),
        None if low.is_finite() => Some((low, high)),
        None => telemetry(&point.unit, settings),
    }
}

/// More than any part of the plant, kW.
fn largest_kw(settings: &Settings) -> f64 {
    let (p, plant) = (settings.plant.parameters(), &settings.plant);
    let x = &p.exogenous;
    let parts = [
        p.grid.import_kw_max,
        p.grid.export_kw_max,
        x.pv_kw_nom,
        x.wind_kw_nom,
        x.electric_load_kw_max,
        x.heat_load_kw_max,
        plant.charge_max().kilowatts().get(),
        plant.discharge_max().kilowatts().get(),
        plant.chp_max().kilowatts().get(),
    ];
    parts.into_iter().fold(1.0, f64::max)
}
