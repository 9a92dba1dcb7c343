//! Forecasts and prices that a weather or market service writes: kept back until they are whole, then given to the gateway at once.

use crate::desk::{Principal, Refusal};
use memg_core::command::Role;
use memg_core::series::Quantity;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most values of one forecast: 36 h of 5 minutes.
pub const VALUES_MAX: usize = 432;
/// Longest and shortest distance of two values, s.
const STEP_S: std::ops::RangeInclusive<u16> = 60..=43_200;

/// A forecast as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it is of.
    pub quantity: Quantity,
    /// Begin of the first value, s since 1970 UTC.
    pub begin_s: u32,
    /// How long each value holds, s.
    pub step_s: u16,
    /// Means over their steps, in the unit of the quantity; `None` = a hole.
    pub values: Vec<Option<f64>>,
}

/// Takes a forecast that is whole.
#[derive(Clone)]
pub struct Take(pub Arc<dyn Fn(&Told) + Send + Sync>);

impl std::fmt::Debug for Take {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Take")
    }
}

/// What a principal has written of a forecast so far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub begin_s: u32,
    pub step_s: u16,
    pub count: u16,
    /// Values of its last forecast that was taken.
    pub taken: u16,
    /// NaN = a hole.
    pub values: Vec<f32>,
}

impl Default for Draft {
    fn default() -> Self {
        Self { begin_s: 0, step_s: 0, count: 0, taken: 0, values: vec![f32::NAN; VALUES_MAX] }
    }
}

/// The forecasts that may be written; clones are the same.
#[derive(Debug, Clone)]
pub struct Forecasts {
    quantities: Arc<[Quantity]>,
    take: Take,
    drafts: Arc<Mutex<BTreeMap<(String, Quantity), Draft>>>,
}

impl Forecasts {
    /// Of these quantities, given to `take`.
    #[must_use]
    pub fn new(quantities: &[Quantity], take: Take) -> Self {
        Self { quantities: quantities.into(), take, drafts: Arc::default() }
    }

    /// Whether a quantity can be written here.
    pub(crate) fn has(&self, quantity: Quantity) -> bool {
        self.quantities.contains(&quantity)
    }

    /// What this principal has written of it.
    pub(crate) fn draft(&self, by: &Principal, quantity: Quantity) -> Draft {
        self.drafts().get(&(by.name.clone(), quantity)).cloned().unwrap_or_default()
    }

    /// Changes a draft; `change` says whether it is whole, to be believed from now on.
    ///
    /// # Errors
    /// This principal may not, or the forecast cannot be; the draft then stays as it was.
    pub(crate) fn change(
        &self,
        by: &Principal,
        quantity: Quantity,
        change: impl FnOnce(&mut Draft) -> Result<bool, Refusal>,
    ) -> Result<(), Refusal> {
        if by.role < Role::Operator || !by.authenticated {
            let why = format!("{} is {}; a forecast takes the role operator, authenticated", by.name, by.role.name());
            return Err(Refusal::Forbidden(why));
        }
        let mut drafts = self.drafts();
        let kept = drafts.entry((by.name.clone(), quantity)).or_default();
        let mut draft = kept.clone();
        if change(&mut draft)? {
            let told = told(quantity, &draft).map_err(Refusal::OutOfRange)?;
            tracing::info!(
                principal = by.name,
                quantity = quantity.name(),
                values = draft.count,
                "A forecast was written."
            );
            (self.take.0)(&told);
            draft.taken = draft.count;
        }
        *kept = draft;
        Ok(())
    }

    fn drafts(&self) -> MutexGuard<'_, BTreeMap<(String, Quantity), Draft>> {
        self.drafts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The forecast, or why it cannot be.
fn told(quantity: Quantity, draft: &Draft) -> Result<Told, String> {
    let name = quantity.name();
    let values = draft.values.get(..usize::from(draft.count)).filter(|values| !values.is_empty());
    let values = values.ok_or_else(|| format!("{name}: expected 1 to {VALUES_MAX} values, found {}", draft.count))?;
    if !STEP_S.contains(&draft.step_s) {
        let (least, most) = (STEP_S.start(), STEP_S.end());
        return Err(format!("{name}: expected steps of {least} to {most} s, found {}", draft.step_s));
    }
    if draft.begin_s == 0 {
        return Err(format!("{name}: its begin was not written"));
    }
    let (low, high) = quantity.possible();
    let value = |(place, value): (usize, &f32)| match f64::from(*value) {
        value if value.is_nan() => Ok(None),
        value if (low..=high).contains(&value) => Ok(Some(value)),
        value => Err(format!("{name}: value {place} is {value}, expected {low} to {high}")),
    };
    let values: Vec<Option<f64>> = values.iter().enumerate().map(value).collect::<Result<_, _>>()?;
    if values.iter().all(Option::is_none) {
        return Err(format!("{name}: there are holes alone"));
    }
    Ok(Told { quantity, begin_s: draft.begin_s, step_s: draft.step_s, values })
}
