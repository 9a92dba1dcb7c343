//! What must hold for set-points, written down a second time: own equations in whole watts and f64, sharing nothing with
//! the filter but the numbers of the plant.

use memg_core::equipment::{Battery, Chp, PlantParameters};

/// The plant in whole watts, rounded inward.
#[derive(Debug, Clone)]
pub struct Rules {
    pub battery: Battery,
    pub chp: Chp,
    pub p: PlantParameters,
    pub charge: i64,
    pub discharge: i64,
    pub battery_ramp: i64,
    pub chp_min: i64,
    pub chp_max: i64,
    pub chp_ramp: i64,
    pub import: i64,
    pub export: i64,
    pub step_ms: i64,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub load_w: f64,
    pub renewables_w: f64,
    /// The net load may be higher or lower by this much, the source voltage off by this much.
    pub doubt_up_w: f64,
    pub doubt_down_w: f64,
    pub doubt_pu: f64,
    pub soc_low: f64,
    pub soc_high: f64,
    pub source_pu: f64,
    pub kvar: f64,
    pub hz: f64,
    pub export_price: f64,
    /// All of it is inside the declared bounds.
    pub valid: bool,
}

/// Where the step began.
#[derive(Debug, Clone, Copy)]
pub struct Past {
    pub battery: i64,
    pub chp: i64,
    /// Latest set-points within the step.
    pub battery_now: i64,
    pub chp_now: i64,
    pub on: bool,
    pub since_ms: i64,
    pub hold_ms: i64,
}

/// A point: what was decided, or what could have been.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub battery: i64,
    pub chp: i64,
    pub on: bool,
    /// `None`: no cap.
    pub cap: Option<i64>,
}

pub const CURTAILMENT: u8 = 1;
pub const BATTERY_RAMP: u8 = 2;
pub const CHP_RAMP: u8 = 3;
pub const CHP_TIMES: u8 = 4;
pub const SHEDDING: u8 = 5;
pub const SAFE_STOP: u8 = 6;

/// Sums of floats in watts may be off by this much.
const NOISE_W: f64 = 1e-5;
/// Rounding inward, twice, and the voltage's inner margin.
const ROUNDING_W: f64 = 4.0;
/// The SoC's inner margin, and some.
const SOC_MARGIN: f64 = 4e-9;

fn down(kw: f64) -> i64 {
    (kw * 1000.0 + 1e-6).floor() as i64
}

impl Rules {
    pub fn new(p: &PlantParameters) -> Self {
        let (b, c) = (p.battery_of_all(), p.chp_of_all());
        Self {
            p: *p,
            battery: b,
            chp: c,
            charge: down(b.charge_kw_max),
            discharge: down(b.discharge_kw_max),
            battery_ramp: down(b.ramp_kw_per_step),
            chp_min: -down(-c.p_kw_min),
            chp_max: down(c.p_kw_max),
            chp_ramp: down(c.ramp_kw_per_step),
            import: down(p.grid.import_kw_max),
            export: down(p.grid.export_kw_max),
            step_ms: (p.step_h * 3.6e6).round() as i64,
        }
    }

    pub fn soc_after(&self, soc: f64, battery_w: i64, ms: i64) -> f64 {
        let (kwh, b) = (battery_w as f64 / 1000.0 * (ms as f64 / 3.6e6), &self.battery);
        soc + if kwh > 0.0 { kwh * b.efficiency_store } else { kwh / b.efficiency_dispatch } / b.capacity_kwh
    }

    /// Import in W.
    pub fn exchange(&self, seen: &Seen, at: &Point) -> f64 {
        let produced = at.cap.map_or(seen.renewables_w, |cap| seen.renewables_w.min(cap as f64));
        seen.load_w - produced + at.battery as f64 - at.chp as f64
    }

