//! The safety filter against an adversary, in closed loop: the state of charge integrates, set-points and timers carry
//! over, several decisions fall into a step, plants and weather are random, requests are hostile. A checker that shares no
//! code with the filter judges every decision.
//!
//! ```text
//! MEMG_STEPS=100000000 cargo test --release -p memg-core --test adversary -- --nocapture
//! ```
//! `MEMG_SEED` selects another run. A failure prints everything needed to repeat it.
#![allow(
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod checker;
mod dice;
mod world;

use checker::{CURTAILMENT, Past, Point, Rules, SAFE_STOP, Seen};
use dice::Dice;
use memg_core::memory::ControlMemory;
use memg_core::safety::{SafetyFilter, Verdict};
use memg_core::setpoints::Setpoints;
use memg_core::situation::Situation;
use memg_core::units::{Kilowatts, Watts};

/// Decisions per plant.
const PER_PLANT: u64 = 20_000;

#[derive(Debug, Default)]
struct Counts {
    decisions: u64,
    stages: [u64; 7],
    transparent: u64,
    necessity: u64,
    searched: u64,
}

/// The loop: what the gateway remembers, and the same remembered independently.
struct Loop {
    rules: Rules,
    filter: SafetyFilter,
    memory: ControlMemory,
    soc: f64,
    /// Battery, CHP at the start of the step; CHP on now; ms since it was switched.
    past: Past,
    /// Latest set-points.
    latest: (i64, i64),
}

impl Loop {
    fn new(dice: &mut Dice) -> Self {
        let (plant, rules) = world::plant(dice);
        let soc = dice.between(rules.battery.soc_min, rules.battery.soc_max);
        let past =
            Past { battery: 0, chp: 0, battery_now: 0, chp_now: 0, on: false, since_ms: i64::MAX / 4, hold_ms: 0 };
        Self { filter: SafetyFilter::new(plant), memory: ControlMemory::at_rest(), rules, soc, past, latest: (0, 0) }
    }

    /// Entry from measured values that nobody controlled: any power, any state of charge.
    fn accident(&mut self, dice: &mut Dice) {
        let on = dice.one_in(2);
        let wild = if dice.one_in(4) { 3.0 } else { 1.0 };
        let battery = (wild * dice.between(-self.rules.discharge as f64, self.rules.charge as f64)) as i64;
        let chp = if on { (wild * dice.between(0.0, self.rules.chp_max as f64)) as i64 } else { 0 };
        let since_ms = dice.below(4) as i64 * self.rules.step_ms;
        self.memory = ControlMemory::from_measured(Watts::new(battery), Watts::new(chp), on, since_ms);
        self.past = Past { battery, chp, battery_now: battery, chp_now: chp, on, since_ms, hold_ms: 0 };
        self.latest = (battery, chp);
        self.soc = if dice.one_in(4) { dice.between(-0.2, 1.2) } else { dice.between(0.0, 1.0) };
    }

    /// One control step with one decision, or with several at random times.
    fn step(&mut self, dice: &mut Dice, counts: &mut Counts) {
        self.memory.begin_step();
        (self.past.battery, self.past.chp) = self.latest;
        (self.past.battery_now, self.past.chp_now) = self.latest;
        let request = world::request(&self.rules, self.latest.0, self.latest.1, dice);
        let mut left_ms = self.rules.step_ms;
        let parts = if dice.one_in(8) { 2 + dice.below(4) } else { 1 };
        for part in 1..=parts {
            let ms = if part == parts { left_ms } else { dice.below(left_ms as u64) as i64 };
            self.decide(&request, left_ms, ms, dice, counts);
            left_ms -= ms;
        }
    }

    /// Decides, checks, and lives with it for `ms`.
    fn decide(&mut self, request: &Setpoints, hold_ms: i64, ms: i64, dice: &mut Dice, counts: &mut Counts) {
        let (situation, seen) = world::weather(&self.rules, self.soc, self.likely_difference(dice), dice);
        self.past.hold_ms = hold_ms;
        let verdict = self.filter.filter(&situation, &self.memory.anchor(hold_ms), request);
        self.memory.record(&verdict);
        self.memory.elapse(ms);
        let judged = self.judge(&situation, &seen, request, &verdict, dice, counts);
        let soc_after = self.rules.soc_after(self.soc, verdict.safe.battery().get(), ms);
        let judged = judged.and_then(|()| self.judge_soc(soc_after));
        if let Err(broken) = judged {
            panic!(
                "broken: {broken}\nseen {seen:?}\npast {:?}\nsoc {} -> {soc_after}\nrequest {request:?}\nverdict \
                 {verdict:?}\nplant {:?}\nafter {counts:?}",
                self.past, self.soc, self.rules
            );
        }
        self.soc = soc_after;
        self.remember(&verdict, ms);
    }

    /// Battery minus CHP as it may well become: as it is, a ramp away, or after a start or stop.
    fn likely_difference(&self, dice: &mut Dice) -> i64 {
        let (rules, (battery, chp)) = (&self.rules, self.latest);
        let ramp = [0, rules.battery_ramp, -rules.battery_ramp, -battery][dice.below(4) as usize];
        let chp = [chp, chp + rules.chp_ramp, chp - rules.chp_ramp, rules.chp_min, 0][dice.below(5) as usize];
        battery + ramp - chp
    }

