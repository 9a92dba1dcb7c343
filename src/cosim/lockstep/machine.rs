//! The protocol as a pure state machine: messages and wall-clock time in, replies out.
//!
//! ```text
//!          start                         meas (k = last + 1): step, answer
//!   idle ---------> running(next k) ---> meas (k = last): the same answer again
//!    ^                 |                 meas (anything else): error, nothing moves
//!    +-----------------+
//!     stop, silence, start of another run: summary
//! ```

use super::message;
use super::villas::{self, Frame};
use super::{Start, StepAnswer, StepStatus, Stepper, Values};
use crate::lockstep::settings::LockstepSettings;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;

/// What the simulator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Begin a run.
    Start,
    /// One step.
    Meas,
    /// End the run.
    Stop,
    /// One step as a VILLASnode frame.
    Villas,
}

impl Request {
    /// Every request.
    pub const ALL: [Self; 4] = [Self::Start, Self::Meas, Self::Stop, Self::Villas];

    /// The topic below the prefix.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Meas => "meas",
            Self::Stop => "stop",
            Self::Villas => "villas/in",
        }
    }
}

/// A message for the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Below the prefix.
    pub topic: &'static str,
    /// JSON.
    pub payload: Arc<str>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The simulator said so.
    Stopped,
    /// Nothing was heard for too long.
    TimedOut,
    /// Another run began.
    Replaced,
    /// The time for simulations is used up.
    TimeOver,
}

impl Ending {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::TimedOut => "timed_out",
            Self::Replaced => "replaced",
            Self::TimeOver => "time_over",
        }
    }
}

/// What happened in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tally {
    /// Steps made.
    pub steps: u64,
    /// Of these, how many gave safe set-points only.
    pub hold_steps: u64,
    /// Cached answers given again.
    pub repeated: u64,
    /// Messages that were answered with an error.
    pub errors: u64,
    /// Simulated time of the last step, s.
    pub t_last_s: Option<f64>,
}

/// The run that is going on.
#[derive(Debug)]
struct Run {
    start: Start,
    tally: Tally,
    cached: Option<Arc<str>>,
    heard: Instant,
}

/// The state machine around a controller.
#[derive(Debug)]
pub struct Machine<S> {
    step: S,
    settings: LockstepSettings,
    run: Option<Run>,
    /// The last run and its summary, should the simulator ask twice.
    ended: Option<(String, Arc<str>)>,
    /// VILLASnode frames refused since the start.
    refused: u64,
}

impl<S: Stepper> Machine<S> {
    /// No run.
    pub const fn new(step: S, settings: LockstepSettings) -> Self {
        Self { step, settings, run: None, ended: None, refused: 0 }
    }

    /// Takes one message; `now` is the wall clock's monotonic side. One reply, preceded by the summary of a run that
    /// this message ends.
    pub fn receive(&mut self, request: Request, payload: &[u8], now: Instant) -> Vec<Reply> {
        self.heard(now);
        let Some(message) = message::parse(payload) else {
            return vec![self.failed(request, None, None, "the payload is not JSON")];
        };
        match request {
            Request::Start => self.start(&message, now),
            Request::Meas => self.meas(&message),
            Request::Stop => vec![self.stop(&message)],
            Request::Villas => self.villas(&message, now),
        }
    }

    /// A message of which only the size is known: more than the site allows. It is refused like garbage.
    pub fn oversize(&mut self, request: Request, now: Instant) -> Reply {
        self.heard(now);
        self.failed(request, None, None, "the payload is larger than mqtt.payload_bytes_max")
    }

    const fn heard(&mut self, now: Instant) {
        if let Some(run) = &mut self.run {
            run.heard = now;
        }
    }

    /// Ends a run that was silent for too long.
    pub fn tick(&mut self, now: Instant) -> Option<Reply> {
        let silent = self.run.as_ref().is_some_and(|run| now - run.heard > self.settings.idle_max);
        if silent { self.end(Ending::TimedOut) } else { None }
    }

