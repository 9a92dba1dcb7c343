//! One day: is it comparable, and what do the sides cost.

use crate::record::{Record, Steps};
use crate::sides::{Costs, Inputs, Measured, costs, modelled, settled_as_measured};
use crate::{Day, Error, Site};
use jiff::civil::Date;
use memg_control::mode::Mode;
use memg_core::equipment::{Chp, Plant, UNITS_MAX};
use memg_core::memory::{BatteryMemory, ChpMemory, ControlMemory};
use memg_core::plant_state::{Signal, Tag};
use memg_core::profile::ProfileRow;
use memg_core::setpoints::Setpoints;
use memg_core::units::{Kilowatts, PerUnit, Soc, Watts};
use memg_history::Reader;

/// Hours of a point that may be missing: what is nearest stands in for them.
const MISSING_H: f64 = 1.0;
/// Hours of what spoils a comparison that do not count.
const SPOILT_H: f64 = 0.25;

/// The day, `None` if nothing at all is recorded of it.
pub(crate) fn of(
    reader: &Reader,
    site: &Site,
    known: &[String],
    date: Date,
    now_ms: i64,
) -> Result<Option<Day>, Error> {
    let Some(record) = Record::read(reader, site, known, date, now_ms)? else { return Ok(None) };
    if record.hours("mode", |_| true) == 0.0 {
        return Ok(None);
    }
    let mut day = Day { day: date.to_string(), hours_auto: hours_in_charge(&record), ..empty(&record) };
    match inputs(&record, &site.plant) {
        Err(missing) => day.why = Some(missing),
        Ok(inputs) => {
            fill(&mut day, &site.plant, &inputs);
            day.why = spoilt(&record, &site.plant).or_else(|| unsure(&day));
        }
    }
    day.valid = day.why.is_none();
    Ok(Some(day))
}

fn empty(record: &Record) -> Day {
    Day { hours_shadow: hours_in(record, Mode::Shadow), ..Day::default() }
}

/// Why the present day is not valid: nothing but that it goes on. Up to now it can be compared.
pub const NOT_OVER: &str = "the day is not over";

fn fill(day: &mut Day, plant: &Plant, inputs: &Inputs) {
    if let Ok(Costs { gateway, rule, idle }) = costs(plant, inputs) {
        (day.gateway_eur, day.rule_eur, day.idle_eur) = (Some(gateway), Some(rule), Some(idle));
    }
    day.error_eur = inputs.metered_eur.map(|metered| (modelled(plant, inputs) - metered).abs());
    let beside = inputs.starts_eur + settled_as_measured(plant, inputs);
    day.metered_eur = inputs.metered_eur.map(|metered| metered + beside);
}

fn hours_in(record: &Record, mode: Mode) -> f64 {
    record.hours("mode", |mean| Mode::from_number(mean) == Some(mode))
}

fn hours_in_charge(record: &Record) -> f64 {
    [Mode::Auto, Mode::Hold, Mode::Fallback].into_iter().map(|mode| hours_in(record, mode)).sum()
}

/// What happened that no side of the comparison did by itself.
fn spoilt(record: &Record, plant: &Plant) -> Option<String> {
    let rows = [
        (hours_in(record, Mode::Manual), "an operator's set-points held for"),
        (hours_in(record, Mode::SafeStop), "a safe stop held for"),
        (limited(record), "limits from outside held for"),
        (capped(record, plant), "production was capped, and nobody measures what was available, for"),
    ];
    let found = rows.into_iter().find(|(hours, _)| *hours >= SPOILT_H);
    let over = (record.minutes < record.whole).then(|| NOT_OVER.to_owned());
    found.map(|(hours, what)| format!("{what} {hours:.1} h")).or(over)
}

fn limited(record: &Record) -> f64 {
    let of = |name: &str| record.hours(name, |_| true);
    of("limit.import_kw_max").max(of("limit.export_kw_max"))
}

