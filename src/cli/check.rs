//! `gateway check`

use super::{check_policy, check_probe, check_signals, log_to_stderr, prove, refuse};
use anyhow::Result;
use memg_core::plant_state::{Signal, Tag};
use memg_cosim::lockstep::settings::{AfterStop, LockstepSettings};
use memg_cosim::lockstep::villas::Position;
use memg_cosim::lockstep::{SETPOINTS, connection};
use memg_north::settings::ForecastSettings;
use memg_plant_io::device::Device;
use memg_plant_io::modbus::plan;
use memg_plant_io::mqtt::operator::BROKER;
use memg_plant_io::point::{Point, letters};
use memg_plant_io::sources;
use memg_settings::Settings;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check a configuration: read plan, where each number of the observation comes from, every register that can be
/// written. Opens no port unless --probe is given.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration file
    #[arg(default_value = "config/gateway.toml")]
    config: PathBuf,
    /// Connect, read every point once and listen to the topics for 10 s (writes nothing)
    #[arg(long, conflicts_with = "prove")]
    probe: bool,
    /// Warn where the site file is off by more than the interval of what `gateway learn` found (site.plant_learned)
    #[arg(long, value_name = "DIR")]
    learned: Option<PathBuf>,
    /// State the lemmas that the safety filter's promise rests on with the numbers of this site; z3 decides them where it is installed,
    /// arithmetic everywhere; status 1 unless all of them hold
    #[arg(long)]
    prove: bool,
    /// Write those lemmas there as SMT-LIB 2, for a solver of your own
    #[arg(long, value_name = "DIR", requires = "prove")]
    smt: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("warn");
    let overrides: Vec<_> = args.learned.iter().map(|dir| super::run::placed("site.plant_learned", dir)).collect();
    let settings = match memg_settings::load(&args.config, "", &overrides) {
        Ok(settings) => settings,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let mistakes: Vec<_> = settings.mistakes.iter().cloned().chain(settings.problems_here()).collect();
    if !mistakes.is_empty() {
        return Ok(refuse(&mistakes));
    }
    println!("{}: {}. Site {}, {}.", args.config.display(), verdict(&settings), settings.site, kind(&settings));
    for warning in &settings.warnings {
        println!("warning: {warning}");
    }
    parts(&settings);
    check_policy::decides(&settings);
    observation(&settings);
    if let Some(lockstep) = &settings.cosim {
        lockstep_plan(&settings, lockstep);
    }
    outlook(&settings);
    for device in &settings.devices {
        read_plan(device);
    }
    writes(&settings);
    check_policy::topics(&settings);
    commands(&settings);
    check_policy::fall_backs(&settings);
    if args.prove {
        return prove::prove(&settings.plant, args.smt.as_deref());
    }
    if args.probe { check_probe::probe(&settings) } else { Ok(ExitCode::SUCCESS) }
}

fn verdict(settings: &Settings) -> String {
    match settings.warnings.len() {
        0 => "correct".to_owned(),
        1 => "accepted with a warning".to_owned(),
        some => format!("accepted with {some} warnings"),
    }
}

fn kind(settings: &Settings) -> &'static str {
    match (&settings.demo, settings.simulated) {
        _ if settings.cosim.is_some() => "simulated, in lock-step over MQTT",
        (Some(_), _) => "the built-in virtual plant (its devices appear when it starts)",
        (None, true) => "simulated, armed by itself",
        (None, false) => "a real plant: starts in shadow, written only after arming",
    }
}

/// The ten numbers and their sources.
const OBSERVATION: [(&str, Signal); 7] = [
    ("0 PV / 60", Signal::PvKw),
    ("1 wind / 40", Signal::WindKw),
    ("2 electric load / 100", Signal::ElectricLoadKw),
    ("3 heat load / 150", Signal::HeatLoadKw),
    ("4 SoC", Signal::Soc),
    ("5 CHP on", Signal::ChpOn),
    ("6 import price / 0.3", Signal::ImportPriceEurPerKwh),
];

