//! Microgrids behind one transformer: each site's filter gets a share of the common cap as its limit from outside.
//!
//! Shares are whole watts and their sum never exceeds the cap, so what all sites import together does not either, whatever
//! they ask for: a filter keeps its share (rules yield in their order, in the end load is shed), and power that one site exports only
//! lowers the sum. The same holds of export. Each step, and for each direction by itself:
//!
//! 1. What a site wants is the exchange that its own filter would give it at its own limits.
//! 2. What it needs is what is left of that when its filter is asked to come as near to zero as it can.
//! 3. If all wants fit under the cap each site gets its want, and an equal part of what is left. If only the needs fit each gets its need
//!    and the same fraction of what it wants beyond. If not even they do, shares are in proportion to the needs.
//! 4. A site whose want is within its share steps as if it were alone; the others are filtered with their shares as limits.
//!
//! Not responsible for telling shares to gateways in the field, nor for who pays what of the transformer's net exchange.

use crate::env::{EnvStep, MemgEnv};
use crate::policy::Request;
use crate::units::{Kilowatts, Watts};

/// What all sites together may exchange with the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedCap {
    /// Largest import.
    pub import: Watts,
    /// Largest export (>= 0).
    pub export: Watts,
}

impl SharedCap {
    /// A share in [0, 1] of what the sites' own limits sum to, rounded down to whole watts. `None` if it is no such share.
    #[must_use]
    pub fn part_of(sites: &[MemgEnv], share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        let grids = || sites.iter().map(|site| site.filter().plant().parameters().grid);
        let part = |kw: f64| Watts::floor(Kilowatts::new(share * kw));
        let import = part(grids().map(|grid| grid.import_kw_max).sum());
        Some(Self { import, export: part(grids().map(|grid| grid.export_kw_max).sum()) })
    }
}

/// What a site may exchange in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Largest import.
    pub import: Watts,
    /// Largest export (>= 0).
    pub export: Watts,
}

impl Share {
    /// An exchange lies within it, + = importing.
    fn holds(&self, exchange: Kilowatts) -> bool {
        Watts::ceil(exchange) <= self.import && Watts::ceil(-exchange) <= self.export
    }
}

/// Why sites are no community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommunityError {
    /// Nobody is there.
    #[error("a community has at least one site")]
    Empty,
    /// A step has to mean the same time for all.
    #[error("site {site}: its control step has {found_ms} ms, that of site 0 {expected_ms} ms")]
    StepLength {
        /// Number of the site, from 0.
        site: usize,
        /// Of site 0.
        expected_ms: i64,
        /// Of the site.
        found_ms: i64,
    },
    /// A limit of less than nothing.
    #[error("the shared cap is {import} W of import and {export} W of export: expected at least 0", import = .0.import.get(), export = .0.export.get())]
    Negative(SharedCap),
    /// One request a site.
    #[error("expected {expected} requests, one a site, found {found}")]
    Requests {
        /// How many sites there are.
        expected: usize,
        /// How many requests.
        found: usize,
    },
}

/// What one step of all sites did.
#[derive(Debug, Clone, PartialEq)]
pub struct CommunityStep {
    /// Of each site.
    pub sites: Vec<EnvStep>,
    /// What each was allowed.
    pub shares: Vec<Share>,
    /// Net exchange at the transformer, + = importing.
    pub exchange: Kilowatts,
}

/// Sites that step together under a cap.
#[derive(Debug, Clone)]
pub struct Community {
    sites: Vec<MemgEnv>,
    cap: SharedCap,
}

impl Community {
    /// Sites with their own profiles, whose present rows are of the same time (the caller resets them alike).
    ///
    /// # Errors
    /// No site, other step lengths, or a cap below zero.
    pub fn new(sites: Vec<MemgEnv>, cap: SharedCap) -> Result<Self, CommunityError> {
        let expected_ms = sites.first().ok_or(CommunityError::Empty)?.filter().plant().step_ms();
        let lengths = sites.iter().map(|site| site.filter().plant().step_ms()).enumerate();
        for (site, found_ms) in lengths {
            if found_ms != expected_ms {
                return Err(CommunityError::StepLength { site, expected_ms, found_ms });
            }
        }
        if cap.import < Watts::ZERO || cap.export < Watts::ZERO {
            return Err(CommunityError::Negative(cap));
        }
        Ok(Self { sites, cap })
    }

    /// The sites, to look at and to reset.
    #[must_use]
    pub fn sites_mut(&mut self) -> &mut [MemgEnv] {
        &mut self.sites
    }

    /// The sites.
    #[must_use]
    pub fn sites(&self) -> &[MemgEnv] {
        &self.sites
    }

    /// The cap.
    #[must_use]
    pub const fn cap(&self) -> SharedCap {
        self.cap
    }

