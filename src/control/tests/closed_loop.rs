//! The supervision loop at a plant that is not as exact as a formula: noisy meters, lags, jumps, stalls. One row each; what
//! is printed is the table in `docs/loop.md`.
//!
//! `cargo test --release -p memg-control --test closed_loop -- --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]

use memg_control::cycle::{Chain, ControlConfig, ControlState, CycleInput, decide};
use memg_control::mode::ModeTimes;
use memg_core::equipment::{Margins, Plant, PlantParameters};
use memg_core::measurement::{Measurement, Quality};
use memg_core::plant_state::{PlantState, Signal};
use memg_core::profile::ProfileRow;
use memg_core::rules::{GoodRule, SeedRule};
use memg_core::safety::SafetyFilter;
use memg_core::setpoints::SafeSetpoints;
use memg_core::synthetic;

const DAY_S: usize = 86_400;
/// Of each day's rows; one row is a quarter of an hour.
const ROW_S: usize = 900;

/// What is not exact in a row of the table.
#[derive(Debug, Clone, Copy, Default)]
struct Trouble {
    /// Every ten minutes the load jumps by up to this much, kW.
    jump_kw: f64,
    /// Standard deviations of the meters.
    power_sigma_kw: f64,
    soc_sigma: f64,
    voltage_sigma_pu: f64,
    /// Time constant of the battery, s.
    lag_s: f64,
    /// The battery does this much more than it is told.
    gain: f64,
    /// Every half hour nothing is read for this long, s.
    stall_s: usize,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    /// Energy beyond import or export, and beyond the SoC band; kWh.
    grid_kwh: f64,
    soc_kwh: f64,
    /// Longest time beyond a limit, s, and furthest beyond, kW.
    longest_s: usize,
    furthest_kw: f64,
    /// How far the SoC left its band, and the way the battery's power went in the day, kW.
    soc_beyond: f64,
    travel_kw: f64,
    auto_s: usize,
}

/// Numbers in [0, 1), always the same ones.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Sum of twelve: nearly normal, never beyond six sigma.
    fn normal(&mut self, sigma: f64) -> f64 {
        sigma * ((0..12).map(|_| self.unit()).sum::<f64>() - 6.0)
    }
}

/// A connection that binds: 60 kW of import for a load of up to 60 kW, 35 kW of export.
fn plant(margins: Margins) -> Plant {
    let mut p = PlantParameters::reference();
    p.grid.import_kw_max = 60.0;
    p.grid.export_kw_max = 35.0;
    p.exogenous.electric_load_kw_max = 60.0;
    p.chp.edit(|chp| chp.p_kw_max = 40.0);
    p.margins = margins;
    p.validate().expect("a plant")
}

/// The plant as it is.
struct World {
    plant: Plant,
    trouble: Trouble,
    dice: Dice,
    rows: Vec<ProfileRow>,
    second: usize,
    jump_kw: f64,
    soc: f64,
    battery_kw: f64,
    told: Option<SafeSetpoints>,
    last: Option<(usize, PlantState)>,
}

impl World {
    fn new(plant: Plant, trouble: Trouble) -> Self {
        let rows = synthetic::profile(2, 11).rows().to_vec();
        let (dice, soc) = (Dice(5), 0.5);
        Self { plant, trouble, dice, rows, second: 0, jump_kw: 0.0, soc, battery_kw: 0.0, told: None, last: None }
    }

    fn row(&self) -> (ProfileRow, f64) {
        let (index, within) = (self.second / ROW_S, (self.second % ROW_S) as f64 / ROW_S as f64);
        let (now, next) = (self.rows[index], self.rows[index + 1]);
        let load = now.electric_load_kw + within * (next.electric_load_kw - now.electric_load_kw);
        (now, (0.6 * load + self.jump_kw).clamp(5.0, 60.0))
    }

    fn renewables(&self, row: &ProfileRow) -> f64 {
        let cap = self.told.and_then(|told| told.renewable_limit()).map_or(f64::INFINITY, |cap| cap.kilowatts().get());
        (row.pv_kw + row.wind_kw).min(cap)
    }

    fn chp_kw(&self) -> f64 {
        self.told.map_or(0.0, |told| told.chp().kilowatts().get())
    }

    fn grid_kw(&self) -> f64 {
        let (row, load) = self.row();
        load + self.battery_kw - self.chp_kw() - self.renewables(&row)
    }

    /// One second passes.
    fn pass(&mut self) {
        let target = self.told.map_or(0.0, |told| told.battery().kilowatts().get()) * (1.0 + self.trouble.gain);
        let share = if self.trouble.lag_s > 0.0 { (1.0 / self.trouble.lag_s).min(1.0) } else { 1.0 };
        self.battery_kw += share * (target - self.battery_kw);
        let wh = self.battery_kw * 1000.0 / 3600.0;
        let unit = self.plant.batteries().get(0).unwrap();
        let per_wh = if wh > 0.0 { unit.soc_per_wh_charged } else { unit.soc_per_wh_discharged };
        self.soc += wh * per_wh;
        self.second += 1;
        if self.second.is_multiple_of(600) && self.trouble.jump_kw > 0.0 {
            self.jump_kw = self.trouble.jump_kw * (2.0 * self.dice.unit() - 1.0);
        }
    }

