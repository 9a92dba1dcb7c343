//! The running average of an actor (Polyak and Juditsky 1992): it is judged and exported in place of the actor that the last batches
//! have pushed around.

use super::fused::{NamedTensor, Td3Kernel};

/// `average += share (actor - average)` once after each round of updates.
#[derive(Debug)]
pub(super) struct Average {
    share: f32,
    actor: Vec<NamedTensor>,
}

impl Average {
    /// An average that begins at a kernel's actor.
    pub(super) fn new(share: f32, kernel: &Td3Kernel) -> Self {
        Self { share, actor: kernel.export_actor() }
    }

    /// Forgets what was averaged.
    pub(super) fn begin_at(&mut self, actor: &[NamedTensor]) {
        self.actor = actor.to_vec();
    }

    /// Moves towards the kernel's actor.
    pub(super) fn follow(&mut self, kernel: &Td3Kernel) {
        for (mean, new) in self.actor.iter_mut().zip(kernel.export_actor()) {
            mean.data.iter_mut().zip(new.data).for_each(|(mean, new)| *mean += self.share * (new - *mean));
        }
    }

    /// The average.
    pub(super) fn actor(&self) -> Vec<NamedTensor> {
        self.actor.clone()
    }
}
