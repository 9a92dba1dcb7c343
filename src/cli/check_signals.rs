//! The part of `gateway check` about signals: which are required, what stands in for optional ones, what an old value
//! costs, and what is not kept without those that nobody measures.

use memg_control::substitutes::Substitute;
use memg_core::equipment::Plant;
use memg_core::plant_state::{Signal, Tag};
use memg_settings::Settings;

/// Every signal that is measured, then every one that is not.
pub(super) fn print(settings: &Settings) {
    println!("\nSignals: a required one that is lost leads to Hold, then to a safe stop (heat: to the good rule)");
    for (signal, known) in &settings.points.signals {
        let Some(age_max) = known.age_max else {
            println!("  {signal:<26} declared: {}", known.origin);
            continue;
        };
        println!("  {signal:<26} {}", standing(*signal, settings));
        let (age_max_s, cost) = (age_max.as_secs_f64(), until_lost(*signal, &settings.plant));
        println!("  {:<26}   until then, at most {age_max_s} s, {cost}", "");
    }
    let absent = all(settings).into_iter().filter(|tag| !settings.points.signals.contains_key(tag));
    let absent: Vec<Tag> = absent.collect();
    if absent.is_empty() {
        return;
    }
    println!("\nNot measured");
    for signal in absent {
        println!("  {signal:<26} {}", without(signal.signal(), &settings.plant));
    }
}

/// What is measured beside.
const WITNESS: &str = "no decision depends on it; it shows whether the other measurements fit each other";

/// Every signal that there may be of what the plant has.
pub(super) fn all(settings: &Settings) -> Vec<Tag> {
    let (plant, x) = (&settings.plant, &settings.plant.parameters().exogenous);
    let count = |signal: Signal| match signal {
        _ if signal.is_of_battery() => plant.batteries().len(),
        _ if signal.is_of_chp() => plant.chps().len(),
        Signal::PvKw | Signal::PvAvailableKw => settings.sources.pv_kw.len(),
        Signal::WindKw | Signal::WindAvailableKw => settings.sources.wind_kw.len(),
        Signal::ElectricLoadKw => usize::from(x.electric_load_kw_max > 0.0),
        Signal::HeatLoadKw => usize::from(x.heat_load_kw_max > 0.0),
        _ => 1,
    };
    let of = |signal| (1..).take(count(signal)).filter_map(move |number| Tag::new(signal, number));
    Signal::ALL.into_iter().filter(|signal| !signal.is_witness()).flat_map(of).collect()
}

/// Required, or what stands in for it.
fn standing(tag: Tag, settings: &Settings) -> String {
    let signal = tag.signal();
    let measured = |signal| {
        Tag::new(signal, tag.unit().get()).is_some_and(|produced| settings.points.signals.contains_key(&produced))
    };
    match (settings.substitutes.get(&tag), Substitute::of(signal)) {
        _ if signal.is_witness() => format!("beside: {WITNESS}"),
        _ if signal.is_grid_limit() => grid_limit(signal, settings),
        _ if produced_beside(signal).is_some_and(measured) => {
            "optional: what is produced stands in for it, at a cap the rating".to_owned()
        }
        (Some(substitute), _) => format!("optional, {}: {}", substitute.name(), meaning(*substitute, signal, settings)),
        (None, [Substitute::Yesterday, ..]) => {
            format!("optional, yesterday (the default): {}", meaning(Substitute::Yesterday, signal, settings))
        }
        (None, _) => "required".to_owned(),
    }
}

/// The fail-safe value of a limit from outside.
fn grid_limit(signal: Signal, settings: &Settings) -> String {
    let fail_safe = settings.grid_limit;
    let import = signal == Signal::GridImportLimitKw;
    let kw = if import { fail_safe.import_kw } else { fail_safe.export_kw }.unwrap_or(f64::INFINITY);
    format!(
        "narrows the connection; silent for {} s: {kw} kW until it is heard again",
        fail_safe.silent_after_ms / 1000
    )
}

/// What is produced, beside what could be.
const fn produced_beside(available: Signal) -> Option<Signal> {
    match available {
        Signal::PvAvailableKw => Some(Signal::PvKw),
        Signal::WindAvailableKw => Some(Signal::WindKw),
        _ => None,
    }
}

