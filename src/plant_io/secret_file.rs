//! Files with secrets are the gateway's alone.

use std::path::Path;

/// Refuses a file that others may read or write.
///
/// # Errors
/// A sentence for the operator that says how to mend it.
#[cfg(unix)]
pub fn check(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?.mode();
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(format!("is open to everybody on this machine (mode {:o}): chmod o= {}", mode & 0o777, path.display()))
}

/// Elsewhere permissions are the operating system's matter.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn check(_path: &Path) -> Result<(), String> {
    Ok(())
}
