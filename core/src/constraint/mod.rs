//! The rules about what is allowed, one file each, in order of priority.
//!
//! A [`Constraint`] narrows the [`Limits`] of a step. Limits with a higher priority are applied first; a later rule can
//! never widen or empty them, it collapses to the nearest admissible edge instead. What each rule contributed stays
//! attached to the bound ([`Bound::rule`]), so that an intervention can name its cause.
//!
//! A new limit is one file here and one line in [`HARD`] or [`YIELDING`].

mod battery;
mod chp;
mod frequency;
mod grid;

pub use battery::{charge_max_for_soc, discharge_max_for_soc};
pub use frequency::droop_power;

use crate::equipment::{Plant, UNITS_MAX};
use crate::memory::{ChpMemory, ControlMemory};
use crate::situation::{Doubt, Situation};
use crate::units::Watts;
use serde::{Deserialize, Serialize};

/// Names a rule, in journals and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Rated battery power.
    BatteryRating,
    /// SoC band with braking distance.
    SocBand,
    /// Largest import.
    GridImport,
    /// Largest export.
    GridExport,
    /// Voltage band at the connection.
    Voltage,
    /// CHP between minimum and rated power.
    ChpRating,
    /// Minimum time on or off.
    ChpMinimumTime,
    /// A start lands at minimum power, a stop leaves from there.
    ChpStartStop,
    /// Change of the CHP per step.
    ChpRamp,
    /// Change of the battery set-point per step.
    BatteryRamp,
    /// Outside the frequency band only corrective moves.
    FrequencyBand,
    /// Droop response of the battery.
    FrequencyDroop,
    /// The three requested powers do not balance; the nearest point that does was taken.
    Balance,
    /// Renewables curtailed to keep a limit.
    Curtailment,
    /// Renewables curtailed because feeding in would cost money.
    NegativePrice,
    /// The request was not a number, or beyond any rating.
    NotANumber,
    /// Load that cannot be served.
    Shedding,
    /// Measurements unknown or outside the declared bounds.
    SafeStop,
}

impl Rule {
    /// The rule in words, for `gateway explain`.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::BatteryRating => "rated battery power",
            Self::SocBand => "state-of-charge band (with the distance needed to brake)",
            Self::GridImport => "largest allowed import",
            Self::GridExport => "largest allowed export",
            Self::Voltage => "voltage band at the connection",
            Self::ChpRating => "CHP minimum and rated power",
            Self::ChpMinimumTime => "CHP minimum time on or off",
            Self::ChpStartStop => "CHP starts and stops at minimum power",
            Self::ChpRamp => "CHP ramp",
            Self::BatteryRamp => "battery ramp",
            Self::FrequencyBand => "frequency outside its band: only corrective moves",
            Self::FrequencyDroop => "droop response to the frequency",
            Self::Balance => "the requested powers do not balance",
            Self::Curtailment => "renewables curtailed to keep a limit",
            Self::NegativePrice => "renewables curtailed because the export price is negative",
            Self::NotANumber => "the request was not a finite number within ratings",
            Self::Shedding => "load that cannot be served",
            Self::SafeStop => "measurements unknown or outside the declared bounds",
        }
    }
}

/// One end of a [`Span`] and the rule that put it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Whole watts.
    pub value: Watts,
    /// Who set it.
    pub rule: Rule,
}

/// A non-empty interval of whole watts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Lower end.
    pub low: Bound,
    /// Upper end.
    pub high: Bound,
}

impl Span {
    /// An interval; `low` wins if the ends are crossed.
    #[must_use]
    pub fn new(low: Watts, high: Watts, rule: Rule) -> Self {
        Self { low: Bound { value: low, rule }, high: Bound { value: high.max(low), rule } }
    }

    /// A single value.
    pub(crate) const fn of(value: Watts, rule: Rule) -> Self {
        Self { low: Bound { value, rule }, high: Bound { value, rule } }
    }

    /// Intersects with `[low, high]`. If nothing would remain, collapses to the edge nearest to it and returns false.
    pub fn narrow(&mut self, low: Watts, high: Watts, rule: Rule) -> bool {
        if low > self.high.value {
            self.low = self.high;
            return false;
        }
        if high < self.low.value {
            self.high = self.low;
            return false;
        }
        if low > self.low.value {
            self.low = Bound { value: low, rule };
        }
        if high < self.high.value {
            self.high = Bound { value: high, rule };
        }
        true
    }

