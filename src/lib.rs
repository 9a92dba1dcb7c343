//! Energy management gateway for multi-energy microgrids: learned policies behind a safety filter.

pub mod cli;
pub mod control;
pub mod cosim;
pub mod daemon;
pub mod evaluate;
pub mod optimum;
pub mod plant_io;
pub mod policy;
pub mod settings;
pub mod train;
pub mod virtual_plant;
