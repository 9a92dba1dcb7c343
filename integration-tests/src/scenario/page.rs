//! `docs/scenarios.md`, made from the table.

use super::{Back, Scenario, table};
use std::fmt::Write as _;

const HEAD: &str = "# Scenarios\n
What happens to a plant when something goes wrong, row by row: made from `integration-tests/scenarios.toml` by a test (`MEMG_BLESS=1 cargo test -p
memg-integration-tests --test scenarios` writes it anew), and played by `integration-tests/campaign --scenarios`, which starts the gateway's program for each row, arms it,
lets it happen and judges mode, time, alarm and recovery. A monitor at the plant sees every register write of every row: whole watts within ratings, limits of the
connection, of the state of charge and of the frequency by what the plant really does, no move beyond the ramp, control beginning at the measured power, and nothing at all before
somebody has armed, after a kill, or where a row says so. Where nothing else is said a network decides that asks for everything at once and for the opposite as soon as the load
trembles. Afterwards the journal is verified and replayed.

A cycle lasts 0.2 s. *Within*: so many of the gateway's own cycles, which contain the configured times three times over, so that a busy machine fails nobody.
*Back*: by itself; or after an operator acknowledged (when the cause is gone) and armed; or armed again; or it never left.

| at | what happens | leads to | within | alarm | back |
|---|---|---|---|---|---|
";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut rows = table();
    let places = ["modbus", "mqtt", "web", "north", "machine", "start"];
    rows.sort_by_key(|row| places.iter().position(|place| *place == row.at));
    let mut page = HEAD.to_owned();
    for row in &rows {
        let _ = writeln!(page, "{}", line(row));
    }
    let _ =
        writeln!(page, "\n{} rows. Steps and expectations in full: `integration-tests/scenarios.toml`.", rows.len());
    page
}

fn line(row: &Scenario) -> String {
    let back = match row.back {
        Back::Itself => format!("by itself, to {}", row.to),
        Back::Acknowledged => "acknowledged, armed".to_owned(),
        Back::Armed => "armed".to_owned(),
        Back::Stays => "it never left".to_owned(),
    };
    let alarm = if row.alarm.is_empty() { String::new() } else { format!("`{}`", row.alarm) };
    if row.mode == "none" {
        return format!("| {} | {} | it does not start | | {alarm} | corrected, started |", row.at, row.name);
    }
    let within = super::bench::cycles_of(row.after_s);
    format!("| {} | {} | {} | {within} cycles | {alarm} | {back} |", row.at, row.name, row.mode)
}
