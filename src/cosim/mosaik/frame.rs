//! Length-prefixed JSON on a stream.

use super::super::error::CosimError;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};

/// Longest message, 16 MiB: a simulation with thousands of entities stays far below, and a peer that speaks another
/// protocol is recognised by its first four bytes ("HTTP" would be 1.2 GB).
const BYTES_MAX: u32 = 16 << 20;

/// Reads one message.
pub(super) fn read_frame(stream: &mut impl Read) -> Result<Vec<u8>, CosimError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).map_err(in_words)?;
    let length = u32::from_be_bytes(head);
    if length > BYTES_MAX {
        return Err(CosimError::Protocol(format!(
            "a message of {length} bytes is announced, {BYTES_MAX} are allowed: the peer does not speak this protocol"
        )));
    }
    // Memory grows with what arrives, not with what is announced.
    let mut bytes = Vec::new();
    let got = stream.take(u64::from(length)).read_to_end(&mut bytes).map_err(in_words)?;
    if got as u64 == u64::from(length) {
        return Ok(bytes);
    }
    Err(CosimError::Protocol(format!("the peer closed the connection after {got} of {length} bytes of a message")))
}

/// Writes one message.
pub(super) fn write_frame(stream: &mut impl Write, message: &Value) -> Result<(), CosimError> {
    let text = message.to_string();
    let length = u32::try_from(text.len()).map_err(|_| CosimError::Protocol("an answer is too long".to_owned()))?;
    let bytes = [&length.to_be_bytes()[..], text.as_bytes()].concat();
    stream.write_all(&bytes).map_err(in_words)
}

fn in_words(error: std::io::Error) -> CosimError {
    CosimError::Protocol(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "the peer has been silent for too long".to_owned(),
        ErrorKind::UnexpectedEof => "the peer closed the connection without saying stop".to_owned(),
        _ => error.to_string(),
    })
}