/// Hours in which what the sun and the wind could have given is not known.
fn capped(record: &Record, plant: &Plant) -> f64 {
    let rated = &plant.parameters().exogenous;
    let unknown = |available: Signal, cap: &str, rated_kw: f64| {
        let below = |cap_kw: f64| rated_kw > 0.0 && cap_kw < 0.999 * rated_kw;
        record.hours_without(&Tag::first(available).to_string(), cap, below)
    };
    let pv = unknown(Signal::PvAvailableKw, "setpoint.pv_limit_kw", rated.pv_kw_nom);
    let wind = unknown(Signal::WindAvailableKw, "setpoint.wind_limit_kw", rated.wind_kw_nom);
    // In Shadow nobody writes the cap.
    if hours_in_charge(record) > 0.0 { pv.max(wind) } else { 0.0 }
}

fn unsure(day: &Day) -> Option<String> {
    let metered = day.error_eur.is_none().then(|| "the exchange was not metered, so the error is not known".to_owned());
    metered.or_else(|| day.gateway_eur.is_none().then(|| "the model gave no costs".to_owned()))
}

/// Takes what a comparison needs and says what is missing.
struct Reading<'a> {
    record: &'a Record,
    missing: Option<String>,
}

impl Reading<'_> {
    /// Steps with small gaps filled by what is nearest; the name of what is missing for too long is kept.
    fn filled(&mut self, steps: &Steps, name: &str) -> Vec<f64> {
        let gaps = steps.iter().filter(|step| step.is_none()).count();
        let hours = self.record.hours_of_steps(gaps);
        if hours > MISSING_H || gaps == steps.len() {
            self.missing.get_or_insert_with(|| format!("{hours:.1} h of {name} were not recorded"));
        }
        let mut nearest = steps.iter().flatten().next().copied().unwrap_or(0.0);
        let fill = |step: &Option<f64>| {
            nearest = step.unwrap_or(nearest);
            nearest
        };
        steps.iter().map(fill).collect()
    }

    fn point(&mut self, name: &str) -> Vec<f64> {
        self.filled(&self.record.steps_of(name), name)
    }

    /// The sum of a signal's units; zeros where the plant has none of it.
    fn signal(&mut self, signal: Signal, there: bool) -> Vec<f64> {
        if !there {
            return vec![0.0; self.record.steps()];
        }
        let none = || vec![None; self.record.steps()];
        let sum = self.record.sum_of(signal).unwrap_or_else(none);
        self.filled(&sum, signal.name())
    }

    /// A price, or the site's fixed one where none is measured.
    fn price(&mut self, signal: Signal, fixed: Option<f64>) -> Vec<f64> {
        match fixed {
            Some(eur) if !self.record.has(signal.name()) => vec![eur; self.record.steps()],
            Some(eur) => {
                let measured = self.record.steps_of(signal.name());
                measured.into_iter().map(|price| price.unwrap_or(eur)).collect()
            }
            None => self.point(signal.name()),
        }
    }
}

/// What was paid by the meters, EUR without starts, from what the gateway recorded every cycle; `None` where too much of it is
/// missing.
fn metered(record: &Record, plant: &Plant) -> Option<f64> {
    let mut reading = Reading { record, missing: None };
    let eur_per_h = reading.point("cost_eur_per_h");
    let eur: f64 = eur_per_h.iter().map(|rate| rate * plant.step_h()).sum();
    reading.missing.is_none().then_some(eur)
}

/// What the starts of CHPs cost that were seen, EUR. Below half of the least power that it can run at a CHP does not run.
fn starts(record: &Record, plant: &Plant) -> f64 {
    let chps = units(Signal::ChpKw, plant.chps().len()).zip(plant.chps().iter().map(|unit| unit.parameters));
    let cost = |(tag, chp): (Tag, Chp)| record.rises(&tag.to_string(), 0.5 * chp.p_kw_min) as f64 * chp.start_cost_eur;
    chps.map(cost).sum()
}