    /// No further step is possible.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sites.iter().any(MemgEnv::is_over)
    }

    /// One step with a request of each site. `Ok(None)` if the episode is over.
    ///
    /// # Errors
    /// Not one request a site; nothing has changed then.
    pub fn step(&mut self, requests: &[Request]) -> Result<Option<CommunityStep>, CommunityError> {
        if requests.len() != self.sites.len() {
            return Err(CommunityError::Requests { expected: self.sites.len(), found: requests.len() });
        }
        if self.is_over() {
            return Ok(None);
        }
        let wants = self.exchanges(requests, (None, None));
        let shares = self.shares(requests, &wants);
        let mut steps = Vec::with_capacity(self.sites.len());
        for (((site, request), share), want) in self.sites.iter_mut().zip(requests).zip(&shares).zip(&wants) {
            let limit = |watts: Watts| (!share.holds(*want)).then(|| watts.kilowatts());
            site.limit_exchange(limit(share.import), limit(share.export));
            steps.extend(site.step_request(*request));
        }
        let exchange = steps.iter().map(|step| step.dispatch.grid.signed()).fold(Kilowatts::ZERO, |sum, kw| sum + kw);
        Ok(Some(CommunityStep { sites: steps, shares, exchange }))
    }

    /// What each site may exchange if this is what all want.
    fn shares(&self, requests: &[Request], wants: &[Kilowatts]) -> Vec<Share> {
        let zero = Some(Kilowatts::ZERO);
        let needs = |limits, way| in_direction(way, &self.exchanges(requests, limits));
        let of = |cap, way, limits| divide(cap, &in_direction(way, wants), || needs(limits, way));
        let import = of(self.cap.import, Way::In, (zero, None));
        let export = of(self.cap.export, Way::Out, (None, zero));
        import.into_iter().zip(export).map(|(import, export)| Share { import, export }).collect()
    }

    /// What each site would exchange within limits of import and export, + = importing.
    fn exchanges(&self, requests: &[Request], limits: (Option<Kilowatts>, Option<Kilowatts>)) -> Vec<Kilowatts> {
        let each = self.sites.iter().zip(requests);
        each.map(|(site, request)| site.exchange_within(&request.setpoints, limits.0, limits.1)).collect()
    }
}

/// Which way power flows at a connection.
#[derive(Debug, Clone, Copy)]
enum Way {
    In,
    Out,
}

/// Exchanges in one direction, in whole watts upward; 0 for those of the other.
fn in_direction(way: Way, exchanges: &[Kilowatts]) -> Vec<Watts> {
    let signed = |kw: &Kilowatts| match way {
        Way::In => *kw,
        Way::Out => -*kw,
    };
    exchanges.iter().map(|kw| Watts::ceil(signed(kw)).max(Watts::ZERO)).collect()
}

/// A cap in parts whose sum does not exceed it, see the module's third rule. `needs` is asked for where wants do not fit.
fn divide(cap: Watts, wants: &[Watts], needs: impl FnOnce() -> Vec<Watts>) -> Vec<Watts> {
    let count = i64::try_from(wants.len()).unwrap_or(i64::MAX).max(1);
    let wanted: Watts = wants.iter().copied().sum();
    if wanted <= cap {
        let rest = Watts::new((cap - wanted).get() / count);
        return wants.iter().map(|want| *want + rest).collect();
    }
    // Nobody needs more than it wants.
    let needs: Vec<Watts> = needs().into_iter().zip(wants).map(|(need, want)| need.min(*want)).collect();
    let needed: Watts = needs.iter().copied().sum();
    if needed > cap {
        return needs.iter().map(|need| part(*need, cap, needed)).collect();
    }
    let beyond = |(want, need): (&Watts, &Watts)| *need + part(*want - *need, cap - needed, wanted - needed);
    wants.iter().zip(&needs).map(beyond).collect()
}

/// `amount * numerator / denominator`, rounded down.
fn part(amount: Watts, numerator: Watts, denominator: Watts) -> Watts {
    let [amount, numerator, denominator] = [amount, numerator, denominator].map(|watts| i128::from(watts.get()));
    Watts::new(i64::try_from(amount * numerator / denominator.max(1)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn watts(list: &[i64]) -> Vec<Watts> {
        list.iter().map(|w| Watts::new(*w)).collect()
    }

    /// Cap, wants, needs, shares.
    type Case<'a> = (i64, &'a [i64], &'a [i64], &'a [i64]);

    #[test]
    fn wants_come_first_then_needs_and_what_is_left_is_shared() {
        let cases: [Case; 5] = [
            (100, &[10, 30, 0], &[0, 0, 0], &[30, 50, 20]),
            (100, &[80, 60], &[0, 0], &[57, 42]),
            (100, &[80, 60], &[40, 20], &[60, 40]),
            (100, &[80, 160], &[50, 150], &[25, 75]),
            (0, &[5, 0], &[5, 0], &[0, 0]),
        ];
        for (cap, wants, needs, shares) in cases {
            let found = divide(Watts::new(cap), &watts(wants), || watts(needs));
            assert_eq!(found, watts(shares), "{cap} {wants:?} {needs:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_never_sum_to_more_than_the_cap(
            cap in 0_i64..1_000_000_000,
            sites in prop::collection::vec((0_i64..1_000_000_000, 0_i64..1_000_000_000), 1..9),
        ) {
            let (wants, needs): (Vec<i64>, Vec<i64>) = sites.into_iter().unzip();
            let shares = divide(Watts::new(cap), &watts(&wants), || watts(&needs));
            prop_assert!(shares.iter().copied().sum::<Watts>() <= Watts::new(cap));
            prop_assert!(shares.iter().all(|share| *share >= Watts::ZERO));
        }
    }
}
