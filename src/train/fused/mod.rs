//! The TD3 update as one fused kernel in plain Rust: forward, backward, Adam and polyak over buffers it owns.
//!
//! Responsible for: networks obs-256-256-3 (actor) and (obs+3)-256-256-1 (twin critics), their targets and optimizers, the replay
//! buffer and its sampling, and a pool of threads. It allocates nothing per step, chooses AVX-512, AVX2 or portable code when it is made, and gives the
//! same weights for the same seed whatever the number of threads. Products of the 256 × 256 layers may round their operands to bf16 ([`bf16`]).
//! Not responsible for: exploration, environments, files, schedules.
//!
//! An update runs in phases; in each, threads claim items that nothing else in the phase writes:
//!
//! 1. pieces of the batch: sample, targets, first critic forward and backward ([`critic`]);
//! 2. blocks of 32 hidden units of the first critic: gradient product, Adam, polyak, all while its activations are still in the cache;
//! 3. and 4. the same for the second critic;
//! 5. pieces: actor forward, first critic forward and backward to the action;
//! 6. pieces, now that the batch's mean |Q| is known: actor backward ([`actor`]);
//! 7. blocks of the actor, as 2.

mod actor;
mod adam;
mod arena;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16;
#[cfg(target_arch = "x86_64")]
mod bf16_kernels;
mod buffer;
mod config;
mod critic;
mod dispatch;
mod kernels;
mod lanes;
mod net;
mod peak;
mod pool;
mod portable;
mod random;
mod replay;
mod scalar;
mod state;
#[cfg(test)]
mod tests;
mod tile;
mod update;
mod work;

pub use bf16::{Bf16, Precision};
pub use buffer::{ACTION_DIM, HIDDEN};
pub use config::{ActorObjective, ActorStats, Goal, QScale, Td3Config, UpdateStats};
pub use dispatch::Isa;
pub use pool::Threads;
pub use replay::{Batch, ExpertField, Replay, Transition};
pub use state::{NamedTensor, StateError, Td3State};
pub use update::{Sample, Td3Kernel, flop_per_update};
