//! Memory of the kernel: large pages, aligned matrices and parameter slabs, the replay buffer.

pub(super) mod arena;
pub(super) mod buffer;
pub(super) mod replay;
