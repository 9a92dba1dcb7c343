//! The decision itself: which rules can be kept, the nearest point that keeps them, and what had to change.

use super::intervention::{Intervention, Interventions, Quantity};
use super::nearest::{Polygon, Target, nearest};
use crate::constraint::{Anchor, Context, Limits, Priority, Rule, droop_power, limits};
use crate::equipment::Plant;
use crate::setpoints::{SafeSetpoints, Setpoints};
use crate::situation::Situation;
use crate::units::{Kilowatts, Watts};
use serde::{Deserialize, Serialize};

/// How far rules had to yield, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relaxation {
    /// Every rule is kept and no renewable energy is lost for a limit.
    #[default]
    None,
    /// Renewables are curtailed.
    Curtailment,
    /// The battery moves faster than its ramp.
    BatteryRamp,
    /// The CHP unloads faster than its ramp.
    ChpRamp,
    /// The CHP switches before its minimum time.
    ChpTimes,
    /// Grid or voltage limits cannot be met by any set-point; load would have to be shed.
    Shedding,
    /// Measurements unknown or out of bounds: certified safe-stop set-points.
    SafeStop,
}

impl Relaxation {
    /// 0 = none … 6 = safe stop; the `relaxation_stage` of traces.
    #[must_use]
    pub const fn stage(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Curtailment => 1,
            Self::BatteryRamp => 2,
            Self::ChpRamp => 3,
            Self::ChpTimes => 4,
            Self::Shedding => 5,
            Self::SafeStop => 6,
        }
    }

    /// All stages in order.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Curtailment,
        Self::BatteryRamp,
        Self::ChpRamp,
        Self::ChpTimes,
        Self::Shedding,
        Self::SafeStop,
    ];
}

/// What the filter decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// What may be written.
    pub safe: SafeSetpoints,
    /// Battery power without the droop response: ramps of the next step count from here.
    pub battery_base: Watts,
    /// How far rules had to yield.
    pub relaxation: Relaxation,
    /// What was changed and why.
    pub interventions: Interventions,
}

/// Makes [`SafeSetpoints`]; nothing else does. See the module's property P.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SafetyFilter {
    plant: Plant,
}

/// A choice before it becomes a verdict.
#[derive(Debug, Clone, Copy)]
struct Choice {
    battery: Watts,
    chp: Watts,
    on: bool,
    curtailed: Watts,
    relaxation: Relaxation,
    cost: f64,
}

/// One CHP state with its polygon.
#[derive(Debug, Clone, Copy)]
struct Branch {
    on: bool,
    polygon: Polygon,
}

impl Branch {
    /// Watts by which `b - p` stays above its upper limit at best (too much import); <= 0 if it can be met.
    fn shortage(&self) -> Watts {
        self.polygon.battery.0 - self.polygon.chp.1 - self.polygon.difference.1
    }
    /// Watts by which `b - p` stays below its lower limit at best (too much export); <= 0 if it can be met.
    fn surplus(&self) -> Watts {
        self.polygon.difference.0 - (self.polygon.battery.1 - self.polygon.chp.0)
    }
    fn curtailed(mut self, curtailed: Watts) -> Self {
        let (low, high) = self.polygon.difference;
        self.polygon.difference = (low - curtailed, high - curtailed);
        self
    }
}

impl SafetyFilter {
    /// A filter for a validated plant.
    #[must_use]
    pub const fn new(plant: Plant) -> Self {
        Self { plant }
    }

    /// The plant that it protects.
    #[must_use]
    pub const fn plant(&self) -> &Plant {
        &self.plant
    }

    /// From a request to set-points that may be written. Total: every input gives a verdict.
    #[must_use]
    pub fn filter(&self, situation: &Situation, anchor: &Anchor, request: &Setpoints) -> Verdict {
        if !situation.is_within_bounds(&self.plant) {
            return self.safe_stop(anchor);
        }
        let context = Context { plant: &self.plant, situation, anchor };
        let wanted = Wanted::new(&self.plant, situation, anchor, request);
        let full = limits(&context, Priority::BatteryRamp);
        let choice = self.choose(&context, &full, &wanted);
        self.verdict(&context, &full, &wanted, choice)
    }

    /// Battery at zero, CHP as it is, renewables off: keeps the grid limits for every load within the declared bounds.
    #[must_use]
    pub fn safe_stop(&self, anchor: &Anchor) -> Verdict {
        let chp =
            if anchor.chp_on { anchor.chp.max(self.plant.chp_min()).min(self.plant.chp_max()) } else { Watts::ZERO };
        let mut interventions = Interventions::default();
        interventions.push(Intervention {
            rule: Rule::SafeStop,
            quantity: Quantity::Battery,
            before_w: anchor.battery,
            after_w: Watts::ZERO,
            margin_w: Watts::ZERO,
        });
        Verdict {
            safe: SafeSetpoints::new(Watts::ZERO, chp, anchor.chp_on, Some(Watts::ZERO)),
            battery_base: Watts::ZERO,
            relaxation: Relaxation::SafeStop,
            interventions,
        }
    }

