//! A proxy between a Modbus master and a device that knows the protocol well enough to break it on purpose.
//!
//! Upstream it speaks Modbus TCP; towards the master Modbus TCP or RTU over TCP, as a serial server does. Each answer may
//! be spoiled by the next [`Fault`] in the queue. Loopback only.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// How the master speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP.
    Tcp,
    /// RTU frames over TCP.
    Rtu,
}

/// What happens to one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: lets one answer pass.
    None,
    /// Comes this much later.
    Delay(Duration),
    /// Comes in two parts: so many bytes, a pause, the rest.
    Split(usize, Duration),
    /// Only so many bytes come.
    Truncate(usize),
    /// The connection is closed instead of answering; the device has got the request.
    Reset,
    /// The connection is closed after so many bytes.
    ResetAfter(usize),
    /// The request never reaches the device, and nothing comes back.
    LoseRequest,
    /// The device has got the request, but nothing comes back.
    LoseAnswer,
    /// The answer comes twice.
    Duplicate,
    /// The answer to the request before comes first.
    Previous,
    /// Another transaction number (Modbus TCP only).
    Transaction,
    /// Another protocol number (Modbus TCP only).
    Protocol,
    /// Another unit.
    Unit,
    /// Another function.
    Function,
    /// This declared length (Modbus TCP), or byte count (RTU).
    Length(u16),
    /// One register less, with everything else consistent.
    Short,
    /// One register more, with everything else consistent.
    Long,
    /// Two bytes behind the answer.
    Trailing,
    /// A bit of the data is flipped; on RTU the checksum shows it, on TCP it changes the value or echo.
    FlipBit,
    /// This exception instead of the answer.
    Exception(u8),
}

#[derive(Debug, Default)]
struct Control {
    queue: VecDeque<Fault>,
    /// Faults wait for a write.
    writes_only: bool,
    /// Swallows everything, connections stay open.
    blackhole: bool,
    /// Connections break, and new ones are refused.
    shut: bool,
    /// Spoils every answer, or every answer to a write.
    always: Option<Fault>,
    connections: usize,
}

/// A running proxy.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where the master connects to.
    pub address: SocketAddr,
    control: Arc<Mutex<Control>>,
    task: JoinHandle<()>,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultProxy {
    /// A proxy in front of `upstream`, on a loopback port chosen by the system.
    pub async fn start(upstream: SocketAddr, framing: Framing) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let control = Arc::new(Mutex::new(Control::default()));
        let task = tokio::spawn(accept(listener, upstream, framing, control.clone()));
        Self { address, control, task }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        lock(&self.control)
    }

    /// Spoils the next answers, one each.
    pub fn inject(&self, faults: &[Fault]) {
        let mut control = self.control();
        control.writes_only = false;
        control.queue.extend(faults);
    }

    /// Spoils the answers to the next writes; reads pass.
    pub fn inject_on_write(&self, faults: &[Fault]) {
        let mut control = self.control();
        control.writes_only = true;
        control.queue.extend(faults);
    }

    /// Swallows everything from now on, or no longer.
    pub fn blackhole(&self, on: bool) {
        self.control().blackhole = on;
    }

    /// Spoils every answer from now on; `writes_only`: of writes alone. `None`: no longer.
    pub fn always(&self, fault: Option<Fault>, writes_only: bool) {
        let mut control = self.control();
        (control.always, control.writes_only) = (fault, writes_only);
    }

    /// Switched off: connections break, and new ones are refused. Or on again.
    pub fn shut(&self, on: bool) {
        self.control().shut = on;
    }

    /// Faults that have not happened yet.
    pub fn pending(&self) -> usize {
        self.control().queue.len()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.control().connections
    }
}

fn lock(control: &Mutex<Control>) -> MutexGuard<'_, Control> {
    control.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, upstream: SocketAddr, framing: Framing, control: Arc<Mutex<Control>>) {
    let mut sessions = JoinSet::new();
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        let Some(open) = &listener else {
            sleep(Duration::from_millis(5)).await;
            listener = if lock(&control).shut { None } else { TcpListener::bind(address).await.ok() };
            continue;
        };
        let master = tokio::select! {
            accepted = open.accept() => accepted,
            () = switched_off(&control) => {
                listener = None;
                continue;
            }
        };
        let Ok((master, _)) = master else { return };
        lock(&control).connections += 1;
        let control = control.clone();
        sessions.spawn(async move {
            let _ = tokio::select! {
                done = session(master, upstream, framing, &control) => done,
                () = switched_off(&control) => Ok(()),
            };
        });
    }
}

