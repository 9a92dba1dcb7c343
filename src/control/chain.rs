//! The chain of a journal: every line ends with the digest of the line before it, so that nothing can be changed, left out or moved
//! without breaking what follows; a file beside the journal says how far it has certainly come, so that its end cannot be cut off.
//!
//! Digest: the first 128 bits of SHA-256 (FIPS 180-4) over a line without its end. A file's first line names the last line of the
//! file that was rotated away, or zeros if there is none.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of a digest.
const BYTES: usize = 16;
/// What stands before the digest, at the end of a line's JSON.
const KEY: &str = ",\"before\":\"";
/// What stands behind it.
const END: &str = "\"}";
/// Bytes that are read at once on the way back to the beginning of the last line.
const BLOCK: u64 = 1 << 16;

/// What identifies a line, and by the chain everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; BYTES]);

impl Digest {
    /// Of a line; its end does not count.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let whole = Sha256::digest(line.trim_ascii_end());
        let mut bytes = [0; BYTES];
        bytes.iter_mut().zip(whole).for_each(|(byte, of)| *byte = of);
        Self(bytes)
    }

    /// From 32 hexadecimal digits.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; BYTES];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        (text.len() == 2 * BYTES && text.bytes().all(|c| c.is_ascii_hexdigit())).then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| serde::de::Error::custom("expected 32 hexadecimal digits"))
    }
}

/// The JSON of a line whose checksum fits.
pub(super) fn checked(text: &str) -> Result<&str, String> {
    let (sum, json) = text.split_once(' ').ok_or("expected a checksum and JSON")?;
    let fits = u32::from_str_radix(sum, 16).ok() == Some(crc32fast::hash(json.as_bytes()));
    fits.then_some(json).ok_or_else(|| "the checksum does not fit: torn or changed".into())
}

/// Ends a line's JSON, an object, with the digest of the line before it.
pub(super) fn link(json: &mut Vec<u8>, before: Digest) {
    json.pop();
    json.extend_from_slice(format!("{KEY}{before}{END}").as_bytes());
}

/// A line's JSON as it was before [`link`], and the digest; `None`: an earlier version wrote it.
pub(super) fn unlink(json: &str) -> (String, Option<Digest>) {
    let parts = json.strip_suffix(END).and_then(|rest| rest.rsplit_once(KEY));
    match parts.and_then(|(object, digest)| Some((object, Digest::read(digest)?))) {
        Some((object, digest)) => (format!("{object}}}"), Some(digest)),
        None => (json.to_owned(), None),
    }
}

/// How far a journal has certainly come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The first line of the file that it speaks of.
    pub first: Digest,
    /// Bytes up to the end of a line.
    pub bytes: u64,
    /// That line.
    pub last: Digest,
}

impl Head {
    /// Where the head of a journal stands.
    #[must_use]
    pub fn path(journal: &Path) -> PathBuf {
        beside(journal, ".head")
    }

    /// Writes it beside the journal, at once or not at all.
    ///
    /// # Errors
    /// The file system's own.
    pub fn write(&self, journal: &Path) -> io::Result<()> {
        let new = beside(journal, ".head.new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        // Or a power cut could leave the new name without what belongs to it.
        file.sync_all()?;
        std::fs::rename(&new, Self::path(journal))
    }

    /// The head of a journal; `None` if there is none.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read(journal: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(Self::path(journal)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(Some(serde_json::from_slice(&text?)?)),
        }
    }
}

fn beside(journal: &Path, ending: &str) -> PathBuf {
    let mut name = journal.to_owned().into_os_string();
    name.push(ending);
    name.into()
}

/// First and last line of a file that ends with a whole line of `end` bytes; `None` if it has none.
pub(super) fn ends(file: &mut File, end: u64) -> io::Result<Option<(Digest, Digest)>> {
    if end == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut first = Vec::new();
    BufReader::new(&mut *file).read_until(b'\n', &mut first)?;
    let last = last_line(file, end)?;
    Ok(Some((Digest::of(&first), Digest::of(&last))))
}

fn last_line(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut start = end;
    while start > 0 {
        let length = BLOCK.min(start);
        start -= length;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file).take(length).read_to_end(&mut block)?;
        block.append(&mut line);
        line = block;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(before) = text.iter().rposition(|byte| *byte == b'\n') {
            line.drain(..=before);
            break;
        }
    }
    Ok(line)
}

/// First and last whole line of a file; `None`: it is not there, or has none.
fn ends_of(path: &Path) -> io::Result<Option<(Digest, Digest)>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let whole = end_of_last_line(&mut file)?;
    ends(&mut file, whole)
}

/// What the next line of a journal follows on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joint {
    /// The file's first line, if it has one.
    pub first: Option<Digest>,
    /// The line before the next one.
    pub last: Digest,
    /// The head speaks of a line that is gone; the next line then follows on *that* one, so that the break stays to be seen.
    pub broken: bool,
}

/// Of a journal whose whole lines have `whole` bytes; `older` is the file that was rotated away.
pub(super) fn joint(file: &mut File, whole: u64, path: &Path, older: &Path) -> io::Result<Joint> {
    // A head that cannot be read says nothing; `verify` says that.
    let head = Head::read(path).unwrap_or(None);
    let own = ends(file, whole)?;
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", older.display()));
    let before = if own.is_none() { ends_of(older).map_err(name)? } else { None };
    let first = own.map(|(first, _)| first);
    let last = own.or(before).map(|(_, last)| last).unwrap_or_default();
    let held = match (head, own, before) {
        (None, ..) => true,
        (Some(head), Some((first, _)), _) => head.first != first || holds(file, whole, &head)?,
        (Some(head), None, before) => before.is_some_and(|(first, _)| first == head.first),
    };
    file.seek(SeekFrom::End(0))?;
    let broken = head.filter(|_| !held);
    Ok(Joint { first, last: broken.map_or(last, |head| head.last), broken: broken.is_some() })
}

fn holds(file: &mut File, whole: u64, head: &Head) -> io::Result<bool> {
    Ok(head.bytes <= whole && Digest::of(&last_line(file, head.bytes)?) == head.last)
}

/// Whoever names another file as the journal does not get it cut and written on. What a power cut leaves, zeros or less than a
/// line, is a journal all the same.
pub(super) fn begins_as_a_journal(file: &mut File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    Read::by_ref(file).take(10).read_to_end(&mut head)?;
    let fits = |(place, byte): (usize, &u8)| match place {
        _ if *byte == 0 => true,
        0..8 => byte.is_ascii_hexdigit(),
        8 => *byte == b' ',
        _ => *byte == b'{',
    };
    if head.iter().enumerate().all(fits) {
        return Ok(());
    }
    let words = "this file is no journal: expected lines that begin with a checksum and a brace";
    Err(io::Error::new(io::ErrorKind::InvalidData, words))
}

/// Bytes up to the end of the last whole line; the file then stands at its end.
pub(super) fn end_of_last_line(file: &mut File) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut byte = [0; 1];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            break;
        }
        end -= 1;
    }
    file.seek(SeekFrom::End(0))?;
    Ok(end)
}