    fn start(&mut self, message: &Value, now: Instant) -> Vec<Reply> {
        let start = match message::start(message) {
            Ok(start) => start,
            Err(error) => return vec![self.failed(Request::Start, message::sid(message).ok(), None, &error)],
        };
        let sid = start.sid.clone();
        match &self.run {
            Some(run) if run.start == start && run.tally.steps == 0 => vec![ready(&sid)],
            Some(run) if run.start.sid == sid => {
                vec![self.failed(Request::Start, Some(sid), None, "this run is going on; begin another sid")]
            }
            Some(_) | None => {
                let mut replies: Vec<_> = self.end(Ending::Replaced).into_iter().collect();
                replies.push(match self.begin(start, now) {
                    Ok(()) => ready(&sid),
                    Err(error) => self.failed(Request::Start, Some(sid), None, &error),
                });
                replies
            }
        }
    }

    fn begin(&mut self, start: Start, now: Instant) -> Result<(), String> {
        self.step.begin(&start)?;
        self.run = Some(Run { start, tally: Tally::default(), cached: None, heard: now });
        Ok(())
    }

    fn meas(&mut self, message: &Value) -> Vec<Reply> {
        let k = message.get("k").and_then(Value::as_u64);
        let sid = message::sid(message);
        let answered = sid.clone().and_then(|sid| {
            self.running(&sid)?;
            let message::Measured { k, t_s, values } = message::measured(message)?;
            let encode = |answer: &StepAnswer, t_s| message::setpoints(&sid, k, t_s, answer);
            self.advance(k, Some(t_s), &values, encode)
        });
        let reply = match answered {
            Ok(payload) => Reply { topic: "setp", payload },
            Err(error) => self.failed(Request::Meas, sid.ok(), k, &error),
        };
        [reply].into_iter().chain(self.end_if_over()).collect()
    }

    fn stop(&mut self, message: &Value) -> Reply {
        let sid = message::sid(message);
        let summary = sid.clone().and_then(|sid| match &self.ended {
            Some((ended, summary)) if *ended == sid && self.run.is_none() => Ok(summary.clone()),
            Some(_) | None => {
                self.running(&sid)?;
                Ok(self.end(Ending::Stopped).map(|reply| reply.payload).unwrap_or_default())
            }
        });
        match summary {
            Ok(payload) => Reply { topic: "summary", payload },
            Err(error) => self.failed(Request::Stop, sid.ok(), None, &error),
        }
    }

    fn villas(&mut self, message: &Value, now: Instant) -> Vec<Reply> {
        let (mut replies, answered) = self.villas_step(message, now);
        let payload = answered.unwrap_or_else(|error| {
            self.count_refusal(&error);
            villas::refusal(message, &error)
        });
        replies.push(Reply { topic: "villas/out", payload });
        replies.extend(self.end_if_over());
        replies
    }

    /// The answer to a frame, and the summary of a run that it ends.
    fn villas_step(&mut self, message: &Value, now: Instant) -> (Vec<Reply>, Result<Arc<str>, String>) {
        let map = self.settings.villas.clone();
        let map = map.ok_or_else(|| "VILLASnode frames are not configured: [cosim.villas] is missing".to_owned());
        let (frame, map) = match map.and_then(|map| Ok((Frame::parse(message, &map)?, map))) {
            Ok(both) => both,
            Err(error) => return (Vec::new(), Err(error)),
        };
        let (ended, begun) = match &self.run {
            Some(run) if run.start.sid == villas::SID && !(frame.k == 0 && run.tally.steps > 1) => (None, Ok(())),
            Some(_) | None => (self.end(Ending::Replaced), self.begin(map.start(), now)),
        };
        let encode = |answer: &StepAnswer, _| frame.answer(&map, answer);
        let answered = begun.and_then(|()| self.advance(frame.k, None, &frame.values, encode));
        (ended.into_iter().collect(), answered)
    }

