//! `gateway web-password`

use anyhow::{Context, Result};
use std::io::{IsTerminal, Read};
use std::process::ExitCode;

/// Make the hash of a password for the operator's station.
///
/// Reads the password from standard input (its first line) and prints the hash: put it into the file that `password_file` of a
/// [[web.user]] names, or into the variable that `password_env` names.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn main(_: &Args) -> Result<ExitCode> {
    if std::io::stdin().is_terminal() {
        eprintln!("Password (it is shown while you type; end with Enter and Ctrl-D):");
    }
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).context("the password cannot be read")?;
    let password = text.lines().next().unwrap_or_default();
    println!("{}", memg_web::password::hash(password).map_err(anyhow::Error::msg)?);
    Ok(ExitCode::SUCCESS)
}
