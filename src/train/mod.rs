//! Training of policies.

pub mod fused;
