//! One connection, from its first packet to its last.

use super::hub::{Hub, Seat};
use bytes::BytesMut;
use rumqttc::mqttbytes::{Error, v4};
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish, QoS, UnsubAck, valid_topic,
};
use std::collections::HashSet;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Time for the first packet.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// A client that does not take its packets for so long is gone.
const WRITE_TIME: Duration = Duration::from_secs(20);
/// Payloads of the gateway are at most 256 KiB; bytes.
const PACKET_BYTES_MAX: usize = 300_000;
/// Exactly-once messages that a client has begun and not released.
const BEGUN_MAX: usize = 1024;

struct Reader {
    from: OwnedReadHalf,
    read: BytesMut,
}

impl Reader {
    /// The next packet.
    ///
    /// # Errors
    /// The connection is over, or what comes is no packet.
    async fn next(&mut self) -> io::Result<Packet> {
        loop {
            match Packet::read(&mut self.read, PACKET_BYTES_MAX) {
                Err(Error::InsufficientBytes(_)) => {}
                other => return other.map_err(io::Error::other),
            }
            if self.from.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Serves a connection until it ends; a last will is published unless the client said good-bye.
pub(super) async fn serve(stream: TcpStream, hub: &Hub) {
    let _ = stream.set_nodelay(true);
    let (from, to) = stream.into_split();
    let mut reader = Reader { from, read: BytesMut::new() };
    let Ok(Ok(Packet::Connect(connect))) = timeout(CONNECT_TIME, reader.next()).await else { return };
    let (seat, packets) = hub.enter(&connect.client_id);
    hub.answer(seat, Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
    let orderly = tokio::select! {
        orderly = listen(&mut reader, hub, seat, silence(&connect)) => orderly,
        () = write(to, packets) => false,
    };
    hub.leave(seat);
    if let Some(will) = connect.last_will.filter(|_| !orderly) {
        let retain = will.retain;
        hub.publish(&Publish { retain, ..Publish::from_bytes(will.topic, will.qos, will.message) });
    }
}

/// After this time without a packet a client counts as gone: one and a half times what it promised; 0 promises nothing.
fn silence(connect: &Connect) -> Duration {
    let seconds = if connect.keep_alive == 0 { u64::from(u16::MAX) } else { u64::from(connect.keep_alive) };
    Duration::from_millis(seconds * 1500)
}

/// Takes packets until the connection ends; whether it did so in order.
async fn listen(reader: &mut Reader, hub: &Hub, seat: Seat, silence: Duration) -> bool {
    let mut begun = HashSet::new();
    while let Ok(Ok(packet)) = timeout(silence, reader.next()).await {
        if packet == Packet::Disconnect {
            return true;
        }
        if !take(packet, hub, seat, &mut begun) {
            break;
        }
    }
    false
}

/// Does what a packet asks for; `false` where it breaks the protocol.
fn take(packet: Packet, hub: &Hub, seat: Seat, begun: &mut HashSet<u16>) -> bool {
    match packet {
        Packet::Publish(publish) => return published(&publish, hub, seat, begun),
        Packet::PubRel(release) => {
            begun.remove(&release.pkid);
            hub.answer(seat, Packet::PubComp(PubComp::new(release.pkid)));
        }
        Packet::Subscribe(subscribe) => hub.subscribe(seat, &subscribe),
        Packet::Unsubscribe(v4::Unsubscribe { pkid, topics }) => {
            hub.unsubscribe(seat, &topics);
            hub.answer(seat, Packet::UnsubAck(UnsubAck::new(pkid)));
        }
        Packet::PingReq => hub.answer(seat, Packet::PingResp),
        Packet::PubAck(_) => {}
        _ => return false,
    }
    true
}

/// A message of exactly once is passed on when it first comes, and not again until it is released.
fn published(publish: &Publish, hub: &Hub, seat: Seat, begun: &mut HashSet<u16>) -> bool {
    if !std::str::from_utf8(&publish.topic).is_ok_and(|topic| !topic.is_empty() && valid_topic(topic)) {
        return false;
    }
    let again = publish.qos == QoS::ExactlyOnce && !begun.insert(publish.pkid);
    if !again {
        hub.publish(publish);
    }
    match publish.qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => hub.answer(seat, Packet::PubAck(PubAck::new(publish.pkid))),
        QoS::ExactlyOnce => hub.answer(seat, Packet::PubRec(PubRec::new(publish.pkid))),
    }
    begun.len() <= BEGUN_MAX
}

/// Writes what waits, all that is there at once, until nothing more can come or the client takes nothing.
async fn write(mut to: OwnedWriteHalf, mut packets: mpsc::Receiver<Packet>) {
    let mut bytes = BytesMut::new();
    while let Some(packet) = packets.recv().await {
        let mut next = Some(packet);
        while let Some(packet) = next {
            if packet.write(&mut bytes, usize::MAX).is_err() {
                return;
            }
            next = if bytes.len() < PACKET_BYTES_MAX { packets.try_recv().ok() } else { None };
        }
        if !matches!(timeout(WRITE_TIME, to.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
        bytes.clear();
    }
}
