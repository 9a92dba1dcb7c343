//! Names the rule behind every difference between request and choice.

use super::branch::{Choice, Strip};
use super::intervention::{Intervention, Interventions, Quantity};
use super::wanted::Wanted;
use crate::constraint::{Context, Limits, OnStates, Rule};
use crate::setpoints::Setpoints;
use crate::units::{Kilowatts, Watts};

/// A decision and what it was made from.
pub(super) struct Case<'a> {
    pub context: &'a Context<'a>,
    pub full: &'a Limits,
    pub strip: &'a Strip,
    pub request: &'a Setpoints,
    pub wanted: &'a Wanted,
    pub choice: &'a Choice,
}

impl Case<'_> {
    /// First what the request itself had wrong, then what the rules changed.
    pub fn tell(&self, log: &mut Interventions) {
        let (request, wanted, choice) = (self.request, self.wanted, self.choice);
        sanitised(log, Quantity::Battery, Some(request.battery), Some(wanted.battery));
        sanitised(log, Quantity::Chp, Some(request.chp), Some(wanted.chp));
        sanitised(log, Quantity::Grid, request.grid, wanted.grid);
        if wanted.battery != choice.battery {
            let (rule, limit) = self.battery_cause();
            note(log, Quantity::Battery, rule, (wanted.battery, choice.battery), limit);
        }
        if wanted.chp != choice.chp {
            let (rule, limit) = self.chp_cause();
            note(log, Quantity::Chp, rule, (wanted.chp, choice.chp), limit);
        }
        self.grid(log);
        if let Some(curtailed) = choice.curtailed {
            let kept = self.strip.available - curtailed;
            note(log, Quantity::Renewables, Rule::Curtailment, (self.strip.available, kept), kept);
        }
    }

    fn grid(&self, log: &mut Interventions) {
        let Some(wish) = self.wanted.grid else { return };
        let choice = self.choice;
        let net = Watts::nearest(self.context.situation.net_load());
        let exchange = net + choice.battery - choice.chp + choice.curtailed.unwrap_or(Watts::ZERO);
        // Rounding of the net load alone is not an intervention.
        if (wish - exchange).get().abs() > 1 {
            note(log, Quantity::Grid, Rule::Balance, (wish, exchange), exchange);
        }
    }

    fn battery_cause(&self) -> (Rule, Watts) {
        let (span, wanted, choice) = (self.full.battery(), self.wanted.battery, self.choice.battery);
        if wanted > choice && choice == span.high.value {
            (span.high.rule, span.high.value)
        } else if wanted < choice && choice == span.low.value {
            (span.low.rule, span.low.value)
        } else {
            self.grid_cause(choice)
        }
    }

    fn chp_cause(&self) -> (Rule, Watts) {
        let (full, wanted, choice) = (self.full, self.wanted.chp, self.choice.chp);
        let present = OnStates::of(&self.context.anchor.memory);
        let span = full.chp(self.choice.on);
        match (wanted > Watts::ZERO, self.choice.on.any()) {
            (true, false) => match full.may_start(present) {
                Err(rule) => (rule, choice),
                Ok(()) if wanted < self.context.plant.chp_min() => (Rule::ChpRating, choice),
                Ok(()) => self.grid_cause(choice),
            },
            (false, true) => full.may_stop(present).map_or_else(|rule| (rule, choice), |()| self.grid_cause(choice)),
            _ if wanted > choice && choice == span.high.value => (span.high.rule, span.high.value),
            _ if wanted < choice && choice == span.low.value => (span.low.rule, span.low.value),
            _ => self.grid_cause(choice),
        }
    }

    /// The side of the grid span that is active, or the balance if none is.
    fn grid_cause(&self, own: Watts) -> (Rule, Watts) {
        let difference = self.choice.battery - self.choice.chp;
        let (low, high) = self.strip.limits(self.choice.curtailed);
        if difference >= high {
            (self.full.grid.high.rule, own)
        } else if difference <= low {
            (self.full.grid.low.rule, own)
        } else {
            (Rule::Balance, own)
        }
    }
}

fn sanitised(log: &mut Interventions, quantity: Quantity, request: Option<Kilowatts>, taken: Option<Watts>) {
    let Some(request) = request else { return };
    let (before, after) = (Watts::nearest(request), taken.unwrap_or(Watts::ZERO));
    if request.get().is_nan() || before != after {
        note(log, quantity, Rule::NotANumber, (before, after), after);
    }
}

fn note(log: &mut Interventions, quantity: Quantity, rule: Rule, (before_w, after_w): (Watts, Watts), limit: Watts) {
    log.push(Intervention { rule, quantity, before_w, after_w, margin_w: (limit - after_w).abs() });
}
