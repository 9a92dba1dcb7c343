//! Who is logged in, and how often somebody may try.
//!
//! Tokens are 128 random bits; what they stand for is kept here alone and is gone after a restart. Everything is bounded.

use memg_core::command::Role;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Most people at once; the one that ends first goes.
const SESSIONS_MAX: usize = 256;
/// After so many failures of a name from an address ...
const FAILURES_MAX: u32 = 5;
/// ... or of an address, whatever the names ...
const FAILURES_OF_ADDRESS_MAX: u32 = 20;
/// ... nothing is tried until this time after the first.
const LOCK: Duration = Duration::from_secs(60);
/// Most addresses and names that are remembered.
const TRIES_MAX: usize = 1024;

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub name: String,
    pub role: Role,
    pub until: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    since: Instant,
    failures: u32,
}

/// Name, if it is one name's count, and address.
type Who = (Option<String>, IpAddr);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: HashMap<String, Session>,
    tries: HashMap<Who, Tries>,
}

/// 128 random bits in hex.
pub(crate) fn token() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Sessions {
    /// The session of a token.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<Session> {
        self.open.get(token).filter(|session| session.until > now).cloned()
    }

    /// Opens one; its token. `None`: no random numbers.
    pub(crate) fn open(&mut self, session: Session, now: Instant) -> Option<String> {
        self.open.retain(|_, session| session.until > now);
        if self.open.len() >= SESSIONS_MAX {
            let first = self.open.iter().min_by_key(|(_, session)| session.until).map(|(token, _)| token.clone());
            first.into_iter().for_each(|token| drop(self.open.remove(&token)));
        }
        let token = token()?;
        self.open.insert(token.clone(), session);
        Some(token)
    }

    /// Ends one.
    pub(crate) fn close(&mut self, token: &str) {
        self.open.remove(token);
    }

    /// How long this name from this address has to wait before it may try; zero: not at all.
    pub(crate) fn wait(&self, name: &str, from: IpAddr, now: Instant) -> Duration {
        let left = |who: Who, most: u32| {
            let tries = self.tries.get(&who).filter(|tries| tries.failures >= most);
            tries.map_or(Duration::ZERO, |tries| (tries.since + LOCK).saturating_duration_since(now))
        };
        left((Some(name.to_owned()), from), FAILURES_MAX).max(left((None, from), FAILURES_OF_ADDRESS_MAX))
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, name: &str, from: IpAddr, now: Instant) {
        self.tries.retain(|_, tries| now.saturating_duration_since(tries.since) < LOCK);
        for who in [(Some(name.to_owned()), from), (None, from)] {
            if self.tries.len() < TRIES_MAX || self.tries.contains_key(&who) {
                self.tries.entry(who).or_insert(Tries { since: now, failures: 0 }).failures += 1;
            }
        }
    }

    /// A name that got in starts counting anew.
    pub(crate) fn succeeded(&mut self, name: &str, from: IpAddr) {
        self.tries.remove(&(Some(name.to_owned()), from));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn anna(until: Instant) -> Session {
        Session { name: "anna".into(), role: Role::Operator, until }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_time_or_by_hand_and_their_number_is_bounded() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let until = now + Duration::from_secs(10);
        let [first, second] = [0; 2].map(|_| sessions.open(anna(until), now).unwrap());
        assert!(first != second && sessions.find(&first, now).is_some());
        sessions.close(&first);
        assert_eq!((sessions.find(&first, now), sessions.find(&second, until)), (None, None));
        for _ in 0..2 * SESSIONS_MAX {
            sessions.open(anna(until), now).unwrap();
        }
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_failures_a_name_waits_and_others_do_not() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for _ in 0..4 {
            sessions.failed("anna", HERE, now);
        }
        assert_eq!(sessions.wait("anna", HERE, now), Duration::ZERO);
        sessions.failed("anna", HERE, now);
        assert_eq!(sessions.wait("anna", HERE, now), LOCK);
        assert_eq!(sessions.wait("bert", HERE, now), Duration::ZERO);
        assert_eq!(sessions.wait("anna", HERE, now + LOCK), Duration::ZERO);
        for number in 0..15 {
            sessions.failed(&format!("guess {number}"), HERE, now);
        }
        assert_eq!(sessions.wait("bert", HERE, now), LOCK, "an address that guesses names waits, too");
    }

    #[tokio::test(start_paused = true)]
    async fn guessers_do_not_make_it_grow() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for number in 0..10_000 {
            sessions.failed(&format!("guess {number}"), HERE, now);
        }
        assert_eq!(sessions.tries.len(), TRIES_MAX);
    }
}
