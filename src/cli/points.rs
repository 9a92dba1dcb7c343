//! `gateway points`

use anyhow::Result;
use memg_daemon::extent;
use memg_north::modbus::width;
use memg_north::points::{Point, PointList, Shape, Use, VERSION};
use std::path::PathBuf;
use std::process::ExitCode;

/// List every point that SCADA can read or command: names, numbers (Modbus registers, objects of IEC 60870-5-104), units
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configuration of the plant; without devices in it, all signals that a plant with one unit of each kind can have
    #[arg(default_value = "config/gateway.toml")]
    config: PathBuf,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Csv,
    Md,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let settings = match memg_settings::load(&args.config, "", &[]) {
        Ok(settings) => settings,
        Err(problems) => return Ok(super::refuse(&problems)),
    };
    let list = PointList::of(&extent(&settings));
    match args.format {
        Format::Csv => print!("{}", csv(&list)),
        Format::Md => print!("{}", markdown(&list)),
    }
    Ok(ExitCode::SUCCESS)
}

/// One point in words: first register, registers, type, access, unit, states and text.
struct Row {
    registers: u16,
    kind: &'static str,
    access: String,
    text: String,
}

fn row(point: &Point) -> Row {
    let kind = match (point.shape, point.usage) {
        (Shape::Number, Use::Read) => "float32, quality, age in s",
        (Shape::Number, Use::Command(_)) => "float32",
        (Shape::Text(_), _) => "ASCII",
        (Shape::Count | Shape::State(_) | Shape::Flag, _) => "uint16",
    };
    let access = match point.usage {
        Use::Read => "read".to_owned(),
        Use::Command(role) => format!("write: {}", role.name()),
    };
    let states = match point.shape {
        Shape::State(states) => {
            let named: Vec<String> = states.iter().map(|(number, name)| format!("{number} {name}")).collect();
            format!(" ({})", named.join(", "))
        }
        _ => String::new(),
    };
    Row { registers: width(point), kind, access, text: format!("{}{states}", point.text) }
}

fn csv(list: &PointList) -> String {
    let mut text = "number,registers,name,type,access,unit,text\n".to_owned();
    for point in list.points() {
        let Row { registers, kind, access, text: told } = row(point);
        let quoted = told.replace('"', "\"\"");
        text +=
            &format!("{},{registers},{},\"{kind}\",{access},{},\"{quoted}\"\n", point.number, point.name, point.unit);
    }
    text
}

fn markdown(list: &PointList) -> String {
    let mut text = format!(
        "# Points of the north side\n\nMade by `gateway points --format md`. Map version {VERSION}; how registers are read and written: [SCADA](scada.md).\n\n| number | registers | name | type | access | unit | text |\n|---|---|---|---|---|---|---|\n"
    );
    for point in list.points() {
        let Row { registers, kind, access, text: told } = row(point);
        text += &format!(
            "| {} | {registers} | `{}` | {kind} | {access} | {} | {told} |\n",
            point.number, point.name, point.unit
        );
    }
    text
}
