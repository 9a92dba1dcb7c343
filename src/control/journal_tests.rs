//! The journal file: torn lines, changed bytes, locks, full disks.

use super::super::cycle::{ControlConfig, ControlState};
use super::super::mode::ModeTimes;
use super::*;
use memg_core::equipment::Plant;
use memg_core::safety::SafetyFilter;

/// The header of a run at the reference plant.
pub(crate) fn header_of(site: &str, now_ms: u64) -> Header {
    let filter = SafetyFilter::new(Plant::reference());
    let config = ControlConfig {
        filter,
        times: ModeTimes::default(),
        simulated: true,
        cycle_ms: 1000,
        stand_in_ms: 0,
        response_ms: 20_000,
        chp_response_ms: 300_000,
        substitutes: Default::default(),
        grid_limit: Default::default(),
    };
    Header::new(site, &config, ["rule", "rust", "rule"], &ControlState::start(now_ms))
}

fn header() -> Header {
    header_of("test", 0)
}

#[test]
fn a_torn_line_loses_only_itself_and_the_next_run_starts_clean() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    Journal::open(&path, u64::MAX).unwrap().begin(&header()).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"deadbeef {\"inp").unwrap();
    let entries: Vec<_> = Reader::open(&path).unwrap().collect();
    assert!(matches!(entries[0], Ok(Entry::Header(_))) && entries[1].is_err());
    Journal::open(&path, u64::MAX).unwrap().begin(&header()).unwrap();
    let entries: Vec<_> = Reader::open(&path).unwrap().collect();
    assert!(entries.len() == 2 && entries.iter().all(Result::is_ok));
}

#[test]
fn two_gateways_cannot_write_one_journal_and_a_dead_one_does_not_hold_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let first = Journal::open(&path, u64::MAX).unwrap();
    let refused = Journal::open(&path, u64::MAX).unwrap_err();
    assert!(refused.to_string().contains("another gateway"), "{refused}");
    drop(first);
    assert!(Journal::open(&path, u64::MAX).is_ok());
}

#[test]
fn a_changed_byte_is_found_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    Journal::open(&path, u64::MAX).unwrap().begin(&header()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap().replace("\"capacity_kwh\":100.0", "\"capacity_kwh\":200.0");
    std::fs::write(&path, text).unwrap();
    let error = Reader::open(&path).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains(":1: the checksum"), "{error}");
}

#[test]
fn a_full_disk_is_an_error_and_keeps_what_was_written() {
    // /dev/full accepts opening and refuses every byte
    let mut journal = Journal {
        file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
        path: "/dev/full".into(),
        line: Vec::new(),
        bytes: 0,
        bytes_max: u64::MAX,
        torn: false,
        joint: Joint { first: None, last: Digest::default(), broken: false },
        left: None,
    };
    assert!(journal.begin(&header()).is_err());
}

#[test]
fn what_a_failed_write_left_is_gone_before_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let mut journal = Journal::open(&path, u64::MAX).unwrap();
    journal.begin(&header()).unwrap();
    journal.file.write_all(b"deadbeef {\"inp").unwrap();
    journal.torn = true;
    journal.begin(&header()).unwrap();
    let entries: Vec<_> = Reader::open(&path).unwrap().collect();
    assert!(entries.len() == 2 && entries.iter().all(Result::is_ok));
}

#[test]
fn a_rotation_that_came_half_way_is_finished_by_the_next_and_loses_nothing() {
    // What an attempt can leave: the file moved and no new one, or a new one with nothing in it.
    for new in [None, Some("")] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, 1).unwrap();
        journal.begin(&header()).unwrap();
        std::fs::rename(&path, older(&path)).unwrap();
        new.into_iter().for_each(|text| std::fs::write(&path, text).unwrap());
        journal.rotate(&header()).unwrap();
        for file in [&path, &older(&path)] {
            let entries: Vec<_> = Reader::open(file).unwrap().collect();
            assert!(entries.len() == 1 && entries[0].is_ok(), "{}", file.display());
        }
    }
}

/// Seen: its last line cut off, and a run written behind the rest that nothing could ever replay.
#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for text in ["shopping\nbread, milk", "{\"memg_journal\":6}\n", "5a06a369_{"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(Journal::open(&path, u64::MAX).unwrap_err().kind(), io::ErrorKind::InvalidData, "{text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    for left in ["", "5a06", "\0\0\0\0\0\0\0\0\0\0\0\0", "5a06a369 {\"memg_jour"] {
        std::fs::write(&path, left).unwrap();
        assert!(Journal::open(&path, u64::MAX).is_ok(), "{left:?}");
    }
}