    /// What is read in this second; in a stall the last reading grows old, and stale after 15 s.
    fn measure(&mut self) -> PlantState {
        let stalled = self.trouble.stall_s > 0 && self.second % 1800 >= 1800 - self.trouble.stall_s;
        if let Some((at, before)) = self.last.filter(|_| stalled) {
            let age_s = self.second - at;
            return aged(&before, age_s as u64);
        }
        let (row, load) = self.row();
        let t = self.trouble;
        let grid = self.grid_kw();
        let voltage = self.plant.voltage(
            memg_core::units::PerUnit::new(1.0),
            memg_core::units::Kilowatts::new(grid),
            memg_core::units::Kilowatts::ZERO,
        );
        let mut noisy = |value: f64, sigma: f64| Measurement::good(value + self.dice.normal(sigma));
        let values = [
            (Signal::PvAvailableKw, Measurement::good(row.pv_kw)),
            (Signal::WindAvailableKw, Measurement::good(row.wind_kw)),
            (Signal::PvKw, Measurement::good(row.pv_kw)),
            (Signal::WindKw, Measurement::good(row.wind_kw)),
            (Signal::ElectricLoadKw, noisy(load, t.power_sigma_kw)),
            (Signal::HeatLoadKw, Measurement::good(row.heat_load_kw)),
            (Signal::Soc, noisy(self.soc, t.soc_sigma)),
            (Signal::BatteryKw, noisy(self.battery_kw, t.power_sigma_kw)),
            (Signal::ChpKw, Measurement::good(self.told.map_or(0.0, |told| told.chp().kilowatts().get()))),
            (Signal::ChpOn, Measurement::good(f64::from(u8::from(self.told.is_some_and(|told| told.chp_on()))))),
            (Signal::GridKw, noisy(grid, t.power_sigma_kw)),
            (Signal::GridVoltagePu, noisy(voltage.get(), t.voltage_sigma_pu)),
            (Signal::ImportPriceEurPerKwh, Measurement::good(row.import_price)),
            (Signal::ExportPriceEurPerKwh, Measurement::good(row.export_price)),
        ];
        let find = |signal| values.iter().find(|(s, _)| *s == signal).map_or(Measurement::absent(), |(_, m)| *m);
        let mut state = PlantState::from_image(find, (self.second % DAY_S) as f64 / 3600.0);
        // Meters show what is between the ends of their scales.
        let kw = memg_core::units::Kilowatts::new;
        state.electric_load = state.electric_load.map(|load| load.max(kw(5.0)).min(kw(60.0)));
        self.last = Some((self.second, state));
        state
    }
}

fn aged(state: &PlantState, age_s: u64) -> PlantState {
    let mut state = *state;
    let quality = if age_s > 15 { Quality::Stale } else { Quality::Good };
    macro_rules! age {
        ($($field:expr),*) => { $(if !$field.is_absent() {
            ($field.quality, $field.age_ms) = (quality, age_s * 1000);
        })* };
    }
    age!(state.pv, state.wind, state.electric_load, state.heat_load, state.grid, state.grid_voltage);
    let ([battery, ..], [chp, ..]) = (&mut state.batteries, &mut state.chps);
    age!(battery.soc, battery.power, chp.power, chp.on, state.import_price, state.export_price);
    state
}

/// A day under control.
fn live(trouble: Trouble, margins: Margins) -> Outcome {
    let plant = plant(margins);
    let config = ControlConfig {
        filter: SafetyFilter::new(plant),
        times: ModeTimes::default(),
        simulated: true,
        cycle_ms: 1000,
        stand_in_ms: u64::MAX,
        response_ms: 20_000,
        chp_response_ms: 300_000,
        substitutes: Default::default(),
        grid_limit: Default::default(),
    };
    let mut chain = Chain { policy: Some(Box::new(SeedRule)), model: "seed".into(), rule: GoodRule };
    let (mut world, mut state) = (World::new(plant, trouble), ControlState::start(0));
    let (mut outcome, mut beyond_s) = (Outcome::default(), 0);
    for second in 0..DAY_S {
        let ms = second as i64 * 1000;
        let input = CycleInput {
            cycle: second as u64 + 1,
            early: false,
            now_ms: ms as u64,
            uptime_ms: ms,
            plant_ms: ms,
            state: world.measure(),
            witnesses: Vec::new(),
            grid_limits: Vec::new(),
            outlook: None,
            commands: Vec::new(),
            fault: None,
        };
        let decision = decide(&config, &mut state, &input, &mut chain);
        outcome.auto_s += usize::from(decision.mode == memg_control::mode::Mode::Auto);
        if let Some(safe) = decision.safe.filter(|_| decision.written) {
            world.told = Some(safe);
        }
        let before = world.battery_kw;
        world.pass();
        outcome.travel_kw += (world.battery_kw - before).abs();
        note(&mut outcome, &mut beyond_s, &world);
    }
    outcome
}

