//! The two CHP states as polygons, and the search among them: as requested, with renewables curtailed, with rules
//! yielding.
//!
//! `b` is battery, `p` CHP, `c` curtailment, all in whole watts. Renewables are written as a cap in whole watts, so the
//! exchange is `L - R + b - p` without a cap and `L - floor(R) + c + b - p` with one (load `L`, renewables `R`).

use super::nearest::{Polygon, Target, nearest};
use super::relaxation::Relaxation;
use super::wanted::Wanted;
use crate::constraint::{ChpLimits, Context, Limits, OnStates, Priority, Rule, Span, limits};
use crate::units::{Kilowatts, Watts};
use core::ops::Range;

/// Limits of `b - p + c`, rounded inward: those of import, export and voltage, and without the voltage.
#[derive(Debug, Clone, Copy)]
struct Window {
    limits: (Watts, Watts),
    connection: (Watts, Watts),
}

impl Window {
    fn new(context: &Context<'_>, limits: &Limits, net: Kilowatts) -> Self {
        let (floor, ceil) = (Watts::floor(net), Watts::ceil(net));
        let (low, high) = (limits.grid.low.value - floor, limits.grid.high.value - ceil);
        let limits = if low <= high {
            (low, high)
        } else if limits.grid.low.rule == Rule::GridExport {
            // A span of less than a watt: the voltage has a watt of margin, export and import have none.
            (low, low)
        } else {
            (high, high)
        };
        let connection = (-context.plant.export_max() - floor, context.plant.import_max() - ceil);
        Self { limits, connection }
    }
}

/// What the grid limits leave for `b - p`, depending on the curtailment. `None` is no cap, zero a cap at the whole
/// watts that are available.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strip {
    free: Window,
    capped: Window,
    /// Most that can be curtailed.
    pub available: Watts,
}

impl Strip {
    pub fn new(context: &Context<'_>, limits: &Limits) -> Self {
        let available = Watts::floor(context.situation.renewables()).max(Watts::ZERO);
        let free = Window::new(context, limits, context.situation.net_load());
        Self { free, capped: Window::new(context, limits, capped_net_load(context)), available }
    }

    /// Limits of `b - p`.
    pub fn limits(&self, curtailed: Option<Watts>) -> (Watts, Watts) {
        curtailed.map_or(self.free.limits, |c| (self.capped.limits.0 - c, self.capped.limits.1 - c))
    }

    /// Watts by which `b - p` is beyond import or export, and beyond all limits.
    fn beyond(&self, curtailed: Option<Watts>, difference: Watts) -> (Watts, Watts) {
        let (window, c) = curtailed.map_or((&self.free, Watts::ZERO), |c| (&self.capped, c));
        let outside =
            |(low, high): (Watts, Watts)| (low - c - difference).max(difference - (high - c)).max(Watts::ZERO);
        (outside(window.connection), outside(window.limits))
    }

    /// The largest curtailment that leaves `b - p` below its upper limit; negative if there is none.
    pub fn curtailment_max(&self, difference: Watts) -> Watts {
        (self.capped.limits.1 - difference).min(self.available)
    }
}

/// Net load with a cap at the whole watts that are available.
pub(super) fn capped_net_load(context: &Context<'_>) -> Kilowatts {
    context.situation.electric_load - Watts::floor(context.situation.renewables()).kilowatts()
}

/// One combination of CHP states with its box.
#[derive(Debug, Clone, Copy)]
struct Branch {
    on: OnStates,
    battery: (Watts, Watts),
    chp: (Watts, Watts),
}

