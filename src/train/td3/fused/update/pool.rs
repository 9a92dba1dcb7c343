//! A small pool of threads for phases of some hundred microseconds.
//!
//! A phase is a slice of items and a function; threads claim items one after the other, so a thread that the system holds back costs
//! only its own item. The function gives each item the same result whoever runs it: results do not depend on the number of threads.
//! Between phases a worker spins for a short while and then sleeps; a worker that wakes too late finds the phase closed and is not waited for.
#![expect(
    unsafe_code,
    reason = "lends a phase on the caller's stack to the workers, and disjoint items of a slice to each"
)]

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread spins before it sleeps; longer than any gap inside an update, shorter than any sleep worth having.
const SPIN: Duration = Duration::from_micros(100);

/// How many threads the kernel uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One for each core.
    All,
    /// This many, the caller's included.
    Exactly(NonZero<usize>),
}

impl Threads {
    /// Exactly `count` threads, at least one.
    pub fn exactly(count: usize) -> Self {
        Self::Exactly(NonZero::new(count).unwrap_or(NonZero::<usize>::MIN))
    }

    /// The number of threads.
    pub fn count(self) -> usize {
        match self {
            Self::All => std::thread::available_parallelism().map_or(1, NonZero::get),
            Self::Exactly(count) => count.get(),
        }
    }
}

/// A phase the workers may run: calls its function with items until none is left.
type Phase<'a> = dyn Fn() + Sync + 'a;

/// Low bit of the state: the phase takes workers.
const OPEN: u64 = 1;
/// One worker inside the phase.
const ENTERED: u64 = 2;
/// Bits of the state that count workers; the number of the phase lies above.
const COUNT_BITS: u32 = 32;

/// What the threads share.
#[derive(Debug, Default)]
struct Shared {
    /// Number of the phase, workers that entered it, and whether it is open.
    state: AtomicU64,
    /// Workers that have left the phase.
    left: AtomicUsize,
    /// Workers asleep.
    sleepers: AtomicUsize,
    /// The open phase: pointer to a `&Phase`.
    phase: AtomicPtr<()>,
    /// A worker's item panicked.
    panicked: AtomicBool,
    /// The pool is going away.
    stop: AtomicBool,
    /// Guards sleeping.
    gate: Mutex<()>,
    /// Wakes sleepers.
    bell: Condvar,
}

/// The pool; dropping it ends its threads.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of as many threads as asked for, the caller's included. Threads the system refuses are done without.
    pub(crate) fn new(threads: Threads) -> Self {
        let shared = Arc::new(Shared::default());
        let spawn = |_| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("td3-update".into()).spawn(move || serve(&shared)).ok()
        };
        let workers = (1..threads.count()).filter_map(spawn).collect();
        Self { shared, workers }
    }

    /// Threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        1 + self.workers.len()
    }

    /// Runs `f` once on every item and returns when all are done. Panics if `f` panicked anywhere.
    pub(crate) fn for_each<T: Send>(&mut self, items: &mut [T], f: impl Fn(&mut T) + Sync) {
        if self.workers.is_empty() || items.len() < 2 {
            return items.iter_mut().for_each(f);
        }
        let (next, count, base) = (AtomicUsize::new(0), items.len(), AtomicPtr::new(items.as_mut_ptr()));
        self.run(&|| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= count {
                    return;
                }
                // SAFETY: i is inside the slice and claimed by this thread alone; `run` returns after all claims are worked off.
                f(unsafe { &mut *base.load(Ordering::Relaxed).add(i) });
            }
        });
    }

    /// As `for_each`, on at most `N` items that an iterator lends.
    pub(crate) fn for_up_to<const N: usize, T: Send>(
        &mut self,
        mut items: impl Iterator<Item = T>,
        f: impl Fn(T) + Sync,
    ) {
        let mut slots: [Option<T>; N] = std::array::from_fn(|_| items.next());
        assert!(items.next().is_none(), "at most {N} items");
        self.for_each(&mut slots, |slot| slot.take().into_iter().for_each(&f));
    }

    /// Runs `phase` here and on every worker that comes in time, and returns when all of them have left it.
    fn run(&mut self, phase: &Phase<'_>) {
        let shared = &*self.shared;
        shared.open(&phase);
        let close = CloseOnDrop(shared);
        phase();
        drop(close);
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a thread of the update panicked");
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.ring();
        for worker in self.workers.drain(..) {
            // A worker's panic was reported by the phase it happened in.
            let _ = worker.join();
        }
    }
}

/// Closes a phase and waits for the workers inside, also when the caller's part panics.
struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        let entered = self.0.state.fetch_and(!OPEN, Ordering::AcqRel);
        let entered = (entered as u32 / ENTERED as u32) as usize;
        let start = Instant::now();
        while self.0.left.load(Ordering::Acquire) < entered {
            if start.elapsed() < SPIN { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

impl Shared {
    /// Opens a phase to the workers. It must be closed before the pointer dangles.
    fn open(&self, phase: &&Phase<'_>) {
        self.left.store(0, Ordering::Relaxed);
        self.phase.store(std::ptr::from_ref(phase).cast_mut().cast(), Ordering::Relaxed);
        let number = self.state.load(Ordering::Relaxed) >> COUNT_BITS;
        self.state.store(number.wrapping_add(1) << COUNT_BITS | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.ring();
        }
    }

    /// Wakes all sleepers.
    fn ring(&self) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_all();
    }

    /// Whether a worker that has seen phase `seen` has something to do.
    fn called(&self, seen: u64) -> bool {
        let state = self.state.load(Ordering::SeqCst);
        (state >> COUNT_BITS != seen && state & OPEN != 0) || self.stop.load(Ordering::SeqCst)
    }

    /// Waits for a phase other than `seen` or the end: spins a while, then sleeps.
    fn wait(&self, seen: u64) {
        let start = Instant::now();
        while start.elapsed() < SPIN {
            for _ in 0..32 {
                if self.called(seen) {
                    return;
                }
                std::hint::spin_loop();
            }
        }
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !self.called(seen) {
            gate = self.bell.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Enters the open phase. Returns its number, or none if it closed meanwhile.
    fn enter(&self) -> Option<u64> {
        let enter = |state| (state & OPEN != 0).then_some(state + ENTERED);
        let entered = self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter);
        entered.ok().map(|state| state >> COUNT_BITS)
    }
}

/// A worker's life.
fn serve(shared: &Shared) {
    let mut seen = 0;
    loop {
        shared.wait(seen);
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Some(number) = shared.enter() else { continue };
        seen = number;
        let phase = shared.phase.load(Ordering::Relaxed).cast::<&Phase<'_>>();
        // SAFETY: the phase is open with this worker inside, so `run` keeps it alive until `left` is counted.
        let phase = unsafe { *phase };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(phase)).is_err() {
            shared.panicked.store(true, Ordering::Relaxed);
        }
        shared.left.fetch_add(1, Ordering::Release);
    }
}
