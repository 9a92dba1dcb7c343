//! MQTT: values in, commands in, state and events out.

pub mod clock;
pub mod secret;
pub mod settings;
pub mod timestamp;
