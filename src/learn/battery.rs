//! Batteries: what charging and discharging move the state of charge by, and what goes by itself.
//!
//! Over [`WINDOW`] steps: `soc' - soc = k_c C - k_d D - s T` with C, D the energies charged and discharged, kWh, T the time, h. Two
//! numbers are found of energy, three stand behind them: `k_c = eta_ch / E`, `k_d = 1 / (eta_dch E)`. So the round trip
//! `eta_ch eta_dch = k_c / k_d` is known whatever the capacity is, but a capacity that is off by a factor looks just like one
//! efficiency too high and the other too low by it. The efficiencies are told with the capacity that the site file states; where
//! one of them would then be above 1 the stated capacity is wrong, and nothing but the round trip is told.

use super::fit::{Found, Identified, Sample, identify};
use super::record::Record;
use super::steps::Step;
use super::{Finding, Parameter};
use memg_core::equipment::Battery;

/// Steps that are looked at together: long enough for a meter that shows tenths of a per cent.
const WINDOW: usize = 8;
/// Energy that has to go in and out, in capacities.
const MOVED_MIN: f64 = 2.0;

/// What is asked of a battery.
const ASKED: [Parameter; 4] =
    [Parameter::EfficiencyStore, Parameter::EfficiencyDispatch, Parameter::RoundTrip, Parameter::SelfDischarge];

const CAPACITY: &str =
    "the energies and the state of charge give only the capacity's ratio to the efficiencies: the stated one counts";

pub(crate) fn findings(record: &Record) -> Vec<Finding> {
    let units = record.plant.battery.iter().enumerate();
    units.flat_map(|(unit, battery)| of_unit(&record.steps, unit, battery)).collect()
}

fn of_unit(steps: &[Step], unit: usize, battery: &Battery) -> Vec<Finding> {
    let samples = windows(steps, unit);
    let [charged, discharged] = [0, 1].map(|column| samples.iter().map(|sample| sample.x[column].abs()).sum::<f64>());
    let least = MOVED_MIN * battery.capacity_kwh;
    let nothing = |reason: String| ASKED.into_iter().map(|asked| Finding::not(asked, unit, reason.clone())).collect();
    if samples.is_empty() {
        return nothing("its power and state of charge were never measured together for two hours".to_owned());
    }
    if charged < least || discharged < least {
        return nothing(format!(
            "{charged:.0} kWh went in and {discharged:.0} kWh out: expected at least {least:.0} kWh of both"
        ));
    }
    let capacity = battery.capacity_kwh;
    let derive = |[k_c, k_d, s]: [f64; 3]| [k_c * capacity, 1.0 / (k_d * capacity), k_c / k_d, 24.0 * s];
    let Some(found) = identify(&samples, derive) else {
        return nothing("charging, discharging and rest never came apart".to_owned());
    };
    told(unit, battery, &found)
}

fn told(unit: usize, battery: &Battery, found: &Found<4>) -> Vec<Finding> {
    let [store, dispatch, round_trip, lost] = found.values;
    let is_efficiency = |of: Identified| of.value > 0.0 && of.value <= 1.0;
    let mut findings = Vec::new();
    if is_efficiency(store) && is_efficiency(dispatch) {
        let within = |of: Identified| Identified { high: of.high.min(1.0), low: of.low.max(0.0), ..of };
        findings.push(Finding::found(Parameter::EfficiencyStore, unit, within(store)));
        findings.push(Finding::found(Parameter::EfficiencyDispatch, unit, within(dispatch)));
        findings.push(Finding::not(Parameter::Capacity, unit, CAPACITY));
    } else {
        let reason = format!(
            "with the stated capacity of {} kWh they would be {:.3} and {:.3}: the capacity is another one",
            battery.capacity_kwh, store.value, dispatch.value
        );
        findings.extend(ASKED[..2].iter().map(|asked| Finding::not(*asked, unit, reason.clone())));
        let about = battery.capacity_kwh * (dispatch.value / store.value).sqrt();
        let reason =
            format!("{about:.0} kWh if charging and discharging lose alike; nothing measured says whether they do");
        findings.push(Finding::not(Parameter::Capacity, unit, reason));
    }
    findings.push(Finding::found(Parameter::RoundTrip, unit, round_trip));
    findings.push(if lost.low > 0.0 || lost.high < 0.0 {
        Finding::found(Parameter::SelfDischarge, unit, lost)
    } else {
        let most = lost.high.max(-lost.low);
        Finding::not(
            Parameter::SelfDischarge,
            unit,
            format!("less than {most:.4} a day, which the meters do not tell from nothing"),
        )
    });
    findings
}

/// Equations over windows of steps that go on from each other.
fn windows(steps: &[Step], unit: usize) -> Vec<Sample<3>> {
    let (mut samples, mut from) = (Vec::new(), 0);
    for (index, step) in steps.iter().enumerate() {
        if !step.goes_on {
            from = index;
        }
        if index + 1 - from == WINDOW {
            samples.extend(window(&steps[from..=index], unit));
            from = index + 1;
        }
    }
    samples
}

fn window(steps: &[Step], unit: usize) -> Option<Sample<3>> {
    let (first, last) = (steps.first()?, steps.last()?);
    let sum = |of: &dyn Fn(&Step) -> f64| steps.iter().map(of).sum::<f64>();
    let charged = sum(&|step| step.powers.charge[unit] * step.hours);
    let discharged = sum(&|step| step.powers.discharge[unit] * step.hours);
    let moved = last.socs_after[unit] - first.socs_before[unit];
    let sample = Sample { x: [charged, -discharged, -sum(&|step| step.hours)], y: moved, day: first.day };
    (sample.x.iter().all(|x| x.is_finite()) && moved.is_finite()).then_some(sample)
}
