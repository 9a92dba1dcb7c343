//! Damage, full disks, readers that never end: what is lost, what is told, what goes on.

use crate::file::HistoryFile;
use crate::health::Shared;
use crate::keeper::Keeper;
use crate::tests::{Bench, HOUR, START, points, raw, settings};
use crate::{Reader, Settings, Writer, begin_anew, open};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn a_damaged_file_is_put_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = settings(folder.path()).path;
    std::fs::write(&path, vec![0x5a; 20_000]).unwrap();
    let shared = Arc::new(Shared::default());
    let mut keeper = Keeper::new(settings(folder.path()), points(), Arc::clone(&shared));
    let trouble = shared.trouble().unwrap();
    assert!(trouble.contains("was damaged") && trouble.contains("history.db.damaged-"), "{trouble}");
    keeper.sample(START, &[(0, Some(1.0))]);
    keeper.commit();
    assert_eq!(shared.trouble(), Some(trouble), "told until the next start");
    let aside = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .find(|e| e.file_name().to_string_lossy().contains("damaged"));
    assert_eq!(std::fs::read(aside.unwrap().path()).unwrap(), vec![0x5a; 20_000], "nothing of it is lost");
    drop(keeper);
    let again = Arc::new(Shared::default());
    let reader = Reader::beside(&path, &points(), &again);
    let _keeper = Keeper::new(settings(folder.path()), points(), Arc::clone(&again));
    assert_eq!((again.trouble(), raw(&reader, "pv_kw", START, START + 1)), (None, vec![(START, Some(1.0))]));
}

#[test]
fn damage_that_shows_while_running_puts_the_file_aside_and_keeps_what_is_in_memory() {
    let mut bench = Bench::new();
    bench.run(START, START + 2 * HOUR, 1000);
    bench.keeper.commit();
    bench.run(START + 2 * HOUR, START + 2 * HOUR + 10_000, 1000);
    bench.keeper.corrupt_for_test();
    bench.run(START + 2 * HOUR + 10_000, START + 2 * HOUR + 20_000, 1000);
    // The damage is met, the file put aside, the next commit writes into the new one.
    bench.keeper.commit();
    bench.keeper.commit();
    assert!(bench.shared.trouble().unwrap().contains("was damaged"));
    let bench = bench.restarted();
    let read = raw(&bench.reader(), "pv_kw", START, START + 3 * HOUR);
    assert_eq!((read.len(), read[0].0), (620, START + 2 * HOUR - 600_000), "the present chunk, and what came after it");
    assert!(read[600..].iter().enumerate().all(|(i, (_, value))| *value == Some((i % 10) as f32)));
}

#[test]
fn a_damaged_chunk_is_a_gap_that_is_told_and_the_rest_is_read() {
    let mut bench = Bench::new();
    bench.run(START, START + 2 * HOUR, 1000);
    bench.keeper.commit();
    bench.keeper.execute_for_test(
        "UPDATE raw SET data = zeroblob(40) WHERE key = (SELECT key FROM raw WHERE key & 65535 = 1 LIMIT 1)",
    );
    let read = raw(&bench.reader(), "pv_kw", START, START + 2 * HOUR);
    assert!(
        read[..600].iter().all(|(_, value)| value.is_none()) && read[600..].iter().all(|(_, value)| value.is_some())
    );
    assert!(raw(&bench.reader(), "soc", START, START + 2 * HOUR).iter().all(|(_, value)| value.is_some()));
    assert!(bench.shared.trouble().unwrap().contains("could not be read and show as gaps"));
}

#[test]
fn a_full_disk_costs_nothing_while_memory_lasts_and_is_told_until_it_is_over() {
    let mut bench = Bench::new();
    bench.run(START, START + 60_000, 1000);
    bench.keeper.commit();
    // SQLite's own limit gives the error that a full disk gives.
    bench.keeper.execute_for_test("PRAGMA max_page_count = 1");
    for t in 60..2400_u32 {
        // Something that deflate cannot make small.
        let value = t.wrapping_mul(2_654_435_761) as f32;
        bench.keeper.sample(START + i64::from(t) * 1000, &[(0, Some(value)), (1, Some(-value))]);
        if t % 60 == 59 {
            bench.keeper.commit();
        }
    }
    let trouble = bench.shared.trouble().unwrap();
    assert!(trouble.contains("full"), "{trouble}");
    assert_eq!(raw(&bench.reader(), "pv_kw", START, START + HOUR).len(), 2400, "still in memory");
    bench.keeper.execute_for_test("PRAGMA max_page_count = 1000000");
    bench.keeper.commit();
    assert_eq!((bench.shared.trouble(), bench.shared.dropped.load(Ordering::Relaxed)), (None, 0));
    assert_eq!(raw(&bench.restarted().reader(), "pv_kw", START, START + HOUR).len(), 2400);
}

