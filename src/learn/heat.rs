//! CHPs and boiler: fuel for power and heat, and heat beside power.
//!
//! Step by step: `gas = sum of p_i / eta_i + q_boiler / eta_b`, `q_chp = h p`, and without a heat meter at the CHP
//! `heat - q_boiler = h p` where the boiler runs, because nothing is dumped then. Whether a running CHP burns fuel that no power
//! comes of is asked in an equation of its own: the plant's equations have no place for it.

use super::fit::{Identified, Sample, identify};
use super::record::Record;
use super::steps::Step;
use super::{Finding, Parameter};

/// Power and heat below this say nothing, kW.
const RUNS_KW: f64 = 1.0;
/// Energy that a unit has to give, in hours of its rated power.
const HOURS_MIN: f64 = 6.0;

const NO_GAS: &str = "it needs the optional signal gas_kw";
const SEVERAL: &str =
    "the gas of several CHPs is measured together with the boiler's: it is asked where there is one CHP";

pub(crate) fn findings(record: &Record) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (unit, chp) in record.plant.chp.iter().enumerate() {
        findings.push(heat_ratio(record, unit, chp.p_kw_max));
        let reason = "a start costs money, and no meter shows that: the stated one counts";
        findings.push(Finding::not(Parameter::StartCost, unit, reason));
    }
    findings.extend(fuel(record));
    findings
}

/// Hours at rated power that a mean over steps amounts to.
fn full_hours(steps: &[Step], rating: f64, of: impl Fn(&Step) -> f64) -> f64 {
    let energy = steps.iter().map(|step| of(step) * step.hours).filter(|kwh| kwh.is_finite()).sum::<f64>();
    energy / rating.max(1e-9)
}

fn heat_ratio(record: &Record, unit: usize, rating: f64) -> Finding {
    let not = |reason: String| Finding::not(Parameter::HeatPerPower, unit, reason);
    let alone = record.plant.chp.len() == 1;
    let own = equations(&record.steps, |step| Some(([step.powers.chp[unit]], step.powers.chp_heat[unit])));
    let beside = |step: &Step| {
        let powers = &step.powers;
        (powers.boiler_heat > RUNS_KW).then_some(([powers.chp[unit]], powers.heat_load - powers.boiler_heat))
    };
    let samples = if own.is_empty() && alone { equations(&record.steps, beside) } else { own };
    if samples.is_empty() {
        return not("it needs the optional signal chp_heat_kw, or of a single CHP boiler_heat_kw".to_owned());
    }
    let hours = full_hours(&record.steps, rating, |step| step.powers.chp[unit]);
    if hours < HOURS_MIN {
        return not(ran(hours));
    }
    match identify(&samples, |found| found) {
        Some(found) if found.values[0].value > 0.0 => Finding::found(Parameter::HeatPerPower, unit, found.values[0]),
        _ => not("heat and power never moved together".to_owned()),
    }
}

fn ran(hours: f64) -> String {
    format!("it ran for {hours:.1} hours of rated power: expected at least {HOURS_MIN:.0}")
}

/// Equations of the steps in which everything was measured.
fn equations<const N: usize>(steps: &[Step], of: impl Fn(&Step) -> Option<([f64; N], f64)>) -> Vec<Sample<N>> {
    let all = steps.iter().filter_map(|step| of(step).map(|(x, y)| Sample { x, y, day: step.day }));
    all.filter(|sample| sample.y.is_finite() && sample.x.iter().all(|x| x.is_finite())).collect()
}

/// The boiler's heat: measured, or what the CHP's own meter leaves of the demand.
fn boiler_heat(step: &Step) -> f64 {
    let powers = &step.powers;
    let left = || (powers.heat_load - powers.chp_heat[0]).max(0.0);
    if powers.boiler_heat.is_finite() {
        powers.boiler_heat
    } else if powers.chp_heat[0].is_finite() && powers.heat_load.is_finite() {
        left()
    } else {
        f64::NAN
    }
}

/// Efficiencies of a CHP and of the boiler, from gas.
fn fuel(record: &Record) -> Vec<Finding> {
    let (chps, steps) = (record.plant.chp.len(), &record.steps);
    let boiler = record.plant.boiler.q_kw_max > 0.0;
    let mut asked: Vec<(Parameter, usize)> = (0..chps).map(|unit| (Parameter::ChpEfficiency, unit)).collect();
    asked.extend(boiler.then_some((Parameter::BoilerEfficiency, 0)));
    let nothing = |reason: &str| asked.iter().map(|(asked, unit)| Finding::not(*asked, *unit, reason)).collect();
    if steps.iter().all(|step| !step.powers.gas.is_finite()) {
        return nothing(NO_GAS);
    }
    match (chps, boiler) {
        (0, true) => vec![of_boiler_alone(record)],
        (1, false) => of_chp(record, |_| 0.0),
        (1, true) if steps.iter().any(|step| boiler_heat(step).is_finite()) => of_chp(record, boiler_heat),
        (1, true) => nothing("beside gas_kw it needs boiler_heat_kw, or chp_heat_kw and the heat demand"),
        _ => nothing(SEVERAL),
    }
}

