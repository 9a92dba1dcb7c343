//! Small clients that a row needs besides browsers and foreign peers: one that publishes, one that writes registers.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Publishes over a connection of its own with QoS 0 (MQTT 3.1.1), whatever bytes a row wants.
#[derive(Debug)]
pub struct Publisher(TcpStream);

impl Publisher {
    /// A client of that name; `None` while there is no broker.
    pub async fn connect(port: u16, name: &str) -> Option<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
        body.extend(text(name));
        stream.write_all(&packet(0x10, &body)).await.ok()?;
        let mut answer = [0; 4];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.ok()?.ok()?;
        (answer == [0x20, 2, 0, 0]).then_some(Self(stream))
    }

    /// Whether it could be sent.
    pub async fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> bool {
        let body = [text(topic), payload.to_vec()].concat();
        self.0.write_all(&packet(0x30 | u8::from(retain), &body)).await.is_ok()
    }
}

/// Messages that are none.
pub(super) fn payload(what: &str) -> Vec<u8> {
    match what {
        "huge" => vec![b'7'; 2_000_000],
        "binary" => (0..=u8::MAX).cycle().take(1000).collect(),
        "nested" => [vec![b'['; 30_000], vec![b']'; 30_000]].concat(),
        text => text.as_bytes().to_vec(),
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text").to_be_bytes();
    [&length[..], text.as_bytes()].concat()
}

fn packet(head: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![head];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        frame.push(u8::try_from(length % 128).expect("seven bits") | more);
        length /= 128;
        if length == 0 {
            break;
        }
    }
    frame.extend(body);
    frame
}

/// A Modbus master that writes registers of the gateway's server for SCADA.
#[derive(Debug)]
pub struct Master {
    stream: TcpStream,
    transaction: u16,
}

impl Master {
    /// Connects to `host:port`.
    ///
    /// # Panics
    /// If nobody listens.
    pub async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("the server listens"), transaction: 0 }
    }

    /// Writes registers from one on; 0, or the exception.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn write(&mut self, first: u16, words: &[u16]) -> u8 {
        let count = u16::try_from(words.len()).expect("few registers");
        let mut pdu = vec![16];
        pdu.extend(first.to_be_bytes());
        pdu.extend(count.to_be_bytes());
        pdu.push(u8::try_from(2 * count).expect("few registers"));
        pdu.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        let answer = timeout(PATIENCE, self.ask(&pdu)).await.expect("an answer in time");
        if answer[0] & 0x80 == 0 { 0 } else { answer[1] }
    }

    async fn ask(&mut self, pdu: &[u8]) -> Vec<u8> {
        self.transaction = self.transaction.wrapping_add(1);
        let length = u16::try_from(pdu.len() + 1).expect("a short request").to_be_bytes();
        let [high, low] = self.transaction.to_be_bytes();
        let head = [high, low, 0, 0, length[0], length[1], 1];
        self.stream.write_all(&[&head[..], pdu].concat()).await.expect("the server reads");
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).await.expect("the server answers");
        let mut answer = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) - 1];
        self.stream.read_exact(&mut answer).await.expect("the whole answer");
        answer
    }
}
