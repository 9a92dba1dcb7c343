//! Where the station listens and who may use it. Whoever reads configurations fills it in and has checked it.

use memg_listener::{Tls, User};
use std::net::SocketAddr;
use std::time::Duration;

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
