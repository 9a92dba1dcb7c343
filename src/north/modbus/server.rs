//! Connections: who is at the other end, frames in time, one request after the other.

use super::pdu::{self, Registers};
use crate::desk::Principal;
use crate::settings::{Clients, ModbusSettings};
use memg_core::command::Means;
use memg_listener::{Complaints, Guest, Limits, Listener};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

/// A client that asks nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(300);
/// A frame that began is complete within this time, and so is an answer.
const FRAME_WITHIN: Duration = Duration::from_secs(5);
const LIMITS: Limits = Limits { connections: 64, life: Duration::from_secs(7 * 86_400) };
/// Transaction, protocol and length, without the first byte; the unit counts as part of the length.
const HEADER: usize = 5;
/// Longest request with its unit, bytes.
const LENGTH_MAX: usize = 254;

/// What is said about whoever speaks no Modbus.
const GARBAGE: &str = "something came that is no Modbus request";

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    clients: Arc<Clients>,
    means: Means,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// The address is not ours or the port is taken.
    pub async fn bind(settings: &ModbusSettings, means: Means) -> io::Result<Self> {
        let listener = Listener::bind(means.name(), settings.listen, settings.tls.clone(), LIMITS).await?;
        Ok(Self { listener, clients: Arc::new(settings.clients.clone()), means })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// Serves until `stop` is true or its sender is gone.
    pub async fn serve(self, behind: impl Registers, stop: watch::Receiver<bool>) {
        let (clients, means, complaints) = (self.clients, self.means, self.listener.complaints());
        let each = move |guest: Guest| {
            let (behind, clients, complaints) = (behind.clone(), Arc::clone(&clients), complaints.clone());
            async move {
                match clients.principal(&guest, means) {
                    Ok(by) => converse(guest, &by, &behind, &complaints).await,
                    Err(why) => complaints.about("a client was turned away", &format!("{}: {why}", guest.peer.ip())),
                }
            }
        };
        self.listener.serve(stop, each).await;
    }
}

async fn converse(mut guest: Guest, by: &Principal, behind: &impl Registers, complaints: &Complaints) {
    let from = guest.peer.ip();
    loop {
        match request(&mut guest.stream).await {
            Ok(Some((transaction, unit, pdu))) => {
                let answer = pdu::answer(behind, by, &pdu).await;
                if !matches!(
                    timeout(FRAME_WITHIN, reply(&mut guest.stream, transaction, unit, &answer)).await,
                    Ok(Ok(()))
                ) {
                    return;
                }
            }
            Ok(None) => return,
            Err(why) => return complaints.about(GARBAGE, &format!("{from}: {why}")),
        }
    }
}

/// The next request; `None` where the client is gone.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<([u8; 2], u8, Vec<u8>)>, &'static str> {
    let mut first = [0];
    match timeout(IDLE, stream.read_exact(&mut first)).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Ok(None),
    }
    let whole = async {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await.map_err(|_| "a frame that ends in its header")?;
        let ([t0], [t1, p0, p1, l0, l1]) = (first, header);
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if [p0, p1] != [0, 0] || !(2..=LENGTH_MAX).contains(&length) {
            return Err("a header that is none");
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.map_err(|_| "a frame that ends early")?;
        let (unit, pdu) = body.split_first().ok_or("an empty frame")?;
        Ok(Some(([t0, t1], *unit, pdu.to_vec())))
    };
    timeout(FRAME_WITHIN, whole).await.unwrap_or(Err("a frame that does not end"))
}

async fn reply(stream: &mut (impl AsyncWrite + Unpin), transaction: [u8; 2], unit: u8, pdu: &[u8]) -> io::Result<()> {
    let length = u16::try_from(pdu.len() + 1).map_err(io::Error::other)?;
    let frame = [&transaction[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat();
    stream.write_all(&frame).await?;
    stream.flush().await
}
