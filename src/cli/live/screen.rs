//! The picture: what stands where, and what gives way first on a small screen.
//!
//! The mode comes first and never gives way. A narrow screen is one column; a wide one has alarms, devices and the plan beside what is
//! measured and decided.

use super::rows::{Wish, share};
use super::texts::{because, plant_time, wrapped};
use super::{Screen, alarms, marks, plan, plant};
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_core::forecast::{ForecastMae, LEADS_H};
use memg_daemon::view::View;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use std::time::Duration;

/// From so many cells on there are two columns.
const WIDE: u16 = 100;
/// From so many rows on sections have titles.
const TALL: u16 = 30;
/// Without a cycle for so long, the picture says so.
const SILENT: Duration = Duration::from_secs(5);

/// Draws a view that is so old.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen, view: &View, age: Duration, chosen: &mut Option<usize>) {
    let area = frame.area();
    let width = usize::from(area.width);
    let (head, foot) = (head(screen, view, age, width), foot(screen, view, width));
    let heights = share(area.height, [Wish::of(1, head.len()), Wish::of(1, foot.len())]);
    let rows = [Constraint::Length(heights[0]), Constraint::Fill(1), Constraint::Length(heights[1])];
    let [top, middle, bottom] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(Paragraph::new(foot), bottom);
    let Some(last) = &view.last else { return };
    let parts = Parts { screen, view, last, tall: area.height >= TALL };
    if area.width < WIDE {
        parts.one_column(frame, middle, chosen);
    } else {
        parts.two_columns(frame, middle, chosen);
    }
}

/// Mode, site, time, cost; then why, and what comes next.
fn head(screen: &Screen, view: &View, age: Duration, width: usize) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let Some((input, d)) = &view.last else {
        return vec![Line::styled(format!("⋯ STARTING  {}", screen.site), bold)];
    };
    let mode = format!(" {} {} ", marks::mode(d.mode), d.mode.name().replace('_', " ").to_uppercase());
    let mut first = vec![Span::styled(mode, bold.add_modifier(Modifier::REVERSED))];
    if age > SILENT {
        first.push(Span::styled(format!("  no news for {} s", age.as_secs()), bold));
    }
    first.push(Span::raw(format!("  {}  {}  {:.2} EUR", screen.site, plant_time(input), view.cost_eur)));
    let mut lines = vec![Line::from(first)];
    let next = view.sentences.next.as_ref().map(|next| format!(" Next: {next}.")).unwrap_or_default();
    let why = format!("{}{next}", view.sentences.why);
    // Six rows of a small screen are too many for one sentence.
    lines.extend(wrapped(&why, width).into_iter().take(3).map(Line::from));
    lines
}

fn foot(screen: &Screen, view: &View, width: usize) -> Vec<Line<'static>> {
    let station = view.station.as_ref().map(|station| {
        let log_in = screen.log_in.as_ref().map(|log_in| format!(", {log_in}")).unwrap_or_default();
        format!("page {station}{log_in}")
    });
    let keys = if view.alarms.is_empty() { "Ctrl-C ends" } else { "up and down choose an alarm, Ctrl-C ends" };
    let counted = format!("cycle {}, {} late; {keys}", view.cycle, view.counts.slips);
    station.iter().chain([&counted]).flat_map(|text| wrapped(text, width)).map(Line::from).collect()
}

/// What is drawn between head and foot.
struct Parts<'a> {
    screen: &'a Screen,
    view: &'a View,
    last: &'a (CycleInput, CycleDecision),
    tall: bool,
}

