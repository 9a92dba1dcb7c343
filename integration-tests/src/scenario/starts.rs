//! Steps of the gateway's process, of files, of the broker, and of strangers.
//!
//! | step | means |
//! |---|---|
//! | `start`, `stop`, `kill` | of the gateway; nothing may be written from its end until somebody arms |
//! | `refuses CODE WORDS` | it does not start: it ends with that status and these words |
//! | `twin WORDS`, `twin-beside` | a second gateway with this configuration ends with these words; with a journal of its own it runs |
//! | `freeze SECONDS` | the gateway's process stands still for so long |
//! | `ceiling KB` | files may grow to so many kilobytes from now on |
//! | `write FILE TEXT`, `folder NAME`, `remove FILE`, `cut FILE BYTES`, `flip FILE` | a file is replaced, gone, cut at its end; a byte in its middle is flipped |
//! | `broker kill\|restart\|freeze\|thaw\|flap` | of the MQTT broker |
//! | `sends SIGNAL VALUE`, `hush SIGNAL` | `plant/SIGNAL` is published ten times a second; no longer |
//! | `skew SIGNAL MS`, `replay SIGNAL`, `disorder SIGNAL`, `twice SIGNAL` | with time stamps ahead, the same one, every other one old; each twice |
//! | `payload SIGNAL TEXT`, `payload SIGNAL huge\|binary\|nested` | that, instead |
//! | `retain SIGNAL VALUE` | one retained message |
//! | `order KIND JSON`, `order-late KIND JSON`, `order-early KIND JSON`, `order-kept KIND JSON`, `order-raw KIND TEXT` | a command over MQTT, unsigned: as it should be, expired, from the future, retained, as it stands |
//! | `strangers COUNT`, `slow COUNT`, `north-strangers COUNT` | connections with rubbish; browsers that never read; at SCADA's server |
//! | `scada REGISTER WORD… = CODE` | SCADA writes registers, answered with 0 or that exception |
//! | `scada-kw REGISTER VALUE = CODE`, `beats`, `silent` | a power; its heart beats, or stops |

use super::Dice;
use super::bench::{Bench, Done};
use super::clients::{Master, Publisher, payload};
use super::steps::number;
use crate::gateway::Gateway;
use crate::mosquitto::Keep;
use crate::promise_plant::{ACTUATORS, BATTERY_SETPOINT, PREFIX};
use crate::topics_site::now_ms;
use crate::words::cells;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What a sender sends.
#[derive(Debug, Clone, Default)]
struct Message {
    value: f64,
    skew_ms: i64,
    /// Always this time stamp.
    stamp: Option<i64>,
    disorder: bool,
    twice: bool,
    hushed: bool,
    /// This, instead.
    raw: Option<Vec<u8>>,
}

/// Tasks and connections of a row.
#[derive(Debug, Default)]
pub(super) struct Others {
    senders: BTreeMap<String, Arc<Mutex<Message>>>,
    tasks: Vec<JoinHandle<()>>,
    meddler: Option<JoinHandle<()>>,
    streams: Vec<TcpStream>,
    scada: Option<Arc<tokio::sync::Mutex<Master>>>,
    heart: Option<JoinHandle<()>>,
}

impl Drop for Others {
    fn drop(&mut self) {
        self.tasks.iter().chain(&self.meddler).chain(&self.heart).for_each(JoinHandle::abort);
    }
}

impl Bench {
    /// A step of this file; `None`: it is none.
    pub(super) async fn elsewhere(&mut self, words: &[&str], rest: &str) -> Option<Done> {
        if let Some(done) = self.process(words, rest).await {
            return Some(done);
        }
        if self.file(words, rest) || self.sender(words, rest) {
            return Some(Ok(()));
        }
        if let Some(done) = self.over_mqtt(words, rest).await {
            return Some(done);
        }
        self.stranger(words).await
    }

