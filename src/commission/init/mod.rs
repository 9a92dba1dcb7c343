//! What `gateway init` writes: a site file, a configuration, device files. Texts alone; who asks and who writes is elsewhere.
//!
//! Powers, energies and limits are stated by whoever calls. What people rarely know on the first day (efficiencies, ramps,
//! the impedance of the connection) is written as an assumption that says so in its line.

mod place;
mod site;

pub mod scan;
pub mod sunspec;

pub use place::{DeviceChoice, SignalChoice};
pub use site::{ChpSize, Sizes, site_text};

use memg_core::equipment::Plant;
use memg_plant_io::Output;
use memg_plant_io::device::{self, DeviceFile};
use memg_plant_io::library;
use memg_plant_io::mqtt::visitor::Heard;
use memg_settings::SitePlant;
use std::fmt::Write;

/// Whether what the files offer may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Nothing may: `write = []`, and what could be permitted as a comment beside.
    Nothing,
    /// What the plant's ratings say.
    Ratings,
}

/// What goes into a configuration.
#[derive(Debug)]
pub struct Choices<'a> {
    /// Name of the site.
    pub name: &'a str,
    /// Its time zone.
    pub time_zone: &'a str,
    /// Devices.
    pub devices: &'a [DeviceChoice],
    /// What points mean here.
    pub signals: &'a [SignalChoice],
    /// Signals made of others, as `name = sum of …`.
    pub sums: &'a [(String, Vec<String>)],
    /// Write permissions.
    pub permit: Permit,
    /// Broker as `host:port`, and what was heard there.
    pub broker: Option<(&'a str, &'a [Heard])>,
}

/// The text of a device file: of the site's own folder, else of the library.
pub fn device_text(choice: &DeviceChoice) -> Option<String> {
    choice.text.clone().or_else(|| library::text(&choice.file).map(ToOwned::to_owned))
}

/// The configuration with its comments.
///
/// # Errors
/// A device file that is not there or wrong; in words.
pub fn gateway_text(choices: &Choices<'_>, site: &SitePlant) -> Result<String, String> {
    let mut text = head(choices);
    for choice in choices.devices {
        let own = device_text(choice).ok_or_else(|| format!("the library has no {}", choice.file))?;
        let file = device::load(&own, &choice.file)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        text.push_str(&device_table(choice, &file, choices, site));
    }
    for (signal, parts) in choices.sums {
        let list: Vec<String> = parts.iter().map(|part| format!("{part:?}")).collect();
        let _ = write!(text, "\n[signals.{signal}]\nsum_of = [{}]\n", list.join(", "));
    }
    text.push_str(&broker(choices));
    Ok(text)
}

fn head(choices: &Choices<'_>) -> String {
    format!(
        "# Written by `gateway init`. Next: `gateway check` (what it means), `gateway doctor` (is what is read plausible?),\n\
         # `gateway run` (starts in shadow: it decides, journals and writes nothing). Every key: README and docs/.\n\n\
         [site]\nname = {:?}\ntime_zone = {:?}\nplant_file = \"site.toml\"          # limits of the plant\n\n\
         [policy]\ndecide_with = \"rule\"             # the good rule; a model folder or \"plan\" later\n\n\
         [journal]\npath = \"gateway.journal\"        # relative to the folder in which the gateway is started\n",
        choices.name, choices.time_zone
    )
}

fn device_table(choice: &DeviceChoice, file: &DeviceFile, choices: &Choices<'_>, site: &SitePlant) -> String {
    let mut text = format!(
        "\n[[device]]                          # {} {}{}\nname = {:?}\nfile = {:?}\ntransport = {}\nunit_id = {}\n",
        file.maker,
        file.model,
        if file.about.tried_on_hardware { "" } else { "; its file was not tried on hardware" },
        choice.name,
        choice.file,
        choice.transport,
        choice.unit_id
    );
    if choice.number > 1 {
        let _ = writeln!(text, "number = {}", choice.number);
    }
    let own: Vec<&SignalChoice> = choices.signals.iter().filter(|signal| signal.device == choice.name).collect();
    if !own.is_empty() {
        let list: Vec<String> = own.iter().map(|signal| format!("  {},", signal.table(&site.plant))).collect();
        let _ = writeln!(text, "signal = [\n{}\n]", list.join("\n"));
    }
    text.push_str(&permissions(file, choice.number, choices.permit, site));
    text
}

fn permissions(file: &DeviceFile, number: u16, permit: Permit, site: &SitePlant) -> String {
    let offers = file.points.iter().filter_map(|point| Some((&point.name, point.write.as_ref()?)));
    let entry = |(name, rule): (&String, &memg_plant_io::point::WriteRule)| {
        let (low, high) = allowed(&site.plant, site, number, rule.output.output());
        let (low, high) = (low.max(rule.range.0), high.min(rule.range.1));
        format!("{{ point = {name:?}, range = [{low:?}, {high:?}] }}")
    };
    let list: Vec<String> = offers.map(entry).collect();
    match (permit, list.is_empty()) {
        (_, true) => String::new(),
        (Permit::Ratings, false) => format!("write = [{}]\n", list.join(", ")),
        (Permit::Nothing, false) => format!(
            "write = []                          # only read; to let the gateway write:\n# write = [{}]\n",
            list.join(", ")
        ),
    }
}

/// What the ratings of the unit of that number allow, in the output's unit.
fn allowed(plant: &Plant, site: &SitePlant, number: u16, output: Output) -> (f64, f64) {
    let index = usize::from(number.saturating_sub(1));
    let source = |ratings: &[f64]| (0.0, ratings.get(index).or(ratings.first()).copied().unwrap_or(0.0));
    match output {
        Output::BatterySetpointKw => plant
            .batteries()
            .get(index)
            .map_or((0.0, 0.0), |unit| (-unit.parameters.discharge_kw_max, unit.parameters.charge_kw_max)),
        Output::ChpSetpointKw => (0.0, plant.chps().get(index).map_or(0.0, |unit| unit.parameters.p_kw_max)),
        Output::ChpRun => (0.0, 1.0),
        Output::PvLimitKw => source(&site.sources.pv_kw),
        Output::WindLimitKw => source(&site.sources.wind_kw),
        Output::Heartbeat => (0.0, 65_535.0),
    }
}

/// Topics that were heard, as comments: what they mean nobody can know.
fn broker(choices: &Choices<'_>) -> String {
    let Some((place, heard)) = choices.broker else { return String::new() };
    let (host, port) = place.rsplit_once(':').unwrap_or((place, "1883"));
    let name = choices.name;
    let mut text = format!(
        "\n[mqtt]\nhost = {host:?}\nport = {port}\nclient_id = \"memg-{name}\"\nprefix = \"memg/{name}\"\n\
         # Topics that were heard. An input looks like this:\n\
         # [[mqtt.inputs]]\n# topic = \"…\"\n# signal = \"pv_kw\"\n# raw = true                        # or pointer = \"/power\"\n\
         # unit = \"W\"\n# range = [0, 60]\n"
    );
    for heard in heard.iter().take(TOPICS_MAX) {
        let payload: String = String::from_utf8_lossy(&heard.payload).chars().take(80).collect();
        let _ = writeln!(text, "#   {}  {}", heard.topic.escape_debug(), payload.escape_debug());
    }
    text
}

/// More topics than this would bury the file.
const TOPICS_MAX: usize = 200;