    /// Import in W at which the voltage is `pu`, with a source voltage off by `off`.
    fn import_at_voltage(&self, seen: &Seen, pu: f64, off: f64) -> f64 {
        let (g, source) = (&self.p.grid, seen.source_pu + off);
        1000.0 * (source * (source - pu) * g.base_kva - g.reactance_pu * seen.kvar) / g.resistance_pu
    }

    /// Import limits in W, voltage included.
    pub fn grid_limits(&self, seen: &Seen) -> (f64, f64) {
        let (import, export) = (self.import as f64 - seen.doubt_up_w, self.export as f64 - seen.doubt_down_w);
        let (v_min, v_max) = (self.p.grid.voltage_pu_min, self.p.grid.voltage_pu_max);
        let at = |pu, off| self.import_at_voltage(seen, pu, off);
        let low = at(v_max, 0.0).max(at(v_max, seen.doubt_pu)).max(-export.max(0.0));
        let high = at(v_min, 0.0).min(at(v_min, -seen.doubt_pu)).min(import.max(0.0));
        (low, high)
    }

    fn started(past: &Past) -> bool {
        past.on && past.chp != 0
    }

    /// Ratings, and what the CHP can physically do.
    fn is_possible(&self, past: &Past, at: &Point) -> bool {
        let chp = match (at.on, Self::started(past)) {
            (false, _) => at.chp == 0,
            (true, false) => at.chp == self.chp_min,
            (true, true) => {
                at.chp >= self.chp_min
                    && at.chp <= self.chp_max
                    && at.chp <= past.chp.saturating_add(self.chp_ramp).max(self.chp_min)
            }
        };
        chp && at.battery >= -self.discharge && at.battery <= self.charge
    }

    /// Rules that yield, up to the stage that is reported.
    fn keeps_soft(&self, stage: u8, seen: &Seen, past: &Past, at: &Point) -> bool {
        (stage >= CHP_TIMES || self.keeps_times(past, at))
            && (stage >= CHP_RAMP || self.keeps_chp_ramp(past, at))
            && (stage >= BATTERY_RAMP || (self.keeps_battery_ramp(past, at) && self.keeps_frequency(seen, past, at)))
    }

    fn keeps_times(&self, past: &Past, at: &Point) -> bool {
        let needed = if past.on { self.chp.min_up_steps } else { self.chp.min_down_steps };
        at.on == past.on || past.since_ms >= i64::from(needed) * self.step_ms
    }

    fn keeps_chp_ramp(&self, past: &Past, at: &Point) -> bool {
        if !Self::started(past) {
            true
        } else if at.on {
            at.chp >= past.chp.saturating_sub(self.chp_ramp)
        } else {
            past.chp.max(past.chp_now) <= self.chp_min
        }
    }

    fn keeps_battery_ramp(&self, past: &Past, at: &Point) -> bool {
        at.battery.saturating_sub(past.battery).saturating_abs() <= self.battery_ramp
    }

    fn keeps_frequency(&self, seen: &Seen, past: &Past, at: &Point) -> bool {
        let f = &self.p.frequency;
        if seen.hz < f.hz_min {
            at.battery <= past.battery_now && (!past.on || (at.on && at.chp >= past.chp_now.min(self.chp_max)))
        } else if seen.hz > f.hz_max {
            // A unit that unloads no faster than its ramp may still be above what a faster unload had reached.
            let slowest = past.chp.saturating_sub(self.chp_ramp).max(self.chp_min);
            let chp_ok = if past.on { at.chp <= past.chp_now.max(slowest) } else { !at.on };
            at.battery >= past.battery_now && chp_ok
        } else {
            true
        }
    }

    /// The grid limits, with a distance from them in W.
    fn keeps_grid(&self, seen: &Seen, at: &Point, distance: f64) -> bool {
        let (low, high) = self.grid_limits(seen);
        let exchange = self.exchange(seen, at);
        exchange >= low + distance && exchange <= high - distance
    }

