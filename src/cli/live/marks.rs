//! Shapes and words for states: the same shapes as on the page, as far as a terminal has them. Each is one cell wide.

use memg_alarms::{Alarm, Priority, State};
use memg_control::mode::Mode;
use memg_core::measurement::{Measurement, Quality};
use memg_plant_io::modbus::DeviceState;
use ratatui::style::{Color, Modifier, Style};

/// A mode's shape.
pub(super) const fn mode(mode: Mode) -> char {
    match mode {
        Mode::Init => '⋯',
        Mode::Shadow => '◌',
        Mode::Auto => '▲',
        Mode::Hold => '‖',
        Mode::Fallback => '↩',
        Mode::Manual => '◆',
        Mode::SafeStop => '■',
    }
}

/// A device's shape and word.
pub(super) const fn device(state: DeviceState) -> (char, &'static str) {
    match state {
        DeviceState::Starting => ('○', "connecting"),
        DeviceState::Offline => ('✗', "DOWN"),
        DeviceState::Reading | DeviceState::Controlled => ('●', "up"),
        DeviceState::Local => ('◐', "local"),
    }
}

/// An alarm's shape: by priority; filled while nobody has seen it.
pub(super) const fn alarm(alarm: &Alarm) -> char {
    let unseen = matches!(alarm.state, State::Unacknowledged | State::Returned);
    match (alarm.priority, unseen) {
        (Priority::High, true) => '◆',
        (Priority::High, false) => '◇',
        (Priority::Medium, true) => '▲',
        (Priority::Medium, false) => '△',
        (Priority::Low, true) => '●',
        (Priority::Low, false) => '○',
    }
}

/// Where an alarm stands, in a short word.
pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Unacknowledged => "unseen",
        State::Returned => "gone",
        State::Acknowledged => "seen",
        State::Shelved => "shelved",
        State::OutOfService => "out",
        State::Normal => "over",
    }
}

/// Its colour: that of its priority while nobody has seen it.
pub(super) fn alarm_style(alarm: &Alarm) -> Style {
    let color = match alarm.priority {
        Priority::High => Color::Red,
        Priority::Medium => Color::Yellow,
        Priority::Low => Color::Magenta,
    };
    match alarm.state {
        State::Unacknowledged => Style::new().fg(color).add_modifier(Modifier::BOLD),
        State::Returned | State::Acknowledged => Style::new().fg(color),
        State::Shelved | State::OutOfService | State::Normal => Style::new().add_modifier(Modifier::DIM),
    }
}

/// What is to be said of a value beside itself; nothing of a good one.
pub(super) fn quality(m: &Measurement<f64>) -> String {
    let age_s = m.age_ms / 1000;
    match m.quality {
        Quality::Good | Quality::NotRequired => String::new(),
        Quality::Substituted => "substituted".into(),
        Quality::Stale => format!("stale {age_s} s"),
        Quality::Frozen => format!("frozen {age_s} s"),
        Quality::OutOfRange => "out of range".into(),
        Quality::CommLost => format!("lost {age_s} s"),
        Quality::NeverRead => "never read".into(),
    }
}
