//! The domain of memg-gateway: a multi-energy microgrid, its limits, and the filter that keeps them.
//!
//! No I/O, no clock, no async, no ML framework, no protocol: time and randomness come in as arguments.
//!
//! ```
//! use memg_core::{equipment::Plant, env::MemgEnv, rules::GoodRule, synthetic, reward::RewardWeights};
//! let profile = std::sync::Arc::new(synthetic::profile(1, 7));
//! let mut env = MemgEnv::new(Plant::reference(), profile, RewardWeights::default());
//! let mut cost = 0.0;
//! while let Ok(Some(step)) = env.step_policy(&mut GoodRule) {
//!     cost += step.cost.get();
//! }
//! assert!(cost > 0.0);
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        reason = "tests stop at the first surprise"
    )
)]

pub mod action;
pub mod actor;
pub mod builtin;
pub mod calendar;
pub mod command;
pub mod community;
pub mod constraint;
pub mod decide;
pub mod dispatch;
pub mod elementary;
pub mod env;
pub mod equations;
pub mod equipment;
pub mod extended;
pub mod forecast;
pub mod foreseen;
pub mod guard;
pub mod history;
pub mod measurement;
pub mod memory;
pub mod observation;
pub mod outlook;
pub mod planner;
pub mod plant_state;
pub mod policy;
pub mod profile;
pub mod reward;
pub mod rules;
pub mod safety;
pub mod series;
pub mod setpoints;
pub mod settlement;
pub mod situation;
pub mod synthetic;
pub mod units;
