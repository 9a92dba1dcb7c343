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
