//! Connections: how many, how slow they may be, TLS. A connection costs a place of a bounded number, nothing else.

use crate::complaints::{Complaint, Complaints};
use crate::guard::Peer;
use crate::routes::{App, router};
use crate::settings::WebSettings;
use crate::wires::Wires;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Most connections at once; a page takes one for the stream and a few for a moment.
const CONNECTIONS_MAX: usize = 256;
/// A request's head comes within this time, the first and each later one.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lives longer than this is closed; a page's stream connects again by itself. What is half open, or read
/// by nobody, ends here at the latest.
const LIFE: Duration = Duration::from_secs(3600);
/// Longest head of a request, bytes.
const HEAD_MAX: usize = 32 * 1024;

/// A station that listens, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: WebSettings,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub async fn bind(settings: WebSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        Ok(Self { listener, settings })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.settings.tls.is_some() { "https" } else { "http" };
        self.address().map_or_else(|error| error.to_string(), |address| format!("{scheme}://{address}/"))
    }

    /// Serves until `stop` is true or its sender is gone.
    pub async fn serve(self, wires: Wires, mut stop: watch::Receiver<bool>) {
        let complaints = Complaints::default();
        let tls = self.settings.tls.clone().map(TlsAcceptor::from);
        let app = router(App::new(self.settings, wires, complaints.clone()));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.listener.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Err(error) => {
                    complaints.about(Complaint::System, &error.to_string());
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                    Err(_) => complaints.about(Complaint::TooMany, &peer.ip().to_string()),
                    Ok(place) => {
                        let one = One { tls: tls.clone(), app: app.clone(), peer, complaints: complaints.clone() };
                        connections.spawn(async move {
                            let _ = tokio::time::timeout(LIFE, one.serve(stream)).await;
                            drop(place);
                        });
                    }
                },
            }
        }
    }
}

/// One connection.
struct One {
    tls: Option<TlsAcceptor>,
    app: Router,
    peer: SocketAddr,
    complaints: Complaints,
}

impl One {
    async fn serve(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else { return self.http(stream).await };
        match tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(error)) => self.complaints.about(Complaint::Handshake, &error.to_string()),
            Err(_) => self.complaints.about(Complaint::Handshake, "too slow"),
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let routes = TowerToHyperService::new(self.app.layer(Extension(Peer(self.peer.ip()))));
        let asked = AtomicBool::new(false);
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            routes.call(request)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_MAX);
        let served = builder.serve_connection(TokioIo::new(stream), service).await;
        // Somebody who closes a page, or leaves it alone, is no news.
        if let Err(error) = served
            && (error.is_parse() || (error.is_timeout() && !asked.load(Ordering::Relaxed)))
        {
            self.complaints.about(Complaint::Garbage, &error.to_string());
        }
    }
}
