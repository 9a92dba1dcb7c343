//! A decision allocates nothing: not the filter, not the rules, not a forecaster once it is loaded.

use memg_core::decide;
use memg_core::equipment::Plant;
use memg_core::forecast::{Coefficients, Forecast, Persistence, REGRESSORS, Ridge};
use memg_core::memory::ControlMemory;
use memg_core::planner::{Plan, PlanSettings};
use memg_core::policy::PolicyInput;
use memg_core::profile::ProfileRow;
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::safety::SafetyFilter;
use memg_core::series::Nothing;
use memg_core::setpoints::Setpoints;
use memg_core::synthetic;
use memg_core::units::{Kilowatts, PerUnit, Soc, Watts};

#[test]
fn a_decision_allocates_nothing() {
    let filter = SafetyFilter::new(Plant::reference());
    let counted = allocation_counter::measure(|| {
        for i in 0..1000_i32 {
            let x = f64::from(i);
            let row = ProfileRow { pv_kw: x % 60.0, electric_load_kw: 5.0 + x % 95.0, ..ProfileRow::default() };
            let mut situation = row.situation(Soc::new(x / 1000.0));
            situation.source_voltage = PerUnit::new(0.9 + x / 5000.0);
            let on = i % 2 == 0;
            let mut memory =
                ControlMemory::from_measured(Watts::new(i64::from(i) * 50), Watts::new(40_000), on, 900_000);
            let odd = [f64::NAN, f64::INFINITY, 1e6, -3.0, 20.0].map(Kilowatts::new);
            let pick = |n: i32| odd.get(usize::try_from((i + n) % 5).unwrap_or(0)).copied().unwrap_or(Kilowatts::ZERO);
            let request = Setpoints { battery: pick(0), chp: pick(1), grid: Some(pick(2)) };
            std::hint::black_box(filter.filter(&situation, &memory.anchor(900_000), &request));
            let _ = std::hint::black_box(decide::step(&filter, &situation, &mut memory, &Nothing, &mut GoodRule));
            let _ = std::hint::black_box(decide::step(&filter, &situation, &mut memory, &Nothing, &mut SeedRule));
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_forecast_allocates_nothing() {
    let (plant, memory, profile) = (Plant::reference(), ControlMemory::at_rest(), synthetic::profile(9, 3));
    let coefficients = Coefficients::new([[0.03; REGRESSORS]; 4].map(|row| vec![row; 144])).unwrap();
    let (mut ridge, mut forecast) = (Ridge::new(coefficients, plant.step_ms()), Forecast::of_steps(145));
    let counted = allocation_counter::measure(|| {
        // The first day has too little history for the ridge, the last has all.
        for (index, row) in profile.rows().iter().enumerate().step_by(13) {
            let (situation, known) = (row.situation(Soc::new(0.5)), profile.view(&(0..9 * 96), index, 4));
            let input = PolicyInput { plant: &plant, situation: &situation, memory: &memory, known: &known };
            forecast.fill(&input, &mut ridge);
            forecast.fill(&input, &mut Persistence);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_planner_allocates_nothing_after_its_first_decision() {
    let filter = SafetyFilter::new(Plant::reference());
    let mut policy = Plan::new(Persistence, PlanSettings { hours: 6, ..PlanSettings::default() });
    let mut decide = |hour: i32| {
        let x = f64::from(hour);
        let row =
            ProfileRow { pv_kw: 2.0 * x, heat_load_kw: 90.0 - x, electric_load_kw: 20.0 + x, ..ProfileRow::default() };
        let mut memory = ControlMemory::from_measured(Watts::ZERO, Watts::new(40_000), hour % 2 == 0, 900_000);
        decide::step(&filter, &row.situation(Soc::new(0.3 + 0.02 * x)), &mut memory, &Nothing, &mut policy).is_ok()
    };
    assert!(decide(0));
    let counted = allocation_counter::measure(|| assert!((1..24).all(&mut decide)));
    assert_eq!(counted.count_total, 0);
}
