//! `gateway command`

use super::{log_to_stderr, parse_duration, refuse};
use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use memg_plant_io::mqtt::clock::Clock;
use memg_plant_io::mqtt::command::CommandKind;
use memg_plant_io::mqtt::station::{Signed, Stamp, Station};
use memg_settings::Station as Place;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// Exit status when no answer came.
const NO_ANSWER: u8 = 2;

/// Sign a command as an operator, publish it, wait for the answer and print it: one line of JSON.
///
/// Exit status: 0 done (also with other powers than asked for), 1 rejected, 2 no answer, 64 wrong configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration; only [mqtt] and this [[operator]] are read
    config: PathBuf,
    /// Who signs: the name of an [[operator]]
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// Time to live of the command, s
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    ttl_s: u64,
    /// How long to wait for answers
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    wait: Duration,
    /// Connect nowhere: print topic and payload, a line each, for another MQTT client
    #[arg(long)]
    print: bool,
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Enter Auto from Shadow: both steps of arming (with --print the first one)
    Arm,
    /// The second step of arming alone
    Confirm {
        /// From the answer to the first step
        nonce: String,
    },
    /// Change the mode
    Mode {
        /// Wanted mode
        mode: ModeName,
    },
    /// Stop safely
    SafeStop,
    /// Set-points for Manual
    Setpoint {
        /// Battery, kW, + = charging
        #[arg(long, allow_negative_numbers = true)]
        battery_kw: f64,
        /// CHP, kW, 0 = off
        #[arg(long)]
        chp_kw: f64,
    },
    /// Limits at the connection; they only narrow the plant's own
    Limit {
        /// Most power imported, kW, or `none`
        #[arg(long, value_parser = limit)]
        import_kw_max: Limit,
        /// Most power exported, kW, or `none`
        #[arg(long, value_parser = limit)]
        export_kw_max: Limit,
    },
    /// Limits at the connection that end by themselves, as a grid operator orders them
    GridLimit {
        /// Most power imported, kW, or `none`
        #[arg(long, value_parser = limit)]
        import_kw_max: Limit,
        /// Most power exported, kW, or `none`
        #[arg(long, value_parser = limit)]
        export_kw_max: Limit,
        /// For so long, s
        #[arg(long)]
        for_s: f64,
    },
    /// The latched fault was seen, and its cause is gone
    #[command(visible_alias = "ack")]
    Acknowledge,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ModeName {
    /// Compute, write nothing
    Shadow,
    /// Follow the operator's set-points
    Manual,
    /// Give control back to the policy
    Auto,
}

/// A limit in kW; without one it is lifted.
#[derive(Debug, Clone, Copy)]
struct Limit(Option<f64>);

fn limit(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let kw = text.parse::<f64>().ok().filter(|kw| kw.is_finite());
    kw.map(|kw| Limit(Some(kw))).ok_or_else(|| format!("expected kW or none, found {text:?}"))
}

impl Order {
    fn kind(&self) -> CommandKind {
        match self {
            Self::Arm => CommandKind::Arm,
            Self::Confirm { .. } => CommandKind::Confirm,
            Self::Mode { .. } | Self::SafeStop => CommandKind::Mode,
            Self::Setpoint { .. } => CommandKind::Setpoint,
            Self::Limit { .. } => CommandKind::Limit,
            Self::GridLimit { .. } => CommandKind::GridLimit,
            Self::Acknowledge => CommandKind::Acknowledge,
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Arm | Self::Acknowledge => json!({}),
            Self::Confirm { nonce } => json!({ "nonce": nonce }),
            Self::Mode { mode: ModeName::Shadow } => json!({ "mode": "shadow" }),
            Self::Mode { mode: ModeName::Manual } => json!({ "mode": "manual" }),
            Self::Mode { mode: ModeName::Auto } => json!({ "mode": "auto" }),
            Self::SafeStop => json!({ "mode": "safe_stop" }),
            Self::Setpoint { battery_kw, chp_kw } => json!({ "battery_kw": battery_kw, "chp_kw": chp_kw }),
            Self::Limit { import_kw_max, export_kw_max } => {
                json!({ "import_kw_max": import_kw_max.0, "export_kw_max": export_kw_max.0 })
            }
            Self::GridLimit { import_kw_max, export_kw_max, for_s } => {
                json!({ "import_kw_max": import_kw_max.0, "export_kw_max": export_kw_max.0, "for_s": for_s })
            }
        }
    }
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    log_to_stderr("off");
    let place = match memg_settings::station(&args.config, &args.name) {
        Ok(place) => place,
        Err(problems) => return Ok(refuse(&problems)),
    };
    if args.print {
        let Signed { topic, payload, .. } = signed(args, &place, &args.order)?;
        println!("{topic}\n{payload}");
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async { timeout(args.wait, give(args, &place)).await });
    let error = match answer {
        Ok(Ok(answer)) => return Ok(status(&answer)),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => no_answer(args, &place),
    };
    eprintln!("error: {error}");
    Ok(ExitCode::from(NO_ANSWER))
}

