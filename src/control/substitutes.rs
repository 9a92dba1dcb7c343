//! What stands in for a signal that the site declares optional, while it is lost.
//!
//! Responsible for: the closed list of [`Substitute`]s, which signals have which, and their effect on a cycle. A signal
//! without one is required: its absence is news. *Lost* is configured and not usable; a signal that nobody configures is
//! another thing (`memg_core::situation`).

use super::state::{ControlConfig, ControlState};
use memg_core::equipment::Plant;
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::{PlantState, Signal, Tag};
use memg_core::situation::{Judged, Substitutes as Prices};
use memg_core::units::{Hertz, Kilowatts, PerUnit, Watts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What may stand in for a lost signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substitute {
    /// Everything that the site declares possible: limits tighten, nothing moves where it might do harm.
    WorstCase,
    /// The last set-point that was written. Stands in only while the gateway writes.
    Setpoint,
    /// `load + battery - CHP - PV - wind`, all of them measured.
    Balance,
    /// A price: the same hour of yesterday, then the site's fixed tariff.
    Yesterday,
    /// A price: the site's fixed tariff.
    Fixed,
}

impl Substitute {
    /// Every substitute.
    pub const ALL: [Self; 5] = [Self::WorstCase, Self::Setpoint, Self::Balance, Self::Yesterday, Self::Fixed];

    /// The name in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorstCase => "worst_case",
            Self::Setpoint => "setpoint",
            Self::Balance => "balance",
            Self::Yesterday => "yesterday",
            Self::Fixed => "fixed",
        }
    }

    /// The substitute of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|substitute| substitute.name() == name)
    }

    /// Those that exist for a signal. None where no value would be safe: for what a device reports about itself, for the
    /// state of charge, for loads and sources (their worst case is Hold's), and for reactive power, which has no declared
    /// range.
    #[must_use]
    pub const fn of(signal: Signal) -> &'static [Self] {
        match signal {
            Signal::GridVoltagePu | Signal::FrequencyHz => &[Self::WorstCase],
            Signal::GridKw => &[Self::Balance],
            Signal::BatteryKw | Signal::ChpKw => &[Self::Setpoint],
            Signal::ImportPriceEurPerKwh | Signal::ExportPriceEurPerKwh => &[Self::Yesterday, Self::Fixed],
            Signal::PvKw
            | Signal::WindKw
            | Signal::PvAvailableKw
            | Signal::WindAvailableKw
            | Signal::ElectricLoadKw
            | Signal::HeatLoadKw
            | Signal::Soc
            | Signal::ChpOn
            | Signal::GridKvar
            | Signal::BatteryRemote
            | Signal::ChpRemote
            | Signal::ChpFault
            | Signal::BatteryFault
            | Signal::GasKw
            | Signal::ChpHeatKw
            | Signal::BoilerHeatKw
            | Signal::GridImportKwh
            | Signal::GridExportKwh
            | Signal::GridImportLimitKw
            | Signal::GridExportLimitKw => &[],
        }
    }
}

/// The signals that the site declares optional, with what stands in for them.
pub type Substitutes = BTreeMap<Tag, Substitute>;

/// What a price is replaced by: the same hour of yesterday, unless the site wants its fixed tariff at once.
pub(super) fn prices(declared: &Substitutes, yesterday: Prices) -> Prices {
    let unless_fixed =
        |signal, price: Option<f64>| price.filter(|_| declared.get(&Tag::first(signal)) != Some(&Substitute::Fixed));
    Prices {
        import_price: unless_fixed(Signal::ImportPriceEurPerKwh, yesterday.import_price),
        export_price: unless_fixed(Signal::ExportPriceEurPerKwh, yesterday.export_price),
        ..yesterday
    }
}

/// The measurements with what stands in for lost optional ones; their quality says so.
pub(super) fn substituted(config: &ControlConfig, state: &ControlState, measured: &PlantState) -> PlantState {
    let plant = config.filter.plant();
    let mut seen = measured.at(plant);
    let nominal = Hertz::new(plant.parameters().frequency.hz_nominal);
    for (tag, substitute) in &config.substitutes {
        match (tag.signal(), substitute) {
            (Signal::BatteryKw | Signal::ChpKw, Substitute::Setpoint) if state.mode.mode.writes() => {
                as_told(&mut seen, state, *tag);
            }
            (Signal::GridVoltagePu, Substitute::WorstCase) => replace(&mut seen.grid_voltage, Some(PerUnit::new(1.0))),
            (Signal::FrequencyHz, Substitute::WorstCase) => replace(&mut seen.frequency, Some(nominal)),
            _ => {}
        }
    }
    if config.substitutes.get(&Tag::first(Signal::GridKw)) == Some(&Substitute::Balance) {
        let exchange = balance(&seen, plant);
        replace(&mut seen.grid, exchange);
    }
    seen
}

/// A unit's set-point for its power.
fn as_told(seen: &mut PlantState, state: &ControlState, tag: Tag) {
    let (index, memory) = (tag.unit().index(), &state.memory);
    let battery = tag.signal() == Signal::BatteryKw;
    let told = if battery { memory.batteries.get(index).map(|b| b.now) } else { memory.chps.get(index).map(|c| c.now) };
    let power = if battery {
        seen.batteries.get_mut(index).map(|battery| &mut battery.power)
    } else {
        seen.chps.get_mut(index).map(|chp| &mut chp.power)
    };
    power.into_iter().for_each(|power| replace(power, told.map(Watts::kilowatts)));
}

/// The signals that something stands in for.
pub(super) fn stood_in(seen: &PlantState) -> Vec<Tag> {
    let units = |signal: Signal| (1..=signal.numbers_max()).filter_map(move |number| Tag::new(signal, number));
    let batteries = units(Signal::BatteryKw).zip(seen.batteries.map(|battery| battery.power.quality));
    let chps = units(Signal::ChpKw).zip(seen.chps.map(|chp| chp.power.quality));
    let rows = [
        (Tag::first(Signal::GridKw), seen.grid.quality),
        (Tag::first(Signal::GridVoltagePu), seen.grid_voltage.quality),
        (Tag::first(Signal::FrequencyHz), seen.frequency.quality),
    ];
    let all = batteries.chain(chps).chain(rows);
    all.filter(|(_, quality)| *quality == Quality::Substituted).map(|(signal, _)| signal).collect()
}

/// Never read is as old as can be.
fn replace<T: Copy>(measurement: &mut Measurement<T>, value: Option<T>) {
    if measurement.is_lost() && value.is_some() {
        let age_ms = if measurement.value.is_none() { u64::MAX } else { measurement.age_ms };
        *measurement = Measurement { value, quality: Quality::Substituted, age_ms };
    }
}

fn balance(seen: &PlantState, plant: &Plant) -> Option<Kilowatts> {
    let produced = seen.pv.usable()? + seen.wind.usable()? + seen.chp(plant).usable()?;
    Some(seen.electric_load.usable()? + seen.battery(plant).usable()? - produced)
}

/// What a worst case costs: the last voltage behind the connection stands, doubted the more the older it is (`judge` has
/// seen to that by its age); an unknown frequency forbids what it might forbid.
pub(super) fn doubt(judged: &mut Judged, seen: &PlantState, source_voltage: Option<f64>) {
    if seen.grid_voltage.quality == Quality::Substituted {
        judged.situation.source_voltage = PerUnit::new(source_voltage.unwrap_or(1.0));
    }
    judged.situation.doubt.frequency_is_known &= seen.frequency.quality != Quality::Substituted;
}
