//! Where a platform's binaries lie inside an FMU.

use memg_fmu::describe::Fmi;
use std::env::consts::{ARCH, DLL_SUFFIX, OS};

/// The folder below `binaries/` for this platform.
#[must_use]
pub fn folder(fmi: Fmi) -> String {
    let system = if OS == "macos" { "darwin" } else { OS };
    match (fmi, system, ARCH) {
        (Fmi::Two, "linux", "x86_64") => "linux64".to_owned(),
        (Fmi::Two, "windows", "x86_64") => "win64".to_owned(),
        (Fmi::Two, "darwin", _) => "darwin64".to_owned(),
        // FMI 2.0 names no other platform; its successor's scheme is what tools use there too.
        _ => format!("{ARCH}-{system}"),
    }
}

/// `<identifier>.so` or the like.
#[must_use]
pub fn library(identifier: &str) -> String {
    format!("{identifier}{DLL_SUFFIX}")
}
