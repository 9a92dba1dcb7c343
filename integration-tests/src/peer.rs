//! Foreign programs: scripts under `peers/` run by the Python that has their packages.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running script that answers each line with a line.
#[derive(Debug)]
pub struct Peer {
    /// What it said it listens on.
    pub place: String,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    _child: Child,
}

/// The Python with the peers' packages, from `MEMG_PEER_PYTHON`. If there is none, says so; with `MEMG_PEERS=required` the
/// test fails instead.
///
/// # Panics
/// If it is missing and the environment says that peers are required.
#[must_use]
pub fn python() -> Option<String> {
    let python = std::env::var("MEMG_PEER_PYTHON").ok().filter(|python| !python.is_empty());
    if python.is_none() {
        let required = std::env::var("MEMG_PEERS").is_ok_and(|value| value == "required");
        assert!(!required, "MEMG_PEERS=required, but MEMG_PEER_PYTHON names no Python with peers/requirements.txt");
        eprintln!("DID NOT RUN: MEMG_PEER_PYTHON names no Python with peers/requirements.txt.");
    }
    python
}

impl Peer {
    /// Starts a script and waits until it says "READY place".
    ///
    /// # Panics
    /// If it does not within 20 s.
    pub async fn start(python: &str, script: &str, arguments: &[&str]) -> Self {
        let path = format!("{}/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        command.arg(path).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{python}: {error}"));
        let input = child.stdin.take().expect("a piped input");
        let lines = BufReader::new(child.stdout.take().expect("a piped output")).lines();
        let mut peer = Self { place: String::new(), lines, input, _child: child };
        let ready = peer.line().await;
        peer.place = ready.strip_prefix("READY ").unwrap_or_else(|| panic!("{script} said {ready:?}")).to_owned();
        peer
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("an answer in time");
        line.expect("a readable answer").expect("the peer ended; its standard error tells why")
    }

    /// Sends a command and returns its answer.
    ///
    /// # Panics
    /// If it does not answer.
    pub async fn say(&mut self, command: &str) -> String {
        self.input.write_all(format!("{command}\n").as_bytes()).await.expect("the peer listens");
        self.line().await
    }

    /// Sends a command and returns its answer, which is JSON.
    ///
    /// # Panics
    /// If it answers otherwise.
    pub async fn tell(&mut self, command: &str) -> serde_json::Value {
        let answer = self.say(command).await;
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {answer:?}: {error}"))
    }

    /// Sends a command and returns the numbers of its answer.
    ///
    /// # Panics
    /// If it does not answer with numbers.
    pub async fn ask(&mut self, command: &str) -> Vec<u16> {
        let answer = self.say(command).await;
        answer.split_whitespace().map(|number| number.parse().expect("a register")).collect()
    }
}
