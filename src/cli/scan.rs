//! `gateway scan`

use super::log_to_stderr;
use anyhow::{Context, Result, bail};
use memg_commission::scan::{Chain, device_file, scan};
use memg_plant_io::device::Transport;
use std::path::PathBuf;
use std::process::ExitCode;

/// Look for a SunSpec device at an address and write a device file for it: every point of every model that it has, with its place,
/// type, unit and scale. Nothing is written to the device.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Host and port of the device, such as 192.168.1.20:502
    address: String,
    /// Unit behind the address
    #[arg(long, default_value_t = 1)]
    unit: u8,
    /// File to write; without it one in this folder, named after maker and model
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("error");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let transport = Transport::Tcp(args.address.clone());
    let chain = runtime.block_on(scan(&transport, args.unit)).map_err(anyhow::Error::msg)?;
    print(&chain);
    let path = args.out.clone().unwrap_or_else(|| PathBuf::from(file_name(&chain)));
    if path.exists() {
        bail!("{} is there already; name another with --out", path.display());
    }
    let text = device_file(&chain, &args.address);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    println!("\n{} written. Name it in a [[device]] table, then look with `gateway doctor`.", path.display());
    Ok(ExitCode::SUCCESS)
}

fn print(chain: &Chain) {
    let common = |name| chain.common(name).unwrap_or_else(|| "unknown".to_owned());
    println!("{} {}, serial number {}: looks like a {}\n", common("Mn"), common("Md"), common("SN"), chain.kind());
    println!("{:>8}  {:>6}  {:>9}  model", "register", "number", "registers");
    for link in &chain.links {
        let label = link.model().map_or("not among the model files here", |model| &model.label);
        println!("{:>8}  {:>6}  {:>9}  {label}", link.address, link.number, link.registers.len());
    }
    if !chain.ends {
        println!("\nThe chain does not end as it should; what stands behind these models is not known.");
    }
}

fn file_name(chain: &Chain) -> String {
    let word = |name| chain.common(name).unwrap_or_else(|| "unknown".to_owned()).to_ascii_lowercase();
    let plain =
        |text: String| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect() };
    format!("{}-{}.toml", plain(word("Mn")), plain(word("Md")))
}
