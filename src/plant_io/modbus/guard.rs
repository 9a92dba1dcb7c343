//! A stream that lets only the expected answer through to the Modbus client.
//!
//! The client of tokio-modbus 0.17 does not notice a shifted RTU stream, waits for ever for a declared length of 65535,
//! takes answers of a wrong length and echoes of a wrong value. This wrapper sits between it and the socket, reads the
//! request that goes out, and fails the connection as soon as the answer differs from the only one that may come:
//! transaction, unit, function, length, byte count, echo, checksum, nothing before and nothing behind it.
//!
//! An error here is fatal for the connection: after it nobody knows what the next bytes belong to.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How requests and answers are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Seven bytes of header, no checksum.
    Tcp,
    /// Unit id in front, checksum behind.
    Rtu,
}

impl Framing {
    /// Offset of the function code.
    const fn function_at(self) -> usize {
        match self {
            Self::Tcp => 7,
            Self::Rtu => 1,
        }
    }
    /// Bytes behind the PDU.
    const fn tail(self) -> usize {
        match self {
            Self::Tcp => 0,
            Self::Rtu => 2,
        }
    }
}

/// A stream that checks what passes.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    framing: Framing,
    /// First bytes of the request in flight: header, function, address, quantity or value.
    request: Vec<u8>,
    /// Answer bytes so far.
    answer: Vec<u8>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request in flight.
    Idle,
    /// A request is going out.
    Sending,
    /// Its answer is coming in.
    Receiving,
}

/// Longest frame: 7 + 253 bytes on TCP, 256 in RTU.
const FRAME_MAX: usize = 260;

impl<S> Guard<S> {
    pub(crate) fn new(stream: S, framing: Framing) -> Self {
        let room = || Vec::with_capacity(FRAME_MAX);
        Self { stream, framing, request: room(), answer: room(), phase: Phase::Idle }
    }

    fn begin(&mut self) {
        self.request.clear();
        self.answer.clear();
        self.phase = Phase::Sending;
    }

    /// Takes answer bytes; an error as soon as they cannot belong to the request.
    fn check(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.phase = Phase::Receiving;
        self.answer.extend_from_slice(bytes);
        self.check_head()?;
        let total = self.expected_len();
        match total.map(|total| self.answer.len().cmp(&total)) {
            None | Some(std::cmp::Ordering::Less) => Ok(()),
            Some(std::cmp::Ordering::Greater) => Err(foreign("the answer is too long")),
            Some(std::cmp::Ordering::Equal) => {
                self.phase = Phase::Idle;
                self.check_whole()
            }
        }
    }

    /// Whole length of the answer, once its function byte is there.
    fn expected_len(&self) -> Option<usize> {
        let at = self.framing.function_at();
        let function = *self.answer.get(at)?;
        let pdu = if function & 0x80 != 0 { 2 } else { self.expected_pdu()? };
        Some(at + pdu + self.framing.tail())
    }

    /// Length of the answer's PDU when it is no exception.
    fn expected_pdu(&self) -> Option<usize> {
        let at = self.framing.function_at();
        match self.request.get(at)? {
            1..=4 => Some(2 + self.expected_bytes()?),
            _ => Some(5),
        }
    }

    /// Data bytes a read must bring.
    fn expected_bytes(&self) -> Option<usize> {
        let at = self.framing.function_at();
        let quantity = u16::from_be_bytes([*self.request.get(at + 3)?, *self.request.get(at + 4)?]);
        let quantity = usize::from(quantity);
        Some(if *self.request.get(at)? <= 2 { quantity.div_ceil(8) } else { quantity * 2 })
    }

    /// Compares what is there of header, function, byte count and echo.
    fn check_head(&self) -> io::Result<()> {
        let at = self.framing.function_at();
        for (position, byte) in self.answer.iter().enumerate().take(at + 5) {
            if !self.may_be(position, *byte) {
                return Err(foreign(self.part(position)));
            }
        }
        Ok(())
    }

    fn may_be(&self, position: usize, byte: u8) -> bool {
        let at = self.framing.function_at();
        let asked = self.request.get(position).copied();
        let exception = self.answer.get(at).is_some_and(|function| function & 0x80 != 0);
        if self.framing == Framing::Tcp && (4..6).contains(&position) {
            return self.may_be_length(position, byte);
        }
        match position.checked_sub(at) {
            // Transaction, protocol, unit.
            None => asked == Some(byte),
            Some(0) => asked.is_some_and(|asked| asked == byte || asked | 0x80 == byte),
            Some(_) if exception => true,
            Some(1) if self.is_read() => self.expected_bytes() == Some(usize::from(byte)),
            Some(_) => self.is_read() || asked == Some(byte),
        }
    }

    /// The declared length is that of an exception or of the answer.
    fn may_be_length(&self, position: usize, byte: u8) -> bool {
        let pdu = self.expected_pdu().unwrap_or(0);
        let fits = |pdu: usize| {
            let length = u16::try_from(pdu + 1).unwrap_or(0).to_be_bytes();
            length.get(position - 4) == Some(&byte)
        };
        fits(pdu) || fits(2)
    }

    fn is_read(&self) -> bool {
        self.request.get(self.framing.function_at()).is_some_and(|function| *function <= 4)
    }

    fn part(&self, position: usize) -> &'static str {
        match (self.framing, position) {
            (Framing::Tcp, 0..=1) => "the answer belongs to another transaction",
            (Framing::Tcp, 2..=3) => "the answer is not Modbus",
            (Framing::Tcp, 4..=5) => "the answer declares a wrong length",
            (Framing::Tcp, 6) | (Framing::Rtu, 0) => "the answer comes from another unit",
            (Framing::Tcp, 7) | (Framing::Rtu, 1) => "the answer is to another function",
            _ if self.is_read() => "the answer has a wrong number of bytes",
            _ => "the echo of the write differs",
        }
    }

    /// What only the whole answer shows: its declared length fits its kind, its checksum is right.
    fn check_whole(&self) -> io::Result<()> {
        match self.framing {
            Framing::Tcp => {
                let declared =
                    self.answer.get(4..6).map(|length| usize::from(length[0]) * 256 + usize::from(length[1]));
                let ok = declared == Some(self.answer.len() - 6);
                if ok { Ok(()) } else { Err(foreign("the answer declares a wrong length")) }
            }
            Framing::Rtu if crc(&self.answer) == 0 => Ok(()),
            Framing::Rtu => Err(foreign("the checksum is wrong")),
        }
    }
}

/// CRC-16/MODBUS; 0 over a frame with its own checksum.
fn crc(bytes: &[u8]) -> u16 {
    let shift = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), shift))
}

fn foreign(message: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Nothing may lie in the receive buffer before a request: it would be taken for its answer.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut scratch = [0; 1];
        let mut buffer = ReadBuf::new(&mut scratch);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            Poll::Pending => Ok(()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                Err(io::Error::new(ErrorKind::ConnectionReset, "the device closed the connection"))
            }
            Poll::Ready(Ok(())) => Err(foreign("bytes came that nobody asked for")),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == before => {
                Poll::Ready(Err(io::Error::new(ErrorKind::UnexpectedEof, "the device closed the connection")))
            }
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().get(before..).unwrap_or_default();
                Poll::Ready(self.check(bytes))
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.phase != Phase::Sending {
            self.poll_silence(context)?;
            self.begin();
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            let sent = bytes.get(..*count).unwrap_or_default();
            self.request.extend_from_slice(sent);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
