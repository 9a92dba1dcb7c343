//! Control on a thread of its own with timers of its own: whatever the tasks around it keep busy, cycles come.

use super::engine::Engine;
use anyhow::{Context, Result};
use memg_control::account::RunSummary;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

/// Runs the engine until its time is over or somebody says stop.
///
/// # Errors
/// The system gives no thread, or control panicked beyond what a safe stop could answer: no order leaves any more.
pub(super) async fn run(
    mut engine: Engine,
    duration: Option<Duration>,
    stop: watch::Receiver<bool>,
) -> Result<(Engine, RunSummary)> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let (end, ended) = oneshot::channel();
    let control = move || {
        let summary = runtime.block_on(engine.run(duration, stop));
        let _ = end.send((engine, summary));
    };
    thread::Builder::new().name("control".to_owned()).spawn(control)?;
    ended.await.context("control has panicked; devices fall back by themselves")
}