    fn remember(&mut self, verdict: &Verdict, ms: i64) {
        let on = verdict.safe.chp_on();
        if on != self.past.on {
            // Just switched: no power to ramp from until the next step.
            (self.past.on, self.past.since_ms, self.past.chp) = (on, 0, 0);
        }
        self.past.since_ms += ms;
        self.latest = (verdict.battery_base.into_iter().map(Watts::get).sum::<i64>(), verdict.safe.chp().get());
        (self.past.battery_now, self.past.chp_now) = self.latest;
    }

    /// Exactly inside the band, or no further out than it was.
    fn judge_soc(&self, after: f64) -> Result<(), &'static str> {
        let b = &self.rules.battery;
        let kept = after <= b.soc_max.max(self.soc) && after >= b.soc_min.min(self.soc);
        kept.then_some(()).ok_or("state of charge")
    }

    fn judge(
        &self,
        situation: &Situation,
        seen: &Seen,
        request: &Setpoints,
        verdict: &Verdict,
        dice: &mut Dice,
        counts: &mut Counts,
    ) -> Result<(), &'static str> {
        let (rules, past) = (&self.rules, &self.past);
        let (safe, stage) = (&verdict.safe, verdict.relaxation.stage());
        let base = verdict.battery_base.into_iter().map(Watts::get).sum::<i64>();
        let at = Point {
            battery: safe.battery().get(),
            chp: safe.chp().get(),
            on: safe.chp_on(),
            cap: safe.renewable_limit().map(Watts::get),
        };
        counts.decisions += 1;
        counts.stages[usize::from(stage)] += 1;
        if !seen.valid || stage == SAFE_STOP {
            return judge_safe_stop(rules, past, seen, &at, stage);
        }
        rules.check(seen, past, &at, base, stage)?;
        let wish = self.whole(request);
        if fits_grid(rules, seen, &wish, request, situation) && rules.qualifies(0, seen, past, &wish) {
            counts.transparent += 1;
            let same = base == wish.battery && at.chp == wish.chp && stage == 0;
            same.then_some(()).ok_or("a request that qualifies was changed")?;
        }
        if stage >= CURTAILMENT {
            counts.necessity += 1;
            let mut possible = rules.is_possible_at(stage - 1, seen, past);
            if dice.one_in(64) {
                counts.searched += 1;
                let found = rules.find_point(stage - 1, seen, past, anywhere(rules, seen, dice));
                possible |= found.is_some();
            }
            (!possible).then_some(()).ok_or("a rule yielded without need")?;
        }
        Ok(())
    }

    fn whole(&self, request: &Setpoints) -> Point {
        let watts = |kw: Kilowatts| (kw.get() * 1000.0).round() as i64;
        let (battery, chp) = (watts(request.battery), watts(request.chp));
        Point { battery, chp, on: chp != 0, cap: None }
    }
}

/// A CHP power, a cap and a battery power at random.
fn anywhere(rules: &Rules, seen: &Seen, dice: &mut Dice) -> [i64; 3] {
    let chp = dice.between(0.0, rules.chp_max as f64);
    let battery = dice.between(-rules.discharge as f64, rules.charge as f64);
    [chp, dice.between(0.0, seen.renewables_w), battery].map(|watts| watts as i64)
}

/// The request is finite and its grid wish, if any, is what the balance gives.
fn fits_grid(rules: &Rules, seen: &Seen, wish: &Point, request: &Setpoints, _: &Situation) -> bool {
    let finite = request.battery.get().is_finite() && request.chp.get().is_finite();
    let exchange = rules.exchange(seen, wish);
    finite && request.grid.is_none_or(|g| (1000.0 * g.get() - exchange).abs() < 0.4)
}

fn judge_safe_stop(rules: &Rules, past: &Past, seen: &Seen, at: &Point, stage: u8) -> Result<(), &'static str> {
    let held = if past.on { past.chp_now.max(rules.chp_min).min(rules.chp_max) } else { 0 };
    let right = stage == SAFE_STOP && !seen.valid && at.battery == 0 && at.cap == Some(0);
    (right && at.on == past.on && at.chp == held).then_some(()).ok_or("safe stop")
}

fn steps_wanted() -> u64 {
    std::env::var("MEMG_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000_000)
}

#[expect(clippy::disallowed_methods, reason = "tells how fast it is")]
#[test]
fn no_adversary_breaks_a_promise() {
    let seed = std::env::var("MEMG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (mut dice, mut counts) = (Dice::new(seed), Counts::default());
    let begin = std::time::Instant::now();
    let wanted = steps_wanted();
    while counts.decisions < wanted {
        let mut run = Loop::new(&mut dice);
        let end = counts.decisions + PER_PLANT;
        while counts.decisions < end {
            if dice.one_in(500) {
                run.accident(&mut dice);
            }
            run.step(&mut dice, &mut counts);
        }
    }
    let rate = counts.decisions as f64 / begin.elapsed().as_secs_f64();
    println!("{counts:?}, {:.2} million decisions a second", rate / 1e6);
    assert!(counts.stages.iter().all(|n| *n > 0), "every stage is reached: {counts:?}");
    assert!(counts.transparent > counts.decisions / 50, "{counts:?}");
}
