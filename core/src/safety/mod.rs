//! The safety filter: from any request to set-points that may be written.
//!
//! Property P, for every validated plant, every situation, every anchor and every request, NaN and infinity included:
//!
//! 1. the set-points satisfy all hard constraints (ratings, SoC band, grid and voltage limits where attainable);
//! 2. they leave a state from which the next step is feasible again;
//! 3. they equal the request (in whole watts) whenever the request itself qualifies;
//! 4. otherwise they are the qualifying point nearest to it in the weighted norm
//!    `w_b (b - b_req)^2 + w_c (p - p_req)^2 + w_g (g - g_req)^2`. A request beyond ratings counts as the rating, one
//!    that is not a number as "as before" (grid: no wish); both are logged as such;
//! 5. they are computed in bounded time without allocation, panic or error. Situations that are unknown or outside the
//!    declared bounds get the certified safe-stop set-points.
//!
//! When not all rules can be kept they yield in the order of [`Relaxation`], each by the smallest amount. What the CHP
//! cannot do physically (start above its minimum power, load faster than its ramp) never yields. On top of the nearest
//! point come two responses that no request asks for: droop of the battery, and curtailment of what would be exported
//! at a negative price; both stay inside the hard constraints. This is supervisory control: protection stays in relays and inverters, and no safety-integrity level is claimed.

mod branch;
mod explain;
mod filter;
mod intervention;
mod nearest;
mod relaxation;
mod split;
mod wanted;

pub use filter::{SafetyFilter, Verdict};
pub use intervention::{Intervention, Interventions, Quantity};
pub use relaxation::{Relaxation, Relaxations};
