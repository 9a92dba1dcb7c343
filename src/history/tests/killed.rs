//! kill -9 at any instant: what was committed is there, whole and in order, and the next start goes on.
//!
//! The program starts itself as a child that samples, and kills it at random instants, again and again on one file. No harness:
//! the child must not be a test.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use memg_history::{NoteKind, PointInfo, Reader, Resolution, Settings, open};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Path of the file, and the number of the first sample: this process is the child.
const CHILD: &str = "MEMG_HISTORY_CHILD";
const START: i64 = 20_000 * 86_400_000;
/// Plant time between two samples: a chunk of ten minutes ends every 300.
const STEP_MS: i64 = 2000;
const COMMIT: Duration = Duration::from_millis(50);
const KILLS: usize = 15;

fn main() {
    if let Ok(told) = std::env::var(CHILD) {
        let (first, path) = told.split_once(' ').unwrap();
        return sample_for_ever(Path::new(path), first.parse().unwrap());
    }
    killed_at_random_instants();
    println!("ok");
}

fn settings(path: &Path) -> Settings {
    Settings { path: path.to_owned(), commit: COMMIT, raw_days: 30, minute_days: 1825 }
}

fn points() -> Vec<PointInfo> {
    ["number", "half"].map(|name| PointInfo { name: name.into(), unit: String::new() }).into()
}

/// Prints after each sample its number, and that of the last one which is in the file.
fn sample_for_ever(path: &Path, first: i64) {
    let (writer, _reader) = open(&settings(path), &points());
    assert_eq!(writer.trouble(), None);
    let mut out = std::io::stdout().lock();
    for number in first.. {
        let t = START + number * STEP_MS;
        writer.sample(t, &[(0, Some(number as f32)), (1, Some(number as f32 / 2.0))]);
        writer.note(t, NoteKind::Event, number.to_string());
        let committed = writer.committed_ms().map_or(-1, |ms| (ms - START) / STEP_MS);
        writeln!(out, "{number} {committed}").unwrap();
        out.flush().unwrap();
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Kills a child after some time: the last numbers that it printed.
fn killed(path: &Path, first: i64, after: Duration) -> (i64, i64) {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .env(CHILD, format!("{first} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Once it samples, so that no instant before is meant.
    let begun = lines.next().unwrap().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    // The last line may be torn.
    let whole = lines.map_while(Result::ok).filter_map(|line| numbers(&line));
    whole.last().or_else(|| numbers(&begun)).unwrap()
}

fn numbers(line: &str) -> Option<(i64, i64)> {
    let (sampled, committed) = line.split_once(' ')?;
    Some((sampled.parse().ok()?, committed.parse().ok()?))
}

fn killed_at_random_instants() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("killed.history");
    let mut rng = Pcg64Mcg::seed_from_u64(9);
    let (mut first, mut expected, mut most_lost) = (0, Vec::new(), 0);
    for kill in 0..KILLS {
        let after = Duration::from_millis(rng.random_range(0..400));
        let (sampled, committed) = killed(&path, first, after);
        let reader = Reader::of_file(&path).unwrap();
        let found = recorded(&reader);
        let last = found.last().copied().unwrap_or(-1);
        assert!(last >= committed, "kill {kill}: {committed} was said to be in the file, {last} is the last one");
        expected.extend(first..=last);
        assert_eq!(
            found, expected,
            "kill {kill}: nothing is missing before the last one, in this run and those before"
        );
        // A commit may come between a sample and its note.
        let noted = notes(&reader, first);
        assert!(last < first || (last - 1..=last).contains(&noted.max(first - 1)), "kill {kill}: {noted} of {last}");
        most_lost = most_lost.max(sampled - last.max(first - 1));
        first = sampled + 1000;
    }
    assert!(expected.len() > 300, "the children have lived: {}", expected.len());
    println!("{KILLS} kills, {} samples found, at most {most_lost} lost with commits every {COMMIT:?}", expected.len());
}

/// Every number in the file; both points say the same.
fn recorded(reader: &Reader) -> Vec<i64> {
    let Some((from, to)) = reader.recorded().unwrap() else { return Vec::new() };
    let table = reader.series_at(&["number", "half"], from, to + 1, Resolution::Raw).unwrap();
    let [number, half] = [0, 1].map(|index| table.series.get(index).unwrap());
    let rows = number
        .t
        .iter()
        .zip(&number.mean)
        .zip(&half.mean)
        .filter_map(|((t, number), half)| Some((t, (*number)?, *half)));
    rows.map(|(t, number, half)| {
        assert_eq!((half, (t - START) / STEP_MS), (Some(number / 2.0), number as i64));
        number as i64
    })
    .collect()
}

/// The number of the last note of a run, or the one before its first sample.
fn notes(reader: &Reader, first: i64) -> i64 {
    let notes = reader.notes(NoteKind::Event, START + first * STEP_MS, i64::MAX, 1).unwrap();
    notes.first().map_or(-1, |note| note.json.parse().unwrap())
}
