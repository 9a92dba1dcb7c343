//! What the integration tests share: foreign peers, a virtual Modbus device, a fault proxy, a running driver.

pub mod authority;
pub mod bare_plant;
pub mod cosim_day;
pub mod fault_proxy;
pub mod foreign_bench;
pub mod gateway;
pub mod gateway_process;
pub mod http;
pub mod lived;
pub mod meter_farm;
pub mod mosquitto;
pub mod north_plant;
pub mod peer;
mod promise_equipment;
mod promise_files;
pub mod promise_plant;
pub mod rig;
pub mod scenario;
pub mod topics_site;
pub mod virtual_device;
pub mod wire;
pub mod words;
pub mod written;

use std::process::{Command, Stdio};

/// Whether a foreign program is on this machine. If not, says so; with `MEMG_PEERS=required` the test fails instead.
///
/// # Panics
/// If the program is missing and the environment says that peers are required.
pub fn peer_is_there(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return true;
    }
    let required = std::env::var("MEMG_PEERS").is_ok_and(|value| value == "required");
    assert!(!required, "{program} is not installed, and MEMG_PEERS=required");
    eprintln!("DID NOT RUN: {program} is not installed.");
    false
}

/// The Python of the test environment: `$MEMG_PYTHON`, else `integration-tests/.venv`, else `python3`.
pub fn python() -> String {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/python");
    let fallback = if std::path::Path::new(venv).exists() { venv } else { "python3" };
    std::env::var("MEMG_PYTHON").unwrap_or_else(|_| fallback.into())
}

/// Whether that Python has a module; otherwise like [`peer_is_there`].
///
/// # Panics
/// If the module is missing and the environment says that peers are required.
pub fn python_has(module: &str) -> bool {
    let found = Command::new(python()).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return true;
    }
    let required = std::env::var("MEMG_PEERS").is_ok_and(|value| value == "required");
    assert!(!required, "Python has no module {module}, and MEMG_PEERS=required");
    eprintln!("DID NOT RUN: Python has no module {module}.");
    false
}
