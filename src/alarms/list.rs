//! The list: what stands, since when, who has seen it.

use crate::aside::Aside;
use crate::kind::{Kind, Priority};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most alarms that are kept; ids are made of configured names, this bounds them all the same.
const ENTRIES_MAX: usize = 512;

/// The present instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, monotonic, ms: delays count on it.
    pub mono_ms: u64,
    /// Plant time, ms since 1970 UTC: what people are told.
    pub unix_ms: i64,
}

/// Something that is wrong at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// Which kind.
    pub kind: Kind,
    /// What it is about: a device, a signal.
    pub name: String,
    /// What is known of it; the same words while it is the same thing.
    pub detail: String,
    /// What follows from it, sentences: they are no alarms of their own.
    pub effects: Vec<String>,
    /// What happens by itself and when, where that is known.
    pub next: Option<String>,
}

impl Raised {
    /// Without consequences.
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, name: name.into(), detail: detail.into(), effects: Vec::new(), next: None }
    }

    fn text(&self) -> String {
        let gap = |detail: &str| if detail.is_empty() { String::new() } else { format!(" {}", sentence(detail)) };
        let text = self.kind.definition().text.replace("{name}", &self.name);
        let text = text.replace("{detail}", &gap(&self.detail));
        self.effects.iter().fold(text, |text, effect| format!("{text} {}", sentence(effect)))
    }

    fn advice(&self) -> String {
        let advice = self.kind.definition().advice;
        self.next.as_ref().map_or_else(|| advice.to_owned(), |next| format!("{advice} {}", sentence(next)))
    }
}

/// With its full stop.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// Where an alarm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It stands, and nobody has said that they have seen it.
    Unacknowledged,
    /// It is gone, and nobody has said that they have seen it, or it latches.
    Returned,
    /// It stands, and somebody has seen it.
    Acknowledged,
    /// Out of sight until a time, by an operator.
    Shelved,
    /// Not watched until a time, by an engineer: what would raise it is being worked at.
    OutOfService,
    /// Gone and seen: it is in the list no more.
    Normal,
}

impl State {
    /// As in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unacknowledged => "unacknowledged",
            Self::Returned => "returned",
            Self::Acknowledged => "acknowledged",
            Self::Shelved => "shelved",
            Self::OutOfService => "out_of_service",
            Self::Normal => "normal",
        }
    }
}

/// An entry of the list, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarm {
    /// Stable name such as `chp.link`.
    pub id: String,
    /// How soon somebody has to act.
    pub priority: Priority,
    /// Where it stands.
    pub state: State,
    /// Its cause is there, also while it is put aside.
    pub active: bool,
    /// What it is about.
    pub source: String,
    /// What is wrong.
    pub text: String,
    /// What to do, what happens by itself and when.
    pub advice: String,
    /// Since when it stands, plant time, ms since 1970 UTC.
    pub since_unix_ms: i64,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
    /// Until when it is out of sight, plant time.
    pub shelved_until_unix_ms: Option<i64>,
    /// Until when it is out of service, plant time.
    pub out_of_service_until_unix_ms: Option<i64>,
    /// How often it has come since it entered the list.
    pub count: u64,
}

/// A step in an alarm's life.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// When, plant time, ms since 1970 UTC.
    pub unix_ms: i64,
    /// The alarm after it.
    pub alarm: Alarm,
    /// Who did it; `None` = nobody, it happened.
    pub by: Option<String>,
}

/// What was done to an alarm before a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Which.
    pub id: String,
    /// Who had seen it.
    pub acknowledged_by: Option<String>,
    /// Until when it counts for nobody, and how.
    pub aside: Option<(Aside, i64)>,
}

/// Why something could not be done with an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is none of that id in the list.
    NoSuchAlarm,
    /// It would change nothing: what it is.
    Already(State),
}

#[derive(Debug, Clone)]
struct Entry {
    raised: Raised,
    /// It was shown: its delay is over.
    shown: bool,
    stands: bool,
    seen: bool,
    /// Since when it stands, or since when it is gone.
    edge_ms: u64,
    since_unix_ms: i64,
    acknowledged_by: Option<String>,
    /// It calls nobody until this time, plant time, ms.
    aside: Option<(Aside, i64)>,
    count: u64,
    /// Standing, after the hysteresis.
    active: bool,
}

