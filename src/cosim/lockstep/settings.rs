//! Settings of the lock-step protocol: the `[cosim]` table.

use super::controller::SETPOINTS;
use super::villas::{Position, STATUS, VillasMap};
use jiff::civil::{Date, DateTime};
use memg_core::plant_state::{Signal, Tag};
use memg_plant_io::problem::{self, Problem};
use serde::Deserialize;
use std::time::Duration;

/// What the protocol needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct LockstepSettings {
    /// A run that is silent for longer is over, wall clock.
    pub idle_max: Duration,
    /// Local time at simulated time 0, ms since 1970.
    pub start_ms: i64,
    /// What a `stop` of the simulator ends.
    pub after_stop: AfterStop,
    /// Positions in VILLASnode frames; `None` = such frames are refused.
    pub villas: Option<VillasMap>,
}

/// What a `stop` of the simulator ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AfterStop {
    /// The run and the gateway.
    #[default]
    Exit,
    /// The run; the gateway waits for the next one.
    Wait,
}

impl Default for LockstepSettings {
    fn default() -> Self {
        Self { idle_max: Duration::from_secs(60), start_ms: 0, after_stop: AfterStop::Exit, villas: None }
    }
}

/// `[cosim]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLockstep {
    /// A run that is silent for longer is over, s of the wall clock. Default 60.
    pub idle_max_s: Option<f64>,
    /// The site's local time at simulated time 0: `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM`. Default 1970-01-01.
    pub start: Option<String>,
    /// `exit`: a `stop` ends the gateway as well; `wait`: it waits for the next run. Default `exit`.
    pub after_stop: Option<String>,
    /// VILLASnode frames: see [`RawVillas`]. Without this table they are refused.
    pub villas: Option<toml::Value>,
}

/// `[cosim.villas]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawVillas {
    /// Signals, or `import_price_ahead_0` to `…_23`, in the order of the simulator's `data`; an empty text passes a
    /// position over.
    pub inputs: Vec<String>,
    /// Set-points in the order of the answer's `data`, those of further units as `battery_2_kw`, `chp_2_kw`, `chp_2_on`; `status` is 0 for control, 1 for hold, 2 for fallback.
    pub outputs: Vec<String>,
    /// Simulated time of sequence 0, s. Default 0.
    #[serde(default)]
    pub t0_s: f64,
    /// Length of a step, s.
    pub dt_s: f64,
}

