//! Cuts oversized PUBLISH packets out of the byte stream from the broker, before they take memory.
//!
//! Why: a client with a packet limit closes the connection on a larger packet. If that packet is a retained message on a
//! subscribed topic, the broker sends it again after every reconnect: an endless loop, started by any stranger with one
//! large publish. So the limit is enforced below the client: a PUBLISH above it is replaced by one with the same topic,
//! packet id and quality of service (the client acknowledges it as usual) whose payload is [`OVERSIZE_MARK`]. The
//! payload itself is read and forgotten.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Payload that stands for one that was cut. Somebody may send it on purpose; that is rejected just the same.
pub(super) const OVERSIZE_MARK: &[u8] = b"\0payload above the limit";
/// Bytes read from the socket at once.
const CHUNK: usize = 8192;
/// Packet type PUBLISH, in the upper four bits of the first byte.
const PUBLISH: u8 = 3;

/// Where in a packet the stream is.
#[derive(Debug)]
enum At {
    /// Collecting packet type and remaining length: at most 5 bytes.
    Header(Vec<u8>),
    /// Copying so many bytes.
    Pass(usize),
    /// Collecting the variable header of an oversized PUBLISH of so many bytes after the fixed header.
    Topic { first: u8, remaining: usize, head: Vec<u8> },
    /// Forgetting so many bytes.
    Discard(usize),
}

/// The rewriting itself: bytes in, bytes out, in any portions.
#[derive(Debug)]
pub(super) struct Trimmer {
    at: At,
    limit: usize,
}

impl Trimmer {
    /// Cuts PUBLISH packets with more than `limit` bytes after the fixed header.
    pub(super) fn new(limit: usize) -> Self {
        Self { at: At::Header(Vec::with_capacity(5)), limit }
    }

    /// Consumes all of `input`; what the client may see is appended to `out`.
    ///
    /// # Errors
    /// `InvalidData` if the stream is not MQTT; the connection must be given up.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while !input.is_empty() {
            input = self.step(input, out)?;
        }
        Ok(())
    }

    /// Consumes a part of `input` and returns the rest, which is shorter.
    fn step<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> io::Result<&'a [u8]> {
        match &mut self.at {
            At::Pass(left) => {
                let (now, rest) = input.split_at(input.len().min(*left));
                out.extend_from_slice(now);
                self.advance(now.len());
                Ok(rest)
            }
            At::Discard(left) => {
                let now = input.len().min(*left);
                self.advance(now);
                Ok(&input[now..])
            }
            At::Header(bytes) => {
                bytes.push(input[0]);
                self.header(out)?;
                Ok(&input[1..])
            }
            At::Topic { head, .. } => {
                head.push(input[0]);
                self.topic(out)?;
                Ok(&input[1..])
            }
        }
    }

    fn advance(&mut self, by: usize) {
        if let At::Pass(left) | At::Discard(left) = &mut self.at {
            *left -= by;
            if *left == 0 {
                self.at = At::Header(Vec::with_capacity(5));
            }
        }
    }

    /// Decides what becomes of a packet once its length is known.
    fn header(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let At::Header(bytes) = &self.at else { return Ok(()) };
        let Some(remaining) = remaining_length(&bytes[1..])? else { return Ok(()) };
        let first = bytes[0];
        if first >> 4 == PUBLISH && remaining > self.limit {
            self.at = At::Topic { first, remaining, head: Vec::new() };
        } else {
            out.extend_from_slice(bytes);
            self.at = At::Pass(remaining);
            self.advance(0);
        }
        Ok(())
    }

    /// Writes the replacement once topic and packet id of an oversized PUBLISH are known.
    fn topic(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let At::Topic { first, remaining, head } = &self.at else { return Ok(()) };
        let [high, low, ..] = head[..] else { return Ok(()) };
        let packet_id = if first & 0b0110 == 0 { 0 } else { 2 };
        let need = 2 + usize::from(u16::from_be_bytes([high, low])) + packet_id;
        if need > *remaining || need > self.limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "PUBLISH with a topic longer than its packet"));
        }
        if head.len() == need {
            out.push(*first);
            push_remaining_length(need + OVERSIZE_MARK.len(), out);
            out.extend_from_slice(head);
            out.extend_from_slice(OVERSIZE_MARK);
            self.at = At::Discard(remaining - need);
            self.advance(0);
        }
        Ok(())
    }
}

