//! `memg_ems`: the controller as a model. Measurements in, set-points that passed the safety filter out.
//!
//! Decides at `start + k * sample_time`, at the *beginning* of the communication step that contains the instant, with the
//! inputs set before that step; set-points hold until the next instant. [`decide::whole_step`] decides, by the same pieces
//! as at every other master, so that one day gives the same set-points everywhere.

mod policy;
mod table;

pub use table::*;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::limits;
use crate::model::finite;
use crate::price_ahead;
use crate::resources::Resources;
use crate::series_text;
use crate::units::reference;
use crate::variable::{Store, Value, Variable};
use memg_core::action::Action;
use memg_core::constraint::Rule;
use memg_core::decide::{self, Decision, StepMemory};
use memg_core::dispatch::curtailed;
use memg_core::equipment::{Plant, UNITS_MAX};
use memg_core::history::History;
use memg_core::measurement::Measurement;
use memg_core::outlook::Outlook;
use memg_core::plant_state::{PlantState, Range, Tag};
use memg_core::policy::Policy;
use memg_core::safety::{Relaxation, SafetyFilter};
use memg_core::situation::Situation;

/// Bits of `safety_reasons`, lowest first. Published: append, never reorder.
pub const RULE_BITS: [Rule; 18] = [
    Rule::BatteryRating,
    Rule::SocBand,
    Rule::GridImport,
    Rule::GridExport,
    Rule::Voltage,
    Rule::ChpRating,
    Rule::ChpMinimumTime,
    Rule::ChpStartStop,
    Rule::ChpRamp,
    Rule::BatteryRamp,
    Rule::FrequencyBand,
    Rule::FrequencyDroop,
    Rule::Balance,
    Rule::Curtailment,
    Rule::NegativePrice,
    Rule::NotANumber,
    Rule::Shedding,
    Rule::SafeStop,
];

/// The `status` output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Auto = 1,
    Fallback = 2,
    Disabled = 3,
    SafeStop = 4,
}

/// What initialization made of the parameters.
struct Ready {
    filter: SafetyFilter,
    policy: Box<dyn Policy>,
}

/// The controller: parameters become filter and policy when initialization ends.
pub struct Ems {
    ready: Option<Ready>,
    memory: StepMemory,
}

impl Ems {
    /// A controller before initialization.
    #[must_use]
    pub fn new() -> Self {
        Self { ready: None, memory: StepMemory::at_rest() }
    }

    /// What it remembers.
    #[must_use]
    pub fn memory(&self) -> StepMemory {
        self.memory.clone()
    }

    /// Replaces what it remembers.
    pub fn restore(&mut self, memory: StepMemory) {
        self.memory = memory;
    }

    /// Reads the parameters and loads the weights.
    ///
    /// # Errors
    /// The parameter that is wrong, or the file that cannot be read.
    pub fn initialise(&mut self, store: &Store, resources: &Resources) -> Result<(), Fault> {
        let plant = limits::plant(store).map_err(Fault::error)?;
        let policy = policy::load(store, resources).map_err(Fault::error)?;
        let history = series_text::parse("history", store.text(HISTORY)).map_err(Fault::error)?;
        self.ready = Some(Ready { filter: SafetyFilter::new(plant), policy });
        self.memory = StepMemory::remembering(History::before_the_first_step(history));
        Ok(())
    }

    /// A value for an input, as it is taken: rounding beyond a bound is taken away. Until the parameters are read, what is
    /// physically possible counts, then what the plant declares.
    ///
    /// # Errors
    /// Its name, what was expected and what was found.
    pub fn admit(&self, row: &Variable, value: Value) -> Result<Value, String> {
        match (value, self.range(row.reference)) {
            (Value::Real(number), None) => finite(row, number).map(Value::Real),
            (Value::Real(number), Some(range)) => {
                range.check(number).map(Value::Real).map_err(|words| format!("{}: {words}", row.name))
            }
            (Value::Text(text), _) if row.reference == OUTLOOK => {
                series_text::parse(&row.name, &text).map(|_| Value::Text(text))
            }
            (value, _) => Ok(value),
        }
    }

    fn range(&self, reference: u32) -> Option<Range> {
        let plant = self.ready.as_ref().map(|ready| ready.filter.plant().parameters());
        let declared = |tag: Tag| plant.map_or(tag.signal().possible(), |plant| tag.signal().range(plant));
        signal_of(reference).map(declared).or_else(|| possible(reference))
    }

    /// Moves to the end of a communication step, deciding at every sampling instant on the way.
    ///
    /// # Errors
    /// The controller is not initialized, or cannot decide.
    pub fn advance(&mut self, store: &mut Store, clock: &mut Clock, until: f64) -> Result<Option<String>, Fault> {
        let mut warning = None;
        while let Some(instant) = clock.due(until) {
            warning = self.decide(store, instant)?.or(warning);
            clock.tick();
        }
        Ok(warning)
    }