fn inverse(found: Identified) -> Option<Identified> {
    (found.low > 0.0).then(|| Identified { value: 1.0 / found.value, low: 1.0 / found.high, high: 1.0 / found.low })
}

/// `1 / c` of a coefficient as a finding.
fn efficiency(parameter: Parameter, coefficient: Identified) -> Finding {
    match inverse(coefficient) {
        Some(found) => Finding::found(parameter, 0, found),
        None => Finding::not(parameter, 0, "gas did not follow it"),
    }
}

fn of_boiler_alone(record: &Record) -> Finding {
    let asked = Parameter::BoilerEfficiency;
    let samples = equations(&record.steps, |step| Some(([step.powers.boiler_heat], step.powers.gas)));
    let hours = full_hours(&record.steps, record.plant.boiler.q_kw_max, |step| step.powers.boiler_heat);
    if samples.is_empty() {
        return Finding::not(asked, 0, "beside gas_kw it needs boiler_heat_kw");
    }
    if hours < HOURS_MIN {
        return Finding::not(asked, 0, ran(hours));
    }
    match identify(&samples, |found| found) {
        Some(found) => efficiency(asked, found.values[0]),
        None => Finding::not(asked, 0, "gas did not follow it"),
    }
}

/// One CHP, and the boiler if it runs beside it.
fn of_chp(record: &Record, boiler: impl Fn(&Step) -> f64) -> Vec<Finding> {
    let (steps, plant) = (&record.steps, &record.plant);
    let rating = plant.chp.get(0).map_or(0.0, |chp| chp.p_kw_max);
    let chp_hours = full_hours(steps, rating, |step| step.powers.chp[0]);
    let boiler_hours = full_hours(steps, plant.boiler.q_kw_max, &boiler);
    let both = |step: &Step| Some(([step.powers.chp[0], boiler(step)], step.powers.gas));
    let apart = |reason: &str| {
        let asked = [Parameter::ChpEfficiency, Parameter::NoLoadFuel, Parameter::BoilerEfficiency];
        let asked =
            asked.into_iter().filter(|asked| *asked != Parameter::BoilerEfficiency || plant.boiler.q_kw_max > 0.0);
        asked.map(|asked| Finding::not(asked, 0, reason)).collect::<Vec<_>>()
    };
    if chp_hours < HOURS_MIN && boiler_hours < HOURS_MIN {
        return apart(&ran(chp_hours.max(boiler_hours)));
    }
    let mut findings = Vec::new();
    if boiler_hours < HOURS_MIN {
        // Without a boiler that runs, gas is the CHP's wherever its heat is small.
        let samples =
            equations(steps, |step| (boiler(step) <= RUNS_KW).then_some(([step.powers.chp[0]], step.powers.gas)));
        let Some(found) = identify(&samples, |found| found) else { return apart("gas did not follow it") };
        findings.push(efficiency(Parameter::ChpEfficiency, found.values[0]));
        if plant.boiler.q_kw_max > 0.0 {
            findings.push(Finding::not(Parameter::BoilerEfficiency, 0, ran(boiler_hours)));
        }
        return findings;
    }
    let samples = equations(steps, both);
    let Some(found) = identify(&samples, |found| found) else {
        return apart("the CHP and the boiler never ran apart from each other");
    };
    findings.push(if chp_hours < HOURS_MIN {
        Finding::not(Parameter::ChpEfficiency, 0, ran(chp_hours))
    } else {
        efficiency(Parameter::ChpEfficiency, found.values[0])
    });
    findings.push(efficiency(Parameter::BoilerEfficiency, found.values[1]));
    findings.push(no_load(steps, &boiler));
    findings
}

/// Fuel of a running CHP that no power comes of.
fn no_load(steps: &[Step], boiler: impl Fn(&Step) -> f64) -> Finding {
    let asked = Parameter::NoLoadFuel;
    let of = |step: &Step| Some(([step.powers.chp[0], step.powers.chp_runs[0], boiler(step)], step.powers.gas));
    match identify(&equations(steps, of), |found| found).map(|found| found.values[1]) {
        None => Finding::not(asked, 0, "the CHP ran at one power alone"),
        Some(found) if found.low > 0.0 || found.high < 0.0 => Finding::found(asked, 0, found),
        Some(found) => {
            let most = found.high.max(-found.low);
            Finding::not(asked, 0, format!("less than {most:.3} kW, which the meters do not tell from nothing"))
        }
    }
}
