//! A foreign FMU's binary behind a safe interface: load, initialize, get, set, step.
//!
//! Responsible for the C calls of FMI 2.0 and 3.0 and for turning their status codes into errors with the FMU's own log
//! lines. It reads no archive and no model description, and maps no names.
//!
//! An FMU is native code that runs inside this process with all its rights: it can crash or hang it. Whoever starts a
//! simulation with a plant FMU trusts that file as much as a program.
#![allow(unsafe_code, reason = "a C interface")]

mod error;
mod fmi2;
mod fmi3;
mod journal;

pub use error::HostError;

use fmi2::Slave2;
use fmi3::Slave3;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// Type of a variable, as the functions of the standards distinguish them. FMI 2.0 knows `Float64`, `Int32`, `Boolean`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "names of the standard")]
pub enum Type {
    Float32,
    Float64,
    Int8,
    UInt8,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Boolean,
}

/// Version of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// FMI 2.0.
    Two,
    /// FMI 3.0.
    Three,
}

/// What is needed to make an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Version of the standard.
    pub version: Version,
    /// The shared library.
    pub library: PathBuf,
    /// The unpacked `resources/` folder; it may be missing.
    pub resources: PathBuf,
    /// GUID or instantiation token from the model description.
    pub token: String,
    /// Name for the FMU's log.
    pub name: String,
}

/// An instance of a foreign FMU. Freed when dropped, unless it has failed fatally: then the standards forbid every further
/// call, and instance and library stay until the process ends.
pub struct Slave {
    abi: ManuallyDrop<Abi>,
    broken: bool,
}

impl Drop for Slave {
    fn drop(&mut self) {
        if !self.broken {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.abi) };
        }
    }
}

enum Abi {
    Two(Slave2),
    Three(Slave3),
}

impl Slave {
    /// Loads the library and makes an instance.
    ///
    /// # Errors
    /// The library cannot be loaded, lacks a function, or refuses.
    pub fn new(origin: &Origin) -> Result<Self, HostError> {
        let abi = match origin.version {
            Version::Two => Abi::Two(Slave2::new(origin)?),
            Version::Three => Abi::Three(Slave3::new(origin)?),
        };
        Ok(Self { abi: ManuallyDrop::new(abi), broken: false })
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut Abi) -> Result<T, HostError>) -> Result<T, HostError> {
        if self.broken {
            return Err(HostError::Broken);
        }
        let done = call(&mut self.abi);
        self.broken = matches!(&done, Err(HostError::Status { status, .. }) if status == error::FATAL);
        done
    }

    /// Enters initialization; parameters and inputs may have been set before.
    ///
    /// # Errors
    /// The FMU's own.
    pub fn enter_initialization(&mut self, start: f64, stop: f64) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.enter_initialization(start, stop),
            Abi::Three(slave) => slave.enter_initialization(start, stop),
        })
    }

    /// Leaves initialization.
    ///
    /// # Errors
    /// The FMU's own.
    pub fn exit_initialization(&mut self) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.exit_initialization(),
            Abi::Three(slave) => slave.exit_initialization(),
        })
    }

    /// One communication step.
    ///
    /// # Errors
    /// The FMU's own; it discarded the step, or asks to end the simulation.
    pub fn step(&mut self, time: f64, size: f64) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.step(time, size),
            Abi::Three(slave) => slave.step(time, size),
        })
    }

    /// Reads a number; a boolean is 0 or 1.
    ///
    /// # Errors
    /// The FMU's own.
    pub fn number(&mut self, kind: Type, reference: u32) -> Result<f64, HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.number(kind, reference),
            Abi::Three(slave) => slave.number(kind, reference),
        })
    }

    /// Writes a number. An integer is rounded to the nearest, a boolean is true from 0.5 upward.
    ///
    /// # Errors
    /// The FMU's own, or the number does not fit the type.
    pub fn set_number(&mut self, kind: Type, reference: u32, value: f64) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.set_number(kind, reference, value),
            Abi::Three(slave) => slave.set_number(kind, reference, value),
        })
    }

    /// Writes a text.
    ///
    /// # Errors
    /// The FMU's own, or the text contains a zero byte.
    pub fn set_text(&mut self, reference: u32, value: &str) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.set_text(reference, value),
            Abi::Three(slave) => slave.set_text(reference, value),
        })
    }

    /// Ends the simulation.
    ///
    /// # Errors
    /// The FMU's own.
    pub fn terminate(&mut self) -> Result<(), HostError> {
        self.call(|abi| match abi {
            Abi::Two(slave) => slave.terminate(),
            Abi::Three(slave) => slave.terminate(),
        })
    }

    /// Log lines that the FMU has written since the last call; the oldest are lost beyond 64.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        match &*self.abi {
            Abi::Two(slave) => slave.journal().take(),
            Abi::Three(slave) => slave.journal().take(),
        }
    }
}

unsafe extern "C" {
    fn _exit(code: c_int) -> !;
}

/// Ends the process without running anything of a foreign library on the way out: for one that never comes back. Nothing
/// is flushed.
pub fn leave(code: i32) -> ! {
    // SAFETY: takes any number and does not return.
    unsafe { _exit(code) }
}

/// `file:` URI of a folder, percent-encoded (FMI 2.0).
#[must_use]
pub fn uri(folder: &Path) -> String {
    let text = folder.to_string_lossy().replace('\\', "/");
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte);
    let encode = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let path: String = text.bytes().map(encode).collect();
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("file://{slash}{path}")
}
