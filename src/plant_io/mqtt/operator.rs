//! Operators: who may command the gateway, as what, and the secret that proves it.

use super::secret::Secret;
use memg_core::command::Role;

/// The principal of unsigned commands, where the broker's own permissions stand in for signatures. No operator's name.
pub const BROKER: &str = "broker";

/// Somebody, or some program, who may command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The principal's name: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The key of their commands' MACs: the bytes of this text, at least [`super::seal::KEY_BYTES_MIN`].
    pub key: Secret,
}

/// Whether a text can be the name of a principal or the id of a command. No line feed, so that neither can be mistaken
/// for something else in a sealed text; no slash, so that it can stand in a topic.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain)
}
