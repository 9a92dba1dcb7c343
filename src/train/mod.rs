//! Training of policies.

pub mod fused;
pub mod imitate;
