//! Panics of this process, in whatever task or thread: control has to know, because what panicked no longer does its work.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{Mutex, Once, OnceLock, PoisonError};

static FIRST: OnceLock<Mutex<Option<String>>> = OnceLock::new();

fn slot() -> &'static Mutex<Option<String>> {
    FIRST.get_or_init(Mutex::default)
}

/// Remembers the first panic from now on; what was done at a panic before is still done.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            remember(panic);
            before(panic);
        }));
    });
}

fn remember(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
    let mut first = slot().lock().unwrap_or_else(PoisonError::into_inner);
    first.get_or_insert_with(|| format!("the thread {thread} panicked{at}"));
}

/// The first panic of this process, in words. It stands until the gateway is started again.
pub(super) fn first() -> Option<String> {
    slot().lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_of_any_thread_is_known_at_once_and_stands() {
        super::watch();
        assert_eq!(super::first(), None);
        let ended = std::thread::Builder::new().name("meter".into()).spawn(|| panic!("of a test")).expect("a thread");
        assert!(ended.join().is_err());
        let first = super::first().unwrap_or_default();
        assert!(first.starts_with("the thread meter panicked at ") && first.contains("panics.rs"), "{first}");
    }
}
