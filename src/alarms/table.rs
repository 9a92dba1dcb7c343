//! Every alarm that there is. `docs/alarms.md` is made from this table.

use crate::kind::{Definition, Kind, Priority};
use std::fmt::Write as _;

use Priority::{High, Low, Medium};

#[rustfmt::skip]
const fn row(kind: Kind, id: (Option<&'static str>, &'static str), priority: Priority, [delay_s, gone_s]: [u32; 2], text: &'static str, advice: &'static str) -> Definition {
    Definition { kind, about: id.0, suffix: id.1, priority, delay_s, gone_s, latches: false, text, advice }
}

const fn latching(row: Definition) -> Definition {
    Definition { latches: true, ..row }
}

/// The alarms, grouped by how bad they are.
#[rustfmt::skip]
pub const TABLE: [Definition; 28] = [
    row(Kind::Stop, (Some("plant"), "stop"), High, [0, 0],
        "A safe stop waits for an operator.{detail}",
        "Find out why it stopped, then give the command Acknowledge. Nothing is armed before that; the gateway does not start again by itself."),
    row(Kind::Fault, (Some("plant"), "fault"), High, [1, 5],
        "Control finds a fault:{detail}",
        "Look at what is named. The gateway goes on by itself when it is gone."),
    row(Kind::Journal, (Some("journal"), "write"), High, [1, 5],
        "The journal cannot be written:{detail} No set-point is sent.",
        "Free space on its disk, or give it another one. Sending begins again by itself with the first line that is written; until then devices fall back by their own watchdogs."),
    row(Kind::Driver, (Some("driver"), "task"), High, [0, 0],
        "A part of the gateway has ended:{detail}",
        "Restart the gateway and report it: this does not heal by itself."),
    latching(row(Kind::Device, (None, "fault"), High, [0, 5],
        "{name} reports a fault.{detail}",
        "Look at the device and remove the cause. A unit that the gateway controls is stopped safely; give the command Acknowledge when the fault is gone.")),
    row(Kind::Follow, (None, "follow"), High, [0, 5],
        "{name} does other than it was told:{detail}",
        "Look whether somebody or something else commands the device. The filter counts with what it does; if it lasts, the gateway stops safely and waits for the command Acknowledge."),
    row(Kind::Limit, (Some("connection"), "limit"), High, [0, 5],
        "The connection carries more than it may:{detail}",
        "Switch off loads or sources that the gateway does not control. The gateway holds and uses what it has; it goes on by itself when the power is back within its limits."),
    row(Kind::Link, (None, "link"), High, [1, 2],
        "{name} does not answer.{detail}",
        "Look at its power, its cable and its address. The gateway asks again by itself and goes on when it answers."),
    row(Kind::Input, (Some("inputs"), "lost"), High, [1, 5],
        "A measurement that control needs is lost:{detail}",
        "Look at whoever measures it. The gateway goes on by itself when it is back."),
    row(Kind::Values, (None, "values"), Medium, [3, 5],
        "{name} answers, but its values cannot be used:{detail}",
        "Look at the device's own display and its table of points. The gateway uses them again by itself as soon as they can be believed."),
    row(Kind::Bounds, (Some("measurements"), "bounds"), Medium, [1, 5],
        "A measurement is beyond what the site file declares.{detail}",
        "Compare meter and site file. The gateway goes on by itself when it is back within."),
    row(Kind::Local, (None, "local"), Medium, [0, 2],
        "{name} is switched to local.{detail}",
        "Ask who works there. Nothing is written to it; when it is back to remote, control goes on, after a safe stop only with the command Acknowledge."),
    row(Kind::Write, (None, "write"), Medium, [0, 5],
        "{name} did not take a set-point.{detail}",
        "Look at the device's log and at who else writes to it. The gateway writes again by itself; if the set-point is not confirmed in its time, that is a fault."),
    row(Kind::Points, (None, "points"), Medium, [0, 120],
        "{name} refuses what its table of points asks.{detail}",
        "Correct the device file or the unit id (gateway doctor helps). The gateway asks again every minute."),
    row(Kind::Unstable, (None, "unstable"), Medium, [0, 5],
        "The connection to {name} keeps breaking.{detail}",
        "Look at cable, switch and the device's limit of connections. The gateway connects again by itself, in longer and longer pauses."),
    row(Kind::Answers, (None, "answers"), Medium, [0, 120],
        "{name} gives answers that belong to no request.{detail}",
        "Look for two devices with one address, or a second master on the line. The gateway drops such answers and connects anew."),
    row(Kind::Broker, (Some("mqtt"), "broker"), Medium, [1, 2],
        "The MQTT broker is away.{detail}",
        "Look at the broker and the network. The gateway connects again by itself; commands over MQTT do not arrive meanwhile."),
    row(Kind::Policy, (Some("policy"), "failed"), Medium, [1, 5],
        "The policy cannot decide:{detail}",
        "Look at the model and at the inputs that are named. The good rule decides in its stead; the policy is asked again by itself."),
    row(Kind::Balance, (Some("site"), "balance"), Medium, [0, 0],
        "Measurements have not fitted each other for ten minutes:{detail}",
        "Compare the meters that are named: sign, factor, phase. Control goes on with what is measured; this goes away by itself when they fit."),
    row(Kind::History, (Some("history"), "write"), Medium, [1, 10],
        "The history is not complete:{detail}",
        "Look at its file and the space on its disk. Control and the journal are not concerned; recording goes on by itself when it can."),
    row(Kind::Station, (Some("station"), "listen"), Medium, [0, 0],
        "The operator's station is not served:{detail}",
        "Choose another web.listen or end what holds the port, then restart the gateway. Control is not concerned."),
    row(Kind::Messages, (None, "messages"), Low, [0, 120],
        "A message could not be used.{detail}",
        "Look at who publishes it. It is ignored; the next good one counts."),
    row(Kind::Commands, (None, "commands"), Low, [0, 120],
        "A command was refused before control saw it.{detail}",
        "Look at who sends it: key, clock, role. Nothing was done."),
    row(Kind::Tariff, (Some("policy"), "tariff"), Low, [0, 0],
        "The network was not trained for this tariff.{detail}",
        "Train it for the tariff, or leave it: the good rule decides at such steps by itself."),
    row(Kind::Prices, (Some("prices"), "missing"), Low, [10, 10],
        "A price is not known.{detail}",
        "Look at where prices come from. What was usual at this hour stands in for it; it ends by itself with the next price."),
    row(Kind::Substitute, (None, "substitute"), Low, [3, 5],
        "{name} is lost, and its substitute stands in for it.{detail}",
        "Look at whoever measures it. Control goes on, more carefully; it ends by itself when the signal is back."),
    row(Kind::Forecast, (Some("forecast"), "missing"), Low, [60, 10],
        "A forecast that is configured is missing.{detail}",
        "Look at who publishes it. The policy forecasts by itself meanwhile."),
    // Registers of the north side are in this order: what comes later stands at the end.
    row(Kind::GridLimit, (Some("grid_limit"), "silent"), Medium, [0, 0],
        "Whoever says the limits of the connection from outside is silent:{detail}",
        "Look at the control box and its wiring. The fail-safe value of [grid_limit] holds; it ends by itself when the source is heard again."),
];

