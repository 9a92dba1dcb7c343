//! Both halves together, on a file.

use crate::health::Shared;
use crate::keeper::Keeper;
use crate::{Error, NoteKind, PointInfo, Reader, Resolution, Settings, open};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) const DAY: i64 = 86_400_000;
pub(crate) const HOUR: i64 = 3_600_000;
/// A day far from the epoch, 00:00 UTC.
pub(crate) const START: i64 = 20_000 * DAY;

pub(crate) fn settings(path: &Path) -> Settings {
    Settings { path: path.join("history.db"), commit: Duration::from_secs(3600), raw_days: 30, minute_days: 1825 }
}

pub(crate) fn points() -> Vec<PointInfo> {
    [("pv_kw", "kW"), ("soc", "")].map(|(name, unit)| PointInfo { name: name.into(), unit: unit.into() }).into()
}

/// A keeper without its thread: commits come when a test says so.
pub(crate) struct Bench {
    pub folder: tempfile::TempDir,
    pub shared: Arc<Shared>,
    pub keeper: Keeper,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|settings| settings)
    }

    fn with(change: impl Fn(Settings) -> Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(Shared::default());
        let keeper = Keeper::new(change(settings(folder.path())), points(), Arc::clone(&shared));
        Self { folder, shared, keeper }
    }

    pub fn reader(&self) -> Reader {
        Reader::beside(&settings(self.folder.path()).path, &points(), &self.shared)
    }

    /// As after kill -9: what is in memory is gone.
    pub fn restarted(self) -> Self {
        let Self { folder, shared, keeper } = self;
        drop((shared, keeper));
        let shared = Arc::new(Shared::default());
        let keeper = Keeper::new(settings(folder.path()), points(), Arc::clone(&shared));
        Self { folder, shared, keeper }
    }

    /// One sample a `step_ms`: the number of the sample, and half of it.
    pub fn run(&mut self, from_ms: i64, to_ms: i64, step_ms: usize) {
        for (number, t) in (from_ms..to_ms).step_by(step_ms).enumerate() {
            let value = (number % 1000) as f32;
            self.keeper.sample(t, &[(0, Some(value)), (1, Some(value / 2.0))]);
        }
    }
}

fn mean(reader: &Reader, point: &str, from: i64, to: i64, resolution: Resolution) -> Vec<(i64, Option<f32>)> {
    let table = reader.series_at(&[point], from, to, resolution).unwrap();
    let series = &table.series[0];
    series.t.iter().copied().zip(series.mean.iter().copied()).collect()
}

pub(crate) fn raw(reader: &Reader, point: &str, from: i64, to: i64) -> Vec<(i64, Option<f32>)> {
    mean(reader, point, from, to, Resolution::Raw)
}

#[test]
fn samples_are_the_same_before_a_commit_after_it_in_a_complete_chunk_and_after_a_restart() {
    let mut bench = Bench::new();
    let expected: Vec<(i64, Option<f32>)> = (0..900).map(|i| (START + i * 1000, Some(i as f32))).collect();
    bench.run(START, START + 900_000, 1000);
    let read = |bench: &Bench| raw(&bench.reader(), "pv_kw", START, START + HOUR);
    assert_eq!(bench.reader().recorded().unwrap(), Some((START, START + 899_000)));
    assert_eq!(read(&bench), expected, "from memory");
    bench.keeper.commit();
    assert_eq!(read(&bench), expected, "a chunk in the file, the present one in both");
    let alone = Reader::of_file(&settings(bench.folder.path()).path).unwrap();
    assert_eq!(raw(&alone, "pv_kw", START, START + HOUR), expected, "read by somebody else");
    let bench = bench.restarted();
    assert_eq!(read(&bench), expected, "after a restart");
    assert_eq!(bench.reader().recorded().unwrap(), Some((START, START + 899_000)));
    assert_eq!(Bench::new().reader().recorded().unwrap(), None, "of an empty one");
}

#[test]
fn kill_at_any_instant_loses_what_was_not_committed_and_nothing_else() {
    let mut bench = Bench::new();
    for part in 0..150 {
        bench.run(START + part * 10_000, START + (part + 1) * 10_000, 1000);
        if part == 149 {
            break;
        }
        bench.keeper.commit();
    }
    let bench = bench.restarted();
    let read = raw(&bench.reader(), "soc", START, START + HOUR);
    assert_eq!(read.len(), 1490);
    assert!(
        read.iter()
            .enumerate()
            .all(|(i, (t, value))| *t == START + i as i64 * 1000 && *value == Some((i % 10) as f32 / 2.0))
    );
    assert_eq!(bench.shared.committed_ms.load(Ordering::Relaxed), START + 1_489_000);
}

