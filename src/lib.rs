//! Energy management gateway for multi-energy microgrids: learned policies behind a safety filter.
//!
//! The parts are packages of their own, so that the compiler keeps their borders; here they stand under one name.

pub use memg_cli as cli;
pub use memg_control as control;
pub use memg_cosim as cosim;
pub use memg_daemon as daemon;
pub use memg_evaluate as evaluate;
pub use memg_history as history;
pub use memg_learn as learn;
pub use memg_ledger as ledger;
pub use memg_optimum as optimum;
pub use memg_plant_io as plant_io;
pub use memg_policy as policy;
pub use memg_settings as settings;
pub use memg_train as train;
pub use memg_virtual_plant as virtual_plant;
pub use memg_web as web;
