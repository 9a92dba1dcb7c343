//! Brokers that misbehave in ways a real one does not on demand: scripted on a loopback socket.

use super::super::clock::Clock;
use super::super::command::CommandKind;
use super::super::settings;
use super::super::{MqttHandle, spawn};
use super::*;
use crate::event::DriverEvent;
use crate::image::{PointId, ProcessImage};
use crate::problem::parse_table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
const BAD_PASSWORD: [u8; 4] = [0x20, 2, 0, 4];

struct Bench {
    listener: TcpListener,
    events: mpsc::Receiver<DriverEvent>,
    mqtt: MqttHandle,
    _stop: watch::Sender<bool>,
}

impl Bench {
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let text = format!(
            "[mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = 'x'\nprefix = 'memg'\nkeep_alive_s = 1\n
             username = 'gateway'\npassword_env = 'PASSWORD'\n[[mqtt.inputs]]\ntopic = 'plant/soc'\nsignal = 'soc'\n
             raw = true\nunit = '1'\nrange = [0, 1]",
            listener.local_addr().unwrap().port()
        );
        let table = parse_table(&text).unwrap().remove("mqtt").unwrap();
        let settings = settings::validate(table, &|_| Some("swordfish".into())).unwrap();
        let (sender, events) = mpsc::channel(16);
        let (stop, stopped) = watch::channel(false);
        let image = ProcessImage::new([Duration::from_secs(15)]);
        let mqtt = spawn(
            settings,
            image,
            super::super::Places { points: &[PointId(0)], series: &[] },
            sender,
            Clock::system(),
            stopped,
        );
        Self { listener, events, mqtt, _stop: stop }
    }

    /// Accepts, reads CONNECT, answers.
    async fn accept(&self, answer: &[u8]) -> TcpStream {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        assert_eq!(packet(&mut stream).await[0] >> 4, 1, "CONNECT");
        stream.write_all(answer).await.unwrap();
        stream
    }

    async fn told(&mut self) -> (EventKind, String) {
        let event = timeout(Duration::from_secs(20), self.events.recv()).await.unwrap().unwrap();
        assert!(!event.detail.contains("swordfish"));
        (event.kind, event.detail)
    }
}

/// One packet, its length left out: kind and flags, then the content.
async fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let kind = stream.read_u8().await.unwrap();
    let (mut length, mut shift) = (0, 0);
    loop {
        let digit = stream.read_u8().await.unwrap();
        length |= usize::from(digit & 0x7f) << shift;
        shift += 7;
        if digit < 0x80 {
            break;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.unwrap();
    [&[kind][..], &content].concat()
}

#[tokio::test]
async fn a_refused_subscription_is_a_configuration_fault_and_keeps_the_connection() {
    let mut bench = Bench::new().await;
    let mut stream = bench.accept(&CONNACK).await;
    loop {
        let packet = packet(&mut stream).await;
        if packet[0] >> 4 == 8 {
            // One refusal, then consent to the topics of commands.
            let commands = [1; CommandKind::ALL.len()];
            let length = u8::try_from(3 + commands.len()).unwrap();
            let answer = [&[0x90, length, packet[1], packet[2], 0x80][..], &commands].concat();
            stream.write_all(&answer).await.unwrap();
            break;
        }
    }
    let (kind, detail) = bench.told().await;
    assert_eq!(kind, EventKind::ConfigurationFault);
    assert!(detail.starts_with("plant/soc: the broker refuses"), "{detail}");
    bench.mqtt.link.wait_for(|link| *link == LinkState::Up).await.unwrap();
}

#[tokio::test]
async fn every_broken_start_is_told_once_and_tried_again() {
    let mut bench = Bench::new().await;
    drop(bench.accept(&BAD_PASSWORD).await);
    let (kind, detail) = bench.told().await;
    assert_eq!(kind, EventKind::Disconnected);
    assert!(detail.contains("BadUserNamePassword"), "{detail}");
    drop(bench.accept(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
    drop(bench.accept(&[0x20, 0xff, 0xff, 0xff, 0xff]).await);
    // Connected, and then nothing: no SUBACK, no PINGRESP.
    let silent = bench.accept(&CONNACK).await;
    let again = bench.accept(&CONNACK).await;
    drop((silent, again));
    assert!(bench.events.try_recv().is_err(), "one outage is told once");
}
