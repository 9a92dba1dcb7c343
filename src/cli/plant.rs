//! `gateway plant`

use super::{EXIT_CONFIGURATION, log_to_stderr, parse_duration, refuse};
use anyhow::{Context, Result};
use memg_core::equipment::Plant;
use memg_settings::read_site;
use memg_virtual_plant::{Options, VirtualPlant, mqtt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Simulate a plant: battery, CHP, meters, PV and wind behind Modbus TCP servers; prices, weather and heat demand over
/// MQTT. Prints the tables that a gateway needs to reach it, then runs until Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profile with the columns of config/profiles/site-a-2016.csv
    #[arg(long, value_name = "CSV", default_value = "config/profiles/site-a-2016.csv")]
    profile: PathBuf,
    /// First port; the devices take it and the following (default: chosen by the system)
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Broker for the plant's messages (default: one of its own on the loopback interface)
    #[arg(long, value_name = "HOST:PORT")]
    mqtt: Option<String>,
    /// Site file of the plant: its batteries, CHPs, PV, wind and meters, several or none (default: the reference plant)
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    /// Messages are published below plant/<NAME>
    #[arg(long, default_value = "virtual", value_name = "NAME")]
    name: String,
    /// Plant seconds per second
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    speed: f64,
    /// Measurement noise: 0 none, 1 as usual meters have
    #[arg(long, default_value_t = 0.0)]
    noise: f64,
    /// Seed of the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fault such as battery:no_answer@60+30 (device:kind@from+length, seconds); may be repeated
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
    /// Wall time to run (default: until Ctrl-C)
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Print the final state as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("info");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build()?;
    runtime.block_on(go(args))
}

async fn go(args: &Args) -> Result<ExitCode> {
    let site = match &args.site {
        None => None,
        Some(path) => match read_site(path) {
            Ok(site) => Some(site),
            Err(problems) => return Ok(refuse(&problems)),
        },
    };
    let (plant, sources) = site.map_or((Plant::reference(), None), |site| (site.plant, Some(site.sources)));
    let profile = match super::read_profile(&args.profile, &plant)? {
        Ok(profile) => Arc::new(profile),
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(EXIT_CONFIGURATION));
        }
    };
    let faults = args.fault.iter().map(|fault| fault.parse()).collect::<Result<_, _>>()?;
    let (speed, noise, seed, first_port) = (args.speed, args.noise, args.seed, args.port);
    let options = Options { speed, noise, seed, first_port, faults, sources, ..Options::default() };
    let plant = VirtualPlant::start(plant, profile, options).await?;
    let messages = messages(&plant, args).await?;
    if !args.json {
        print!("{}{messages}", plant.device_tables());
    }
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = wait(args.duration) => {}
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&plant.snapshot())?);
    }
    plant.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Starts publishing; the tables of a gateway at the same broker.
async fn messages(plant: &VirtualPlant, args: &Args) -> Result<String> {
    let (host, port) = match &args.mqtt {
        Some(place) => {
            let parts = place.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
            parts.with_context(|| format!("--mqtt {place}: expected HOST:PORT"))?
        }
        None => match own_broker().await? {
            Some(address) => (address.ip().to_string(), address.port()),
            None => return Ok(String::new()),
        },
    };
    let site = &args.name;
    let inputs = mqtt::publish(plant, &host, port, site);
    Ok(format!(
        "[mqtt]\nhost = {host:?}\nport = {port}\nclient_id = \"memg-{site}\"\nprefix = \"memg/{site}\"\n{inputs}"
    ))
}

#[cfg(feature = "demo-broker")]
async fn own_broker() -> Result<Option<std::net::SocketAddr>> {
    let address = memg_plant_io::broker::start().await.context("the plant's own broker")?;
    Ok(Some(address))
}

#[cfg(not(feature = "demo-broker"))]
async fn own_broker() -> Result<Option<std::net::SocketAddr>> {
    tracing::warn!("This build has no broker of its own: nothing is published without --mqtt HOST:PORT.");
    Ok(None)
}

async fn wait(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}
