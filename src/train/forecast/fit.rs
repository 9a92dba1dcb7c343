//! From rows to coefficients.

use super::days::Days;
use super::normal::Sums;
use crate::TrainError;
use memg_core::equipment::Plant;
use memg_core::forecast::{Coefficients, FITTED, REGRESSORS, Regressors};
use memg_core::outlook::OUTLOOK_HOURS;
use memg_core::profile::ProfileRow;
use memg_core::series::Quantity;

/// Ridge strengths that are tried.
const PENALTIES: [f64; 11] = [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0];
/// Pairs of rows that a regression needs: ten for each coefficient.
const PAIRS_MIN: u64 = 10 * REGRESSORS as u64;

/// Sums of one quantity and step ahead.
#[derive(Debug, Clone)]
struct Lead {
    training: Sums,
    validation: Sums,
    /// Pairs of training and validation, those in the dark counted.
    pairs: [u64; 2],
}

/// Coefficients, and the steps of the present that were fitted. All rows of `days` that are no training rows validate.
///
/// # Errors
/// There are too few days for the last step ahead.
pub(super) fn fit(
    plant: &Plant,
    days: &Days,
    is_training: &dyn Fn(&ProfileRow) -> bool,
) -> Result<(Coefficients, u64), TrainError> {
    let mut fitted_rows = 0;
    let mut rows = FITTED.map(|_| Vec::new());
    for (quantity, rows) in FITTED.into_iter().zip(&mut rows) {
        let (leads, seen) = gather(plant, days, quantity, is_training);
        fitted_rows = seen;
        enough(&leads, plant)?;
        *rows = solve(&leads);
    }
    Ok((Coefficients::new(rows)?, fitted_rows))
}

fn gather(
    plant: &Plant,
    days: &Days,
    quantity: Quantity,
    is_training: &dyn Fn(&ProfileRow) -> bool,
) -> (Vec<Lead>, u64) {
    let mut regressors = Regressors::new(plant.step_ms(), OUTLOOK_HOURS * plant.steps_per_hour());
    let mut leads = vec![Lead { training: Sums::new(), validation: Sums::new(), pairs: [0; 2] }; regressors.leads()];
    let mut seen = 0;
    days.live_through(plant, |index, input| {
        if !regressors.look(input, quantity) {
            return;
        }
        seen += 1;
        for (lead, steps) in leads.iter_mut().zip(1..) {
            let Some(target) = days.row(index + steps) else { continue };
            let which = usize::from(!is_training(target));
            lead.pairs[which] += 1;
            if !regressors.is_dark(steps) {
                let sums = if which == 0 { &mut lead.training } else { &mut lead.validation };
                sums.add(&regressors.row(steps), target.quantity(quantity));
            }
        }
    });
    (leads, seen)
}

fn enough(leads: &[Lead], plant: &Plant) -> Result<(), TrainError> {
    let needed = [PAIRS_MIN, plant.steps_per_day() as u64];
    let short = leads.iter().find(|lead| lead.pairs.iter().zip(needed).any(|(pairs, needed)| *pairs < needed));
    short.map_or(Ok(()), |lead| {
        let ([training, validation], [rows, day]) = (lead.pairs, needed);
        Err(TrainError::Data(format!(
            "a forecaster needs more days: {training} pairs of rows to fit a step ahead to and {validation} to choose its \
             ridge strength by, expected {rows} and {day} (days after the first one, with the day before known)"
        )))
    })
}

/// The coefficients of every step ahead.
fn solve(leads: &[Lead]) -> Vec<[f32; REGRESSORS]> {
    let errors: Vec<[f64; PENALTIES.len()]> = leads.iter().map(errors).collect();
    let strengths = (1..=leads.len()).map(|steps| strength(&errors, steps));
    leads.iter().zip(strengths).map(|(lead, penalty)| lead.training.solve(penalty).map(|c| c as f32)).collect()
}

/// Squared error on the validation days for each ridge strength.
fn errors(lead: &Lead) -> [f64; PENALTIES.len()] {
    PENALTIES.map(|penalty| lead.validation.squared_error(&lead.training.solve(penalty)))
}

/// The ridge strength with the least error over the steps from half of this one to its double: a single one has too few
/// validation days to choose by.
fn strength(errors: &[[f64; PENALTIES.len()]], steps: usize) -> f64 {
    let near = &errors[steps.div_ceil(2) - 1..(2 * steps).min(errors.len())];
    let total = |which: usize| near.iter().map(|errors| errors[which]).sum::<f64>();
    let best = (0..PENALTIES.len()).min_by(|a, b| total(*a).total_cmp(&total(*b)));
    PENALTIES[best.unwrap_or(0)]
}
