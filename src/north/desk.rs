//! The desk: the one place where what a protocol writes becomes commands for control's door.
//!
//! - A write is judged by the role that a point asks for, by its range, and, for principals that nobody has authenticated, by
//!   whether it narrows.
//! - `command.mode` counts when it changes: a master that writes the same value in every cycle gives one command, so that two masters
//!   do not fight. Whoever gave the last mode command has control; set-points of others are refused by control's door.
//! - Set-points are kept while `command.heartbeat` changes within `command.reversion_s`; without it the gateway is given back control.

use crate::hold::Hold;
use crate::points::{Point, PointList, Shape, Use};
use crate::wires::{Ask, Reading, Snapshot};
use memg_core::command::{Command, CommandBody, ExchangeLimits, GridOrder, Means, Outcome, Role};
use memg_core::setpoints::Setpoints;
use memg_core::units::Kilowatts;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

/// A cycle takes commands within this time, or it does not; below what masters wait for an answer.
const TAKEN_WITHIN: Duration = Duration::from_secs(3);
/// No plant of this kind has more, kW.
const POWER_KW_MAX: f64 = 1e6;
/// Longest time without heartbeat that a master may ask for, s.
const REVERSION_S_MAX: f64 = 3600.0;
/// Powers in manual mode.
const POWERS: &[&str] = &["command.battery_kw", "command.chp_kw", "command.grid_kw"];
/// How often it is looked whether set-points have expired.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// As the configuration names it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// By which entrance it came.
    pub means: Means,
    /// A certificate or password has shown that it is who it says; an address alone has not.
    pub authenticated: bool,
}

/// Why a write is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing to write.
    NotWritable,
    /// The value cannot be.
    OutOfRange(String),
    /// This principal may not.
    Forbidden(String),
    /// Control says no.
    Rejected(String),
    /// Control has not answered.
    Busy(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotWritable => f.write_str("nothing that can be written"),
            Self::OutOfRange(why) | Self::Forbidden(why) | Self::Rejected(why) | Self::Busy(why) => f.write_str(why),
        }
    }
}

/// The desk; clones are the same desk.
#[derive(Debug, Clone)]
pub struct Desk {
    list: Arc<PointList>,
    live: watch::Receiver<Arc<Snapshot>>,
    asks: mpsc::Sender<Ask>,
    /// Wakes the control loop, so that a master need not wait for the next cycle.
    wished: Arc<Notify>,
    holds: Arc<Mutex<BTreeMap<String, Hold>>>,
    last_id: Arc<AtomicU64>,
}

impl Desk {
    /// A desk that passes commands to `asks` and says so to `wished`.
    #[must_use]
    pub fn new(
        list: Arc<PointList>,
        live: watch::Receiver<Arc<Snapshot>>,
        asks: mpsc::Sender<Ask>,
        wished: Arc<Notify>,
    ) -> Self {
        Self { list, live, asks, wished, holds: Arc::default(), last_id: Arc::default() }
    }

    /// Takes what was written in one request: all of it is judged before anything is done. Values are by place in the list.
    ///
    /// # Errors
    /// Why it is not in force. Of several commands in one request those before the refused one are.
    pub async fn write(&self, by: &Principal, values: &[(usize, f64)]) -> Result<(), Refusal> {
        for (place, value) in values {
            self.check(by, *place, *value)?;
        }
        for body in self.bodies(by, values)? {
            let outcome = self.command(by, body).await?;
            self.note(by, body, &outcome);
            if let Outcome::Rejected { reason } = outcome {
                return Err(Refusal::Rejected(reason));
            }
        }
        Ok(())
    }

