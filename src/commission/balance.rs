//! The balance of powers at the connection: `pv + wind + chp + grid - battery - load = 0`.
//!
//! Where it is off, one wrong sign or factor is looked for: the term whose change would close it. Two wrong at once are not
//! found; a term at zero says nothing of its sign.

use memg_core::plant_state::{Signal, Tag};
use serde::Serialize;

/// A term of the balance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Term {
    /// The signal.
    pub signal: Tag,
    /// 1 where it feeds in, -1 where it takes.
    pub side: f64,
    /// What is measured, kW.
    pub kw: f64,
}

/// The balance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Balance {
    /// What is measured.
    pub terms: Vec<Term>,
    /// Signals without which it cannot be judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Tag>,
    /// What is left over, kW.
    pub residual_kw: f64,
    /// What may be left over, kW.
    pub tolerance_kw: f64,
    /// Single changes that would close it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<Suspect>,
}

/// A change that would close the balance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Suspect {
    /// The signal.
    pub signal: Tag,
    /// -1 for a wrong sign, else the factor that is missing.
    pub factor: f64,
}

/// What feeds in and what takes.
#[must_use]
pub const fn side(signal: Signal) -> Option<f64> {
    match signal {
        Signal::PvKw | Signal::WindKw | Signal::ChpKw | Signal::GridKw => Some(1.0),
        Signal::BatteryKw | Signal::ElectricLoadKw => Some(-1.0),
        _ => None,
    }
}

/// Share of the largest power that meters may differ by.
const SHARE: f64 = 0.05;
/// And at least this, kW, for readings that are not of one instant.
const LEAST_KW: f64 = 0.5;
/// Factors that a wrong scale leaves.
const FACTORS: [f64; 6] = [0.001, 0.01, 0.1, 10.0, 100.0, 1000.0];

impl Balance {
    /// The balance of these powers, kW; `missing` are those that the plant has and nobody knows.
    #[must_use]
    pub fn new(measured: &[(Tag, f64)], missing: Vec<Tag>) -> Self {
        let term = |(signal, kw): &(Tag, f64)| Some(Term { signal: *signal, side: side(signal.signal())?, kw: *kw });
        let terms: Vec<Term> = measured.iter().filter_map(term).collect();
        let residual_kw: f64 = terms.iter().map(|term| term.side * term.kw).sum();
        let mut balance = Self {
            tolerance_kw: tolerance(&terms),
            terms,
            missing,
            residual_kw: residual_kw + 0.0,
            suspects: Vec::new(),
        };
        if balance.is_judged() && !balance.holds() {
            balance.suspects = balance.suspects();
        }
        balance
    }

    /// Every part is known.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.missing.is_empty() && !self.terms.is_empty()
    }

    /// What is left over may be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.residual_kw.abs() <= self.tolerance_kw
    }

    /// Signs first: a factor is told only where no sign explains it.
    fn suspects(&self) -> Vec<Suspect> {
        let signs = self.closing(&[-1.0]);
        if signs.is_empty() { self.closing(&FACTORS) } else { signs }
    }

    fn closing(&self, factors: &[f64]) -> Vec<Suspect> {
        let closes = |term: &Term, factor: f64| {
            let changed = Term { kw: factor * term.kw, ..*term };
            let left = self.residual_kw - term.side * term.kw + changed.side * changed.kw;
            let others: Vec<Term> =
                self.terms.iter().filter(|other| other.signal != term.signal).copied().chain([changed]).collect();
            // What is judged wrong must itself be more than what may be left over.
            left.abs() <= tolerance(&others) && (changed.kw - term.kw).abs() > self.tolerance_kw
        };
        let of = |term: &Term| {
            let factor = factors.iter().copied().find(|factor| closes(term, *factor))?;
            Some(Suspect { signal: term.signal, factor })
        };
        self.terms.iter().filter_map(of).collect()
    }
}

fn tolerance(terms: &[Term]) -> f64 {
    let largest = terms.iter().map(|term| term.kw.abs()).fold(0.0, f64::max);
    (SHARE * largest).max(LEAST_KW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(list: &[(&str, f64)]) -> Balance {
        let measured: Vec<(Tag, f64)> = list.iter().map(|(name, kw)| (Tag::from_name(name).unwrap(), *kw)).collect();
        Balance::new(&measured, Vec::new())
    }

    const GOOD: [(&str, f64); 6] = [
        ("pv_kw", 30.0),
        ("wind_kw", 7.0),
        ("chp_kw", 22.0),
        ("grid_kw", -13.0),
        ("battery_kw", -17.0),
        ("electric_load_kw", 63.0),
    ];

    #[test]
    fn powers_that_fit_close_the_balance() {
        let balance = at(&GOOD);
        assert!(balance.holds() && balance.suspects.is_empty(), "{balance:?}");
    }

    #[test]
    fn each_sign_that_is_wrong_is_the_one_that_is_named() {
        for (n, (name, kw)) in GOOD.iter().enumerate() {
            let mut wrong = GOOD;
            wrong[n].1 = -kw;
            let balance = at(&wrong);
            let named: Vec<String> = balance.suspects.iter().map(|suspect| suspect.signal.to_string()).collect();
            assert_eq!(named, [*name], "{balance:?}");
            assert!(balance.suspects.iter().all(|suspect| suspect.factor == -1.0));
        }
    }

    #[test]
    fn a_factor_is_named_where_no_sign_explains_it() {
        let mut wrong = GOOD;
        wrong[5].1 = 6.3;
        assert_eq!(at(&wrong).suspects, [Suspect { signal: Tag::first(Signal::ElectricLoadKw), factor: 10.0 }]);
    }

    #[test]
    fn a_balance_with_a_part_that_nobody_knows_is_not_judged() {
        let soc = Tag::first(Signal::ElectricLoadKw);
        let balance = Balance::new(&[(Tag::first(Signal::GridKw), 50.0)], vec![soc]);
        assert!(!balance.is_judged() && balance.suspects.is_empty());
    }
}
