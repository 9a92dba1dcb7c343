//! A row's plant, gateway and operator, and the means to watch them.

use super::configure::{Set, set};
use super::monitor::Monitor;
use super::observer::{Cycle, JournalTail};
use super::shown::Shown;
use super::{Dice, Scenario};
use crate::fault_proxy::FaultProxy;
use crate::gateway::Gateway;
use crate::http::Browser;
use crate::mosquitto::Mosquitto;
use crate::promise_plant::PromisePlant;
use memg_gateway::web::password;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PASSWORD: &str = "correct horse";
/// Supervision cycle of every row, s.
const CYCLE_S: f64 = 0.2;
/// Cycles in which what needs no configured time has to be seen.
const CYCLES: u64 = 25;
/// A gateway that ends no cycle for so long does not cycle.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a step or a row comes to; the text says what is wrong.
pub type Done<T = ()> = Result<T, String>;

/// How many cycles a configured time may take: three times as long, and some.
pub(super) fn cycles_of(seconds: f64) -> u64 {
    CYCLES + (3.0 * seconds / CYCLE_S).ceil() as u64
}

/// Everything a row is played with.
pub struct Bench {
    pub(super) plant: PromisePlant,
    pub(super) proxy: Option<FaultProxy>,
    pub(super) shown: Shown,
    pub(super) monitor: Monitor,
    pub(super) dice: Dice,
    pub(super) gateway: Option<Gateway>,
    /// A second one.
    pub(super) twin: Option<Gateway>,
    /// Tasks and connections of the row's own, kept until its end.
    pub(super) others: super::starts::Others,
    wrap: Vec<String>,
    journal: JournalTail,
    by_station: bool,
    pub(super) anna: Option<Browser>,
    starts: u32,
    keeper: tokio::task::JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

pub(super) fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD).expect("a hash"))
}

impl Bench {
    /// A plant at rest with its configuration, and no gateway yet; `None` without mosquitto.
    pub async fn set(row: &Scenario, dice: Dice) -> Option<Self> {
        let Set { plant, proxy, wrap } = set(row).await?;
        let (shown, keeper) = Shown::begin(&plant.device, dice.clone());
        Some(Self {
            journal: JournalTail::new(&plant.path("journal")),
            monitor: Monitor::new(row.yields.iter().any(|rule| rule == "ramp")),
            by_station: row.without_journal,
            anna: None,
            gateway: None,
            twin: None,
            others: super::starts::Others::default(),
            starts: 0,
            plant,
            proxy,
            shown,
            dice,
            wrap,
            keeper,
        })
    }

    /// The broker of this plant.
    pub(super) fn broker(&mut self) -> &mut Mosquitto {
        &mut self.plant.broker
    }