/// Checks the `[cosim]` table.
///
/// # Errors
/// Every problem, with its key path.
pub fn validate(table: toml::Value) -> Result<LockstepSettings, Vec<Problem>> {
    let mut problems = Vec::new();
    let raw: RawLockstep = problem::read("cosim", table, &mut problems).unwrap_or_default();
    let idle_max_s = raw.idle_max_s.unwrap_or(60.0);
    if !(1.0..=86_400.0).contains(&idle_max_s) {
        problems.push(Problem::new("cosim.idle_max_s", "must be between 1 and 86400 s"));
    }
    let start_ms = raw.start.as_deref().map_or(Some(0), local_ms);
    if start_ms.is_none() {
        problems.push(Problem::new("cosim.start", "expected YYYY-MM-DD or YYYY-MM-DDTHH:MM of the site's local time"));
    }
    let after_stop = match raw.after_stop.as_deref() {
        None | Some("exit") => AfterStop::Exit,
        Some("wait") => AfterStop::Wait,
        Some(other) => {
            let message = format!("expected \"exit\" or \"wait\", found {other:?}");
            problems.push(Problem::new("cosim.after_stop", message));
            AfterStop::Exit
        }
    };
    let villas = raw.villas.and_then(|table| villas(table, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    let idle_max = Duration::from_secs_f64(idle_max_s);
    Ok(LockstepSettings { idle_max, start_ms: start_ms.unwrap_or_default(), after_stop, villas })
}

/// ms from 1970-01-01 to a local date or date and time.
fn local_ms(text: &str) -> Option<i64> {
    let day = || text.parse::<Date>().ok().map(|day| day.to_datetime(jiff::civil::Time::midnight()));
    let moment = if text.contains('T') { text.parse::<DateTime>().ok() } else { day() }?;
    let since = moment.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    i64::try_from(since.as_millis()).ok()
}

/// A set-point of an answer: one of [`SETPOINTS`], or a further unit's, named as its measurement is.
fn is_setpoint(name: &str) -> bool {
    let of_unit = |tag: Tag| matches!(tag.signal(), Signal::BatteryKw | Signal::ChpKw | Signal::ChpOn);
    SETPOINTS.contains(&name) || Tag::from_name(name).is_some_and(of_unit)
}

fn villas(table: toml::Value, problems: &mut Vec<Problem>) -> Option<VillasMap> {
    let raw: RawVillas = problem::read("cosim.villas", table, problems)?;
    let mut inputs = Vec::new();
    for (n, name) in raw.inputs.iter().enumerate() {
        let position = Position::from_name(name);
        if position.is_none() {
            problems.push(Problem::new(format!("cosim.villas.inputs[{n}]"), format!("{name:?} is not a signal")));
        }
        inputs.extend(position);
    }
    for (n, name) in raw.outputs.iter().enumerate() {
        if name != STATUS && !is_setpoint(name) {
            let message = format!(
                "{name:?}: expected {STATUS} or one of {}, those of further units with their number (battery_2_kw)",
                SETPOINTS.join(", ")
            );
            problems.push(Problem::new(format!("cosim.villas.outputs[{n}]"), message));
        }
    }
    if !(raw.dt_s > 0.0 && raw.dt_s.is_finite() && raw.t0_s.is_finite()) {
        problems.push(Problem::new("cosim.villas.dt_s", "must be above 0, and t0_s a finite number"));
    }
    Some(VillasMap { inputs, outputs: raw.outputs, t0_s: raw.t0_s, dt_s: raw.dt_s })
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_plant_io::problem::parse_table;

    fn validated(text: &str) -> Result<LockstepSettings, Vec<String>> {
        let problems = validate(toml::Value::Table(parse_table(text).unwrap()));
        problems.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_at_all_is_a_complete_configuration() {
        assert_eq!(validated(""), Ok(LockstepSettings::default()));
    }

    #[test]
    fn every_problem_is_named() {
        let text = "idle_max_s = 0\nidle = 1\nstart = 'then'\n[villas]\ninputs = ['pv_kw', '', 'x']\noutputs = ['q']\ndt_s = 0";
        let problems = validated(text).unwrap_err();
        let keys: Vec<_> = problems.iter().map(|text| text.split(": ").next().unwrap_or_default()).collect();
        let wrong = ["inputs[2]", "outputs[0]", "dt_s"].map(|key| format!("cosim.villas.{key}"));
        assert_eq!(keys[..3], ["cosim.idle", "cosim.idle_max_s", "cosim.start"]);
        assert_eq!(keys[3..], wrong);
    }

    #[test]
    fn positions_of_frames_are_signals_prices_ahead_or_nothing() {
        let table = |name: &str| format!("[villas]\ninputs = ['', 'soc', '{name}']\noutputs = ['status']\ndt_s = 900");
        let map = validated(&table("import_price_ahead_23")).unwrap().villas.unwrap();
        let expected = [Position::Nothing, Position::Signal(Signal::Soc.into()), Position::PriceAhead(23)];
        assert_eq!(map.inputs, expected);
        let by_input = validated(&table("p_load")).unwrap().villas.unwrap();
        assert_eq!(by_input.inputs[2], Position::Signal(Signal::ElectricLoadKw.into()));
        for wrong in ["import_price_ahead_24", "import_price_ahead_", "import_price_ahead_-1", "SOC"] {
            assert!(validated(&table(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_start_is_a_local_date_or_date_and_time() {
        for (text, ms) in
            [("1970-01-02", 86_400_000), ("1970-01-01T06:15", 22_500_000), ("2016-04-20", 1_461_110_400_000)]
        {
            assert_eq!(validated(&format!("start = '{text}'")).unwrap().start_ms, ms, "{text}");
        }
    }
}