/// MQTT 3.1.1, 2.2.3: seven bits a byte, least significant first; `None` while bytes are missing.
fn remaining_length(bytes: &[u8]) -> io::Result<Option<usize>> {
    let value = bytes.iter().enumerate().fold(0, |sum, (n, byte)| sum | usize::from(byte & 0x7f) << (7 * n));
    match bytes.last() {
        Some(last) if last & 0x80 == 0 => Ok(Some(value)),
        Some(_) if bytes.len() >= 4 => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "remaining length above 4 bytes"))
        }
        Some(_) | None => Ok(None),
    }
}

fn push_remaining_length(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        out.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return;
        }
    }
}

/// A stream whose read side goes through a [`Trimmer`].
#[derive(Debug)]
pub(super) struct Trimmed<S> {
    stream: S,
    trimmer: Trimmer,
    ready: Vec<u8>,
    given: usize,
}

impl<S> Trimmed<S> {
    pub(super) fn new(stream: S, limit: usize) -> Self {
        Self { stream, trimmer: Trimmer::new(limit), ready: Vec::with_capacity(CHUNK), given: 0 }
    }

    /// Gives what is ready; `false` if nothing is.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let left = &self.ready[self.given..];
        let now = left.len().min(buf.remaining());
        buf.put_slice(&left[..now]);
        self.given += now;
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
        }
        now > 0
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Trimmed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.give(buf) {
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.trimmer.push(read.filled(), &mut this.ready)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Trimmed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PUBLISH on topic "t/x" with this quality of service.
    fn publish(qos: u8, payload: &[u8]) -> Vec<u8> {
        let id: &[u8] = if qos == 0 { &[] } else { &[0x12, 0x34] };
        let body = [&[0, 3][..], b"t/x", id, payload].concat();
        let mut packet = vec![0x31 | qos << 1];
        push_remaining_length(body.len(), &mut packet);
        [packet, body].concat()
    }

    fn trimmed(input: &[u8], portion: usize) -> io::Result<Vec<u8>> {
        let (mut trimmer, mut out) = (Trimmer::new(100), Vec::new());
        input.chunks(portion).try_for_each(|chunk| trimmer.push(chunk, &mut out))?;
        Ok(out)
    }

    #[test]
    fn an_oversized_publish_keeps_topic_and_packet_id_and_loses_its_payload_in_any_portions() {
        let (ping, large_suback) = (vec![0xd0, 0], [&[0x90, 0xac, 0x02, 0, 1][..], &[0; 298]].concat());
        for qos in 0..=2 {
            let small = publish(qos, b"42");
            let huge = publish(qos, &[b'x'; 20_000]);
            let input = [&ping[..], &huge, &small, &large_suback, &huge, &ping].concat();
            let marked = publish(qos, OVERSIZE_MARK);
            let expected = [&ping[..], &marked, &small, &large_suback, &marked, &ping].concat();
            for portion in [1, 2, 3, 7, 100, input.len()] {
                assert_eq!(trimmed(&input, portion).unwrap(), expected, "qos {qos}, portions of {portion}");
            }
        }
    }

    #[test]
    fn a_packet_at_the_limit_passes_and_one_above_does_not() {
        for (payload, passes) in [(95, true), (96, false)] {
            let packet = publish(0, &vec![b'x'; payload]);
            assert_eq!(trimmed(&packet, 10).unwrap() == packet, passes);
        }
    }

    #[test]
    fn what_is_not_mqtt_ends_the_connection() {
        assert!(trimmed(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], 6).is_err());
        assert!(trimmed(&[0x30, 0xac, 0x02, 0xff, 0xff, b'x'], 6).is_err());
    }

    #[test]
    fn lengths_survive_their_encoding() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455] {
            let mut bytes = Vec::new();
            push_remaining_length(length, &mut bytes);
            assert_eq!(remaining_length(&bytes).unwrap(), Some(length));
        }
    }

    #[tokio::test]
    async fn the_stream_gives_the_rewritten_bytes_and_then_its_end() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut broker, client) = tokio::io::duplex(64);
        let writer = tokio::spawn(async move {
            broker.write_all(&publish(1, &[b'x'; 30_000])).await.unwrap();
            broker.write_all(&publish(1, b"1")).await.unwrap();
        });
        let mut seen = Vec::new();
        Trimmed::new(client, 100).read_to_end(&mut seen).await.unwrap();
        writer.await.unwrap();
        assert_eq!(seen, [publish(1, OVERSIZE_MARK), publish(1, b"1")].concat());
    }
}