impl Branch {
    fn lowest(&self) -> Watts {
        self.battery.0 - self.chp.1
    }
    fn highest(&self) -> Watts {
        self.battery.1 - self.chp.0
    }
    fn polygon(&self, strip: &Strip, curtailed: Option<Watts>) -> Polygon {
        Polygon { battery: self.battery, chp: self.chp, difference: strip.limits(curtailed) }
    }
    /// Smallest and largest curtailment with which the grid limits can be met, if there is one.
    fn curtailments(&self, strip: &Strip) -> Option<(Watts, Watts)> {
        let least = (strip.capped.limits.0 - self.highest()).max(Watts::ZERO);
        let most = strip.curtailment_max(self.lowest());
        (least <= most).then_some((least, most))
    }
    /// The point that comes closest to the grid limits if none meets them.
    fn corner(&self, strip: &Strip) -> Choice {
        let short = self.lowest() > strip.free.limits.1;
        let (b, p) = (self.battery, self.chp);
        let (battery, chp) = if short { (b.0, p.1) } else { (b.1, p.0) };
        // Renewables yield before any ramp does.
        let curtailed = (!short).then(|| strip.curtailment_max(battery - chp).max(Watts::ZERO));
        Choice { battery, chp, on: self.on, curtailed, ..Choice::REST }
    }
    /// How much to curtail here, coming from a corner that is short of power or has curtailed all it can.
    fn curtailment_from(&self, corner: &Choice, strip: &Strip) -> Option<Watts> {
        let possible = self.curtailments(strip);
        if corner.curtailed.is_some() {
            possible.map(|(_, most)| most)
        } else if self.polygon(strip, None).is_feasible() {
            None
        } else {
            possible.map(|(least, _)| least)
        }
    }
}

/// A choice before it becomes a verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub battery: Watts,
    pub chp: Watts,
    pub on: OnStates,
    /// `None`: no cap.
    pub curtailed: Option<Watts>,
    pub relaxation: Relaxation,
    cost: f64,
}

/// The first of these that is possible: the nearest point; the nearest point with the least curtailment; the point
/// for which rules yield least.
pub(super) fn choose(context: &Context<'_>, full: &Limits, strip: &Strip, wanted: &Wanted) -> Choice {
    let uncurtailed = branches(context, full).map(|branch| (branch, None));
    best(uncurtailed, strip, &wanted.target, Relaxation::None)
        .or_else(|| curtail(context, full, strip, wanted))
        .unwrap_or_else(|| relax(context, full, strip, wanted))
}

/// Numbers of the combinations of CHP states: `k` differs from the present one in the CHPs of `k`'s bits.
fn combinations(context: &Context<'_>) -> Range<u8> {
    0..1 << context.plant.chps().len()
}

fn branches(context: &Context<'_>, limits: &Limits) -> impl Iterator<Item = Branch> {
    combinations(context).filter_map(|flipped| branch(context, limits, flipped))
}

/// The combination of that number, if it is possible.
fn branch(context: &Context<'_>, limits: &Limits, flipped: u8) -> Option<Branch> {
    let span = |span: Span| (span.low.value, span.high.value);
    let on = OnStates::of(&context.anchor.memory).flip(flipped);
    // A present state may always be kept.
    let allowed = |(index, chp): (usize, &ChpLimits)| {
        flipped & (1 << index) == 0 || if on.contains(index) { chp.may_run } else { chp.may_rest }.is_ok()
    };
    let is_possible = limits.chps().iter().enumerate().all(allowed);
    is_possible.then(|| Branch { on, battery: span(limits.battery()), chp: span(limits.chp(on)) })
}

/// Nearest point over the feasible candidates; on a tie the first (the present CHP state) stays.
fn best(
    candidates: impl Iterator<Item = (Branch, Option<Watts>)>,
    strip: &Strip,
    target: &Target,
    relaxation: Relaxation,
) -> Option<Choice> {
    let mut found: Option<Choice> = None;
    for (branch, curtailed) in candidates {
        let polygon = branch.polygon(strip, curtailed);
        if !polygon.is_feasible() {
            continue;
        }
        let target = Target { difference: target.difference - curtailed.unwrap_or(Watts::ZERO).as_f64(), ..*target };
        let (battery, chp) = nearest(&target, &polygon);
        let cost = target.cost(battery.as_f64(), chp.as_f64());
        if found.is_none_or(|choice| cost < choice.cost) {
            found = Some(Choice { battery, chp, on: branch.on, curtailed, relaxation, cost });
        }
    }
    found
}

