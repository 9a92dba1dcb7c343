//! The decision itself: the nearest point that keeps the rules, droop and price response on top, and what had to change.

use super::branch::{Choice, Strip, capped_net_load, choose};
use super::explain::Case;
use super::intervention::{Intervention, Interventions, Quantity};
use super::relaxation::Relaxation;
use super::split::{shift, split};
use super::wanted::{Wanted, held_chps};
use crate::constraint::{Anchor, Context, Limits, Priority, Rule, Span, droop_power, limits, limits_and_hard_battery};
use crate::equipment::{Plant, UNITS_MAX};
use crate::reward::{broken, requested_violations};
use crate::setpoints::{SafeChp, SafeSetpoints, Setpoints};
use crate::situation::Situation;
use crate::units::Watts;

/// What the filter decided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// What may be written.
    pub safe: SafeSetpoints,
    /// Power of each battery without the droop response: ramps of the next step count from here.
    pub battery_base: [Watts; UNITS_MAX],
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
        Bounded::new(&self.plant, situation, anchor).verdict(request)
    }

    /// [`Self::filter`], and how many rules the request itself broke, see [`requested_violations`].
    #[must_use]
    pub fn filter_and_count(&self, situation: &Situation, anchor: &Anchor, request: &Setpoints) -> (Verdict, u32) {
        if !situation.is_within_bounds(&self.plant) {
            return (self.safe_stop(anchor), requested_violations(&self.plant, situation, anchor, request));
        }
        let bounded = Bounded::new(&self.plant, situation, anchor);
        (bounded.verdict(request), bounded.violations(request))
    }

    /// Battery at zero, CHP as it is, renewables off: keeps the grid limits for every load within the declared bounds.
    #[must_use]
    pub fn safe_stop(&self, anchor: &Anchor) -> Verdict {
        self.blind(anchor, held_chps(&self.plant, anchor))
    }

    /// Like [`Self::safe_stop`], but the CHP unloads with its ramp and stops once its minimum time on is over. Keeps the
    /// same limits: with battery and renewables at zero any CHP power within its ratings does.
    #[must_use]
    pub fn shut_down(&self, anchor: &Anchor) -> Verdict {
        self.blind(anchor, unloaded_chps(&self.plant, anchor))
    }

    /// Set-points that need no measurement.
    fn blind(&self, anchor: &Anchor, chps: [Watts; UNITS_MAX]) -> Verdict {
        let mut interventions = Interventions::default();
        let (battery, chp) =
            (anchor.memory.batteries.iter().map(|battery| battery.anchor).sum(), chps.into_iter().sum());
        let before = [(Quantity::Battery, battery, Watts::ZERO), (Quantity::Chp, anchor.memory.chp(), chp)];
        for (quantity, before_w, after_w) in before {
            if quantity == Quantity::Battery || before_w != after_w {
                let margin_w = Watts::ZERO;
                interventions.push(Intervention { rule: Rule::SafeStop, quantity, before_w, after_w, margin_w });
            }
        }
        let chps = chps.map(|power| SafeChp { power, on: power > Watts::ZERO });
        Verdict {
            safe: SafeSetpoints::new([Watts::ZERO; UNITS_MAX], chps, Some(Watts::ZERO)),
            battery_base: [Watts::ZERO; UNITS_MAX],
            relaxation: Relaxation::SafeStop,
            interventions,
        }
    }
}

/// A situation within bounds, with its limits.
struct Bounded<'a> {
    plant: &'a Plant,
    situation: Situation,
    anchor: &'a Anchor,
    full: Limits,
    /// What the rules that never yield leave to all batteries together.
    hard_battery: Span,
}

impl<'a> Bounded<'a> {
    #[inline]
    fn new(plant: &'a Plant, situation: &Situation, anchor: &'a Anchor) -> Self {
        let mut situation = situation.with_draw_as_load();
        count_what_does_not_follow(plant, &mut situation, anchor);
        let (full, hard_battery) = limits_and_hard_battery(&Context { plant, situation: &situation, anchor });
        Self { plant, situation, anchor, full, hard_battery }
    }

    const fn context(&self) -> Context<'_> {
        Context { plant: self.plant, situation: &self.situation, anchor: self.anchor }
    }

    fn violations(&self, request: &Setpoints) -> u32 {
        broken(&self.context(), &self.hard_battery, &self.full, request)
    }

    fn verdict(&self, request: &Setpoints) -> Verdict {
        let (context, full) = (&self.context(), &self.full);
        let wanted = Wanted::new(context, request);
        let strip = Strip::new(context, full);
        let mut choice = choose(context, full, &strip, &wanted);
        let case = Case { context, full, strip: &strip, request, wanted: &wanted, choice: &choice };
        let mut interventions = Interventions::default();
        case.tell(&mut interventions);
        let battery_base = battery_powers(context, full, &choice);
        let chps = chp_powers(context, full, &choice);
        let before_droop = choice.battery;
        self.add_droop(&strip, &mut choice, &mut interventions);
        avoid_paid_export(context, &strip, &mut choice, &mut interventions);
        let droop = choice.battery - before_droop;
        let batteries = if droop == Watts::ZERO {
            battery_base
        } else {
            shift(battery_base, droop, limits(context, Priority::Hard).batteries())
        };
        Verdict {
            safe: SafeSetpoints::new(batteries, chps, renewable_limit(&choice, &strip)),
            battery_base,
            relaxation: relaxation(&choice, full),
            interventions,
        }
    }

    /// The droop response is exempt from the ramp, but not from SoC, ratings, grid and voltage limits.
    fn add_droop(&self, strip: &Strip, choice: &mut Choice, log: &mut Interventions) {
        let droop = droop_power(self.plant, self.situation.frequency);
        if droop == Watts::ZERO {
            return;
        }
        let all = self.hard_battery;
        let (low, high) = strip.limits(choice.curtailed);
        let low = all.low.value.max(low + choice.chp).min(choice.battery);
        let high = all.high.value.min(high + choice.chp).max(choice.battery);
        let after_w = (choice.battery + droop).within(low, high);
        if after_w != choice.battery {
            log.push(Intervention {
                rule: Rule::FrequencyDroop,
                quantity: Quantity::Battery,
                before_w: choice.battery,
                after_w,
                margin_w: (choice.battery + droop - after_w).abs(),
            });
        }
        choice.battery = after_w;
    }
}

