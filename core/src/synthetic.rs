//! Synthetic profiles: PV as a noisy sinusoid, wind as a random walk, load with two peaks, heat by season, prices with a
//! daily shape. Seeded; whole watts, as measured data would be.

use crate::calendar::LocalTime;
use crate::elementary::{exponential, sine_cosine_of_turn};
use crate::profile::{Profile, ProfileRow};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const STEPS_PER_DAY: i64 = 96;

/// `days` days of 15-minute rows for the reference plant (60 kW PV, 40 kW wind). The season moves through a year.
#[must_use]
pub fn profile(days: u32, seed: u64) -> Profile {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let start = LocalTime::parse("2016-01-01T00:00:00+01:00").unwrap_or_default();
    let mut walk = Walk { wind: 12.0, cloud: 0.7 };
    let rows = (0..i64::from(days) * STEPS_PER_DAY).map(|i| row(start.plus_minutes(15 * i), &mut walk, &mut rng));
    Profile::from_rows(rows.collect())
}

struct Walk {
    wind: f64,
    cloud: f64,
}

fn row(time: LocalTime, walk: &mut Walk, rng: &mut Pcg64Mcg) -> ProfileRow {
    let hour = time.hour();
    let day = crate::units::to_float(time.day_and_minute().0.rem_euclid(365));
    // 1 in midwinter, 0 in midsummer
    let winter = 0.5 + 0.5 * sine_cosine_of_turn((day - 15.0) / 365.0).1;
    let noise = |rng: &mut Pcg64Mcg, width: f64| rng.random_range(-width..=width);
    walk.wind = (walk.wind + noise(rng, 2.0) + 0.02 * (13.0 - walk.wind)).clamp(0.0, 40.0);
    walk.cloud = (walk.cloud + noise(rng, 0.08)).clamp(0.2, 1.0);
    let sun = sine_cosine_of_turn((hour - 6.0 - 1.5 * winter) / (12.0 - 3.0 * winter) / 2.0).0.max(0.0);
    let daylight = hour > 6.0 + 1.5 * winter && hour < 18.0 - 1.5 * winter;
    let pv = if daylight { 60.0 * sun * walk.cloud * (1.0 - 0.55 * winter) } else { 0.0 };
    let square = |x: f64| x * x;
    let peak = |centre: f64, width: f64| exponential(-square((hour - centre) / width));
    let load = 22.0 + 18.0 * peak(8.0, 1.8) + 28.0 * peak(19.0, 2.2) + noise(rng, 2.5);
    let heat = 18.0 + 70.0 * winter * (0.7 + 0.5 * peak(7.0, 2.5) + 0.3 * peak(20.0, 3.0)) + noise(rng, 3.0);
    let price = 0.15 + 0.06 * peak(8.0, 2.0) + 0.09 * peak(19.5, 2.0) - 0.10 * sun * (1.0 - winter) + noise(rng, 0.02);
    ProfileRow {
        time,
        pv_kw: whole_watts(pv),
        wind_kw: whole_watts(walk.wind),
        electric_load_kw: whole_watts(load.clamp(5.0, 100.0)),
        heat_load_kw: whole_watts(heat.clamp(0.0, 150.0)),
        import_price: price,
        export_price: price - 0.07,
        grid_voltage_pu: 1.01 + noise(rng, 0.01),
        frequency_hz: 50.0 + noise(rng, 0.03),
    }
}

fn whole_watts(kw: f64) -> f64 {
    (kw * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_days_within_the_plants_bounds() {
        let (a, b) = (profile(30, 5), profile(30, 5));
        assert_eq!(a, b);
        assert_ne!(a, profile(30, 6));
        assert_eq!(a.blocks(None), vec![0..30 * 96]);
        assert!(a.rows().iter().all(|r| r.pv_kw <= 60.0 && r.wind_kw <= 40.0 && r.electric_load_kw >= 5.0));
        assert!(a.rows().iter().any(|r| r.pv_kw > 20.0));
    }
}