    async fn process(&mut self, words: &[&str], rest: &str) -> Option<Done> {
        Some(match words {
            ["start"] => self.start().await,
            ["kill"] => {
                if let Some(gateway) = self.gateway.take() {
                    gateway.kill().await;
                }
                self.ended("after the gateway was killed, before anybody armed").await;
                Ok(())
            }
            ["stop"] => {
                if let Some(gateway) = self.gateway.take() {
                    gateway.stop().await;
                }
                self.ended("after the gateway ended, before anybody armed").await;
                Ok(())
            }
            ["refuses", code, ..] => {
                let (_, said) = rest.split_once(' ').unwrap_or((rest, ""));
                self.refuses(Some(number(code)), said).await
            }
            ["twin", ..] => self.twin(rest).await,
            ["twin-beside"] => {
                let journal = self.plant.path("twins-journal").display().to_string();
                let config = self.plant.path("gateway.toml");
                let more = [
                    ("RUST_LOG", "info"),
                    ("MEMG__JOURNAL__PATH", journal.as_str()),
                    ("STATION_HASH", super::bench::hash()),
                ];
                self.twin = Some(Gateway::logging(&[], &config, &more, &self.plant.path("twin.log")));
                Ok(())
            }
            ["freeze", seconds] => {
                self.signal("-STOP").await;
                sleep(Duration::from_secs_f64(number(seconds))).await;
                self.signal("-CONT").await;
                Ok(())
            }
            ["ceiling", size] => self.ceiling(size).await,
            _ => return None,
        })
    }

    /// What was under way to the plant has arrived.
    async fn ended(&mut self, why: &str) {
        sleep(Duration::from_millis(300)).await;
        self.monitor.close(None, why);
    }

    async fn refuses(&mut self, code: Option<i32>, said: &str) -> Done {
        let status = self.launch().ended().await;
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let right = code.is_none_or(|code| status.code() == Some(code)) && !status.success() && log.contains(said);
        if right { Ok(()) } else { Err(format!("it ended with {status} and {log}")) }
    }

    async fn twin(&mut self, said: &str) -> Done {
        let log = self.plant.path("twin.log");
        let more = [("RUST_LOG", "info"), ("STATION_HASH", super::bench::hash())];
        let twin = Gateway::logging(&[], &self.plant.path("gateway.toml"), &more, &log);
        let status = twin.ended().await;
        let log = std::fs::read_to_string(log).unwrap_or_default();
        if !status.success() && log.contains(said) { Ok(()) } else { Err(format!("it ended with {status} and {log}")) }
    }

    async fn signal(&self, name: &str) {
        let id = self.gateway.as_ref().map_or(0, Gateway::id).to_string();
        let sent = tokio::process::Command::new("kill").args([name, &id]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "kill {name} {id}");
    }

    async fn ceiling(&self, size: &str) -> Done {
        let id = self.gateway.as_ref().map_or(0, Gateway::id).to_string();
        let size = if size == "none" { "unlimited".to_owned() } else { (1024 * number::<u64>(size)).to_string() };
        let mut command = tokio::process::Command::new("prlimit");
        let set = command.args(["--pid", &id, &format!("--fsize={size}:unlimited")]).status().await;
        if set.is_ok_and(|status| status.success()) { Ok(()) } else { Err("prlimit does not do it".into()) }
    }

    /// Whether it was a step of files.
    fn file(&mut self, words: &[&str], rest: &str) -> bool {
        let path = |name: &str| self.plant.path(name);
        match words {
            ["write", file, ..] => {
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                std::fs::write(path(file), text.replace("\\n", "\n")).expect("a file");
            }
            ["folder", name] => std::fs::create_dir(path(name)).expect("a folder"),
            ["remove", file] => std::fs::remove_file(path(file)).expect("a file"),
            ["cut", file, bytes] => {
                let text = std::fs::read(path(file)).expect("a file");
                let end = text.len().saturating_sub(number(bytes));
                std::fs::write(path(file), &text[..end]).expect("a file");
            }
            ["flip", file] => {
                let mut text = std::fs::read(path(file)).expect("a file");
                let middle = text.len() / 2;
                text[middle] ^= 1;
                std::fs::write(path(file), text).expect("a file");
            }
            _ => return false,
        }
        true
    }

