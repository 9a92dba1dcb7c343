//! Accepting strangers, for every server of the gateway: a bounded number of connections with a bounded life, TLS where it is
//! wished, and log lines that nobody can fill a disk with. What is spoken on a connection is its server's affair.

#![forbid(unsafe_code)]

mod complaints;
mod tls;
mod user;

pub use complaints::Complaints;
pub use tls::{Identity, Tls, identity, tls};
pub use user::User;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A TLS handshake takes no longer.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// After an error of the system's own, such as no more handles.
const PAUSE: Duration = Duration::from_millis(100);

/// What strangers may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most connections at once; more are closed at once.
    pub connections: usize,
    /// A connection that lives longer is closed: what is half open ends here at the latest.
    pub life: Duration,
}

/// A port that is open and not yet served.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Tls>,
    limits: Limits,
    complaints: Complaints,
}

/// Somebody who is connected.
#[derive(Debug)]
pub struct Guest {
    /// Where from.
    pub peer: SocketAddr,
    /// Who its certificate says it is; `None` without one.
    pub identity: Option<Identity>,
    /// What it says.
    pub stream: Stream,
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Through TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Guest {
    /// Nobody else hears what it says.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

impl Listener {
    /// Opens the port. `server` is what log lines call it.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub async fn bind(server: &'static str, listen: SocketAddr, tls: Option<Tls>, limits: Limits) -> io::Result<Self> {
        let tcp = TcpListener::bind(listen).await?;
        Ok(Self { tcp, tls, limits, complaints: Complaints::of(server) })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Where its complaints go.
    #[must_use]
    pub fn complaints(&self) -> Complaints {
        self.complaints.clone()
    }

    /// Serves each connection by `each`, until `stop` is true or its sender is gone.
    pub async fn serve<F, S>(self, mut stop: watch::Receiver<bool>, each: F)
    where
        F: Fn(Guest) -> S,
        S: Future<Output = ()> + Send + 'static,
        F: Clone + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.tcp.accept() => accepted,
            };
            while connections.try_join_next().is_some() {}
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.complaints.about("a connection cannot be taken", &error.to_string());
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                self.complaints
                    .about("more connections than there are places; the rest is refused", &peer.ip().to_string());
                continue;
            };
            let (tls, complaints, each, life) = (self.tls.clone(), self.complaints(), each.clone(), self.limits.life);
            connections.spawn(async move {
                if let Some(guest) = greet(stream, peer, tls, &complaints).await {
                    let _ = tokio::time::timeout(life, each(guest)).await;
                }
                drop(place);
            });
        }
    }
}

async fn greet(stream: TcpStream, peer: SocketAddr, tls: Option<Tls>, complaints: &Complaints) -> Option<Guest> {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return Some(Guest { peer, identity: None, stream: Stream::Plain(stream) }) };
    let failed = |why: &str| complaints.about("a TLS handshake failed", &format!("{}: {why}", peer.ip()));
    match tokio::time::timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let identity = certificate.and_then(|der| identity(der).map_err(|why| failed(&why)).ok());
            Some(Guest { peer, identity, stream: Stream::Tls(Box::new(stream)) })
        }
        Ok(Err(error)) => {
            failed(&error.to_string());
            None
        }
        Err(_) => {
            failed("too slow");
            None
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn connections_beyond_the_limit_are_closed_and_a_life_ends() {
        let limits = Limits { connections: 1, life: Duration::from_millis(200) };
        let listener = Listener::bind("test", "127.0.0.1:0".parse().unwrap(), None, limits).await.unwrap();
        let address = listener.address().unwrap();
        let (stop, stopped) = watch::channel(false);
        let each = |mut guest: Guest| async move {
            guest.stream.write_all(b"hello").await.unwrap();
            std::future::pending::<()>().await;
        };
        let serving = tokio::spawn(listener.serve(stopped, each));
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut text = [0; 5];
        first.read_exact(&mut text).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut text).await.unwrap_or(0), 0, "there is one place");
        assert_eq!(first.read(&mut text).await.unwrap_or(0), 0, "its life is over");
        stop.send(true).unwrap();
        serving.await.unwrap();
    }
}
