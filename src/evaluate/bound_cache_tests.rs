//! What is found again, what is found anew, and what leaves no trace.

use super::*;
use memg_core::equipment::PlantParameters;
use memg_core::synthetic;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bound of two days in blocks of one, and whether the solver was asked.
fn found(cache: &BoundCache, profile: &Profile) -> (Bound, bool) {
    let solved = AtomicUsize::new(0);
    let count = |_, _| {
        solved.fetch_add(1, Ordering::Relaxed);
    };
    let bound = cache.bound(&Plant::reference(), profile, &profile.blocks(Some(1)), &count);
    (bound.unwrap_or_else(|e| panic!("{e}")), solved.load(Ordering::Relaxed) > 0)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"))
}

fn files(cache: &BoundCache) -> Vec<PathBuf> {
    let entries = cache.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
    entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn the_same_question_is_answered_with_the_same_numbers_and_without_the_solver() {
    let home = folder();
    let cache = BoundCache::within(home.path());
    let profile = synthetic::profile(2, 5);
    let (first, solved) = found(&cache, &profile);
    assert!(solved && files(&cache).len() == 1);
    assert_eq!(found(&cache, &profile), (first.clone(), false));
    assert_eq!(found(&BoundCache::off(), &profile), (first, true));
}

#[test]
fn a_damaged_file_is_not_believed_and_replaced() {
    let home = folder();
    let cache = BoundCache::within(home.path());
    let profile = synthetic::profile(2, 5);
    let (bound, _) = found(&cache, &profile);
    let [file] = &files(&cache)[..] else { panic!("one file") };
    let whole = std::fs::read_to_string(file).unwrap_or_default();
    let digit = whole.rfind(|c: char| c.is_ascii_digit()).unwrap_or_default();
    let other = if whole[digit..].starts_with('1') { "2" } else { "1" };
    let changed = format!("{}{other}{}", &whole[..digit], &whole[digit + 1..]);
    for damaged in [&whole[..whole.len() / 2], "", "{}", &changed] {
        std::fs::write(file, damaged).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found(&cache, &profile), (bound.clone(), true), "{damaged}");
        assert_eq!(std::fs::read_to_string(file).unwrap_or_default(), whole);
    }
}

#[test]
fn a_file_under_another_name_is_not_believed() {
    let home = folder();
    let cache = BoundCache::within(home.path());
    found(&cache, &synthetic::profile(2, 5));
    let [of_one] = &files(&cache)[..] else { panic!("one file") };
    let other = synthetic::profile(2, 6);
    let (bound, _) = found(&BoundCache::off(), &other);
    let name = format!("{}.json", key(&Plant::reference(), &other, &other.blocks(Some(1))));
    std::fs::copy(of_one, of_one.with_file_name(name)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(found(&cache, &other), (bound, true));
}

#[test]
fn without_a_cache_and_without_a_folder_that_can_be_written_the_bound_is_found_all_the_same() {
    let home = folder();
    let file = home.path().join("a file");
    std::fs::write(&file, "").unwrap_or_else(|e| panic!("{e}"));
    let profile = synthetic::profile(2, 5);
    let (bound, _) = found(&BoundCache::off(), &profile);
    assert_eq!(found(&BoundCache::within(&file), &profile), (bound, true));
    assert_eq!(std::fs::read_dir(home.path()).map(Iterator::count).ok(), Some(1), "nothing but the file");
}

#[test]
fn all_that_a_bound_depends_on_is_in_its_key_and_nothing_else() {
    let plant = Plant::reference();
    let profile = synthetic::profile(3, 5);
    let days = profile.blocks(Some(1));
    let same = key(&plant, &profile, &days);
    let row_changed = |row: usize, change: fn(&mut ProfileRow)| {
        let mut rows = profile.rows().to_vec();
        rows.get_mut(row).map_or_else(|| panic!("no row {row}"), change);
        Profile::from_rows(rows)
    };
    let changes: [fn(&mut ProfileRow); 4] = [
        |row| row.import_price += 1e-9,
        |row| row.export_price = -row.export_price,
        |row| row.heat_load_kw += 1.0,
        |row| row.time.minute += 1,
    ];
    for change in changes {
        assert_ne!(key(&plant, &row_changed(100, change), &days), same);
        assert_eq!(key(&plant, &row_changed(200, change), &days[..2]), key(&plant, &profile, &days[..2]));
    }
    assert_ne!(key(&plant, &profile, &profile.blocks(None)), same, "blocks begin anew at SoC 0.5");
    let mut parameters = PlantParameters::reference();
    parameters.costs.gas_eur_per_kwh += 1e-9;
    let other = parameters.validate().unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_ne!(key(&other, &profile, &days), same);
}
