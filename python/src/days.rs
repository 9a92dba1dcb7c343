//! Which days of a profile episodes are taken from: `"20-24"`, or `"1-4,8-19,25-31"` of every month.

use super::errors::wrong;
use memg_core::profile::Profile;
use pyo3::PyResult;
use std::ops::{Range, RangeInclusive};

/// Blocks of consecutive days; all days without `month_days`.
pub(crate) fn blocks(
    profile: &Profile,
    month_days: Option<&str>,
    longest: Option<usize>,
) -> PyResult<Vec<Range<usize>>> {
    let wanted = month_days.map(parse).transpose()?;
    let is_wanted = |day: i64| wanted.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&day)));
    let blocks = profile.blocks_among(longest, |row| is_wanted(row.time.date().2));
    if blocks.is_empty() {
        return Err(wrong(format!("month_days: no day of the profile is among {:?}", month_days.unwrap_or_default())));
    }
    Ok(blocks)
}

fn parse(text: &str) -> PyResult<Vec<RangeInclusive<i64>>> {
    let day = |text: &str| text.trim().parse().ok().filter(|day| (1..=31).contains(day));
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(day(from)?..=day(to)?).filter(|range| !range.is_empty())
    };
    let all: Option<Vec<_>> = text.split(',').map(range).collect();
    all.ok_or_else(|| wrong(format!("month_days: expected days of a month such as 20-24 or 1-4,8-19, found {text:?}")))
}
