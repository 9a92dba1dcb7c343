//! mosaik: controller and plant as a simulator of its low-level protocol.
//!
//! A message is a big-endian `u32` length and JSON: `[0, id, [function, args, kwargs]]` asks, `[1, id, result]` answers,
//! `[2, id, [kind, text]]` refuses (mosaik-api 3 takes that list apart; of a bare text it would show letters). Functions: `init`, `create`, `setup_done`, `step`, `get_data`, `stop`. Connections go either
//! way: mosaik starts the gateway with its own address, or connects to a gateway that listens.
//!
//! At time `t` an `Ems` entity decides from the inputs of `t`; its outputs hold from `t` on. A `Plant` entity lives up to
//! `t` with the set-points it has got and shows what meters show at `t`. With set-points connected `time_shifted`, the two
//! make the same day as the built-in environment.

mod entity;
mod frame;

use super::error::CosimError;
use super::unit::UnitOptions;
use entity::Simulator;
use frame::{read_frame, write_frame};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Which side opens the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// mosaik has started this program and waits at the address.
    Connect,
    /// This program waits at the address for mosaik.
    Listen,
}

/// A simulator for mosaik.
#[derive(Debug, Clone)]
pub struct MosaikOptions {
    /// `HOST:PORT`.
    pub address: String,
    /// Who opens the connection.
    pub direction: Direction,
    /// Longest silence of mosaik: another simulator's step may take that long.
    pub patience: Duration,
    /// Profile of `Plant` entities, a CSV file; without it there are none.
    pub profile: Option<std::path::PathBuf>,
    /// What entities are started from, whatever their parameters do not say.
    pub units: UnitOptions,
}

/// Serves one simulation until mosaik says stop. Listening, it says on standard error at which address.
///
/// # Errors
/// No connection, silence beyond the patience, or a peer that does not speak the protocol.
pub fn mosaik(options: &MosaikOptions) -> Result<(), CosimError> {
    let failed = |error: std::io::Error| CosimError::Protocol(format!("{}: {error}", options.address));
    let stream = match options.direction {
        Direction::Connect => connect(&options.address)?,
        Direction::Listen => {
            let listener = TcpListener::bind(&options.address).map_err(failed)?;
            tracing::info!(address = %listener.local_addr().map_err(failed)?, "Waiting for mosaik.");
            listener.accept().map_err(failed)?.0
        }
    };
    serve(stream, options)
}

/// Tries every address of the name for at most ten seconds each.
fn connect(address: &str) -> Result<TcpStream, CosimError> {
    let failed = |reason: String| CosimError::Protocol(format!("cannot connect to {address}: {reason}"));
    let addresses = address.to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let mut last = "no such address".to_owned();
    for one in addresses {
        match TcpStream::connect_timeout(&one, Duration::from_secs(10)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(failed(last))
}

/// Answers requests on an open connection.
///
/// # Errors
/// See [`mosaik`].
pub fn serve(mut stream: TcpStream, options: &MosaikOptions) -> Result<(), CosimError> {
    let failed = |error: std::io::Error| CosimError::Protocol(error.to_string());
    stream.set_read_timeout(Some(options.patience)).map_err(failed)?;
    stream.set_write_timeout(Some(options.patience)).map_err(failed)?;
    // Small messages that are waited for.
    stream.set_nodelay(true).map_err(failed)?;
    let mut simulator = Simulator::new(options);
    loop {
        let request = Request::parse(&read_frame(&mut stream)?)?;
        if request.function == "stop" {
            return Ok(());
        }
        let answer = match simulator.answer(&request) {
            Ok(result) => json!([1, request.id, result]),
            // mosaik shows the text and ends the simulation; the connection stays until it says so.
            Err(error) => json!([2, request.id, ["Refused", error.to_string()]]),
        };
        write_frame(&mut stream, &answer)?;
    }
}

/// A function call of mosaik.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    id: Value,
    function: String,
    args: Vec<Value>,
    kwargs: serde_json::Map<String, Value>,
}

/// A request on the wire: type, id, `[function, arguments, named arguments]`.
type Message = (u64, Value, (String, Vec<Value>, serde_json::Map<String, Value>));

impl Request {
    fn parse(bytes: &[u8]) -> Result<Self, CosimError> {
        let wrong = || {
            let shown: String = String::from_utf8_lossy(bytes).chars().take(80).collect();
            CosimError::Protocol(format!("expected [0, id, [function, args, kwargs]], found {shown:?}"))
        };
        let message: Message = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        let (0, id, (function, args, kwargs)) = message else { return Err(wrong()) };
        Ok(Self { id, function, args, kwargs })
    }

    /// An argument by position or by name.
    fn argument(&self, index: usize, name: &str) -> Option<&Value> {
        self.args.get(index).or_else(|| self.kwargs.get(name))
    }
}

#[cfg(test)]
#[path = "mosaik/tests.rs"]
mod tests;
