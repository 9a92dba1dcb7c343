//! A Modbus TCP server per device.
//!
//! Answers from the shared [`World`]; a `down` fault closes the port and its connections, and the same port opens again
//! afterwards. It keeps no state of its own.

use super::fault::FaultKind;
use super::world::World;
use memg_plant_io::point::Table;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};
use tracing::{debug, warn};

/// The world, shared between clock and servers. Never locked across an await.
#[derive(Debug, Clone)]
pub struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    /// Shares a world.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Access; a panic elsewhere leaves the world usable, since every change is complete before the next begins.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pause before a port that is still taken is tried again.
const REBIND_PAUSE: Duration = Duration::from_millis(50);

/// Serves a device for ever, on a listener that is already open. `down` is true while the device must not be reachable.
pub async fn serve(world: SharedWorld, device: usize, listener: TcpListener, mut down: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    loop {
        let open = match listener.take() {
            Some(listener) => listener,
            None => bind_again(address).await,
        };
        tokio::select! {
            result = run(&world, device, open) => warn!(%address, ?result, "A server of the virtual plant ended."),
            gone = wait(&mut down, true) => if gone.is_err() { return },
        }
        if wait(&mut down, false).await.is_err() {
            return;
        }
    }
}

async fn wait(down: &mut watch::Receiver<bool>, value: bool) -> Result<(), watch::error::RecvError> {
    down.wait_for(|down| *down == value).await.map(|_| ())
}

async fn bind_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => debug!(%address, %error, "The port is still taken."),
        }
        sleep(REBIND_PAUSE).await;
    }
}

/// Dropping this future closes the port and all connections.
async fn run(world: &SharedWorld, device: usize, listener: TcpListener) -> io::Result<()> {
    let connected = |stream: TcpStream, _| async move {
        stream.set_nodelay(true)?;
        Ok(Some((DeviceService { world: world.clone(), device }, stream)))
    };
    Server::new(listener).serve(&connected, |error| debug!(%error, "A connection of the virtual plant ended.")).await
}

/// Answers requests to one device.
struct DeviceService {
    world: SharedWorld,
    device: usize,
}

/// `None`: no answer at all.
type Answer = Result<Option<Response>, ExceptionCode>;

impl Service for DeviceService {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, request: SlaveRequest<'static>) -> Self::Future {
        let (delay, answer) = self.answer(&request);
        Box::pin(async move {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            answer
        })
    }
}

impl DeviceService {
    fn answer(&self, request: &SlaveRequest<'_>) -> (Duration, Answer) {
        let mut world = self.world.lock();
        let (now, index) = (world.wall(), self.device);
        let Some(device) = world.device_mut(index) else { return (Duration::ZERO, Ok(None)) };
        let delay = device.faults().iter().find_map(|fault| match fault {
            FaultKind::Slow(delay) => Some(*delay),
            _ => None,
        });
        if device.has(&FaultKind::NoAnswer) {
            return (Duration::ZERO, Ok(None));
        }
        let answer = match classify(&request.request) {
            Wanted::Read(table, start, count) => {
                device.read(request.slave, table, start, count).map(|cells| read_response(table, cells))
            }
            Wanted::Write(table, start, cells, echo) => {
                device.write(now, request.slave, table, start, &cells).map(|()| echo)
            }
            Wanted::Other => Err(device.refuse()),
        };
        (delay.unwrap_or_default(), answer.map(Some).map_err(ExceptionCode::new))
    }
}

/// A request, as cells.
enum Wanted {
    Read(Table, u16, u16),
    /// Table, first cell, cells, and what is answered on success.
    Write(Table, u16, Vec<u16>, Response),
    Other,
}

fn classify(request: &Request<'_>) -> Wanted {
    let bits = |coils: &[bool]| coils.iter().map(|coil| u16::from(*coil)).collect();
    let length = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
    match request {
        Request::ReadCoils(start, count) => Wanted::Read(Table::Coil, *start, *count),
        Request::ReadDiscreteInputs(start, count) => Wanted::Read(Table::Discrete, *start, *count),
        Request::ReadInputRegisters(start, count) => Wanted::Read(Table::Input, *start, *count),
        Request::ReadHoldingRegisters(start, count) => Wanted::Read(Table::Holding, *start, *count),
        Request::WriteSingleCoil(start, coil) => {
            Wanted::Write(Table::Coil, *start, bits(&[*coil]), Response::WriteSingleCoil(*start, *coil))
        }
        Request::WriteMultipleCoils(start, coils) => {
            Wanted::Write(Table::Coil, *start, bits(coils), Response::WriteMultipleCoils(*start, length(coils.len())))
        }
        Request::WriteSingleRegister(start, word) => {
            Wanted::Write(Table::Holding, *start, vec![*word], Response::WriteSingleRegister(*start, *word))
        }
        Request::WriteMultipleRegisters(start, words) => {
            let echo = Response::WriteMultipleRegisters(*start, length(words.len()));
            Wanted::Write(Table::Holding, *start, words.to_vec(), echo)
        }
        _ => Wanted::Other,
    }
}

fn read_response(table: Table, cells: Vec<u16>) -> Response {
    let bits = |cells: Vec<u16>| cells.into_iter().map(|cell| cell != 0).collect();
    match table {
        Table::Coil => Response::ReadCoils(bits(cells)),
        Table::Discrete => Response::ReadDiscreteInputs(bits(cells)),
        Table::Input => Response::ReadInputRegisters(cells),
        Table::Holding => Response::ReadHoldingRegisters(cells),
    }
}