#[test]
fn what_was_not_known_is_none_and_a_time_without_samples_is_a_gap_at_every_resolution() {
    let mut bench = Bench::new();
    bench.run(START, START + 120_000, 1000);
    bench.keeper.sample(START + 120_000, &[(0, None), (1, Some(f32::NAN))]);
    bench.run(START + HOUR, START + HOUR + 60_000, 1000);
    for committed in [false, true] {
        if committed {
            bench.keeper.commit();
        }
        let reader = bench.reader();
        let samples = raw(&reader, "pv_kw", START, START + 2 * HOUR);
        // The sample that was none, then one row for the hour that nothing is known of.
        assert_eq!(samples.len(), 120 + 2 + 60);
        assert_eq!(
            samples[119..=122].iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            [Some(119.0), None, None, Some(0.0)]
        );
        let minutes = mean(&reader, "pv_kw", START, START + 2 * HOUR, Resolution::Minute);
        let known: Vec<i64> =
            minutes.iter().filter(|(_, value)| value.is_some()).map(|(t, _)| (t - START) / 60_000).collect();
        assert_eq!((minutes.len(), known), (120, vec![0, 1, 60]));
        let quarters = mean(&reader, "pv_kw", START, START + 2 * HOUR, Resolution::Quarter);
        let known: Vec<bool> = quarters.iter().map(|(_, value)| value.is_some()).collect();
        assert_eq!(known, [true, false, false, false, true, false, false, false]);
    }
}

#[test]
fn minutes_are_the_same_whether_a_day_is_over_or_not_and_stay_when_its_samples_are_gone() {
    let mut bench = Bench::with(|settings| Settings { raw_days: 2, ..settings });
    bench.run(START + 5 * HOUR, START + 7 * HOUR, 5000);
    bench.keeper.commit();
    let minutes = |bench: &Bench| {
        let table = bench.reader().series_at(&["pv_kw", "soc"], START, START + DAY, Resolution::Minute).unwrap();
        table.series
    };
    let before = minutes(&bench);
    assert_eq!((before[0].min[300], before[0].mean[300], before[0].max[300]), (Some(0.0), Some(5.5), Some(11.0)));
    for day in 1..8 {
        bench.run(START + day * DAY, START + day * DAY + 60_000, 5000);
        bench.keeper.commit();
        assert_eq!(minutes(&bench), before, "day {day}");
    }
    assert_eq!(raw(&bench.reader(), "pv_kw", START, START + DAY), [], "samples are gone after two days");
    let rows = bench.reader().series(&["pv_kw"], START + 5 * HOUR, START + 6 * HOUR, 800).unwrap();
    assert_eq!((rows.step_ms, rows.series[0].mean[0]), (60_000, Some(5.5)), "a chart takes minutes instead");
}

#[test]
fn a_clock_that_was_set_back_or_a_day_that_is_lived_through_again_loses_nothing() {
    let mut bench = Bench::new();
    let (begin, end) = (START + HOUR, START + 2 * HOUR);
    bench.run(begin, end, 1000);
    bench.run(START + DAY, START + DAY + 60_000, 1000);
    bench.keeper.commit();
    // Again, half a second beside the samples that are there, and the last one at the time of the first.
    for i in 0..600 {
        bench.keeper.sample(begin + 500 + i * 1000, &[(0, Some(-1.0))]);
    }
    bench.keeper.sample(begin, &[(0, Some(7.0))]);
    for committed in [false, true] {
        if committed {
            bench.keeper.commit();
        }
        let read = raw(&bench.reader(), "pv_kw", begin, end);
        assert_eq!((read.len(), read[0].1, read[1].1, read[2].1), (4200, Some(7.0), Some(-1.0), Some(1.0)));
    }
    bench.run(START + 2 * DAY, START + 2 * DAY + 60_000, 1000);
    bench.keeper.commit();
    let minute = mean(&bench.reader(), "pv_kw", begin, begin + 60_000, Resolution::Minute);
    let expected = (7.0 + (1..60).sum::<i32>() as f32 - 60.0) / 120.0;
    assert_eq!(minute, [(begin, Some(expected))]);
}

#[test]
fn charts_get_no_more_rows_than_they_asked_for_with_least_mean_and_greatest_value() {
    let mut bench = Bench::new();
    bench.run(START, START + 3 * HOUR, 1000);
    bench.keeper.commit();
    let reader = bench.reader();
    for (range, rows, step) in
        [(600_000, 800, 1000), (HOUR, 800, 5000), (3 * HOUR, 200, 60_000), (3 * HOUR, 12, 1_800_000)]
    {
        let table = reader.series(&["pv_kw", "soc"], START, START + range, rows).unwrap();
        assert_eq!((table.step_ms, table.series.len(), table.from_ms), (step, 2, START), "{range} {rows}");
        let series = &table.series[0];
        assert!(series.t.len() <= rows, "{range} {rows}");
        assert_eq!(series.t.len(), (range / step) as usize);
        let lengths = [series.min.len(), series.mean.len(), series.max.len()];
        assert_eq!(lengths, [series.t.len(); 3]);
    }
    let five = &reader.series(&["pv_kw"], START, START + HOUR, 800).unwrap().series[0];
    assert_eq!((five.min[1], five.mean[1], five.max[1]), (Some(5.0), Some(7.0), Some(9.0)));
}

