//! An MQTT broker inside the process, for the demonstration: nothing has to be installed to see messages flow.
//!
//! MQTT 3.1.1 on loopback, without login or persistence; it lives as long as the runtime that started it. Plants use a real broker, and so do most
//! tests. Deliveries are of QoS 0 or 1 (a subscription that asks for 2 is granted 1), sessions end with their connection. A broker from the registry
//! brought sixty crates, a tenth of what the first build compiles; the packets are read and written by the client that is linked anyway.

mod hub;
mod session;

use hub::Hub;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;

/// Connections at once; more are closed as they come.
const CONNECTIONS_MAX: usize = 100;
/// Wait after a connection could not be accepted, for want of handles.
const AGAIN: Duration = Duration::from_millis(50);

/// Starts a broker on a port chosen by the system and returns its address; it listens.
///
/// # Errors
/// What the operating system says if no port can be used.
pub async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener));
    Ok(address)
}

async fn accept(listener: TcpListener) {
    let hub = Arc::new(Hub::default());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(AGAIN).await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let hub = Arc::clone(&hub);
            tokio::spawn(async move {
                session::serve(stream, &hub).await;
                drop(place);
            });
        }
    }
}

#[cfg(test)]
mod tests;
