//! Where the station listens and who may use it. Whoever reads configurations fills it in and has checked it.

use memg_core::command::Role;
use memg_listener::Tls;
use std::net::SocketAddr;
use std::time::Duration;

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

/// `[web]`, checked: beyond loopback there are users and TLS.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Address and port; port 0: the system chooses.
    pub listen: SocketAddr,
    /// Names under which browsers may ask for it, besides addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Who may log in.
    pub users: Vec<User>,
    /// Certificate and key; `None` = plain HTTP.
    pub tls: Option<Tls>,
    /// How long a log-in lasts.
    pub session: Duration,
}

impl WebSettings {
    /// Whether someone who has not logged in may look: on this machine alone.
    #[must_use]
    pub fn anonymous_may_look(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}