    /// The same for protocols whose writes are events and no registers: what is given again counts again.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn give(&self, by: &Principal, place: usize, value: f64) -> Result<(), Refusal> {
        self.check(by, place, value)?;
        self.holds().entry(by.name.clone()).or_default().values.remove(&place);
        self.write(by, &[(place, value)]).await
    }

    /// What this principal wrote last, and what it reads of its own commands. `None`: not such a point.
    #[must_use]
    pub fn written(&self, by: &Principal, place: usize) -> Option<Reading> {
        let point = self.list.points().get(place)?;
        let holds = self.holds();
        let hold = holds.get(&by.name);
        let value = match (point.name.as_str(), point.usage) {
            ("command.outcome", _) => hold.map_or(0.0, |hold| f64::from(hold.outcome())),
            ("command.arm_token", _) => hold.map_or(0.0, |hold| f64::from(hold.token(Instant::now()))),
            ("command.reversion_s", _) => hold.map_or(crate::hold::REVERSION, Hold::reversion).as_secs_f64(),
            (_, Use::Command(_)) => hold.and_then(|hold| hold.values.get(&place).copied()).unwrap_or(0.0),
            (_, Use::Read) => return None,
        };
        Some(Reading::own(value))
    }

    /// Time without heartbeat after which set-points of this principal expire.
    #[must_use]
    pub fn reversion(&self, by: &Principal) -> Duration {
        self.holds().get(&by.name).map_or(crate::hold::REVERSION, Hold::reversion)
    }

    /// Time until set-points expire that this principal keeps; `None`: it keeps none.
    #[must_use]
    pub fn remaining(&self, by: &Principal) -> Option<Duration> {
        self.holds().get(&by.name).and_then(|hold| hold.remaining(Instant::now()))
    }

    /// Gives control back for whoever keeps set-points and is not heard any more, until the sender of snapshots is gone.
    pub async fn watch(self) {
        while self.live.has_changed().is_ok() {
            for by in self.expired() {
                tracing::warn!(
                    principal = by.name,
                    "No heartbeat: its set-points expire, the gateway takes control back."
                );
                if let Err(refusal) = self.command(&by, CommandBody::Auto).await {
                    tracing::warn!(principal = by.name, %refusal, "Control could not be given back.");
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn holds(&self) -> MutexGuard<'_, BTreeMap<String, Hold>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Principals whose set-points have expired and who still have control; their hold ends here.
    fn expired(&self) -> Vec<Principal> {
        let (now, in_charge) = (Instant::now(), self.live.borrow().in_charge.clone());
        let mut expired = Vec::new();
        for (name, hold) in self.holds().iter_mut().filter(|(_, hold)| hold.has_expired(now)) {
            hold.let_go();
            self.forget(hold, POWERS);
            // Somebody else may have taken over meanwhile.
            if let Some((_, means)) = in_charge.as_ref().filter(|(holder, _)| holder == name) {
                hold.note_expired();
                expired.push(Principal {
                    name: name.clone(),
                    role: Role::Operator,
                    means: *means,
                    authenticated: true,
                });
            }
        }
        expired
    }

    fn check(&self, by: &Principal, place: usize, value: f64) -> Result<(), Refusal> {
        let point = self.list.points().get(place).ok_or(Refusal::NotWritable)?;
        let Use::Command(least) = point.usage else { return Err(Refusal::NotWritable) };
        if by.role < least {
            let (name, role, least) = (&by.name, by.role.name(), least.name());
            return Err(Refusal::Forbidden(format!("{name} is {role}; {} takes the role {least}", point.name)));
        }
        in_range(point, value)?;
        self.narrows(by, point, value)
    }

    /// An address authenticates nobody: without more it may stop the plant safely and narrow its limits.
    fn narrows(&self, by: &Principal, point: &Point, value: f64) -> Result<(), Refusal> {
        let forbidden = |what: &str| Err(Refusal::Forbidden(format!("{} is not authenticated: {what}", by.name)));
        let wider = |limit: &str| self.reading(limit).is_none_or(|kw| value > kw + 1e-6);
        match point.name.as_str() {
            _ if by.authenticated => Ok(()),
            "command.mode" if value != 9.0 && value != 0.0 => forbidden("it may only stop safely"),
            // An order for a time takes the place of the one before, which may last longer.
            "command.limit_s" if value != 0.0 => forbidden("it may only narrow until somebody widens"),
            "command.import_limit_kw" if wider("limit.import_kw_max") => forbidden("it may only narrow the limit"),
            "command.export_limit_kw" if wider("limit.export_kw_max") => forbidden("it may only narrow the limit"),
            _ => Ok(()),
        }
    }

    fn reading(&self, name: &str) -> Option<f64> {
        let place = self.list.named(name)?;
        self.live.borrow().readings.get(place)?.value
    }

    /// Commands that follow from what was written, in its order; powers and limits last. Writes it down.
    fn bodies(&self, by: &Principal, values: &[(usize, f64)]) -> Result<Vec<CommandBody>, Refusal> {
        let mut holds = self.holds();
        let hold = holds.entry(by.name.clone()).or_default();
        let mut bodies = Vec::new();
        let mut powers = None;
        let mut limits = None;
        for (place, value) in values {
            let changed = hold.values.insert(*place, *value) != Some(*value);
            let name = self.list.points().get(*place).map_or("", |point| point.name.as_str());
            match name {
                "command.battery_kw" | "command.chp_kw" if changed || !hold.holds() => powers = powers.or(Some(name)),
                "command.grid_kw" if changed || !hold.holds() => powers = Some(name),
                "command.import_limit_kw" => limits.get_or_insert([None, None])[0] = Some(*value),
                "command.export_limit_kw" => limits.get_or_insert([None, None])[1] = Some(*value),
                _ => bodies.extend(single(hold, name, *value, changed)?),
            }
            if name == "command.mode" && changed {
                // Another turn: powers of the one before are nobody's wish any more.
                self.forget(hold, POWERS);
            }
        }
        let written = |name: &str| self.list.named(name).and_then(|place| hold.values.get(&place).copied());
        bodies.extend(powers.map(|name| self.setpoints(name == "command.grid_kw", written)));
        bodies.extend(limits.map(|limits| self.limits(limits, written("command.limit_s"))));
        Ok(bodies)
    }

    /// Powers as written; the one that was not stays as it is.
    fn setpoints(&self, at_connection: bool, written: impl Fn(&str) -> Option<f64>) -> CommandBody {
        let kw = |wished: &str, present: &str| {
            Kilowatts::new(written(wished).or_else(|| self.reading(present)).unwrap_or(0.0))
        };
        CommandBody::Setpoints(Setpoints {
            battery: kw("command.battery_kw", "setpoint.battery_kw"),
            chp: kw("command.chp_kw", "setpoint.chp_kw"),
            grid: written("command.grid_kw").filter(|_| at_connection).map(Kilowatts::new),
        })
    }

    /// Limits as written, import and export, for a time or until they are changed; the one that was not written stays as it
    /// is, whoever set it.
    fn limits(&self, [import, export]: [Option<f64>; 2], for_s: Option<f64>) -> CommandBody {
        let for_s = for_s.filter(|seconds| *seconds > 0.0);
        let live = self.live.borrow();
        let present = if for_s.is_some() { live.ordered } else { live.limits };
        let limits = ExchangeLimits {
            import_kw_max: import.or(present.import_kw_max),
            export_kw_max: export.or(present.export_kw_max),
        };
        for_s.map_or(CommandBody::Limits(limits), |for_s| CommandBody::GridLimit(GridOrder { limits, for_s }))
    }

    async fn command(&self, by: &Principal, body: CommandBody) -> Result<Outcome, Refusal> {
        let time_unix_ms = u64::try_from(self.live.borrow().unix_ms).unwrap_or(0);
        let id = format!("{}-{}", by.means.name(), self.last_id.fetch_add(1, Ordering::Relaxed));
        let command = Command { principal: by.name.clone(), role: by.role, means: by.means, id, time_unix_ms, body };
        let (answer, answered) = oneshot::channel();
        let busy = |why: &str| Refusal::Busy(why.to_owned());
        self.asks.try_send(Ask { command, answer }).map_err(|_| busy("too many commands wait for control"))?;
        self.wished.notify_one();
        match tokio::time::timeout(TAKEN_WITHIN, answered).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_)) => Err(busy("control did not take it")),
            Err(_) => Err(busy("control has not answered in time; read the state before writing again")),
        }
    }

    /// Writes down what became of a command: who keeps what from here on.
    fn note(&self, by: &Principal, body: CommandBody, outcome: &Outcome) {
        let mut holds = self.holds();
        let hold = holds.entry(by.name.clone()).or_default();
        hold.note(outcome);
        let refused = matches!(outcome, Outcome::Rejected { .. });
        match body {
            // What was refused may be asked for again.
            CommandBody::Setpoints(_) if refused => self.forget(hold, POWERS),
            CommandBody::Limits(_) | CommandBody::GridLimit(_) if refused => {}
            _ if refused => self.forget(hold, &["command.mode"]),
            CommandBody::Manual | CommandBody::Setpoints(_) => hold.take(Instant::now()),
            CommandBody::Auto | CommandBody::Shadow | CommandBody::SafeStop => hold.let_go(),
            CommandBody::Arm | CommandBody::Limits(_) | CommandBody::GridLimit(_) | CommandBody::Acknowledge => {}
        }
    }

    fn forget(&self, hold: &mut Hold, names: &[&str]) {
        for place in names.iter().filter_map(|name| self.list.named(name)) {
            hold.values.remove(&place);
        }
    }
}