    /// Whether it was a step of senders.
    fn sender(&mut self, words: &[&str], rest: &str) -> bool {
        let set = |signal: &str, change: &dyn Fn(&mut Message)| {
            let sender = self.others.senders.get(signal).unwrap_or_else(|| panic!("nobody sends {signal}"));
            change(&mut sender.lock().unwrap_or_else(PoisonError::into_inner));
        };
        match words {
            ["sends", signal, value] => {
                let message = Message { value: number(value), ..Message::default() };
                if let Some(sender) = self.others.senders.get(*signal) {
                    *sender.lock().unwrap_or_else(PoisonError::into_inner) = message;
                    return true;
                }
                let sender = Arc::new(Mutex::new(message));
                self.others.tasks.push(tokio::spawn(send(
                    self.plant.broker.port,
                    (*signal).to_owned(),
                    sender.clone(),
                )));
                self.others.senders.insert((*signal).to_owned(), sender);
            }
            ["hush", signal] => set(signal, &|message| message.hushed = true),
            ["skew", signal, ms] => set(signal, &|message| message.skew_ms = number(ms)),
            ["replay", signal] => set(signal, &|message| message.stamp = Some(i64_now())),
            ["disorder", signal] => set(signal, &|message| message.disorder = true),
            ["twice", signal] => set(signal, &|message| message.twice = true),
            ["payload", signal, ..] => {
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                set(signal, &|message| message.raw = Some(payload(text)));
            }
            _ => return false,
        }
        true
    }

    async fn over_mqtt(&mut self, words: &[&str], rest: &str) -> Option<Done> {
        match words {
            ["broker", "kill"] => self.broker().kill(),
            ["broker", "restart"] => self.broker().restart().await,
            ["broker", "freeze"] => self.broker().freeze(),
            ["broker", "thaw"] => self.broker().thaw(),
            ["broker", "flap"] => {
                for _ in 0..4 {
                    self.broker().kill();
                    sleep(Duration::from_millis(300)).await;
                    self.broker().restart().await;
                    sleep(Duration::from_millis(700)).await;
                }
            }
            ["retain", signal, value] => {
                let payload = json!({ "v": number::<f64>(value) }).to_string();
                self.broker().publish(&format!("plant/{signal}"), payload, Keep::Retained).await;
            }
            [verb @ ("order" | "order-late" | "order-early" | "order-kept" | "order-raw"), kind, ..] => {
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                let keep = if *verb == "order-kept" { Keep::Retained } else { Keep::No };
                let payload = if *verb == "order-raw" { text.to_owned() } else { envelope(verb, text) };
                self.broker().publish(&format!("{PREFIX}/command/{kind}"), payload, keep).await;
            }
            ["meddling", kw] => {
                let (device, words) = (self.plant.device.clone(), cells(number(kw)));
                self.others.meddler = Some(tokio::spawn(async move {
                    loop {
                        device.state().set(ACTUATORS, BATTERY_SETPOINT, &words);
                        sleep(Duration::from_millis(40)).await;
                    }
                }));
            }
            ["leave"] => {
                if let Some(meddler) = self.others.meddler.take() {
                    meddler.abort();
                }
            }
            _ => return None,
        }
        Some(Ok(()))
    }

