//! Many Modbus TCP meters in a process of their own, so that the gateway's share of the processor can be told.
//!
//! Each listens on a loopback port of the system's choosing and answers every read with floating-point numbers.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// The running process and the ports of its meters.
#[derive(Debug)]
pub struct MeterFarm {
    /// One port per meter.
    pub ports: Vec<u16>,
    _child: Child,
}

impl MeterFarm {
    /// Starts this very program again with the arguments `serve COUNT`; its `main` calls [`serve`] then.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start(count: usize) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(program);
        command.args(["serve", &count.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a piped output")).lines();
        let mut ports = Vec::new();
        while ports.len() < count {
            let line = lines.next_line().await.expect("readable").expect("it lives");
            ports.push(line.parse().expect("a port"));
        }
        Self { ports, _child: child }
    }
}

/// Serves `count` meters until standard input ends, after printing a port per line.
///
/// # Panics
/// If no port can be had.
pub async fn serve(count: usize) {
    for _ in 0..count {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a loopback port");
        println!("{}", listener.local_addr().expect("a bound port").port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(meter(stream));
            }
        });
    }
    let _ = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await;
}

async fn meter(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = [0; 12];
    let mut turn = 0_u32;
    loop {
        stream.read_exact(&mut request).await?;
        turn += 1;
        stream.write_all(&answer(&request, turn)).await?;
    }
}

/// An answer to a register read: singles that change with every turn.
fn answer(request: &[u8; 12], turn: u32) -> Vec<u8> {
    let words = usize::from(u16::from_be_bytes([request[10], request[11]]));
    let bytes = u8::try_from(words * 2).unwrap_or(0);
    let mut frame = vec![request[0], request[1], 0, 0, 0, bytes + 3, request[6], request[7], bytes];
    let value = (turn as f32 * 0.25).to_be_bytes();
    frame.extend(value.iter().cycle().take(usize::from(bytes)));
    frame
}
