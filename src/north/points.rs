//! The list of points: every measurement, set-point, state, alarm and command that SCADA can have, with its number.
//!
//! A number belongs to a name on every plant and never changes: it is the address of the Modbus register and of the object in
//! IEC 60870-5-104. What a plant does not have leaves its numbers empty. `VERSION` tells another map from this one.

use memg_core::command::Role;
use memg_core::plant_state::{Signal, Tag};

/// Version of the map; additions leave it, changes raise it.
pub const VERSION: u16 = 1;

/// What kind of value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A number in its unit: single precision on the wire.
    Number,
    /// A whole number from 0 to 65535; counters wrap.
    Count,
    /// One of named states.
    State(&'static [(u16, &'static str)]),
    /// Yes (1) or no (0).
    Flag,
    /// Words for a person, this many characters at most.
    Text(u16),
}

/// What can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Read by everybody who may look.
    Read,
    /// Written by whoever has this role or a later one; read, it is what the same principal wrote last.
    Command(Role),
}

/// One point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Its name; signals have theirs from configurations, commands begin with `command.`.
    pub name: String,
    /// Its unit; empty where there is none.
    pub unit: &'static str,
    /// What it is, in a line.
    pub text: String,
    /// What kind of value it is.
    pub shape: Shape,
    /// What can be done with it.
    pub usage: Use,
    /// Its number, from 1.
    pub number: u16,
}

/// What the list depends on.
#[derive(Debug, Clone, Default)]
pub struct Extent {
    /// Signals that are measured, with their units.
    pub signals: Vec<(Tag, &'static str)>,
    /// Number of batteries.
    pub batteries: usize,
    /// Number of CHPs.
    pub chps: usize,
    /// Kinds of alarms in their order: name and what it means.
    pub alarms: Vec<(String, String)>,
}

/// All points of a plant, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointList {
    points: Vec<Point>,
}

/// States of `mode`.
pub const MODES: &[(u16, &str)] =
    &[(0, "init"), (1, "shadow"), (2, "auto"), (3, "hold"), (4, "fallback"), (5, "manual"), (6, "safe_stop")];
/// States of `fault`.
pub const FAULTS: &[(u16, &str)] = &[(0, "none"), (1, "policy"), (2, "soft"), (3, "hard")];
/// Values of `command.mode`.
pub const WISHED_MODES: &[(u16, &str)] = &[(0, "nothing"), (1, "shadow"), (2, "manual"), (3, "auto"), (9, "safe_stop")];
/// Values of `command.outcome`.
pub const OUTCOMES: &[(u16, &str)] = &[(0, "nothing"), (1, "done"), (2, "rejected"), (3, "clamped"), (4, "expired")];

/// First number of measurements; a unit's lie [`UNIT_STRIDE`] after those of the one before.
const SIGNALS: u16 = 100;
const UNIT_STRIDE: u16 = 200;
/// Units that have numbers; histories and pages know more.
const UNITS: u16 = 9;
/// A measured number takes so many registers: two of its value, its quality, its age.
pub const NUMBER_REGISTERS: u16 = 4;
const SETPOINTS: u16 = 2000;
const ALARMS: u16 = 3000;
/// Most kinds of alarms: 16 in each of four words.
pub const ALARMS_MAX: u16 = 64;
const TEXTS: u16 = 4000;
const COMMANDS: u16 = 9000;

/// Characters of the longest text.
const TEXT: u16 = 128;

