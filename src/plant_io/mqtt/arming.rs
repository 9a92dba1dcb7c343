//! The two-step, authenticated command that arms Auto.
//!
//! `arm` is answered with a nonce, valid for a minute, for one attempt, and for the principal that asked. `confirm` must
//! bring it back. Where commands are signed, the signature around the nonce is the proof; an unsigned one must bring
//! `hex(sha256(nonce + secret))`. Whoever only listens, or replays what was said before, cannot arm. On a shell:
//! `printf '%s%s' "$nonce" "$secret" | sha256sum`.

use super::gate::{Principal, Proof};
use super::seal::hex;
use super::secret::Secret;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// An operator has this long between the two steps.
pub(super) const NONCE_VALID: Duration = Duration::from_secs(60);

/// Why arming went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmingError {
    /// The site file names no secret for unsigned commands.
    #[error("unsigned commands cannot arm: sign them, or configure mqtt.commands.arm_secret_file or arm_secret_env")]
    NotConfigured,
    /// The operating system gave no random numbers.
    #[error("no random numbers are available")]
    NoRandomness,
    /// No `arm` of this principal before this `confirm`, too long ago, or already used.
    #[error("there is no such nonce, it was used, it is too old, or it was given to somebody else")]
    NoSuchNonce,
    /// The proof does not fit.
    #[error("the proof is wrong")]
    WrongProof,
}

/// Fills a buffer with random bytes; an argument, so that tests are repeatable.
pub(super) type Random = fn(&mut [u8]) -> bool;

/// Random bytes from the operating system.
pub(super) fn system_random(buffer: &mut [u8]) -> bool {
    getrandom::fill(buffer).is_ok()
}

/// The state between the two steps.
#[derive(Debug)]
pub(super) struct Arming {
    secret: Option<Secret>,
    random: Random,
    /// One nonce a principal, so that nobody voids another's; there are as many principals as the site file names.
    open: BTreeMap<String, (String, Instant)>,
}

impl Arming {
    /// `secret` is that of unsigned commands.
    pub(super) fn new(secret: Option<Secret>, random: Random) -> Self {
        Self { secret, random, open: BTreeMap::new() }
    }

    /// First step: a fresh nonce; the principal's earlier one is void.
    pub(super) fn arm(&mut self, who: &Principal, now: Instant) -> Result<String, ArmingError> {
        self.open.remove(&who.name);
        if who.proof == Proof::Broker && self.secret.is_none() {
            return Err(ArmingError::NotConfigured);
        }
        let nonce = random_name(self.random).ok_or(ArmingError::NoRandomness)?;
        self.open.insert(who.name.clone(), (nonce.clone(), now + NONCE_VALID));
        Ok(nonce)
    }

    /// Second step. Whatever comes out, the nonce is used up.
    pub(super) fn confirm(
        &mut self,
        who: &Principal,
        (nonce, proof): (&str, Option<&str>),
        now: Instant,
    ) -> Result<(), ArmingError> {
        let open = self.open.remove(&who.name).filter(|(open, until)| open == nonce && now <= *until);
        let (nonce, _) = open.ok_or(ArmingError::NoSuchNonce)?;
        match who.proof {
            Proof::Signature => Ok(()),
            Proof::Broker => self.prove(&nonce, proof.unwrap_or_default()),
        }
    }

    fn prove(&self, nonce: &str, proof: &str) -> Result<(), ArmingError> {
        let secret = self.secret.as_ref().ok_or(ArmingError::NotConfigured)?;
        let expected = proof_for(nonce, secret.expose());
        let fits = same(expected.as_bytes(), proof.to_ascii_lowercase().as_bytes());
        if fits { Ok(()) } else { Err(ArmingError::WrongProof) }
    }
}

/// 128 random bits in hex.
pub(super) fn random_name(random: Random) -> Option<String> {
    let mut bytes = [0; 16];
    random(&mut bytes).then(|| hex(&bytes))
}

