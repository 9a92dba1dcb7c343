//! Whether a journal is whole: every line as it was written, in its order, none missing.

use super::chain::{Digest, Head, checked, unlink};
use super::journal::{HEADER, JournalError, older};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What was found in a journal that is whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// Lines.
    pub lines: usize,
    /// Lines that an earlier version wrote, without chain: changes are seen in them, missing ones are not.
    pub unchained: usize,
    /// Cycles among them.
    pub cycles: usize,
    /// Bytes of a last line that was never finished (power cut, kill): not acknowledged to anybody, and left out.
    pub torn_bytes: usize,
    /// What the first line says of the file before this one.
    pub begins: Begins,
    /// The file beside it that says how far it has come.
    pub head: HeadIs,
    /// The last line; whoever keeps it elsewhere can ask for it later.
    pub last: Digest,
}

/// What a file's first line follows on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Begins {
    /// Nothing was before it.
    Anew,
    /// The last line of the file that was rotated away, which is here.
    AfterTheOneBefore,
    /// A file that is not here.
    AfterAnother(Digest),
    /// An earlier version wrote it.
    Unknown,
}

/// What stands beside the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadIs {
    /// It speaks of a line of this journal.
    Held,
    /// It speaks of the file that was rotated away a moment ago, and holds there.
    HeldBefore,
    /// There is none: whether lines are missing at the end cannot be known.
    Missing,
}