#[test]
fn questions_without_an_answer_say_why() {
    let bench = Bench::new();
    let reader = bench.reader();
    assert!(matches!(reader.series(&["pv"], START, START + 1, 10), Err(Error::UnknownPoint(name)) if name == "pv"));
    assert!(matches!(reader.series(&["pv_kw"], START, START, 10), Err(Error::Question(_))));
    assert!(matches!(reader.series_at(&["pv_kw"; 99], 0, START, Resolution::Minute), Err(Error::Question(_))));
    assert_eq!(reader.series(&["pv_kw"], START, START + DAY, 10).unwrap().series[0].mean, [], "nothing was recorded");
    let nowhere = Reader::of_file(Path::new("/nowhere/history.db"));
    assert!(nowhere.is_err_and(|error| error.to_string().contains("/nowhere/history.db")));
}

#[test]
fn notes_come_newest_first_once_each_and_survive() {
    let mut bench = Bench::new();
    for i in 0..5 {
        bench.keeper.note(START + i, NoteKind::Event, format!("{{\"n\":{i}}}"));
    }
    bench.keeper.note(START + 9, NoteKind::Alarm, "{}".into());
    let read = |bench: &Bench| bench.reader().notes(NoteKind::Event, START + 1, START + 5, 3).unwrap();
    let newest = |bench: &Bench| read(bench).iter().map(|note| note.unix_ms - START).collect::<Vec<_>>();
    assert_eq!(newest(&bench), [4, 3, 2]);
    bench.keeper.commit();
    let mut bench = bench.restarted();
    assert_eq!(newest(&bench), [4, 3, 2]);
    assert_eq!(read(&bench)[0].json, "{\"n\":4}");
    bench.keeper.note(START + 4, NoteKind::Event, "later".into());
    bench.keeper.commit();
    assert_eq!(read(&bench)[0].json, "later", "numbers go on after a restart");
}

#[test]
fn minutes_and_notes_go_after_their_time_and_quarter_hours_stay() {
    let mut bench = Bench::with(|settings| Settings { raw_days: 1, minute_days: 3, ..settings });
    bench.keeper.note(START, NoteKind::Event, "{}".into());
    for day in 0..10 {
        bench.run(START + day * DAY, START + day * DAY + 60_000, 1000);
        bench.keeper.commit();
    }
    let reader = bench.reader();
    let count = |resolution| {
        mean(&reader, "pv_kw", START, START + 10 * DAY, resolution).iter().filter(|(_, v)| v.is_some()).count()
    };
    assert_eq!((count(Resolution::Raw), count(Resolution::Minute), count(Resolution::Quarter)), (120, 4, 10));
    assert_eq!(reader.notes(NoteKind::Event, 0, START + DAY, 9).unwrap(), []);
}

#[test]
fn a_clock_that_is_wrong_by_years_costs_two_days_of_samples_at_most() {
    let mut bench = Bench::new();
    for day in 0..5 {
        bench.run(START + day * DAY, START + day * DAY + 60_000, 1000);
        bench.keeper.commit();
    }
    bench.run(START + 20_000 * DAY, START + 20_000 * DAY + 60_000, 1000);
    bench.keeper.commit();
    bench.run(START + 5 * DAY, START + 5 * DAY + 60_000, 1000);
    bench.keeper.commit();
    let days =
        (0..6).filter(|day| !raw(&bench.reader(), "pv_kw", START + day * DAY, START + day * DAY + HOUR).is_empty());
    assert_eq!(days.collect::<Vec<_>>(), [2, 3, 4, 5]);
}

#[tokio::test]
async fn the_thread_commits_by_itself_and_closing_writes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { commit: Duration::from_millis(20), ..settings(folder.path()) };
    let (writer, reader) = open(&settings, &points());
    writer.sample(START, &[(0, Some(1.0))]);
    while writer.committed_ms() != Some(START) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for i in 1..3000 {
        writer.sample(START + i * 1000, &[(0, Some(1.0))]);
    }
    writer.note(START, NoteKind::Decision, "{}".into());
    writer.clone().close().await;
    assert_eq!((writer.trouble(), writer.dropped()), (None, 0));
    assert_eq!(raw(&reader, "pv_kw", START, START + HOUR).len(), 3000);
    assert_eq!(raw(&Reader::of_file(&settings.path).unwrap(), "pv_kw", START, START + HOUR).len(), 3000);
    writer.sample(START + HOUR, &[(0, Some(1.0))]);
    assert_eq!(writer.dropped(), 1, "after the end nothing is kept, and that is counted");
    assert_eq!(reader.points(), points());
}
