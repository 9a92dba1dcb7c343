//! Opening a connection: everything that must be set on `rumqttc`, in one place.
//!
//! A new client for every connection, never a reconnecting one: what was queued for the old connection is gone with it
//! (no late set-point, no livelock on half-acknowledged packets), and what must be there is sent afresh.

use super::outbox::MESSAGE_BYTES_MAX;
use super::prompt::Prompt;
use super::settings::Connection;
use super::trim::Trimmed;
use rumqttc::{AsyncClient, EventLoop, LastWill, MqttOptions, NetworkOptions, QoS};
use serde_json::json;
use std::time::Duration;

/// Topic, packet id and headers around a payload, bytes: MQTT allows topics of 64 KiB.
const HEADER_BYTES_MAX: usize = 70_000;
/// Requests between the outbox and the socket: few, so that a value waiting there is hardly older than the newest.
const REQUESTS: usize = 16;
/// The same where everything is said at once: births of many devices.
const REQUESTS_BESIDE: usize = 512;
/// TCP connect and CONNACK together, and one flush of the socket.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for one connection of the gateway, with its last will. Nothing happens before the event loop is polled.
pub(super) fn open(connection: &Connection, now_unix_ms: u64) -> (AsyncClient, EventLoop) {
    let mut options = options(connection, &connection.broker.client_id);
    let offline = json!({ "status": "offline", "reason": "lost", "connected_unix_ms": now_unix_ms }).to_string();
    options.set_last_will(LastWill::new(status_topic(connection), offline, QoS::AtLeastOnce, true));
    build(options)
}

/// A client beside the gateway, under a name of its own and without the gateway's last will: its end says nothing about
/// the gateway.
pub(super) fn visit(connection: &Connection, client_id: &str) -> (AsyncClient, EventLoop) {
    build(options(connection, client_id))
}

/// A client beside the gateway with a last will of its own, for whoever speaks other topics than the gateway's.
#[must_use]
pub fn beside(connection: &Connection, client_id: &str, will: Option<LastWill>) -> (AsyncClient, EventLoop) {
    let mut options = options(connection, client_id);
    if let Some(will) = will {
        options.set_last_will(will);
    }
    with_room(options, REQUESTS_BESIDE)
}

fn build(options: MqttOptions) -> (AsyncClient, EventLoop) {
    with_room(options, REQUESTS)
}

fn with_room(options: MqttOptions, requests: usize) -> (AsyncClient, EventLoop) {
    let (client, mut eventloop) = AsyncClient::builder(options).capacity(requests).build();
    let mut network = NetworkOptions::new();
    // Without it two small packets in a row wait for a delayed acknowledgement: 77 ms instead of 0.24 ms.
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_TIMEOUT.as_secs());
    eventloop.set_network_options(network);
    (client, eventloop)
}

fn options(connection: &Connection, client_id: &str) -> MqttOptions {
    let broker = &connection.broker;
    let mut options = MqttOptions::new(client_id, (broker.host.clone(), broker.port));
    options.set_keep_alive(u16::try_from(broker.keep_alive.as_secs()).unwrap_or(u16::MAX));
    options.set_clean_session(true);
    if let Some((user, password)) = &broker.login {
        options.set_credentials(user, password.expose().to_owned());
    }
    let limit = connection.trust.payload_bytes_max;
    // The client's own limit ends the connection, so it must lie above what the stream lets through.
    options.set_max_packet_size(2 * (limit + HEADER_BYTES_MAX), MESSAGE_BYTES_MAX + HEADER_BYTES_MAX);
    match broker.tls.clone() {
        None => options.set_socket_connector(move |host, network| async move {
            let stream = rumqttc::default_socket_connect(host, network).await?;
            Ok(Trimmed::new(Prompt::new(stream), limit))
        }),
        // Ours and not the client's: what is trimmed has to be in the clear again.
        Some(tls) => {
            let name = broker.host.clone();
            options.set_socket_connector(move |host, network| {
                let (tls, name) = (tls.clone(), name.clone());
                async move {
                    let stream = rumqttc::default_socket_connect(host, network).await?;
                    Ok(Trimmed::new(tls.connect(&name, Prompt::new(stream)).await?, limit))
                }
            })
        }
    };
    options
}

/// Where birth and last will go; retained.
pub(super) fn status_topic(connection: &Connection) -> String {
    format!("{}/status", connection.prefix)
}
