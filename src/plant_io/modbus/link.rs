//! One open connection to one or several units: one request in flight, every call with a time limit.
//!
//! tokio-modbus encodes and decodes, [`Guard`] checks. A [`CallError`] that [`CallError::is_fatal`] leaves the stream in an
//! unknown state: drop the link and open another. Cancelling a call has the same effect.

use super::guard::{Framing, Guard};
use crate::device::{Parity, SerialLine, Timing, Transport, host};
use crate::point::Table;
use serial2_tokio::SerialPort;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client, Context};
use tokio_modbus::slave::SlaveContext;
use tokio_modbus::{Request, Response, Slave};

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// No answer in time. Whether a write was applied is unknown.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke. Whether a write was applied is unknown.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// An answer came that cannot belong to the request.
    #[error("{0}")]
    Foreign(String),
    /// The device refused the request with this exception code.
    #[error("exception {0} ({name})", name = exception_name(*.0))]
    Exception(u8),
}

impl CallError {
    /// Whether the connection must be dropped.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        !matches!(self, Self::Exception(_))
    }
}

/// The Modbus specification's name of an exception code.
#[must_use]
pub const fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "device failure",
        5 => "acknowledge",
        6 => "device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target does not respond",
        _ => "unknown",
    }
}

/// An open connection.
pub struct Link {
    context: Context,
    pause: Duration,
    /// When the last exchange ended.
    quiet_since: Instant,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("pause", &self.pause).finish_non_exhaustive()
    }
}

impl Link {
    /// Opens a connection within `timing.connect_timeout`. `settle` is the silence to wait for on a line without
    /// transaction numbers, so that a late answer to the last request is not taken for the next one's.
    ///
    /// # Errors
    /// Whatever the operating system says, or a time-out.
    pub async fn open(transport: &Transport, timing: &Timing, settle: Duration) -> io::Result<Self> {
        let open = async {
            match transport {
                Transport::Tcp(address) => Ok(Self::over_tcp(tcp(address).await?, timing)),
                Transport::Tls(address, files) => {
                    Ok(Self::over_tcp(files.connect(host(address), tcp(address).await?).await?, timing))
                }
                Transport::RtuOverTcp(address) => {
                    let mut stream = tcp(address).await?;
                    drain(&mut stream, settle).await?;
                    Ok(Self::over_rtu(stream, timing.pause))
                }
                Transport::Serial(line) => {
                    let mut stream = serial(line)?;
                    drain(&mut stream, settle.max(character_gap(line.baud))).await?;
                    Ok(Self::over_rtu(stream, timing.pause.max(character_gap(line.baud))))
                }
            }
        };
        timeout(timing.connect_timeout + settle * 2, open)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// A link over any stream that carries Modbus TCP, TLS included.
    pub fn over_tcp<S>(stream: S, timing: &Timing) -> Self
    where
        S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    {
        let guard = Guard::new(stream, Framing::Tcp);
        Self::new(tokio_modbus::client::tcp::attach(guard), timing.pause)
    }

    /// A link over any stream that carries RTU frames.
    fn over_rtu<S>(stream: S, pause: Duration) -> Self
    where
        S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin + 'static,
    {
        Self::new(tokio_modbus::client::rtu::attach(Guard::new(stream, Framing::Rtu)), pause)
    }

    fn new(context: Context, pause: Duration) -> Self {
        Self { context, pause, quiet_since: Instant::now() }
    }

    /// Reads `count` cells (words, or bits as 0/1).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn read(&mut self, unit: u8, span: Span, limit: Duration) -> Result<Vec<u16>, CallError> {
        let Span { table, start, count } = span;
        let request = match table {
            Table::Coil => Request::ReadCoils(start, count),
            Table::Discrete => Request::ReadDiscreteInputs(start, count),
            Table::Input => Request::ReadInputRegisters(start, count),
            Table::Holding => Request::ReadHoldingRegisters(start, count),
        };
        let cells = match self.call(unit, request, limit).await? {
            Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words) => words,
            Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
                bits.into_iter().take(usize::from(count)).map(u16::from).collect()
            }
            _ => return Err(CallError::Foreign("the answer is to another function".to_owned())),
        };
        if cells.len() == usize::from(count) {
            Ok(cells)
        } else {
            Err(CallError::Foreign(format!("asked for {count} cells, got {}", cells.len())))
        }
    }

    /// Writes cells with function 6 or 5 (one cell), or with 16 or 15 (several, or `multiple`).
    ///
    /// # Errors
    /// See [`CallError`]. After [`CallError::Timeout`] and [`CallError::Broken`] the write may have been applied.
    pub async fn write(&mut self, unit: u8, write: &CellWrite<'_>, limit: Duration) -> Result<(), CallError> {
        let CellWrite { table, start, cells, multiple } = *write;
        let request = match (table, cells) {
            (Table::Coil, [cell]) if !multiple => Request::WriteSingleCoil(start, *cell != 0),
            (Table::Coil, cells) => Request::WriteMultipleCoils(start, cells.iter().map(|cell| *cell != 0).collect()),
            (Table::Holding, [cell]) if !multiple => Request::WriteSingleRegister(start, *cell),
            (Table::Holding, cells) => Request::WriteMultipleRegisters(start, Cow::Borrowed(cells)),
            // The point table refuses these long before.
            (Table::Discrete | Table::Input, _) => return Err(CallError::Exception(1)),
        };
        // The guard compared the echo with the request.
        self.call(unit, request, limit).await.map(|_| ())
    }

    async fn call(&mut self, unit: u8, request: Request<'_>, limit: Duration) -> Result<Response, CallError> {
        if !self.pause.is_zero() {
            sleep_until(self.quiet_since + self.pause).await;
        }
        self.context.set_slave(Slave(unit));
        let answer = timeout(limit, self.context.call(request)).await;
        self.quiet_since = Instant::now();
        match answer {
            Err(_) => Err(CallError::Timeout),
            Ok(Ok(Ok(response))) => Ok(response),
            Ok(Ok(Err(exception))) => Err(CallError::Exception(exception.into())),
            Ok(Err(tokio_modbus::Error::Protocol(error))) => Err(CallError::Foreign(error.to_string())),
            Ok(Err(tokio_modbus::Error::Transport(error))) => Err(classify(&error)),
        }
    }
}

