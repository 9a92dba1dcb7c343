//! The configuration of a row: a real plant, an operator at the station, short times; then what the row changes.
//!
//! | change | means |
//! |---|---|
//! | `control KEY = VALUE` | a line in `[control]` |
//! | `table TEXT` | a table before `[mqtt]`; `\n` ends a line |
//! | `site NAME: LINE` | a line in that device's `[[device]]` |
//! | `device NAME: LINE` | a line in the head of that device's file |
//! | `point NAME: LINE` | a line in the only point of that device's file |
//! | `edit FILE: OLD => NEW` | another text in a file |
//! | `proxy NAME` | that device is reached through the fault proxy; `all`: every device |
//! | `topic SIGNAL` | no meter: `{"v": value, "t": ms}` on `plant/SIGNAL`, current for 2 s |
//! | `untimed SIGNAL` | the same without its time stamp |
//! | `trust` | whoever may publish commands is an operator |
//! | `ceiling KB` | files may grow to so many kilobytes |

use super::Scenario;
use crate::fault_proxy::{FaultProxy, Framing};
use crate::promise_plant::{ACTUATORS, PromisePlant};
use memg_core::observation::Schema;
use memg_gateway::policy::model::{ModelRecord, write_model};
use memg_gateway::policy::weights::{Dense, Weights};
use std::path::Path;

/// What a row is played on.
pub(super) struct Set {
    pub plant: PromisePlant,
    pub proxy: Option<FaultProxy>,
    /// A program that starts the gateway, with its arguments.
    pub wrap: Vec<String>,
}

/// The plant with its configuration; `None` without mosquitto.
pub(super) async fn set(row: &Scenario) -> Option<Set> {
    let control = format!(
        "react_s = 0.0\nhold_s = {:?}\nobserve_s = {:?}\nresponse_s = 4.0\nchp_response_s = 5.0",
        row.hold_s, row.observe_s
    );
    let plant = PromisePlant::start(&control, "").await?;
    plant.make_real();
    plant.with_pv_cap();
    base(&plant, row);
    let mut set = Set { plant, proxy: None, wrap: Vec::new() };
    for change in &row.with {
        apply(&mut set, change).await;
    }
    Some(set)
}

fn base(plant: &PromisePlant, row: &Scenario) {
    let user = |name: &str, role: &str| {
        format!("[[web.user]]\nname = '{name}'\nrole = '{role}'\npassword_env = 'STATION_HASH'\n")
    };
    let web = format!("[web]\nlisten = '127.0.0.1:0'\n{}{}[mqtt]", user("anna", "operator"), user("eva", "viewer"));
    plant.edit("gateway.toml", "[mqtt]", &web);
    plant.edit("gateway.toml", "commands = { trust_broker_as = 'operator' }\n", "keep_alive_s = 1\n");
    plant.edit("site.toml", "step_h = 0.25", &format!("step_h = {:?}", row.step_s / 3600.0));
    let policy = if row.policy == "hostile" { plant.path("hostile").display().to_string() } else { row.policy.clone() };
    plant.edit("gateway.toml", "decide_with = 'idle'", &format!("decide_with = '{policy}'"));
    hostile(&plant.path("hostile"));
    for (name, first) in [("battery", 0), ("chp", 2)] {
        flags(plant, name, first);
    }
}

/// A device says whether it is in remote, and whether it has a fault.
fn flags(plant: &PromisePlant, name: &str, first: u16) {
    let point = |what: &str, address: u16| {
        format!(
            "[[point]]\nname = '{what}'\ntable = 'discrete'\naddress = {address}\ntype = 'bool'\nrange = [0, 1]\n\
             signal = '{name}_{what}'\n"
        )
    };
    let file = format!("devices/{name}.toml");
    let head = format!(
        "poll_s = 0.1\nremote_point = 'remote'\n{}{}[[point]]",
        point("remote", first),
        point("fault", first + 1)
    );
    plant.edit(
        &file,
        &format!("poll_s = 0.1\n[[point]]\nname = '{name}_setpoint'"),
        &format!("{head}\nname = '{name}_setpoint'"),
    );
    let mut state = plant.device.state();
    state.discrete.insert((ACTUATORS, first), true);
    state.discrete.insert((ACTUATORS, first + 1), false);
}

