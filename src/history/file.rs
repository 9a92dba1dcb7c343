//! The file: opened or begun, guarded against a second writer, put aside when it is damaged.

use crate::tables::{SCHEMA, Sql};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// "MEMG": says that a SQLite file is a history and not somebody else's data.
const APPLICATION: i64 = 0x4d45_4d47;
/// Version of the tables; newer ones are refused.
const VERSION: i64 = 1;
/// Files up to this size are looked through when they are opened; of larger ones damage shows where it is read.
const CHECKED_BYTES: u64 = 64 << 20;
/// The write-ahead log is emptied when it is larger.
const WAL_BYTES: u64 = 16 << 20;
/// Nothing more is written when it has grown to this: somebody reads for hours and keeps it from being emptied.
const WAL_BYTES_MAX: u64 = 128 << 20;

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is no history, or a damaged one.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Something else; trying again later may help.
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Other(error.to_string()) }
    }
}

/// SQLite says that the file's content is wrong, not that it cannot be reached.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// The file open for writing; no second one while it lives.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    pub conn: Connection,
    path: PathBuf,
    _lock: File,
}

impl HistoryFile {
    /// Opens or begins the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_millis(500))?;
        check(&conn, path)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        // Each commit is on the disk when it returns: one every few seconds costs little.
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "journal_size_limit", WAL_BYTES.cast_signed())?;
        conn.execute_batch(SCHEMA)?;
        conn.pragma_update(None, "application_id", APPLICATION)?;
        conn.pragma_update(None, "user_version", VERSION)?;
        Ok(Self { conn, path: path.to_owned(), _lock: lock })
    }

    /// Everything or nothing of what `write` does.
    pub fn commit(&mut self, write: impl FnOnce(&Connection) -> Sql<()>) -> Sql<()> {
        let transaction = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        write(&transaction)?;
        transaction.commit()
    }

    /// Empties the write-ahead log when it is large. Readers that hold on to it are not waited for; when they have held it
    /// for so long that it is very large, that is an error.
    pub fn bound_log(&self) -> Result<(), String> {
        if self.log_bytes() <= WAL_BYTES {
            return Ok(());
        }
        let emptied = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        match (emptied, self.log_bytes()) {
            (_, bytes) if bytes <= WAL_BYTES_MAX => Ok(()),
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), bytes) => Err(format!("a reader has kept it open until its log had {} MB", bytes >> 20)),
        }
    }

    fn log_bytes(&self) -> u64 {
        std::fs::metadata(beside(&self.path, "-wal")).map_or(0, |found| found.len())
    }
}

/// Opens the file for reading alone.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, rusqlite::Error> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    Ok(conn)
}

/// Somebody else's database is not written into and not put aside, a damaged one is told.
fn check(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(());
    }
    if number("application_id")? != APPLICATION {
        return Err(OpenError::Other("it is a database, but no history of this gateway; choose another path".into()));
    }
    let version = number("user_version")?;
    if version > VERSION {
        return Err(OpenError::Other(format!("a newer gateway made it (version {version}, expected {VERSION})")));
    }
    if std::fs::metadata(path).is_ok_and(|found| found.len() > CHECKED_BYTES) {
        return Ok(());
    }
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::Damaged(found)) }
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let beside = beside(path, "-lock");
    let other = |error: std::io::Error| OpenError::Other(format!("{}: {error}", beside.display()));
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&beside).map_err(other)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Other("another gateway writes it".into())),
        Err(TryLockError::Error(error)) => Err(other(error)),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Renames a damaged file and its log; where it is then.
pub(crate) fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let free = |n: &u64| !beside(path, &format!(".damaged-{n}")).exists();
    let number = (since..).find(free).unwrap_or(since);
    let aside = beside(path, &format!(".damaged-{number}"));
    rename(path, &aside)?;
    Ok(aside)
}

/// Renames a history to `<name>.1`, so that another one begins: of a plant whose time begins anew. Without one nothing
/// happens; what cannot be renamed goes on.
pub fn begin_anew(path: &Path) {
    match lock(path).map(|_lock| rename(path, &beside(path, ".1"))) {
        Err(error) => tracing::warn!(path = %path.display(), %error, "The history goes on."),
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "The history goes on.");
        }
        Ok(_) => {}
    }
}

/// Renames a file and its log.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::rename(from, to)?;
    for ending in ["-wal", "-shm"] {
        // They are there if the file was not closed; those of a file that stood here before belong to nothing.
        if std::fs::rename(beside(from, ending), beside(to, ending)).is_err() {
            let _ = std::fs::remove_file(beside(to, ending));
        }
    }
    Ok(())
}
