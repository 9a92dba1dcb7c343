//! Requests and their answers, as "MODBUS Application Protocol Specification" V1.1b3 states them.

use super::{forecasts, registers};
use crate::desk::{Principal, Refusal};
use crate::wires::Wires;

/// What stands behind a server's registers.
pub trait Registers: Clone + Send + Sync + 'static {
    /// `count` registers from `first` on as this client sees them; `None`: not all of them are there.
    fn read(&self, by: &Principal, first: u16, count: u16) -> Option<Vec<u16>>;
    /// Writes registers; what is refused is refused as a whole.
    fn write(&self, by: &Principal, first: u16, words: &[u16]) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// The map of the list of points.
impl Registers for Wires {
    fn read(&self, by: &Principal, first: u16, count: u16) -> Option<Vec<u16>> {
        if let Some(words) = self.forecasts.as_ref().and_then(|told| forecasts::read(told, by, first, count)) {
            return Some(words);
        }
        let live = self.live.borrow().clone();
        let reading = |place: usize| {
            let own = self.desk.written(by, place);
            own.or_else(|| live.readings.get(place).cloned()).unwrap_or_default()
        };
        registers::read(&self.list, reading, (first, count))
    }

    async fn write(&self, by: &Principal, first: u16, words: &[u16]) -> Result<(), Refusal> {
        if let Some(told) = self.forecasts.as_ref().filter(|_| first >= forecasts::FIRST) {
            return forecasts::write(told, by, first, words);
        }
        let values = registers::written(&self.list, first, words).ok_or(Refusal::NotWritable)?;
        self.desk.write(by, &values).await
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exception {
    /// The function is not there, or this client may not use it on that point ("MODBUS/TCP Security" says so, too).
    Function = 1,
    /// There is nothing at that address, or a write does not fill points exactly.
    Address = 2,
    /// A count or value that cannot be.
    Value = 3,
    /// Control refuses it.
    Failure = 4,
    /// Control has not answered.
    Busy = 6,
}

/// Most registers in one answer.
const READ_MAX: u16 = 125;
/// Most registers in one write.
const WRITE_MAX: u16 = 123;

/// What a client asks for; words are registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Read {
        first: u16,
        count: u16,
    },
    Write {
        first: u16,
        words: Vec<u16>,
        single: bool,
    },
    /// Basic device identification, all objects.
    Identify,
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// Reads a request without its header.
pub(super) fn parse(pdu: &[u8]) -> Result<Request, Exception> {
    let (first, second) = (word(pdu, 1), word(pdu, 3));
    let length = pdu.len();
    match (pdu.first(), first, second) {
        (Some(3 | 4), Some(first), Some(count)) if length == 5 => {
            if (1..=READ_MAX).contains(&count) {
                Ok(Request::Read { first, count })
            } else {
                Err(Exception::Value)
            }
        }
        (Some(6), Some(first), Some(value)) if length == 5 => {
            Ok(Request::Write { first, words: vec![value], single: true })
        }
        (Some(16), Some(first), Some(count)) => {
            let bytes = pdu.get(6..).unwrap_or_default();
            let whole = (1..=WRITE_MAX).contains(&count) && bytes.len() == 2 * usize::from(count);
            if !whole || pdu.get(5).map(|stated| usize::from(*stated)) != Some(bytes.len()) {
                return Err(Exception::Value);
            }
            let words = bytes.chunks_exact(2).filter_map(|pair| word(pair, 0)).collect();
            Ok(Request::Write { first, words, single: false })
        }
        (Some(43), ..) if pdu.get(1) == Some(&14) => Ok(Request::Identify),
        (Some(3 | 4 | 6 | 16), ..) => Err(Exception::Value),
        _ => Err(Exception::Function),
    }
}

/// Answers a request; the log says what was refused and why.
pub(super) async fn answer(behind: &impl Registers, by: &Principal, pdu: &[u8]) -> Vec<u8> {
    let function = pdu.first().copied().unwrap_or_default();
    let answered = match parse(pdu) {
        Ok(Request::Read { first, count }) => {
            let words = behind.read(by, first, count).ok_or(Exception::Address);
            words.map(|words| counted(function, words.into_iter().flat_map(u16::to_be_bytes).collect()))
        }
        Ok(Request::Write { first, words, single }) => write(behind, by, (first, &words)).await.map(|()| {
            let second = if single { words.first().copied().unwrap_or_default() } else { words.len() as u16 };
            [&[function][..], &first.to_be_bytes(), &second.to_be_bytes()].concat()
        }),
        Ok(Request::Identify) => Ok(identification()),
        Err(exception) => Err(exception),
    };
    answered.unwrap_or_else(|exception| vec![function | 0x80, exception as u8])
}

fn counted(function: u8, bytes: Vec<u8>) -> Vec<u8> {
    let mut pdu = vec![function, bytes.len() as u8];
    pdu.extend(bytes);
    pdu
}

async fn write(behind: &impl Registers, by: &Principal, (first, words): (u16, &[u16])) -> Result<(), Exception> {
    behind.write(by, first, words).await.map_err(|refusal| {
        tracing::info!(principal = by.name, register = first, %refusal, "A write of SCADA was refused.");
        match refusal {
            Refusal::NotWritable => Exception::Address,
            Refusal::OutOfRange(_) => Exception::Value,
            Refusal::Forbidden(_) => Exception::Function,
            Refusal::Rejected(_) => Exception::Failure,
            Refusal::Busy(_) => Exception::Busy,
        }
    })
}

/// Vendor, product and version.
fn identification() -> Vec<u8> {
    let objects = ["memg-gateway", "energy management gateway", env!("CARGO_PKG_VERSION")];
    let mut pdu = vec![43, 14, 1, 1, 0, 0, objects.len() as u8];
    for (id, text) in (0..).zip(objects) {
        pdu.extend([id, text.len() as u8]);
        pdu.extend(text.bytes());
    }
    pdu
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_whole_or_refused() {
        let write = |words: &[u16], single| Ok(Request::Write { first: 9000, words: words.to_vec(), single });
        let rows: [(&[u8], Result<Request, Exception>); 14] = [
            (&[3, 0, 100, 0, 8], Ok(Request::Read { first: 100, count: 8 })),
            (&[4, 0, 100, 0, 125], Ok(Request::Read { first: 100, count: 125 })),
            (&[3, 0, 100, 0, 126], Err(Exception::Value)),
            (&[3, 0, 100, 0, 0], Err(Exception::Value)),
            (&[3, 0, 100], Err(Exception::Value)),
            (&[3, 0, 100, 0, 1, 9], Err(Exception::Value)),
            (&[6, 0x23, 0x28, 0, 2], write(&[2], true)),
            (&[16, 0x23, 0x28, 0, 2, 4, 0, 1, 0, 2], write(&[1, 2], false)),
            (&[16, 0x23, 0x28, 0, 2, 2, 0, 1, 0, 2], Err(Exception::Value)),
            (&[16, 0x23, 0x28, 0, 2, 4, 0, 1], Err(Exception::Value)),
            (&[43, 14, 1, 0], Ok(Request::Identify)),
            (&[1, 0, 0, 0, 1], Err(Exception::Function)),
            (&[90], Err(Exception::Function)),
            (&[], Err(Exception::Function)),
        ];
        for (pdu, expected) in rows {
            assert_eq!(parse(pdu), expected, "{pdu:?}");
        }
    }
}
