//! Consent to a trial: typed for each device, or given for all with `--yes`.

use anyhow::Result;
use memg_commission::trial::{Part, Trial};
use memg_settings::Settings;
use std::io::{BufRead, Write, stdin, stdout};

/// Whether a device may be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// It may; how that was said.
    Given(&'static str),
    /// Nobody said so.
    Refused,
}

/// Says what would be written, and asks unless `yes` was given beforehand.
pub(super) fn ask(yes: bool, trial: &Trial, settings: &Settings) -> Result<Consent> {
    let mut out = stdout();
    // Whoever has consented beforehand need not read on.
    let _ = writeln!(out, "\n{}", words(trial, settings));
    if yes {
        return Ok(Consent::Given("--yes"));
    }
    write!(out, "Type {} to go on, anything else leaves it out: ", trial.device)?;
    out.flush()?;
    typed(&mut stdin().lock(), &trial.device)
}

/// The device's own name, and nothing else.
fn typed(input: &mut impl BufRead, name: &str) -> Result<Consent> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    Ok(if line.trim() == name { Consent::Given("typed") } else { Consent::Refused })
}

/// What will happen at a device.
fn words(trial: &Trial, settings: &Settings) -> String {
    let band = trial.band_kw;
    let device = trial.device_in(settings);
    let place = device.map_or_else(String::new, |device| format!(" at {}, unit {}", device.transport, device.unit_id));
    let what = match trial.part {
        Part::Battery => format!("charges with {band} kW, discharges with {band} kW, and rests"),
        Part::Chp => {
            let least = settings.plant.chps().get(trial.unit.index()).map_or(0.0, |chp| chp.min.kilowatts().get());
            let minutes = settings.plant.chps().get(trial.unit.index()).map_or(0, |chp| chp.min_up_ms / 60_000);
            format!("starts, runs at {least} kW and up to {band} kW above it for at least {minutes} min, and stops")
        }
        Part::Pv | Part::Wind => format!(
            "is held down by up to {band} kW, as far as the site exports, and released; a safe stop, after a fault, holds it down to 0 kW"
        ),
    };
    let silence = match trial.watchdog {
        Some(watchdog) => format!("then the gateway falls silent, and it has to fall back within {watchdog:?}"),
        None => "its file states no watchdog: nothing makes it fall back".to_owned(),
    };
    format!("{trial}{place}: it {what}; {silence}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_device_consents() {
        for (line, consent) in [
            ("store\n", Consent::Given("typed")),
            (" store ", Consent::Given("typed")),
            ("y\n", Consent::Refused),
            ("Store\n", Consent::Refused),
            ("\n", Consent::Refused),
            ("", Consent::Refused),
        ] {
            assert_eq!(typed(&mut line.as_bytes(), "store").ok(), Some(consent), "{line:?}");
        }
    }
}
