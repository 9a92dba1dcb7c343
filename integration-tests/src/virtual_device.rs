//! A Modbus device in this process: registers per unit, every write recorded, misbehaviour on request.
//!
//! It is served by tokio-modbus on a loopback port chosen by the system. It can be stopped and started on the same port,
//! like a device that is switched off and on.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

/// A write that the device saw, refused ones excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenWrite {
    /// When the device took it.
    pub at: Instant,
    /// Unit id.
    pub unit: u8,
    /// Function code.
    pub function: u8,
    /// First cell.
    pub address: u16,
    /// Cells.
    pub cells: Vec<u16>,
}

/// What the device holds and how it behaves.
#[derive(Debug, Default)]
pub struct State {
    /// Holding registers by unit and address.
    pub holding: BTreeMap<(u8, u16), u16>,
    /// Input registers.
    pub input: BTreeMap<(u8, u16), u16>,
    /// Coils.
    pub coils: BTreeMap<(u8, u16), bool>,
    /// Discrete inputs.
    pub discrete: BTreeMap<(u8, u16), bool>,
    /// Units that do not answer.
    pub dead: BTreeSet<u8>,
    /// Units that answer with this exception, whatever is asked.
    pub exceptions: BTreeMap<u8, u8>,
    /// The next requests are answered with this exception.
    pub next_exceptions: Vec<u8>,
    /// Writes of these registers are answered with this exception.
    pub refused_writes: BTreeMap<u16, u8>,
    /// Acknowledges writes without applying them.
    pub ignores_writes: bool,
    /// Of a write of several cells only the first one is applied.
    pub applies_first_cell_only: bool,
    /// Applies values to these holding registers only up to this one.
    pub clamp: BTreeMap<u16, u16>,
    /// Pause before every answer.
    pub delay: Duration,
    /// Every write.
    pub writes: Vec<SeenWrite>,
    /// Function code and first address of every request.
    pub requests: Vec<(u8, u16)>,
}

/// A device that can be switched off and on.
#[derive(Debug)]
pub struct VirtualDevice {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Registers(Arc<Mutex<State>>);

impl VirtualDevice {
    /// Starts on a port chosen by the system.
    pub async fn start() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let mut device = Self { address, state: Arc::default(), task: None };
        device.serve(listener);
        device
    }

    fn serve(&mut self, listener: TcpListener) {
        let registers = Registers(self.state.clone());
        self.task = Some(tokio::spawn(async move {
            let connect = |stream: TcpStream, _| {
                let registers = registers.clone();
                async move { stream.set_nodelay(true).map(|()| Some((registers, stream))) }
            };
            let _ = Server::new(listener).serve(&connect, |_| {}).await;
        }));
    }

