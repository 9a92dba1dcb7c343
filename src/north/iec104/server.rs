//! The port: who may connect.

use crate::session::{Master, serve};
use crate::settings::Iec104Settings;
use memg_core::command::Means;
use memg_listener::{Complaints, Guest, Limits, Listener};
use memg_north::wires::Wires;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Masters, their standby connections, and room for strangers. What is half open ends by the protocol's own time-outs.
const LIMITS: Limits = Limits { connections: 64, life: Duration::from_secs(365 * 86_400) };

/// A station that listens, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: Iec104Settings,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub async fn bind(settings: &Iec104Settings) -> io::Result<Self> {
        let listener = Listener::bind("iec104", settings.listen, settings.tls.clone(), LIMITS).await?;
        Ok(Self { listener, settings: settings.clone() })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// Serves until `stop` is true or its sender is gone.
    pub async fn serve(self, wires: Wires, stop: watch::Receiver<bool>) {
        let (settings, complaints) = (Arc::new(self.settings), self.listener.complaints());
        let each = move |guest: Guest| one(guest, Arc::clone(&settings), wires.clone(), complaints.clone());
        self.listener.serve(stop, each).await;
    }
}

async fn one(guest: Guest, settings: Arc<Iec104Settings>, wires: Wires, complaints: Complaints) {
    let peer = guest.peer.ip().to_canonical();
    match settings.clients.principal(&guest, Means::Iec104) {
        Ok(by) => serve(guest.stream, wires, settings.common_address, Master { peer, by }, complaints).await,
        Err(why) => complaints.about("a client was turned away", &format!("{peer}: {why}")),
    }
}