/// A network that asks for everything at once, and for the opposite as soon as the load trembles the other way. Beyond six
/// times the usual price its numbers overflow and it answers with none.
fn hostile(folder: &Path) {
    let schema = Schema::TenD;
    let (load, price, inputs) = (2, 6, schema.len());
    let row = |at: usize, gain: f32| (0..inputs).map(move |input| if input == at { gain } else { 0.0 });
    let first: Vec<f32> = row(load, 1e6).chain(row(load, -1e6)).chain(row(price, 1e30)).collect();
    let second = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1e10];
    let last = vec![1.0, -1.0, 0.0, -1.0, 1.0, 0.0, 1.0, -1.0, 0.0];
    let layers = [
        Dense { inputs, outputs: 3, weight: first, bias: vec![-4e5, 4e5, -6e30] },
        Dense { inputs: 3, outputs: 3, weight: second, bias: vec![0.0; 3] },
        Dense { inputs: 3, outputs: 3, weight: last, bias: vec![0.0; 3] },
    ];
    let weights = Weights::new(schema, layers).expect("finite weights");
    let record = ModelRecord { name: "hostile".to_owned(), ..ModelRecord::default() };
    write_model(folder, &weights, &record).expect("a model folder");
}

async fn apply(set: &mut Set, change: &str) {
    let (verb, rest) = change.split_once(' ').unwrap_or((change, ""));
    let plant = &set.plant;
    match verb {
        "control" => plant.edit("gateway.toml", "recover_cycles = 2", &format!("recover_cycles = 2\n{rest}")),
        "table" => plant.edit("gateway.toml", "[mqtt]\n", &format!("{}\n[mqtt]\n", rest.replace("\\n", "\n"))),
        "site" => {
            let (name, line) = pair(rest, ": ");
            let head = format!("[[device]]\nname = '{name}'\n");
            plant.edit("gateway.toml", &head, &format!("{head}{line}\n"));
        }
        "device" => {
            let (name, line) = pair(rest, ": ");
            plant.edit(&format!("devices/{name}.toml"), "address_base = 0\n", &format!("address_base = 0\n{line}\n"));
        }
        "point" => {
            let (name, line) = pair(rest, ": ");
            plant.edit(&format!("devices/{name}.toml"), "[[point]]\n", &format!("[[point]]\n{line}\n"));
        }
        "edit" => {
            let (file, texts) = pair(rest, ": ");
            let (old, new) = pair(texts, " => ");
            plant.edit(file, &old.replace("\\n", "\n"), &new.replace("\\n", "\n"));
        }
        "proxy" => proxy(set, rest).await,
        "topic" => topic(plant, rest, "time_pointer = '/t'\ntime_format = 'unix_ms'\n"),
        "untimed" => topic(plant, rest, ""),
        "trust" => {
            plant.edit(
                "gateway.toml",
                "keep_alive_s = 1\n",
                "keep_alive_s = 1\ncommands = { trust_broker_as = 'operator' }\n",
            );
        }
        "ceiling" => {
            // A write beyond it is to fail, as on a full disk, and not to end the program.
            let shell = format!("trap '' XFSZ; ulimit -S -f {rest}; exec \"$0\" \"$@\"");
            set.wrap = ["bash", "-c", &shell].map(str::to_owned).to_vec();
        }
        _ => panic!("{change:?} is no change of a configuration"),
    }
}

fn pair<'a>(text: &'a str, between: &str) -> (&'a str, &'a str) {
    text.split_once(between).unwrap_or_else(|| panic!("{text:?} has no {between:?}"))
}

async fn proxy(set: &mut Set, name: &str) {
    let upstream = set.plant.device.address;
    let proxy = FaultProxy::start(upstream, Framing::Tcp).await;
    let (from, to) = (format!("tcp = '{upstream}'"), format!("tcp = '{}'", proxy.address));
    if name == "all" {
        set.plant.edit("gateway.toml", &from, &to);
    } else {
        let file = format!("file = '{name}.toml'\ntransport = {{ ");
        set.plant.edit("gateway.toml", &format!("{file}{from}"), &format!("{file}{to}"));
    }
    set.proxy = Some(proxy);
}

/// The signal's meter is taken away, and a topic put in its place.
fn topic(plant: &PromisePlant, signal: &str, time: &str) {
    let text = std::fs::read_to_string(plant.path("gateway.toml")).expect("a configuration");
    let from = text.find(&format!("[[device]]\nname = '{signal}'\n")).expect("a meter");
    let until = text[from + 1..].find("[[device]]").map_or(text.len(), |next| from + 1 + next);
    plant.edit("gateway.toml", &text[from..until], "");
    let unit = if signal == "soc" { "1" } else { "kW" };
    let input = format!(
        "[[mqtt.inputs]]\ntopic = 'plant/{signal}'\nsignal = '{signal}'\npointer = '/v'\n{time}unit = '{unit}'\n\
         range = [0, 120]\nage_max_s = 2\n[[device]]\nname = 'battery'\n"
    );
    plant.edit("gateway.toml", "[[device]]\nname = 'battery'\n", &input);
}
