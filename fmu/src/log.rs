//! The log of one instance. There is no other: a host may run many instances in many threads.

use crate::fault::Status;

/// Takes a line to the host.
pub type Sink = Box<dyn Fn(Status, &str)>;

/// Where an instance's log lines go.
pub struct Log {
    sink: Sink,
    is_verbose: bool,
}

impl Log {
    /// A log into a host's callback. Warnings and errors are always written, anything else if `is_verbose`.
    #[must_use]
    pub const fn new(sink: Sink, is_verbose: bool) -> Self {
        Self { sink, is_verbose }
    }

    /// The host has turned logging on or off.
    pub const fn set_verbose(&mut self, is_verbose: bool) {
        self.is_verbose = is_verbose;
    }

    /// Writes a line.
    pub fn write(&self, status: Status, message: &str) {
        if self.is_verbose || status != Status::Ok {
            (self.sink)(status, message);
        }
    }
}

/// Name of a status' log category, as declared in the model description.
#[must_use]
pub const fn category(status: Status) -> &'static str {
    match status {
        Status::Ok => "logAll",
        Status::Warning => "logStatusWarning",
        Status::Discard => "logStatusDiscard",
        Status::Error => "logStatusError",
        Status::Fatal => "logStatusFatal",
    }
}

/// Log categories of the model description.
pub const CATEGORIES: [&str; 5] =
    ["logAll", "logStatusWarning", "logStatusDiscard", "logStatusError", "logStatusFatal"];

/// A message for the logger of FMI 2.0, which reads it as a `printf` format and `#` as the mark of a reference.
#[must_use]
pub fn escaped(message: &str) -> String {
    message.replace('%', "%%").replace('#', "##")
}
