//! The two-step, authenticated command that arms Auto.
//!
//! `arm` is answered with a nonce, valid for a minute and for one attempt. `confirm` must bring the nonce and
//! `hex(sha256(nonce + secret))`: whoever only listens, or replays what was said before, cannot arm. On a shell:
//! `printf '%s%s' "$nonce" "$secret" | sha256sum`.

use super::secret::Secret;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;

/// An operator has this long between the two steps.
pub(super) const NONCE_VALID: Duration = Duration::from_secs(60);

/// Why arming went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmingError {
    /// The site file names no secret.
    #[error("arming over MQTT is not configured")]
    NotConfigured,
    /// The operating system gave no random numbers.
    #[error("no random numbers are available")]
    NoRandomness,
    /// No `arm` before this `confirm`, too long ago, or already used.
    #[error("there is no such nonce, it was used, or it is too old")]
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
    open: Option<(String, Instant)>,
}

impl Arming {
    pub(super) fn new(secret: Option<Secret>, random: Random) -> Self {
        Self { secret, random, open: None }
    }

    /// First step: a fresh nonce; an earlier one is void.
    pub(super) fn arm(&mut self, now: Instant) -> Result<String, ArmingError> {
        self.open = None;
        if self.secret.is_none() {
            return Err(ArmingError::NotConfigured);
        }
        let mut bytes = [0; 16];
        if !(self.random)(&mut bytes) {
            return Err(ArmingError::NoRandomness);
        }
        let nonce = hex(&bytes);
        self.open = Some((nonce.clone(), now + NONCE_VALID));
        Ok(nonce)
    }

    /// Second step. Whatever comes out, the nonce is used up.
    pub(super) fn confirm(&mut self, nonce: &str, proof: &str, now: Instant) -> Result<(), ArmingError> {
        let secret = self.secret.as_ref().ok_or(ArmingError::NotConfigured)?;
        let open = self.open.take().filter(|(open, until)| open == nonce && now <= *until);
        let (nonce, _) = open.ok_or(ArmingError::NoSuchNonce)?;
        let expected = proof_for(&nonce, secret.expose());
        if same(expected.as_bytes(), proof.to_ascii_lowercase().as_bytes()) {
            Ok(())
        } else {
            Err(ArmingError::WrongProof)
        }
    }
}

/// `hex(sha256(nonce + secret))`, what an operator's tool computes for `confirm`.
#[must_use]
pub fn proof_for(nonce: &str, secret: &str) -> String {
    hex(&Sha256::new().chain_update(nonce).chain_update(secret).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Equality whose duration does not tell how many characters were right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct horse battery";

    fn arming() -> Arming {
        Arming::new(Some(Secret::new(SECRET)), system_random)
    }

    #[test]
    fn the_proof_is_plain_sha256_as_shell_tools_compute_it() {
        // printf '%s%s' 00 abc | sha256sum
        assert_eq!(proof_for("00", "abc"), "945e7ca29aa6488ed10982b339d302e8c0da48fb947f14cfc022c85361b16aec");
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_proof_arms_once() {
        let (mut arming, now) = (arming(), Instant::now());
        let nonce = arming.arm(now).unwrap();
        let proof = proof_for(&nonce, SECRET);
        assert_eq!(arming.confirm(&nonce, &proof.to_uppercase(), now), Ok(()));
        assert_eq!(arming.confirm(&nonce, &proof, now), Err(ArmingError::NoSuchNonce), "replayed");
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_proofs_old_nonces_and_foreign_nonces_do_not_arm() {
        let (mut arming, now) = (arming(), Instant::now());
        let nonce = arming.arm(now).unwrap();
        assert_eq!(arming.confirm(&nonce, &proof_for(&nonce, "guess"), now), Err(ArmingError::WrongProof));
        assert_eq!(arming.confirm(&nonce, &proof_for(&nonce, SECRET), now), Err(ArmingError::NoSuchNonce));

        let first = arming.arm(now).unwrap();
        let second = arming.arm(now).unwrap();
        assert_ne!(first, second);
        assert_eq!(arming.confirm(&first, &proof_for(&first, SECRET), now), Err(ArmingError::NoSuchNonce));

        let nonce = arming.arm(now).unwrap();
        let late = now + Duration::from_secs(61);
        assert_eq!(arming.confirm(&nonce, &proof_for(&nonce, SECRET), late), Err(ArmingError::NoSuchNonce));
    }

    #[tokio::test(start_paused = true)]
    async fn without_secret_or_randomness_nothing_is_armed() {
        let now = Instant::now();
        assert_eq!(Arming::new(None, system_random).arm(now), Err(ArmingError::NotConfigured));
        assert_eq!(Arming::new(None, system_random).confirm("", "", now), Err(ArmingError::NotConfigured));
        let mut without = Arming::new(Some(Secret::new(SECRET)), |_| false);
        assert_eq!(without.arm(now), Err(ArmingError::NoRandomness));
    }
}