fn note(outcome: &mut Outcome, beyond_s: &mut usize, world: &World) {
    let (p, grid) = (world.plant.parameters(), world.grid_kw());
    let beyond = (grid - p.grid.import_kw_max).max(-p.grid.export_kw_max - grid);
    let soc = (world.soc - world.plant.battery().soc_max).max(world.plant.battery().soc_min - world.soc);
    if beyond > 0.005 {
        outcome.grid_kwh += beyond / 3600.0;
        outcome.furthest_kw = outcome.furthest_kw.max(beyond);
        *beyond_s += 1;
        outcome.longest_s = outcome.longest_s.max(*beyond_s);
    } else {
        *beyond_s = 0;
    }
    if soc > 1e-6 {
        outcome.soc_beyond = outcome.soc_beyond.max(soc);
        outcome.soc_kwh = outcome.soc_kwh.max(soc * world.plant.battery().capacity_kwh);
    }
}

/// What a row may show.
struct Row {
    name: &'static str,
    trouble: Trouble,
    margins: Margins,
    /// Longest time beyond a limit, s: a cycle, and the device's response.
    longest_s: usize,
    /// Travel of the battery over that of the exact case.
    travel: f64,
}

fn rows() -> [Row; 8] {
    let none = Trouble::default();
    let steady = Margins { dead_band_kw: 0.5, filter_s: 60.0, ..Margins::NONE };
    let row = |name, trouble, margins, longest_s, travel| Row { name, trouble, margins, longest_s, travel };
    [
        row("exact", none, Margins::NONE, 1, 1.0),
        row("load jumps of 30 kW", Trouble { jump_kw: 30.0, ..none }, steady, 1, f64::INFINITY),
        row(
            "noise of the demonstration",
            Trouble { power_sigma_kw: 0.1, soc_sigma: 0.001, voltage_sigma_pu: 0.001, ..none },
            Margins { power_kw: 0.3, soc: 0.003, voltage_pu: 0.003, ..steady },
            1,
            2.0,
        ),
        row(
            "SoC noise of 1 %",
            Trouble { soc_sigma: 0.01, ..none },
            Margins { soc: 0.03, dead_band_kw: 2.0, ..steady },
            1,
            2.0,
        ),
        row(
            "noise of the demonstration, nothing declared",
            Trouble { power_sigma_kw: 0.1, soc_sigma: 0.001, voltage_sigma_pu: 0.001, ..none },
            Margins::NONE,
            usize::MAX,
            f64::INFINITY,
        ),
        row(
            "battery lag of 3 s",
            Trouble { lag_s: 3.0, ..none },
            Margins { power_kw: 0.5, soc: 0.001, ..steady },
            15,
            2.0,
        ),
        row("battery does 3 % more", Trouble { gain: 0.03, ..none }, Margins { power_kw: 1.5, ..steady }, 1, 2.0),
        row("stalls of 20 s", Trouble { stall_s: 20, ..none }, steady, 1, f64::INFINITY),
    ]
}

#[test]
fn limits_hold_beyond_their_margins_for_no_longer_than_devices_need() {
    let mut exact_travel = f64::NAN;
    let mut failed = Vec::new();
    println!("| row | grid beyond, kWh | longest, s | furthest, kW | SoC beyond, % | battery travel, kW | in Auto |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows() {
        let found = live(row.trouble, row.margins);
        exact_travel = if exact_travel.is_nan() { found.travel_kw } else { exact_travel };
        println!(
            "| {} | {:.4} | {} | {:.2} | {:.3} | {:.0} | {:.1} % |",
            row.name,
            found.grid_kwh,
            found.longest_s,
            found.furthest_kw,
            found.soc_beyond * 100.0,
            found.travel_kw,
            found.auto_s as f64 / DAY_S as f64 * 100.0,
        );
        if found.longest_s > row.longest_s {
            failed.push(format!("{}: beyond a limit for {} s", row.name, found.longest_s));
        }
        if found.travel_kw > row.travel * exact_travel + 1e-6 {
            failed.push(format!("{}: the battery travels {} kW", row.name, found.travel_kw));
        }
        if row.longest_s < usize::MAX && found.soc_beyond > row.margins.soc.max(1e-6) {
            failed.push(format!("{}: the SoC leaves its band by {}", row.name, found.soc_beyond));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
