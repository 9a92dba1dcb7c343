//! Journals that somebody has been at.

use super::*;
use crate::chain::Head;
use crate::journal::tests::header_of;
use crate::journal::{Header, Journal};
use std::path::PathBuf;

struct Desk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn header(uptime: u64) -> Header {
    header_of(&format!("site {uptime}"), uptime)
}

impl Desk {
    /// A journal of so many lines, in two runs, whose head was written at its end.
    fn new(lines: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for run in [0..lines / 2, lines / 2..lines] {
            let mut journal = Journal::open(&path, u64::MAX).unwrap();
            run.for_each(|line| journal.begin(&header(line)).unwrap());
            let (head, path) = journal.head().unwrap();
            head.write(&path).unwrap();
        }
        Self { path, _folder: folder }
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        std::fs::read(&self.path).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn with(&self, lines: &[Vec<u8>]) -> Result<Verified, NotWhole> {
        std::fs::write(&self.path, lines.concat()).unwrap();
        verify(&self.path, None)
    }
}

#[test]
fn a_journal_of_two_runs_is_whole_and_says_so() {
    let desk = Desk::new(6);
    let found = verify(&desk.path, None).unwrap();
    assert_eq!((found.lines, found.unchained, found.torn_bytes), (6, 0, 0));
    assert_eq!((found.begins, found.head), (Begins::Anew, HeadIs::Held));
    assert_eq!(found.last, Digest::of(desk.lines().last().unwrap()));
    let third = Digest::of(&desk.lines()[2]);
    assert!(verify(&desk.path, Some(third)).is_ok());
    let error = verify(&desk.path, Some(Digest::of(b"another"))).unwrap_err();
    assert!(error.to_string().contains("no line of it has the digest"), "{error}");
}

#[test]
fn every_line_that_is_changed_left_out_doubled_or_moved_is_found() {
    let desk = Desk::new(8);
    let whole = desk.lines();
    for place in 0..whole.len() {
        let mut without = whole.clone();
        without.remove(place);
        assert!(desk.with(&without).is_err(), "left out: {place}");
        let mut doubled = whole.clone();
        doubled.insert(place, whole[place].clone());
        assert!(desk.with(&doubled).is_err(), "doubled: {place}");
        let mut moved = whole.clone();
        moved.swap(place, (place + 1) % whole.len());
        assert!(desk.with(&moved).is_err(), "moved: {place}");
        let mut changed = whole.clone();
        let (json, at) = (String::from_utf8(whole[place].clone()).unwrap(), format!("site {place}"));
        let json = json.trim_end().split_once(' ').unwrap().1.replace(&at, "site X");
        changed[place] = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes();
        assert!(desk.with(&changed).is_err(), "changed with a checksum that fits: {place}");
        assert!(desk.with(&whole[..place]).is_err(), "cut off: {place}");
    }
    assert!(desk.with(&whole).is_ok());
}

#[test]
fn every_flipped_bit_is_found() {
    let desk = Desk::new(4);
    let whole = std::fs::read(&desk.path).unwrap();
    for at in (0..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&desk.path, &flipped).unwrap();
        assert!(verify(&desk.path, None).is_err(), "byte {at}");
    }
}

#[test]
fn a_torn_line_is_no_loss_and_what_the_head_has_not_seen_is_not_asked_for() {
    let desk = Desk::new(4);
    let mut lines = desk.lines();
    lines.push(b"deadbeef {\"inp".to_vec());
    let found = desk.with(&lines).unwrap();
    assert_eq!((found.lines, found.torn_bytes, found.head), (4, 14, HeadIs::Held));
    std::fs::remove_file(Head::path(&desk.path)).unwrap();
    assert_eq!(desk.with(&desk.lines()[..3]).unwrap().head, HeadIs::Missing);
}

