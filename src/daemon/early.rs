//! Which measurements bring a cycle early, and by how much they have to move.

use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::formula::Formula;
use memg_plant_io::image::PointId;
use std::collections::BTreeMap;

/// How far a signal may move before a cycle comes early; `None`: it can wait for the next one. Its unit is the signal's.
fn band(signal: Signal, plant: &Plant) -> Option<f64> {
    use Signal as S;
    match signal {
        // A fiftieth of what may be imported: less than the margin that rounding and ramps need anyway.
        S::PvKw | S::WindKw | S::PvAvailableKw | S::WindAvailableKw | S::ElectricLoadKw | S::GridKw | S::GridKvar => {
            Some(0.02 * plant.import_max().kilowatts().get())
        }
        S::GridVoltagePu => Some(0.005),
        S::FrequencyHz => Some(0.05),
        S::BatteryRemote | S::ChpRemote | S::ChpFault | S::BatteryFault => Some(0.5),
        S::GridImportLimitKw | S::GridExportLimitKw => Some(0.1),
        S::HeatLoadKw | S::Soc | S::BatteryKw | S::ChpKw | S::ChpOn => None,
        S::ImportPriceEurPerKwh | S::ExportPriceEurPerKwh => None,
        S::GasKw | S::ChpHeatKw | S::BoilerHeatKw | S::GridImportKwh | S::GridExportKwh => None,
    }
}

/// The points whose moves bring a cycle early; a part of a sum moves the sum.
pub(super) fn watched(signals: &[(Tag, Formula)], plant: &Plant) -> BTreeMap<PointId, f64> {
    let mut bands = BTreeMap::new();
    for (tag, formula) in signals {
        let Some(band) = band(tag.signal(), plant) else { continue };
        for term in formula.terms() {
            let own = band / term.factor.abs();
            bands.entry(term.point).and_modify(|known: &mut f64| *known = known.min(own)).or_insert(own);
        }
    }
    bands
}