/// All alarms.
#[derive(Debug, Clone, Default)]
pub struct List {
    entries: BTreeMap<String, Entry>,
    remembered: BTreeMap<String, Remembered>,
    number: u64,
}

impl Entry {
    fn new(raised: Raised, now: Now) -> Self {
        Self {
            raised,
            shown: false,
            stands: true,
            seen: false,
            edge_ms: now.mono_ms,
            since_unix_ms: now.unix_ms,
            acknowledged_by: None,
            aside: None,
            count: 0,
            active: false,
        }
    }

    fn state(&self) -> State {
        match (self.aside, self.active, self.seen) {
            (Some((aside, _)), ..) => aside.state(),
            (None, true, false) => State::Unacknowledged,
            (None, true, true) => State::Acknowledged,
            (None, false, false) => State::Returned,
            (None, false, true) => State::Normal,
        }
    }

    fn until(&self, how: Aside) -> Option<i64> {
        self.aside.filter(|(aside, _)| *aside == how).map(|(_, until)| until)
    }

    fn alarm(&self, id: &str) -> Alarm {
        Alarm {
            id: id.to_owned(),
            priority: self.raised.kind.definition().priority,
            state: self.state(),
            active: self.active,
            source: self.raised.kind.definition().about.unwrap_or(&self.raised.name).to_owned(),
            text: self.raised.text(),
            advice: self.raised.advice(),
            since_unix_ms: self.since_unix_ms,
            acknowledged_by: self.acknowledged_by.clone(),
            shelved_until_unix_ms: self.until(Aside::Shelved),
            out_of_service_until_unix_ms: self.until(Aside::OutOfService),
            count: self.count,
        }
    }

    /// Takes in whether it stands now.
    fn observe(&mut self, raised: Option<Raised>, now: Now) {
        let stands = raised.is_some();
        if stands != self.stands {
            (self.stands, self.edge_ms) = (stands, now.mono_ms);
        }
        if let Some(raised) = raised {
            self.raised = raised;
        }
        let definition = self.raised.kind.definition();
        let lasted = |seconds: u32| now.mono_ms.saturating_sub(self.edge_ms) >= u64::from(seconds) * 1000;
        if stands && !self.active && (self.shown || lasted(definition.delay_s)) {
            self.begin(now);
        } else if !stands && self.active && lasted(definition.gone_s) {
            self.active = false;
            self.seen &= !definition.latches;
        }
    }

    fn begin(&mut self, now: Now) {
        (self.active, self.shown, self.seen) = (true, true, false);
        (self.count, self.since_unix_ms, self.acknowledged_by) = (self.count + 1, now.unix_ms, None);
    }

    fn end_aside(&mut self, now: Now) {
        if self.aside.is_some_and(|(_, until)| until <= now.unix_ms) {
            self.call_again();
        }
    }

    /// Back in sight, what stands has to be seen anew; what went meanwhile is no news.
    fn call_again(&mut self) {
        (self.aside, self.acknowledged_by, self.seen) = (None, None, !self.active);
    }

    /// Nothing to keep: it is gone, was seen or never shown, and is not put aside.
    fn is_over(&self) -> bool {
        (!self.shown && !self.stands) || (self.shown && self.state() == State::Normal)
    }
}

impl List {
    /// What was done before a restart counts for alarms that come again.
    pub fn remember(&mut self, remembered: impl IntoIterator<Item = Remembered>) {
        self.remembered.extend(remembered.into_iter().map(|one| (one.id.clone(), one)));
    }