/// What one value alone does, and the command that follows from it.
fn single(hold: &mut Hold, name: &str, value: f64, changed: bool) -> Result<Option<CommandBody>, Refusal> {
    let now = Instant::now();
    match name {
        "command.mode" if changed => return Ok(mode(value)),
        "command.acknowledge" if value == 1.0 => return Ok(Some(CommandBody::Acknowledge)),
        "command.arm_request" if value == 1.0 => hold.open_token(token()?, now),
        "command.arm_confirm" if value != 0.0 => {
            return if hold.confirm(value, now) { Ok(Some(CommandBody::Arm)) } else { Err(not_the_token()) };
        }
        "command.heartbeat" if changed => hold.heartbeat(now),
        "command.reversion_s" => hold.set_reversion(Duration::from_secs_f64(value)),
        _ => {}
    }
    Ok(None)
}

fn mode(value: f64) -> Option<CommandBody> {
    match value as u16 {
        1 => Some(CommandBody::Shadow),
        2 => Some(CommandBody::Manual),
        3 => Some(CommandBody::Auto),
        9 => Some(CommandBody::SafeStop),
        _ => None,
    }
}

fn token() -> Result<u16, Refusal> {
    let number = getrandom::u32().map_err(|_| Refusal::Busy("no random numbers are available".to_owned()))?;
    Ok((number % 65_535) as u16 + 1)
}

fn not_the_token() -> Refusal {
    Refusal::Rejected("that is not the open number of command.arm_token, or its 30 s are over".to_owned())
}

fn in_range(point: &Point, value: f64) -> Result<(), Refusal> {
    let whole = value.fract() == 0.0 && (0.0..=65_535.0).contains(&value);
    let (least, most) = match point.name.as_str() {
        "command.battery_kw" | "command.grid_kw" => (-POWER_KW_MAX, POWER_KW_MAX),
        "command.reversion_s" => (1.0, REVERSION_S_MAX),
        _ if point.shape == Shape::Number => (0.0, POWER_KW_MAX),
        _ => (0.0, 65_535.0),
    };
    let fits = match point.shape {
        Shape::Number => (least..=most).contains(&value),
        Shape::Count => whole && (least..=most).contains(&value),
        Shape::State(states) => states.iter().any(|(number, _)| f64::from(*number) == value),
        Shape::Flag => value == 0.0 || value == 1.0,
        Shape::Text(_) => false,
    };
    let wrong = || Refusal::OutOfRange(format!("{} cannot be {value}", point.name));
    if fits { Ok(()) } else { Err(wrong()) }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