/// The page about alarms.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Alarms\n\nMade from `src/alarms/table.rs` by a test (`MEMG_BLESS=1 cargo test -p memg-alarms`); the states are those of ISA-18.2. \
         One cause is one alarm: what follows from it (lost values, the mode) stands in its text. Delay: so long it stands before it \
         is shown; hysteresis: so long it is gone before it counts as gone. A latching alarm waits for its acknowledgement when it is \
         gone. Shelved: an operator put it out of sight for up to a day. Out of service: an engineer took it out for up to 30 days, because \
         what would raise it is being worked at; a shelf does not shorten that. Both need a reason, end by themselves or by hand, survive a \
         restart, and what still stands then is to be seen anew. None of this changes the plant or what control does; a latched safe stop \
         ends with the command Acknowledge.\n\n\
         | id | priority | delay, hysteresis | says | what to do, what happens by itself |\n|---|---|---|---|---|\n",
    );
    for row in &TABLE {
        let id = format!("{}.{}", row.about.unwrap_or("<name>"), row.suffix);
        let says = row.text.replace("{name}", "*name*").replace("{detail}", " *…*");
        let latches = if row.latches { ", latches" } else { "" };
        let (priority, delay, gone, advice) = (row.priority.name(), row.delay_s, row.gone_s, row.advice);
        let _ = writeln!(text, "| `{id}` | {priority} | {delay} s, {gone} s{latches} | {says} | {advice} |");
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_has_a_row_of_its_own_and_its_ids_lead_back() {
        let kinds: BTreeSet<Kind> = TABLE.iter().map(|row| row.kind).collect();
        assert_eq!(kinds.len(), TABLE.len());
        for row in &TABLE {
            assert_eq!(row.kind.definition().suffix, row.suffix);
            let id = row.kind.id("battery_2");
            let about = row.about.unwrap_or("battery_2");
            assert_eq!(Kind::of_id(&id), Some((row.kind, about)), "{id}");
        }
        // The last kind of the enumeration: with as many rows as kinds none is left out.
        assert_eq!(Kind::GridLimit as usize + 1, TABLE.len());
    }

    #[test]
    fn every_row_says_what_is_wrong_and_what_to_do() {
        for row in &TABLE {
            assert!(row.text.len() > 15 && row.advice.len() > 40 && row.advice.ends_with('.'), "{:?}", row.kind);
            assert!(row.about.is_none() || !row.text.contains("{name}"), "{:?}", row.kind);
        }
    }

    #[test]
    fn the_page_of_the_book_is_what_the_table_says() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alarms.md");
        if std::env::var_os("MEMG_BLESS").is_some() {
            std::fs::write(&page, markdown()).unwrap();
        }
        let found = std::fs::read_to_string(&page).unwrap();
        assert_eq!(found, markdown(), "stale: MEMG_BLESS=1 cargo test -p memg-alarms");
    }
}