    /// The SoC stays inside if this power is held and then ramped down, step by step, with a margin.
    fn keeps_soc(&self, seen: &Seen, past: &Past, battery: i64, margin: f64) -> bool {
        let b = &self.battery;
        let power = (battery as f64).abs() / 1000.0;
        let mut kwh = power * past.hold_ms.max(0) as f64 / 3.6e6;
        let mut rest = power - self.battery_ramp as f64 / 1000.0;
        while rest > 0.0 {
            kwh += rest * self.step_ms as f64 / 3.6e6;
            rest -= self.battery_ramp as f64 / 1000.0;
        }
        match battery {
            0 => true,
            1.. => seen.soc_high + kwh * b.efficiency_store / b.capacity_kwh <= b.soc_max - margin,
            _ => seen.soc_low - kwh / b.efficiency_dispatch / b.capacity_kwh >= b.soc_min + margin,
        }
    }

    /// Whether a point keeps everything that must be kept when rules may yield as far as `stage`, without doubt.
    pub fn qualifies(&self, stage: u8, seen: &Seen, past: &Past, at: &Point) -> bool {
        (stage >= CURTAILMENT || at.cap.is_none())
            && self.is_possible(past, at)
            && self.keeps_soft(stage, seen, past, at)
            && self.keeps_grid(seen, at, ROUNDING_W)
            && self.keeps_soc(seen, past, at.battery, SOC_MARGIN)
    }

