//! Which commands reach control: by whom they say, in time, first of their id.
//!
//! In this order: retained, MAC, time and id, role, body. A retained command is an old wish of somebody who may have
//! left; an expired one is an order for a plant that has moved on; one stamped before this process started may be a
//! replay of what the last process has done. Ids are remembered by principal until their command would have expired
//! anyway, so forgetting them cannot let a replay in; when a principal has too many, its new commands are refused
//! instead. A safe stop is never refused for that: stopping twice does no harm.

use super::arming::{Arming, ArmingError, NONCE_VALID};
use super::clock::{Now, millis};
use super::command::{CommandKind, Content, content};
use super::envelope::{Envelope, Sender};
use super::operator::{BROKER, Operator};
use super::receive::{Body, Delivery};
use super::seal::Key;
use super::settings::Commands;
use memg_core::command::{Command, CommandBody, Means, Role};
use std::collections::BTreeMap;
use std::time::Duration;

/// Ids remembered at the same time, each principal's own.
const IDS_MAX: usize = 1024;
/// The clocks of an operator's station and of the gateway may differ by so much.
const SKEW_MAX: Duration = Duration::from_secs(5);

/// Why a command was ignored or refused before control saw it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was stored at the broker.
    #[error("retained commands are ignored")]
    Retained,
    /// It is not signed, and that would be needed.
    #[error(
        "the command is not signed: sign it with the key of an [[operator]], or declare mqtt.commands.trust_broker_as"
    )]
    Unsigned,
    /// The site file names nobody who may command.
    #[error(
        "nobody may command over MQTT here: configure an [[operator]] with a key, or mqtt.commands.trust_broker_as"
    )]
    Nobody,
    /// The MAC is not that of the principal's key, or nobody is called so: which of both is not told.
    #[error("the mac does not fit: wrong principal, key, topic, or altered on the way")]
    WrongMac,
    /// Its time to live is over.
    #[error("the command has expired: given at {given} and valid for {ttl_s} s, but here it is {here} (ms since 1970)")]
    Expired {
        /// Its time stamp, ms since 1970.
        given: u64,
        /// Its time to live, s.
        ttl_s: u64,
        /// The gateway's clock, ms since 1970.
        here: u64,
    },
    /// Its time stamp is in the future.
    #[error("time_unix_ms is in the future, one of the two clocks is wrong: given at {given}, but here it is {here}")]
    InFuture {
        /// Its time stamp, ms since 1970.
        given: u64,
        /// The gateway's clock, ms since 1970.
        here: u64,
    },
    /// It was stamped before this process started.
    #[error("the command is older than this start of the gateway: given at {given}, started at {start}")]
    BeforeStart {
        /// Its time stamp, ms since 1970.
        given: u64,
        /// When the gateway started, ms since 1970.
        start: u64,
    },
    /// Its id was seen before; nothing was done again.
    #[error("this id was seen before")]
    Repeated,
    /// The principal may not.
    #[error("{principal} is {}; this takes the role {}", role.name(), least.name())]
    Role {
        /// Who asked.
        principal: String,
        /// What they are.
        role: Role,
        /// What they would have to be.
        least: Role,
    },
    /// It is not a command, or asks for too long a life.
    #[error("{0}")]
    Malformed(String),
    /// Arming failed.
    #[error(transparent)]
    Arming(#[from] ArmingError),
    /// Too many commands at the same time.
    #[error("too many commands; try again with a new id and time stamp")]
    Busy,
}

/// Why somebody is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The MAC fits their key.
    Signature,
    /// The site file declares that the broker lets nobody else publish here.
    Broker,
}

/// Who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Principal {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) proof: Proof,
}

/// What happens to a command whose id can no longer be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    Accept,
    Refuse,
}

/// What becomes of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Admission {
    /// For control.
    Deliver(Command),
    /// First step of arming succeeded.
    Challenge { to: Sender, nonce: String, valid: Duration },
    /// Goes no further.
    Refuse { to: Sender, refusal: Refusal },
}

/// Judges commands.
#[derive(Debug)]
pub(super) struct CommandGate {
    prefix: String,
    operators: BTreeMap<String, (Role, Key)>,
    nobody: Key,
    trust_broker_as: Option<Role>,
    ttl_max: Duration,
    started_unix_ms: u64,
    /// By principal: ids and the wall-clock time, ms, until which their command could be replayed.
    seen: BTreeMap<String, BTreeMap<String, u64>>,
    arming: Arming,
}

impl CommandGate {
    pub(super) fn new(
        prefix: &str,
        commands: &Commands,
        operators: Vec<Operator>,
        (started, arming): (Now, Arming),
    ) -> Self {
        let keyed = |operator: Operator| (operator.name, (operator.role, Key::new(&operator.key)));
        Self {
            prefix: prefix.to_owned(),
            operators: operators.into_iter().map(keyed).collect(),
            nobody: Key::of_nobody(),
            trust_broker_as: commands.trust_broker_as,
            ttl_max: commands.ttl_max,
            started_unix_ms: started.unix_ms,
            seen: BTreeMap::new(),
            arming,
        }
    }

