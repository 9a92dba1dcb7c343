//! `gateway init`

use super::{EXIT_CONFIGURATION, parse_duration};
use anyhow::{Context, Result, anyhow, bail};
use memg_commission::init::scan::look;
use memg_commission::init::{
    Choices, ChpSize, DeviceChoice, Permit, SignalChoice, Sizes, device_text, gateway_text, site_text,
};
use memg_plant_io::mqtt::settings::validate_connection;
use memg_plant_io::mqtt::visitor::{Heard, Visitor};
use memg_settings::read_site;
use std::io::{BufRead, Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Write a first configuration: asks what it has to know, or takes flags, looks at given addresses (SunSpec by discovery,
/// the library's files by trial, MQTT topics) and writes a commented configuration that `gateway check` accepts. It reads
/// only, and what it writes lets nothing be written unless --permit is given.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for gateway.toml, site.toml and devices/
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Ask nothing: what is not given is not there
    #[arg(long)]
    yes: bool,
    /// Name of the site
    #[arg(long)]
    name: Option<String>,
    /// Time zone, such as Europe/Berlin or +01:00
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// A site file to take instead of the sizes below
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// A battery, kWh:kW (may be repeated)
    #[arg(long, value_name = "KWH:KW", value_parser = pair)]
    battery: Vec<(f64, f64)>,
    /// A CHP, smallest:rated kW (may be repeated)
    #[arg(long, value_name = "MIN:MAX", value_parser = pair)]
    chp: Vec<(f64, f64)>,
    /// Rated PV, kW (may be repeated)
    #[arg(long, value_name = "KW")]
    pv: Vec<f64>,
    /// Rated wind, kW (may be repeated)
    #[arg(long, value_name = "KW")]
    wind: Vec<f64>,
    /// Rated heat of the boiler, kW
    #[arg(long, value_name = "KW")]
    boiler: Option<f64>,
    /// Electric load, smallest:largest kW
    #[arg(long, value_name = "MIN:MAX", value_parser = pair)]
    load: Option<(f64, f64)>,
    /// Largest heat demand, kW
    #[arg(long, value_name = "KW")]
    heat: Option<f64>,
    /// Connection, largest import:export kW
    #[arg(long, value_name = "IMPORT:EXPORT", value_parser = pair)]
    grid: Option<(f64, f64)>,
    /// A device, NAME=FILE@tcp:HOST:PORT/UNIT, …@rtu:HOST:PORT/UNIT or …@serial:PATH:BAUD/UNIT (may be repeated; #2 at the
    /// end for the second of a kind). FILE is of the library (`gateway devices`), or a path; `sunspec` finds it out
    #[arg(long, value_name = "DEVICE")]
    device: Vec<DeviceChoice>,
    /// What a point means, DEVICE.POINT=SIGNAL, or =-SIGNAL for a meter that counts the other way round (may be repeated)
    #[arg(long, value_name = "MEANING")]
    signal: Vec<SignalChoice>,
    /// A signal made of others, SIGNAL=PART+PART-PART (may be repeated)
    #[arg(long, value_name = "SUM", value_parser = sum)]
    sum: Vec<(String, Vec<String>)>,
    /// Broker to listen to, HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<String>,
    /// How long to listen
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    listen: Duration,
    /// Permit what the devices offer, as far as the plant is rated
    #[arg(long)]
    permit: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

fn pair(text: &str) -> Result<(f64, f64), String> {
    let wrong = || format!("expected two numbers with a colon between them, found {text:?}");
    let (a, b) = text.split_once(':').ok_or_else(wrong)?;
    Ok((a.parse().map_err(|_| wrong())?, b.parse().map_err(|_| wrong())?))
}

fn sum(text: &str) -> Result<(String, Vec<String>), String> {
    let wrong = || format!("expected SIGNAL=PART+PART-PART, found {text:?}");
    let (signal, parts) = text.split_once('=').ok_or_else(wrong)?;
    let parts = parts.replace(" - ", "+-").replace("+ ", "+");
    Ok((signal.to_owned(), parts.split('+').map(|part| part.trim().to_owned()).collect()))
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let config = args.out.join("gateway.toml");
    if config.exists() && !args.force {
        bail!("{} is there already: --force replaces it", config.display());
    }
    std::fs::create_dir_all(args.out.join("devices")).with_context(|| args.out.display().to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = asked(args, args.name.clone(), "Name of the site", "site")?;
    let zone = asked(args, args.time_zone.clone(), "Time zone", "Europe/Berlin")?;
    let path = args.out.join("site.toml");
    std::fs::write(&path, site(args)?).with_context(|| path.display().to_string())?;
    let plant = match read_site(&path) {
        Ok(plant) => plant,
        Err(problems) => return Ok(super::refuse(&problems)),
    };
    let devices = runtime.block_on(devices(args))?;
    let heard = match &args.mqtt {
        Some(place) => runtime.block_on(topics(place, &name, args.listen))?,
        None => Vec::new(),
    };
    let choices = Choices {
        name: &name,
        time_zone: &zone,
        devices: &devices,
        signals: &args.signal,
        sums: &args.sum,
        permit: if args.permit { Permit::Ratings } else { Permit::Nothing },
        broker: args.mqtt.as_deref().map(|place| (place, &heard[..])),
    };
    let text = gateway_text(&choices, &plant).map_err(|message| anyhow!(message))?;
    std::fs::write(&config, text).with_context(|| config.display().to_string())?;
    told(&config)
}

/// What `check` says of it.
fn told(config: &Path) -> Result<ExitCode> {
    match memg_settings::load(config, "", &[]) {
        Ok(settings) if settings.mistakes.is_empty() => {
            println!("{} is written and correct. Next: gateway doctor {0}", config.display());
            Ok(ExitCode::SUCCESS)
        }
        Ok(settings) => Ok(super::refuse(&settings.mistakes)),
        Err(problems) => {
            println!("{} is written. What is still missing:", config.display());
            super::refuse(&problems);
            Ok(ExitCode::from(EXIT_CONFIGURATION))
        }
    }
}

fn site(args: &Args) -> Result<String> {
    if let Some(path) = &args.site {
        return std::fs::read_to_string(path).with_context(|| path.display().to_string());
    }
    let load = sized(args, args.load, "Electric load, smallest:largest kW", "--load MIN:MAX")?;
    let grid = sized(args, args.grid, "Connection, largest import:export kW", "--grid IMPORT:EXPORT")?;
    Ok(site_text(&Sizes {
        batteries: args.battery.clone(),
        chps: args.chp.iter().map(|(min_kw, max_kw)| ChpSize { min_kw: *min_kw, max_kw: *max_kw }).collect(),
        pv_kw: args.pv.clone(),
        wind_kw: args.wind.clone(),
        boiler_kw: args.boiler,
        load_kw: load,
        heat_kw: args.heat,
        grid_kw: grid,
    }))
}

/// A limit has no default: it is given, or asked for.
fn sized(args: &Args, given: Option<(f64, f64)>, question: &str, flag: &str) -> Result<(f64, f64)> {
    match given {
        Some(given) => Ok(given),
        None if args.yes => bail!("{flag} is missing: limits have no defaults (or --site FILE)"),
        None => pair(&ask(question, None)?).map_err(|message| anyhow!(message)),
    }
}

fn asked(args: &Args, given: Option<String>, question: &str, default: &str) -> Result<String> {
    match given {
        Some(given) => Ok(given),
        None if args.yes => Ok(default.to_owned()),
        None => ask(question, Some(default)),
    }
}

fn ask(question: &str, default: Option<&str>) -> Result<String> {
    match default {
        Some(default) => print!("{question} [{default}]: "),
        None => print!("{question}: "),
    }
    stdout().flush()?;
    let mut line = String::new();
    if stdin().lock().read_line(&mut line)? == 0 {
        bail!("{question}: nobody answers; --yes asks nothing");
    }
    let answer = line.trim();
    Ok(if answer.is_empty() { default.unwrap_or_default().to_owned() } else { answer.to_owned() })
}

/// Devices with their files beside the configuration; `sunspec` ones are found out.
async fn devices(args: &Args) -> Result<Vec<DeviceChoice>> {
    let mut devices = Vec::new();
    for choice in &args.device {
        let mut choice = choice.clone();
        if choice.file == "sunspec.toml" {
            let found =
                look(&choice.transport, choice.unit_id).await.map_err(|why| anyhow!("{}: {why}", choice.name))?;
            let ids: Vec<String> = found.models.iter().map(|model| model.id.to_string()).collect();
            println!("{}: SunSpec models {}", choice.name, ids.join(", "));
            found
                .fitting
                .iter()
                .for_each(|(name, share)| println!("  fits {name} ({:.0} % of its points)", 100.0 * share));
            let text = found.file.with_context(|| {
                format!("{}: no SunSpec model that means something here; name a file of the library", choice.name)
            })?;
            choice.file = format!("{}.toml", choice.name);
            choice.text = Some(text);
        } else if choice.file.contains('/') {
            let path = PathBuf::from(&choice.file);
            choice.text = Some(std::fs::read_to_string(&path).with_context(|| choice.file.clone())?);
            choice.file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        let text =
            device_text(&choice).with_context(|| format!("{}: the library has no {}", choice.name, choice.file))?;
        std::fs::write(args.out.join("devices").join(&choice.file), text)?;
        devices.push(choice);
    }
    Ok(devices)
}

/// Every topic that comes, once.
async fn topics(place: &str, name: &str, duration: Duration) -> Result<Vec<Heard>> {
    let (host, port) = place.rsplit_once(':').unwrap_or((place, "1883"));
    let table = format!(
        "host = {host:?}\nport = {port}\nclient_id = \"memg-{name}\"\nprefix = \"memg/{name}\"\nallow_plaintext = true\n"
    );
    let table = toml::from_str(&table)?;
    let connection = validate_connection(table, &|_| None)
        .map_err(|problems| anyhow!(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let mut visitor = tokio::time::timeout(Duration::from_secs(5), Visitor::visit(&connection, "init"))
        .await
        .map_err(|_| anyhow!("the broker at {place} does not answer"))?
        .map_err(|message| anyhow!(message))?;
    let mut heard: Vec<Heard> = Vec::new();
    let hearing = async {
        visitor.subscribe(&["#".to_owned()]).await?;
        loop {
            let message = visitor.next().await?;
            if !heard.iter().any(|known| known.topic == message.topic) {
                heard.push(message);
            }
        }
    };
    let ended: Result<Result<(), String>, _> = tokio::time::timeout(duration, hearing).await;
    if let Ok(Err(broken)) = ended {
        bail!(broken);
    }
    visitor.leave().await;
    Ok(heard)
}
