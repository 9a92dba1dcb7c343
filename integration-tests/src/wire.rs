//! A pair of serial ports that are wired to each other, by socat.

use crate::rig::until;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Two ends; gone when dropped.
#[derive(Debug)]
pub struct Wire {
    folder: TempDir,
    _socat: Child,
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
        let wire = Self { folder, _socat: socat };
        until("both ends are there", || wire.folder.path().join("b").exists() && wire.folder.path().join("a").exists())
            .await;
        wire
    }

    /// Path of the end `"a"` or `"b"`.
    #[must_use]
    pub fn end(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}
