//! The live view: a screen that redraws itself in a terminal, plain lines elsewhere.

use memg_control::cycle::{CycleDecision, CycleInput};
use memg_core::calendar::LocalTime;
use memg_core::constraint::Rule;
use memg_core::forecast::{ForecastMae, LEADS_H};
use memg_core::measurement::Measurement;
use memg_core::plant_state::{BatteryState, ChpState, PlantState};
use memg_core::safety::Intervention;
use memg_core::units::Soc;
use memg_daemon::view::View;
use memg_plant_io::modbus::DeviceState;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::watch;

/// Least time between two redraws.
const REDRAW: Duration = Duration::from_millis(200);
/// Width of a bar, characters.
const BAR: usize = 24;

/// What a screen shows beside the views.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// Name of the site.
    pub site: String,
    /// How to log in at the operator's station, where the demonstration made it up.
    pub log_in: Option<String>,
}

/// Shows views until their sender is gone; on a screen if there is a terminal.
pub(super) async fn show(mut views: watch::Receiver<View>, screen: Option<Screen>, quiet: bool) {
    if screen.is_some() {
        // alternate screen, cursor hidden
        emit("\x1b[?1049h\x1b[?25l");
    }
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        match &screen {
            Some(screen) => {
                emit(&draw(screen, &view));
                tokio::time::sleep(REDRAW).await;
            }
            None if !quiet => line(&view),
            None => {}
        }
    }
    if screen.is_some() {
        emit("\x1b[?25h\x1b[?1049l");
    }
}

