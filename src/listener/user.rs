//! Somebody who logs in with a password.

use memg_core::command::Role;

/// Somebody who may log in.
#[derive(Clone)]
pub struct User {
    /// Name at log-in, and principal of what is commanded.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Argon2 hash as a PHC string.
    pub hash: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
