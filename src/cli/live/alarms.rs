//! The list of alarms: the worst that nobody has seen on top, each a row; with room, or when chosen, all that it says.

use super::marks;
use super::texts::{cut, wrapped};
use memg_alarms::{Alarm, State};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{List, ListItem, ListState};

/// Mark, priority, state and time before an alarm's text, cells.
const BEFORE: usize = 2 + 7 + 8 + 6;
/// What stands under an alarm is moved in by so much.
const INDENT: usize = 4;

/// `alarms: 3, 1 unseen`.
pub(super) fn title(alarms: &[Alarm]) -> String {
    let unseen = alarms.iter().filter(|alarm| is_unseen(alarm)).count();
    match (alarms.len(), unseen) {
        (0, _) => "alarms: none".into(),
        (all, 0) => format!("alarms: {all}, all seen"),
        (all, unseen) => format!("alarms: {all}, {unseen} unseen"),
    }
}

const fn is_unseen(alarm: &Alarm) -> bool {
    matches!(alarm.state, State::Unacknowledged | State::Returned)
}

/// Rows of the list where each alarm says all that it says.
pub(super) fn rows(alarms: &[Alarm], width: usize) -> usize {
    alarms.iter().map(|alarm| rows_of(Some(alarm), width)).sum()
}

/// Rows of an alarm that says all that it says.
pub(super) fn rows_of(alarm: Option<&Alarm>, width: usize) -> usize {
    alarm.map_or(0, |alarm| whole(alarm, 0, width).lines.len())
}

/// Draws the list; `chosen` is kept within it. `offset_ms` is local time beyond UTC.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, alarms: &[Alarm], offset_ms: i64, chosen: &mut Option<usize>) {
    *chosen = chosen.filter(|_| !alarms.is_empty()).map(|chosen| chosen.min(alarms.len().saturating_sub(1)));
    let width = usize::from(area.width);
    let fits = rows(alarms, width) <= usize::from(area.height);
    let item = |(at, alarm): (usize, &Alarm)| {
        if !fits && Some(at) != *chosen {
            return ListItem::new(short(alarm, offset_ms, width));
        }
        let mut text = whole(alarm, offset_ms, width);
        // A list does not show what is taller than itself.
        text.lines.truncate(usize::from(area.height).max(1));
        ListItem::new(text)
    };
    let list = List::new(alarms.iter().enumerate().map(item));
    let list = list.highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = ListState::default().with_selected(*chosen);
    frame.render_stateful_widget(list, area, &mut state);
}

fn before(alarm: &Alarm, offset_ms: i64) -> String {
    let minute = (alarm.since_unix_ms + offset_ms).div_euclid(60_000).rem_euclid(1440);
    let (priority, state) = (alarm.priority.name(), marks::state(alarm.state));
    format!("{} {priority:<6} {state:<7} {:02}:{:02} ", marks::alarm(alarm), minute / 60, minute % 60)
}

fn short(alarm: &Alarm, offset_ms: i64, width: usize) -> Line<'static> {
    let text = cut(&alarm.text, width.saturating_sub(BEFORE));
    Line::styled(format!("{}{text}", before(alarm, offset_ms)), marks::alarm_style(alarm))
}

fn whole(alarm: &Alarm, offset_ms: i64, width: usize) -> Text<'static> {
    let style = marks::alarm_style(alarm);
    let mut texts = wrapped(&alarm.text, width.saturating_sub(BEFORE)).into_iter();
    let first = texts.next().unwrap_or_default();
    let mut lines = vec![Line::styled(format!("{}{first}", before(alarm, offset_ms)), style)];
    lines.extend(texts.map(|text| Line::styled(format!("{}{text}", " ".repeat(BEFORE)), style)));
    let advice = wrapped(&alarm.advice, width.saturating_sub(INDENT));
    lines.extend(advice.into_iter().map(|text| Line::from(Span::raw(format!("{}{text}", " ".repeat(INDENT))))));
    Text::from(lines)
}
