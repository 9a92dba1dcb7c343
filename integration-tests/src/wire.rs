//! A pair of serial ports that are wired to each other, by socat.

use crate::rig::until;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Two ends; gone when dropped.
#[derive(Debug)]
pub struct Wire {
    folder: TempDir,
    socat: Child,
}

impl Wire {
    /// Lays the wire.
    ///
    /// # Panics
    /// If socat does not start.
    pub async fn lay() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let end = |name: &str| format!("pty,raw,echo=0,link={}", folder.path().join(name).display());
        let socat = Command::new("socat").args([end("a"), end("b")]).kill_on_drop(true).spawn().expect("socat starts");
        let wire = Self { folder, socat };
        until("both ends are there", || wire.folder.path().join("b").exists() && wire.folder.path().join("a").exists())
            .await;
        wire
    }

    /// Nothing passes any more, as on a line whose converter hangs; what is sent meanwhile comes when it is released.
    ///
    /// # Panics
    /// If socat is gone.
    pub async fn hold(&self) {
        self.signal("-STOP").await;
    }

    /// It passes again.
    ///
    /// # Panics
    /// If socat is gone.
    pub async fn release(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, name: &str) {
        let pid = self.socat.id().expect("socat runs").to_string();
        let sent = Command::new("kill").args([name, &pid]).status().await.expect("kill starts");
        assert!(sent.success(), "socat takes {name}");
    }

    /// Path of the end `"a"` or `"b"`.
    #[must_use]
    pub fn end(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}
