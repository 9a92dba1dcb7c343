//! Why a plan begins as it does, in words.

use super::summary::{PlanStep, PlanSummary};
use crate::equipment::Plant;
use crate::units::{floor_to_integer, to_float};
use core::fmt;

/// A battery that moves less than this part of its rating rests.
const RESTS_BELOW: f64 = 0.02;
/// A battery with less than this above its lowest state of charge holds nothing.
const HOLDS_FROM: f64 = 0.03;

/// Why: one clause for the battery and one for the CHP. Prices are EUR/kWh of the direction in which power flows at the
/// connection without the battery; times are minutes of local time of day, beyond 1440 on the next days.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reason {
    /// What the battery does.
    pub battery: BatteryReason,
    /// What the CHP does.
    pub chp: ChpReason,
}

/// A price, and when it is paid or earned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PricedAt {
    /// EUR/kWh.
    pub price: f64,
    /// Minute of local time.
    pub minute: f64,
}

/// What the battery does, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BatteryReason {
    /// There is nothing to gain.
    #[default]
    Rests,
    /// Charges for the dearest step at which it will be discharged before it is charged again.
    Charges {
        /// EUR/kWh now.
        price: f64,
        /// When it pays, if within the plan.
        pays: Option<PricedAt>,
    },
    /// Holds what is stored for later.
    Holds {
        /// State of charge.
        soc: f64,
        /// When it pays.
        pays: PricedAt,
    },
    /// Discharges, because now is dear.
    Discharges {
        /// EUR/kWh now.
        price: f64,
        /// When it is charged again, if within the plan.
        again: Option<PricedAt>,
    },
    /// Waits to be charged.
    Waits {
        /// When.
        charges: PricedAt,
    },
}

/// What the CHP does, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ChpReason {
    /// It is off, and no start is planned.
    #[default]
    Off,
    /// It is off, and will be started.
    StartsAt {
        /// Minute of local time.
        minute: f64,
    },
    /// It runs.
    Runs {
        /// Its heat is needed; otherwise it runs for its power.
        for_heat: bool,
        /// Minute of local time at which it stops, if within the plan.
        until: Option<f64>,
    },
}

impl Reason {
    /// Of a plan that is complete but for its reason.
    pub(super) fn of(plant: &Plant, plan: &PlanSummary) -> Self {
        Self { battery: battery(plant, plan), chp: chp(plant, plan) }
    }
}

fn battery(plant: &Plant, plan: &PlanSummary) -> BatteryReason {
    let b = plant.battery();
    let threshold = RESTS_BELOW * b.charge_kw_max.max(b.discharge_kw_max);
    let charges = |step: &PlanStep| step.battery_kw > threshold;
    let discharges = |step: &PlanStep| step.battery_kw < -threshold;
    let at = |index: usize, step: &PlanStep| PricedAt { price: step.worth(), minute: plan.minute_of(index) };
    let next_charge = || plan.ahead.iter().position(charges).zip(plan.ahead.iter().find(|step| charges(step)));
    let next_charge = || next_charge().map(|(index, step)| at(index, step));
    // The dearest of the discharging steps before the next charge that follows one.
    let mut pays: Option<PricedAt> = None;
    for (index, step) in plan.ahead.iter().enumerate() {
        if charges(step) && pays.is_some() {
            break;
        }
        let here = at(index, step);
        if discharges(step) && pays.is_none_or(|best| here.price > best.price) {
            pays = Some(here);
        }
    }
    let price = plan.now.worth();
    if charges(&plan.now) {
        return BatteryReason::Charges { price, pays };
    }
    if discharges(&plan.now) {
        return BatteryReason::Discharges { price, again: next_charge() };
    }
    match (pays, next_charge()) {
        (Some(pays), _) if plan.now.soc > b.soc_min + HOLDS_FROM => BatteryReason::Holds { soc: plan.now.soc, pays },
        (_, Some(charges)) => BatteryReason::Waits { charges },
        _ => BatteryReason::Rests,
    }
}

fn chp(plant: &Plant, plan: &PlanSummary) -> ChpReason {
    let runs = |step: &PlanStep| step.chp_kw > 0.0;
    if !runs(&plan.now) {
        let start = plan.ahead.iter().position(runs);
        return start.map_or(ChpReason::Off, |step| ChpReason::StartsAt { minute: plan.minute_of(step) });
    }
    let stop = plan.ahead.iter().position(|step| !runs(step));
    let running = plan.ahead.iter().take(stop.unwrap_or(plan.ahead.len())).chain([&plan.now]);
    let (made, used) = running.fold((0.0, 0.0), |(made, used), step| {
        let heat = plant.chp().heat_per_power * step.chp_kw;
        (made + heat, used + heat.min(step.heat_kw))
    });
    ChpReason::Runs { for_heat: used > 0.9 * made, until: stop.map(|step| plan.minute_of(step)) }
}

