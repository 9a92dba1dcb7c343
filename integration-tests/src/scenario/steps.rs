//! What may happen in a row, one verb a step; those of meters, devices and operators. The others are in `starts.rs`.
//!
//! | step | means |
//! |---|---|
//! | `lose SIGNAL…`, `restore SIGNAL…` | its meter is not there (exception 11), and is back |
//! | `exception SIGNAL CODE` | its meter answers with that exception until it is restored |
//! | `dead SIGNAL…`, `alive SIGNAL…` | its meter does not answer at all; `all` of them |
//! | `show SIGNAL VALUE`, `tell SIGNAL` | its meter shows that, and the truth again |
//! | `raw SIGNAL WORD WORD`, `swap SIGNAL` | its registers hold that; its words come in the other order |
//! | `plant NAME VALUE` | the plant is like that, and meters show it |
//! | `flag UNIT remote\|fault 0\|1` | battery or CHP is switched to local, reports a fault |
//! | `battery sticks\|follows`, `chp sticks\|follows\|trips\|runs` | how equipment behaves |
//! | `refuse REGISTER CODE`, `take REGISTER` | writes are answered with that exception |
//! | `deaf`, `partial`, `hears` | writes are acknowledged and not applied, applied in part, applied |
//! | `clamp`, `free` | the battery's set-point is clamped near 0 |
//! | `meddle KW`, `meddling KW`, `leave` | somebody else writes the battery's set-point, once or again and again |
//! | `reset` | the device has restarted: set-points are 0 |
//! | `delay MS`, `off`, `on`, `hole`, `filled` | answers come late; switched off; a half-open connection |
//! | `answers KIND`, `write-answers KIND`, `once KIND…`, `once-written KIND…` | the fault proxy spoils answers; `right` ends it |
//! | `command JSON`, `refused JSON`, `ack`, `arm`, `hand BATTERY CHP` | at the station |
//! | `mode MODE [SECONDS]`, `stays MODE CYCLES`, `cycles N`, `alarm ID` | waits, or holds it to be wrong |
//! | `battery is KW`, `chp is KW`, `battery below KW` | waits for a set-point at the register |
//! | `closed WHY`, `closed-at REGISTER WHY`, `opened` | from now on nothing may be written, or everything again |

use super::bench::{Bench, Done, cycles_of};
use crate::fault_proxy::{Fault, FaultProxy};
use crate::promise_plant::{ACTUATORS, BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT, unit_of};
use crate::words::cells;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

const METERS: std::ops::RangeInclusive<u8> = 1..=12;

