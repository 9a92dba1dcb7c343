//! The journal: one line per cycle, written before its set-points leave.
//!
//! Format: JSON Lines, each line `crc32 json` with the checksum of the JSON text as eight hex digits; the last key of the JSON,
//! `before`, is the digest of the line before ([`super::chain`]). The first line of a
//! run is a header with everything replay needs besides the model's own files: plant, times, model, and the control
//! state that the run began with; where a run goes on in another place (`super::recorder`), the state before the cycle that
//! follows. A line torn by a power cut or kill -9 fails its checksum and ends the journal; what is
//! before it is intact. Runs follow each other in one file.

use super::chain::{self, Digest, Head, Joint};
use super::cycle::{CycleDecision, CycleInput};
pub use super::header::Header;
use memg_core::memory::ControlMemory;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Version of the format; other versions are refused.
pub const FORMAT: u32 = 6;

/// A cycle as it is written.
#[derive(Debug, Serialize)]
pub struct Record<'a> {
    /// What came from outside.
    pub input: &'a CycleInput,
    /// What was decided.
    pub decision: &'a CycleDecision,
    /// Set-points and CHP timers afterwards: what a restart needs.
    pub memory: &'a ControlMemory,
}

/// The parts of a record that are read back.
#[derive(Debug, Clone, Deserialize)]
pub struct ReadRecord {
    /// What came from outside.
    pub input: CycleInput,
    /// Set-points and CHP timers afterwards.
    pub memory: ControlMemory,
    /// What was decided, as it stands there.
    pub decision: serde_json::Value,
}

/// What a line of a journal is.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A run begins.
    Header(Box<Header>),
    /// A cycle: the record and its text.
    Cycle(Box<ReadRecord>, String),
}

/// Why a journal cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The journal's path.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The last line was not finished (power cut, kill -9); everything before it is good.
    #[error("{path}:{line}: the last line is torn")]
    Torn {
        /// The journal's path.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// A line is damaged; everything before it is good.
    #[error("{path}:{line}: {message}")]
    Damaged {
        /// The journal's path.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was expected.
        message: String,
    },
}

/// Appends to a journal file.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
    /// Whole lines in the file.
    bytes: u64,
    bytes_max: u64,
    /// Part of a line may stand behind them.
    torn: bool,
    /// What the next line follows on.
    joint: Joint,
    /// The file that was rotated away, until somebody has synced it.
    left: Option<File>,
}

impl Journal {
    /// Opens or creates a journal. A torn last line of an earlier run is cut off, so that the next run starts on a line
    /// of its own. Beyond `bytes_max` the file is renamed to `<name>.1` by [`Journal::rotate`].
    ///
    /// # Errors
    /// The file system's own, [`io::ErrorKind::ResourceBusy`] while another gateway writes this journal, and
    /// [`io::ErrorKind::InvalidData`] for a file that is something else: it is left as it is.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        lock(&file)?;
        chain::begins_as_a_journal(&mut file)?;
        let whole = chain::end_of_last_line(&mut file)?;
        file.set_len(whole)?;
        let joint = chain::joint(&mut file, whole, path, &older(path))?;
        let (path, line) = (path.to_owned(), Vec::with_capacity(4096));
        Ok(Self { file, path, line, bytes: whole, bytes_max, torn: false, joint, left: None })
    }

    /// Begins a run, or says where it stands.
    ///
    /// # Errors
    /// The file system's own; nothing but a torn line can be left behind.
    pub fn begin(&mut self, header: &Header) -> io::Result<()> {
        self.append(header)
    }

    /// Writes one cycle with a single `write`, so that a killed process leaves whole lines.
    ///
    /// # Errors
    /// The file system's own (a full disk, for instance). A partly written line is taken back.
    pub fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.append(record)
    }

    /// Handles on what has to be synced to disk beside the cycle, in this order: the file that was rotated away since the last
    /// time, and a second one on the present file. What is written is safe from kill -9 at once, from a power cut after the next sync.
    ///
    /// # Errors
    /// The system's own.
    pub fn handles(&mut self) -> io::Result<Vec<File>> {
        Ok(self.left.take().into_iter().chain([self.file.try_clone()?]).collect())
    }

    /// Lines that were certainly there are gone: somebody cut the end off, or put back an older copy.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.joint.broken
    }

    /// How far it has come, and where it stands; `None` while it is empty.
    #[must_use]
    pub fn head(&self) -> Option<(Head, PathBuf)> {
        let head = Head { first: self.joint.first?, bytes: self.bytes, last: self.joint.last };
        Some((head, self.path.clone()))
    }

    /// The file has grown beyond its limit.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps the present file as `<name>.1` (replacing an older one) and begins a new one. It can be called again after an
    /// error: a file that is missing or empty has been moved before, and what is at `<name>.1` is kept.
    ///
    /// # Errors
    /// The file system's own.
    pub fn rotate(&mut self, header: &Header) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() > 0) {
            std::fs::rename(&self.path, older(&self.path))?;
        }
        let new = Self::open(&self.path, self.bytes_max)?;
        let before = std::mem::replace(self, new);
        self.left = Some(before.left.unwrap_or(before.file));
        self.begin(header)
    }

    fn append(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        self.line.extend_from_slice(b"00000000 ");
        serde_json::to_writer(&mut self.line, value)?;
        chain::link(&mut self.line, self.joint.last);
        let sum = crc32fast::hash(&self.line[9..]);
        self.line[..8].copy_from_slice(format!("{sum:08x}").as_bytes());
        let digest = Digest::of(&self.line);
        self.line.push(b'\n');
        self.cut()?;
        if let Err(error) = self.file.write_all(&self.line) {
            self.torn = true;
            // Best effort now: the next line is not written before this one has gone.
            let _ = self.cut();
            return Err(error);
        }
        self.bytes += self.line.len() as u64;
        self.joint.first = self.joint.first.or(Some(digest));
        self.joint.last = digest;
        Ok(())
    }

    /// Takes back what was written of a line that failed.
    fn cut(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.bytes)?;
            self.torn = false;
        }
        Ok(())
    }

    /// From now on every write fails, or goes where it went before.
    #[cfg(test)]
    pub(super) fn breaks(&mut self, file: &mut File) {
        std::mem::swap(&mut self.file, file);
    }
}

