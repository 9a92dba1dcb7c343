//! The journal file: torn lines, changed bytes, locks, full disks.

use super::*;
use memg_core::equipment::Plant;
use memg_core::safety::SafetyFilter;

fn header() -> Header {
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
    };
    Header::new("test", &config, ["rule", "rust", "rule"], &ControlState::start(0))
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
    };
    assert!(journal.begin(&header()).is_err());
}