    /// Takes in what stands now; what has changed.
    pub fn observe(&mut self, now: Now, raised: impl IntoIterator<Item = Raised>) -> Vec<Change> {
        let mut standing: BTreeMap<String, Raised> = BTreeMap::new();
        for one in raised {
            standing.entry(one.kind.id(&one.name)).or_insert(one);
        }
        for (id, one) in &standing {
            if self.entries.len() < ENTRIES_MAX {
                self.entries.entry(id.clone()).or_insert_with(|| Entry::new(one.clone(), now));
            }
        }
        let mut changes = Vec::new();
        for (id, entry) in &mut self.entries {
            let before = (entry.shown, entry.state(), entry.count);
            let said = |entry: &Entry| (entry.active, entry.alarm(id).text, entry.raised.next.clone());
            let said_before = said(entry);
            entry.observe(standing.remove(id), now);
            entry.end_aside(now);
            if !before.0 && entry.shown {
                recall(entry, self.remembered.remove(id), now);
            }
            let moved = before != (entry.shown, entry.state(), entry.count);
            if moved && entry.shown {
                changes.push(Change { unix_ms: now.unix_ms, alarm: entry.alarm(id), by: None });
            }
            self.number += u64::from((moved || said_before != said(entry)) && entry.shown);
        }
        self.entries.retain(|_, entry| !entry.is_over());
        changes
    }

    /// Somebody has seen it; possible while it stands.
    ///
    /// # Errors
    /// No such alarm, or it was seen already.
    pub fn acknowledge(&mut self, now: Now, id: &str, by: &str) -> Result<Change, Refusal> {
        self.change(now, id, by, |entry| match entry.state() {
            State::Unacknowledged | State::Returned => {
                entry.seen = true;
                entry.acknowledged_by = Some(by.to_owned());
                Ok(())
            }
            other => Err(Refusal::Already(other)),
        })
    }

    /// Puts an alarm aside until a time of the plant. A shelf does not take what is out of service: it would come back sooner.
    ///
    /// # Errors
    /// No such alarm, or it is out of service and is to be shelved.
    pub fn put_aside(
        &mut self,
        now: Now,
        id: &str,
        by: &str,
        (how, until_unix_ms): (Aside, i64),
    ) -> Result<Change, Refusal> {
        self.change(now, id, by, |entry| match (how, entry.state()) {
            (Aside::Shelved, State::OutOfService) => Err(Refusal::Already(State::OutOfService)),
            (Aside::Shelved | Aside::OutOfService, _) => {
                entry.aside = Some((how, until_unix_ms.max(now.unix_ms + 1)));
                Ok(())
            }
        })
    }

    /// It counts again, before its time.
    ///
    /// # Errors
    /// No such alarm, or it was not put aside in this way.
    pub fn take_back(&mut self, now: Now, id: &str, by: &str, how: Aside) -> Result<Change, Refusal> {
        self.change(now, id, by, |entry| match entry.until(how) {
            Some(_) => {
                entry.call_again();
                Ok(())
            }
            None => Err(Refusal::Already(entry.state())),
        })
    }

    fn change(
        &mut self,
        now: Now,
        id: &str,
        by: &str,
        act: impl FnOnce(&mut Entry) -> Result<(), Refusal>,
    ) -> Result<Change, Refusal> {
        let entry = self.entries.get_mut(id).filter(|entry| entry.shown).ok_or(Refusal::NoSuchAlarm)?;
        act(entry)?;
        let alarm = entry.alarm(id);
        self.number += 1;
        self.entries.retain(|_, entry| !entry.is_over());
        Ok(Change { unix_ms: now.unix_ms, alarm, by: Some(by.to_owned()) })
    }

    /// The list: what has not been seen first, then by priority, then the newest.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        let shown = self.entries.iter().filter(|(_, entry)| entry.shown);
        let mut alarms: Vec<Alarm> = shown.map(|(id, entry)| entry.alarm(id)).collect();
        alarms.sort_by_key(|alarm| (alarm.state, alarm.priority, -alarm.since_unix_ms));
        alarms
    }

    /// Another number means that the list has changed.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }
}

fn recall(entry: &mut Entry, remembered: Option<Remembered>, now: Now) {
    let Some(remembered) = remembered else { return };
    entry.aside = remembered.aside.filter(|(_, until)| *until > now.unix_ms);
    entry.seen = remembered.acknowledged_by.is_some();
    entry.acknowledged_by = remembered.acknowledged_by;
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