impl Bench {
    /// Steps in their order.
    pub(super) async fn steps(&mut self, steps: &[String]) -> Done {
        for step in steps {
            self.step(step).await.map_err(|wrong| format!("{step}: {wrong}"))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &str) -> Done {
        let words: Vec<&str> = step.split_whitespace().collect();
        let rest = step.split_once(' ').map_or("", |(_, rest)| rest);
        if self.meter(&words) || self.device(&words) || self.answers(&words) {
            return Ok(());
        }
        if let Some(done) = self.wait(&words, rest).await {
            return done;
        }
        if let Some(done) = self.operator(&words, rest).await {
            return done;
        }
        match self.elsewhere(&words, rest).await {
            Some(done) => done,
            None => Err("there is no such step".into()),
        }
    }

    /// Whether it was a step of meters.
    fn meter(&mut self, words: &[&str]) -> bool {
        let state = || self.plant.device.state();
        match words {
            ["lose", signals @ ..] => signals.iter().for_each(|signal| self.plant.lose(signal)),
            ["restore", signals @ ..] => signals.iter().for_each(|signal| self.plant.restore(signal)),
            ["exception", signal, code] => drop(state().exceptions.insert(unit_of(signal), number(code))),
            ["dead", "all"] => state().dead.extend(0..=u8::MAX),
            ["alive", "all"] => state().dead.clear(),
            ["dead", "meters"] => state().dead.extend(METERS),
            ["dead", signals @ ..] => state().dead.extend(signals.iter().map(|signal| unit_of(signal))),
            ["alive", signals @ ..] => signals.iter().for_each(|signal| {
                state().dead.remove(&unit_of(signal));
            }),
            ["show", signal, value] => self.lie(signal, &cells(number(value))),
            ["raw", signal, first, second] => self.lie(signal, &[number(first), number(second)]),
            ["swap", signal] => {
                let [first, second] = cells(self.plant.shows(signal));
                self.lie(signal, &[second, first]);
            }
            ["tell", signal] => self.tell(signal),
            ["plant", name, value] => self.shown.becomes(name, number(value)),
            _ => return false,
        }
        true
    }

    fn lie(&self, signal: &str, words: &[u16]) {
        self.shown.lies(signal);
        let behaviour = &self.plant.behaviour;
        match signal {
            "battery_kw" => behaviour.battery_sticks.store(true, Ordering::Relaxed),
            "chp_kw" | "chp_on" => behaviour.chp_is_mute.store(true, Ordering::Relaxed),
            _ => {}
        }
        let words = if signal == "chp_on" { &words[..1] } else { words };
        self.plant.device.state().set(unit_of(signal), 0, words);
    }

    fn tell(&self, signal: &str) {
        let at_rest = [("grid_voltage_pu", 1.0), ("heat_load_kw", 60.0), ("import_price_eur_per_kwh", 0.15)];
        if let Some((_, value)) = at_rest.iter().find(|(name, _)| *name == signal) {
            self.plant.show(signal, *value);
        }
        self.shown.tells(signal);
        let behaviour = &self.plant.behaviour;
        match signal {
            "battery_kw" => behaviour.battery_sticks.store(false, Ordering::Relaxed),
            "chp_kw" | "chp_on" => behaviour.chp_is_mute.store(false, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Whether it was a step of devices.
    fn device(&mut self, words: &[&str]) -> bool {
        let behaviour = &self.plant.behaviour;
        let mut state = self.plant.device.state();
        match words {
            ["flag", unit, what, on] => {
                let at = u16::from(*unit == "chp") * 2 + u16::from(*what == "fault");
                state.discrete.insert((ACTUATORS, at), *on == "1");
            }
            ["battery", how @ ("sticks" | "follows")] => {
                behaviour.battery_sticks.store(*how == "sticks", Ordering::Relaxed);
            }
            ["chp", how @ ("sticks" | "follows")] => behaviour.chp_sticks.store(*how == "sticks", Ordering::Relaxed),
            ["chp", how @ ("trips" | "runs")] => behaviour.chp_tripped.store(*how == "trips", Ordering::Relaxed),
            ["refuse", register, code] => drop(state.refused_writes.insert(number(register), number(code))),
            ["take", register] => drop(state.refused_writes.remove(&number::<u16>(register))),
            ["deaf"] => state.ignores_writes = true,
            ["partial"] => state.applies_first_cell_only = true,
            ["hears"] => (state.ignores_writes, state.applies_first_cell_only) = (false, false),
            ["clamp"] => drop(state.clamp.insert(BATTERY_SETPOINT, 1)),
            ["free"] => state.clamp.clear(),
            ["meddle", kw] => state.set(ACTUATORS, BATTERY_SETPOINT, &cells(number(kw))),
            ["reset"] => {
                state.set(ACTUATORS, BATTERY_SETPOINT, &[0, 0]);
                state.set(ACTUATORS, CHP_SETPOINT, &[0, 0]);
                state.set(ACTUATORS, CHP_RUN, &[2]);
            }
            ["delay", ms] => state.delay = Duration::from_millis(number(ms)),
            _ => return false,
        }
        true
    }

    fn through(&self) -> &FaultProxy {
        self.proxy.as_ref().expect("this row has a proxy")
    }

    /// Whether it was a step of the fault proxy.
    fn answers(&mut self, words: &[&str]) -> bool {
        match words {
            ["off"] => self.through().shut(true),
            ["on"] => self.through().shut(false),
            ["hole"] => self.through().blackhole(true),
            ["filled"] => self.through().blackhole(false),
            ["answers", "right"] | ["write-answers", "right"] => self.through().always(None, false),
            ["answers", kind] => self.through().always(Some(spoiled(kind)), false),
            ["write-answers", kind] => self.through().always(Some(spoiled(kind)), true),
            ["once", kinds @ ..] => self.through().inject(&kinds.iter().map(|kind| spoiled(kind)).collect::<Vec<_>>()),
            ["once-written", kinds @ ..] => {
                self.through().inject_on_write(&kinds.iter().map(|kind| spoiled(kind)).collect::<Vec<_>>());
            }
            _ => return false,
        }
        true
    }

    async fn wait(&mut self, words: &[&str], rest: &str) -> Option<Done> {
        Some(match words {
            ["mode", mode] => self.until_mode(mode, "", cycles_of(0.0)).await.map(drop),
            ["mode", mode, seconds] => self.until_mode(mode, "", cycles_of(number(seconds))).await.map(drop),
            ["stays", mode, cycles] => self.stays(mode, number(cycles)).await,
            ["cycles", count] => self.cycles(number(count)).await,
            ["alarm", id] => self.alarm(id, cycles_of(10.0)).await,
            ["battery", "is", kw] => self.setpoint(BATTERY_SETPOINT, near(number(kw))).await,
            ["battery", "below", kw] => {
                let most: f32 = number(kw);
                self.setpoint(BATTERY_SETPOINT, move |kw| kw < most).await
            }
            ["chp", "is", kw] => self.setpoint(CHP_SETPOINT, near(number(kw))).await,
            ["closed", ..] => {
                self.monitor.close(None, rest);
                Ok(())
            }
            ["closed-at", register, ..] => {
                self.monitor.close(Some(number(register)), rest);
                Ok(())
            }
            ["opened"] => {
                self.monitor.open();
                Ok(())
            }
            _ => return None,
        })
    }

    /// Waits for a set-point at a register.
    async fn setpoint(&mut self, register: u16, wanted: impl Fn(f32) -> bool) -> Done {
        let mut holds = false;
        let device = self.plant.device.clone();
        let read = move || {
            let state = device.state();
            let cell = |address| state.holding.get(&(ACTUATORS, address)).copied().unwrap_or(0);
            crate::words::float(&[cell(register), cell(register + 1)])
        };
        let waited = self.until("a set-point at its register", cycles_of(30.0), |_| {
            holds = wanted(read());
            holds
        });
        waited.await.map(drop)
    }

    async fn operator(&mut self, words: &[&str], rest: &str) -> Option<Done> {
        Some(match words {
            ["command", ..] => self.done(parsed(rest)).await,
            ["refused", ..] => match self.command(parsed(rest)).await {
                Ok(answer) if matches!(answer["outcome"].as_str(), Some("done" | "clamped")) => {
                    Err(format!("it was taken: {answer}"))
                }
                other => other.map(drop),
            },
            ["ack"] => self.done(json!("acknowledge")).await,
            ["arm"] => self.arm().await,
            ["hand", battery, chp] => self.by_hand(number(battery), number(chp)).await,
            _ => return None,
        })
    }

    async fn by_hand(&mut self, battery_kw: f64, chp_kw: f64) -> Done {
        self.done(json!("manual")).await?;
        self.until_mode("manual", "", cycles_of(0.0)).await?;
        self.done(json!({ "setpoints": { "battery_kw": battery_kw, "chp_kw": chp_kw } })).await
    }
}

fn near(kw: f32) -> impl Fn(f32) -> bool {
    move |found| (found - kw).abs() < 0.011
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// A number of the table.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no number that fits here"))
}

fn spoiled(kind: &str) -> Fault {
    let (name, size) = kind.split_once(':').unwrap_or((kind, "0"));
    match name {
        "right" => Fault::None,
        "late" => Fault::Delay(Duration::from_millis(number(size))),
        "split" => Fault::Split(number(size), Duration::from_millis(50)),
        "cut" => Fault::Truncate(number(size)),
        "reset" => Fault::Reset,
        "lost-request" => Fault::LoseRequest,
        "lost-answer" => Fault::LoseAnswer,
        "twice" => Fault::Duplicate,
        "previous" => Fault::Previous,
        "transaction" => Fault::Transaction,
        "protocol" => Fault::Protocol,
        "unit" => Fault::Unit,
        "function" => Fault::Function,
        "length" => Fault::Length(number(size)),
        "short" => Fault::Short,
        "long" => Fault::Long,
        "trailing" => Fault::Trailing,
        "bit" => Fault::FlipBit,
        "exception" => Fault::Exception(number(size)),
        _ => panic!("{kind:?} is no way to spoil an answer"),
    }
}