fn signed(args: &Args, place: &Place, order: &Order) -> Result<Signed> {
    let stamp = Stamp::random(Clock::system().now().unix_ms, args.ttl_s).context("no random numbers are available")?;
    Ok(Signed::new(&place.connection.prefix, order.kind(), &place.operator, &order.body(), stamp))
}

/// Gives the command and, after the first step of arming, the second one; prints every answer and returns the last.
async fn give(args: &Args, place: &Place) -> Result<Value> {
    let mut station = Station::visit(&place.connection).await.map_err(anyhow::Error::msg)?;
    let mut answer = ask(&mut station, &signed(args, place, &args.order)?).await?;
    if let Some(nonce) = answer["nonce"].as_str() {
        let confirm = Order::Confirm { nonce: nonce.to_owned() };
        answer = ask(&mut station, &signed(args, place, &confirm)?).await?;
    }
    station.leave().await;
    Ok(answer)
}

async fn ask(station: &mut Station, signed: &Signed) -> Result<Value> {
    let answer = station.ask(signed).await.map_err(anyhow::Error::msg)?;
    println!("{answer}");
    Ok(answer)
}

fn status(answer: &Value) -> ExitCode {
    let in_force = answer["outcome"] == "done" || answer["outcome"] == "clamped";
    if in_force { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn no_answer(args: &Args, place: &Place) -> String {
    let (broker, prefix) = (&place.connection.broker, &place.connection.prefix);
    format!(
        "no answer within {:?} on {prefix}/ack/… from the broker at {}:{}: is the gateway running, with this prefix?",
        args.wait, broker.host, broker.port
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Verb};
    use super::*;
    use clap::Parser;

    fn order(words: &str) -> Result<(&'static str, String), String> {
        let words = ["gateway", "command", "x.toml", "--as", "anna"].into_iter().chain(words.split(' '));
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Verb::Command(args) = cli.command else { return Err("another command".into()) };
        Ok((args.order.kind().name(), args.order.body().to_string()))
    }

    #[test]
    fn every_command_becomes_its_kind_and_body() {
        let rows = [
            ("arm", "arm", "{}"),
            ("confirm 00ff", "confirm", r#"{"nonce":"00ff"}"#),
            ("mode manual", "mode", r#"{"mode":"manual"}"#),
            ("safe-stop", "mode", r#"{"mode":"safe_stop"}"#),
            ("setpoint --battery-kw -10 --chp-kw 0", "setpoint", r#"{"battery_kw":-10.0,"chp_kw":0.0}"#),
            (
                "limit --import-kw-max 40 --export-kw-max none",
                "limit",
                r#"{"export_kw_max":null,"import_kw_max":40.0}"#,
            ),
            ("ack", "acknowledge", "{}"),
        ];
        for (words, kind, body) in rows {
            assert_eq!(order(words), Ok((kind, body.to_owned())), "{words}");
        }
        for wrong in ["mode hold", "setpoint --battery-kw 1", "limit --import-kw-max 1", "limit --import-kw-max NaN"] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }
}
