//! Faults that a virtual device can be made to have, and the text form of the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// What is wrong with a device.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// It refuses and drops connections.
    Down,
    /// It keeps connections and answers nothing.
    NoAnswer,
    /// It answers this much later.
    Slow(Duration),
    /// It answers everything with this exception code.
    Exception(u8),
    /// A point keeps its value (every point when `None`).
    Frozen(Option<String>),
    /// A point reads as NaN, or as its "no value" pattern.
    NoValue(String),
    /// A point reads as this value, in the project's unit.
    Stuck(String, f64),
    /// Writes are acknowledged and have no effect.
    NotApplied,
    /// Power set-points are silently limited to this range, kW, the project's sign.
    Clamp(f64, f64),
    /// Local control: writes are refused with exception 6, the battery is at 0, the CHP goes on as it was.
    Local,
    /// It trips and says so.
    Trip,
}

impl FaultKind {
    /// The point that it is about.
    #[must_use]
    pub fn point(&self) -> Option<&str> {
        match self {
            Self::Frozen(point) => point.as_deref(),
            Self::NoValue(point) | Self::Stuck(point, _) => Some(point),
            Self::Down
            | Self::NoAnswer
            | Self::Slow(_)
            | Self::Exception(_)
            | Self::NotApplied
            | Self::Clamp(..)
            | Self::Local
            | Self::Trip => None,
        }
    }
}

/// A fault of one device, for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Name of the device.
    pub device: String,
    /// What is wrong.
    pub kind: FaultKind,
    /// Begin, wall time since the plant's start.
    pub from: Duration,
    /// End, wall time since the plant's start; `None`: it stays.
    pub until: Option<Duration>,
}

impl Fault {
    /// A fault from the start that stays.
    #[must_use]
    pub fn lasting(device: &str, kind: FaultKind) -> Self {
        Self { device: device.to_owned(), kind, from: Duration::ZERO, until: None }
    }

    /// Whether it is present.
    #[must_use]
    pub fn is_active(&self, now: Duration) -> bool {
        now >= self.from && self.until.is_none_or(|until| now < until)
    }
}

/// Why a text is no fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no fault: expected DEVICE:KIND[=VALUE][@FROM_S[+FOR_S]], KIND one of down, no_answer, slow=S, exception=CODE, \
     frozen[=POINT], no_value=POINT, stuck=POINT/VALUE, not_applied, clamp=LOW..HIGH, local, trip"
)]
pub struct FaultTextError(String);

impl FromStr for Fault {
    type Err = FaultTextError;

    /// `battery:no_answer@60+30`: from 60 s after the start for 30 s.
    fn from_str(text: &str) -> Result<Self, FaultTextError> {
        parse(text).ok_or_else(|| FaultTextError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Fault> {
    let (device, rest) = text.split_once(':').filter(|(device, _)| !device.is_empty())?;
    let (what, when) = rest.split_once('@').unwrap_or((rest, "0"));
    let (from, length) = match when.split_once('+') {
        Some((from, length)) => (seconds(from)?, Some(seconds(length)?)),
        None => (seconds(when)?, None),
    };
    let kind = kind(what)?;
    Some(Fault { device: device.to_owned(), kind, from, until: length.map(|length| from + length) })
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn kind(text: &str) -> Option<FaultKind> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    Some(match (name, value) {
        ("down", None) => FaultKind::Down,
        ("no_answer", None) => FaultKind::NoAnswer,
        ("slow", Some(value)) => FaultKind::Slow(seconds(value)?),
        ("exception", Some(value)) => FaultKind::Exception(value.parse().ok()?),
        ("frozen", point) => FaultKind::Frozen(point.map(str::to_owned)),
        ("no_value", Some(point)) => FaultKind::NoValue(point.to_owned()),
        ("stuck", Some(value)) => {
            let (point, value) = value.split_once('/')?;
            FaultKind::Stuck(point.to_owned(), number(value)?)
        }
        ("not_applied", None) => FaultKind::NotApplied,
        ("clamp", Some(value)) => {
            let (low, high) = value.split_once("..")?;
            let (low, high) = (number(low)?, number(high)?);
            FaultKind::Clamp(low.min(high), high)
        }
        ("local", None) => FaultKind::Local,
        ("trip", None) => FaultKind::Trip,
        _ => return None,
    })
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("down"),
            Self::NoAnswer => f.write_str("no_answer"),
            Self::Slow(delay) => write!(f, "slow={}", delay.as_secs_f64()),
            Self::Exception(code) => write!(f, "exception={code}"),
            Self::Frozen(None) => f.write_str("frozen"),
            Self::Frozen(Some(point)) => write!(f, "frozen={point}"),
            Self::NoValue(point) => write!(f, "no_value={point}"),
            Self::Stuck(point, value) => write!(f, "stuck={point}/{value}"),
            Self::NotApplied => f.write_str("not_applied"),
            Self::Clamp(low, high) => write!(f, "clamp={low}..{high}"),
            Self::Local => f.write_str("local"),
            Self::Trip => f.write_str("trip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_fault_says_device_kind_value_and_time() {
        let s = Duration::from_secs;
        for (text, kind, from, until) in [
            ("battery:no_answer@60+30", FaultKind::NoAnswer, s(60), Some(s(90))),
            ("battery:down", FaultKind::Down, s(0), None),
            ("pv:slow=0.5@10", FaultKind::Slow(Duration::from_millis(500)), s(10), None),
            ("chp:exception=4", FaultKind::Exception(4), s(0), None),
            ("pv:frozen", FaultKind::Frozen(None), s(0), None),
            ("pv:frozen=power", FaultKind::Frozen(Some("power".to_owned())), s(0), None),
            ("pv:stuck=power/-3.5", FaultKind::Stuck("power".to_owned(), -3.5), s(0), None),
            ("battery:clamp=-20..10", FaultKind::Clamp(-20.0, 10.0), s(0), None),
        ] {
            let fault: Fault = text.parse().expect(text);
            assert_eq!((&fault.kind, fault.from, fault.until), (&kind, from, until), "{text}");
            assert!(text.contains(&kind.to_string()), "{text}");
        }
        for bad in [
            "",
            "battery",
            ":down",
            "battery:",
            "battery:melt",
            "battery:slow",
            "battery:slow=-1",
            "pv:down@x",
            "pv:clamp=1",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fault_is_active_from_its_begin_until_before_its_end() {
        let fault: Fault = "battery:trip@2+3".parse().expect("a fault");
        let active: Vec<bool> = (0..6).map(|second| fault.is_active(Duration::from_secs(second))).collect();
        assert_eq!(active, [false, false, true, true, true, false]);
    }
}
