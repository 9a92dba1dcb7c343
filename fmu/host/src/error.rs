//! What can go wrong with a foreign FMU.

use std::path::PathBuf;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The shared library cannot be loaded here. Get the FMU for this platform.
    #[error("cannot load {}: {reason}", library.display())]
    Load {
        /// The FMU's own library; what is missing may be one that it needs.
        library: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The library is not a co-simulation FMU of the version that its model description states.
    #[error("{} has no function {symbol}", library.display())]
    Symbol {
        /// Path of the library inside the unpacked FMU.
        library: PathBuf,
        /// The missing function.
        symbol: String,
    },
    /// The FMU reports a failure. Its log lines say why.
    #[error("{function}: {status}{}", in_words(log))]
    Status {
        /// The C function.
        function: &'static str,
        /// The status in words.
        status: String,
        /// The FMU's latest log lines.
        log: Vec<String>,
    },
    /// The FMU has failed fatally before. Nothing of it may be called any more.
    #[error("the FMU has failed fatally before")]
    Broken,
    /// A value does not fit the variable's type.
    #[error("variable {reference}: {value} does not fit its type")]
    Value {
        /// The variable's reference.
        reference: u32,
        /// What was to be set, as text.
        value: String,
    },
}

fn in_words(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!(" ({})", log.join("; ")) }
}

/// The status after which nothing may be called any more.
pub(crate) const FATAL: &str = "fatal error";

/// A status code of either standard in words.
pub(crate) fn status_name(status: i32) -> String {
    match status {
        0 => "ok".to_owned(),
        1 => "warning".to_owned(),
        2 => "discarded".to_owned(),
        3 => "error".to_owned(),
        4 => FATAL.to_owned(),
        5 => "pending".to_owned(),
        other => format!("status {other}"),
    }
}