async fn switched_off(control: &Mutex<Control>) {
    while !lock(control).shut {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A request or answer without its frame.
#[derive(Debug, Clone, Default)]
struct Message {
    transaction: [u8; 2],
    unit: u8,
    pdu: Vec<u8>,
}

async fn session(
    mut master: TcpStream,
    upstream: SocketAddr,
    framing: Framing,
    control: &Mutex<Control>,
) -> io::Result<()> {
    master.set_nodelay(true)?;
    let mut device = TcpStream::connect(upstream).await?;
    device.set_nodelay(true)?;
    let mut previous = Vec::new();
    loop {
        let request = read_request(&mut master, framing).await?;
        let Some(fault) = next_fault(control, &request) else { continue };
        if fault == Fault::LoseRequest {
            continue;
        }
        device.write_all(&tcp_frame(&request)).await?;
        // A dead unit gives no answer: then there is nothing to spoil either.
        let Ok(answer) = timeout(Duration::from_secs(5), read_tcp(&mut device)).await else { continue };
        let answer = answer?;
        let frame = spoiled(&answer, framing, fault);
        send(&mut master, &frame, fault, &previous).await?;
        previous = whole(&answer, framing);
    }
}

/// The fault for this request; `None` if everything is swallowed.
fn next_fault(control: &Mutex<Control>, request: &Message) -> Option<Fault> {
    let mut control = lock(control);
    if control.blackhole {
        return None;
    }
    let is_write = request.pdu.first().is_some_and(|function| *function >= 5);
    if control.writes_only && !is_write {
        return Some(Fault::None);
    }
    Some(control.queue.pop_front().or(control.always).unwrap_or(Fault::None))
}

async fn send(master: &mut TcpStream, frame: &[u8], fault: Fault, previous: &[u8]) -> io::Result<()> {
    match fault {
        Fault::Delay(pause) => {
            sleep(pause).await;
            master.write_all(frame).await
        }
        Fault::Split(at, pause) => {
            let (first, rest) = frame.split_at(at.min(frame.len()));
            master.write_all(first).await?;
            sleep(pause).await;
            master.write_all(rest).await
        }
        Fault::Truncate(at) => master.write_all(frame.get(..at).unwrap_or(frame)).await,
        Fault::ResetAfter(at) => {
            master.write_all(frame.get(..at).unwrap_or(frame)).await?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Fault::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Fault::LoseAnswer => Ok(()),
        Fault::Duplicate => master.write_all(&[frame, frame].concat()).await,
        Fault::Previous => master.write_all(&[previous, frame].concat()).await,
        Fault::Trailing => master.write_all(&[frame, &[0, 0]].concat()).await,
        _ => master.write_all(frame).await,
    }
}

/// The frame of an answer after faults that change its content.
fn spoiled(answer: &Message, framing: Framing, fault: Fault) -> Vec<u8> {
    let mut answer = answer.clone();
    match fault {
        Fault::Transaction => answer.transaction[1] ^= 1,
        Fault::Unit => answer.unit ^= 2,
        Fault::Function => answer.pdu[0] ^= 1,
        Fault::Exception(code) => answer.pdu = vec![answer.pdu[0] | 0x80, code],
        Fault::Short => resize(&mut answer.pdu, -2),
        Fault::Long => resize(&mut answer.pdu, 2),
        _ => {}
    }
    let mut frame = whole(&answer, framing);
    match (fault, framing) {
        (Fault::Protocol, Framing::Tcp) => frame[3] ^= 1,
        (Fault::Length(length), Framing::Tcp) => frame[4..6].copy_from_slice(&length.to_be_bytes()),
        (Fault::Length(length), Framing::Rtu) => frame[2] = length.to_be_bytes()[1],
        (Fault::FlipBit, Framing::Tcp) => flip_last(&mut frame),
        (Fault::FlipBit, Framing::Rtu) => frame[3] ^= 1,
        _ => {}
    }
    frame
}

fn flip_last(frame: &mut [u8]) {
    if let Some(last) = frame.last_mut() {
        *last ^= 1;
    }
}

/// Takes bytes from the data of a read answer or adds some, with the byte count to match.
fn resize(pdu: &mut Vec<u8>, bytes: i32) {
    if pdu.first().is_none_or(|function| *function > 4) {
        return;
    }
    let count = i32::from(pdu[1]) + bytes;
    pdu[1] = u8::try_from(count.max(0)).unwrap_or(0);
    pdu.resize(2 + usize::from(pdu[1]), 0);
}

fn whole(message: &Message, framing: Framing) -> Vec<u8> {
    match framing {
        Framing::Tcp => tcp_frame(message),
        Framing::Rtu => rtu_frame(message),
    }
}

fn tcp_frame(message: &Message) -> Vec<u8> {
    let length = u16::try_from(message.pdu.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
    let head = [message.transaction[0], message.transaction[1], 0, 0, length[0], length[1], message.unit];
    [&head[..], &message.pdu].concat()
}

fn rtu_frame(message: &Message) -> Vec<u8> {
    let mut frame = vec![message.unit];
    frame.extend(&message.pdu);
    let crc = crc(&frame);
    frame.extend(crc.to_le_bytes());
    frame
}

/// CRC-16/MODBUS.
fn crc(bytes: &[u8]) -> u16 {
    let shift = |crc: u16, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
    bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), shift))
}

async fn read_request(master: &mut TcpStream, framing: Framing) -> io::Result<Message> {
    match framing {
        Framing::Tcp => read_tcp(master).await,
        Framing::Rtu => read_rtu_request(master).await,
    }
}

async fn read_tcp(stream: &mut TcpStream) -> io::Result<Message> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let mut pdu = vec![0; length.saturating_sub(1)];
    stream.read_exact(&mut pdu).await?;
    Ok(Message { transaction: [head[0], head[1]], unit: head[6], pdu })
}

async fn read_rtu_request(master: &mut TcpStream) -> io::Result<Message> {
    let mut frame = vec![0; 7];
    master.read_exact(&mut frame).await?;
    let rest = if frame[1] == 15 || frame[1] == 16 { usize::from(frame[6]) + 2 } else { 1 };
    let mut tail = vec![0; rest];
    master.read_exact(&mut tail).await?;
    frame.extend(tail);
    if crc(&frame) != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let end = frame.len() - 2;
    Ok(Message { transaction: [0, 0], unit: frame[0], pdu: frame[1..end].to_vec() })
}