    /// Everything that the filter promises about its answer; `base` is the battery without droop.
    pub fn check(&self, seen: &Seen, past: &Past, at: &Point, base: i64, stage: u8) -> Result<(), &'static str> {
        let held = Point { battery: base, ..*at };
        let (low, high) = self.grid_limits(seen);
        let exchange = self.exchange(seen, at);
        let claims = [
            (self.is_possible(past, at) && self.is_possible(past, &held), "ratings or CHP physics"),
            (self.keeps_soft(stage, seen, past, &held), "a ramp or time that was not reported as yielding"),
            (exchange <= self.import as f64 + NOISE_W, "import limit"),
            (exchange >= -self.export as f64 - NOISE_W, "export limit"),
            (stage >= SHEDDING || self.voltage_kept(seen, exchange), "voltage"),
            (self.droop_is_right(seen, at, base), "droop"),
            (self.cap_is_right(seen, at, stage, (low, high)), "cap"),
            (stage != CURTAILMENT || self.curtails_least(seen, &held, low), "more was curtailed than needed"),
            (stage >= CHP_TIMES || self.yields_least(seen, past, &held), "a ramp yielded more than needed"),
        ];
        claims.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, name)| Err(name))
    }

    /// Curtailed for a limit: exactly down to it.
    fn curtails_least(&self, seen: &Seen, held: &Point, low: f64) -> bool {
        let priced = seen.export_price < 0.0;
        priced || self.exchange(seen, held) <= low + 2.0 * ROUNDING_W
    }

    /// A battery beyond its ramp, or a CHP that unloads faster: a few watts less would break the grid limits or the SoC.
    fn yields_least(&self, seen: &Seen, past: &Past, held: &Point) -> bool {
        const LESS: i64 = 8;
        let moved = held.battery.saturating_sub(past.battery);
        let battery_ok = moved.saturating_abs() <= self.battery_ramp.saturating_add(LESS) || {
            let back = Point { battery: held.battery - LESS * moved.signum(), ..*held };
            let rated = back.battery <= self.charge && back.battery >= -self.discharge;
            !rated || !self.keeps_grid(seen, &back, 0.0) || !self.keeps_soc(seen, past, back.battery, SOC_MARGIN)
        };
        let unloaded = past.chp.saturating_sub(held.chp) > self.chp_ramp.saturating_add(LESS);
        let back = Point { chp: held.chp + LESS, ..*held };
        let chp_ok = !unloaded || !held.on || back.chp > self.chp_max || !self.keeps_grid(seen, &back, 0.0);
        battery_ok && chp_ok
    }

    fn voltage_kept(&self, seen: &Seen, exchange: f64) -> bool {
        let g = &self.p.grid;
        let drop = (g.resistance_pu * exchange / 1000.0 + g.reactance_pu * seen.kvar) / g.base_kva;
        let voltage = seen.source_pu - drop / seen.source_pu;
        // A band narrower than whole watts can resolve is met to the watt.
        let watt = 2.0 * g.resistance_pu / 1000.0 / g.base_kva / seen.source_pu;
        let narrow = (g.voltage_pu_max - g.voltage_pu_min) < 4.0 * watt;
        let slack = if narrow { watt } else { 1e-12 * (1.0 + seen.source_pu + (drop / seen.source_pu).abs()) };
        voltage >= g.voltage_pu_min - slack && voltage <= g.voltage_pu_max + slack
    }

    /// Full droop power at this frequency, W, + = charging.
    fn droop_w(&self, hz: f64) -> f64 {
        let f = &self.p.frequency;
        let deviation = hz - f.hz_nominal;
        let Some(droop) = f.droop_pu else { return 0.0 };
        let rating = if deviation > 0.0 { self.charge } else { self.discharge } as f64;
        if deviation.abs() <= f.dead_band_hz {
            0.0
        } else if deviation.abs() >= f.full_response_hz {
            rating * deviation.signum()
        } else {
            let share = (deviation.abs() - f.dead_band_hz) / f.hz_nominal / droop;
            rating * deviation.signum() * share.min(1.0)
        }
    }

    fn droop_is_right(&self, seen: &Seen, at: &Point, base: i64) -> bool {
        let (full, given) = (self.droop_w(seen.hz), (at.battery - base) as f64);
        given == 0.0 || (given.signum() == full.signum() && given.abs() <= full.abs() + 1.0)
    }

    fn cap_is_right(&self, seen: &Seen, at: &Point, stage: u8, (_, high): (f64, f64)) -> bool {
        let priced = seen.export_price < 0.0 && seen.hz >= self.p.frequency.hz_min;
        let exchange = self.exchange(seen, at);
        let uncurtailed = self.exchange(seen, &Point { cap: None, ..*at });
        let all = at.cap == Some(0) || seen.renewables_w < 1.0;
        // Export at a negative price only where nothing is left to curtail or the voltage needs it.
        let not_paid = !priced || exchange > -1.0 || all || exchange > high - ROUNDING_W;
        // A cap needs a reason, and the price is one only until nothing is exported.
        let reason = at.cap.is_none() || stage >= CURTAILMENT || (priced && uncurtailed < 0.0 && exchange < 1.0);
        not_paid && reason
    }

    /// Whether some point keeps all rules of a stage, by intervals: for each CHP state the battery powers that fit the
    /// grid with some CHP power and some curtailment; of those the one nearest to zero is the kindest to the SoC.
    pub fn is_possible_at(&self, stage: u8, seen: &Seen, past: &Past) -> bool {
        let (low, high) = self.grid_limits(seen);
        let net = seen.load_w - seen.renewables_w;
        let cap = if stage >= CURTAILMENT { seen.renewables_w.floor() - 1.0 } else { 0.0 };
        let (lowest, highest) = self.battery_span(stage, seen, past);
        [false, true].into_iter().any(|on| {
            let Some((chp_low, chp_high)) = self.chp_span(stage, seen, past, on) else { return false };
            let from = (low + ROUNDING_W - net - cap.max(0.0)).ceil() as i64 + chp_low;
            let to = (high - ROUNDING_W - net).floor() as i64 + chp_high;
            let (from, to) = (from.max(lowest), to.min(highest));
            // The strip itself must be wide enough for whole watts.
            high - low > 3.0 * ROUNDING_W
                && from <= to
                && self.keeps_soc(seen, past, from.max(0).min(to.max(from.min(0))), SOC_MARGIN)
        })
    }

    fn battery_span(&self, stage: u8, seen: &Seen, past: &Past) -> (i64, i64) {
        let (mut low, mut high) = (-self.discharge, self.charge);
        if stage < BATTERY_RAMP {
            low = low.max(past.battery.saturating_sub(self.battery_ramp));
            high = high.min(past.battery.saturating_add(self.battery_ramp));
            if seen.hz < self.p.frequency.hz_min {
                high = high.min(past.battery_now);
            }
            if seen.hz > self.p.frequency.hz_max {
                low = low.max(past.battery_now);
            }
        }
        (low, high)
    }

    fn chp_span(&self, stage: u8, seen: &Seen, past: &Past, on: bool) -> Option<(i64, i64)> {
        let started = Self::started(past);
        let mut span = match (on, started) {
            (false, _) => (0, 0),
            (true, false) => (self.chp_min, self.chp_min),
            (true, true) => {
                let high = self.chp_max.min(past.chp.saturating_add(self.chp_ramp).max(self.chp_min));
                let slow = if stage < CHP_RAMP { past.chp.saturating_sub(self.chp_ramp) } else { 0 };
                let fixed = if stage < BATTERY_RAMP && seen.hz < self.p.frequency.hz_min { past.chp_now } else { 0 };
                (self.chp_min.max(slow).max(fixed.min(self.chp_max)), high)
            }
        };
        if stage < BATTERY_RAMP && seen.hz > self.p.frequency.hz_max && on {
            span.1 = span.1.min(past.chp_now.max(self.chp_min).max(span.0));
        }
        let end = Point { battery: past.battery_now, chp: span.0, on, cap: None };
        (span.0 <= span.1
            && self.keeps_soft(stage.max(BATTERY_RAMP), seen, past, &end)
            && self.switches(stage, seen, past, on))
        .then_some(span)
    }

    /// Outside the frequency band a CHP is not stopped below it and not started above it.
    fn switches(&self, stage: u8, seen: &Seen, past: &Past, on: bool) -> bool {
        let f = &self.p.frequency;
        let stops_below = seen.hz < f.hz_min && past.on && !on;
        let starts_above = seen.hz > f.hz_max && !past.on && on;
        stage >= BATTERY_RAMP || !(stops_below || starts_above)
    }

    /// The same by trying: corners, and some points in between.
    pub fn find_point(&self, stage: u8, seen: &Seen, past: &Past, extra: [i64; 3]) -> Option<Point> {
        let ramp = |from: i64, ramp: i64| [from, from.saturating_sub(ramp), from.saturating_add(ramp)];
        let [c0, c1, c2] = ramp(past.chp, self.chp_ramp);
        let [_, b1, b2] = ramp(past.battery, self.battery_ramp);
        let b0 = past.battery_now;
        let available = seen.renewables_w.floor() as i64;
        let (low, high) = self.grid_limits(seen);
        for chp in [0, self.chp_min, self.chp_max, c0, c1, c2, extra[0]] {
            for cap in [None, Some(0), Some(available), Some(extra[1])] {
                let rest = |g: f64| (g - self.exchange(seen, &Point { battery: 0, chp, on: true, cap })) as i64;
                let fits = [rest(low + 6.0), rest(high - 6.0)];
                for battery in [0, b0, b1, b2, self.charge, -self.discharge, fits[0], fits[1], extra[2]] {
                    let point = Point { battery, chp, on: chp > 0, cap };
                    let fitted = self.with_fitting_cap(seen, &point, low + 6.0);
                    let tried = [Some(point), fitted].into_iter().flatten();
                    let found = tried.into_iter().find(|point| self.qualifies(stage, seen, past, point));
                    if found.is_some() {
                        return found;
                    }
                }
            }
        }
        None
    }

    /// The cap that leads to an exchange of `wanted`.
    fn with_fitting_cap(&self, seen: &Seen, at: &Point, wanted: f64) -> Option<Point> {
        let uncapped = self.exchange(seen, &Point { cap: None, ..*at });
        let cap = seen.renewables_w - (wanted - uncapped);
        (cap >= 0.0 && cap < seen.renewables_w).then_some(Point { cap: Some(cap as i64), ..*at })
    }
}
