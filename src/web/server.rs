//! Connections: how slow they may be, and HTTP on them. A connection costs a place of a bounded number, nothing else.

use crate::guard::Peer;
use crate::routes::{App, router};
use crate::settings::WebSettings;
use crate::wires::Wires;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use memg_listener::{Complaints, Guest, Limits, Listener};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Most connections at once; a page takes one for the stream and a few for a moment. A page's stream connects again by itself.
const LIMITS: Limits = Limits { connections: 256, life: Duration::from_secs(3600) };
/// A request's head comes within this time, the first and each later one.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Longest head of a request, bytes.
const HEAD_MAX: usize = 32 * 1024;

/// A station that listens, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: WebSettings,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub async fn bind(settings: WebSettings) -> io::Result<Self> {
        let listener = Listener::bind("operator's station", settings.listen, settings.tls.clone(), LIMITS).await?;
        Ok(Self { listener, settings })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// The address for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.settings.tls.is_some() { "https" } else { "http" };
        self.address().map_or_else(|error| error.to_string(), |address| format!("{scheme}://{address}/"))
    }

    /// Serves until `stop` is true or its sender is gone.
    pub async fn serve(self, wires: Wires, stop: watch::Receiver<bool>) {
        let complaints = self.listener.complaints();
        let app = router(App::new(self.settings, wires, complaints.clone()));
        self.listener.serve(stop, move |guest| http(guest, app.clone(), complaints.clone())).await;
    }
}

async fn http(guest: Guest, app: Router, complaints: Complaints) {
    let routes = TowerToHyperService::new(app.layer(Extension(Peer(guest.peer.ip()))));
    let asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        routes.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX);
    let served = builder.serve_connection(TokioIo::new(guest.stream), service).await;
    // Somebody who closes a page, or leaves it alone, is no news.
    if let Err(error) = served
        && (error.is_parse() || (error.is_timeout() && !asked.load(Ordering::Relaxed)))
    {
        complaints.about("something came that is no request", &error.to_string());
    }
}
