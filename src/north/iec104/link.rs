//! The link of IEC 60870-5-104 (clause 5): start and stop of data, numbers of frames, windows and time-outs. It knows neither
//! sockets nor what frames carry; time is an argument.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Whatever asks for an answer gets it within t1, or the connection is over.
pub(crate) const T1: Duration = Duration::from_secs(15);
/// What was received is confirmed within t2, if nothing that is sent confirms it before.
const T2: Duration = Duration::from_secs(10);
/// Whoever has not been heard for t3 is tested.
const T3: Duration = Duration::from_secs(20);
/// Most frames with data on their way without confirmation (k).
const K: usize = 12;
/// After so many received frames they are confirmed at once (w).
const W: u16 = 8;
/// Numbers of frames have 15 bits.
const MODULO: u16 = 0x8000;

/// The control field of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// Data, with its number and that of the frame that is expected next.
    Data { sent: u16, expected: u16 },
    /// Confirmation alone.
    Confirm { expected: u16 },
    /// Without number.
    Unnumbered(Function),
}

/// What frames without number say; the values are the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    StartAct = 0x07,
    StartCon = 0x0B,
    StopAct = 0x13,
    StopCon = 0x23,
    TestAct = 0x43,
    TestCon = 0x83,
}

const FUNCTIONS: [Function; 6] = [
    Function::StartAct,
    Function::StartCon,
    Function::StopAct,
    Function::StopCon,
    Function::TestAct,
    Function::TestCon,
];

impl Control {
    /// `None`: there is no such frame.
    pub fn read(octets: [u8; 4]) -> Option<Self> {
        let [a, b, c, d] = octets;
        let expected = u16::from_le_bytes([c, d]) >> 1;
        match a & 0b11 {
            0b11 => FUNCTIONS.into_iter().find(|f| [*f as u8, 0, 0, 0] == octets).map(Self::Unnumbered),
            0b01 => ([a, b] == [1, 0] && c & 1 == 0).then_some(Self::Confirm { expected }),
            _ => (c & 1 == 0).then_some(Self::Data { sent: u16::from_le_bytes([a, b]) >> 1, expected }),
        }
    }

    pub fn octets(self) -> [u8; 4] {
        let two = |number: u16| (number << 1).to_le_bytes();
        match self {
            Self::Data { sent, expected } => {
                let ([a, b], [c, d]) = (two(sent), two(expected));
                [a, b, c, d]
            }
            Self::Confirm { expected } => {
                let [c, d] = two(expected);
                [1, 0, c, d]
            }
            Self::Unnumbered(function) => [function as u8, 0, 0, 0],
        }
    }
}

/// What follows from a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Its data are to be looked at.
    Data,
    /// These frames are to be sent.
    Answer(Vec<Control>),
    Nothing,
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No frame of the protocol.
    Garbage,
    /// Data before they were started, or a frame that only we may send.
    OutOfTurn,
    /// Frames are missing, or some are confirmed that were never sent.
    Numbers,
    /// Nothing came after the connection was made.
    Silent,
    /// What was sent was not confirmed, or a test not answered, within t1.
    Unanswered,
}

impl Broken {
    pub const fn says(self) -> &'static str {
        match self {
            Self::Garbage => "something came that is no frame",
            Self::OutOfTurn => "a frame came out of turn",
            Self::Numbers => "numbers of frames do not follow each other",
            Self::Silent => "a connection stayed silent",
            Self::Unanswered => "a connection did not answer in time",
        }
    }
}

/// State of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    started: bool,
    /// Number of the next frame with data that is sent.
    sent: u16,
    /// When those were sent that are not confirmed.
    waiting: VecDeque<Instant>,
    /// Number of the next frame with data that is expected.
    expected: u16,
    /// Up to where the other side knows that they arrived.
    confirmed: u16,
    confirm_by: Option<Instant>,
    test_by: Option<Instant>,
    first_by: Option<Instant>,
    heard: Instant,
}

