//! One plain line a policy step, where there is no screen.

use super::texts::{because, plant_time, socs};
use memg_daemon::view::View;

/// The line of this cycle, if it is worth one.
pub(super) fn of(view: &View) -> Option<String> {
    let (input, d) = view.last.as_ref().filter(|(_, d)| d.policy_step || !d.changes.is_empty())?;
    let s = &input.state;
    let kw = |m: Option<f64>| m.map_or("-".to_owned(), |kw| format!("{kw:.1}"));
    let safe = d.safe.map_or("nothing".to_owned(), |safe| {
        // + 0.0 turns a rounded "-0.0" into "+0.0"
        let battery = (safe.battery().kilowatts().get() * 10.0).round() / 10.0 + 0.0;
        format!("battery {battery:+.1} CHP {:.1} kW", safe.chp().kilowatts().get())
    });
    Some(format!(
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
    ))
}