/// Cells to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Table.
    pub table: Table,
    /// First cell.
    pub start: u16,
    /// How many.
    pub count: u16,
}

/// Cells to write.
#[derive(Debug, Clone, Copy)]
pub struct CellWrite<'a> {
    /// Table.
    pub table: Table,
    /// First cell.
    pub start: u16,
    /// What is written, from the first address on.
    pub cells: &'a [u16],
    /// Use function 16 or 15 also for a single cell.
    pub multiple: bool,
}

fn classify(error: &io::Error) -> CallError {
    match error.kind() {
        io::ErrorKind::InvalidData => CallError::Foreign(error.to_string()),
        _ => CallError::Broken(error.to_string()),
    }
}

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A request is one small segment: waiting to fill it would add up to 40 ms to every exchange.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn serial(line: &SerialLine) -> io::Result<SerialPort> {
    let parity = match line.parity {
        Parity::Even => serial2_tokio::Parity::Even,
        Parity::Odd => serial2_tokio::Parity::Odd,
        Parity::None => serial2_tokio::Parity::None,
    };
    let stop_bits = if line.stop_bits == 2 { serial2_tokio::StopBits::Two } else { serial2_tokio::StopBits::One };
    SerialPort::open(&line.path, |mut settings: serial2_tokio::Settings| {
        settings.set_raw();
        settings.set_baud_rate(line.baud)?;
        settings.set_char_size(serial2_tokio::CharSize::Bits8);
        settings.set_parity(parity);
        settings.set_stop_bits(stop_bits);
        settings.set_flow_control(serial2_tokio::FlowControl::None);
        Ok(settings)
    })
}

/// Silence between two frames: 3.5 characters of 11 bits, 1.75 ms from 19200 Bd on.
fn character_gap(baud: u32) -> Duration {
    let gap = Duration::from_secs_f64(3.5 * 11.0 / f64::from(baud.max(300)));
    if baud > 19_200 { Duration::from_micros(1750) } else { gap }
}

/// Throws away what comes until nothing came for `quiet`, for at most twice that long.
async fn drain(stream: &mut (impl AsyncRead + Unpin), quiet: Duration) -> io::Result<()> {
    let end = Instant::now() + quiet * 2;
    let mut scratch = [0; 64];
    while Instant::now() < end {
        match timeout(quiet, stream.read(&mut scratch)).await {
            Err(_) => return Ok(()),
            Ok(Ok(0)) => return Err(io::ErrorKind::ConnectionReset.into()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
        }
    }
    Ok(())
}