    fn choose(&self, context: &Context<'_>, full: &Limits, wanted: &Wanted) -> Choice {
        if let Some(choice) = best(&branches(context, full), wanted, Watts::ZERO, Relaxation::None) {
            return choice;
        }
        self.curtail(context, full, wanted).unwrap_or_else(|| relax(context, full, wanted))
    }

    /// The smallest curtailment that makes a branch feasible with every other rule kept.
    fn curtail(&self, context: &Context<'_>, full: &Limits, wanted: &Wanted) -> Option<Choice> {
        let available = curtailable(context);
        let branches = branches(context, full);
        let curable = |branch: &&Branch| branch.shortage() <= Watts::ZERO && branch.surplus() <= available;
        let needed = branches.iter().flatten().filter(curable).map(Branch::surplus).min()?;
        let least = branches.map(|branch| branch.filter(|b| b.surplus() <= needed).map(|b| b.curtailed(needed)));
        best(&least, wanted, needed, Relaxation::Curtailment)
    }

    fn verdict(&self, context: &Context<'_>, full: &Limits, wanted: &Wanted, choice: Choice) -> Verdict {
        let mut choice = choice;
        let mut interventions = explain(context, full, wanted, &choice);
        let base = choice.battery;
        self.add_droop(context, full, &mut choice, &mut interventions);
        avoid_paid_export(context, &mut choice, &mut interventions);
        let renewables = context.situation.renewables();
        let limit =
            (choice.curtailed > Watts::ZERO).then(|| (Watts::floor(renewables) - choice.curtailed).max(Watts::ZERO));
        let relaxation = match full.collapsed {
            Some(Rule::BatteryRamp | Rule::FrequencyBand) => choice.relaxation.max(Relaxation::BatteryRamp),
            Some(Rule::Voltage) => choice.relaxation.max(Relaxation::Shedding),
            _ => choice.relaxation,
        };
        let safe = SafeSetpoints::new(choice.battery, choice.chp, choice.on, limit);
        Verdict { safe, battery_base: base, relaxation, interventions }
    }

    /// The droop response is exempt from the ramp, but not from SoC, ratings, grid and voltage limits.
    fn add_droop(&self, context: &Context<'_>, full: &Limits, choice: &mut Choice, log: &mut Interventions) {
        let droop = droop_power(&self.plant, context.situation.frequency);
        if droop == Watts::ZERO {
            return;
        }
        let hard = limits(context, Priority::Hard);
        let (low, high) = strip(context, full);
        let shift = choice.chp - choice.curtailed;
        let low = hard.battery.low.value.max(low + shift).min(choice.battery);
        let high = hard.battery.high.value.min(high + shift).max(choice.battery);
        let after = (choice.battery + droop).within(low, high);
        if after != choice.battery {
            log.push(Intervention {
                rule: Rule::FrequencyDroop,
                quantity: Quantity::Battery,
                before_w: choice.battery,
                after_w: after,
                margin_w: (choice.battery + droop - after).abs(),
            });
        }
        choice.battery = after;
    }
}

/// The request in whole watts, free of NaN.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    battery: Watts,
    chp: Watts,
    grid: Option<Watts>,
    target: Target,
    sanitised: bool,
}

impl Wanted {
    fn new(plant: &Plant, situation: &Situation, anchor: &Anchor, request: &Setpoints) -> Self {
        let held_chp = if anchor.chp_on { anchor.chp.max(plant.chp_min()) } else { Watts::ZERO };
        let battery = finite_or(request.battery, anchor.battery).within(-plant.discharge_max(), plant.charge_max());
        let chp = finite_or(request.chp, held_chp).within(Watts::ZERO, plant.chp_max());
        let grid = request.grid.filter(|grid| !grid.get().is_nan());
        let grid = grid.map(|g| Watts::nearest(g).within(-plant.export_max(), plant.import_max()));
        let sanitised = battery != Watts::nearest(request.battery)
            || chp != Watts::nearest(request.chp)
            || request.battery.get().is_nan()
            || request.chp.get().is_nan()
            || grid != request.grid.map(Watts::nearest);
        let mut weights = plant.parameters().filter_weights;
        // Without a grid wish the third term must vanish, not pull towards zero.
        if grid.is_none() {
            weights.grid = 0.0;
        }
        let net = situation.net_load().get() * 1000.0;
        let difference = grid.map_or(0.0, |g| g.as_f64() - net);
        let target = Target { battery: battery.as_f64(), chp: chp.as_f64(), difference, weights };
        Self { battery, chp, grid, target, sanitised }
    }
}