/// Why a journal is not whole.
#[derive(Debug, thiserror::Error)]
pub enum NotWhole {
    /// It cannot be read, or a line is damaged.
    #[error(transparent)]
    Line(#[from] JournalError),
    /// Something was taken away, put in or moved.
    #[error("{path}:{line}: {why}")]
    Chain {
        /// The journal's path.
        path: std::path::PathBuf,
        /// Line, from 1.
        line: usize,
        /// What was expected.
        why: String,
    },
    /// Its end is missing.
    #[error("{path}: {why}")]
    End {
        /// The journal's path.
        path: std::path::PathBuf,
        /// What was expected.
        why: String,
    },
}

/// A file's lines, their digests and ends.
#[derive(Default)]
struct Lines {
    /// Digest of each line and the bytes up to its end.
    ends: Vec<(Digest, u64)>,
    begins: Option<Digest>,
    unchained: usize,
    /// The line read last is.
    is_chained: bool,
    cycles: usize,
    torn_bytes: usize,
}

/// Reads a journal from its first line to its last; `holds` is a line that has to be among them, if somebody has kept its digest.
///
/// # Errors
/// The first thing that is not as it was written.
pub fn verify(path: &Path, holds: Option<Digest>) -> Result<Verified, NotWhole> {
    // First, because a gateway may be writing: what it is certain of now will be there.
    let stated = Head::read(path);
    let (lines, before) = both(path)?;
    let end = |why: String| NotWhole::End { path: path.to_owned(), why };
    // A file that was begun and not yet written to goes on where the one before it ends.
    let lasts = [Some(&lines), before.as_ref()].into_iter().flatten().filter_map(|lines| lines.ends.last());
    let Some((last, _)) = lasts.copied().next() else { return Err(end("there is no whole line in it".into())) };
    if let Some(wanted) = holds.filter(|wanted| lines.ends.iter().all(|(digest, _)| digest != wanted)) {
        return Err(end(format!("no line of it has the digest {wanted}")));
    }
    let head = head(path, stated, (&lines, before.as_ref())).map_err(end)?;
    let begins = begins(path, &lines, before.as_ref())?;
    let Lines { ends, unchained, cycles, torn_bytes, .. } = lines;
    Ok(Verified { lines: ends.len(), unchained, cycles, torn_bytes, begins, head, last })
}

/// The file and the one before it, if that is there.
fn both(path: &Path) -> Result<(Lines, Option<Lines>), NotWhole> {
    let (name, lines) = (older(path), read(path)?);
    let before = if name.exists() { Some(read(&name)?) } else { None };
    let first = |lines: &Lines| lines.ends.first().map(|(first, _)| *first);
    // It was rotated away between the two.
    let moved = first(&lines).is_some() && before.as_ref().and_then(first) == first(&lines);
    Ok((if moved { read(path)? } else { lines }, before))
}

fn read(path: &Path) -> Result<Lines, NotWhole> {
    let io = |source| JournalError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut lines = Lines::default();
    let (mut bytes, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let length = file.read_until(b'\n', &mut text).map_err(io)?;
        if length == 0 {
            return Ok(lines);
        }
        if !text.ends_with(b"\n") {
            lines.torn_bytes = length;
            return Ok(lines);
        }
        bytes += length as u64;
        take(&mut lines, &text, path)?;
        lines.ends.push((Digest::of(&text), bytes));
    }
}

fn take(lines: &mut Lines, text: &[u8], path: &Path) -> Result<(), NotWhole> {
    let line = lines.ends.len() + 1;
    let damaged = |message: String| JournalError::Damaged { path: path.to_owned(), line, message };
    let text = str::from_utf8(text).map_err(|_| damaged("not text".into()))?.trim_end();
    // Whatever its version is: what stands in it is another question.
    let json = checked(text).map_err(damaged)?;
    let is_header = json.starts_with(HEADER);
    lines.cycles += usize::from(!is_header);
    let stated = unlink(text).1;
    let wrong = |why: String| Err(NotWhole::Chain { path: path.to_owned(), line, why });
    match (stated, lines.ends.last()) {
        (Some(stated), None) => lines.begins = Some(stated),
        (Some(stated), Some((last, _))) if stated != *last => {
            return wrong(format!(
                "follows on a line with the digest {stated}, but the line before it has {last}: lines are missing, changed or moved"
            ));
        }
        (Some(_), Some(_)) => {}
        // An earlier version writes no chain; it begins with a header.
        (None, Some(_)) if !is_header && lines.is_chained => {
            return wrong("is not chained, but the line before it is".into());
        }
        (None, _) => lines.unchained += 1,
    }
    lines.is_chained = stated.is_some();
    Ok(())
}

fn begins(path: &Path, lines: &Lines, before: Option<&Lines>) -> Result<Begins, NotWhole> {
    let last = before.and_then(|before| before.ends.last());
    match (lines.begins, last) {
        (None, Some(_)) if lines.ends.is_empty() => Ok(Begins::AfterTheOneBefore),
        (None, _) => Ok(Begins::Unknown),
        (Some(stated), Some((last, _))) if stated == *last => Ok(Begins::AfterTheOneBefore),
        (Some(stated), None) if stated == Digest::default() => Ok(Begins::Anew),
        (Some(stated), None) => Ok(Begins::AfterAnother(stated)),
        (Some(stated), Some((last, _))) => {
            let before = older(path);
            let why = format!("follows on a line with the digest {stated}, but {} ends with {last}", before.display());
            Err(NotWhole::Chain { path: path.to_owned(), line: 1, why })
        }
    }
}

fn head(
    path: &Path,
    stated: io::Result<Option<Head>>,
    (lines, before): (&Lines, Option<&Lines>),
) -> Result<HeadIs, String> {
    let name = Head::path(path);
    let found = stated.map_err(|error| format!("{}: {error}", name.display()))?;
    let Some(head) = found else { return Ok(HeadIs::Missing) };
    let is_of = |lines: &Lines| lines.ends.first().is_some_and(|(first, _)| *first == head.first);
    let holds = |lines: &Lines| lines.ends.contains(&(head.last, head.bytes));
    match before {
        _ if is_of(lines) && holds(lines) => Ok(HeadIs::Held),
        Some(before) if !is_of(lines) && is_of(before) && holds(before) => Ok(HeadIs::HeldBefore),
        _ => Err(format!(
            "{} says that it had {} bytes up to a line with the digest {}, which is not there: its end was cut off, or it was replaced",
            name.display(),
            head.bytes,
            head.last
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests stop at the first surprise")]
#[path = "verify_tests.rs"]
mod tests;
