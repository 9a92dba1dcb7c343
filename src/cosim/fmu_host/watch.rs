//! A watch over foreign code: whatever it does not come back from ends with an error that says where it is.
//!
//! Code that hangs cannot be stopped from outside, only left: its thread stays until the process ends. The caller should
//! end soon after such an error.

use super::super::error::CosimError;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the watch looks, at least.
const LOOK: Duration = Duration::from_millis(50);

/// Where the foreign code is, and since when.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    call: Arc<Mutex<(String, Instant)>>,
}

impl Watch {
    fn new() -> Self {
        Self { call: Arc::new(Mutex::new(("loading the library".to_owned(), Instant::now()))) }
    }

    /// Another call begins, such as `doStep at 900 s`.
    pub(crate) fn enter(&self, what: impl Into<String>) {
        *self.call.lock().unwrap_or_else(PoisonError::into_inner) = (what.into(), Instant::now());
    }

    fn overdue(&self, patience: Duration) -> Option<String> {
        let call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        (call.1.elapsed() > patience).then(|| call.0.clone())
    }
}

/// Does the work in a thread of its own and gives it up when one call takes longer than `patience`.
///
/// # Errors
/// The work's own; [`CosimError::Hung`] names the file and the call; [`CosimError::File`] if no thread can be had.
pub(crate) fn guarded<T: Send + 'static>(
    file: &Path,
    patience: Duration,
    work: impl FnOnce(&Watch) -> Result<T, CosimError> + Send + 'static,
) -> Result<T, CosimError> {
    let watch = Watch::new();
    let (done_in, done) = channel();
    let inside = watch.clone();
    let thread = std::thread::Builder::new().name("foreign fmu".to_owned());
    let thread = thread.spawn(move || drop(done_in.send(work(&inside))));
    let thread = thread.map_err(|error| CosimError::file(file, &error))?;
    loop {
        match done.recv_timeout(LOOK.min(patience)) {
            Ok(result) => {
                // Whatever the library does in its thread's end is over before the caller goes on.
                let _ = thread.join();
                return result;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(CosimError::file(file, &"the simulation's thread has ended without a result"));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(call) = watch.overdue(patience) {
                    return Err(CosimError::Hung { path: file.to_owned(), call, patience });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_ends_gives_its_result_and_work_that_hangs_gives_the_call() {
        let file = Path::new("plant.fmu");
        assert_eq!(guarded(file, Duration::from_secs(20), |_| Ok(7)), Ok(7));
        let (release, hang) = channel::<()>();
        let found = guarded(file, Duration::from_millis(50), move |watch| {
            watch.enter("doStep at 900 s");
            let _ = hang.recv();
            Ok(())
        });
        let said = found.map_err(|error| error.to_string());
        assert_eq!(said, Err("plant.fmu: doStep at 900 s has not come back for 50ms".to_owned()));
        drop(release);
    }

    #[test]
    fn calls_that_come_back_in_time_may_take_long_together() {
        let found = guarded(Path::new("plant.fmu"), Duration::from_millis(200), |watch| {
            for k in 0..8 {
                watch.enter(format!("doStep {k}"));
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        });
        assert_eq!(found, Ok(()));
    }
}
