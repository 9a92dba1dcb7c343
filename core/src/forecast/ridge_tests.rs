use super::super::Persistence;
use super::*;
use crate::equipment::Plant;
use crate::memory::ControlMemory;
use crate::profile::ProfileRow;
use crate::series::Known;
use crate::units::Soc;

const LEADS: usize = 144;
const STEP_MS: i64 = 900_000;
/// Monday 2024-01-01T00:00, minutes since 1970.
const MONDAY: i64 = 28_401_120;

/// Every quantity by the distance in steps from now, within `held` steps back.
#[derive(Debug)]
struct Made {
    value: fn(i64) -> Option<f64>,
    scale: f64,
    minute: Option<i64>,
}

impl Made {
    fn new(value: fn(i64) -> Option<f64>) -> Self {
        Self { value, scale: 1.0, minute: Some(MONDAY) }
    }

    fn guess(&self, forecaster: &mut dyn Forecaster, quantity: Quantity, steps: usize) -> Vec<f64> {
        let now = self.scale * (self.value)(0).unwrap();
        let row =
            ProfileRow { pv_kw: now, wind_kw: now, electric_load_kw: now, heat_load_kw: now, ..ProfileRow::default() };
        let (plant, situation, memory) = (Plant::reference(), row.situation(Soc::new(0.5)), ControlMemory::at_rest());
        let mut out = vec![f64::NAN; steps];
        let input = PolicyInput { plant: &plant, situation: &situation, memory: &memory, known: self };
        forecaster.guess(&input, quantity, &mut out);
        out
    }
}

impl Known for Made {
    fn ahead(&self, _: Quantity, _: usize) -> Option<f64> {
        None
    }
    fn ago(&self, _: Quantity, steps: usize) -> Option<f64> {
        Some(self.scale * (self.value)(-i64::try_from(steps).ok()?)?)
    }
    fn minute(&self) -> Option<i64> {
        self.minute
    }
}

/// The same coefficients for every quantity and lead: `factor` for each of the numbers.
fn taking(numbers: &[(usize, f32)]) -> Ridge {
    let mut row = [0.0; REGRESSORS];
    for (number, factor) in numbers {
        row[*number] = *factor;
    }
    let rows = core::array::from_fn(|_| vec![row; LEADS]);
    Ridge::new(Coefficients::new(rows).unwrap(), STEP_MS)
}

/// One number alone for the steps ahead.
fn number(number: usize, known: &Made, quantity: Quantity) -> Vec<f64> {
    known.guess(&mut taking(&[(number, 1.0)]), quantity, LEADS + 1)
}

/// A number of its own for each of the last days and steps: 100 for each day back, 1 for each step of the day.
fn numbered(steps: i64) -> Option<f64> {
    Some(f64::from(i32::try_from(steps.rem_euclid(96) - 100 * steps.div_euclid(96)).unwrap()))
}

#[test]
fn times_of_day_are_those_of_the_last_days() {
    let known = Made::new(numbered);
    let at = |which: usize| {
        let found = number(which, &known, Quantity::ElectricLoad);
        [found[1], found[95], found[97]]
    };
    assert_eq!(at(6), [101.0, 195.0, 101.0], "the last day");
    assert_eq!(at(7), [201.0, 295.0, 201.0], "the one before");
    assert_eq!(at(8), [701.0, 795.0, 601.0], "a week before");
    assert_eq!(at(9), [401.0, 495.0, 401.0], "the mean of seven");
    let now = |which: usize| number(which, &known, Quantity::HeatLoad)[1];
    assert_eq!([now(0), now(1), now(2)], [0.0, 195.0, 192.0]);
    assert_eq!(
        [now(3), now(4), now(5)],
        [(195.0 + 194.0 + 193.0) / 4.0, (95.0 * 100.0 + 95.0 * 48.0 + 100.0) / 96.0, 447.5]
    );
}

