//! Training through the plant's own equations.
//!
//! The plant is known and everything random about it is in the profile: the cost of an episode can be differentiated
//! with respect to every action in it, through filter, battery, CHP and the actor itself. That gradient is exact where
//! TD3's is an estimate, and takes the actor most of its way; [`crate::td3`] fine-tunes. What has no derivative,
//! whether the CHP runs, is learned from pairs of episodes that differ in one switch.

pub mod dual;
pub mod episode;
pub mod net;
mod product;
pub mod risk;
pub mod rollout;
pub mod rule;
pub mod step;
pub mod tariff;
pub mod trainer;
