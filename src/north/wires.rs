//! What protocols are connected to: a snapshot of every cycle in, commands out.

use crate::desk::Desk;
use crate::forecasts::Forecasts;
use crate::points::PointList;
use memg_core::command::{Command, ExchangeLimits, Means, Outcome};
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// How far a value can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Measured, in time, within its range.
    Good,
    /// A substitute, or it does not move.
    Uncertain,
    /// Old, out of range, or its device is away: the value is the last known one.
    Bad,
    /// Nothing has ever been known.
    #[default]
    Never,
}

impl Trust {
    /// As a register: 0 good, 1 uncertain, 2 bad, 3 never.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Good => 0,
            Self::Uncertain => 1,
            Self::Bad => 2,
            Self::Never => 3,
        }
    }
}

/// What is known of a point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Its value in its unit; `None` = unknown, or a text.
    pub value: Option<f64>,
    /// Its words, if it is a text.
    pub text: Option<Arc<str>>,
    /// How far it can be trusted.
    pub trust: Trust,
    /// Time since it was measured, s.
    pub age_s: f64,
}

impl Reading {
    /// Something that the gateway itself knows.
    #[must_use]
    pub fn own(value: f64) -> Self {
        Self { value: Some(value), text: None, trust: Trust::Good, age_s: 0.0 }
    }

    /// Words of the gateway.
    #[must_use]
    pub fn words(text: &str) -> Self {
        Self { value: None, text: Some(text.into()), trust: Trust::Good, age_s: 0.0 }
    }
}

/// One cycle, for everybody.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// When, ms since 1970 UTC by the plant's clock.
    pub unix_ms: i64,
    /// In the order of [`PointList::points`]; commands are unknown here, [`Desk::written`] knows them.
    pub readings: Vec<Reading>,
    /// Devices, whether they answer, and the places of the points that they alone measure.
    pub devices: Vec<DeviceState>,
    /// Limits at the connection that an operator has set.
    pub limits: ExchangeLimits,
    /// Those that were ordered for a time.
    pub ordered: ExchangeLimits,
    /// Who has control in manual mode, and by which entrance; `None`: the gateway itself.
    pub in_charge: Option<(String, Means)>,
}

/// A device of the plant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceState {
    /// Its name in the configuration.
    pub name: String,
    /// It answers.
    pub up: bool,
    /// Places of the points that it alone measures.
    pub points: Vec<usize>,
}

/// A command on its way to control's door, and the way back. One that is dropped counts as not taken.
#[derive(Debug)]
pub struct Ask {
    /// The command.
    pub command: Command,
    /// What became of it.
    pub answer: oneshot::Sender<Outcome>,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Wires {
    /// Which points there are.
    pub list: Arc<PointList>,
    /// The latest cycle.
    pub live: watch::Receiver<Arc<Snapshot>>,
    /// Takes what is written.
    pub desk: Desk,
    /// Takes forecasts that are written, if anybody may.
    pub forecasts: Option<Forecasts>,
}
