//! Where the station listens and who may do what. Whoever reads configurations fills it in and has checked it.

use memg_listener::Tls;
use memg_north::settings::Clients;
use std::net::SocketAddr;

/// `[north.iec104]`, checked.
#[derive(Debug, Clone)]
pub struct Iec104Settings {
    /// Address and port; port 0: the system chooses.
    pub listen: SocketAddr,
    /// Common address of the station, 1 to 65534.
    pub common_address: u16,
    /// Certificate, key, and authorities of clients; `None` = plain.
    pub tls: Option<Tls>,
    /// Who may connect.
    pub clients: Clients,
}
