//! Which days train, which select, which are only looked at in the end.

use super::config::DataSettings;
use memg_core::profile::{Profile, ProfileRow};
use std::ops::Range;
use std::sync::Arc;

/// What a day is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// It is trained on.
    Training,
    /// It selects among what was trained.
    Validation,
    /// It is for the final table alone.
    Test,
}

/// A profile in three parts of whole days.
#[derive(Debug, Clone)]
pub struct Split {
    /// Days that are trained on.
    pub training: Arc<Profile>,
    /// Days that select among actors.
    pub validation: Arc<Profile>,
    /// For the final table alone; empty if the profile has none of these days.
    pub test: Arc<Profile>,
    /// Days that training may look at: all but those of test, which are a gap.
    pub seen: Arc<Profile>,
    /// The part of every row of the whole profile.
    pub parts: Vec<Part>,
    /// Which days validate, in words.
    pub validation_days: String,
}

impl Split {
    /// By the day of the month; `profile` in whole days of `steps_per_day` rows. In a profile without a day to validate or
    /// to train on (a short one) the last quarter of the days validates that are no test days; with fewer than two of
    /// these nothing is left to train on.
    #[must_use]
    pub fn of(profile: &Profile, data: &DataSettings, steps_per_day: usize) -> Self {
        let rows = profile.rows();
        let mut parts: Vec<Part> = rows.iter().map(|row| data.part_of(row)).collect();
        let [first, last] = data.validation_days;
        let mut validation_days = format!("days {first}..{last} of each month");
        if !(parts.contains(&Part::Training) && parts.contains(&Part::Validation)) {
            last_quarter_validates(&mut parts, steps_per_day);
            "the last quarter of the days but for test days".clone_into(&mut validation_days);
        }
        let of = |part: Part| {
            let kept = rows.iter().zip(&parts).filter(|(_, of)| **of == part).map(|(row, _)| *row);
            Arc::new(Profile::from_rows(kept.collect()))
        };
        let [training, validation, test] = [Part::Training, Part::Validation, Part::Test].map(of);
        let seen = rows.iter().zip(&parts).filter(|(_, part)| **part != Part::Test).map(|(row, _)| *row);
        let seen = Arc::new(Profile::from_rows(seen.collect()));
        Self { training, validation, test, seen, parts, validation_days }
    }
}

/// The blocks of `days` as rows of a profile that holds them and more: what is judged beside what is known.
#[must_use]
pub fn blocks_within(profile: &Profile, days: &Profile) -> Vec<Range<usize>> {
    let rows = days.rows();
    profile.blocks_among(None, |row| rows.binary_search_by_key(&row.time.minute, |day| day.time.minute).is_ok())
}

impl DataSettings {
    fn part_of(&self, row: &ProfileRow) -> Part {
        let day = row.time.date().2;
        let inside = |[first, last]: [u32; 2]| day >= first.into() && day <= last.into();
        match (inside(self.test_days), inside(self.validation_days)) {
            (true, _) => Part::Test,
            (false, true) => Part::Validation,
            (false, false) => Part::Training,
        }
    }
}

fn last_quarter_validates(parts: &mut [Part], steps_per_day: usize) {
    let mut others: Vec<&mut Part> = parts.iter_mut().filter(|part| **part != Part::Test).collect();
    let days = others.len() / steps_per_day;
    let cut = days.saturating_sub((days / 4).max(1)) * steps_per_day;
    for (index, part) in others.iter_mut().enumerate() {
        **part = if index < cut { Part::Training } else { Part::Validation };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(split: &Split) -> [usize; 3] {
        [&split.training, &split.validation, &split.test].map(|part| part.rows().len() / 96)
    }

    /// Days `from` to `to` of January.
    fn january(from: usize, to: usize) -> Profile {
        Profile::from_rows(memg_core::synthetic::profile(31, 1).rows()[(from - 1) * 96..to * 96].to_vec())
    }

    #[test]
    fn the_parts_are_disjoint_and_complete() {
        let split = Split::of(&january(1, 31), &DataSettings::default(), 96);
        assert_eq!((days(&split), split.parts.len()), ([23, 3, 5], 31 * 96));
        let short = Split::of(&january(1, 4), &DataSettings::default(), 96);
        assert_eq!(days(&short), [3, 1, 0]);
    }

    #[test]
    fn test_days_of_a_profile_without_validation_days_stay_unseen() {
        let split = Split::of(&january(15, 26), &DataSettings::default(), 96);
        assert_eq!(days(&split), [6, 1, 5], "of the seven others the last one validates");
        let seen = split.training.rows().iter().chain(split.validation.rows());
        assert!(seen.into_iter().all(|row| !(20..=24).contains(&row.time.date().2)));
        assert_eq!(split.validation.rows()[0].time.date().2, 26);
        assert!(split.validation_days.contains("last quarter"), "{}", split.validation_days);
    }

    #[test]
    fn nothing_trains_where_only_test_days_or_one_other_day_are_left() {
        assert_eq!(days(&Split::of(&january(20, 23), &DataSettings::default(), 96)), [0, 0, 4]);
        assert_eq!(days(&Split::of(&january(19, 23), &DataSettings::default(), 96)), [0, 1, 4]);
    }
}
