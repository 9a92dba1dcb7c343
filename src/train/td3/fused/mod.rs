//! The TD3 update as one fused kernel in plain Rust: forward, backward, Adam and polyak over buffers it owns.
//!
//! Responsible for: networks obs-256-256-3 (actor) and (obs+3)-256-256-1 (twin critics), their targets and optimizers, the replay
//! buffer and its sampling, and a pool of threads. It allocates nothing per step, chooses AVX-512, AVX2 or portable code when it is made, and gives the
//! same weights for the same seed whatever the number of threads. Products of the 256 × 256 layers may round their operands to bf16 ([`Bf16`]).
//! Not responsible for: exploration, environments, files, schedules.
//!
//! Layers, each of which uses those before it: `vector` (instruction sets, random numbers), `memory` (matrices, slabs, replay),
//! `kernels` (products, Adam, the choice of the instruction set), `network` (passes and tensors of a network), `update` (the phases).
//! One knot: gradient products read the pieces of `network/work.rs`.
//!
//! An update runs in phases; in each, threads claim items that nothing else in the phase writes:
//!
//! 1. pieces of the batch: sample, targets, first critic forward and backward (`update/critic.rs`);
//! 2. blocks of 32 hidden units of the first critic: gradient product, Adam, polyak, all while its activations are still in the cache;
//! 3. and 4. the same for the second critic;
//! 5. pieces: actor forward, first critic forward and backward to the action;
//! 6. pieces, now that the batch's mean |Q| is known: actor backward (`update/actor.rs`);
//! 7. blocks of the actor, as 2.

mod kernels;
mod memory;
mod network;
#[cfg(test)]
mod tests;
mod update;
pub(crate) mod vector;

pub use kernels::bf16::{Bf16, Precision};
pub use kernels::dispatch::Isa;
pub use memory::buffer::{ACTION_DIM, HIDDEN};
pub use memory::replay::{Batch, ExpertField, Replay, Transition};
pub use network::state::{NamedTensor, StateError, Td3State};
pub use update::config::{
    ActorObjective, ActorStats, Goal, ORIGIN_MAX, Origin, QScale, Td3Config, UpdateStats, flop_per_update,
};
pub use update::pool::Threads;
pub use update::{Sample, Td3Kernel};
