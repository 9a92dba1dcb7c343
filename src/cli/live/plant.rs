//! What is measured: a row each with its value, its place within the rating, its set-point, and what is to be doubted.

use super::marks;
use super::texts::{batteries, number, numbered};
use memg_control::cycle::{CycleDecision, CycleInput};
use memg_core::equipment::Plant;
use memg_core::measurement::Measurement;
use memg_core::plant_state::ChpState;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

/// Widest bar, cells.
const BAR: usize = 40;
/// Name, value, unit, set-point and doubt beside a bar, cells.
const BESIDE: usize = 11 + 9 + 3 + 1 + 13 + 14;

/// A measured value within its range.
struct Row {
    name: String,
    measured: Measurement<f64>,
    unit: &'static str,
    /// Least and largest value of a bar.
    range: (f64, f64),
    /// What was written, or would be.
    set: Option<f64>,
}

/// All rows of a plant, for so many cells.
pub(super) fn lines(plant: &Plant, input: &CycleInput, d: &CycleDecision, width: usize) -> Vec<Line<'static>> {
    let bar = width.saturating_sub(BESIDE).min(BAR);
    let mut lines: Vec<Line<'static>> = rows(plant, input, d).iter().map(|row| line(row, bar)).collect();
    let s = &input.state;
    lines.push(Line::from(format!(
        "{:<11}{} pu  {} Hz  import {}, export {} EUR/kWh",
        "grid state",
        number(s.grid_voltage.map(|v| v.get()), 3),
        number(s.frequency.map(|v| v.get()), 2),
        number(s.import_price.map(|v| v.get()), 3),
        number(s.export_price.map(|v| v.get()), 3),
    )));
    lines
}

fn rows(plant: &Plant, input: &CycleInput, d: &CycleDecision) -> Vec<Row> {
    let (s, p) = (&input.state, plant.parameters());
    let x = &p.exogenous;
    let power = |name: &str, measured: Measurement<f64>, range| Row {
        name: name.to_owned(),
        measured,
        unit: "kW",
        range,
        set: None,
    };
    let mut rows = vec![
        power("PV", s.pv.map(|v| v.get()), (0.0, x.pv_kw_nom)),
        power("wind", s.wind.map(|v| v.get()), (0.0, x.wind_kw_nom)),
        power("load", s.electric_load.map(|v| v.get()), (0.0, x.electric_load_kw_max)),
        power("heat", s.heat_load.map(|v| v.get()), (0.0, x.heat_load_kw_max)),
        power("grid", s.grid.map(|v| v.get()), (-p.grid.export_kw_max, p.grid.import_kw_max)),
    ];
    for (number, battery) in batteries(s) {
        let unit = plant.batteries().iter().nth(number - 1);
        let most = |watts: fn(&memg_core::equipment::BatteryUnit) -> f64| unit.map_or(0.0, watts);
        let range =
            (-most(|unit| unit.discharge_max.kilowatts().get()), most(|unit| unit.charge_max.kilowatts().get()));
        let set = d.safe.and_then(|safe| Some(safe.batteries().get(number - 1)?.kilowatts().get()));
        rows.push(Row { set, ..power(&numbered("battery", number), battery.power.map(|v| v.get()), range) });
        let soc = battery.soc.map(|v| v.get() * 100.0);
        rows.push(Row { unit: "%", ..power(&numbered("SoC", number), soc, (0.0, 100.0)) });
    }
    for (number, chp) in (1..).zip(s.chps).filter(|(_, chp)| *chp != ChpState::default()) {
        let max = plant.chps().iter().nth(number - 1).map_or(0.0, |unit| unit.max.kilowatts().get());
        let set = d.safe.and_then(|safe| Some(safe.chps().get(number - 1)?.power.kilowatts().get()));
        rows.push(Row { set, ..power(&numbered("CHP", number), chp.power.map(|v| v.get()), (0.0, max)) });
    }
    rows.retain(|row| !row.measured.is_absent());
    rows
}

fn line(row: &Row, bar: usize) -> Line<'static> {
    let usable = row.measured.usable().is_some();
    let value = row
        .measured
        .value
        .map_or("?".into(), |value| if usable { format!("{value:.1}") } else { format!("({value:.1})") });
    let set = row.set.map_or(String::new(), |kw| format!("set {:+.1}", (kw * 10.0).round() / 10.0 + 0.0));
    let doubt = marks::quality(&row.measured);
    let style = if usable { Style::new() } else { Style::new().add_modifier(Modifier::REVERSED) };
    let shown = row.measured.value.filter(|_| usable);
    Line::from(vec![
        Span::raw(format!("{:<11}", row.name)),
        Span::styled(format!("{value:>9}"), style),
        Span::raw(format!(" {:<2} ", row.unit)),
        Span::raw(if bar > 4 { drawn(shown, row.range, bar - 1) } else { String::new() }),
        Span::raw(format!(" {set:<12}")),
        Span::styled(doubt, style),
    ])
}

/// A bar of so many cells and a tick at zero: filled from zero to the value; hatched where none is known.
fn drawn(value: Option<f64>, (least, most): (f64, f64), cells: usize) -> String {
    let span = most - least;
    let cell = |value: f64| {
        let share = if span > 0.0 { ((value - least) / span).clamp(0.0, 1.0) } else { 0.0 };
        (share * cells as f64).round() as usize
    };
    let (zero, end) = (cell(0.0), value.map(cell));
    let mut text = String::new();
    for at in 0..=cells {
        if at == zero {
            text.push('│');
        }
        if at < cells {
            text.push(match end {
                None => '╱',
                Some(end) if (zero.min(end)..zero.max(end)).contains(&at) => '█',
                Some(_) => '·',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_from_zero_to_the_side_of_its_sign() {
        for (value, range, expected) in [
            (Some(5.0), (0.0, 10.0), "│████····"),
            (Some(-5.0), (-10.0, 10.0), "··██│····"),
            (Some(99.0), (-10.0, 10.0), "····│████"),
            (Some(1.0), (0.0, 0.0), "│········"),
            (None, (0.0, 10.0), "│╱╱╱╱╱╱╱╱"),
        ] {
            assert_eq!(drawn(value, range, 8), expected, "{value:?} in {range:?}");
        }
    }
}
