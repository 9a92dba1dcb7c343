//! Passwords: argon2id hashes as PHC strings, made and compared here alone.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2};

/// Shortest password that is hashed, characters.
pub const LENGTH_MIN: usize = 10;
/// Longest password that is looked at, bytes: hashing is work.
pub(crate) const LENGTH_MAX: usize = 256;

/// The hash of a password, for `password_file` or `password_env`.
///
/// # Errors
/// It is shorter than [`LENGTH_MIN`] or too long, or the system gives no random numbers.
pub fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < LENGTH_MIN || password.len() > LENGTH_MAX {
        return Err(format!("expected a password of {LENGTH_MIN} to {LENGTH_MAX} characters"));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// A password of 80 random bits in letters and digits that are not mistaken for each other; `None`: no random numbers.
#[must_use]
pub fn made_up() -> Option<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let letters = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)));
    Some(letters.map(|letter| char::from(*letter)).collect())
}

/// Whether this is a hash that [`verify`] can use.
///
/// # Errors
/// What is wrong with it.
pub fn check(phc: &str) -> Result<(), String> {
    let hash = PasswordHash::new(phc).map_err(|error| error.to_string())?;
    Algorithm::try_from(hash.algorithm).map(|_| ()).map_err(|error| error.to_string())
}

/// Whether the password fits the hash. Takes some 10 ms and 19 MiB.
#[must_use]
pub fn verify(phc: &str, password: &str) -> bool {
    let hash = PasswordHash::new(phc);
    hash.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_hash_fits_its_password_alone_and_is_salted() {
        let [first, second] = [0; 2].map(|_| hash("correct horse").unwrap());
        assert!(first.starts_with("$argon2id$") && first != second && check(&first).is_ok());
        assert!(verify(&first, "correct horse") && !verify(&first, "correct hors") && !verify("plain", "plain"));
        assert!(check("correct horse").is_err() && check("$scrypt$x").is_err() && hash("short").is_err());
    }
}
