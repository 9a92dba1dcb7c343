//! What the gateway earned: the ledger of some days, and that of today for everybody.

use super::state::Site;
use crate::notes::Notes;
use crate::view::View;
use jiff::civil::Date;
use memg_ledger::{Day, Error, Ledger, NOT_OVER, ledger};
use memg_web::wires::{Format, NoAnswer};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Today is counted anew so often.
const TODAY_EVERY: Duration = Duration::from_secs(10);
/// Without a first day, so many days are told.
const DAYS: i64 = 31;

fn failed(error: Error) -> NoAnswer {
    match error {
        Error::Days(text) => NoAnswer::Wrong(text),
        Error::History(error) => NoAnswer::Failed(error.to_string()),
    }
}

/// The ledger from one day to another, both included; the last days where nothing is said.
///
/// # Errors
/// A date is none, there is no history, or it cannot be read.
pub(super) fn answer(
    (site, notes): (&Site, &Notes),
    now_ms: i64,
    (from, until): (&str, &str),
    format: Format,
) -> Result<String, NoAnswer> {
    let reader = notes.reader().ok_or_else(|| NoAnswer::NotKept("without a history there is no ledger".into()))?;
    let today = today(site, now_ms);
    let day = |key: &str, text: &str, usual: Date| match text {
        "" => Ok(usual),
        text => text.parse().map_err(|_| NoAnswer::Wrong(format!("{key}: expected YYYY-MM-DD, found {text:?}"))),
    };
    let until = day("to", until, today)?;
    let usual = until.saturating_sub(jiff::Span::new().days(DAYS - 1));
    let from = day("from", from, usual)?;
    if from > until {
        return Err(NoAnswer::Wrong("from: expected a day that is not after to".into()));
    }
    let found = ledger(reader, &site.ledger, from, until, now_ms).map_err(failed)?;
    match format {
        Format::Csv => Ok(csv(&found)),
        Format::Json => serde_json::to_string(&found).map_err(|error| NoAnswer::Failed(error.to_string())),
    }
}

fn today(site: &Site, now_ms: i64) -> Date {
    let moment = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.to_zoned(site.ledger.zone.clone()).date()
}

fn csv(found: &Ledger) -> String {
    let mut text =
        String::from("day,gateway_eur,rule_eur,idle_eur,error_eur,metered_eur,valid,why,hours_auto,hours_shadow\n");
    for day in &found.days {
        let costs = [day.gateway_eur, day.rule_eur, day.idle_eur, day.error_eur, day.metered_eur];
        let costs = costs.map(|eur| eur.map_or_else(String::new, |eur| format!("{eur:.4}"))).join(",");
        let why = day.why.as_deref().unwrap_or_default().replace('"', "'");
        let (auto, shadow) = (day.hours_auto, day.hours_shadow);
        let _ = writeln!(text, "{},{costs},{},\"{why}\",{auto:.2},{shadow:.2}", day.day, day.valid);
    }
    text
}

/// Counts today again and again, beside everything else. `null`: nothing of today is known yet.
pub(super) async fn count(site: Arc<Site>, notes: Notes, views: watch::Receiver<View>, told: watch::Sender<Value>) {
    let Some(reader) = notes.reader().cloned() else { return };
    while !told.is_closed() {
        tokio::time::sleep(TODAY_EVERY).await;
        let now_ms = views.borrow().at.unix_ms;
        let (site, reader) = (Arc::clone(&site), reader.clone());
        let counted = tokio::task::spawn_blocking(move || {
            let day = today(&site, now_ms);
            let found = ledger(&reader, &site.ledger, day, day, now_ms).ok()?;
            found.days.last().map(of_day)
        });
        if let Ok(Some(counted)) = counted.await {
            told.send_replace(counted);
        }
    }
}

/// The present day up to now: that it goes on is no reason against comparing it.
fn of_day(day: &Day) -> Value {
    let valid = day.valid || day.why.as_deref() == Some(NOT_OVER);
    json!({
        "today_eur": day.gateway_eur, "rule_today_eur": day.rule_eur, "idle_today_eur": day.idle_eur,
        "error_eur": day.error_eur, "valid": valid, "why": day.why,
    })
}

/// Before the ledger has counted, or without one: what the meters say since the day began, or the start.
pub(super) fn uncounted(view: &View) -> Value {
    json!({
        "today_eur": view.cost_today_eur, "rule_today_eur": null, "idle_today_eur": null, "error_eur": null,
        "valid": false, "why": "the ledger has not counted today yet",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_compared_up_to_now_and_other_reasons_still_count() {
        let day = |why: Option<&str>| Day { valid: why.is_none(), why: why.map(str::to_owned), ..Day::default() };
        for (why, valid) in [(None, true), (Some(NOT_OVER), true), (Some("a safe stop held for 2.0 h"), false)] {
            assert_eq!(of_day(&day(why))["valid"], valid, "{why:?}");
        }
    }
}
