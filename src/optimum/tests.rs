//! The bound against policies, parts and cases without a choice.

use super::*;
use memg_core::profile::ProfileRow;
use memg_core::synthetic;

#[test]
fn a_block_in_parts_has_a_bound_just_below_that_of_the_whole() {
    let plant = Plant::reference();
    let profile = synthetic::profile(4, 5);
    let Ok(block) = built(&plant, &profile, &(0..4 * 96)) else { panic!("no program") };
    let solve = |steps: Range<usize>| block.program.solve(&steps).unwrap_or_else(|e| panic!("{e}"));
    let whole = block.program.bound(&solve(0..4 * 96));
    let mut together = Solution::zeros(&block.program, &(0..4 * 96));
    // A fresh start is worth nothing before the first part has been put in.
    assert!(block.program.bound(&together) < 0.5 * whole);
    for (core, padded) in [(0..192, 0..288), (192..384, 96..384)] {
        together.take(&solve(padded), &block.program, &core);
    }
    let parts = block.program.bound(&together);
    assert!(parts <= whole + 1e-3 && parts > 0.995 * whole, "{parts} {whole}");
}

/// The bound of days that the own method alone proves, and that of the general solver.
fn by_both(plant: &Plant, profile: &Profile, days: usize) -> [f64; 2] {
    let all = 0..days * 96;
    let block = built(plant, profile, &all).unwrap_or_else(|e| panic!("{e}"));
    let own = block.program.solve_by(&all, |cost, boxes, rows| {
        interior::solve(cost, boxes, rows).ok_or_else(|| "no answer of the own method".to_owned())
    });
    let general = block.program.solve_by(&all, |cost, _, rows| fallback::solve(cost, rows));
    [own, general].map(|found| block.program.bound(&found.unwrap_or_else(|e| panic!("{e}"))))
}

#[test]
fn the_own_method_proves_what_a_general_solver_proves() {
    for (days, seed) in [(1_usize, 1), (2, 2), (3, 3)] {
        let [own, general] = by_both(&Plant::reference(), &synthetic::profile(days as u32, seed), days);
        assert!((own - general).abs() < 2e-5 * general.abs(), "{own} {general}");
    }
}

#[test]
fn a_plant_without_a_battery_or_a_chp_has_a_bound_of_its_own() {
    use memg_core::equipment::{Each, PlantParameters};
    let no_battery: fn(&mut PlantParameters) = |p| p.battery = Each::default();
    let no_chp: fn(&mut PlantParameters) = |p| p.chp = Each::default();
    let profile = synthetic::profile(1, 5);
    let with_all = of_block(&Plant::reference(), &profile, &(0..96)).unwrap_or_else(|e| panic!("{e}")).cost_eur;
    for change in [no_battery, no_chp] {
        let mut parameters = PlantParameters::reference();
        change(&mut parameters);
        let plant = parameters.validate().unwrap_or_else(|problems| panic!("{problems:?}"));
        let bound = of_block(&plant, &profile, &(0..96)).unwrap_or_else(|e| panic!("{e}")).cost_eur;
        assert!(bound >= with_all - 1e-3, "a part less saves nothing: {bound} {with_all}");
        let [own, general] = by_both(&plant, &profile, 1);
        assert!((own - general).abs() < 2e-5 * general.abs(), "{own} {general}");
    }
}

#[test]
fn with_nothing_to_decide_the_bound_is_the_cost() {
    // Flat prices with buying and selling alike and below the CHP's marginal cost: load times price.
    let row = ProfileRow { electric_load_kw: 40.0, import_price: 0.06, export_price: 0.06, ..ProfileRow::default() };
    let rows = (0..96).map(|i| ProfileRow { time: row.time.plus_minutes(15 * i), ..row }).collect();
    let profile = Profile::from_rows(rows);
    let bound = of_block(&Plant::reference(), &profile, &(0..96)).map(|block| block.cost_eur);
    assert!(bound.as_ref().is_ok_and(|cost| (cost - 24.0 * 40.0 * 0.06).abs() < 1e-4), "{bound:?}");
}

/// The reference plant with other batteries and CHPs, and a connection that bears them.
fn with_units(batteries: &[memg_core::equipment::Battery], chps: &[memg_core::equipment::Chp]) -> Plant {
    use memg_core::equipment::{Each, PlantParameters};
    let mut parameters = PlantParameters::reference();
    parameters.battery = Each::new(batteries).unwrap_or_else(|| panic!("too many"));
    parameters.chp = Each::new(chps).unwrap_or_else(|| panic!("too many"));
    (parameters.grid.import_kw_max, parameters.grid.export_kw_max) = (200.0, 200.0);
    parameters.validate().unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn share(of: &memg_core::equipment::Battery, share: f64) -> memg_core::equipment::Battery {
    memg_core::equipment::Battery {
        capacity_kwh: share * of.capacity_kwh,
        charge_kw_max: share * of.charge_kw_max,
        discharge_kw_max: share * of.discharge_kw_max,
        ramp_kw_per_step: share * of.ramp_kw_per_step,
        ..*of
    }
}

fn bound_of(plant: &Plant) -> f64 {
    of_block(plant, &synthetic::profile(2, 5), &(0..192)).unwrap_or_else(|e| panic!("{e}")).cost_eur
}

#[test]
fn a_battery_in_two_like_parts_has_the_bound_of_the_whole() {
    let reference = Plant::reference();
    let (battery, chp) = (*reference.battery(), *reference.chp());
    let parts = with_units(&[share(&battery, 0.3), share(&battery, 0.7)], &[chp]);
    let (whole, both) = (bound_of(&with_units(&[battery], &[chp])), bound_of(&parts));
    assert!((whole - both).abs() < 2e-5 * whole, "{whole} {both}");
}

#[test]
fn parts_that_differ_cost_at_least_what_a_whole_of_the_better_part_does_and_both_solvers_agree() {
    let reference = Plant::reference();
    let (battery, chp) = (*reference.battery(), *reference.chp());
    let lossy = memg_core::equipment::Battery { efficiency_store: 0.8, ..share(&battery, 0.5) };
    let thirsty = memg_core::equipment::Chp { p_kw_max: 40.0, efficiency_electric: 0.25, min_up_steps: 3, ..chp };
    let plant = with_units(&[share(&battery, 0.5), lossy], &[chp, thirsty]);
    let without_losses = with_units(&[share(&battery, 0.5), share(&battery, 0.5)], &[chp, thirsty]);
    assert!(bound_of(&plant) > bound_of(&without_losses) + 0.01);
    assert!(
        bound_of(&without_losses) <= bound_of(&with_units(&[battery], &[chp])) + 1e-3,
        "another CHP costs nothing that is not wanted"
    );
    let [own, general] = by_both(&plant, &synthetic::profile(1, 5), 1);
    assert!((own - general).abs() < 2e-5 * general.abs(), "{own} {general}");
}
