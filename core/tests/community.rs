//! Microgrids behind one transformer: the cap holds whatever sites ask for, and who is not limited does not notice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use memg_core::action::Action;
use memg_core::community::{Community, CommunityError, SharedCap};
use memg_core::env::{MemgEnv, Start};
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::policy::Request;
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use memg_core::units::Watts;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::sync::Arc;

fn sites(count: u64) -> Vec<MemgEnv> {
    let site = |seed| {
        let profile = Arc::new(synthetic::profile(20, seed));
        MemgEnv::new(Plant::reference(), profile, RewardWeights::default())
    };
    (1..=count).map(site).collect()
}

/// How long sites keep a request: a battery needs some steps to its full power.
const KEPT: usize = 12;

/// Any action, or one that is all or nothing.
fn wild(site: &MemgEnv, rng: &mut Pcg64Mcg) -> Request {
    let extreme = rng.random_bool(0.5);
    let action = Action(std::array::from_fn(|_| {
        let any: f32 = rng.random_range(-1.5..=1.5);
        if extreme { any.signum() } else { any }
    }));
    let setpoints = action.setpoints(site.filter().plant(), site.memory().chp_on());
    Request { observation: None, action: Some(action), setpoints, outside_tariff: false }
}

#[test]
fn the_cap_holds_in_both_directions_whatever_sites_ask_for() {
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    for share in [0.0, 0.1, 0.3, 1.0] {
        let sites = sites(4);
        let cap = SharedCap::part_of(&sites, share).unwrap();
        let mut community = Community::new(sites, cap).unwrap();
        let (mut steps, mut at_cap, mut requests) = (0, 0, Vec::new());
        while !community.is_over() {
            if steps % KEPT == 0 {
                requests = community.sites().iter().map(|site| wild(site, &mut rng)).collect::<Vec<_>>();
            }
            let step = community.step(&requests).unwrap().unwrap();
            let [import, export] = [cap.import, cap.export].map(|watts| watts.kilowatts().get() + 1e-6);
            let exchange = step.exchange.get();
            assert!((-export..=import).contains(&exchange), "share {share}, step {steps}: {exchange} kW");
            for (site, share) in step.sites.iter().zip(&step.shares) {
                let kw = site.dispatch.grid.signed().get();
                let own = [share.export, share.import].map(|watts| watts.kilowatts().get() + 1e-6);
                assert!((-own[0]..=own[1]).contains(&kw), "step {steps}: {kw} kW of {share:?}");
            }
            steps += 1;
            at_cap += u32::from(exchange > import - 0.01);
        }
        assert_eq!(steps, 96 * 20);
        assert_eq!(at_cap > 0, share < 1.0, "a cap of {share} was reached in {at_cap} steps");
    }
}

#[test]
fn sites_whose_wants_fit_step_as_if_they_were_alone() {
    let mut rng = Pcg64Mcg::seed_from_u64(12);
    let (mut alone, together) = (sites(3), sites(3));
    let cap = SharedCap::part_of(&together, 1.0).unwrap();
    let mut community = Community::new(together, cap).unwrap();
    while !community.is_over() {
        let requests: Vec<Request> = alone.iter().map(|site| wild(site, &mut rng)).collect();
        let own = alone.iter_mut().zip(&requests).map(|(site, request)| site.step_request(*request).unwrap());
        let own = own.collect::<Vec<_>>();
        assert_eq!(community.step(&requests).unwrap().unwrap().sites, own);
    }
}

#[test]
fn an_episode_ends_for_all_and_wrong_communities_are_refused() {
    let cap = |watts| SharedCap { import: Watts::new(watts), export: Watts::ZERO };
    assert_eq!(Community::new(Vec::new(), cap(0)).unwrap_err(), CommunityError::Empty);
    assert_eq!(Community::new(sites(1), cap(-1)).unwrap_err(), CommunityError::Negative(cap(-1)));
    let mut slow = PlantParameters::reference();
    slow.step_h = 0.5;
    let slow = MemgEnv::new(slow.validate().unwrap(), Arc::new(synthetic::profile(1, 1)), RewardWeights::default());
    let mixed = Community::new([sites(1), vec![slow]].concat(), cap(0)).unwrap_err();
    assert_eq!(mixed, CommunityError::StepLength { site: 1, expected_ms: 900_000, found_ms: 1_800_000 });
    assert!(SharedCap::part_of(&sites(1), 1.5).is_none() && SharedCap::part_of(&sites(1), f64::NAN).is_none());

    let mut community = Community::new(sites(2), cap(100_000)).unwrap();
    for site in community.sites_mut() {
        site.reset(Start { steps: 1, ..Start::block(0..96) });
    }
    let request = wild(&community.sites()[0], &mut Pcg64Mcg::seed_from_u64(1));
    let few = community.step(&[request]).unwrap_err();
    assert_eq!(few, CommunityError::Requests { expected: 2, found: 1 });
    assert!(community.step(&[request; 2]).unwrap().is_some());
    assert!(community.is_over() && community.step(&[request; 2]).unwrap().is_none());
}
