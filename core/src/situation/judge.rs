//! From a plant state to a situation: unknown is never nominal.
//!
//! | signal | lost | not configured |
//! |---|---|---|
//! | SoC of any battery, PV, wind, load | no situation | no situation; what the plant does not have counts as 0 |
//! | grid, voltage, frequency, powers and states of devices | lost: Hold, with the worst case of that signal alone | no voltage rule, nominal frequency, no such fault |
//! | heat | degraded: the rule decides, the CHP is held | degraded |
//! | prices | substitute; without one degraded: the rule decides | the fixed tariff; without one degraded |
//!
//! No situation means Hold with the worst case of the last one, see [`Situation::aged`]. With a situation all that is known
//! counts, whatever else is lost.

use super::{Doubt, Situation, SocEstimate};
use crate::equipment::{Plant, UNITS_MAX};
use crate::measurement::{Measurement, Quality};
use crate::plant_state::{PlantState, Signal, Tag};
use crate::series::Quantity;
use crate::units::{EurPerKwh, Hertz, Kilowatts, KilowattsThermal, PerUnit, Soc};

/// Why no situation could be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{signal} is not usable: {quality:?}")]
pub struct Unusable {
    /// The first signal that is needed for safety and lost.
    pub signal: Tag,
    /// What is wrong with it.
    pub quality: Quality,
}

/// What stands in for what is not known. For a price, EUR/kWh, that is the same hour of yesterday; behind it comes the
/// fixed tariff that the site declares.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Substitutes {
    /// For the import price.
    pub import_price: Option<f64>,
    /// For the export price.
    pub export_price: Option<f64>,
    /// For the voltage behind the connection while it or the power there is lost, pu: the last one that was known.
    pub source_voltage: Option<f64>,
}

/// What a policy cannot be asked without. Safety does not need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Degraded {
    /// The heat demand is not known: the CHP stays as it is.
    pub heat: Option<Unusable>,
    /// A price is neither known nor substituted: the rule goes by the CHP's marginal cost.
    pub price: Option<Signal>,
}

/// Which values of a situation are the plant's own. What stands in for a lost one is no history; a fixed tariff without a
/// signal is the price itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownValues {
    /// The import price.
    pub import_price: bool,
    /// The export price.
    pub export_price: bool,
    /// The heat demand.
    pub heat: bool,
}

impl KnownValues {
    /// All of them.
    pub const ALL: Self = Self { import_price: true, export_price: true, heat: true };

    /// Whether a quantity's value is known.
    #[must_use]
    pub const fn has(self, quantity: Quantity) -> bool {
        match quantity {
            Quantity::ImportPrice => self.import_price,
            Quantity::ExportPrice => self.export_price,
            Quantity::HeatLoad => self.heat,
            Quantity::Pv | Quantity::Wind | Quantity::ElectricLoad => true,
        }
    }
}

/// A situation and what it lacks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What limits and policies count with: measured, or their stand-ins.
    pub situation: Situation,
    /// What a policy cannot be asked without.
    pub degraded: Degraded,
    /// A substitute stands for a price.
    pub price_is_substituted: bool,
    /// What is worth remembering.
    pub known: KnownValues,
    /// A signal that is needed to go on and lost; the situation holds its worst case.
    pub lost: Option<Unusable>,
}

impl Judged {
    /// The same for whoever cannot go on without everything.
    ///
    /// # Errors
    /// Something is lost.
    pub fn whole(self) -> Result<Self, Unusable> {
        self.lost.map_or(Ok(self), Err)
    }
}

impl Degraded {
    /// The fault in words; `None` if nothing is lacking.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        match (self.heat, self.price) {
            (Some(Unusable { signal, quality }), _) => {
                Some(format!("{signal} is not usable ({quality:?}): the rule decides, the CHP is held"))
            }
            (None, Some(signal)) => {
                Some(format!("{} is not known and has no substitute: the rule decides", signal.name()))
            }
            (None, None) => None,
        }
    }
}

/// Milliseconds as a float; older than seven weeks is as good as unknown.
pub(super) fn age(ms: u64) -> f64 {
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX))
}

