//! Which days train, which select, which are only looked at in the end.

use super::config::DataSettings;
use memg_core::profile::{Profile, ProfileRow};
use std::sync::Arc;

/// A profile in three parts of whole days.
#[derive(Debug, Clone)]
pub struct Split {
    /// Days that are trained on.
    pub training: Arc<Profile>,
    /// Days that select among actors.
    pub validation: Arc<Profile>,
    /// For the final table alone; empty if the profile has none of these days.
    pub test: Arc<Profile>,
}

impl Split {
    /// By the day of the month; `profile` in whole days of `steps_per_day` rows. Without any validation day (a short profile) the last quarter of the days validates.
    #[must_use]
    pub fn of(profile: &Profile, data: &DataSettings, steps_per_day: usize) -> Self {
        let inside = |day: u32, [first, last]: [u32; 2]| day >= first && day <= last;
        let part = |keep: &dyn Fn(u32) -> bool| -> Vec<ProfileRow> {
            profile.rows().iter().filter(|row| keep(day_of_month(row))).copied().collect()
        };
        let test = part(&|day| inside(day, data.test_days));
        let validation = part(&|day| inside(day, data.validation_days));
        let training = part(&|day| !inside(day, data.test_days) && !inside(day, data.validation_days));
        let (training, validation) = if validation.is_empty() || training.is_empty() {
            let rows = profile.rows();
            let days = rows.len() / steps_per_day;
            let cut = rows.len() - (days / 4).max(1).min(days) * steps_per_day;
            (rows[..if cut == 0 { rows.len() } else { cut }].to_vec(), rows[cut..].to_vec())
        } else {
            (training, validation)
        };
        let [training, validation, test] = [training, validation, test].map(|rows| Arc::new(Profile::from_rows(rows)));
        Self { training, validation, test }
    }
}

fn day_of_month(row: &ProfileRow) -> u32 {
    row.time.to_string().get(8..10).and_then(|day| day.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_disjoint_and_complete() {
        let profile = memg_core::synthetic::profile(31, 1);
        let split = Split::of(&profile, &DataSettings::default(), 96);
        let lengths = [&split.training, &split.validation, &split.test].map(|part| part.rows().len() / 96);
        assert_eq!(lengths, [23, 3, 5]);
        let short = Split::of(&memg_core::synthetic::profile(4, 1), &DataSettings::default(), 96);
        assert_eq!([&short.training, &short.validation].map(|part| part.rows().len() / 96), [3, 1]);
    }
}