#[test]
fn a_rotated_file_is_followed_and_a_head_that_still_speaks_of_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(&path, 1).unwrap();
    journal.begin(&header(0)).unwrap();
    journal.begin(&header(1)).unwrap();
    let (head, at) = journal.head().unwrap();
    head.write(&at).unwrap();
    journal.rotate(&header(2)).unwrap();
    let found = verify(&path, None).unwrap();
    assert_eq!((found.begins, found.head), (Begins::AfterTheOneBefore, HeadIs::HeldBefore));
    drop(journal);
    Journal::open(&path, 1).unwrap().begin(&header(3)).unwrap();
    assert_eq!(verify(&path, None).unwrap().lines, 2);
    let before = older(&path);
    let text = std::fs::read(&before).unwrap();
    let end = text.iter().position(|byte| *byte == b'\n').unwrap();
    std::fs::write(&before, &text[..=end]).unwrap();
    assert!(verify(&path, None).is_err(), "the file before was cut off");
    std::fs::remove_file(&before).unwrap();
    std::fs::remove_file(Head::path(&path)).unwrap();
    assert!(matches!(verify(&path, None).unwrap().begins, Begins::AfterAnother(_)));
}

#[test]
fn lines_of_an_earlier_version_are_read_and_chained_to() {
    let desk = Desk::new(2);
    let json = |line: &[u8]| unlink(str::from_utf8(line).unwrap().trim_end().split_once(' ').unwrap().1).0;
    let plain: Vec<u8> = desk
        .lines()
        .iter()
        .flat_map(|line| format!("{:08x} {}\n", crc32fast::hash(json(line).as_bytes()), json(line)).into_bytes())
        .collect();
    std::fs::write(&desk.path, plain).unwrap();
    std::fs::remove_file(Head::path(&desk.path)).unwrap();
    Journal::open(&desk.path, u64::MAX).unwrap().begin(&header(7)).unwrap();
    let found = verify(&desk.path, None).unwrap();
    assert_eq!((found.lines, found.unchained, found.begins), (3, 2, Begins::Unknown));
}

#[test]
fn an_end_that_was_cut_off_stays_to_be_seen_after_the_next_start() {
    let desk = Desk::new(6);
    let whole = desk.lines();
    std::fs::write(&desk.path, whole[..4].concat()).unwrap();
    let mut journal = Journal::open(&desk.path, u64::MAX).unwrap();
    assert!(journal.is_broken());
    journal.begin(&header(9)).unwrap();
    let (head, path) = journal.head().unwrap();
    head.write(&path).unwrap();
    let error = verify(&desk.path, None).unwrap_err().to_string();
    assert!(error.contains(":5: follows on a line"), "{error}");
    drop(journal);
    std::fs::remove_file(&desk.path).unwrap();
    let mut journal = Journal::open(&desk.path, u64::MAX).unwrap();
    journal.begin(&header(10)).unwrap();
    let (head, path) = journal.head().unwrap();
    head.write(&path).unwrap();
    assert!(matches!(verify(&desk.path, None).unwrap().begins, Begins::AfterAnother(_)), "the whole file is gone");
}

#[test]
fn an_earlier_version_may_have_written_in_between_and_a_new_file_may_be_empty_still() {
    let desk = Desk::new(2);
    let json = unlink(checked(str::from_utf8(&desk.lines()[1]).unwrap().trim_end()).unwrap()).0;
    let plain = format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes();
    let mut lines = desk.lines();
    lines.push(plain);
    std::fs::write(&desk.path, lines.concat()).unwrap();
    Journal::open(&desk.path, u64::MAX).unwrap().begin(&header(7)).unwrap();
    let found = verify(&desk.path, None).unwrap();
    assert_eq!((found.lines, found.unchained), (4, 1));
    std::fs::rename(&desk.path, older(&desk.path)).unwrap();
    std::fs::write(&desk.path, "").unwrap();
    let found = verify(&desk.path, None).unwrap();
    assert_eq!((found.lines, found.begins, found.head), (0, Begins::AfterTheOneBefore, HeadIs::HeldBefore));
}