    /// Whether a value lies inside.
    #[must_use]
    pub fn contains(&self, value: Watts) -> bool {
        value >= self.low.value && value <= self.high.value
    }
}

/// What is still allowed of a CHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChpLimits {
    /// Power while on.
    pub power: Span,
    /// It may be on at the end of this decision, or why not.
    pub may_run: Result<(), Rule>,
    /// It may be off at the end of this decision, or why not.
    pub may_rest: Result<(), Rule>,
}

/// What is still allowed. Narrowed rule by rule, unit by unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    batteries: [Span; UNITS_MAX],
    chps: [ChpLimits; UNITS_MAX],
    /// How many of each the plant has.
    counts: (usize, usize),
    /// Power at the connection, + = importing.
    pub grid: Span,
    /// The strongest rule that could not be kept because a stronger one left nothing inside it.
    pub collapsed: Option<Rule>,
}

impl Limits {
    /// Power of each battery of the plant, + = charging.
    #[must_use]
    pub fn batteries(&self) -> &[Span] {
        self.batteries.get(..self.counts.0).unwrap_or_default()
    }

    /// Each CHP of the plant.
    #[must_use]
    pub fn chps(&self) -> &[ChpLimits] {
        self.chps.get(..self.counts.1).unwrap_or_default()
    }

    fn batteries_mut(&mut self) -> &mut [Span] {
        self.batteries.get_mut(..self.counts.0).unwrap_or_default()
    }

    fn chps_mut(&mut self) -> &mut [ChpLimits] {
        self.chps.get_mut(..self.counts.1).unwrap_or_default()
    }

    /// Power of all batteries together. A bound's rule is that of the first unit which something other than its rating
    /// binds.
    #[must_use]
    pub fn battery(&self) -> Span {
        sum(self.batteries().iter(), Rule::BatteryRating)
    }

    /// Power of the CHPs that `on` names, together.
    #[must_use]
    pub fn chp(&self, on: OnStates) -> Span {
        let running = self.chps().iter().enumerate().filter(|(index, _)| on.contains(*index));
        sum(running.map(|(_, chp)| &chp.power), Rule::ChpRating)
    }

    /// Any CHP that is off may start, or why none may.
    ///
    /// # Errors
    /// The rule that keeps the first one off.
    pub fn may_start(&self, on: OnStates) -> Result<(), Rule> {
        any(self.chps().iter().enumerate().filter(|(index, _)| !on.contains(*index)).map(|(_, chp)| chp.may_run))
    }

    /// Any CHP that is on may stop, or why none may.
    ///
    /// # Errors
    /// The rule that keeps the first one on.
    pub fn may_stop(&self, on: OnStates) -> Result<(), Rule> {
        any(self.chps().iter().enumerate().filter(|(index, _)| on.contains(*index)).map(|(_, chp)| chp.may_rest))
    }
}

fn any(mut states: impl Iterator<Item = Result<(), Rule>>) -> Result<(), Rule> {
    let first = states.next().unwrap_or(Err(Rule::ChpRating));
    if first.is_ok() || states.any(|state| state.is_ok()) { Ok(()) } else { first }
}

fn sum<'a>(spans: impl Iterator<Item = &'a Span>, rating: Rule) -> Span {
    let mut all = Span::new(Watts::ZERO, Watts::ZERO, rating);
    for span in spans {
        for (total, bound) in [(&mut all.low, span.low), (&mut all.high, span.high)] {
            total.value = total.value + bound.value;
            if total.rule == rating {
                total.rule = bound.rule;
            }
        }
    }
    all
}

/// Which CHPs are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnStates(u8);

impl OnStates {
    /// All are off.
    pub const NONE: Self = Self(0);

    /// The states that differ from these in the CHPs whose bits are set in `flipped`.
    #[must_use]
    pub const fn flip(self, flipped: u8) -> Self {
        Self(self.0 ^ flipped)
    }

    /// As a memory has them.
    #[must_use]
    pub fn of(memory: &ControlMemory) -> Self {
        let bit = |(index, chp): (usize, &ChpMemory)| u8::from(chp.on) << index;
        Self(memory.chps.iter().enumerate().map(bit).fold(0, |all, bit| all | bit))
    }

    /// The CHP of that number is on.
    #[must_use]
    pub const fn contains(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }

    /// Any is on.
    #[must_use]
    pub const fn any(self) -> bool {
        self.0 != 0
    }
}

/// Whether narrowing left a rule intact.
fn note(limits: &mut Limits, kept: bool, rule: Rule) {
    // Rules come strongest first, so the first one that fails is the one to report.
    if !kept && limits.collapsed.is_none() {
        limits.collapsed = Some(rule);
    }
}

impl Limits {
    /// No limit but the range of the numbers themselves.
    fn open(plant: &Plant, doubt: &Doubt) -> Self {
        // A doubted net load tightens both limits; where nothing is left the middle of what remains stands.
        let (import, export) = (plant.import_max(), plant.export_max());
        let high = import - Watts::ceil(doubt.net_load_up).within(Watts::ZERO, import);
        let low = Watts::ceil(doubt.net_load_down).within(Watts::ZERO, export) - export;
        const NO_CHP: ChpLimits = ChpLimits {
            power: Span::of(Watts::ZERO, Rule::ChpRating),
            may_run: Err(Rule::ChpRating),
            may_rest: Ok(()),
        };
        let mut limits = Self {
            batteries: [Span::of(Watts::ZERO, Rule::BatteryRating); UNITS_MAX],
            chps: [NO_CHP; UNITS_MAX],
            counts: (plant.batteries().len(), plant.chps().len()),
            grid: Span {
                low: Bound { value: low, rule: Rule::GridExport },
                high: Bound { value: high, rule: Rule::GridImport },
            },
            collapsed: None,
        };
        for (span, unit) in limits.batteries.iter_mut().zip(plant.batteries().iter()) {
            *span = Span::new(-unit.discharge_max, unit.charge_max, Rule::BatteryRating);
        }
        for (limits, unit) in limits.chps.iter_mut().zip(plant.chps().iter()) {
            let power = Span::new(unit.min, unit.max, Rule::ChpRating);
            *limits = ChpLimits { power, may_run: Ok(()), may_rest: Ok(()) };
        }
        limits
    }
}

/// What the last step left behind and how long the next set-points will hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Set-points and states, unit by unit.
    pub memory: ControlMemory,
    /// Time until the next step, ms: how long a set-point holds before the ramps may move it on.
    pub hold_ms: i64,
}

/// Everything that a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Ratings and limits.
    pub plant: &'a Plant,
    /// Measurements.
    pub situation: &'a Situation,
    /// Past of the set-points.
    pub anchor: &'a Anchor,
}

/// How long a rule is kept when not all can be: the first variant yields first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Ramps of the battery and frequency support.
    BatteryRamp,
    /// Ramp of the CHP downward (fast unload).
    ChpRamp,
    /// Minimum times of the CHP.
    ChpTimes,
    /// SoC, ratings, grid and voltage: never given up.
    Hard,
}

/// A rule about what is allowed.
pub trait Constraint: Sync {
    /// When it yields.
    fn priority(&self) -> Priority;
    /// Narrows what is allowed. Pure, bounded, without allocation.
    fn narrow(&self, context: &Context<'_>, limits: &mut Limits);
}

/// The rules that never yield. A new one is registered here.
static HARD: [&dyn Constraint; 5] =
    [&battery::SocBand, &battery::Fixed, &grid::Voltage, &chp::StartStop, &chp::LoadingRamp];

/// The others, strongest first. A new one is registered here, among its equals.
static YIELDING: [&dyn Constraint; 4] = [&chp::MinimumTime, &chp::UnloadingRamp, &battery::Ramp, &frequency::Band];

/// The limits after all rules, and what those that never yield leave to all batteries together.
#[must_use]
pub fn limits_and_hard_battery(context: &Context<'_>) -> (Limits, Span) {
    let mut limits = Limits::open(context.plant, &context.situation.doubt);
    HARD.iter().for_each(|rule| rule.narrow(context, &mut limits));
    let battery = limits.battery();
    YIELDING.iter().for_each(|rule| rule.narrow(context, &mut limits));
    (limits, battery)
}

/// The limits after applying every rule that is at least as strong as `weakest`.
#[must_use]
pub fn limits(context: &Context<'_>, weakest: Priority) -> Limits {
    let mut limits = Limits::open(context.plant, &context.situation.doubt);
    for rule in HARD.iter().chain(&YIELDING).filter(|rule| rule.priority() >= weakest) {
        rule.narrow(context, &mut limits);
    }
    limits
}