#[test]
fn a_difference_counts_with_its_sign() {
    let known = Made::new(|steps| Some(if steps == 0 { 500.0 } else { numbered(steps)? }));
    let now = |which: usize| number(which, &known, Quantity::Wind)[1];
    assert_eq!([now(10), now(11), now(12)], [400.0, 100.0, 0.0], "less than nothing is nothing");
}

#[test]
fn weekends_and_seasons_count_only_where_the_date_is_known() {
    let weekend = |minute: Option<i64>, factor: f32| {
        let known = Made { minute, ..Made::new(|_| Some(70.0)) };
        known.guess(&mut taking(&[(21, factor)]), Quantity::ElectricLoad, LEADS + 1)
    };
    let friday = weekend(Some(MONDAY + 4 * 1440), 1.0);
    assert_eq!((friday[95], friday[96]), (0.0, 50.0), "Saturday begins after 96 steps");
    let monday = weekend(Some(MONDAY), -1.0);
    assert!((monday[1] - 20.0).abs() < 1e-12, "two sevenths of the mean, the other way");
    assert_eq!(weekend(None, 1.0)[96], 0.0);
    let season = |minute| {
        Made { minute, ..Made::new(|_| Some(70.0)) }.guess(&mut taking(&[(30, 1.0)]), Quantity::HeatLoad, 2)[1]
    };
    assert!((season(Some(MONDAY)) - 70.0).abs() < 0.1 && season(None) == 0.0);
}

#[test]
fn the_sun_of_a_day_is_the_envelope_times_how_clear_it_is() {
    let known = Made::new(|steps| {
        let hour = steps.rem_euclid(96) / 4;
        // Light for twelve hours from now on; today half as much as on the clearest day.
        Some(if hour >= 12 {
            0.0
        } else if steps.div_euclid(96) == -9 {
            40.0
        } else {
            20.0
        })
    });
    assert_eq!(number(32, &known, Quantity::Pv)[20], 40.0);
    assert_eq!(number(33, &known, Quantity::Pv)[20], 20.0);
    assert_eq!(number(34, &known, Quantity::Pv)[20], 20.0);
    assert_eq!(number(5, &known, Quantity::Pv)[60], 0.0, "no number makes light in the dark");
    assert_eq!(number(32, &known, Quantity::Wind)[20], 0.0, "the envelope is the sun's");
}

#[test]
fn gaps_are_filled_by_the_stated_rule() {
    // The last day is missing, and half of the week before the present one.
    let known = Made::new(|steps| match steps.div_euclid(96) {
        -1 | -7 => None,
        _ => numbered(steps),
    });
    let at = |which: usize| number(which, &known, Quantity::ElectricLoad)[1];
    assert_eq!([at(6), at(7)], [201.0, 301.0], "the latest known days");
    assert_eq!([at(8), at(9)], [401.0, 401.0], "the mean of those known stands for the week ago");
    assert_eq!([at(1), at(2), at(3)], [0.0; 3], "now stands for the last hour");
    let lone = Made::new(|steps| (steps >= -96).then_some(f64::from(i32::try_from(-steps).unwrap())));
    assert_eq!(number(7, &lone, Quantity::Wind)[1], 95.0, "the last stands for the one before");
}

#[test]
fn what_is_not_fitted_is_left_to_persistence() {
    let mut ridge = taking(&[(0, 7.0)]);
    let known = Made::new(numbered);
    for quantity in [Quantity::ImportPrice, Quantity::ExportPrice] {
        assert_eq!(known.guess(&mut ridge, quantity, 200), known.guess(&mut Persistence, quantity, 200));
    }
    let short = Made::new(|steps| (steps >= -95).then(|| f64::from(i32::try_from(10 - steps).unwrap())));
    let (found, expected) =
        (short.guess(&mut ridge, Quantity::Wind, 145), short.guess(&mut Persistence, Quantity::Wind, 145));
    assert_eq!(found, expected, "one time of day is not known yet");
    let long = known.guess(&mut ridge, Quantity::HeatLoad, 200);
    assert_eq!(long[LEADS + 1..], known.guess(&mut Persistence, Quantity::HeatLoad, 200)[LEADS + 1..]);
    let mut hourly = Ridge::new(ridge.coefficients.clone(), 3_600_000);
    assert_eq!(known.guess(&mut hourly, Quantity::HeatLoad, 9), known.guess(&mut Persistence, Quantity::HeatLoad, 9));
}