type Row = (u16, &'static str, &'static str, Shape, &'static str);

/// States and counters: number, name, unit, shape, text.
const STATES: &[Row] = &[
    (1, "map_version", "", Shape::Count, "version of this map"),
    (2, "cycle", "", Shape::Count, "heartbeat of the control loop: counts its cycles, wraps at 65536"),
    (3, "mode", "", Shape::State(MODES), "mode of the gateway"),
    (4, "armed", "", Shape::Flag, "somebody gave the gateway control of the plant"),
    (5, "latched", "", Shape::Flag, "a safe stop waits for its acknowledgement"),
    (6, "written", "", Shape::Flag, "set-points are written to the devices"),
    (7, "fault", "", Shape::State(FAULTS), "severity of the worst fault of the last cycle"),
    (8, "alarms_high", "", Shape::Count, "alarms of high priority that stand"),
    (9, "alarms_medium", "", Shape::Count, "alarms of medium priority that stand"),
    (10, "alarms_low", "", Shape::Count, "alarms of low priority that stand"),
    (11, "alarms_unacknowledged", "", Shape::Count, "alarms that nobody has acknowledged"),
    (12, "alarm_word_1", "", Shape::Count, "alarms that stand, bit by bit: kinds 0 to 15"),
    (13, "alarm_word_2", "", Shape::Count, "kinds 16 to 31"),
    (14, "alarm_word_3", "", Shape::Count, "kinds 32 to 47"),
    (15, "alarm_word_4", "", Shape::Count, "kinds 48 to 63"),
];

/// Words.
const WORDS: &[Row] = &[
    (TEXTS, "why", "", Shape::Text(TEXT), "why the gateway does what it does"),
    (TEXTS + 64, "next", "", Shape::Text(TEXT), "what comes next, and when, if nothing changes"),
    (TEXTS + 128, "control", "", Shape::Text(TEXT), "who commanded last, by which entrance, and what"),
    (TEXTS + 192, "top_alarm", "", Shape::Text(TEXT), "the worst alarm that nobody has seen"),
];

/// What stands beside the set-points of units.
const BESIDE: &[Row] = &[
    (SETPOINTS + 40, "setpoint.pv_limit_kw", "kW", Shape::Number, "cap on PV in force"),
    (SETPOINTS + 44, "setpoint.wind_limit_kw", "kW", Shape::Number, "cap on wind in force"),
    (SETPOINTS + 48, "limit.import_kw_max", "kW", Shape::Number, "most import that is allowed now"),
    (SETPOINTS + 52, "limit.export_kw_max", "kW", Shape::Number, "most export that is allowed now"),
    (SETPOINTS + 56, "cost_today_eur", "EUR", Shape::Number, "what the plant has cost since the day began"),
];

/// Commands with the least role for each.
const WISHES: &[(Row, Role)] = &[
    (
        (
            COMMANDS,
            "command.mode",
            "",
            Shape::State(WISHED_MODES),
            "mode wished; writing the same value again changes nothing",
        ),
        Role::Guard,
    ),
    (
        (COMMANDS + 1, "command.acknowledge", "", Shape::Count, "1: the safe stop was seen and its cause is gone"),
        Role::Operator,
    ),
    (
        (
            COMMANDS + 2,
            "command.arm_request",
            "",
            Shape::Count,
            "1: first step of arming; command.arm_token then holds a number",
        ),
        Role::Operator,
    ),
    ((COMMANDS + 3, "command.arm_confirm", "", Shape::Count, "second step within 30 s: that number"), Role::Operator),
    (
        (
            COMMANDS + 4,
            "command.heartbeat",
            "",
            Shape::Count,
            "another value than before within command.reversion_s keeps set-points in force",
        ),
        Role::Operator,
    ),
    (
        (
            COMMANDS + 5,
            "command.reversion_s",
            "s",
            Shape::Count,
            "without heartbeat for so long the gateway is given back control",
        ),
        Role::Operator,
    ),
    (
        (COMMANDS + 6, "command.battery_kw", "kW", Shape::Number, "battery set-point in manual mode, + = charging"),
        Role::Operator,
    ),
    ((COMMANDS + 8, "command.chp_kw", "kW", Shape::Number, "CHP set-point in manual mode"), Role::Operator),
    (
        (
            COMMANDS + 10,
            "command.import_limit_kw",
            "kW",
            Shape::Number,
            "most import; only narrows the plant's own limit",
        ),
        Role::Guard,
    ),
    (
        (
            COMMANDS + 12,
            "command.export_limit_kw",
            "kW",
            Shape::Number,
            "most export; only narrows the plant's own limit",
        ),
        Role::Guard,
    ),
    (
        (
            COMMANDS + 14,
            "command.limit_s",
            "s",
            Shape::Count,
            "limits that are written with it or after it end after so long; 0: they do not",
        ),
        Role::Guard,
    ),
    (
        (
            COMMANDS + 15,
            "command.grid_kw",
            "kW",
            Shape::Number,
            "power at the connection in manual mode, + = import; the battery gives what is missing of it",
        ),
        Role::Operator,
    ),
];

/// What a principal reads about its own commands.
const ANSWERS: &[Row] = &[
    (COMMANDS + 20, "command.outcome", "", Shape::State(OUTCOMES), "what became of this principal's last command"),
    (COMMANDS + 21, "command.arm_token", "", Shape::Count, "number for command.arm_confirm; 0: none is open"),
];

fn point(row: &Row, usage: Use) -> Point {
    let (number, name, unit, shape, text) = *row;
    Point { name: name.to_owned(), unit, text: text.to_owned(), shape, usage, number }
}

fn measured(tag: Tag, unit: &'static str) -> Option<Point> {
    let place = u16::try_from(Signal::ALL.iter().position(|signal| *signal == tag.signal())?).ok()?;
    let number = u16::try_from(tag.unit().index()).ok().filter(|index| *index < UNITS)?;
    Some(Point {
        name: tag.to_string(),
        unit,
        text: "measured".to_owned(),
        shape: Shape::Number,
        usage: Use::Read,
        number: SIGNALS + UNIT_STRIDE * number + NUMBER_REGISTERS * place,
    })
}

/// Set-point of a unit of that signal, in force.
fn setpoint(signal: Signal, unit: u16, first: u16) -> Option<Point> {
    let text =
        if signal == Signal::BatteryKw { "battery set-point in force, + = charging" } else { "CHP set-point in force" };
    Some(Point {
        name: format!("setpoint.{}", Tag::new(signal, unit)?),
        unit: "kW",
        text: text.to_owned(),
        shape: Shape::Number,
        usage: Use::Read,
        number: first + NUMBER_REGISTERS * (unit - 1),
    })
}

fn units(count: usize) -> impl Iterator<Item = u16> {
    1..=u16::try_from(count).unwrap_or(0)
}

impl PointList {
    /// The points of a plant.
    #[must_use]
    pub fn of(extent: &Extent) -> Self {
        let rows = STATES.iter().chain(WORDS).chain(BESIDE).chain(ANSWERS).map(|row| point(row, Use::Read));
        let wishes = WISHES.iter().map(|(row, role)| point(row, Use::Command(*role)));
        let signals = extent.signals.iter().filter_map(|(tag, unit)| measured(*tag, unit));
        let batteries = units(extent.batteries).filter_map(|unit| setpoint(Signal::BatteryKw, unit, SETPOINTS));
        let chps = units(extent.chps).filter_map(|unit| setpoint(Signal::ChpKw, unit, SETPOINTS + 16));
        let alarms = (0..ALARMS_MAX).zip(&extent.alarms).map(|(place, (name, text))| Point {
            name: format!("alarm.{name}"),
            unit: "",
            text: text.clone(),
            shape: Shape::Flag,
            usage: Use::Read,
            number: ALARMS + place,
        });
        let mut points: Vec<Point> =
            rows.chain(wishes).chain(signals).chain(batteries).chain(chps).chain(alarms).collect();
        points.sort_by_key(|point| point.number);
        Self { points }
    }

    /// All of them, by number.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Place of the point with that number.
    #[must_use]
    pub fn at(&self, number: u16) -> Option<usize> {
        self.points.binary_search_by_key(&number, |point| point.number).ok()
    }

    /// Place of the point of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<usize> {
        self.points.iter().position(|point| point.name == name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    fn largest() -> PointList {
        let numbers = |signal: Signal| 1..=signal.numbers_max().min(UNITS + 1);
        let tags = Signal::ALL.into_iter().flat_map(|s| numbers(s).filter_map(move |n| Tag::new(s, n)));
        let alarms = (0..70).map(|number| (format!("a{number}"), String::new())).collect();
        PointList::of(&Extent { signals: tags.map(|tag| (tag, "kW")).collect(), batteries: 4, chps: 4, alarms })
    }

    #[test]
    fn points_do_not_overlap_in_registers_and_names_are_unique() {
        let list = largest();
        let mut free = 1;
        for point in list.points() {
            assert!(point.number >= free, "{point:?} begins before {free}");
            let registers = match (point.shape, point.usage) {
                (Shape::Number, Use::Read) => NUMBER_REGISTERS,
                (Shape::Number, Use::Command(_)) => 2,
                (Shape::Text(characters), _) => characters / 2,
                (Shape::Count | Shape::State(_) | Shape::Flag, _) => 1,
            };
            free = point.number + registers;
            assert_eq!(list.named(&point.name), list.at(point.number), "{}", point.name);
        }
    }

    #[test]
    fn numbers_never_change() {
        let list = largest();
        let number = |name: &str| list.points()[list.named(name).unwrap()].number;
        let pinned = [
            ("cycle", 2),
            ("mode", 3),
            ("alarm_word_1", 12),
            ("pv_kw", 100),
            ("soc", 124),
            ("battery_kw", 128),
            ("grid_kw", 140),
            ("frequency_hz", 152),
            ("battery_2_kw", 328),
            ("pv_9_kw", 1700),
            ("setpoint.battery_kw", 2000),
            ("setpoint.chp_kw", 2016),
            ("setpoint.chp_4_kw", 2028),
            ("setpoint.pv_limit_kw", 2040),
            ("alarm.a0", 3000),
            ("why", 4000),
            ("command.mode", 9000),
            ("command.battery_kw", 9006),
            ("command.export_limit_kw", 9012),
            ("command.arm_token", 9021),
        ];
        for (name, expected) in pinned {
            assert_eq!(number(name), expected, "{name}");
        }
        assert_eq!(list.named("pv_10_kw"), None, "beyond the map");
        assert_eq!(list.named("alarm.a64"), None);
    }
}
