//! What the policy expects of the hours ahead: SoC and prices as rows of bars, with their least and largest value in figures.

use memg_daemon::view::Planned;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

/// Name and figures beside the bars, cells.
const BESIDE: u16 = 30;
/// A bar has so many heights; the least value still shows.
const HEIGHTS: f64 = 8.0;

/// Rows that it fills.
pub(super) const ROWS: usize = 3;

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, planned: &Planned) {
    let plan = &planned.plan;
    let per_cent: Vec<f64> = plan.soc.iter().map(|soc| 100.0 * soc).collect();
    let rows = [
        ("SoC", per_cent, 0, "%"),
        ("import", plan.import_price_eur_per_kwh.clone(), 3, "EUR/kWh"),
        ("export", plan.export_price_eur_per_kwh.clone(), 3, "EUR/kWh"),
    ];
    let areas = area.rows();
    for (row, area) in rows.iter().filter(|(_, values, ..)| !values.is_empty()).zip(areas) {
        let (name, values, digits, unit) = row;
        let [beside, bars] = Layout::horizontal([Constraint::Length(BESIDE), Constraint::Fill(1)]).areas(area);
        let (least, most) = extent(values);
        frame.render_widget(Line::from(format!("{name:<7}{least:.digits$} to {most:.digits$} {unit}")), beside);
        frame.render_widget(Sparkline::default().data(heights(values)).max(HEIGHTS as u64), bars);
    }
}

fn extent(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| (least.min(*v), most.max(*v)))
}

/// From 1 for the least value to 8 for the largest.
fn heights(values: &[f64]) -> Vec<u64> {
    let (least, most) = extent(values);
    let share = |value: f64| if most > least { (value - least) / (most - least) } else { 0.5 };
    values.iter().map(|value| (1.0 + share(*value) * (HEIGHTS - 1.0)).round() as u64).collect()
}