/// Judges a plant state. Margins that the site declares become doubt, and so do ages.
///
/// # Errors
/// [`Unusable`] names the first signal without which there are no numbers to decide on.
pub fn judge(state: &PlantState, plant: &Plant, substitutes: &Substitutes) -> Result<Judged, Unusable> {
    let state = &state.at(plant);
    let socs = socs(state, plant)?;
    let soc = plant.soc_of_all(&socs);
    let (heat_load, heat) = heat(state);
    let costs = &plant.parameters().costs;
    let import = price(state.import_price, substitutes.import_price, costs.fixed_import_eur_per_kwh);
    let export = price(state.export_price, substitutes.export_price, costs.fixed_export_eur_per_kwh);
    let missing = |price: &Price, signal| matches!(price, Price::Unknown).then_some(signal);
    let unknown_price =
        missing(&import, Signal::ImportPriceEurPerKwh).or(missing(&export, Signal::ExportPriceEurPerKwh));
    let reactive = state.grid_reactive.usable().unwrap_or(Kilowatts::ZERO);
    let nominal = Hertz::new(plant.parameters().frequency.hz_nominal);
    let situation = Situation {
        pv: require(state.pv, state.named(Signal::PvKw))?,
        wind: require(state.wind, state.named(Signal::WindKw))?,
        electric_load: require(state.electric_load, state.named(Signal::ElectricLoadKw))?,
        heat_load,
        soc,
        soc_low: soc,
        soc_high: soc,
        socs: (plant.batteries().len() > 1).then(|| socs.map(SocEstimate::exact)),
        source_voltage: source_voltage(state, plant, reactive, substitutes.source_voltage)?,
        reactive,
        frequency: state.frequency.usable().unwrap_or(nominal),
        import_price: import.value(plant),
        export_price: export.value(plant),
        local_hour: state.local_hour,
        doubt: Doubt::NONE,
    };
    Ok(Judged {
        situation: doubted(situation, state, plant),
        degraded: Degraded { heat, price: unknown_price },
        price_is_substituted: import.is_substituted() || export.is_substituted(),
        known: KnownValues {
            import_price: import.is_known(state.import_price),
            export_price: export.is_known(state.export_price),
            heat: heat.is_none(),
        },
        lost: lost_signal(state),
    })
}

/// Signals beyond those without which there is no situation, in the order in which they are told.
const AWAITED: [Signal; 11] = [
    Signal::GridKw,
    Signal::GridKvar,
    Signal::GridVoltagePu,
    Signal::FrequencyHz,
    Signal::BatteryKw,
    Signal::ChpKw,
    Signal::ChpOn,
    Signal::BatteryRemote,
    Signal::ChpRemote,
    Signal::BatteryFault,
    Signal::ChpFault,
];

/// What is configured has to be there: its absence is news, not nothing. Heat and prices degrade instead.
fn lost_signal(state: &PlantState) -> Option<Unusable> {
    let units = |signal: Signal| (1..=signal.numbers_max()).filter_map(move |number| Tag::new(signal, number));
    let mut lost = AWAITED.into_iter().flat_map(units).filter_map(|tag| Some((tag, state.lost(tag)?)));
    lost.next().map(|(signal, quality)| Unusable { signal, quality })
}

fn require<T: Copy>(m: Measurement<T>, signal: impl Into<Tag>) -> Result<T, Unusable> {
    m.usable().ok_or_else(|| Unusable { signal: signal.into(), quality: m.quality })
}

/// The state of charge that counts where there is no battery: that of an evaluation's start.
const NO_BATTERY: Soc = Soc::new(0.5);

/// The state of charge of each battery: all have to be known.
fn socs(state: &PlantState, plant: &Plant) -> Result<[Soc; UNITS_MAX], Unusable> {
    let mut socs = [NO_BATTERY; UNITS_MAX];
    for (index, (soc, battery)) in socs.iter_mut().zip(&state.batteries).take(plant.batteries().len()).enumerate() {
        let number = u16::try_from(index + 1).ok().and_then(|number| Tag::new(Signal::Soc, number));
        *soc = require(battery.soc, number.unwrap_or(Tag::first(Signal::Soc)))?;
    }
    Ok(socs)
}

/// The last heat demand stands for a lost one; none at all counts as none.
fn heat(state: &PlantState) -> (KilowattsThermal, Option<Unusable>) {
    let m = state.heat_load;
    let unusable = Unusable { signal: state.named(Signal::HeatLoadKw), quality: m.quality };
    match (m.usable(), m.value) {
        (Some(value), _) => (value, None),
        (None, last) => (last.unwrap_or(KilowattsThermal::ZERO).max(KilowattsThermal::ZERO), Some(unusable)),
    }
}