fn finite_or(power: Kilowatts, fallback: Watts) -> Watts {
    if power.get().is_nan() { fallback } else { Watts::nearest(power) }
}

/// Limits of `b - p` that keep the grid span for the real net load, rounded inward.
fn strip(context: &Context<'_>, limits: &Limits) -> (Watts, Watts) {
    let net = context.situation.net_load();
    let low = limits.grid.low.value - Watts::floor(net);
    let high = limits.grid.high.value - Watts::ceil(net);
    // A span of less than a watt can cross when both ends are rounded inward.
    (low.min(high), high)
}

fn curtailable(context: &Context<'_>) -> Watts {
    Watts::floor(context.situation.renewables()).max(Watts::ZERO)
}

fn branches(context: &Context<'_>, limits: &Limits) -> [Option<Branch>; 2] {
    let difference = strip(context, limits);
    let battery = (limits.battery.low.value, limits.battery.high.value);
    let branch = |on, chp| Branch { on, polygon: Polygon { battery, chp, difference } };
    // Exactly one of the two states is the present one, and it may always be kept.
    let on = (limits.may_run.is_ok() || context.anchor.chp_on)
        .then(|| branch(true, (limits.chp.low.value, limits.chp.high.value)));
    let off = (limits.may_rest.is_ok() || !context.anchor.chp_on).then(|| branch(false, (Watts::ZERO, Watts::ZERO)));
    if context.anchor.chp_on { [on, off] } else { [off, on] }
}

/// Nearest point over the feasible branches; on a tie the first branch (the present CHP state) stays.
fn best(branches: &[Option<Branch>; 2], wanted: &Wanted, curtailed: Watts, relaxation: Relaxation) -> Option<Choice> {
    let mut found: Option<Choice> = None;
    for branch in branches.iter().flatten().filter(|branch| branch.polygon.is_feasible()) {
        let mut target = wanted.target;
        target.difference -= curtailed.as_f64();
        let (battery, chp) = nearest(&target, &branch.polygon);
        let cost = target.cost(battery.as_f64(), chp.as_f64());
        if found.is_none_or(|choice| cost < choice.cost) {
            found = Some(Choice { battery, chp, on: branch.on, curtailed, relaxation, cost });
        }
    }
    found
}

/// Rules yield one after the other; each stage starts from the most helpful point of the stage before, so that every
/// rule yields by the smallest amount.
fn relax(context: &Context<'_>, full: &Limits, wanted: &Wanted) -> Choice {
    let stages = [
        (Priority::ChpRamp, Relaxation::BatteryRamp),
        (Priority::ChpTimes, Relaxation::ChpRamp),
        (Priority::Hard, Relaxation::ChpTimes),
    ];
    let mut corner = most_helpful(context, &branches(context, full));
    // Renewables yield before any ramp does: what the first corner curtails stays curtailed.
    let curtailed = corner.curtailed;
    for (weakest, relaxation) in stages {
        let branches = branches(context, &limits(context, weakest)).map(|b| b.map(|b| b.curtailed(curtailed)));
        let target = Wanted { target: corner.target(wanted), ..*wanted };
        if let Some(choice) = best(&branches, &target, curtailed, relaxation) {
            return choice;
        }
        corner = Choice { curtailed, ..most_helpful(context, &branches) };
    }
    Choice { relaxation: Relaxation::Shedding, ..corner }
}

/// The point that comes closest to the grid limits.
fn most_helpful(context: &Context<'_>, branches: &[Option<Branch>; 2]) -> Choice {
    let mut found: Option<(Watts, Choice)> = None;
    for branch in branches.iter().flatten() {
        let short = branch.shortage() > Watts::ZERO;
        let (b, p) = (branch.polygon.battery, branch.polygon.chp);
        let (battery, chp) = if short { (b.0, p.1) } else { (b.1, p.0) };
        let curtailed = if short { Watts::ZERO } else { curtailable(context) };
        let missing = if short { branch.shortage() } else { branch.surplus() };
        let choice =
            Choice { battery, chp, on: branch.on, curtailed, relaxation: Relaxation::Shedding, cost: f64::INFINITY };
        if found.is_none_or(|(least, _)| missing < least) {
            found = Some((missing, choice));
        }
    }
    // The present CHP state is always one of the branches; the fallback only satisfies totality.
    let hold = Choice {
        battery: Watts::ZERO,
        chp: Watts::ZERO,
        on: false,
        curtailed: Watts::ZERO,
        relaxation: Relaxation::Shedding,
        cost: f64::INFINITY,
    };
    found.map_or(hold, |(_, choice)| choice)
}

