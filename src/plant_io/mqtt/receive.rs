//! What a connection needs from whoever makes sense of its messages.
//!
//! Two do: the plant side ([`super::inbound`]: measurements and commands) and the co-simulation in lock-step. The
//! connection knows neither values nor commands; a receiver knows neither sockets nor reconnecting.

use super::alarm::Alarms;
use super::clock::{Clock, Now};
use super::outbox::Publisher;
use super::session::LinkState;
use super::trim::OVERSIZE_MARK;

/// How a message reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Published while we were subscribed.
    Live,
    /// Kept by the broker since an unknown time.
    Retained,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// At most `payload_bytes_max` bytes.
    Bytes(&'a [u8]),
    /// More than that; the bytes are gone.
    Oversize,
}

impl<'a> Body<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        if bytes == OVERSIZE_MARK { Self::Oversize } else { Self::Bytes(bytes) }
    }
}

/// A message from the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Exact topic.
    pub topic: &'a str,
    /// Content.
    pub body: Body<'a>,
    /// How it came.
    pub delivery: Delivery,
}

/// How much a lost message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    /// The next one replaces it (QoS 0).
    NewestCounts,
    /// It must arrive, maybe twice (QoS 1).
    EveryOne,
}

/// Makes sense of messages. Called from the connection's task, so it must not wait.
pub trait Receive: Send + 'static {
    /// The exact topics to subscribe to on every connect.
    fn topics(&self) -> Vec<(String, Guarantee)>;
    /// Takes one message.
    fn message(&mut self, message: Message<'_>, now: Now);
    /// Called about once a second, with and without a connection.
    fn tick(&mut self, link: LinkState, now: Now);
}

/// What connection and receiver share.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) publisher: Publisher,
    pub(super) alarms: Alarms,
    pub(super) clock: Clock,
}