/// What a battery that does not follow does beyond what it may be told counts as load.
fn count_what_does_not_follow(plant: &Plant, situation: &mut Situation, anchor: &Anchor) {
    if situation.doubt.battery_fixed.iter().all(Option::is_none) {
        return;
    }
    let hard = limits(&Context { plant, situation, anchor }, Priority::Hard);
    for (fixed, told) in situation.doubt.battery_fixed.iter().zip(hard.batteries()) {
        if let Some(power) = fixed {
            situation.electric_load += (*power - told.low.value).kilowatts();
        }
    }
}

/// Next set-point of each CHP on its way to a stop; 0 = off.
fn unloaded_chps(plant: &Plant, anchor: &Anchor) -> [Watts; UNITS_MAX] {
    let mut next = held_chps(plant, anchor);
    for ((next, chp), unit) in next.iter_mut().zip(&anchor.memory.chps).zip(plant.chps().iter()) {
        let at_minimum = chp.anchor.max(chp.now) <= unit.min;
        *next = if !chp.on || (at_minimum && chp.in_state_ms >= unit.min_up_ms) {
            Watts::ZERO
        } else {
            (chp.anchor - unit.ramp).within(unit.min, *next)
        };
    }
    next
}

/// What the strongest limits that hold it make of a choice; later ones are only made where those before do not.
fn within_strongest<T>(context: &Context<'_>, full: &Limits, of: impl Fn(&Limits) -> Option<T>) -> Option<T> {
    let weaker = [Priority::ChpRamp, Priority::ChpTimes, Priority::Hard];
    of(full).or_else(|| weaker.into_iter().find_map(|weakest| of(&limits(context, weakest))))
}

/// Each battery's share, within the strongest limits that hold the sum.
fn battery_powers(context: &Context<'_>, full: &Limits, choice: &Choice) -> [Watts; UNITS_MAX] {
    let shares = within_strongest(context, full, |limits| split(choice.battery, limits.batteries().iter()));
    // The choice comes from one of these limits; resting batteries only satisfy totality.
    shares.unwrap_or([Watts::ZERO; UNITS_MAX])
}

/// Each CHP's share, within the strongest limits that hold the sum.
fn chp_powers(context: &Context<'_>, full: &Limits, choice: &Choice) -> [SafeChp; UNITS_MAX] {
    const OFF: Span = Span::of(Watts::ZERO, Rule::ChpRating);
    let shares = within_strongest(context, full, |limits| {
        let units = limits.chps().iter().enumerate();
        split(choice.chp, units.map(|(index, chp)| if choice.on.contains(index) { &chp.power } else { &OFF }))
    });
    let mut chps = [SafeChp::default(); UNITS_MAX];
    for (index, (chp, power)) in chps.iter_mut().zip(shares.unwrap_or_default()).enumerate() {
        *chp = SafeChp { power, on: choice.on.contains(index) };
    }
    chps
}

fn renewable_limit(choice: &Choice, strip: &Strip) -> Option<Watts> {
    choice.curtailed.map(|curtailed| (strip.available - curtailed).max(Watts::ZERO))
}

fn relaxation(choice: &Choice, full: &Limits) -> Relaxation {
    choice.relaxation.max(Relaxation::of_collapsed(full.collapsed))
}

/// Feeding in at a negative price costs money, and curtailing is free: what would be exported is not produced. Only as
/// far as the voltage allows, and not while the frequency is too low.
fn avoid_paid_export(context: &Context<'_>, strip: &Strip, choice: &mut Choice, log: &mut Interventions) {
    let needed = context.situation.frequency < context.plant.frequency_band().0;
    if context.situation.export_price.get() >= 0.0 || needed {
        return;
    }
    let difference = choice.battery - choice.chp;
    let export = -(Watts::floor(capped_net_load(context)) + difference);
    let curtailed = export.min(strip.curtailment_max(difference));
    let before = choice.curtailed.unwrap_or(Watts::ZERO);
    if curtailed > before {
        log.push(Intervention {
            rule: Rule::NegativePrice,
            quantity: Quantity::Renewables,
            before_w: strip.available - before,
            after_w: strip.available - curtailed,
            margin_w: Watts::ZERO,
        });
        choice.curtailed = Some(curtailed);
    }
}
