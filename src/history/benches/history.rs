//! What the history costs: `cargo bench -p memg-history --bench history`. It prints, it asserts nothing.
//!
//! The data are made here: a hundred points once a second, as meters of a plant give them. Powers that follow a day with the
//! noise of meters, in steps of a tenth of a per mille of their range; slow ones (states of charge, counters), set-points that
//! hold for a quarter of an hour, flags that hardly ever change. One day is sampled at full rate with as many commits as at one
//! every 10 s; the minutes of a year are made by sampling four points every 20 s. Files lie in MEMG_BENCH_DIR, or here.

#![allow(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use memg_history::{PointInfo, Reader, Resolution, Settings, Writer, open};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::path::Path;
use std::time::{Duration, Instant};

const DAY_MS: i64 = 86_400_000;
const START: i64 = 20_000 * DAY_MS;
const POINTS: usize = 100;

fn points(count: usize) -> Vec<PointInfo> {
    (0..count).map(|n| PointInfo { name: format!("point_{n}"), unit: "kW".into() }).collect()
}

/// A plant's values: each point is of one of four kinds.
struct Plant {
    rng: Pcg64Mcg,
    levels: Vec<f64>,
}

impl Plant {
    fn new() -> Self {
        Self { rng: Pcg64Mcg::seed_from_u64(1), levels: vec![0.5; POINTS] }
    }

    fn value(&mut self, point: usize, unix_ms: i64) -> f32 {
        let second = (unix_ms - START) / 1000;
        let hour = second as f64 / 3600.0 + point as f64 / 7.0;
        let level = self.levels.get_mut(point).unwrap();
        let steps = match point % 10 {
            // Powers with noise.
            0..=5 => {
                *level = (0.98 * *level + 0.02 * self.rng.random_range(0.0..1.0)).clamp(0.0, 1.0);
                let noise = self.rng.random_range(-1.0..1.0) * 0.002;
                (0.5 - 0.3 * (hour / 3.82).cos() + 0.2 * (*level - 0.5) + noise) * 10_000.0
            }
            // Slow ones.
            6 | 7 => (0.5 - 0.4 * (hour / 3.82).sin()) * 1000.0,
            // Set-points of a quarter of an hour.
            8 => (0.5 + 0.5 * ((second / 900) as f64 * 1.7).sin()) * 1000.0,
            // Flags.
            _ => f64::from(u8::from(second / 7200 % 2 == 0)),
        };
        (steps.round() * if point % 10 < 6 { 0.01 } else { 0.001 }) as f32
    }
}

fn settings(folder: &Path) -> Settings {
    Settings { path: folder.join("bench.history"), commit: Duration::from_secs(10), raw_days: 30, minute_days: 1825 }
}

/// Samples without losing any: a bench is faster than a plant.
fn sample(writer: &Writer, unix_ms: i64, values: &[(usize, Option<f32>)]) {
    loop {
        let before = writer.dropped();
        writer.sample(unix_ms, values);
        if writer.dropped() == before {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn close(writer: Writer) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(writer.close());
}

fn megabytes(path: &Path) -> f64 {
    std::fs::metadata(path).unwrap().len() as f64 / 1e6
}

/// Median and least of some runs, ms: the least is nearest to an idle machine.
fn ms(mut run: impl FnMut()) -> String {
    let mut times: Vec<f64> = (0..21)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    format!("{:7.1} ms, least {:.1}", times[times.len() / 2], times[0])
}

/// Bytes that this process has had written to disks; `None` where the system does not tell.
fn written() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
    line.trim().parse().ok()
}

/// A day and ten minutes of the next, so that its minutes are written, too; a commit every ten samples, as at 10 s.
fn a_day(folder: &Path) -> Reader {
    let settings = Settings { commit: Duration::from_millis(1), ..settings(folder) };
    let (writer, reader) = open(&settings, &points(POINTS));
    let (mut plant, before) = (Plant::new(), written());
    let mut calls: Vec<Duration> = Vec::new();
    for (number, t) in (START..START + DAY_MS + 600_000).step_by(1000).enumerate() {
        // Cycles are late by some ms.
        let t = t + plant.rng.random_range(0..4);
        let values: Vec<(usize, Option<f32>)> = (0..POINTS).map(|point| (point, Some(plant.value(point, t)))).collect();
        let begin = Instant::now();
        sample(&writer, t, &values);
        calls.push(begin.elapsed());
        while number % 10 == 9 && writer.committed_ms() != Some(t) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    close(writer);
    calls.sort();
    let [p50, p99] = [calls.len() / 2, calls.len() * 99 / 100].map(|rank| calls[rank].as_secs_f64() * 1e6);
    println!("sample() of 100 points           {p50:7.1} us, p99 {p99:.1}");
    if let Some((before, after)) = before.zip(written()) {
        println!("written to disk for the day      {:7.1} MB, log and file", (after - before) / 1e6);
    }
    reader
}

fn main() {
    let folder = tempfile::tempdir_in(std::env::var("MEMG_BENCH_DIR").unwrap_or(".".into())).unwrap();
    let reader = a_day(folder.path());
    let path = settings(folder.path()).path;
    println!("file after a day of 100 points/s {:7.1} MB (asked: at most 25)", megabytes(&path));
    let read = |resolution, points: &[&str], to: i64| {
        let table = reader.series_at(points, START, to, resolution).unwrap();
        assert!(table.series.iter().all(|series| series.mean.iter().flatten().count() > 1000));
    };
    let raw = ms(|| read(Resolution::Raw, &["point_3"], START + DAY_MS));
    println!("one point over a day, raw        {raw} (asked: 20)");
    let chart = ms(|| assert_eq!(reader.series(&["point_3"], START, START + DAY_MS, 800).unwrap().step_ms, 120_000));
    println!("one point over a day, 800 rows   {chart}");
    a_year();
}

/// The minutes of a year of four points, one day after the other.
fn a_year() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { commit: Duration::from_millis(200), ..settings(folder.path()) };
    let (writer, reader) = open(&settings, &points(4));
    let mut plant = Plant::new();
    for t in (START..START + 366 * DAY_MS).step_by(20_000) {
        let values: Vec<(usize, Option<f32>)> = (0..4).map(|point| (point, Some(plant.value(point, t)))).collect();
        sample(&writer, t, &values);
    }
    close(writer);
    println!("file after a year of 4 points    {:7.1} MB (samples of 30 days, minutes)", megabytes(&settings.path));
    let names = ["point_0", "point_1", "point_2", "point_3"];
    let year = ms(|| {
        let table = reader.series(&names, START, START + 365 * DAY_MS, 600_000).unwrap();
        assert_eq!((table.step_ms, table.series[0].t.len()), (60_000, 525_600));
    });
    println!("a year's minutes of four points  {year} (asked: 200)");
    let chart =
        ms(|| assert_eq!(reader.series(&names, START, START + 365 * DAY_MS, 800).unwrap().series[0].t.len(), 730));
    println!("the same in 730 rows             {chart}");
}