/// Where [`Journal::rotate`] leaves the file before.
#[must_use]
pub fn older(path: &Path) -> PathBuf {
    let mut old = path.to_owned().into_os_string();
    old.push(".1");
    old.into()
}

/// Two gateways on one journal would be two gateways on one plant. The system lifts the lock when the process ends,
/// however it ends.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another gateway is writing it; two gateways must not control one plant",
        )),
        // A file system without locks: nothing is known of others.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads a journal line by line.
#[derive(Debug)]
pub struct Reader {
    lines: BufReader<File>,
    path: PathBuf,
    line: usize,
}

impl Reader {
    /// Opens a journal.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
        Ok(Self { lines: BufReader::new(file), path: path.to_owned(), line: 0 })
    }

    /// Number of the line read last.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    fn damaged(&self, message: impl Into<String>) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), line: self.line, message: message.into() }
    }

    fn parse(&self, text: &str) -> Result<Entry, JournalError> {
        parse(text).map_err(|message| self.damaged(message))
    }
}

/// Only the version, which has to be known before anything else is read.
#[derive(Deserialize)]
struct Version {
    memg_journal: u32,
}

/// What every header begins with.
pub(super) const HEADER: &str = "{\"memg_journal\"";

/// What a line is.
pub(super) fn parse(text: &str) -> Result<Entry, String> {
    let json = chain::checked(text)?;
    if json.starts_with(HEADER) {
        let Version { memg_journal: found } = serde_json::from_str(json).map_err(|e| e.to_string())?;
        if found != FORMAT {
            return Err(format!("expected journal format {FORMAT}, found {found}"));
        }
        return Ok(Entry::Header(serde_json::from_str(json).map_err(|e| e.to_string())?));
    }
    let record = serde_json::from_str(json).map_err(|e| e.to_string())?;
    Ok(Entry::Cycle(Box::new(record), chain::unlink(json).0))
}

impl Iterator for Reader {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut text = Vec::new();
        self.line += 1;
        match self.lines.read_until(b'\n', &mut text) {
            Ok(0) => None,
            Ok(_) if !text.ends_with(b"\n") => {
                Some(Err(JournalError::Torn { path: self.path.clone(), line: self.line }))
            }
            Ok(_) => Some(match str::from_utf8(&text) {
                Ok(text) => self.parse(text.trim_end()),
                Err(_) => Err(self.damaged("not text")),
            }),
            Err(source) => Some(Err(JournalError::Io { path: self.path.clone(), source })),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#[path = "journal_tests.rs"]
pub(crate) mod tests;