impl Link {
    pub fn new(now: Instant) -> Self {
        Self {
            started: false,
            sent: 0,
            waiting: VecDeque::with_capacity(K),
            expected: 0,
            confirmed: 0,
            confirm_by: None,
            test_by: None,
            first_by: Some(now + T1),
            heard: now,
        }
    }

    /// Data may be sent now.
    pub fn may_send(&self) -> bool {
        self.started && self.waiting.len() < K
    }

    /// Takes the control field of a frame.
    pub fn receive(&mut self, control: Control, now: Instant) -> Result<Heard, Broken> {
        (self.heard, self.first_by) = (now, None);
        match control {
            Control::Unnumbered(function) => self.unnumbered(function),
            Control::Confirm { expected } => self.take_confirmation(expected).map(|()| Heard::Nothing),
            Control::Data { .. } if !self.started => Err(Broken::OutOfTurn),
            Control::Data { sent, expected } => {
                self.take_confirmation(expected)?;
                if sent != self.expected {
                    return Err(Broken::Numbers);
                }
                self.expected = (sent + 1) % MODULO;
                self.confirm_by.get_or_insert(now + T2);
                Ok(Heard::Data)
            }
        }
    }

    fn unnumbered(&mut self, function: Function) -> Result<Heard, Broken> {
        let answer = |function| Ok(Heard::Answer(vec![Control::Unnumbered(function)]));
        match function {
            Function::StartAct => {
                self.started = true;
                answer(Function::StartCon)
            }
            Function::StopAct => {
                self.started = false;
                Ok(Heard::Answer(vec![self.confirm(), Control::Unnumbered(Function::StopCon)]))
            }
            Function::TestAct => answer(Function::TestCon),
            Function::TestCon => {
                self.test_by = None;
                Ok(Heard::Nothing)
            }
            Function::StartCon | Function::StopCon => Err(Broken::OutOfTurn),
        }
    }

    fn take_confirmation(&mut self, expected: u16) -> Result<(), Broken> {
        let open = u16::try_from(self.waiting.len()).map_err(|_| Broken::Numbers)?;
        let still_open = self.sent.wrapping_sub(expected) % MODULO;
        let confirmed = open.checked_sub(still_open).ok_or(Broken::Numbers)?;
        self.waiting.drain(..usize::from(confirmed));
        Ok(())
    }

    /// The control field of the next frame with data; call it when [`Self::may_send`].
    pub fn send(&mut self, now: Instant) -> Control {
        let sent = self.sent;
        self.sent = (sent + 1) % MODULO;
        self.waiting.push_back(now);
        self.tell();
        Control::Data { sent, expected: self.expected }
    }

    fn confirm(&mut self) -> Control {
        self.tell();
        Control::Confirm { expected: self.expected }
    }

    fn tell(&mut self) {
        (self.confirmed, self.confirm_by) = (self.expected, None);
    }

    /// When [`Self::tick`] has something to do.
    pub fn due(&self) -> Instant {
        let answer_by = self.waiting.front().map(|sent| *sent + T1);
        let test_at = self.test_by.is_none().then(|| self.heard + T3);
        let all = [self.first_by, self.confirm_by, self.test_by, answer_by, test_at];
        all.into_iter().flatten().min().unwrap_or(self.heard + T3)
    }

    /// What is to be sent because of time, or because enough was received.
    pub fn tick(&mut self, now: Instant) -> Result<Option<Control>, Broken> {
        let over = |by: Option<Instant>| by.is_some_and(|by| now >= by);
        if over(self.first_by) {
            return Err(Broken::Silent);
        }
        if over(self.test_by) || over(self.waiting.front().map(|sent| *sent + T1)) {
            return Err(Broken::Unanswered);
        }
        if over(self.confirm_by) || self.expected.wrapping_sub(self.confirmed) % MODULO >= W {
            return Ok(Some(self.confirm()));
        }
        if self.test_by.is_none() && now >= self.heard + T3 {
            self.test_by = Some(now + T1);
            return Ok(Some(Control::Unnumbered(Function::TestAct)));
        }
        Ok(None)
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
