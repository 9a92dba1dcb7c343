//! The decision itself: the nearest point that keeps the rules, droop and price response on top, and what had to change.

use super::branch::{Choice, Strip, capped_net_load, choose};
use super::explain::Case;
use super::intervention::{Intervention, Interventions, Quantity};
use super::relaxation::Relaxation;
use super::wanted::{Wanted, held_chp};
use crate::constraint::{Anchor, Context, Limits, Priority, Rule, droop_power, limits};
use crate::equipment::Plant;
use crate::setpoints::{SafeSetpoints, Setpoints};
use crate::situation::Situation;
use crate::units::Watts;

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
        let situation = self.with_battery_as_it_is(situation.with_draw_as_load(), anchor);
        let context = Context { plant: &self.plant, situation: &situation, anchor };
        let wanted = Wanted::new(&context, request);
        let full = limits(&context, Priority::BatteryRamp);
        let strip = Strip::new(&context, &full);
        let mut choice = choose(&context, &full, &strip, &wanted);
        let case = Case { context: &context, full: &full, strip: &strip, request, wanted: &wanted, choice: &choice };
        let mut interventions = case.interventions();
        let battery_base = choice.battery;
        add_droop(&context, &strip, &mut choice, &mut interventions);
        avoid_paid_export(&context, &strip, &mut choice, &mut interventions);
        Verdict {
            safe: set_points(&choice, &strip),
            battery_base,
            relaxation: relaxation(&choice, &full),
            interventions,
        }
    }

    /// What a battery that does not follow does beyond what it may be told counts as load.
    fn with_battery_as_it_is(&self, mut situation: Situation, anchor: &Anchor) -> Situation {
        if let Some(power) = situation.doubt.battery_fixed {
            let told = limits(&Context { plant: &self.plant, situation: &situation, anchor }, Priority::Hard).battery;
            situation.electric_load += (power - told.low.value).kilowatts();
        }
        situation
    }

    /// Battery at zero, CHP as it is, renewables off: keeps the grid limits for every load within the declared bounds.
    #[must_use]
    pub fn safe_stop(&self, anchor: &Anchor) -> Verdict {
        self.blind(anchor, held_chp(&self.plant, anchor))
    }

    /// Like [`Self::safe_stop`], but the CHP unloads with its ramp and stops once its minimum time on is over. Keeps the
    /// same limits: with battery and renewables at zero any CHP power within its ratings does.
    #[must_use]
    pub fn shut_down(&self, anchor: &Anchor) -> Verdict {
        self.blind(anchor, unloaded_chp(&self.plant, anchor))
    }

    /// Set-points that need no measurement.
    fn blind(&self, anchor: &Anchor, chp: Watts) -> Verdict {
        let mut interventions = Interventions::default();
        let before = [(Quantity::Battery, anchor.battery, Watts::ZERO), (Quantity::Chp, anchor.chp_now, chp)];
        for (quantity, before_w, after_w) in before {
            if quantity == Quantity::Battery || before_w != after_w {
                let margin_w = Watts::ZERO;
                interventions.push(Intervention { rule: Rule::SafeStop, quantity, before_w, after_w, margin_w });
            }
        }
        Verdict {
            safe: SafeSetpoints::new(Watts::ZERO, chp, chp > Watts::ZERO, Some(Watts::ZERO)),
            battery_base: Watts::ZERO,
            relaxation: Relaxation::SafeStop,
            interventions,
        }
    }
}

/// Next set-point of a CHP on its way to a stop; 0 = off.
fn unloaded_chp(plant: &Plant, anchor: &Anchor) -> Watts {
    let at_minimum = anchor.chp.max(anchor.chp_now) <= plant.chp_min();
    if !anchor.chp_on || (at_minimum && anchor.chp_in_state_ms >= plant.min_up_ms()) {
        return Watts::ZERO;
    }
    (anchor.chp - plant.chp_ramp()).within(plant.chp_min(), held_chp(plant, anchor))
}

fn set_points(choice: &Choice, strip: &Strip) -> SafeSetpoints {
    let limit = choice.curtailed.map(|curtailed| (strip.available - curtailed).max(Watts::ZERO));
    SafeSetpoints::new(choice.battery, choice.chp, choice.on, limit)
}

fn relaxation(choice: &Choice, full: &Limits) -> Relaxation {
    choice.relaxation.max(Relaxation::of_collapsed(full.collapsed))
}

/// The droop response is exempt from the ramp, but not from SoC, ratings, grid and voltage limits.
fn add_droop(context: &Context<'_>, strip: &Strip, choice: &mut Choice, log: &mut Interventions) {
    let droop = droop_power(context.plant, context.situation.frequency);
    if droop == Watts::ZERO {
        return;
    }
    let hard = limits(context, Priority::Hard);
    let (low, high) = strip.limits(choice.curtailed);
    let low = hard.battery.low.value.max(low + choice.chp).min(choice.battery);
    let high = hard.battery.high.value.min(high + choice.chp).max(choice.battery);
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