fn meaning(substitute: Substitute, signal: Signal, settings: &Settings) -> String {
    let fixed = fixed_price(signal, &settings.plant);
    match (substitute, signal) {
        (Substitute::WorstCase, Signal::FrequencyHz) => {
            "neither battery nor CHP moves where a frequency outside the band might forbid it".to_owned()
        }
        (Substitute::WorstCase, _) => {
            "the last voltage behind the connection, doubted with its age up to the whole band".to_owned()
        }
        (Substitute::Setpoint, _) => "the last set-point counts as what the device does".to_owned(),
        (Substitute::Balance, _) => "load + battery - CHP - PV - wind".to_owned(),
        (Substitute::Yesterday, _) => format!("the same hour of yesterday, then {}", fixed_words(fixed)),
        (Substitute::Fixed, _) => fixed_words(fixed),
    }
}

fn fixed_price(signal: Signal, plant: &Plant) -> Option<f64> {
    let costs = plant.parameters().costs;
    let export = signal == Signal::ExportPriceEurPerKwh;
    if export { costs.fixed_export_eur_per_kwh } else { costs.fixed_import_eur_per_kwh }
}

fn fixed_words(fixed: Option<f64>) -> String {
    fixed.map_or_else(|| "the good rule decides".to_owned(), |price| format!("{price} EUR/kWh"))
}

/// What an old value costs: the worst case that limits count with while it ages.
fn until_lost(tag: Tag, plant: &Plant) -> String {
    let (p, signal) = (plant.parameters(), tag.signal());
    let battery = plant.batteries().get(tag.unit().index()).map_or(*plant.battery(), |unit| unit.parameters);
    let within = |range: f64, unit: &str| format!("it may have moved by {range} {unit} within 60 s of age");
    match signal {
        Signal::PvKw | Signal::PvAvailableKw => within(p.exogenous.pv_kw_nom, "kW"),
        Signal::WindKw | Signal::WindAvailableKw => within(p.exogenous.wind_kw_nom, "kW"),
        Signal::ElectricLoadKw => within(p.exogenous.electric_load_kw_max - p.exogenous.electric_load_kw_min, "kW"),
        Signal::GridVoltagePu => {
            within((1000.0 * (p.grid.voltage_pu_max - p.grid.voltage_pu_min)).round() / 1000.0, "pu")
        }
        Signal::Soc => format!(
            "the battery may have run at {} kW or -{} kW since",
            battery.charge_kw_max, battery.discharge_kw_max
        ),
        _ => "the last value stands".to_owned(),
    }
}

/// What is not kept, or what counts instead, where nobody measures it.
fn without(signal: Signal, plant: &Plant) -> String {
    match signal {
        Signal::GridVoltagePu => "no voltage limit is kept".to_owned(),
        Signal::FrequencyHz => "counts as nominal: no frequency limit is kept, no droop".to_owned(),
        Signal::GridKw => {
            "the exchange follows from the balance; nothing shows that limits at the connection hold".to_owned()
        }
        Signal::GridKvar => "counts as 0 kvar in the voltage limit".to_owned(),
        Signal::BatteryKw => "a battery that does not follow is not noticed".to_owned(),
        Signal::ChpKw => "a CHP whose power is not what it was told is not noticed".to_owned(),
        Signal::ChpOn => "the CHP counts as on from its minimum power upward; not measured either: as told".to_owned(),
        Signal::BatteryRemote | Signal::ChpRemote => "a device switched to local is noticed by its refusals".to_owned(),
        Signal::BatteryFault | Signal::ChpFault => "a device's own fault does not stop the plant".to_owned(),
        Signal::PvAvailableKw | Signal::WindAvailableKw => {
            "judged by what is produced; at a cap the rating counts".to_owned()
        }
        Signal::ImportPriceEurPerKwh | Signal::ExportPriceEurPerKwh => fixed_words(fixed_price(signal, plant)),
        Signal::HeatLoadKw => "the good rule decides, the CHP is held".to_owned(),
        Signal::PvKw | Signal::WindKw | Signal::ElectricLoadKw | Signal::Soc => "control cannot work".to_owned(),
        Signal::GasKw | Signal::ChpHeatKw | Signal::BoilerHeatKw | Signal::GridImportKwh | Signal::GridExportKwh => {
            WITNESS.to_owned()
        }
        Signal::GridImportLimitKw | Signal::GridExportLimitKw => {
            "nobody but operators and orders narrows the connection".to_owned()
        }
    }
}