enum Price {
    Measured(EurPerKwh),
    Substituted(f64),
    Unknown,
}

fn price(m: Measurement<EurPerKwh>, yesterday: Option<f64>, fixed: Option<f64>) -> Price {
    match m.usable() {
        Some(price) => Price::Measured(price),
        None => yesterday.filter(|_| !m.is_absent()).or(fixed).map_or(Price::Unknown, Price::Substituted),
    }
}

impl Price {
    /// An unknown price is the CHP's marginal cost: no reason to run it, none to sell its power.
    fn value(&self, plant: &Plant) -> EurPerKwh {
        match self {
            Self::Measured(price) => *price,
            Self::Substituted(price) => EurPerKwh::new(*price),
            Self::Unknown => plant.chp_marginal_cost(),
        }
    }

    const fn is_substituted(&self) -> bool {
        matches!(self, Self::Substituted(_))
    }

    const fn is_known(&self, m: Measurement<EurPerKwh>) -> bool {
        matches!(self, Self::Measured(_)) || self.is_substituted() && m.is_absent()
    }
}

fn doubted(mut situation: Situation, state: &PlantState, plant: &Plant) -> Situation {
    let m = &plant.parameters().margins;
    let power = Kilowatts::new(m.power_kw);
    situation.doubt =
        Doubt { net_load_up: power, net_load_down: power, voltage: PerUnit::new(m.voltage_pu), ..Doubt::NONE };
    situation.soc_low = Soc::new(situation.soc.get() - m.soc);
    situation.soc_high = Soc::new(situation.soc.get() + m.soc);
    for soc in situation.socs.iter_mut().flatten() {
        (soc.low, soc.high) = (Soc::new(soc.best.get() - m.soc), Soc::new(soc.best.get() + m.soc));
    }
    situation.doubt_socs(plant, state.batteries.map(|battery| battery.soc.age_ms));
    situation.doubt_powers(plant, [state.electric_load.age_ms, state.pv.age_ms, state.wind.age_ms]);
    situation.doubt.voltage_is_measured = !state.grid_voltage.is_absent();
    situation.doubt.frequency_is_measured = !state.frequency.is_absent();
    situation.doubt.frequency_is_known = !state.frequency.is_lost();
    // The voltage behind the connection is made of both.
    let lost = [age_if_lost(&state.grid_voltage), age_if_lost(&state.grid)];
    situation.doubt_voltage(plant, lost.into_iter().fold(state.grid_voltage.age_ms, u64::max));
    situation
}

/// Age of what is lost, ms: without a last value it is unknown, as if nothing had ever been measured.
fn age_if_lost<T: Copy>(m: &Measurement<T>) -> u64 {
    match (m.is_lost(), m.value.is_some()) {
        (false, _) => 0,
        (true, true) => m.age_ms,
        (true, false) => u64::MAX,
    }
}

/// Voltage behind the connection. Without a meter of the power there the exchange follows from the balance. While one of
/// the two is lost the last one that was known stands; where no voltage is measured the nominal one, and no voltage rule
/// is kept.
fn source_voltage(
    state: &PlantState,
    plant: &Plant,
    reactive: Kilowatts,
    last: Option<f64>,
) -> Result<PerUnit, Unusable> {
    if state.grid_voltage.is_absent() {
        return Ok(PerUnit::new(1.0));
    }
    let exchange = state.grid.usable().or_else(|| balance(state, plant));
    match (state.grid_voltage.usable(), exchange, last) {
        (Some(voltage), Some(exchange), _) => Ok(plant.source_voltage(voltage, exchange, reactive)),
        (Some(voltage), None, _) if state.grid.is_absent() => Ok(voltage),
        (_, _, Some(last)) => Ok(PerUnit::new(last)),
        (Some(voltage), None, None) => Ok(voltage),
        (None, _, None) => require(state.grid_voltage, Signal::GridVoltagePu),
    }
}

/// `load + p_bat - p_chp - pv - wind`, if what is produced is known.
fn balance(state: &PlantState, plant: &Plant) -> Option<Kilowatts> {
    let produced = state.pv.usable()? + state.wind.usable()? + state.chp(plant).usable()?;
    let exchange = state.electric_load.usable()? + state.battery(plant).usable()? - produced;
    (!state.available_is_measured && exchange.is_finite()).then_some(exchange)
}