    /// Judges one message on a command topic.
    pub(super) fn admit(&mut self, kind: CommandKind, body: Body<'_>, delivery: Delivery, now: Now) -> Admission {
        let refuse = |to, refusal| {
            let refusal = if delivery == Delivery::Retained { Refusal::Retained } else { refusal };
            Admission::Refuse { to, refusal }
        };
        let Body::Bytes(payload) = body else {
            let oversize = Refusal::Malformed("the payload is larger than payload_bytes_max".into());
            return refuse(Sender::default(), oversize);
        };
        let envelope = match Envelope::parse(payload) {
            Ok(envelope) => envelope,
            Err(malformed) => return refuse(malformed.sender, Refusal::Malformed(malformed.message)),
        };
        let to = envelope.sender();
        if delivery == Delivery::Retained {
            return refuse(to, Refusal::Retained);
        }
        self.judge(kind, envelope, now).unwrap_or_else(|refusal| refuse(to, refusal))
    }

    /// Forgets a command that could not be handed over, so that it may be sent again.
    pub(super) fn forget(&mut self, command: &Command) {
        self.seen.get_mut(&command.principal).map(|ids| ids.remove(&command.id));
    }

    fn judge(&mut self, kind: CommandKind, envelope: Envelope, now: Now) -> Result<Admission, Refusal> {
        let principal = self.authenticate(kind, &envelope)?;
        let until = self.in_time(&envelope, now)?;
        let Envelope { id, time_unix_ms, wish, .. } = envelope;
        let content = content(kind, wish);
        let stops = content == Ok(Content::Ready(CommandBody::SafeStop));
        let full = if stops { WhenFull::Accept } else { WhenFull::Refuse };
        self.first_time((&principal.name, &id), until, now, full)?;
        let (role, least) = (principal.role, kind.role_min());
        if role < least {
            return Err(Refusal::Role { principal: principal.name, role, least });
        }
        let body = match content.map_err(Refusal::Malformed)? {
            Content::Ready(body) => body,
            Content::Arm => {
                let nonce = self.arming.arm(&principal, now.mono)?;
                let to = Sender { id: Some(id), principal: Some(principal.name) };
                return Ok(Admission::Challenge { to, nonce, valid: NONCE_VALID });
            }
            Content::Confirm { nonce, proof } => {
                self.arming.confirm(&principal, (&nonce, proof.as_deref()), now.mono)?;
                CommandBody::Arm
            }
        };
        Ok(Admission::Deliver(Command { principal: principal.name, role, means: Means::Mqtt, id, time_unix_ms, body }))
    }

    fn authenticate(&self, kind: CommandKind, envelope: &Envelope) -> Result<Principal, Refusal> {
        let Some(signature) = &envelope.signature else {
            let nobody = self.operators.is_empty();
            let refusal = || if nobody { Refusal::Nobody } else { Refusal::Unsigned };
            let role = self.trust_broker_as.ok_or_else(refusal)?;
            return Ok(Principal { name: BROKER.into(), role, proof: Proof::Broker });
        };
        let known = self.operators.get(&signature.principal);
        let key = known.map_or(&self.nobody, |(_, key)| key);
        let fits = envelope.is_sealed_with(key, &kind.topic(&self.prefix));
        match known {
            Some((role, _)) if fits => {
                Ok(Principal { name: signature.principal.clone(), role: *role, proof: Proof::Signature })
            }
            Some(_) | None if self.operators.is_empty() && self.trust_broker_as.is_none() => Err(Refusal::Nobody),
            Some(_) | None => Err(Refusal::WrongMac),
        }
    }

    /// Until when the command lives, ms since 1970.
    fn in_time(&self, envelope: &Envelope, now: Now) -> Result<u64, Refusal> {
        let (given, ttl_s, here) = (envelope.time_unix_ms, envelope.ttl_s, now.unix_ms);
        let max = self.ttl_max.as_secs();
        if !(1..=max).contains(&ttl_s) {
            return Err(Refusal::Malformed(format!("ttl_s must be from 1 to {max}")));
        }
        let until = given.saturating_add(ttl_s.saturating_mul(1000));
        let start = self.started_unix_ms;
        match () {
            () if given > here.saturating_add(millis(SKEW_MAX)) => Err(Refusal::InFuture { given, here }),
            () if here > until => Err(Refusal::Expired { given, ttl_s, here }),
            () if given < start => Err(Refusal::BeforeStart { given, start }),
            () => Ok(until),
        }
    }

    /// For the first time; remembers the id.
    fn first_time(
        &mut self,
        (principal, id): (&str, &str),
        until: u64,
        now: Now,
        full: WhenFull,
    ) -> Result<(), Refusal> {
        let ids = self.seen.entry(principal.to_owned()).or_default();
        ids.retain(|_, until| *until >= now.unix_ms);
        if ids.contains_key(id) {
            return Err(Refusal::Repeated);
        }
        if ids.len() < IDS_MAX {
            // Twice the largest life: ids outlive their command even if the clock is set back by as much.
            ids.insert(id.to_owned(), until.saturating_add(millis(self.ttl_max)));
            return Ok(());
        }
        match full {
            WhenFull::Accept => Ok(()),
            WhenFull::Refuse => Err(Refusal::Busy),
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
