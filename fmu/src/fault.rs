//! What a call can go wrong with, in the words of both standards.

/// Status codes shared by FMI 2.0 and 3.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Status {
    /// All well.
    Ok = 0,
    /// Done, but the host should look at the log.
    Warning = 1,
    /// Not done, and nothing has changed: the host may try another value.
    Discard = 2,
    /// Not done; the instance must be reset before it can go on.
    Error = 3,
    /// The model is broken; only freeing remains.
    Fatal = 4,
}

/// Why a call was not done. The message names the variable or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// [`Status::Discard`], [`Status::Error`] or [`Status::Fatal`].
    pub status: Status,
    /// For the log.
    pub message: String,
}

impl Fault {
    /// A value is not taken; the instance is as it was and goes on with a better one.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self { status: Status::Discard, message: message.into() }
    }

    /// The call cannot be done.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self { status: Status::Error, message: message.into() }
    }

    /// The instance cannot be used any more.
    #[must_use]
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { status: Status::Fatal, message: message.into() }
    }
}