fn emit(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed terminal is no reason to stop controlling.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn plant_time(input: &CycleInput) -> String {
    let text = LocalTime { minute: input.plant_ms.div_euclid(60_000), offset_min: 0 }.to_string();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// One line a policy step.
fn line(view: &View) {
    let Some((input, d)) = view.last.as_ref().filter(|(_, d)| d.policy_step || !d.changes.is_empty()) else { return };
    let s = &input.state;
    let kw = |m: Option<f64>| m.map_or("-".to_owned(), |kw| format!("{kw:.1}"));
    let safe = d.safe.map_or("nothing".to_owned(), |safe| {
        // + 0.0 turns a rounded "-0.0" into "+0.0"
        let battery = (safe.battery().kilowatts().get() * 10.0).round() / 10.0 + 0.0;
        format!("battery {battery:+.1} CHP {:.1} kW", safe.chp().kilowatts().get())
    });
    println!(
        "{} {:<9} SoC {} load {} PV {} wind {} grid {} | {} {safe}{} | {:.2} EUR",
        plant_time(input),
        d.mode.name(),
        socs(s),
        kw(s.electric_load.usable().map(|v| v.get())),
        kw(s.pv.usable().map(|v| v.get())),
        kw(s.wind.usable().map(|v| v.get())),
        kw(s.grid.usable().map(|v| v.get())),
        if d.written { "written" } else { "not written" },
        d.interventions.first().map_or(String::new(), |i| format!(" ({})", because(i))),
        view.cost_eur,
    );
}

fn draw(screen: &Screen, view: &View) -> String {
    let site = &screen.site;
    let mut text = String::from("\x1b[H");
    let mut row = |line: String| {
        let _ = write!(text, "{line}\x1b[K\r\n");
    };
    let Some((input, d)) = &view.last else {
        row(format!("\x1b[1mmemg-gateway · {site}\x1b[0m  starting"));
        return text;
    };
    let color = if d.mode.writes() { 32 } else { 33 };
    row(format!(
        "\x1b[1mmemg-gateway · {site}\x1b[0m   {}   \x1b[{color};1m{}\x1b[0m   cycle {}   cost {:.2} EUR",
        plant_time(input),
        d.mode.name().to_uppercase(),
        view.cycle,
        view.cost_eur
    ));
    row(String::new());
    for line in measurements(input) {
        row(line);
    }
    row(String::new());
    for line in decision(d) {
        row(line);
    }
    row(String::new());
    row(format!("\x1b[1mdevices\x1b[0m   {}", connections(view)));
    if !view.forecast_mae.is_unknown() {
        row(format!("\x1b[1mforecast\x1b[0m  {}", forecast(&view.forecast_mae)));
    }
    row(format!("\x1b[1malarm\x1b[0m     {}", view.alarm().unwrap_or("none")));
    row(format!("\x1b[1mtiming\x1b[0m    {} late cycles   Ctrl-C ends", view.counts.slips));
    if let Some(station) = &view.station {
        let log_in = screen.log_in.as_deref().unwrap_or_default();
        row(format!("\x1b[1mpage\x1b[0m      {station}  {log_in}"));
    }
    text.push_str("\x1b[J");
    text
}

/// Mean absolute errors at the shortest and the longest lead.
fn forecast(mae: &ForecastMae) -> String {
    let kw = |error: Option<f64>| error.map_or("?".to_owned(), |kw| format!("{kw:.1}"));
    let each = mae.by_quantity().map(|(quantity, errors)| {
        let [first, .., last] = errors.map(kw);
        format!("{} {first} / {last}", quantity.name().trim_end_matches("_kw").replace('_', " "))
    });
    let [first, .., last] = LEADS_H;
    format!("off by {} kW on average, {first} / {last} h ahead", each.collect::<Vec<_>>().join(", "))
}

fn measurements(input: &CycleInput) -> Vec<String> {
    let s = &input.state;
    let power =
        |name: &str, m: Measurement<f64>, max: f64| format!("{name:<11}{}  {}", value(m, "kW"), bar(m.value, max));
    let mut lines = vec![
        power("PV", s.pv.map(|v| v.get()), 60.0),
        power("wind", s.wind.map(|v| v.get()), 40.0),
        power("load", s.electric_load.map(|v| v.get()), 100.0),
        power("heat", s.heat_load.map(|v| v.get()), 150.0),
    ];
    lines.extend(batteries(s).map(|(n, battery)| power(&numbered("battery", n), battery.power.map(|v| v.get()), 50.0)));
    let chps = (1..).zip(s.chps).filter(|(_, chp)| *chp != ChpState::default());
    lines.extend(chps.map(|(n, chp)| power(&numbered("CHP", n), chp.power.map(|v| v.get()), 80.0)));
    lines.push(power("grid", s.grid.map(|v| v.get()), 100.0));
    lines.extend(batteries(s).map(|(n, battery)| {
        let soc = battery.soc.map(|v| v.get() * 100.0);
        format!("{:<11}{}  {}", numbered("SoC", n), value(soc, "% "), bar(soc.value, 100.0))
    }));
    lines.push(format!(
        "{:<11}{} pu   {} Hz   import {} EUR/kWh   export {} EUR/kWh",
        "grid state",
        number(s.grid_voltage.map(|v| v.get()), 3),
        number(s.frequency.map(|v| v.get()), 3),
        number(s.import_price.map(|v| v.get()), 3),
        number(s.export_price.map(|v| v.get()), 3),
    ));
    lines
}

/// Batteries of which anything is measured, with their numbers.
fn batteries(s: &PlantState) -> impl Iterator<Item = (usize, BatteryState)> {
    (1..).zip(s.batteries).filter(|(_, battery)| *battery != BatteryState::default())
}

/// The first needs no number.
fn numbered(name: &str, number: usize) -> String {
    if number == 1 { name.to_owned() } else { format!("{name} {number}") }
}

/// States of charge in a word.
fn socs(s: &PlantState) -> String {
    let per_cent = |soc: Soc| format!("{:.0}%", soc.get() * 100.0);
    let socs: Vec<String> =
        batteries(s).map(|(_, battery)| battery.soc.usable().map_or("-".into(), per_cent)).collect();
    if socs.is_empty() { "-".into() } else { socs.join("/") }
}

fn value(m: Measurement<f64>, unit: &str) -> String {
    match (m.value, m.quality.is_usable()) {
        (Some(value), true) => format!("{value:>8.1} {unit}"),
        (Some(value), false) => format!("\x1b[31m{value:>8.1} {unit}\x1b[0m"),
        (None, _) => format!("\x1b[31m{:>8} {unit}\x1b[0m", "?"),
    }
}

fn number(m: Measurement<f64>, digits: usize) -> String {
    m.value.map_or("?".into(), |value| format!("{value:.digits$}"))
}

/// `▇` per share of the maximum; negative values are drawn in another colour.
fn bar(value: Option<f64>, max: f64) -> String {
    let value = value.unwrap_or(0.0);
    let filled = ((value.abs() / max).min(1.0) * BAR as f64).round() as usize;
    let color = if value < 0.0 { 36 } else { 34 };
    format!("\x1b[{color}m{}\x1b[0m", "▇".repeat(filled))
}

fn decision(d: &CycleDecision) -> Vec<String> {
    let mut lines = Vec::new();
    let grid = |grid: Option<f64>| grid.map_or("by balance".into(), |kw| format!("{kw:+.1} kW"));
    lines.push(match &d.request {
        Some(r) => format!(
            "\x1b[1mrequested\x1b[0m battery {:+7.2} kW   CHP {:6.2} kW   grid {}   by {}",
            r.battery.get(),
            r.chp.get(),
            grid(r.grid.map(|kw| kw.get())),
            d.decided_by
        ),
        None => "\x1b[1mrequested\x1b[0m nothing".into(),
    });
    lines.push(match &d.safe {
        Some(safe) => format!(
            "\x1b[1m{:<9}\x1b[0m battery {:+7.2} kW   CHP {:6.2} kW   renewables {}",
            if d.written { "written" } else { "shadow" },
            safe.battery().kilowatts().get(),
            safe.chp().kilowatts().get(),
            safe.renewable_limit().map_or("free".into(), |limit| format!("at most {:.1} kW", limit.kilowatts().get())),
        ),
        None => "\x1b[1mwritten\x1b[0m   nothing".into(),
    });
    let reasons: Vec<String> = d.interventions.iter().map(because).collect();
    let why = if reasons.is_empty() { "as requested".into() } else { reasons.join("; ") };
    lines.push(format!("\x1b[1mbecause\x1b[0m   {why}"));
    if let Some(fault) = &d.fault {
        lines.push(format!("\x1b[31;1mfault\x1b[0m     {}", fault.cause));
    }
    lines
}

fn because(i: &Intervention) -> String {
    format!("{}: {}", quantity(i), Rule::describe(i.rule))
}

fn quantity(i: &Intervention) -> &'static str {
    use memg_core::safety::Quantity;
    match i.quantity {
        Quantity::Battery => "battery",
        Quantity::Chp => "CHP",
        Quantity::Grid => "grid",
        Quantity::Renewables => "renewables",
    }
}

fn connections(view: &View) -> String {
    let up = |state: DeviceState| matches!(state, DeviceState::Reading | DeviceState::Controlled);
    let dot = |up: bool| if up { "\x1b[32m●\x1b[0m" } else { "\x1b[31m●\x1b[0m" };
    let mut parts: Vec<String> =
        view.devices.iter().map(|(name, state)| format!("{name} {}", dot(up(*state)))).collect();
    if let Some(up) = view.broker {
        parts.push(format!("MQTT {}", dot(up)));
    }
    parts.join("  ")
}