/// `18:00`, `tomorrow 06:00`.
struct Clock(f64);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = floor_to_integer(self.0 + 0.5);
        let day = match minute.div_euclid(1440) {
            0 => "",
            1 => "tomorrow ",
            _ => "the day after ",
        };
        let of_day = minute.rem_euclid(1440);
        write!(f, "{day}{:02}:{:02}", of_day / 60, of_day % 60)
    }
}

/// `24 ct`, `6.5 ct`.
struct Cents(f64);

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ct", to_float(floor_to_integer(1000.0 * self.0 + 0.5)) / 10.0)
    }
}

impl fmt::Display for PricedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", Cents(self.price), Clock(self.minute))
    }
}

impl fmt::Display for BatteryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rests => write!(f, "leaves the battery at rest"),
            Self::Charges { price, pays: None } => write!(f, "charges at {}", Cents(*price)),
            Self::Charges { price, pays: Some(pays) } => write!(f, "charges at {} for {pays}", Cents(*price)),
            Self::Holds { soc, pays } => write!(f, "holds {:.0} % for {pays}", 100.0 * soc),
            Self::Discharges { price, again: None } => write!(f, "discharges at {}", Cents(*price)),
            Self::Discharges { price, again: Some(again) } => {
                write!(f, "discharges at {}, charges again at {again}", Cents(*price))
            }
            Self::Waits { charges } => write!(f, "waits to charge for {charges}"),
        }
    }
}

impl fmt::Display for ChpReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => write!(f, "leaves the CHP off"),
            Self::StartsAt { minute } => write!(f, "starts the CHP at {}", Clock(*minute)),
            Self::Runs { for_heat, until } => {
                write!(f, "runs the CHP for {}", if *for_heat { "heat" } else { "power" })?;
                match until {
                    None => write!(f, " beyond the plan's end"),
                    Some(until) => write!(f, " until {}", Clock(*until)),
                }
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.battery, self.chp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Battery power, CHP power, import price.
    type Told = (f64, f64, f64);

    /// A plan from 12:00 in hours, the present step first.
    fn told(steps: &[Told]) -> String {
        let mut plan = PlanSummary::of_steps(8);
        (plan.begins_min, plan.now_h, plan.step_h) = (720.0, 1.0, 1.0);
        let step = |(battery_kw, chp_kw, import_price): &Told| PlanStep {
            battery_kw: *battery_kw,
            chp_kw: *chp_kw,
            import_price: *import_price,
            exchange_kw: battery_kw + 1.0,
            heat_kw: 60.0,
            soc: 0.4,
            ..PlanStep::default()
        };
        let mut steps = steps.iter().map(step);
        plan.now = steps.next().unwrap();
        plan.ahead.extend(steps);
        Reason::of(&Plant::reference(), &plan).to_string()
    }

    #[test]
    fn a_plan_tells_what_it_begins_with_and_what_for() {
        let cases: [(&[Told], &str); 6] = [
            (
                &[
                    (20.0, 0.0, 0.06),
                    (0.0, 0.0, 0.1),
                    (-10.0, 0.0, 0.2),
                    (-30.0, 0.0, 0.24),
                    (5.0, 0.0, 0.1),
                    (-9.0, 0.0, 0.5),
                ],
                "charges at 6 ct for 24 ct at 15:00; leaves the CHP off",
            ),
            (
                &[(0.0, 0.0, 0.1), (0.3, 0.0, 0.1), (-30.0, 10.0, 0.2)],
                "holds 40 % for 20 ct at 14:00; starts the CHP at 14:00",
            ),
            (
                &[(-40.0, 40.0, 0.2), (0.0, 40.0, 0.2), (9.0, 0.0, 0.055)],
                "discharges at 20 ct, charges again at 5.5 ct at 14:00; runs the CHP for heat until 14:00",
            ),
            (
                &[(0.0, 80.0, 0.2), (9.0, 80.0, 0.0)],
                "waits to charge for 0 ct at 13:00; runs the CHP for power beyond the plan's end",
            ),
            (&[(0.0, 0.0, 0.2), (0.0, 0.0, 0.0)], "leaves the battery at rest; leaves the CHP off"),
            (&[(5.0, 0.0, -0.02), (0.0, 0.0, 0.0)], "charges at -2 ct; leaves the CHP off"),
        ];
        for (steps, expected) in cases {
            assert_eq!(told(steps), expected);
        }
        assert_eq!(
            [1439.0, 1440.0, 2880.0].map(|m| Clock(m).to_string()),
            ["23:59", "tomorrow 00:00", "the day after 00:00"]
        );
    }
}
