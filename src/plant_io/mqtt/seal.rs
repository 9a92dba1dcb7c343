//! The MAC that shows who wrote a command: HMAC-SHA256 over everything that a command says, and where it says it.
//!
//! The text, with line feeds between its parts: `memg-command-v1`, topic, principal, id, `time_unix_ms`, `ttl_s`, body as
//! it was sent. No part but the last one can hold a line feed, so no two commands have the same text.

use super::secret::Secret;
use hmac::digest::{self, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write};

/// Least length of a key, bytes.
pub const KEY_BYTES_MIN: usize = 16;

/// A block of the hash, zeros at first.
type Block = digest::Key<Hmac<Sha256>>;

/// A key, ready for use: the key's own length no longer matters for how long a MAC takes.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// The bytes of a text of any length; those beyond a block are hashed first (RFC 2104).
    pub(super) fn new(secret: &Secret) -> Self {
        let bytes = secret.expose().as_bytes();
        let mut block = Block::default();
        let bytes = if bytes.len() > block.len() { Sha256::digest(bytes).to_vec() } else { bytes.to_vec() };
        block.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Self(KeyInit::new(&block))
    }

    /// What unknown principals are checked against, so that the time of an answer does not tell who is known.
    pub(super) fn of_nobody() -> Self {
        Self(KeyInit::new(&Block::default()))
    }

    /// The MAC of a text, in lower-case hex.
    pub(super) fn seal(&self, text: &str) -> String {
        hex(&self.0.clone().chain_update(text).finalize().into_bytes())
    }

    /// Whether a MAC in hex is that of the text. Takes as long for a wrong one as for the right one.
    pub(super) fn fits(&self, text: &str, mac: &str) -> bool {
        let mac = self.0.clone().chain_update(text).verify_slice(&unhex(mac).unwrap_or_default());
        mac.is_ok()
    }
}

/// What is sealed; see the head of this file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealed<'a> {
    pub(super) topic: &'a str,
    pub(super) principal: &'a str,
    pub(super) id: &'a str,
    pub(super) time_unix_ms: u64,
    pub(super) ttl_s: u64,
    pub(super) body: &'a str,
}

impl Sealed<'_> {
    pub(super) fn text(&self) -> String {
        let Self { topic, principal, id, time_unix_ms, ttl_s, body } = self;
        format!("memg-command-v1\n{topic}\n{principal}\n{id}\n{time_unix_ms}\n{ttl_s}\n{body}")
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `None` if it is not hex.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(&Secret::new(text))
    }

    #[test]
    fn macs_are_those_of_rfc_4231() {
        // Test case 2: key "Jefe".
        let mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let text = "what do ya want for nothing?";
        assert_eq!(key("Jefe").seal(text), mac);
        assert!(key("Jefe").fits(text, mac) && key("Jefe").fits(text, &mac.to_uppercase()));
    }

    #[test]
    fn a_key_longer_than_a_block_is_hashed_first() {
        // python3 -c 'import hmac; print(hmac.new(b"k" * 80, b"text", "sha256").hexdigest())'
        assert_eq!(
            key(&"k".repeat(80)).seal("text"),
            "98ea9d4dbe59f7aa6b056e69015e6f8c47a075fa13e04ffa8022fa3ce86349db"
        );
    }

    #[test]
    fn a_mac_that_is_cut_altered_or_not_hex_does_not_fit() {
        let key = key("0123456789abcdef");
        let mac = key.seal("text");
        for wrong in [&mac[..62], &mac[1..], "", "zz", &mac.replace(&mac[..1], "g"), &format!("{mac}00")] {
            assert!(!key.fits("text", wrong), "{wrong}");
        }
        assert!(!key.fits("texts", &mac));
    }

    #[test]
    fn every_part_of_a_command_changes_its_text() {
        let one = Sealed { topic: "t", principal: "p", id: "i", time_unix_ms: 1, ttl_s: 2, body: "{}" };
        let others = [
            Sealed { topic: "t2", ..one },
            Sealed { principal: "p2", ..one },
            Sealed { id: "i2", ..one },
            Sealed { time_unix_ms: 12, ..one },
            Sealed { ttl_s: 3, ..one },
            Sealed { body: "{ }", ..one },
        ];
        assert_eq!(one.text(), "memg-command-v1\nt\np\ni\n1\n2\n{}");
        assert!(others.iter().all(|other| other.text() != one.text()));
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", key("0123456789abcdef")), "Key(hidden)");
    }
}