/// The smallest curtailment that makes a branch feasible with every other rule kept.
fn curtail(context: &Context<'_>, full: &Limits, strip: &Strip, wanted: &Wanted) -> Option<Choice> {
    let least = |branch: Branch| branch.curtailments(strip).map(|(least, _)| least);
    let needed = branches(context, full).filter_map(least).min()?;
    let candidates = branches(context, full).map(|branch| (branch, Some(needed)));
    best(candidates, strip, &wanted.target, Relaxation::Curtailment)
}

/// Rules yield one after the other, each by the smallest amount. As long as that helps the CHP's state is not changed in
/// a way that only the yielding rule allows.
fn relax(context: &Context<'_>, full: &Limits, strip: &Strip, wanted: &Wanted) -> Choice {
    let stages = [
        (Priority::ChpRamp, Relaxation::BatteryRamp),
        (Priority::ChpTimes, Relaxation::ChpRamp),
        (Priority::Hard, Relaxation::ChpTimes),
    ];
    let battery = full.battery();
    let battery = (battery.low.value, battery.high.value);
    let mut before = *full;
    for (weakest, relaxation) in stages {
        let now = limits(context, weakest);
        let mut known: Option<Choice> = None;
        let mut new: Option<Choice> = None;
        for flipped in combinations(context) {
            let Some(wide) = branch(context, &now, flipped) else { continue };
            let narrow = branch(context, &before, flipped);
            let start = narrow.unwrap_or(Branch { battery, ..wide });
            let found = settle(&start, &wide, strip, wanted).map(|choice| Choice { relaxation, ..choice });
            let slot = if narrow.is_some() { &mut known } else { &mut new };
            *slot = nearer(*slot, found);
        }
        if let Some(choice) = known.or(new) {
            return choice;
        }
        before = now;
    }
    most_helpful(branches(context, &before), strip)
}

fn nearer(a: Option<Choice>, b: Option<Choice>) -> Option<Choice> {
    match (a, b) {
        (Some(a), Some(b)) if b.cost < a.cost => Some(b),
        (a, b) => a.or(b),
    }
}

/// From a branch as the rules had it to a wider one: if it is feasible as it was (a CHP state that has just become
/// possible), the nearest point, with the least curtailment; otherwise the point that leaves the box least.
fn settle(narrow: &Branch, wide: &Branch, strip: &Strip, wanted: &Wanted) -> Option<Choice> {
    let stage = Relaxation::Shedding;
    let nearest = |branch: &Branch, curtailed, target: &Target| {
        best(core::iter::once((*branch, curtailed)), strip, target, stage)
    };
    let least = || narrow.curtailments(strip).and_then(|(least, _)| nearest(narrow, Some(least), &wanted.target));
    let corner = || {
        let corner = narrow.corner(strip);
        nearest(wide, wide.curtailment_from(&corner, strip), &corner.target(wanted))
    };
    nearest(narrow, None, &wanted.target).or_else(least).or_else(corner)
}

/// The point that comes closest to the grid limits. Import and export count before the voltage: the present CHP state
/// can always keep them.
fn most_helpful(branches: impl Iterator<Item = Branch>, strip: &Strip) -> Choice {
    let mut found: Option<((Watts, Watts), Choice)> = None;
    for corner in branches.map(|branch| branch.corner(strip)) {
        let beyond = strip.beyond(corner.curtailed, corner.battery - corner.chp);
        if found.is_none_or(|(least, _)| beyond < least) {
            found = Some((beyond, corner));
        }
    }
    // The present CHP state is always one of the branches; `REST` only satisfies totality.
    found.map_or(Choice::REST, |(_, choice)| choice)
}

impl Choice {
    const REST: Self = Self {
        battery: Watts::ZERO,
        chp: Watts::ZERO,
        on: OnStates::NONE,
        curtailed: None,
        relaxation: Relaxation::Shedding,
        cost: f64::INFINITY,
    };

    fn target(&self, wanted: &Wanted) -> Target {
        let weights = crate::equipment::FilterWeights { grid: 0.0, ..wanted.target.weights };
        Target { battery: self.battery.as_f64(), chp: self.chp.as_f64(), difference: 0.0, weights }
    }
}
