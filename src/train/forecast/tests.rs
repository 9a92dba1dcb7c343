use super::normal::Sums;
use super::*;
use crate::config::DataSettings;
use memg_core::forecast::{FITTED, REGRESSORS};
use memg_core::series::Quantity;
use memg_core::synthetic;

/// Rows of whole hours: a short year that is quick to fit.
fn hourly(days: u32) -> (Plant, Vec<ProfileRow>) {
    let plant = memg_core::equipment::PlantParameters { step_h: 1.0, ..*Plant::reference().parameters() };
    let rows = synthetic::profile(days, 9).rows().iter().step_by(4).copied().collect();
    (plant.validate().unwrap(), rows)
}

fn fitted(plant: &Plant, rows: &[ProfileRow]) -> Fitted {
    let profile = Profile::from_rows(rows.to_vec());
    let split = Split::of(&profile, &DataSettings::default(), plant.steps_per_day());
    fit(plant, &profile, &split).unwrap()
}

fn error_of<'a>(found: &'a Fitted, forecaster: &str, quantity: Quantity, data: &str) -> &'a ForecastError {
    let mut rows = found.errors.iter();
    let wanted = |row: &&ForecastError| {
        row.forecaster == forecaster && row.quantity == quantity.name() && row.data.starts_with(data)
    };
    rows.find(wanted).unwrap()
}

#[test]
fn normal_equations_give_back_a_planted_law() {
    let mut sums = Sums::new();
    let law: [f64; REGRESSORS] = core::array::from_fn(|k| if k % 3 == 0 { k as f64 - 11.0 } else { 0.0 });
    let mut state = 7_u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    for _ in 0..500 {
        // Numbers of very different size, and one that is always 0.
        let row: [f64; REGRESSORS] =
            core::array::from_fn(|k| if k == 5 { 0.0 } else { number() * 10_f64.powi(k as i32 % 5) });
        sums.add(&row, row.iter().zip(law).map(|(x, c)| x * c).sum());
    }
    let found = sums.solve(1e-10);
    for (k, (found, law)) in found.iter().zip(law).enumerate() {
        assert!((found - law).abs() < 1e-5, "{k}: {found} {law}");
    }
    assert_eq!(found[5], 0.0);
    assert!(sums.squared_error(&found).abs() < 1e-3 && sums.squared_error(&[0.0; REGRESSORS]) > 1e3);
    let [nothing, strong] = [[0.0; REGRESSORS], sums.solve(1e6)].map(|c| sums.squared_error(&c));
    assert!(strong < nothing && strong > 0.999 * nothing, "a penalty shrinks: {strong} {nothing}");
}

#[test]
fn days_that_follow_a_linear_law_are_foretold_where_persistence_is_not() {
    let (plant, mut rows) = hourly(120);
    // Each hour is that of a week ago: neither yesterday's nor a mean of days. The first week is as it comes.
    for index in 7 * 24..rows.len() {
        rows[index].electric_load_kw = rows[index - 7 * 24].electric_load_kw;
    }
    let profile = Profile::from_rows(rows);
    let parts = (0..120 * 24).map(|hour| match hour / 24 {
        0..80 => Part::Training,
        80..100 => Part::Validation,
        _ => Part::Test,
    });
    let split = Split { parts: parts.collect(), ..Split::of(&profile, &DataSettings::default(), 24) };
    let found = fit(&plant, &profile, &split).unwrap();
    let at = |forecaster| error_of(&found, forecaster, Quantity::ElectricLoad, "test");
    let (ridge, persistence) = (at("ridge"), at("persistence"));
    assert_eq!(ridge.forecasts, 20 * 24);
    assert!(
        ridge.mae_24h < 0.05 * persistence.mae_24h && ridge.mae_1h < 0.05 * persistence.mae_1h,
        "{ridge:?} {persistence:?}"
    );
}

#[test]
fn test_days_have_no_part_in_the_coefficients() {
    let (plant, rows) = hourly(100);
    let honest = fitted(&plant, &rows);
    let mut other = rows;
    for row in other.iter_mut().filter(|row| (20..=24).contains(&row.time.date().2)) {
        (row.pv_kw, row.wind_kw, row.electric_load_kw, row.heat_load_kw) = (1e3, 2e3, 3e3, 4e3);
    }
    let found = fitted(&plant, &other);
    assert_eq!((found.coefficients, found.rows), (honest.coefficients, honest.rows));
    let validation =
        |errors: Vec<ForecastError>| errors.into_iter().filter(|row| row.data.starts_with("valid")).collect::<Vec<_>>();
    let (was, is) = (validation(honest.errors), validation(found.errors));
    assert_eq!((was.len(), is == was), (8, true), "nor in what is chosen by");
}

#[test]
fn training_days_do_have_a_part_in_them() {
    let (plant, mut rows) = hourly(100);
    let before = fitted(&plant, &rows).coefficients;
    rows[15 * 24 + 3].wind_kw += 1.0;
    let after = fitted(&plant, &rows).coefficients;
    assert_ne!(before.of(Quantity::Wind), after.of(Quantity::Wind));
    assert_eq!(before.of(Quantity::HeatLoad), after.of(Quantity::HeatLoad));
}

#[test]
fn missing_days_are_a_gap_and_not_neighbours() {
    let (plant, rows) = hourly(100);
    let kept: Vec<ProfileRow> = rows.iter().filter(|row| !(10..=14).contains(&row.time.date().2)).copied().collect();
    let days = Days::new(&kept, 60);
    let (mut seen, mut missing) = (0, 0);
    days.live_through(&plant, |index, input| {
        let ago = |steps| input.known.ago(Quantity::Wind, steps);
        let before = index.checked_sub(24).map(|before| &rows[before]);
        let is_there = before.filter(|row| !(10..=14).contains(&row.time.date().2));
        assert_eq!(ago(24), is_there.map(|row| row.wind_kw), "{index}");
        assert_eq!((ago(0), input.known.minute()), (None, Some(rows[index].time.minute)));
        (seen, missing) = (seen + 1, missing + usize::from(ago(24).is_none()));
    });
    assert_eq!((seen, missing), (kept.len(), 24 + 3 * 24), "the first day, and one behind each gap");
    assert!(fitted(&plant, &kept).rows < kept.len() as u64);
}

#[test]
fn too_few_days_are_refused_in_words() {
    let (plant, rows) = hourly(9);
    let profile = Profile::from_rows(rows);
    let split = Split::of(&profile, &DataSettings::default(), 24);
    let said = fit(&plant, &profile, &split).unwrap_err().to_string();
    assert!(said.contains("a forecaster needs more days") && said.contains("350"), "{said}");
}

#[test]
fn a_site_without_sun_is_fitted_with_pv_at_zero() {
    let (plant, mut rows) = hourly(60);
    rows.iter_mut().for_each(|row| row.pv_kw = 0.0);
    let found = fitted(&plant, &rows);
    assert!(found.coefficients.of(Quantity::Pv).as_flattened().iter().all(|c| *c == 0.0));
    assert_eq!(error_of(&found, "ridge", Quantity::Pv, "test").mae_24h, 0.0);
    assert_eq!(found.coefficients.leads(), 36);
    assert!(FITTED.into_iter().all(|quantity| found.coefficients.of(quantity).len() == 36));
}