fn observation(settings: &Settings) {
    if settings.demo.is_some() || settings.cosim.is_some() {
        return;
    }
    println!("\nObservation");
    for (name, signal) in OBSERVATION {
        println!("  {name:<22} {:<26} {}", signal.name(), source(signal, settings));
    }
    println!("  {:<22} {:<26} the site's clock", "7, 8, 9 hour", "");
    println!("\nOther signals");
    for (signal, known) in &settings.points.signals {
        if !OBSERVATION.iter().any(|(_, shown)| *shown == signal.signal()) {
            println!("  {signal:<26} {}", known.origin);
        }
    }
    check_signals::print(settings);
}

/// Who measures a signal; of several units all of them.
fn source(signal: Signal, settings: &Settings) -> String {
    let measured = settings.points.signals.iter().filter(|(tag, _)| tag.signal() == signal);
    let origins: Vec<&str> = measured.map(|(_, known)| known.origin.as_str()).collect();
    if origins.is_empty() { fallback(signal) } else { origins.join(", ") }
}

/// What the plant has, in a line.
fn parts(settings: &Settings) {
    let kw = |ratings: &[f64]| match ratings {
        [] => "none".to_owned(),
        some => some.iter().map(|kw| format!("{kw} kW")).collect::<Vec<_>>().join(" and "),
    };
    let batteries = settings.plant.batteries().iter().map(|unit| unit.parameters.capacity_kwh);
    let batteries: Vec<String> = batteries.map(|kwh| format!("{kwh} kWh")).collect();
    let batteries = if batteries.is_empty() { "none".to_owned() } else { batteries.join(" and ") };
    let chps: Vec<f64> = settings.plant.chps().iter().map(|unit| unit.parameters.p_kw_max).collect();
    println!(
        "Batteries: {batteries}. CHPs: {}. PV: {}. Wind: {}.",
        kw(&chps),
        kw(&settings.sources.pv_kw),
        kw(&settings.sources.wind_kw)
    );
}

/// What is told of the hours ahead, and by whom.
fn outlook(settings: &Settings) {
    let entries = settings.mqtt.iter().flat_map(|mqtt| &mqtt.outlook);
    let entries = entries.map(|entry| {
        (entry.quantity.name(), format!("mqtt {}", entry.topic), format!("{} s", entry.age_max.as_secs()))
    });
    let ForecastSettings { quantities, age_max } = &settings.north.forecasts;
    let age_max = format!("{} s", age_max.as_secs());
    let written =
        quantities.iter().map(|quantity| (quantity.name(), "registers of north.modbus".into(), age_max.clone()));
    let hours = settings.points.price_ahead.iter().flatten().count();
    let hourly =
        (hours > 0).then(|| ("import price", "mqtt mqtt.inputs import_price_ahead_…".into(), format!("{hours} hours")));
    let rows: Vec<_> = entries.chain(written).chain(hourly).collect();
    if rows.is_empty() {
        return;
    }
    println!("\nHours ahead");
    for (name, from, bound) in rows {
        println!("  {name:<26} {from}, at most {bound}");
    }
}