    /// The row's folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.plant.folder()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.plant.path(&format!("gateway-{}.log", self.starts))
    }

    /// Starts the program, whatever becomes of it.
    pub(super) fn launch(&mut self) -> Gateway {
        self.starts += 1;
        self.journal.skip();
        let environment = [("RUST_LOG", "info"), ("STATION_HASH", hash())];
        Gateway::logging(&self.wrap, &self.plant.path("gateway.toml"), &environment, &self.log())
    }

    /// Starts the gateway, and anna logs in.
    pub(super) async fn start(&mut self) -> Done {
        let gateway = self.launch();
        self.gateway = Some(gateway);
        let url = self.said("Operator's station: ").await?;
        self.anna = Some(Browser::at(&url).as_user("anna", PASSWORD).await);
        Ok(())
    }

    /// What the gateway says after these words when it starts.
    pub(super) async fn said(&mut self, words: &str) -> Done<String> {
        let begin = Instant::now();
        loop {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            if let Some(said) = whole.lines().find_map(|line| line.strip_prefix(words)) {
                return Ok(said.to_owned());
            }
            let ended = self.gateway.as_mut().is_none_or(Gateway::has_ended);
            if ended || begin.elapsed() > PATIENCE {
                return Err(format!("the gateway never says {words:?}: {log}"));
            }
            sleep(Duration::from_millis(30)).await;
        }
    }

    pub(super) fn anna(&self) -> Done<Browser> {
        self.anna.clone().ok_or_else(|| "nobody is logged in".to_owned())
    }

    async fn news(&mut self) -> Done<Vec<Cycle>> {
        if self.by_station {
            let state = self.anna()?.state().await;
            return Ok(Cycle::of_station(&state).into_iter().collect());
        }
        Ok(self.journal.news())
    }

    /// What happened before counts no longer.
    pub(super) async fn forget(&mut self) -> Done {
        self.news().await.map(drop)
    }

    /// Waits for a cycle in which something holds, at most so many cycles long.
    pub(super) async fn until(&mut self, what: &str, most: u64, mut holds: impl FnMut(&Cycle) -> bool) -> Done<Cycle> {
        let (mut first, mut latest) = (None, Instant::now());
        let mut seen: Vec<String> = Vec::new();
        loop {
            for cycle in self.news().await? {
                latest = Instant::now();
                let first = *first.get_or_insert(cycle.number);
                let now = format!("{} {}", cycle.mode, cycle.fault);
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                if holds(&cycle) {
                    return Ok(cycle);
                }
                if cycle.number >= first + most {
                    return Err(format!("not within {most} cycles: {what}; seen: {}", seen.join(", then ")));
                }
            }
            if latest.elapsed() > PATIENCE {
                return Err(format!("no cycle ends while waiting for: {what}; seen: {}", seen.join(", then ")));
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits for a mode, and for a cause with these words.
    pub(super) async fn until_mode(&mut self, mode: &str, says: &str, most: u64) -> Done<Cycle> {
        let what = if says.is_empty() { mode.to_owned() } else { format!("{mode} because of {says:?}") };
        self.until(&what, most, |cycle| cycle.mode == mode && cycle.fault.contains(says)).await
    }

    /// So many cycles go by in that mode and in no other.
    pub(super) async fn stays(&mut self, mode: &str, cycles: u64) -> Done {
        let mut other = None;
        let mut first = None;
        self.until("cycles", 10 * cycles, |cycle| {
            let first = *first.get_or_insert(cycle.number);
            if cycle.mode != mode {
                other = Some(cycle.clone());
            }
            other.is_some() || cycle.number >= first + cycles
        })
        .await?;
        other.map_or(Ok(()), |cycle| Err(format!("it does not stay in {mode}: {} {}", cycle.mode, cycle.fault)))
    }

    /// Cycles go by; by then the gateway knows what the plant is like.
    pub(super) async fn cycles(&mut self, count: u64) -> Done {
        let mut first = None;
        self.until("cycles", 10 * count, |cycle| cycle.number >= *first.get_or_insert(cycle.number) + count).await?;
        self.shown.settle();
        Ok(())
    }

    /// An operator's command at the station; its answer.
    pub(super) async fn command(&self, body: Value) -> Done<Value> {
        Ok(self.anna()?.command(body).await)
    }

    /// A command that has to be taken.
    pub(super) async fn done(&self, body: Value) -> Done {
        let answer = self.command(body.clone()).await?;
        let taken = matches!(answer["outcome"].as_str(), Some("done" | "clamped"));
        if taken { Ok(()) } else { Err(format!("{body} was not taken: {answer}")) }
    }

    /// Both steps of arming.
    pub(super) async fn arm(&mut self) -> Done {
        let anna = self.anna()?;
        let mut last = Value::Null;
        for _ in 0..20 {
            let token = anna.post("arm", &json!({})).await.json()["token"].clone();
            let held = self.battery_kw();
            self.monitor.take(held);
            last = anna.post("commands", &json!({ "body": "arm", "confirm": token })).await.json();
            if last["outcome"] == "done" {
                return Ok(());
            }
            self.monitor.close(None, "although arming was refused");
            sleep(Duration::from_millis(100)).await;
        }
        Err(format!("arming is refused: {last}"))
    }

    /// What the battery's meter shows, kW.
    fn battery_kw(&self) -> f32 {
        self.plant.shows("battery_kw")
    }

    /// Waits until an alarm is in the list, and stands.
    pub(super) async fn alarm(&mut self, id: &str, most: u64) -> Done {
        let anna = self.anna()?;
        let mut first = None;
        loop {
            let list = anna.get("alarms").await.json();
            let alarms = list["alarms"].as_array().cloned().unwrap_or_default();
            if alarms.iter().any(|alarm| alarm["id"] == id) {
                return Ok(());
            }
            let now = anna.state().await["cycle"].as_u64().unwrap_or(0);
            if now >= *first.get_or_insert(now) + most {
                let ids: Vec<String> = alarms.iter().map(|alarm| alarm["id"].to_string()).collect();
                return Err(format!("no alarm {id} within {most} cycles, but {}", ids.join(" ")));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Names of the alarms in the list.
    pub(super) async fn alarms(&self) -> String {
        let Ok(anna) = self.anna() else { return String::new() };
        let list = anna.get("alarms").await.json();
        let ids = list["alarms"].as_array().into_iter().flatten().filter_map(|alarm| alarm["id"].as_str());
        ids.collect::<Vec<_>>().join(" ")
    }

    /// Everything that is wrong with the writes so far.
    pub(super) fn verdict(&self) -> Vec<String> {
        let writes = self.plant.device.state().writes.clone();
        self.monitor.judge(&writes, &self.shown)
    }

    /// Writes that the plant has seen.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.plant.device.state().writes.len()
    }
}