/// `hex(sha256(nonce + secret))`, what an operator's tool computes for an unsigned `confirm`.
#[must_use]
pub fn proof_for(nonce: &str, secret: &str) -> String {
    hex(&Sha256::new().chain_update(nonce).chain_update(secret).finalize())
}

/// Equality whose duration does not tell how many characters were right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use memg_core::command::Role;

    const SECRET: &str = "correct horse battery";

    fn arming() -> Arming {
        Arming::new(Some(Secret::new(SECRET)), system_random)
    }

    fn principal(name: &str, proof: Proof) -> Principal {
        Principal { name: name.into(), role: Role::Operator, proof }
    }

    fn broker() -> Principal {
        principal("broker", Proof::Broker)
    }

    #[test]
    fn the_proof_is_plain_sha256_as_shell_tools_compute_it() {
        // printf '%s%s' 00 abc | sha256sum
        assert_eq!(proof_for("00", "abc"), "945e7ca29aa6488ed10982b339d302e8c0da48fb947f14cfc022c85361b16aec");
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_proof_arms_once() {
        let (mut arming, now) = (arming(), Instant::now());
        let nonce = arming.arm(&broker(), now).unwrap();
        let proof = proof_for(&nonce, SECRET).to_uppercase();
        assert_eq!(arming.confirm(&broker(), (&nonce, Some(&proof)), now), Ok(()));
        let again = arming.confirm(&broker(), (&nonce, Some(&proof)), now);
        assert_eq!(again, Err(ArmingError::NoSuchNonce), "replayed");
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_proofs_old_nonces_and_foreign_nonces_do_not_arm() {
        let (mut arming, now) = (arming(), Instant::now());
        let proof = |nonce: &str| proof_for(nonce, SECRET);
        for guess in [None, Some(proof_for("", "guess"))] {
            let nonce = arming.arm(&broker(), now).unwrap();
            let guessed = arming.confirm(&broker(), (&nonce, guess.as_deref()), now);
            assert_eq!(guessed, Err(ArmingError::WrongProof));
            let late = arming.confirm(&broker(), (&nonce, Some(&proof(&nonce))), now);
            assert_eq!(late, Err(ArmingError::NoSuchNonce), "one attempt a nonce");
        }
        let first = arming.arm(&broker(), now).unwrap();
        let second = arming.arm(&broker(), now).unwrap();
        assert_ne!(first, second);
        let void = arming.confirm(&broker(), (&first, Some(&proof(&first))), now);
        assert_eq!(void, Err(ArmingError::NoSuchNonce));

        let nonce = arming.arm(&broker(), now).unwrap();
        let late = arming.confirm(&broker(), (&nonce, Some(&proof(&nonce))), now + Duration::from_secs(61));
        assert_eq!(late, Err(ArmingError::NoSuchNonce));
    }

    #[tokio::test(start_paused = true)]
    async fn a_nonce_belongs_to_the_principal_that_asked() {
        let (mut arming, now) = (Arming::new(None, system_random), Instant::now());
        let [anna, bert] = ["anna", "bert"].map(|name| principal(name, Proof::Signature));
        let nonce = arming.arm(&anna, now).unwrap();
        arming.arm(&bert, now).unwrap();
        assert_eq!(arming.confirm(&bert, (&nonce, None), now), Err(ArmingError::NoSuchNonce));
        assert_eq!(arming.confirm(&anna, (&nonce, None), now), Ok(()), "the other's attempts void nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn without_secret_or_randomness_nothing_is_armed() {
        let now = Instant::now();
        assert_eq!(Arming::new(None, system_random).arm(&broker(), now), Err(ArmingError::NotConfigured));
        let unasked = Arming::new(None, system_random).confirm(&broker(), ("", None), now);
        assert_eq!(unasked, Err(ArmingError::NoSuchNonce));
        let mut without = Arming::new(Some(Secret::new(SECRET)), |_| false);
        assert_eq!(without.arm(&broker(), now), Err(ArmingError::NoRandomness));
    }
}