/// Topics and what they carry.
fn lockstep_plan(settings: &Settings, lockstep: &LockstepSettings) {
    let Some(mqtt) = &settings.mqtt else { return };
    let place = connection(&mqtt.connection);
    println!("\nLock-step at {}:{}, below {}/", place.broker.host, place.broker.port, place.prefix);
    println!("  from the simulator     start, meas, stop");
    println!("  to the simulator       ready, setp, summary");
    let needed = sources::required(&settings.plant, &settings.sources);
    let is_needed = |tag: &Tag| needed.contains(tag);
    let all = check_signals::all(settings);
    let needed: Vec<String> = all.iter().filter(|tag| is_needed(tag)).map(ToString::to_string).collect();
    println!("  needed in each meas    {}", needed.join(", "));
    let others: Vec<String> = all.iter().filter(|tag| !is_needed(tag)).map(ToString::to_string).collect();
    println!("  used if they are there {}, outlook (by step), import_price_ahead (hourly)", others.join(", "));
    println!("  in each setp           {}", SETPOINTS.join(", "));
    let after = match lockstep.after_stop {
        AfterStop::Exit => "the gateway ends",
        AfterStop::Wait => "the next run is waited for",
    };
    println!(
        "  after stop             {after}; a run that is silent for {} s is over",
        lockstep.idle_max.as_secs_f64()
    );
    let Some(villas) = &lockstep.villas else { return };
    println!("  VILLASnode frames      villas/in, villas/out, a step every {} s", villas.dt_s);
    println!(
        "    in                   {}",
        villas.inputs.iter().map(Position::to_string).collect::<Vec<_>>().join(", ")
    );
    println!("    out                  {}", villas.outputs.join(", "));
}

fn fallback(signal: Signal) -> String {
    match signal {
        Signal::ChpOn => "not measured: as last commanded".into(),
        Signal::ImportPriceEurPerKwh => "not measured".into(),
        _ => "not measured".into(),
    }
}

fn read_plan(device: &Device) {
    let blocks = plan::blocks(device);
    let cost = plan::cost(&blocks);
    println!(
        "\nDevice {} ({}): {} blocks, {:.1} polls/s, {:.0} bytes/s",
        device.name, device.transport, cost.blocks, cost.polls_per_s, cost.bytes_per_s
    );
    for block in &blocks {
        let names: Vec<String> = block.points.iter().filter_map(|i| Some(named(device.points.get(*i)?))).collect();
        println!(
            "  unit {:>3} {:<8} {:>5} +{:<3} every {:>6.2} s, {:>3} bytes: {}",
            block.unit_id,
            block.table.name(),
            block.start,
            block.count,
            block.poll.as_secs_f64(),
            block.bytes(),
            names.join(", ")
        );
    }
}

/// The point's name; with the order of its bytes where there is more than one word.
fn named(point: &Point) -> String {
    if point.encoding.cells() == 1 || point.encoding.width() == 0 {
        return point.name.clone();
    }
    format!("{} ({})", point.name, letters(point.word_order, point.byte_order))
}

fn writes(settings: &Settings) {
    println!("\nRegisters that can be written");
    let mut none = true;
    for device in &settings.devices {
        for written in device.written() {
            let Some(point) = device.points.get(written.point) else { continue };
            let Some(owner) = device.points.get(written.of) else { continue };
            let rule = owner.write.as_ref();
            let what = match (written.fixed, rule) {
                (Some(value), _) => format!("fixed {value} with {}", owner.name),
                (None, Some(rule)) => format!("{} from {} to {}", rule.output, rule.range.0, rule.range.1),
                (None, None) => continue,
            };
            println!(
                "  {:<16} unit {:>3} {:<8} {:>5} {:<24} {what}",
                device.name,
                device.unit_of(written.point),
                point.table.name(),
                point.address,
                point.name
            );
            none = false;
        }
    }
    if none {
        println!("  none");
    }
}

/// Who may command over MQTT.
fn commands(settings: &Settings) {
    let Some(mqtt) = settings.mqtt.as_ref().filter(|_| settings.cosim.is_none()) else { return };
    println!("\nCommands over MQTT, below {}/command/", mqtt.connection.prefix);
    for operator in &mqtt.operators {
        println!("  {:<22} {:<9} signed", operator.name, operator.role.name());
    }
    let trusted = mqtt.commands.as_ref().and_then(|commands| commands.trust_broker_as);
    match trusted {
        Some(role) => println!("  {:<22} {:<9} unsigned: whoever the broker lets publish there", BROKER, role.name()),
        None if mqtt.operators.is_empty() => {
            println!("  nobody: all are rejected without [[operator]] or mqtt.commands.trust_broker_as");
        }
        None => println!("  unsigned ones are rejected"),
    }
}