#[test]
fn when_memory_is_full_too_the_oldest_samples_go_and_are_counted() {
    let mut bench = Bench::new();
    bench.keeper.execute_for_test("PRAGMA max_page_count = 1");
    // Three values a row with its time: more rows than there is room for.
    bench.run(START, START + 1_500_000 * 1000, 1000);
    bench.keeper.commit();
    let dropped = bench.shared.dropped.load(Ordering::Relaxed);
    let trouble = bench.shared.trouble().unwrap();
    assert!(dropped > 100_000 && trouble.contains(&format!("{dropped} samples or notes were lost")), "{trouble}");
    bench.keeper.execute_for_test("PRAGMA max_page_count = 1000000");
    bench.keeper.commit();
    let samples: i64 = 1_500_000 - dropped as i64;
    let first = START + dropped as i64 * 1000;
    let oldest = raw(&bench.reader(), "pv_kw", first - HOUR, first + HOUR);
    assert_eq!((oldest[0].0, samples > 1_000_000), (first, true), "from there on everything is there");
}

#[test]
fn a_file_that_another_gateway_writes_is_left_alone() {
    let mut bench = Bench::new();
    let shared = Arc::new(Shared::default());
    let mut second = Keeper::new(settings(bench.folder.path()), points(), Arc::clone(&shared));
    second.sample(START, &[(0, Some(5.0))]);
    second.commit();
    assert!(shared.trouble().unwrap().contains("another gateway writes it"));
    bench.run(START, START + 10_000, 1000);
    bench.keeper.commit();
    assert_eq!((bench.shared.trouble(), raw(&bench.reader(), "pv_kw", START, START + HOUR).len()), (None, 10));
}

#[test]
fn somebody_elses_database_is_neither_written_nor_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = settings(folder.path()).path;
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let shared = Arc::new(Shared::default());
    let mut keeper = Keeper::new(settings(folder.path()), points(), Arc::clone(&shared));
    keeper.sample(START, &[(0, Some(1.0))]);
    keeper.commit();
    assert!(shared.trouble().unwrap().contains("no history of this gateway"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_reader_that_never_ends_does_not_grow_the_log_without_bound() {
    let mut bench = Bench::new();
    bench.run(START, START + 60_000, 1000);
    bench.keeper.commit();
    let path = settings(bench.folder.path()).path;
    let reading = rusqlite::Connection::open(&path).unwrap();
    reading.execute_batch("BEGIN; SELECT count(*) FROM raw").unwrap_or_default();
    let _: i64 = reading.query_row("SELECT count(*) FROM recent", [], |row| row.get(0)).unwrap();
    let log = path.with_file_name("history.db-wal");
    let mut written = 0;
    while bench.shared.trouble().is_none() {
        bench.keeper.execute_for_test("CREATE TABLE IF NOT EXISTS filler (x); INSERT INTO filler VALUES (randomblob(8000000)); DELETE FROM filler");
        bench.run(START + 60_000, START + 61_000, 1000);
        bench.keeper.commit();
        written += 8;
        assert!(written < 1000, "the log grows without bound: {:?}", std::fs::metadata(&log));
    }
    assert!(bench.shared.trouble().unwrap().contains("a reader has kept it open"));
    drop(reading);
    bench.keeper.commit();
    assert_eq!(bench.shared.trouble(), None);
    assert!(std::fs::metadata(&log).unwrap().len() < 20 << 20);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _reader) = open(&settings(folder.path()), &points());
    // Nobody can be as fast as this loop for that long: the thread sorts every sample into memory.
    let mut sent: u64 = 0;
    while writer.dropped() == 0 {
        writer.sample(START + sent as i64, &[(0, Some(1.0)); 64]);
        sent += 1;
    }
    assert!(writer.trouble().unwrap().contains("were lost"), "{:?}", writer.trouble());
}

#[test]
fn without_a_folder_to_write_to_everything_is_counted_and_nothing_fails() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { path: folder.path().join("missing/history.db"), ..settings(folder.path()) };
    let (writer, reader): (Writer, Reader) = open(&settings, &points());
    writer.sample(START, &[(0, Some(1.0))]);
    assert!(writer.trouble().unwrap().contains("missing/history.db"));
    assert!(reader.series(&["pv_kw"], START, START + 1, 10).is_err());
    assert_eq!(reader.points(), points());
}

#[test]
fn a_file_of_a_newer_gateway_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = settings(folder.path()).path;
    HistoryFile::open(&path).unwrap().conn.pragma_update(None, "user_version", 99).unwrap();
    let error = HistoryFile::open(&path).unwrap_err().to_string();
    assert!(error.contains("newer gateway"), "{error}");
}

#[test]
fn a_history_that_begins_anew_leaves_the_one_before_beside_it() {
    let mut bench = Bench::new();
    bench.run(START, START + 10_000, 1000);
    bench.keeper.commit();
    let Bench { folder, shared, keeper } = bench;
    let path = settings(folder.path()).path;
    begin_anew(&path);
    assert!(path.exists(), "a file that is being written stays");
    drop((shared, keeper));
    begin_anew(&path);
    begin_anew(&path);
    let before = Reader::of_file(&path.with_file_name("history.db.1")).unwrap();
    assert_eq!((path.exists(), raw(&before, "pv_kw", START, START + HOUR).len()), (false, 10));
}
