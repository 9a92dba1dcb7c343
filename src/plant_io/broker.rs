//! An MQTT broker inside the process, for the demonstration: nothing has to be installed to see messages flow.
//!
//! Loopback only, without login or persistence; it lives until the process ends and cannot be stopped before. Plants and
//! tests use a real broker. The broker logs through `tracing` under its own crate name; whoever installs a subscriber
//! adds the filter `rumqttd=off`, or the terminal of the demonstration fills with connection details.

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Ports tried before giving up; one is enough unless another program takes it in the same millisecond.
const PORTS: usize = 10;
/// Questions whether the broker listens, 10 ms apart.
const QUESTIONS: usize = 200;
/// Payloads of the gateway are at most 256 KiB; bytes.
const PAYLOAD_BYTES_MAX: usize = 300_000;

/// Starts a broker on a port chosen by the system and returns its address once it listens.
///
/// # Errors
/// The last error of the operating system if no port could be used.
pub async fn start() -> io::Result<SocketAddr> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORTS {
        // The broker wants a number, so the port is free for a moment between the two; hence the repetition.
        let address = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut broker = Broker::new(config(address));
        let serving = thread::Builder::new().name("demo-broker".into()).spawn(move || broker.start().is_ok())?;
        match listening(address, &serving).await {
            Ok(()) => return Ok(address),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Waits until the port answers while the broker's thread lives: if it ended, the port belongs to somebody else.
async fn listening<T>(address: SocketAddr, serving: &JoinHandle<T>) -> io::Result<()> {
    let mut result = Err(io::Error::from(io::ErrorKind::TimedOut));
    for _ in 0..QUESTIONS {
        result = TcpStream::connect(address).await.map(drop);
        sleep(Duration::from_millis(10)).await;
        if serving.is_finished() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        if result.is_ok() {
            break;
        }
    }
    result
}

fn config(listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: PAYLOAD_BYTES_MAX,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let name = "demo-broker".to_owned();
    let server = ServerSettings { name: name.clone(), listen, tls: None, next_connection_delay_ms: 1, connections };
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 200,
        max_segment_size: 1_048_576,
        max_segment_count: 2,
        ..RouterConfig::default()
    };
    Config { router, v4: Some(HashMap::from([(name, server)])), ..Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{PointId, ProcessImage};
    use crate::mqtt::clock::Clock;
    use crate::mqtt::{self, LinkState, MqttHandle, settings};
    use crate::problem::parse_table;
    use memg_core::measurement::Quality;
    use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, PublishOptions, QoS};
    use tokio::sync::{mpsc, watch};
    use tokio::time::timeout;

    fn gateway(address: SocketAddr) -> (MqttHandle, ProcessImage, watch::Sender<bool>) {
        let text = format!(
            "[mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = 'gateway'\nprefix = 'memg/demo'\n[[mqtt.inputs]]\n
             topic = 'plant/soc'\nsignal = 'soc'\nraw = true\nunit = '%'\nrange = [0, 1]",
            address.port()
        );
        let table = parse_table(&text).unwrap().remove("mqtt").unwrap();
        let settings = settings::validate(table, &|_| None).unwrap();
        let image = ProcessImage::new([Duration::from_secs(15)]);
        let (stop, stopped) = watch::channel(false);
        let (events, _) = mpsc::channel(1);
        let mqtt = mqtt::spawn(
            settings,
            image.clone(),
            mqtt::Places { points: &[PointId(0)], series: &[] },
            events,
            Clock::system(),
            stopped,
        );
        (mqtt, image, stop)
    }

    /// The next message on a topic; other traffic is passed over.
    async fn message(client: &mut EventLoop, topic: &str) -> Publish {
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = client.poll().await.unwrap()
                && publish.topic == topic.as_bytes()
            {
                return publish;
            }
        }
    }

    async fn scene() {
        let address = start().await.unwrap();
        let (mut gateway, image, stop) = gateway(address);
        gateway.link.wait_for(|link| *link == LinkState::Up).await.unwrap();
        gateway.publisher.set("state", &1);

        let options = MqttOptions::new("viewer", ("127.0.0.1", address.port()));
        let (viewer, mut events) = AsyncClient::builder(options).capacity(10).build();
        viewer.subscribe("memg/demo/#", QoS::AtLeastOnce).await.unwrap();
        assert_eq!(&message(&mut events, "memg/demo/state").await.payload[..], b"1");
        viewer.publish("plant/soc", "50", PublishOptions::at_least_once()).await.unwrap();
        let soc = || image.freeze(Clock::system().now().mono, &[PointId(0)])[0];
        while (soc().value, soc().quality) != (Some(0.5), Quality::Good) {
            let _ = timeout(Duration::from_millis(10), events.poll()).await;
        }
        stop.send_replace(true);
        let offline = message(&mut events, "memg/demo/status").await;
        assert!(String::from_utf8_lossy(&offline.payload).contains("stopped"));
    }

    #[tokio::test]
    async fn values_commands_and_good_bye_go_through_the_demonstration_broker() {
        timeout(Duration::from_secs(30), scene()).await.unwrap();
    }

    #[tokio::test]
    async fn two_brokers_get_two_ports() {
        assert_ne!(start().await.unwrap(), start().await.unwrap());
    }
}