    /// Switches it off: open connections break, new ones are refused.
    pub async fn switch_off(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Switches it on again on the same port.
    pub async fn switch_on(&mut self) {
        for _ in 0..200 {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("port {} is not free again", self.address);
    }

    /// Its registers and behaviour.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets holding registers of unit 1.
    pub fn set(&self, address: u16, cells: &[u16]) {
        self.state().set(1, address, cells);
    }

    /// A holding register of unit 1.
    pub fn get(&self, address: u16) -> u16 {
        self.state().holding.get(&(1, address)).copied().unwrap_or(0)
    }

    /// First addresses of the writes so far, in order.
    pub fn written(&self) -> Vec<u16> {
        self.state().writes.iter().map(|write| write.address).collect()
    }
}

impl State {
    /// Sets holding registers.
    pub fn set(&mut self, unit: u8, address: u16, cells: &[u16]) {
        for (address, cell) in (address..).zip(cells) {
            self.holding.insert((unit, address), *cell);
        }
    }

    /// Answers a request; `None` for silence.
    fn answer(&mut self, unit: u8, request: &Request<'_>) -> Result<Option<Response>, ExceptionCode> {
        self.requests.push((request.function_code().value(), address(request)));
        if self.dead.contains(&unit) {
            return Ok(None);
        }
        if let Some(code) = self.exceptions.get(&unit).copied().or_else(|| self.next_exceptions.pop()) {
            return Err(ExceptionCode::new(code));
        }
        self.serve(unit, request).map(Some)
    }

    fn serve(&mut self, unit: u8, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        match request {
            Request::ReadHoldingRegisters(at, count) => {
                Ok(Response::ReadHoldingRegisters(cells(&self.holding, unit, *at, *count)?))
            }
            Request::ReadInputRegisters(at, count) => {
                Ok(Response::ReadInputRegisters(cells(&self.input, unit, *at, *count)?))
            }
            Request::ReadCoils(at, count) => Ok(Response::ReadCoils(cells(&self.coils, unit, *at, *count)?)),
            Request::ReadDiscreteInputs(at, count) => {
                Ok(Response::ReadDiscreteInputs(cells(&self.discrete, unit, *at, *count)?))
            }
            Request::WriteSingleRegister(at, word) => {
                self.write(unit, 6, *at, &[*word])?;
                Ok(Response::WriteSingleRegister(*at, *word))
            }
            Request::WriteMultipleRegisters(at, words) => {
                self.write(unit, 16, *at, words)?;
                Ok(Response::WriteMultipleRegisters(*at, u16::try_from(words.len()).unwrap_or(0)))
            }
            Request::WriteSingleCoil(at, bit) => {
                self.write_coils(unit, 5, *at, &[*bit])?;
                Ok(Response::WriteSingleCoil(*at, *bit))
            }
            Request::WriteMultipleCoils(at, bits) => {
                self.write_coils(unit, 15, *at, bits)?;
                Ok(Response::WriteMultipleCoils(*at, u16::try_from(bits.len()).unwrap_or(0)))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    fn record(&mut self, unit: u8, function: u8, address: u16, cells: Vec<u16>) -> Result<(), ExceptionCode> {
        if let Some(code) = self.refused_writes.get(&address) {
            return Err(ExceptionCode::new(*code));
        }
        self.writes.push(SeenWrite { at: Instant::now(), unit, function, address, cells });
        Ok(())
    }

    fn write(&mut self, unit: u8, function: u8, start: u16, words: &[u16]) -> Result<(), ExceptionCode> {
        self.record(unit, function, start, words.to_vec())?;
        let applied = match (self.ignores_writes, self.applies_first_cell_only) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => words.len(),
        };
        for (address, word) in (start..).zip(words).take(applied) {
            let most = self.clamp.get(&address).copied().unwrap_or(u16::MAX);
            self.holding.insert((unit, address), (*word).min(most));
        }
        Ok(())
    }

    fn write_coils(&mut self, unit: u8, function: u8, start: u16, bits: &[bool]) -> Result<(), ExceptionCode> {
        self.record(unit, function, start, bits.iter().map(|bit| u16::from(*bit)).collect())?;
        for (address, bit) in (start..).zip(bits).filter(|_| !self.ignores_writes).collect::<Vec<_>>() {
            self.coils.insert((unit, address), *bit);
        }
        Ok(())
    }
}

fn cells<T: Copy>(table: &BTreeMap<(u8, u16), T>, unit: u8, start: u16, count: u16) -> Result<Vec<T>, ExceptionCode> {
    let end = u32::from(start) + u32::from(count);
    let cell = |address: u32| {
        let address = u16::try_from(address).ok()?;
        table.get(&(unit, address)).copied()
    };
    (u32::from(start)..end).map(cell).collect::<Option<Vec<T>>>().ok_or(ExceptionCode::IllegalDataAddress)
}

fn address(request: &Request<'_>) -> u16 {
    match request {
        Request::ReadCoils(at, _)
        | Request::ReadDiscreteInputs(at, _)
        | Request::ReadHoldingRegisters(at, _)
        | Request::ReadInputRegisters(at, _)
        | Request::WriteSingleCoil(at, _)
        | Request::WriteSingleRegister(at, _)
        | Request::WriteMultipleCoils(at, _)
        | Request::WriteMultipleRegisters(at, _) => *at,
        _ => 0,
    }
}

type Answer = Result<Option<Response>, ExceptionCode>;

impl Service for Registers {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let (answer, delay) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (state.answer(request.slave, &request.request), state.delay)
        };
        Box::pin(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            answer
        })
    }
}