    fn decide(&mut self, store: &mut Store, instant: f64) -> Result<Option<String>, Fault> {
        let ready = self.ready.as_mut().ok_or_else(|| Fault::error("the controller is not initialized"))?;
        let plant = *ready.filter.plant();
        let state = plant_state(store, instant);
        if !store.boolean(ENABLE) {
            self.memory.leave();
            follow(store, &plant);
            return Ok(None);
        }
        let outlook = outlook(store, &plant).map_err(Fault::error)?;
        let done = decide::whole_step(&ready.filter, &state, &outlook, &mut self.memory, ready.policy.as_mut());
        let done = done.map_err(|unusable| Fault::error(unusable.to_string()))?;
        let status = match (done.decision.verdict.relaxation, &done.stood_in) {
            (Relaxation::SafeStop, _) => Status::SafeStop,
            (_, Some(_)) => Status::Fallback,
            (_, None) => Status::Auto,
        };
        publish(store, &plant, &done.situation, &done.decision, status);
        Ok(done.stood_in.map(|cause| format!("the rule stands in for the network: {cause}")))
    }
}

impl Default for Ems {
    fn default() -> Self {
        Self::new()
    }
}

/// The inputs as measurements. They are in range: [`crate::instance::Instance`] has checked them.
fn plant_state(store: &Store, instant: f64) -> PlantState {
    let rows = store.rows().iter().zip(store.values());
    let measured = rows.filter_map(|(row, value)| Some((signal_of(row.reference)?, good(value)?)));
    let measured: Vec<(Tag, Measurement<f64>)> = measured.collect();
    let hour = (store.real(HOUR_START) + instant / 3600.0).rem_euclid(24.0);
    PlantState::from_measured(&measured, hour)
}

fn good(value: &Value) -> Option<Measurement<f64>> {
    match value {
        Value::Real(value) => Some(Measurement::good(*value)),
        Value::Boolean(flag) => Some(Measurement::good(f64::from(u8::from(*flag)))),
        Value::Integer(_) | Value::Text(_) => None,
    }
}

/// What is known of the hours ahead; hourly prices fill the gaps of the text.
fn outlook(store: &Store, plant: &Plant) -> Result<Outlook, String> {
    let hourly = Outlook::of_hourly_prices(price_ahead::read(store, PRICE_AHEAD), plant.steps_per_hour());
    let series = series_text::parse("outlook", store.text(OUTLOOK))?;
    Ok(Outlook::new(series, plant.steps_per_hour()).or(&hourly))
}

/// Disabled: battery at rest, CHP as measured, nothing curtailed.
fn follow(store: &mut Store, plant: &Plant) {
    for index in 0..UNITS_MAX {
        let on = store.boolean(reference(CHP_ON, index));
        let chp = if on { store.real(reference(P_CHP, index)) } else { 0.0 };
        put_unit(store, index, 0.0, (chp, on));
    }
    store.put(P_RENEWABLE_MAX, Value::Real(rated_renewables(plant)));
    store.put(P_CURTAILED, Value::Real(0.0));
    store.put(SAFETY_ACTIVE, Value::Boolean(false));
    store.put(SAFETY_REASONS, Value::Integer(0));
    store.put(RELAXATION, Value::Integer(0));
    store.put(STATUS, Value::Integer(Status::Disabled as i32));
    for reference in ACTION {
        store.put(reference, Value::Real(0.0));
    }
}

/// Set-points of the battery and the CHP at a place, kW; what the table does not have is nowhere to be written.
fn put_unit(store: &mut Store, index: usize, battery: f64, (chp, on): (f64, bool)) {
    store.put(reference(P_BATTERY_SET, index), Value::Real(battery));
    store.put(reference(P_CHP_SET, index), Value::Real(chp));
    store.put(reference(CHP_ON_SET, index), Value::Boolean(on));
}

fn publish(store: &mut Store, plant: &Plant, situation: &Situation, decision: &Decision, status: Status) {
    let (safe, verdict) = (&decision.verdict.safe, &decision.verdict);
    let cap = safe.renewable_limit().map_or(rated_renewables(plant), |limit| limit.kilowatts().get());
    let reasons = verdict.interventions.iter().fold(0, |bits, i| bits | bit(i.rule));
    for (index, (battery, chp)) in safe.batteries().into_iter().zip(safe.chps()).enumerate() {
        put_unit(store, index, battery.kilowatts().get(), (chp.power.kilowatts().get(), chp.on));
    }
    store.put(P_RENEWABLE_MAX, Value::Real(cap));
    store.put(P_CURTAILED, Value::Real(curtailed(safe, situation.renewables()).kilowatts().get()));
    store.put(SAFETY_ACTIVE, Value::Boolean(!verdict.interventions.is_empty()));
    store.put(SAFETY_REASONS, Value::Integer(reasons));
    store.put(RELAXATION, Value::Integer(i32::from(verdict.relaxation.stage())));
    store.put(STATUS, Value::Integer(status as i32));
    for (reference, value) in ACTION.into_iter().zip(action(plant, situation, decision).0) {
        store.put(reference, Value::Real(f64::from(value)));
    }
}

/// The network's action; a rule has none of its own, so the one that would request the same stands for it.
fn action(plant: &Plant, situation: &Situation, decision: &Decision) -> Action {
    let wish = &decision.request.setpoints;
    let balance = situation.net_load() + wish.battery - wish.chp;
    decision.request.action.unwrap_or_else(|| Action::requesting(wish, balance, plant))
}

const fn rated_renewables(plant: &Plant) -> f64 {
    let rated = &plant.parameters().exogenous;
    rated.pv_kw_nom + rated.wind_kw_nom
}

fn bit(rule: Rule) -> i32 {
    RULE_BITS.iter().position(|known| *known == rule).map_or(0, |index| 1 << index)
}
