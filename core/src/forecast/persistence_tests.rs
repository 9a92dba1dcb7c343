use super::*;
use crate::equipment::Plant;
use crate::memory::ControlMemory;
use crate::profile::ProfileRow;
use crate::series::Known;
use crate::units::Soc;

/// Values by the distance in steps from now, that of now left out; `published` steps of what is ahead are known.
#[derive(Debug)]
struct Made {
    value: fn(i64) -> Option<f64>,
    published: i64,
}

impl Known for Made {
    fn ahead(&self, _: Quantity, steps: usize) -> Option<f64> {
        i64::try_from(steps).ok().filter(|steps| *steps < self.published).and_then(self.value)
    }
    fn ago(&self, _: Quantity, steps: usize) -> Option<f64> {
        (self.value)(-i64::try_from(steps).ok()?)
    }
}

/// What is guessed for the coming two days of 96 steps where everything is `now` at present.
fn guessed(quantity: Quantity, now: f64, known: &dyn Known) -> Vec<f64> {
    let row = ProfileRow {
        pv_kw: now,
        wind_kw: now,
        electric_load_kw: now,
        heat_load_kw: now,
        import_price: now,
        export_price: now,
        ..ProfileRow::default()
    };
    let (plant, situation, memory) = (Plant::reference(), row.situation(Soc::new(0.5)), ControlMemory::at_rest());
    let mut out = vec![f64::NAN; 192];
    let input = PolicyInput { plant: &plant, situation: &situation, memory: &memory, known };
    Persistence.guess(&input, quantity, &mut out);
    out
}

/// The same every day: 10 and a step more in each of the 96.
fn ramp(steps: i64) -> Option<f64> {
    Some(10.0 + f64::from(u8::try_from(steps.rem_euclid(96)).unwrap()))
}

fn past(value: fn(i64) -> Option<f64>) -> Made {
    Made { value, published: 0 }
}

#[test]
fn days_that_repeat_are_foretold_exactly() {
    let expected: Vec<f64> = (0..192).map(|steps| ramp(steps).unwrap()).collect();
    for quantity in Quantity::ALL.into_iter().filter(|quantity| *quantity != Quantity::Wind) {
        assert_eq!(guessed(quantity, 10.0, &past(ramp)), expected, "{quantity:?}");
    }
}

#[test]
fn what_is_different_today_is_forgotten_by_the_hour() {
    let found = guessed(Quantity::HeatLoad, 30.0, &past(ramp));
    for (steps, expected) in
        [(0, 30.0), (16, 26.0 + 20.0 * (-1.0_f64).exp()), (95, 105.0 + 20.0 * (-95.0_f64 / 16.0).exp())]
    {
        assert!((found[steps] - expected).abs() < 1e-9, "{steps}: {} {expected}", found[steps]);
    }
    let less = guessed(Quantity::ElectricLoad, 0.0, &past(|_| Some(5.0)));
    assert!((less[16] - 5.0 * (1.0 - (-1.0_f64).exp())).abs() < 1e-9, "{}", less[16]);
}

#[test]
fn a_demand_is_never_negative() {
    // Far less than usual now, and usually next to nothing in an hour.
    let found =
        guessed(Quantity::ElectricLoad, 1.0, &past(|steps| Some(if steps.rem_euclid(96) < 2 { 50.0 } else { 2.0 })));
    assert_eq!(found[4], 0.0);
}

#[test]
fn a_brighter_morning_makes_a_brighter_noon_within_reason() {
    let day = |steps: i64| Some(if steps.rem_euclid(96) < 48 { 10.0 } else { 0.0 });
    let found = guessed(Quantity::Pv, 15.0, &past(day));
    assert!((found[12] - 10.0 * (1.0 + 0.5 * (-1.0_f64).exp())).abs() < 1e-9, "{}", found[12]);
    assert_eq!(found[50], 0.0, "no factor makes light in the dark");
    assert_eq!(guessed(Quantity::Pv, 100.0, &past(day))[0], 30.0, "at most three times the usual");
    assert_eq!(guessed(Quantity::Pv, 0.0, &past(day))[40], 10.0, "in the dark nothing is known of the day");
}

#[test]
fn wind_goes_back_to_its_weeks_mean() {
    let found = guessed(Quantity::Wind, 30.0, &past(|_| Some(10.0)));
    assert_eq!(found[0], 30.0);
    assert!((found[96] - (10.0 + 20.0 * (-1.0_f64).exp())).abs() < 1e-9, "{}", found[96]);
}

#[test]
fn half_the_last_day_and_half_the_mean_of_seven() {
    // Today's price is 8 times 0.1, each day before a 0.1 less: those of the seven days before tomorrow are 0.8 to 0.2.
    let falling = |steps: i64| Some(0.8 + 0.1 * f64::from(i32::try_from(steps.div_euclid(96)).unwrap()));
    let found = guessed(Quantity::ImportPrice, 0.8, &past(falling));
    assert!((found[0] - (0.5 * 0.7 + 0.5 * 0.4)).abs() < 1e-9, "{}", found[0]);
    assert!((found[96] - (0.5 * 0.8 + 0.5 * 0.5)).abs() < 1e-9, "{}", found[96]);
}

#[test]
fn behind_the_published_prices_the_last_published_day_goes_on() {
    let published = Made { value: |steps| Some(if steps > 0 { 0.3 } else { 0.1 }), published: 96 };
    let found = guessed(Quantity::ExportPrice, 0.1, &published);
    let expected = 0.5 * 0.3 + 0.5 * (0.3 + 6.0 * 0.1) / 7.0;
    assert!((found[97] - expected).abs() < 1e-12, "{} {expected}", found[97]);
}

#[test]
fn a_missing_day_is_left_out() {
    let holed = |steps: i64| if (-96..0).contains(&steps) { None } else { ramp(steps) };
    assert_eq!(
        guessed(Quantity::ElectricLoad, 10.0, &past(holed))[1..96],
        guessed(Quantity::ElectricLoad, 10.0, &past(ramp))[1..96]
    );
}

#[test]
fn without_history_the_present_value_stands() {
    for quantity in Quantity::ALL {
        assert_eq!(guessed(quantity, 12.5, &crate::series::Nothing), [12.5; 192], "{quantity:?}");
    }
}