    /// The run of that sid, or why there is none.
    fn running(&mut self, sid: &str) -> Result<&mut Run, String> {
        match &mut self.run {
            Some(run) if run.start.sid == sid => Ok(run),
            Some(_) => Err("another run is going on".into()),
            None => Err("no run is going on; send start".into()),
        }
    }

    /// Steps, repeats, or refuses. `t_s` as the simulator sees it, if it says so.
    fn advance(
        &mut self,
        k: u64,
        t_s: Option<f64>,
        values: &Values,
        encode: impl FnOnce(&StepAnswer, f64) -> Arc<str>,
    ) -> Result<Arc<str>, String> {
        let Some(run) = &mut self.run else { return Err("no run is going on".into()) };
        let next = run.tally.steps;
        if let Some(cached) = run.cached.clone().filter(|_| k.checked_add(1) == Some(next)) {
            run.tally.repeated += 1;
            return Ok(cached);
        }
        if k != next {
            return Err(format!("k = {k} is out of turn; {next} is expected"));
        }
        let expected_s = run.start.t0_s + k as f64 * run.start.dt_s;
        if t_s.is_some_and(|t_s| (t_s - expected_s).abs() > 1e-6 * run.start.dt_s.max(1.0)) {
            return Err(format!("t does not fit: t0 + k dt_s = {expected_s}"));
        }
        let answer = held(self.step.step(expected_s, values)?, values.lacks_any(self.step.required()))?;
        run.tally.steps += 1;
        run.tally.hold_steps += u64::from(answer.status == StepStatus::Hold);
        run.tally.t_last_s = Some(expected_s);
        let payload = encode(&answer, t_s.unwrap_or(expected_s));
        run.cached = Some(Arc::clone(&payload));
        Ok(payload)
    }

    fn end_if_over(&mut self) -> Option<Reply> {
        if self.step.is_over() { self.end(Ending::TimeOver) } else { None }
    }

    fn end(&mut self, ending: Ending) -> Option<Reply> {
        let run = self.run.take()?;
        self.step.ended(ending);
        let payload = message::summary(&run.start.sid, ending, &run.tally);
        self.ended = Some((run.start.sid, Arc::clone(&payload)));
        Some(Reply { topic: "summary", payload })
    }

    /// Senders of frames seldom look at answers: the log says it too, ever more rarely.
    fn count_refusal(&mut self, error: &str) {
        self.count_error();
        self.refused += 1;
        if self.refused.is_power_of_two() {
            tracing::warn!(count = self.refused, error, "A VILLASnode frame was refused.");
        }
    }

    fn count_error(&mut self) {
        if let Some(run) = &mut self.run {
            run.tally.errors += 1;
        }
    }

    fn failed(&mut self, request: Request, sid: Option<String>, k: Option<u64>, error: &str) -> Reply {
        if request == Request::Villas {
            self.count_refusal(error);
        } else {
            self.count_error();
        }
        let sid = sid.as_deref();
        match request {
            Request::Start => Reply { topic: "ready", payload: message::ready(sid, Some(error)) },
            Request::Meas => Reply { topic: "setp", payload: message::failure(sid, k, error) },
            Request::Stop => Reply { topic: "summary", payload: message::failure(sid, k, error) },
            Request::Villas => Reply { topic: "villas/out", payload: villas::refusal(&Value::Null, error) },
        }
    }
}

fn ready(sid: &str) -> Reply {
    Reply { topic: "ready", payload: message::ready(Some(sid), None) }
}

/// "Hold" whenever something required is missing; never a set-point that is not a number.
fn held(mut answer: StepAnswer, lacking: bool) -> Result<StepAnswer, String> {
    if lacking {
        answer.status = StepStatus::Hold;
    }
    match answer.setpoints.iter().find(|(_, value)| !value.is_finite()) {
        Some((name, _)) => Err(format!("the controller gave no number for {name}")),
        None => Ok(answer),
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