    async fn stranger(&mut self, words: &[&str]) -> Option<Done> {
        Some(match words {
            ["strangers", count] => {
                let address = self.anna().ok()?.address;
                self.rubbish(&address, number(count)).await
            }
            ["slow", count] => {
                let address = self.anna().ok()?.address;
                self.slow(&address, number(count)).await
            }
            ["north-strangers", count] => match self.said("SCADA over modbus: ").await {
                Ok(address) => self.rubbish(&address, number(count)).await,
                Err(wrong) => Err(wrong),
            },
            ["scada", register, words @ .., "=", code] => {
                let words: Vec<u16> = words.iter().map(|word| number(word)).collect();
                self.scada(number(register), &words, number(code)).await
            }
            ["scada-kw", register, kw, "=", code] => {
                self.scada(number(register), &cells(number(kw)), number(code)).await
            }
            ["beats"] => {
                let master = self.others.scada.clone()?;
                self.others.heart = Some(tokio::spawn(beat(master)));
                Ok(())
            }
            ["silent"] => {
                self.others.heart.take()?.abort();
                Ok(())
            }
            _ => return None,
        })
    }

    async fn scada(&mut self, register: u16, words: &[u16], code: u8) -> Done {
        if self.others.scada.is_none() {
            let address = self.said("SCADA over modbus: ").await?;
            self.others.scada = Some(Arc::new(tokio::sync::Mutex::new(Master::connect(&address).await)));
        }
        let master = self.others.scada.clone().ok_or("no master")?;
        let answer = master.lock().await.write(register, words).await;
        if answer == code { Ok(()) } else { Err(format!("answered with {answer}, not {code}")) }
    }

    /// Connections that say what is no request, and stay open.
    async fn rubbish(&mut self, address: &str, count: u64) -> Done {
        for number in 0..count {
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let mut dice = Dice(number);
            let bytes: Vec<u8> = match number % 3 {
                0 => (0..300).map(|_| dice.below(256) as u8).collect(),
                1 => format!("GET /{} HTTP/1.1\r\nHost: loc", "x".repeat(20_000)).into_bytes(),
                _ => vec![0, 1, 0, 0, 0xFF, 0xFF, 1, 3],
            };
            let _ = stream.write_all(&bytes).await;
            self.others.streams.push(stream);
        }
        Ok(())
    }

    /// Browsers that ask for everything that happens and never read.
    async fn slow(&mut self, address: &str, count: u64) -> Done {
        for _ in 0..count {
            let mut stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            let head = format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.map_err(|error| error.to_string())?;
            self.others.streams.push(stream);
        }
        Ok(())
    }
}

async fn beat(master: Arc<tokio::sync::Mutex<Master>>) {
    for beat in 1.. {
        master.lock().await.write(9004, &[beat]).await;
        sleep(Duration::from_millis(300)).await;
    }
}

fn i64_now() -> i64 {
    i64::try_from(now_ms()).expect("before the end of time")
}

/// A command in its envelope: of now, long expired, or of a clock that is ahead.
fn envelope(verb: &str, body: &str) -> String {
    let mut order: Value = serde_json::from_str(body).expect("a body in JSON");
    let now = i64_now();
    let time = match verb {
        "order-late" => now - 600_000,
        "order-early" => now + 600_000,
        _ => now,
    };
    order["id"] = json!(format!("{verb}-{now}"));
    order["time_unix_ms"] = json!(time);
    order["ttl_s"] = json!(30);
    order.to_string()
}

/// Publishes a signal ten times a second, over a connection that is made anew when it breaks.
async fn send(port: u16, signal: String, message: Arc<Mutex<Message>>) {
    let (topic, name) = (format!("plant/{signal}"), format!("meter-{signal}"));
    let (mut publisher, mut count) = (None, 0_u64);
    loop {
        if publisher.is_none() {
            publisher = Publisher::connect(port, &name).await;
        }
        count += 1;
        let now = message.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(connected) = publisher.as_mut().filter(|_| !now.hushed) {
            let old_ms = if now.disorder && count % 2 == 0 { 1_500 } else { 0 };
            let stamp = now.stamp.unwrap_or_else(i64_now) + now.skew_ms - old_ms;
            let text = json!({ "v": now.value, "t": stamp }).to_string().into_bytes();
            let bytes = now.raw.unwrap_or(text);
            let mut sent = connected.publish(&topic, &bytes, false).await;
            if now.twice {
                sent &= connected.publish(&topic, &bytes, false).await;
            }
            if !sent {
                publisher = None;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}