impl Parts<'_> {
    fn one_column(&self, frame: &mut Frame<'_>, area: Rect, chosen: &mut Option<usize>) {
        let width = usize::from(area.width);
        let (measured, decided) = (self.measured(width), self.decided(width));
        let (devices, forecast) = (self.devices_in_a_row(width), self.forecast(width));
        let title = usize::from(self.tall);
        let wishes = [
            Wish::of(1, devices.len() + title),
            Wish::of(2, decided.len() + title),
            Wish::of(0, measured.len() + title),
        ];
        let plan = self.view.planned.as_ref().map_or(0, |_| plan::ROWS + title);
        let rest = [Wish::of(0, plan), Wish::of(0, forecast.len())];
        let ([device_rows, decided_rows, measured_rows], alarm_rows, [plan_rows, forecast_rows]) =
            self.around_the_alarms((area.height, width), *chosen, wishes, rest);
        let rows = [alarm_rows, measured_rows, decided_rows, device_rows, plan_rows, forecast_rows];
        let areas: [Rect; 6] = Layout::vertical(rows.map(Constraint::Length)).areas(area);
        self.alarms(frame, areas[0], chosen);
        self.section(frame, areas[1], "measured", measured);
        self.section(frame, areas[2], "decided", decided);
        self.section(frame, areas[3], "devices", devices);
        self.plan(frame, areas[4]);
        frame.render_widget(Paragraph::new(forecast), areas[5]);
    }

    fn two_columns(&self, frame: &mut Frame<'_>, area: Rect, chosen: &mut Option<usize>) {
        let columns = [Constraint::Percentage(54), Constraint::Length(2), Constraint::Fill(1)];
        let [left, _, right] = Layout::horizontal(columns).areas(area);
        let (width, beside) = (usize::from(left.width), usize::from(right.width));
        let (measured, decided) = (self.measured(width), self.decided(width));
        let title = usize::from(self.tall);
        let [measured_rows, decided_rows] =
            share(left.height, [Wish::of(0, measured.len() + title), Wish::of(0, decided.len() + title)]);
        let rows = [Constraint::Length(measured_rows), Constraint::Length(decided_rows)];
        let [upper, lower] = Layout::vertical(rows).areas(left);
        self.section(frame, upper, "measured", measured);
        self.section(frame, lower, "decided", decided);
        let (devices, forecast) = (self.devices(), self.forecast(beside));
        let plan = self.view.planned.as_ref().map_or(0, |_| plan::ROWS + title);
        let (wish, rest) = ([Wish::of(2, devices.len() + title)], [Wish::of(0, plan), Wish::of(0, forecast.len())]);
        let ([device_rows], alarm_rows, [plan_rows, forecast_rows]) =
            self.around_the_alarms((right.height, beside), *chosen, wish, rest);
        let rows = [alarm_rows, device_rows, plan_rows, forecast_rows];
        let areas: [Rect; 4] = Layout::vertical(rows.map(Constraint::Length)).areas(right);
        self.alarms(frame, areas[0], chosen);
        self.section(frame, areas[1], "devices", devices);
        self.plan(frame, areas[2]);
        frame.render_widget(Paragraph::new(forecast), areas[3]);
    }

    /// Rows of what comes before the alarms have all that they want, of the alarms, and of what comes after. The title and
    /// two alarms, or the chosen one, come before anything.
    fn around_the_alarms<const N: usize, const M: usize>(
        &self,
        (rows, width): (u16, usize),
        chosen: Option<usize>,
        before: [Wish; N],
        after: [Wish; M],
    ) -> ([u16; N], u16, [u16; M]) {
        let all = &self.view.alarms;
        let least = chosen.map_or(all.len().min(2), |at| alarms::rows_of(all.get(at).or(all.last()), width));
        let [few] = share(rows, [Wish::of(u16::MAX, 1 + least)]);
        let first = share(rows - few, before);
        let left = rows - few - first.iter().sum::<u16>();
        let (short, whole) = (least + all.len(), 1 + alarms::rows(all, width));
        let wanted = if whole <= usize::from(few + left) { whole } else { short };
        let [more] = share(left, [Wish::of(0, wanted.saturating_sub(usize::from(few)))]);
        (first, few + more, share(left - more, after))
    }

    fn alarms(&self, frame: &mut Frame<'_>, area: Rect, chosen: &mut Option<usize>) {
        let at = self.view.at;
        let list = self.titled(frame, area, &alarms::title(&self.view.alarms));
        alarms::draw(frame, list, &self.view.alarms, at.plant_ms - at.unix_ms, chosen);
    }

    fn plan(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(planned) = self.view.planned.as_ref().filter(|_| area.height > 0) else { return };
        let hours = planned.plan.soc.len() as f64 * planned.plan.entry_min / 60.0;
        let rows = if self.tall { self.titled(frame, area, &format!("planned, {hours:.0} h ahead")) } else { area };
        plan::draw(frame, rows, planned);
    }

    /// Lines under a title where there is room for titles. The last row says what did not fit.
    fn section(&self, frame: &mut Frame<'_>, area: Rect, title: &str, mut lines: Vec<Line<'static>>) {
        let rows = if self.tall { self.titled(frame, area, title) } else { area };
        let height = usize::from(rows.height);
        if lines.len() > height && height > 0 {
            let hidden = lines.len() - height + 1;
            lines.truncate(height - 1);
            lines.push(Line::from(format!("… and {hidden} more rows")));
        }
        frame.render_widget(Paragraph::new(lines), rows);
    }

    /// A title with a rule; what is left below it.
    fn titled(&self, frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
        let [first, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let rule = "─".repeat(usize::from(area.width).saturating_sub(title.chars().count() + 1));
        let title = Span::styled(title.to_owned(), Style::new().add_modifier(Modifier::BOLD));
        let dim = Style::new().add_modifier(Modifier::DIM);
        frame.render_widget(Line::from(vec![title, Span::styled(format!(" {rule}"), dim)]), first);
        rest
    }

    fn measured(&self, width: usize) -> Vec<Line<'static>> {
        plant::lines(&self.screen.plant, &self.last.0, &self.last.1, width)
    }

    /// What was asked, what became of it and why.
    fn decided(&self, width: usize) -> Vec<Line<'static>> {
        let d = &self.last.1;
        let grid = |kw: Option<f64>| kw.map_or(String::new(), |kw| format!(", grid {kw:+.1}"));
        let asked = d.request.as_ref().map_or("nothing".to_owned(), |r| {
            let grid = grid(r.grid.map(|kw| kw.get()));
            format!("battery {:+.1}, CHP {:.1}{grid} kW by {}", r.battery.get(), r.chp.get(), d.decided_by)
        });
        let safe = d.safe.as_ref().map_or("nothing".to_owned(), |safe| {
            let limit = safe.renewable_limit().map(|limit| format!(", renewables {:.1}", limit.kilowatts().get()));
            let (battery, chp) = (safe.battery().kilowatts().get(), safe.chp().kilowatts().get());
            format!("battery {battery:+.1}, CHP {chp:.1}{} kW", limit.unwrap_or_default())
        });
        let reasons: Vec<String> = d.interventions.iter().map(because).collect();
        let why = if reasons.is_empty() { "as asked".to_owned() } else { reasons.join("; ") };
        let done = if d.written { "written" } else { "not sent" };
        let texts = [("asked", asked), (done, safe), ("because", why)];
        let fault = d.fault.as_ref().map(|fault| ("fault", fault.cause.clone()));
        texts.into_iter().chain(fault).flat_map(|(name, text)| named(name, &text, width)).collect()
    }

    /// Name, shape and word of each, one after the other.
    fn devices_in_a_row(&self, width: usize) -> Vec<Line<'static>> {
        let told = |(name, mark, word): (String, char, &str)| format!("{mark}\u{a0}{name}\u{a0}{word}");
        let all: Vec<String> = self.states().into_iter().map(told).collect();
        wrapped(&all.join("  "), width).into_iter().map(Line::from).collect()
    }

    fn devices(&self) -> Vec<Line<'static>> {
        let counted = |name: &str| {
            let counted = self.view.counters.get(name);
            counted.map(|c| format!("{} reads, {} missed, {} writes", c.polls, c.polls_missed, c.writes))
        };
        let told = |(name, mark, word): (String, char, &str)| {
            let counts = counted(&name).unwrap_or_default();
            Line::from(format!("{mark} {name:<10} {word:<5} {counts}"))
        };
        self.states().into_iter().map(told).collect()
    }

    fn states(&self) -> Vec<(String, char, &'static str)> {
        let devices = self.view.devices.iter().map(|(name, state)| {
            let (mark, word) = marks::device(*state);
            (name.clone(), mark, word)
        });
        let broker = self.view.broker.map(|up| ("MQTT".to_owned(), if up { '●' } else { '✗' }, word(up)));
        devices.chain(broker).collect()
    }

    /// Mean absolute errors at the shortest and the longest lead.
    fn forecast(&self, width: usize) -> Vec<Line<'static>> {
        let mae: &ForecastMae = &self.view.forecast_mae;
        if mae.is_unknown() {
            return Vec::new();
        }
        let kw = |error: Option<f64>| error.map_or("?".to_owned(), |kw| format!("{kw:.1}"));
        let each = mae.by_quantity().map(|(quantity, errors)| {
            let [first, .., last] = errors.map(kw);
            format!("{} {first} / {last}", quantity.name().trim_end_matches("_kw").replace('_', " "))
        });
        let [first, .., last] = LEADS_H;
        let each = each.collect::<Vec<_>>().join(", ");
        named("forecast", &format!("off by {each} kW on average, {first} / {last} h ahead"), width)
    }
}

const fn word(up: bool) -> &'static str {
    if up { "up" } else { "DOWN" }
}

/// A name before a text that may take several rows.
fn named(name: &str, text: &str, width: usize) -> Vec<Line<'static>> {
    let rows = wrapped(text, width.saturating_sub(10));
    let line = |(at, text): (usize, &String)| {
        let name = if at == 0 { name } else { "" };
        Line::from(vec![
            Span::styled(format!("{name:<10}"), Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(text.clone()),
        ])
    };
    rows.iter().enumerate().map(line).collect()
}