/// What the day is computed from, or what is missing.
fn inputs(record: &Record, plant: &Plant) -> Result<Inputs, String> {
    let mut reading = Reading { record, missing: None };
    let rated = plant.parameters().exogenous;
    let (pv, wind) = (rated.pv_kw_nom > 0.0, rated.wind_kw_nom > 0.0);
    let produced = [reading.signal(Signal::PvKw, pv), reading.signal(Signal::WindKw, wind)];
    let rows = rows(&mut reading, plant, &produced);
    let setpoints = setpoints(&mut reading, plant);
    let measured = measured(&mut reading, plant, &produced);
    let (soc_first, soc_last) = socs(&mut reading, plant);
    if record.steps() == 0 {
        return Err("the day has just begun".to_owned());
    }
    match reading.missing {
        Some(missing) => Err(missing),
        None => Ok(Inputs {
            memory: memory(record, plant),
            metered_eur: metered(record, plant),
            starts_eur: starts(record, plant),
            rows,
            setpoints,
            measured,
            soc_first,
            soc_last,
        }),
    }
}

/// What nobody chose. Available power where it is measured, else what was produced.
fn rows(reading: &mut Reading<'_>, plant: &Plant, [pv, wind]: &[Vec<f64>; 2]) -> Vec<ProfileRow> {
    let (record, x, costs) = (reading.record, plant.parameters().exogenous, plant.parameters().costs);
    let available = |signal: Signal, produced: &[f64]| {
        let steps = record.sum_of(signal).unwrap_or_default();
        let at = |step: usize| steps.get(step).copied().flatten();
        produced.iter().enumerate().map(|(step, produced)| at(step).unwrap_or(*produced).max(0.0)).collect::<Vec<f64>>()
    };
    let (pv, wind) = (available(Signal::PvAvailableKw, pv), available(Signal::WindAvailableKw, wind));
    let load = reading.signal(Signal::ElectricLoadKw, true);
    let heat = reading.signal(Signal::HeatLoadKw, x.heat_load_kw_max > 0.0);
    let import = reading.price(Signal::ImportPriceEurPerKwh, costs.fixed_import_eur_per_kwh);
    let export = reading.price(Signal::ExportPriceEurPerKwh, costs.fixed_export_eur_per_kwh);
    let frequency = record.steps_of(Signal::FrequencyHz.name());
    let voltage = source_voltages(record, plant);
    let at = |values: &[f64], step: usize| values.get(step).copied().unwrap_or(0.0);
    let row = |step: usize| ProfileRow {
        time: record.time(step),
        pv_kw: at(&pv, step),
        wind_kw: at(&wind, step),
        electric_load_kw: at(&load, step).max(0.0),
        heat_load_kw: at(&heat, step).max(0.0),
        import_price: at(&import, step),
        export_price: at(&export, step),
        frequency_hz: frequency.get(step).copied().flatten().unwrap_or(ProfileRow::default().frequency_hz),
        grid_voltage_pu: at(&voltage, step),
    };
    (0..record.steps()).map(row).collect()
}

/// Voltage of the stiff grid behind the connection, from what was measured there; nominal where it was not.
fn source_voltages(record: &Record, plant: &Plant) -> Vec<f64> {
    let [voltage, kw, kvar] =
        [Signal::GridVoltagePu, Signal::GridKw, Signal::GridKvar].map(|signal| record.steps_of(signal.name()));
    let source = |((voltage, kw), kvar): ((&Option<f64>, &Option<f64>), &Option<f64>)| {
        let (Some(voltage), Some(kw)) = (*voltage, *kw) else { return ProfileRow::default().grid_voltage_pu };
        let kvar = Kilowatts::new(kvar.unwrap_or(0.0));
        plant.source_voltage(PerUnit::new(voltage), Kilowatts::new(kw), kvar).get()
    };
    voltage.iter().zip(&kw).zip(&kvar).map(source).collect()
}

