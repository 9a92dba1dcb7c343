//! Where the server listens, who may log in, and its certificates. Whoever reads configurations fills it in and has checked it.

use memg_listener::User;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What encrypted connections need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// The gateway's own application instance certificate (PEM or DER).
    pub cert_file: PathBuf,
    /// Its private key (PEM).
    pub key_file: PathBuf,
    /// Folder with the certificates of the clients that are trusted (PEM or DER), each by itself; read again while the gateway runs.
    pub trusted_dir: PathBuf,
}

/// `[north.opcua]`, checked: beyond loopback there are certificates and users.
#[derive(Debug, Clone)]
pub struct OpcUaSettings {
    /// Address and port; port 0: the system chooses.
    pub listen: SocketAddr,
    /// Host in the addresses that clients are told.
    pub host: String,
    /// Application URI, as in the certificate.
    pub application_uri: String,
    /// Folder of the site's points.
    pub site: String,
    /// Who may log in.
    pub users: Vec<User>,
    /// For encrypted connections; without, there are none.
    pub certificates: Option<Certificates>,
}

impl OpcUaSettings {
    /// Whether someone who has not logged in may look, without encryption: on this machine alone.
    #[must_use]
    pub fn anonymous_may_look(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}
