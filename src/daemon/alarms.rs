//! The one place that turns what drivers tell into log lines, counts and what stands; the list of alarms is kept here.

use super::notes::Notes;
use super::standing::{self, Facts};
use super::view::Instants;
use memg_alarms::{Alarm, Aside, Change, Kind, List, Now, Raised, Refusal, Remembered};
use memg_history::NoteKind;
use memg_plant_io::event::{DriverEvent, EventKind};
use memg_web::wires::{AlarmAction, NoAnswer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What happens in a moment stands for this long, ms of the wall clock; hysteresis comes on top.
const MOMENT_MS: u64 = 30_000;
/// Changes of the last so many ms of plant time are looked at after a restart: as long as something is out of service at most.
const REMEMBER_MS: i64 = 30 * 86_400_000;
/// At most so many of them.
const REMEMBER: usize = 20_000;
const MINUTE_MS: f64 = 60_000.0;

/// What drivers have told so far, and the list of alarms.
#[derive(Default)]
pub(super) struct Alarms {
    /// Alarming events by kind.
    pub counts: BTreeMap<String, u64>,
    /// What lasts: told when it began, and when it ends.
    lasting: BTreeMap<(Kind, String), String>,
    /// What happened, and until when it counts as standing; the latest words.
    moments: BTreeMap<(Kind, String), (String, u64)>,
    list: List,
    shown: Arc<Vec<Alarm>>,
    shown_number: u64,
    /// The latest change in words, and when it was.
    pub last: Option<(String, i64)>,
}

/// What an event means for the list.
enum Meaning {
    Begins(Kind),
    Ends(&'static [Kind]),
    Happened(Kind),
    Nothing,
}

const fn meaning(kind: EventKind) -> Meaning {
    use Meaning::{Begins, Ends, Happened, Nothing};
    match kind {
        // Links are levels: they are read where they stand.
        EventKind::Disconnected | EventKind::UnitSilent | EventKind::Connected | EventKind::UnitBack => Nothing,
        EventKind::ForeignAnswer => Happened(Kind::Answers),
        EventKind::ConfigurationFault => Happened(Kind::Points),
        EventKind::DeviceFault => Happened(Kind::Device),
        EventKind::Applied | EventKind::Reconciled => Ends(&[Kind::Write]),
        EventKind::NotApplied
        | EventKind::Reverted
        | EventKind::WriteUnknown
        | EventKind::WriteRefused
        | EventKind::WriteRejected => Begins(Kind::Write),
        EventKind::LocalControl => Begins(Kind::Local),
        EventKind::RemoteControl => Ends(&[Kind::Local]),
        EventKind::BadMessage => Happened(Kind::Messages),
        EventKind::CommandRefused => Happened(Kind::Commands),
        EventKind::ReconnectStorm => Begins(Kind::Unstable),
        EventKind::ConnectionStable => Ends(&[Kind::Unstable]),
        // Told by the books, one balance at a time.
        EventKind::BalanceOff | EventKind::BalanceHolds => Nothing,
    }
}

fn now(at: Instants) -> Now {
    Now { mono_ms: at.now_ms, unix_ms: at.unix_ms }
}

impl Alarms {
    /// Takes an event in: a log line, a count, and what it means for the list.
    pub fn take(&mut self, event: &DriverEvent, now_ms: u64) {
        let kind = serde_json::to_value(event.kind).ok();
        let kind = kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or("unknown");
        if event.kind.is_alarm() {
            *self.counts.entry(kind.to_owned()).or_default() += 1;
            tracing::warn!(device = %event.device, kind, detail = %event.detail, "A device needs attention.");
        } else {
            tracing::debug!(device = %event.device, kind, detail = %event.detail, "A device reports.");
        }
        let about = |kind: Kind| (kind, event.device.clone());
        match meaning(event.kind) {
            Meaning::Begins(kind) => drop(self.lasting.entry(about(kind)).or_insert_with(|| event.detail.clone())),
            Meaning::Ends(kinds) => kinds.iter().for_each(|kind| drop(self.lasting.remove(&about(*kind)))),
            Meaning::Happened(kind) => {
                let until = now_ms.saturating_add(MOMENT_MS);
                let moment = self.moments.entry(about(kind)).or_insert_with(|| (event.detail.clone(), until));
                moment.1 = until;
            }
            Meaning::Nothing => {}
        }
    }

    /// A balance is off, or holds again.
    pub fn balance(&mut self, name: &str, off: bool, detail: &str) {
        let key = (Kind::Balance, name.to_owned());
        if off {
            self.lasting.insert(key, detail.to_owned());
        } else {
            self.lasting.remove(&key);
        }
    }

    /// Something that stands until the gateway ends.
    pub fn stands(&mut self, kind: Kind, name: &str, detail: &str) {
        self.lasting.insert((kind, name.to_owned()), detail.to_owned());
    }

    /// Brings the list up to date; what changed.
    pub fn observe(&mut self, facts: &Facts<'_>, notes: &Notes) -> Vec<Change> {
        let at = facts.at;
        self.moments.retain(|_, (_, until)| *until > at.now_ms);
        let lasting = self.lasting.iter().map(|((kind, name), detail)| Raised::new(*kind, name, detail));
        let moments = self.moments.iter().map(|((kind, name), (detail, _))| Raised::new(*kind, name, detail));
        let told: Vec<Raised> = lasting.chain(moments).collect();
        let changes = self.list.observe(now(at), standing::raised(facts, told));
        changes.iter().for_each(|change| self.tell(change, notes));
        changes
    }

    /// Does what a person wants with an alarm.
    pub fn act(&mut self, at: Instants, id: &str, action: &AlarmAction, by: &str) -> Result<Change, NoAnswer> {
        let after = |ms: f64| at.unix_ms.saturating_add(ms as i64);
        let done = match action {
            AlarmAction::Acknowledge => self.list.acknowledge(now(at), id, by),
            AlarmAction::Shelve { minutes, .. } => {
                self.list.put_aside(now(at), id, by, (Aside::Shelved, after(minutes * MINUTE_MS)))
            }
            AlarmAction::OutOfService { hours, .. } => {
                self.list.put_aside(now(at), id, by, (Aside::OutOfService, after(hours * 60.0 * MINUTE_MS)))
            }
            AlarmAction::Unshelve => self.list.take_back(now(at), id, by, Aside::Shelved),
            AlarmAction::ReturnToService => self.list.take_back(now(at), id, by, Aside::OutOfService),
        };
        done.map_err(|refusal| match refusal {
            Refusal::NoSuchAlarm => NoAnswer::NotFound(format!("there is no alarm {id} in the list")),
            Refusal::Already(state) => NoAnswer::Wrong(format!("{id} is {}", state.name())),
        })
    }

    /// Writes a change down.
    pub fn tell(&mut self, change: &Change, notes: &Notes) {
        let alarm = &change.alarm;
        let (id, state, by) = (alarm.id.as_str(), alarm.state.name(), change.by.as_deref().unwrap_or("nobody"));
        tracing::info!(id, state, by, text = %alarm.text, "An alarm changed.");
        self.last = Some((format!("{}: {}", state, alarm.text), change.unix_ms));
        let note = json!({
            "unix_ms": change.unix_ms, "id": id, "priority": alarm.priority, "state": state, "text": alarm.text,
            "by": change.by, "shelved_until_unix_ms": alarm.shelved_until_unix_ms,
            "out_of_service_until_unix_ms": alarm.out_of_service_until_unix_ms,
        });
        notes.write(change.unix_ms, NoteKind::Alarm, &note);
    }

    /// The list, shared with whoever looks on, and its number.
    pub fn shown(&mut self) -> (Arc<Vec<Alarm>>, u64) {
        let number = self.list.number();
        if number != self.shown_number {
            (self.shown, self.shown_number) = (Arc::new(self.list.alarms()), number);
        }
        (Arc::clone(&self.shown), number)
    }

    /// What was acknowledged or shelved before a restart counts again when it stands again.
    pub fn restore(&mut self, notes: &Notes, unix_ms: i64) {
        let Ok(found) = notes.read(NoteKind::Alarm, unix_ms.saturating_sub(REMEMBER_MS), unix_ms, REMEMBER) else {
            return;
        };
        let mut latest: BTreeMap<String, Value> = BTreeMap::new();
        for note in found {
            let Ok(value) = serde_json::from_str::<Value>(&note.json) else { continue };
            let Some(id) = value["id"].as_str().map(ToOwned::to_owned) else { continue };
            latest.entry(id).or_insert(value);
        }
        self.list.remember(latest.into_iter().filter_map(|(id, value)| remembered(id, &value)));
    }
}

fn remembered(id: String, note: &Value) -> Option<Remembered> {
    let aside = |how: Aside, key: &str| note[key].as_i64().map(|until| (how, until));
    let (by, aside) = match note["state"].as_str()? {
        "acknowledged" => (note["by"].as_str(), None),
        "shelved" => (None, aside(Aside::Shelved, "shelved_until_unix_ms")),
        "out_of_service" => (None, aside(Aside::OutOfService, "out_of_service_until_unix_ms")),
        _ => return None,
    };
    Some(Remembered { id, acknowledged_by: by.map(Into::into), aside })
}
