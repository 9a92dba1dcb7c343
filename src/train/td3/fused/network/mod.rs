//! Networks in the layout of the kernels: their forward and backward passes, their named tensors, the activations of a
//! piece of the batch.

pub(super) mod net;
pub(super) mod state;
pub(super) mod work;
