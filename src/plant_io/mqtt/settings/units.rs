//! Units that messages may be in, and the factor to the unit in a signal's name.

use memg_core::plant_state::Signal;

/// (unit of the signal, unit in the message, factor).
const FACTORS: [(&str, &str, f64); 18] = [
    ("kW", "W", 1e-3),
    ("kW", "kW", 1.0),
    ("kW", "MW", 1e3),
    ("kvar", "var", 1e-3),
    ("kvar", "kvar", 1.0),
    ("kvar", "Mvar", 1e3),
    ("1", "1", 1.0),
    ("1", "%", 1e-2),
    ("pu", "pu", 1.0),
    ("pu", "%", 1e-2),
    ("Hz", "Hz", 1.0),
    ("Hz", "mHz", 1e-3),
    ("EUR/kWh", "EUR/kWh", 1.0),
    ("EUR/kWh", "ct/kWh", 1e-2),
    ("EUR/kWh", "EUR/MWh", 1e-3),
    ("0/1", "", 1.0),
    ("0/1", "0/1", 1.0),
    ("0/1", "1", 1.0),
];

/// The unit of a signal; flags are `0/1`.
pub(super) const fn unit_of(signal: Signal) -> &'static str {
    match signal {
        Signal::PvKw
        | Signal::WindKw
        | Signal::PvAvailableKw
        | Signal::WindAvailableKw
        | Signal::ElectricLoadKw
        | Signal::HeatLoadKw
        | Signal::BatteryKw
        | Signal::ChpKw
        | Signal::GridKw => "kW",
        Signal::GridKvar => "kvar",
        Signal::Soc => "1",
        Signal::GridVoltagePu => "pu",
        Signal::FrequencyHz => "Hz",
        Signal::ImportPriceEurPerKwh | Signal::ExportPriceEurPerKwh => "EUR/kWh",
        Signal::ChpOn | Signal::BatteryRemote | Signal::ChpRemote | Signal::ChpFault | Signal::BatteryFault => "0/1",
    }
}

/// Factor from `unit` to the unit of `signal`.
///
/// # Errors
/// The units that would do.
pub(super) fn factor(signal: Signal, unit: &str) -> Result<f64, String> {
    let own = unit_of(signal);
    let fitting = || FACTORS.iter().filter(|(to, ..)| *to == own);
    fitting().find(|(_, from, _)| *from == unit).map(|(.., factor)| *factor).ok_or_else(|| {
        let known: Vec<_> = fitting().map(|(_, from, _)| format!("{from:?}")).collect();
        format!("{unit:?} does not convert to the unit of {} ({own}); known are {}", signal.name(), known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_takes_its_own_unit_and_the_name_agrees() {
        for signal in Signal::ALL {
            assert_eq!(factor(signal, unit_of(signal)), Ok(1.0));
            let suffix = match unit_of(signal) {
                "kW" => "_kw",
                "kvar" => "_kvar",
                "pu" => "_pu",
                "Hz" => "_hz",
                "EUR/kWh" => "_eur_per_kwh",
                _ => "",
            };
            assert!(signal.name().ends_with(suffix), "{}", signal.name());
        }
    }

    #[test]
    fn a_foreign_unit_is_refused_and_the_fitting_ones_are_named() {
        assert_eq!(factor(Signal::Soc, "%"), Ok(0.01));
        let problem = factor(Signal::PvKw, "kWh").unwrap_err();
        assert!(problem.contains("\"W\", \"kW\", \"MW\""), "{problem}");
    }
}
