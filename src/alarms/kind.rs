//! What kinds of alarms there are.

use serde::Serialize;

/// How soon somebody has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Within minutes.
    High,
    /// Within the shift.
    Medium,
    /// When there is time.
    Low,
}

impl Priority {
    /// The most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// As in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// The kinds of alarms; one row of [`crate::TABLE`] each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A safe stop waits for somebody.
    Stop,
    /// Control finds something wrong that nothing else explains.
    Fault,
    /// The journal cannot be written.
    Journal,
    /// A driver, another task or a thread has ended or panicked.
    Driver,
    /// A unit reports a fault.
    Device,
    /// A unit does other than it was told.
    Follow,
    /// The connection carries more than it may.
    Limit,
    /// A device does not answer.
    Link,
    /// Required measurements are lost although devices answer.
    Input,
    /// Measurements of a device cannot be used although it answers.
    Values,
    /// A measurement is beyond what the site declares.
    Bounds,
    /// Somebody works at a device.
    Local,
    /// A device did not take a set-point.
    Write,
    /// A device refuses what its table asks.
    Points,
    /// A connection keeps breaking.
    Unstable,
    /// Answers that belong to no request.
    Answers,
    /// The broker is away.
    Broker,
    /// The policy failed.
    Policy,
    /// Measurements do not fit each other.
    Balance,
    /// The history is not complete.
    History,
    /// The station does not listen.
    Station,
    /// Messages that cannot be used.
    Messages,
    /// Commands that were refused unseen.
    Commands,
    /// The network was not trained for this tariff.
    Tariff,
    /// Prices stand in.
    Prices,
    /// Something stands in for a signal.
    Substitute,
    /// No forecast.
    Forecast,
    /// Whoever says the connection's limits is silent.
    GridLimit,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Which kind.
    pub kind: Kind,
    /// What its id ends with; what it is about stands before: `chp.link`.
    pub suffix: &'static str,
    /// What it is about, where that is always the same.
    pub about: Option<&'static str>,
    /// How soon somebody has to act.
    pub priority: Priority,
    /// So long it stands before it is shown, s of the wall clock.
    pub delay_s: u32,
    /// So long it is gone before it counts as gone, s of the wall clock.
    pub gone_s: u32,
    /// It waits for somebody when it is gone, even if it was acknowledged before.
    pub latches: bool,
    /// What is wrong; `{name}` is what it is about, `{detail}` what is known of it.
    pub text: &'static str,
    /// What to do, and what happens by itself.
    pub advice: &'static str,
}

impl Kind {
    /// Its row.
    #[must_use]
    pub fn definition(self) -> &'static Definition {
        let row = crate::TABLE.iter().find(|row| row.kind == self);
        // Every kind has a row: a test holds it to that.
        row.unwrap_or(&crate::TABLE[0])
    }

    /// The kind whose ids end like this one.
    #[must_use]
    pub fn of_id(id: &str) -> Option<(Self, &str)> {
        let (about, suffix) = id.rsplit_once('.')?;
        let of = |known: Option<&str>| crate::TABLE.iter().find(|row| row.suffix == suffix && row.about == known);
        of(Some(about)).or_else(|| of(None)).map(|row| (row.kind, about))
    }

    /// The id of an alarm about `name`.
    #[must_use]
    pub fn id(self, name: &str) -> String {
        let row = self.definition();
        format!("{}.{}", row.about.unwrap_or(name), row.suffix)
    }
}
