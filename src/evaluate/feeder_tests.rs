//! A feeder with known R and X, meters with noise: both are found again, within what is stated.

use super::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const R: f64 = 0.025;
const X: f64 = 0.024;
const BASE: f64 = 100.0;

/// How P and Q move in a record, and the meters' noise (uniform, half width).
#[derive(Clone, Copy)]
struct Record {
    seconds: usize,
    p_step_kw: f64,
    q_step_kvar: f64,
    noise_kw: f64,
    noise_pu: f64,
}

const USUAL: Record = Record { seconds: 4 * 3600, p_step_kw: 10.0, q_step_kvar: 5.0, noise_kw: 0.2, noise_pu: 3e-4 };

/// A sample a second; P and Q step every ten seconds on average, Vs wanders by 0.01 pu within an hour.
fn record(of: Record, seed: u64) -> Vec<Sample> {
    let mut rng = Pcg64::seed_from_u64(seed);
    let (mut p, mut q) = (10.0, 5.0);
    let mut samples = Vec::new();
    for second in 0..of.seconds {
        if rng.random_range(0..10) == 0 {
            p = (p + rng.random_range(-1.0..=1.0) * of.p_step_kw).clamp(-80.0, 80.0);
            q = (q + rng.random_range(-1.0..=1.0) * of.q_step_kvar).clamp(-40.0, 40.0);
        }
        let vs = 1.0 + 0.01 * (second as f64 / 3600.0 * std::f64::consts::TAU).sin();
        let v = vs - (R * p + X * q) / BASE / vs;
        let mut noisy = |value: f64, width: f64| value + rng.random_range(-1.0..=1.0) * width;
        samples.push(Sample {
            time_s: second as f64,
            p_kw: noisy(p, of.noise_kw),
            q_kvar: noisy(q, of.noise_kw),
            v_pu: noisy(v, of.noise_pu),
        });
    }
    samples
}

#[test]
fn r_and_x_are_found_within_their_standard_errors_and_three_percent() {
    for seed in 0..8 {
        let found = fit(&record(USUAL, seed), BASE, 60.0).unwrap();
        for (value, error, truth) in
            [(found.resistance_pu, found.resistance_error_pu, R), (found.reactance_pu, found.reactance_error_pu, X)]
        {
            assert!((value - truth).abs() <= 4.0 * error && (value - truth).abs() <= 0.03 * truth, "{seed}: {found:?}");
        }
    }
}

#[test]
fn exact_records_give_exact_numbers() {
    let exact = Record { noise_kw: 0.0, noise_pu: 0.0, seconds: 1000, ..USUAL };
    let found = fit(&record(exact, 1), BASE, 60.0).unwrap();
    assert!((found.resistance_pu - R).abs() < 1e-4 && (found.reactance_pu - X).abs() < 2e-4, "{found:?}");
}

#[test]
fn noise_of_the_power_meter_does_not_make_r_smaller() {
    let noisy = Record { noise_kw: 2.0, p_step_kw: 8.0, q_step_kvar: 8.0, seconds: 8 * 3600, ..USUAL };
    let mean = |seeds: u64| {
        (0..seeds).map(|seed| fit(&record(noisy, seed), BASE, 60.0).unwrap().resistance_pu).sum::<f64>() / seeds as f64
    };
    // Ordinary least squares on the same differences gives 0.011 to 0.013.
    assert!((mean(4) - R).abs() < 0.05 * R, "{}", mean(4));
}

#[test]
fn the_margin_covers_noise_and_wander() {
    let found = fit(&record(USUAL, 3), BASE, 60.0).unwrap();
    // 0.0003 pu of the voltmeter, 0.00007 of the power meter, and up to 0.001 of wander within the filter's minute.
    assert!((0.0005..0.002).contains(&found.margin_voltage_pu), "{found:?}");
}

#[test]
fn a_tap_changer_does_not_disturb() {
    let mut samples = record(USUAL, 5);
    for (index, sample) in samples.iter_mut().enumerate() {
        sample.v_pu += if (index / 1800) % 2 == 0 { 0.0 } else { 0.015 };
    }
    let found = fit(&samples, BASE, 60.0).unwrap();
    assert!((found.resistance_pu - R).abs() < 0.03 * R, "{found:?}");
}

#[test]
fn records_that_do_not_move_enough_are_refused_and_say_what_has_to_move() {
    let told = |samples: &[Sample]| fit(samples, BASE, 60.0).unwrap_err().to_string();
    let still_p = told(&record(Record { p_step_kw: 0.0, noise_kw: 0.0, ..USUAL }, 1));
    assert!(still_p.contains("R is too uncertain") && still_p.contains("while P moves"), "{still_p}");
    let faint_q = told(&record(Record { q_step_kvar: 0.02, ..USUAL }, 1));
    assert!(faint_q.contains("X is too uncertain") && faint_q.contains("while Q moves"), "{faint_q}");
    let few = told(&record(Record { seconds: 100, ..USUAL }, 1));
    assert!(few.contains("97 steps") && few.contains("at least 200"), "{few}");
}

#[test]
fn a_constant_power_factor_is_refused_and_a_wrong_sign_is_named() {
    let mut samples = record(USUAL, 2);
    samples.iter_mut().for_each(|sample| sample.q_kvar = 0.2 * sample.p_kw);
    assert!(matches!(fit(&samples, BASE, 60.0), Err(FitError::Together { .. })));
    let mut samples = record(USUAL, 2);
    samples.iter_mut().for_each(|sample| (sample.p_kw, sample.q_kvar) = (-sample.p_kw, -sample.q_kvar));
    assert!(matches!(fit(&samples, BASE, 60.0), Err(FitError::Negative { what: "R", .. })));
}

#[test]
fn steps_over_a_gap_do_not_count() {
    let mut samples = record(Record { seconds: 600, ..USUAL }, 4);
    samples.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0).for_each(|(_, sample)| sample.time_s -= 0.9);
    assert_eq!(fit(&samples, BASE, 60.0), Err(FitError::TooFew { found: 0 }));
}
