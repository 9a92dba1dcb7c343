//! The decision itself: the nearest point that keeps the rules, droop and price response on top, and what had to change.

use super::branch::{Choice, Strip, capped_net_load, choose};
use super::explain::Case;
use super::intervention::{Intervention, Interventions, Quantity};
use super::relaxation::Relaxation;
use super::split::{shift, split};
use super::wanted::{Wanted, held_chps};
use crate::constraint::{Anchor, Context, Limits, Priority, Rule, Span, droop_power, limits};
use crate::equipment::{Plant, UNITS_MAX};
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
        let situation = self.with_batteries_as_they_are(situation.with_draw_as_load(), anchor);
        let context = Context { plant: &self.plant, situation: &situation, anchor };
        let wanted = Wanted::new(&context, request);
        let full = limits(&context, Priority::BatteryRamp);
        let strip = Strip::new(&context, &full);
        let mut choice = choose(&context, &full, &strip, &wanted);
        let case = Case { context: &context, full: &full, strip: &strip, request, wanted: &wanted, choice: &choice };
        let mut interventions = case.interventions();
        let battery_base = battery_powers(&context, &full, &choice);
        let chps = chp_powers(&context, &full, &choice);
        let before_droop = choice.battery;
        let hard = add_droop(&context, &strip, &mut choice, &mut interventions);
        avoid_paid_export(&context, &strip, &mut choice, &mut interventions);
        let batteries = hard.map_or(battery_base, |hard| shift(battery_base, choice.battery - before_droop, &hard));
        Verdict {
            safe: SafeSetpoints::new(batteries, chps, renewable_limit(&choice, &strip)),
            battery_base,
            relaxation: relaxation(&choice, &full),
            interventions,
        }
    }

    /// What a battery that does not follow does beyond what it may be told counts as load.
    fn with_batteries_as_they_are(&self, mut situation: Situation, anchor: &Anchor) -> Situation {
        if situation.doubt.battery_fixed.iter().all(Option::is_none) {
            return situation;
        }
        let told = limits(&Context { plant: &self.plant, situation: &situation, anchor }, Priority::Hard).batteries;
        for (fixed, told) in situation.doubt.battery_fixed.iter().zip(told) {
            if let Some(power) = fixed {
                situation.electric_load += (*power - told.low.value).kilowatts();
            }
        }
        situation
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

/// The limits in the order in which rules yield.
fn stages<'a>(context: &'a Context<'_>, full: &'a Limits) -> impl Iterator<Item = Limits> + 'a {
    let weaker = [Priority::ChpRamp, Priority::ChpTimes, Priority::Hard];
    core::iter::once(*full).chain(weaker.into_iter().map(|weakest| limits(context, weakest)))
}

/// Each battery's share, within the strongest limits that hold the sum.
fn battery_powers(context: &Context<'_>, full: &Limits, choice: &Choice) -> [Watts; UNITS_MAX] {
    let shares = stages(context, full).find_map(|limits| split(choice.battery, &limits.batteries));
    // The choice comes from one of these limits; resting batteries only satisfy totality.
    shares.unwrap_or([Watts::ZERO; UNITS_MAX])
}

/// Each CHP's share, within the strongest limits that hold the sum.
fn chp_powers(context: &Context<'_>, full: &Limits, choice: &Choice) -> [SafeChp; UNITS_MAX] {
    let off = Span::new(Watts::ZERO, Watts::ZERO, Rule::ChpRating);
    let shares = stages(context, full).find_map(|limits| {
        let mut spans = [off; UNITS_MAX];
        for (index, (span, chp)) in spans.iter_mut().zip(limits.chps).enumerate() {
            *span = if choice.on.contains(index) { chp.power } else { off };
        }
        split(choice.chp, &spans)
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

/// The droop response is exempt from the ramp, but not from SoC, ratings, grid and voltage limits. Gives the limits of each
/// battery that count for it, if there is any response.
fn add_droop(
    context: &Context<'_>,
    strip: &Strip,
    choice: &mut Choice,
    log: &mut Interventions,
) -> Option<[Span; UNITS_MAX]> {
    let droop = droop_power(context.plant, context.situation.frequency);
    if droop == Watts::ZERO {
        return None;
    }
    let hard = limits(context, Priority::Hard);
    let all = hard.battery();
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
    Some(hard.batteries)
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
