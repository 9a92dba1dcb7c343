//! A mosquitto broker and its command-line clients as foreign peers, on a port chosen by the system.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::{Instant, sleep, timeout};

/// Longest wait for anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A broker of its own for one test; killed when dropped.
pub struct Mosquitto {
    /// Loopback port.
    pub port: u16,
    folder: tempfile::TempDir,
    more: &'static str,
    process: Child,
}

/// Whether a message stays at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Retained,
    No,
}

/// A message as a foreign subscriber saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub keep: Keep,
    pub topic: String,
    pub payload: String,
}

impl Seen {
    /// The payload as JSON; `null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap_or_default()
    }
}

impl Mosquitto {
    /// Starts a broker without persistence. Without mosquitto on this machine: `None`, said on the terminal, or a
    /// failed test if the environment has `MEMG_PEERS=required`.
    pub async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// Like [`Self::start`], with more lines in the configuration file.
    pub async fn start_with(more: &'static str) -> Option<Self> {
        if !crate::peer_is_there("mosquitto") || !crate::peer_is_there("mosquitto_sub") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        for _ in 0..5 {
            let port = free_port();
            let mut process = launch(folder.path(), port, more);
            if answers(port, &mut process).await {
                return Some(Self { port, folder, more, process });
            }
            end(&mut process);
        }
        panic!("mosquitto does not start");
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        end(&mut self.process);
    }

    /// Starts it again on the same port; it has forgotten everything.
    pub async fn restart(&mut self) {
        self.process = launch(self.folder.path(), self.port, self.more);
        assert!(answers(self.port, &mut self.process).await, "mosquitto does not start again");
    }

    /// Stops it without closing its connections: what a half-open link looks like.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().is_ok_and(|status| status.success()));
    }

    /// Publishes with QoS 1 and waits until the broker has it.
    pub async fn publish(&self, topic: &str, payload: impl AsRef<[u8]>, keep: Keep) {
        let mut command = tokio::process::Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-t", topic, "-s"]);
        command.args((keep == Keep::Retained).then_some("-r")).stdin(Stdio::piped());
        let mut process = command.spawn().expect("mosquitto_pub");
        let mut input = process.stdin.take().expect("a pipe");
        input.write_all(payload.as_ref()).await.expect("mosquitto_pub reads");
        drop(input);
        let status = timeout(PATIENCE, process.wait()).await.expect("mosquitto_pub ends");
        assert!(status.is_ok_and(|status| status.success()), "mosquitto_pub failed");
    }

    /// Publishes every line as a message of its own, as fast as one client can.
    pub async fn publish_lines(&self, topic: &str, lines: &[String]) {
        let mut command = tokio::process::Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-t", topic, "-l"]);
        let mut process = command.stdin(Stdio::piped()).spawn().expect("mosquitto_pub");
        let mut input = process.stdin.take().expect("a pipe");
        input.write_all((lines.join("\n") + "\n").as_bytes()).await.expect("mosquitto_pub reads");
        drop(input);
        let status = timeout(PATIENCE, process.wait()).await.expect("mosquitto_pub ends");
        assert!(status.is_ok_and(|status| status.success()), "mosquitto_pub failed");
    }

    /// Subscribes with QoS 1; returns when the broker has confirmed it.
    pub async fn listen(&self, filter: &str) -> Listener {
        // Into a pipe, mosquitto_sub would write by the block.
        let mut process = tokio::process::Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-q", "1", "-t", filter])
            .args(["-d", "-F", "M %r %t %p"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("mosquitto_sub");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let subscribed = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("Subscribed") {
                    return;
                }
            }
            panic!("mosquitto_sub ended");
        };
        timeout(PATIENCE, subscribed).await.expect("the broker confirms a subscription");
        Listener { _process: process, lines }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// A foreign subscriber.
pub struct Listener {
    _process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    /// The next message.
    pub async fn next(&mut self) -> Seen {
        let next = async {
            loop {
                let line = self.lines.next_line().await.expect("mosquitto_sub talks").expect("mosquitto_sub lives");
                if let Some(seen) = parse(&line) {
                    return seen;
                }
            }
        };
        timeout(PATIENCE, next).await.expect("a message arrives")
    }

    /// The next message that fulfils a condition; others are passed over.
    pub async fn until(&mut self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let seen = self.next().await;
            if wanted(&seen) {
                return seen;
            }
        }
    }
}

fn parse(line: &str) -> Option<Seen> {
    let mut parts = line.strip_prefix("M ")?.splitn(3, ' ');
    let keep = if parts.next()? == "1" { Keep::Retained } else { Keep::No };
    Some(Seen { keep, topic: parts.next()?.into(), payload: parts.next()?.into() })
}

fn launch(folder: &Path, port: u16, more: &str) -> Child {
    let config = folder.join("mosquitto.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n{more}\n");
    std::fs::write(&config, text).expect("the configuration is written");
    let process = Command::new("mosquitto").arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    process.expect("mosquitto")
}

async fn answers(port: u16, process: &mut Child) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline && matches!(process.try_wait(), Ok(None)) {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
