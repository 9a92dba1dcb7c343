//! Which commands reach control: in time, first of their id, authenticated where needed.
//!
//! A retained command is an old wish of somebody who may have left; an expired one is an order for a plant that has
//! moved on; one stamped before this process started may be a replay of what the last process has done. All three are
//! ignored and alarmed. Ids are remembered until their command would have expired anyway, so forgetting them cannot
//! let a replay in; when too many are remembered, new commands are refused instead.

use super::arming::{Arming, ArmingError, NONCE_VALID};
use super::clock::{Now, millis};
use super::command::{Command, CommandKind, Content, Envelope, parse};
use super::receive::{Body, Delivery};
use std::collections::BTreeMap;
use std::time::Duration;

/// Ids remembered at the same time.
const IDS_MAX: usize = 1024;

/// Why a command was ignored or refused before control saw it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was stored at the broker.
    #[error("retained commands are ignored")]
    Retained,
    /// Its time to live is over.
    #[error("the command has expired")]
    Expired,
    /// Its time stamp is in the future.
    #[error("time_unix_ms is in the future: one of the two clocks is wrong")]
    InFuture,
    /// It was stamped before this process started.
    #[error("the command is older than this start of the gateway")]
    BeforeStart,
    /// Its id was seen before; nothing was done again.
    #[error("this id was seen before")]
    Repeated,
    /// It is not a command, or asks for too long a life.
    #[error("{0}")]
    Malformed(String),
    /// Arming failed.
    #[error(transparent)]
    Arming(#[from] ArmingError),
    /// Too many commands at the same time.
    #[error("too many commands; try again with a new time stamp")]
    Busy,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Admission {
    /// For control.
    Deliver { id: String, command: Command },
    /// First step of arming succeeded.
    Challenge { id: String, nonce: String, valid: Duration },
    /// Goes no further.
    Refuse { id: Option<String>, refusal: Refusal },
}

/// Judges commands.
#[derive(Debug)]
pub(super) struct CommandGate {
    ttl_max: Duration,
    future_max: Duration,
    started_unix_ms: u64,
    /// Ids and the wall-clock time, ms, until which their command could be replayed.
    seen: BTreeMap<String, u64>,
    arming: Arming,
}

impl CommandGate {
    pub(super) fn new(ttl_max: Duration, future_max: Duration, started: Now, arming: Arming) -> Self {
        Self { ttl_max, future_max, started_unix_ms: started.unix_ms, seen: BTreeMap::new(), arming }
    }

    /// Judges one message on a command topic.
    pub(super) fn admit(&mut self, kind: CommandKind, body: Body<'_>, delivery: Delivery, now: Now) -> Admission {
        let Body::Bytes(payload) = body else {
            let refusal = Refusal::Malformed("the payload is larger than payload_bytes_max".into());
            return Admission::Refuse { id: None, refusal };
        };
        let (envelope, content) = match parse(kind, payload) {
            Ok(parts) => parts,
            Err(malformed) => {
                let refusal = match delivery {
                    Delivery::Retained => Refusal::Retained,
                    Delivery::Live => Refusal::Malformed(malformed.message),
                };
                return Admission::Refuse { id: malformed.id, refusal };
            }
        };
        let id = envelope.id.clone();
        match self.check(&envelope, delivery, now).and_then(|()| self.open(&id, content, now)) {
            Ok(admission) => admission,
            Err(refusal) => Admission::Refuse { id: Some(id), refusal },
        }
    }

    /// Forgets an id whose command could not be handed over, so that it may be sent again.
    pub(super) fn forget(&mut self, id: &str) {
        self.seen.remove(id);
    }

    /// In time and for the first time; remembers the id.
    fn check(&mut self, envelope: &Envelope, delivery: Delivery, now: Now) -> Result<(), Refusal> {
        if delivery == Delivery::Retained {
            return Err(Refusal::Retained);
        }
        let ttl = self.ttl(envelope.ttl_s)?;
        let sent = envelope.time_unix_ms;
        let until = sent.saturating_add(millis(ttl));
        let verdict = match () {
            () if sent > now.unix_ms.saturating_add(millis(self.future_max)) => Err(Refusal::InFuture),
            () if now.unix_ms > until => Err(Refusal::Expired),
            () if sent < self.started_unix_ms => Err(Refusal::BeforeStart),
            () => Ok(()),
        };
        verdict?;
        // Twice the largest life: ids outlive their command even if the clock is set back by as much.
        let remember = until.saturating_add(millis(self.ttl_max));
        self.seen.retain(|_, until| *until >= now.unix_ms);
        if self.seen.contains_key(&envelope.id) {
            return Err(Refusal::Repeated);
        }
        if self.seen.len() >= IDS_MAX {
            return Err(Refusal::Busy);
        }
        self.seen.insert(envelope.id.clone(), remember);
        Ok(())
    }

    fn ttl(&self, ttl_s: f64) -> Result<Duration, Refusal> {
        let max = self.ttl_max.as_secs_f64();
        if ttl_s > 0.0 && ttl_s <= max {
            return Ok(Duration::from_secs_f64(ttl_s));
        }
        Err(Refusal::Malformed(format!("ttl_s must be above 0 and at most {max}")))
    }

    fn open(&mut self, id: &str, content: Content, now: Now) -> Result<Admission, Refusal> {
        let id = id.to_owned();
        match content {
            Content::Ready(command) => Ok(Admission::Deliver { id, command }),
            Content::Arm => {
                let nonce = self.arming.arm(now.mono)?;
                Ok(Admission::Challenge { id, nonce, valid: NONCE_VALID })
            }
            Content::Confirm { nonce, proof } => {
                self.arming.confirm(&nonce, &proof, now.mono)?;
                Ok(Admission::Deliver { id, command: Command::ArmAuto })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arming::{proof_for, system_random};
    use super::super::clock::Clock;
    use super::super::command::ModeWish;
    use super::super::secret::Secret;
    use super::*;

    const START_MS: u64 = 1_700_000_000_000;
    const SECRET: &str = "correct horse battery";

    struct Bench {
        gate: CommandGate,
        clock: Clock,
    }

    impl Bench {
        fn new() -> Self {
            let clock = Clock::starting_at(START_MS);
            let arming = Arming::new(Some(Secret::new(SECRET)), system_random);
            let (ttl_max, future_max) = (Duration::from_secs(60), Duration::from_secs(2));
            Self { gate: CommandGate::new(ttl_max, future_max, clock.now(), arming), clock }
        }

        fn admit(&mut self, kind: CommandKind, payload: &str, delivery: Delivery) -> Admission {
            self.gate.admit(kind, Body::Bytes(payload.as_bytes()), delivery, self.clock.now())
        }

        fn live(&mut self, kind: CommandKind, payload: &str) -> Admission {
            self.admit(kind, payload, Delivery::Live)
        }

        fn refusal(&mut self, payload: &str) -> Option<Refusal> {
            match self.live(CommandKind::Mode, payload) {
                Admission::Refuse { refusal, .. } => Some(refusal),
                Admission::Deliver { .. } | Admission::Challenge { .. } => None,
            }
        }
    }

    fn mode(id: &str, offset_ms: i64, ttl_s: f64) -> String {
        let time = START_MS.saturating_add_signed(offset_ms);
        format!(r#"{{"id":"{id}","time_unix_ms":{time},"ttl_s":{ttl_s},"mode":"shadow"}}"#)
    }

    fn arm_field(id: &str, fields: &str) -> String {
        format!(r#"{{"id":"{id}","time_unix_ms":{START_MS},"ttl_s":60{fields}}}"#)
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_in_time_is_delivered_once() {
        let mut bench = Bench::new();
        let command = Command::Mode(ModeWish::Shadow);
        let delivered = Admission::Deliver { id: "a".into(), command };
        assert_eq!(bench.live(CommandKind::Mode, &mode("a", 0, 10.0)), delivered);
        assert_eq!(bench.refusal(&mode("a", 0, 10.0)), Some(Refusal::Repeated));
        assert_eq!(bench.refusal(&mode("a", 1, 10.0)), Some(Refusal::Repeated), "a new stamp does not help");
        bench.gate.forget("a");
        assert_eq!(bench.live(CommandKind::Mode, &mode("a", 0, 10.0)), delivered);
    }

    #[tokio::test(start_paused = true)]
    async fn retained_expired_early_and_future_commands_are_refused() {
        let mut bench = Bench::new();
        let retained = bench.admit(CommandKind::Mode, &mode("r", 0, 10.0), Delivery::Retained);
        assert_eq!(retained, Admission::Refuse { id: Some("r".into()), refusal: Refusal::Retained });
        let garbage = bench.admit(CommandKind::Mode, "{", Delivery::Retained);
        assert_eq!(garbage, Admission::Refuse { id: None, refusal: Refusal::Retained });
        assert_eq!(bench.refusal(&mode("b", -1, 10.0)), Some(Refusal::BeforeStart));
        assert_eq!(bench.refusal(&mode("f", 2_001, 10.0)), Some(Refusal::InFuture));
        assert_eq!(bench.refusal(&mode("g", 1_999, 10.0)), None);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(bench.refusal(&mode("e", 0, 10.0)), Some(Refusal::Expired));
        assert_eq!(bench.refusal(&mode("h", 1_001, 10.0)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_life_must_be_positive_and_bounded() {
        let mut bench = Bench::new();
        for ttl_s in ["0", "-1", "61", "1e308"] {
            let payload = mode("a", 0, 7.0).replace(":7", &format!(":{ttl_s}"));
            assert!(matches!(bench.refusal(&payload), Some(Refusal::Malformed(_))), "{ttl_s}");
        }
        let oversize = bench.gate.admit(CommandKind::Mode, Body::Oversize, Delivery::Live, bench.clock.now());
        assert!(matches!(oversize, Admission::Refuse { id: None, refusal: Refusal::Malformed(_) }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_ids_is_refused_instead_of_forgetting_old_ones() {
        let mut bench = Bench::new();
        for n in 0..IDS_MAX {
            assert_eq!(bench.refusal(&mode(&n.to_string(), 0, 60.0)), None);
        }
        assert_eq!(bench.refusal(&mode("new", 0, 60.0)), Some(Refusal::Busy));
        assert_eq!(bench.refusal(&mode("0", 0, 60.0)), Some(Refusal::Repeated));
        tokio::time::advance(Duration::from_secs(121)).await;
        assert_eq!(bench.refusal(&mode("later", 121_000, 60.0)), None, "the flood is over");
    }

    #[tokio::test(start_paused = true)]
    async fn auto_is_armed_in_two_authenticated_steps() {
        let mut bench = Bench::new();
        let Admission::Challenge { nonce, .. } = bench.live(CommandKind::Arm, &arm_field("1", "")) else {
            panic!("a nonce is offered")
        };
        let proof = proof_for(&nonce, SECRET);
        let confirm = arm_field("2", &format!(r#","nonce":"{nonce}","proof":"{proof}""#));
        let armed = Admission::Deliver { id: "2".into(), command: Command::ArmAuto };
        assert_eq!(bench.live(CommandKind::Confirm, &confirm), armed);
        let again = bench.live(CommandKind::Confirm, &confirm.replace("\"2\"", "\"3\""));
        let refusal = Refusal::Arming(ArmingError::NoSuchNonce);
        assert_eq!(again, Admission::Refuse { id: Some("3".into()), refusal });
    }
}
