//! The table `[history]`.

use super::Loader;
use memg_history::Settings;
use memg_plant_io::problem::Problem;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `[history]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawHistory {
    /// Record every signal and set-point (default true).
    enabled: bool,
    /// File, relative to the working folder. Default: the journal's name with the ending `.history`.
    path: Option<PathBuf>,
    /// Time between two commits, s: what a power cut can cost.
    commit_s: f64,
    /// Days for which every sample is kept.
    raw_days: u32,
    /// Days for which minutes are kept; quarter hours stay for ever.
    minute_days: u32,
}

impl Default for RawHistory {
    fn default() -> Self {
        Self { enabled: true, path: None, commit_s: 10.0, raw_days: 30, minute_days: 1825 }
    }
}

/// What is recorded over years, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistorySettings {
    /// Nothing.
    Off,
    /// In a file.
    Kept(Settings),
    /// In a file of this run alone, which has no place of its own: a demonstration without a journal. The path is empty.
    Passing(Settings),
}

/// Beside the journal, unless it is said otherwise. A plant without journal and path has no history, and is told.
pub(super) fn history(loader: &mut Loader, journal: Option<&Path>, demo: bool) -> HistorySettings {
    let raw: RawHistory = loader.table("history").unwrap_or_default();
    check(loader, &raw);
    if !raw.enabled {
        return HistorySettings::Off;
    }
    let path = raw.path.or_else(|| journal.map(|journal| journal.with_extension("history")));
    let commit = Duration::from_secs_f64(raw.commit_s.clamp(1.0, 600.0));
    let kept = |path| Settings { path, commit, raw_days: raw.raw_days, minute_days: raw.minute_days };
    match path {
        Some(path) => HistorySettings::Kept(kept(path)),
        None if demo => HistorySettings::Passing(kept(PathBuf::new())),
        None => HistorySettings::Off,
    }
}

fn check(loader: &mut Loader, raw: &RawHistory) {
    let mut expect = |right: bool, key: &str, message: String| {
        if !right {
            loader.problems.push(Problem::new(format!("history.{key}"), message));
        }
    };
    let commit = (1.0..=600.0).contains(&raw.commit_s);
    expect(commit, "commit_s", format!("expected a number from 1 to 600, found {}", raw.commit_s));
    let days = "expected whole days from 1 to 36500";
    expect((1..=36_500).contains(&raw.raw_days), "raw_days", format!("{days}, found {}", raw.raw_days));
    let minutes = raw.minute_days >= raw.raw_days && raw.minute_days <= 36_500;
    let message = format!("expected whole days from raw_days ({}) to 36500, found {}", raw.raw_days, raw.minute_days);
    expect(minutes, "minute_days", message);
}

#[cfg(test)]
mod tests {
    use super::super::{Override, load};
    use super::*;

    fn read(lines: &str) -> Result<HistorySettings, Vec<String>> {
        let gateway = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/gateway.toml");
        // Where a table is named twice the last one does not win: what is tested stands alone.
        let loaded = load(&gateway, lines, &[Override { key: "journal.path", value: "logs/site.journal".into() }]);
        loaded.map(|settings| settings.history).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn history_stands_beside_the_journal_unless_it_is_said_otherwise() {
        let kept = |path: &str, commit_s, raw_days, minute_days| {
            let commit = Duration::from_secs_f64(commit_s);
            Ok(HistorySettings::Kept(Settings { path: path.into(), commit, raw_days, minute_days }))
        };
        assert_eq!(read(""), kept("logs/site.history", 10.0, 30, 1825));
        let stated = "[history]\npath = \"h.db\"\ncommit_s = 2.5\nraw_days = 7\nminute_days = 90";
        assert_eq!(read(stated), kept("h.db", 2.5, 7, 90));
        assert_eq!(read("[history]\nenabled = false"), Ok(HistorySettings::Off));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        for (lines, told) in [
            ("commit_s = 0.1", "history.commit_s: expected a number from 1 to 600, found 0.1"),
            ("raw_days = 0", "history.raw_days: expected whole days from 1 to 36500, found 0"),
            ("minute_days = 10", "history.minute_days: expected whole days from raw_days (30) to 36500, found 10"),
            ("raw_day = 3", "history.raw_day: unknown"),
        ] {
            let found = read(&format!("[history]\n{lines}")).unwrap_err();
            assert!(found.len() == 1 && found[0].contains(told), "{lines}: {found:#?}");
        }
    }
}