impl Choice {
    fn target(&self, wanted: &Wanted) -> Target {
        let weights = crate::equipment::FilterWeights { grid: 0.0, ..wanted.target.weights };
        Target { battery: self.battery.as_f64(), chp: self.chp.as_f64(), difference: 0.0, weights }
    }
}

/// Feeding in at a negative price costs money, and curtailing is free: what would be exported is not produced.
fn avoid_paid_export(context: &Context<'_>, choice: &mut Choice, log: &mut Interventions) {
    if context.situation.export_price.get() >= 0.0 {
        return;
    }
    let exchange = Watts::floor(context.situation.net_load()) + choice.battery - choice.chp + choice.curtailed;
    let more = (-exchange).max(Watts::ZERO).min(curtailable(context) - choice.curtailed);
    if more > Watts::ZERO {
        log.push(Intervention {
            rule: Rule::NegativePrice,
            quantity: Quantity::Renewables,
            before_w: curtailable(context) - choice.curtailed,
            after_w: curtailable(context) - choice.curtailed - more,
            margin_w: Watts::ZERO,
        });
        choice.curtailed = choice.curtailed + more;
    }
}

/// Names the rule behind every difference between request and choice.
fn explain(context: &Context<'_>, full: &Limits, wanted: &Wanted, choice: &Choice) -> Interventions {
    let mut log = Interventions::default();
    let mut note = |quantity, rule, before_w: Watts, after_w: Watts, limit: Watts| {
        if before_w != after_w {
            let margin_w = (limit - after_w).abs();
            log.push(Intervention { rule, quantity, before_w, after_w, margin_w });
        }
    };
    let (rule, limit) = battery_cause(context, full, wanted, choice);
    note(Quantity::Battery, rule, wanted.battery, choice.battery, limit);
    let (rule, limit) = chp_cause(context, full, wanted, choice);
    note(Quantity::Chp, rule, wanted.chp, choice.chp, limit);
    if let Some(grid) = wanted.grid {
        let exchange = Watts::nearest(context.situation.net_load()) + choice.battery - choice.chp + choice.curtailed;
        // Rounding of the net load alone is not an intervention.
        if (grid - exchange).get().abs() > 1 {
            note(Quantity::Grid, Rule::Balance, grid, exchange, exchange);
        }
    }
    let available = curtailable(context);
    note(
        Quantity::Renewables,
        Rule::Curtailment,
        available,
        available - choice.curtailed,
        available - choice.curtailed,
    );
    if wanted.sanitised && log.is_empty() {
        let (before_w, after_w) = (wanted.battery, choice.battery);
        let (rule, quantity) = (Rule::NotANumber, Quantity::Battery);
        log.push(Intervention { rule, quantity, before_w, after_w, margin_w: Watts::ZERO });
    }
    log
}

fn battery_cause(context: &Context<'_>, full: &Limits, wanted: &Wanted, choice: &Choice) -> (Rule, Watts) {
    let span = full.battery;
    if wanted.battery > choice.battery && choice.battery >= span.high.value {
        (span.high.rule, span.high.value)
    } else if wanted.battery < choice.battery && choice.battery <= span.low.value {
        (span.low.rule, span.low.value)
    } else {
        grid_cause(context, full, choice, choice.battery)
    }
}

fn chp_cause(context: &Context<'_>, full: &Limits, wanted: &Wanted, choice: &Choice) -> (Rule, Watts) {
    let wants_on = wanted.chp > Watts::ZERO;
    match (wants_on, choice.on) {
        (true, false) => full.may_run.map_or_else(|rule| (rule, choice.chp), |()| (Rule::ChpRating, choice.chp)),
        (false, true) => full.may_rest.map_or_else(|rule| (rule, choice.chp), |()| (Rule::Balance, choice.chp)),
        _ if wanted.chp > choice.chp && choice.chp >= full.chp.high.value => (full.chp.high.rule, full.chp.high.value),
        _ if wanted.chp < choice.chp && choice.chp <= full.chp.low.value => (full.chp.low.rule, full.chp.low.value),
        _ => grid_cause(context, full, choice, choice.chp),
    }
}

/// The side of the grid span that is active, or the balance if none is.
fn grid_cause(context: &Context<'_>, full: &Limits, choice: &Choice, own: Watts) -> (Rule, Watts) {
    let difference = choice.battery - choice.chp + choice.curtailed;
    let (low, high) = strip(context, full);
    if difference >= high {
        (full.grid.high.rule, own)
    } else if difference <= low {
        (full.grid.low.rule, own)
    } else {
        (Rule::Balance, own)
    }
}