fn setpoints(reading: &mut Reading<'_>, plant: &Plant) -> Vec<Setpoints> {
    let batteries = wanted(reading, Signal::BatteryKw, plant.batteries().len());
    let chps = wanted(reading, Signal::ChpKw, plant.chps().len());
    let kw = |kw: f64| Kilowatts::new(kw);
    let both = batteries.into_iter().zip(chps);
    both.map(|(battery, chp)| Setpoints { battery: kw(battery), chp: kw(chp.max(0.0)), grid: None }).collect()
}

/// The sum of the units' set-points.
fn wanted(reading: &mut Reading<'_>, signal: Signal, count: usize) -> Vec<f64> {
    let mut sum = vec![0.0; reading.record.steps()];
    for tag in units(signal, count) {
        let unit = reading.point(&format!("setpoint.{tag}"));
        sum.iter_mut().zip(unit).for_each(|(sum, kw)| *sum += kw);
    }
    sum
}

fn measured(reading: &mut Reading<'_>, plant: &Plant, [pv, wind]: &[Vec<f64>; 2]) -> Vec<Measured> {
    let battery = reading.signal(Signal::BatteryKw, !plant.batteries().is_empty());
    let chps: Vec<Vec<f64>> =
        units(Signal::ChpKw, plant.chps().len()).map(|tag| reading.point(&tag.to_string())).collect();
    let at = |values: &[f64], step: usize| values.get(step).copied().unwrap_or(0.0);
    let one = |step: usize| {
        let mut chps_kw = [0.0; UNITS_MAX];
        chps_kw.iter_mut().zip(&chps).for_each(|(kw, steps)| *kw = at(steps, step).max(0.0));
        Measured { battery_kw: at(&battery, step), chps_kw, renewables_kw: at(pv, step) + at(wind, step) }
    };
    (0..reading.record.steps()).map(one).collect()
}

fn units(signal: Signal, count: usize) -> impl Iterator<Item = Tag> {
    (1..).take(count).filter_map(move |number| Tag::new(signal, number))
}

/// State of charge of all batteries together at the begin and at the end; one half where there is none.
fn socs(reading: &mut Reading<'_>, plant: &Plant) -> (Soc, Soc) {
    let (mut first, mut last) = ([Soc::new(0.5); UNITS_MAX], [Soc::new(0.5); UNITS_MAX]);
    for (tag, (first, last)) in units(Signal::Soc, plant.batteries().len()).zip(first.iter_mut().zip(&mut last)) {
        let name = tag.to_string();
        reading.point(&name);
        if let Some((begin, end)) = reading.record.ends(&name) {
            (*first, *last) = (Soc::new(begin), Soc::new(end));
        }
    }
    (plant.soc_of_all(&first), plant.soc_of_all(&last))
}

/// What the units did when the day began; CHPs may switch at once, since when they run is not known.
fn memory(record: &Record, plant: &Plant) -> ControlMemory {
    let begin =
        |tag: Tag| record.ends(&tag.to_string()).map_or(Watts::ZERO, |(kw, _)| Watts::nearest(Kilowatts::new(kw)));
    let mut memory = ControlMemory::at_rest();
    let batteries = units(Signal::BatteryKw, plant.batteries().len()).zip(plant.batteries().iter());
    for ((tag, unit), battery) in batteries.zip(&mut memory.batteries) {
        let power = begin(tag).within(-unit.discharge_max, unit.charge_max);
        *battery = BatteryMemory { anchor: power, now: power };
    }
    for ((tag, unit), chp) in units(Signal::ChpKw, plant.chps().len()).zip(plant.chps().iter()).zip(&mut memory.chps) {
        let power = begin(tag);
        // Half of the least power it can run at: it does not run.
        let on = 2 * power.get() > unit.min.get();
        let power = if on { power.within(unit.min, unit.max) } else { Watts::ZERO };
        *chp = ChpMemory { anchor: power, now: power, on, ..*chp };
    }
    memory
}
