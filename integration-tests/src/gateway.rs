//! A gateway that controls a plant, as an operator starts it: watched and ended from outside.

use crate::gateway_process::gateway;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
}

impl Gateway {
    /// `gateway run CONFIG --json MORE...`; killed when dropped. Its log goes to the test's standard error.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn run(config: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(gateway());
        command.arg("run").arg(config).arg("--json").args(more).envs(environment.iter().copied());
        command.stdout(Stdio::piped()).kill_on_drop(true);
        Self { child: command.spawn().expect("the gateway starts") }
    }

    /// The same, and where its operator's station is. Its log goes to the test's standard error from there on.
    ///
    /// # Panics
    /// If it does not start, or serves no station.
    pub async fn with_station(config: &Path, more: &[&str], environment: &[(&str, &str)]) -> (Self, String) {
        Self::saying("Operator's station: ", config, more, environment).await
    }

    /// The same, and what it says after `what`, such as the address of something that it serves.
    ///
    /// # Panics
    /// If it does not start, or does not say it.
    pub async fn saying(what: &str, config: &Path, more: &[&str], environment: &[(&str, &str)]) -> (Self, String) {
        let mut command = Command::new(gateway());
        command.arg("run").arg(config).arg("--json").args(more).envs(environment.iter().copied());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the gateway starts");
        let mut log = BufReader::new(child.stderr.take().expect("its log")).lines();
        let said = loop {
            let line = timeout(PATIENCE, log.next_line()).await.expect("it says where").expect("its log");
            let line = line.unwrap_or_else(|| panic!("it never says {what:?}"));
            eprintln!("{line}");
            if let Some(said) = line.strip_prefix(what) {
                break said.to_owned();
            }
        };
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                eprintln!("{line}");
            }
        });
        (Self { child }, said)
    }

    /// `gateway run CONFIG --json` with its log in a file, started by `prefix` where that names a program and its arguments.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn logging(prefix: &[String], config: &Path, environment: &[(&str, &str)], log: &Path) -> Self {
        let program = gateway().display().to_string();
        let (first, more) =
            prefix.split_first().map_or((program.clone(), prefix), |(first, more)| (first.clone(), more));
        let mut command = Command::new(first);
        command.args(more).args((!prefix.is_empty()).then_some(&program));
        command.arg("run").arg(config).arg("--json").envs(environment.iter().copied());
        let log = std::fs::File::create(log).expect("a log");
        command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        Self { child: command.spawn().expect("the gateway starts") }
    }

    /// Waits until it ends by itself; its status.
    ///
    /// # Panics
    /// If it does not end within a minute.
    pub async fn ended(mut self) -> std::process::ExitStatus {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it ran")
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Asks it to end, as an operator's Ctrl-C or a service manager does, and reads its summary.
    ///
    /// # Panics
    /// If it does not end well.
    pub async fn stop(self) -> serde_json::Value {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().await;
        assert!(sent.is_ok_and(|status| status.success()));
        self.end().await
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// Waits until it ends by itself and reads its summary.
    ///
    /// # Panics
    /// If it does not end well within a minute.
    pub async fn end(self) -> serde_json::Value {
        let output = timeout(PATIENCE, self.child.wait_with_output()).await.expect("it ends").expect("it ran");
        assert!(output.status.success(), "the gateway ended with {}", output.status);
        serde_json::from_slice(&output.stdout).expect("a summary in JSON")
    }
}
