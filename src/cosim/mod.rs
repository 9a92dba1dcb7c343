//! Co-simulation: one controller step, many masters.
//!
//! Responsible for protocols in which somebody else's simulator owns the clock. What a step does is not decided here:
//! every protocol drives the same controller.

pub mod lockstep;