#[test]
fn a_plant_of_another_step_length_is_refused() {
    let plant = Plant::reference();
    let ridge = |step_ms| Ridge::new(taking(&[]).coefficients, step_ms);
    assert_eq!(ridge(STEP_MS).suits(&plant), Ok(()));
    let refused = PolicyError::StepLength { fitted_ms: 3_600_000, plant_ms: STEP_MS };
    assert_eq!(ridge(3_600_000).suits(&plant), Err(refused.clone()));
    let mut policy = crate::planner::Plan::new(ridge(3_600_000), crate::planner::PlanSettings::default());
    let (situation, memory) = (ProfileRow::default().situation(Soc::new(0.5)), ControlMemory::at_rest());
    let input = PolicyInput { plant: &plant, situation: &situation, memory: &memory, known: &crate::series::Nothing };
    assert_eq!(crate::policy::Policy::act(&mut policy, &input), Err(refused), "and nothing is planned with it");
}

#[test]
fn the_present_is_as_measured() {
    let known = Made::new(|steps| Some(if steps == 0 { 3.5 } else { 9.0 }));
    assert_eq!(known.guess(&mut taking(&[(6, 1.0)]), Quantity::Pv, 2), [3.5, 9.0]);
}

#[test]
fn a_plant_twice_as_large_has_forecasts_twice_as_large() {
    let all: Vec<(usize, f32)> = (0..REGRESSORS).map(|number| (number, 0.01 * number as f32)).collect();
    let (one, two) = (Made::new(numbered), Made { scale: 2.0, ..Made::new(numbered) });
    for quantity in FITTED {
        let [one, two] = [&one, &two].map(|known| known.guess(&mut taking(&all), quantity, LEADS + 1));
        assert_eq!(one.into_iter().map(|value| 2.0 * value).collect::<Vec<_>>(), two, "{quantity:?}");
    }
}

#[test]
fn the_same_input_gives_the_same_bits_whatever_was_asked_before() {
    let all: Vec<(usize, f32)> = (0..REGRESSORS).map(|number| (number, 0.3 / (1.0 + number as f32))).collect();
    let (known, other) =
        (Made::new(numbered), Made::new(|steps| Some(f64::from(i32::try_from(steps.rem_euclid(7)).unwrap()))));
    let mut used = taking(&all);
    for quantity in Quantity::ALL {
        other.guess(&mut used, quantity, LEADS + 1);
        let bits = |ridge: &mut Ridge| {
            known.guess(ridge, quantity, LEADS + 1).into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(bits(&mut used), bits(&mut taking(&all)), "{quantity:?}");
    }
}

#[test]
fn coefficients_that_do_not_fit_together_are_refused() {
    let rows = |leads: usize, value: f32| vec![[value; REGRESSORS]; leads];
    let odd = Coefficients::new([rows(3, 0.0), rows(3, 0.0), rows(2, 0.0), rows(3, 0.0)]).unwrap_err().to_string();
    assert!(odd.contains("electric_load_kw"), "{odd}");
    let nan = Coefficients::new([rows(1, 0.0), rows(1, f32::NAN), rows(1, 0.0), rows(1, 0.0)]);
    assert_eq!(nan, Err(WeightsError::NotFinite { name: "wind_kw".to_owned() }));
    assert!(Coefficients::new(core::array::from_fn(|_| Vec::new())).is_err());
    assert!(matches!(Coefficients::from_safetensors(b"short"), Err(WeightsError::Format(_))));
}
