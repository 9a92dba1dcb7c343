use super::super::villas::{Position, VillasMap};
use super::*;
use memg_core::plant_state::{Signal, Tag};
use serde_json::json;
use std::time::Duration;

/// Charges with whatever PV gives, counts its steps, and is safe (0 kW) without PV.
#[derive(Debug, Default)]
struct Follower {
    steps: u32,
}

impl Stepper for Follower {
    fn required(&self) -> &[Tag] {
        const { &[Tag::first(Signal::PvKw)] }
    }

    fn begin(&mut self, start: &Start) -> Result<(), String> {
        self.steps = 0;
        if start.mode.as_deref() == Some("impossible") { Err("no such mode".into()) } else { Ok(()) }
    }

    fn step(&mut self, t_s: f64, values: &Values) -> Result<StepAnswer, String> {
        self.steps += 1;
        let battery_kw = values.measurement(Signal::PvKw).value.unwrap_or(0.0);
        let battery_kw = if battery_kw == 666.0 { f64::NAN } else { battery_kw };
        let setpoints = [("battery_kw", battery_kw), ("steps", f64::from(self.steps)), ("t_s", t_s)];
        Ok(StepAnswer {
            setpoints: setpoints.map(|(name, value)| (name.to_owned(), value)).into(),
            ..StepAnswer::default()
        })
    }
}

struct Bench {
    machine: Machine<Follower>,
    now: Instant,
}

impl Bench {
    fn idle() -> Self {
        let inputs = vec![Position::Nothing, Position::Signal(Signal::PvKw.into())];
        let outputs = vec!["battery_kw".into(), "status".into(), "none".into()];
        let villas = Some(VillasMap { inputs, outputs, t0_s: 0.0, dt_s: 1.0 });
        let settings = LockstepSettings { villas, ..LockstepSettings::default() };
        Self { machine: Machine::new(Follower::default(), settings), now: Instant::now() }
    }

    fn running() -> Self {
        let mut bench = Self::idle();
        let ready = bench.say(Request::Start, json!({ "sid": "a", "t0": 100, "dt_s": 900, "mode": "any" }));
        assert_eq!(ready, [r#"ready {"sid":"a","status":"ok"}"#]);
        bench
    }

    fn say_text(&mut self, request: Request, payload: &str) -> Vec<String> {
        let replies = self.machine.receive(request, payload.as_bytes(), self.now);
        replies.iter().map(|reply| format!("{} {}", reply.topic, reply.payload)).collect()
    }

    fn say(&mut self, request: Request, payload: Value) -> Vec<String> {
        self.say_text(request, &payload.to_string())
    }

    fn meas(&mut self, k: u64, pv_kw: f64) -> String {
        let meas = json!({ "sid": "a", "k": k, "t": 100.0 + 900.0 * k as f64, "v": { "pv_kw": pv_kw } });
        self.say(Request::Meas, meas).remove(0)
    }
}

fn answer(k: u64, battery_kw: f64, status: &str) -> String {
    let (t, step) = (100.0 + 900.0 * k as f64, k as f64 + 1.0);
    format!(
        r#"setp {{"sid":"a","k":{k},"t":{t:?},"v":{{"battery_kw":{battery_kw:?},"steps":{step:?},"t_s":{t:?}}},"safety":[],"status":"{status}"}}"#
    )
}

fn failure(k: u64, error: &str) -> String {
    format!(r#"setp {{"sid":"a","k":{k},"status":"error","error":"{error}"}}"#)
}

#[tokio::test(start_paused = true)]
async fn a_run_steps_repeats_and_ends_with_a_summary() {
    let mut bench = Bench::running();
    assert_eq!(bench.meas(0, 5.0), answer(0, 5.0, "ok"));
    assert_eq!(bench.meas(1, 6.0), answer(1, 6.0, "ok"));
    assert_eq!(bench.meas(1, 7.0), answer(1, 6.0, "ok"), "the cached answer, whatever was measured");
    assert_eq!(bench.meas(2, 8.0), answer(2, 8.0, "ok"));
    let summary =
        r#"summary {"sid":"a","status":"stopped","steps":3,"hold_steps":0,"repeated":1,"errors":0,"t_last":1900.0}"#;
    assert_eq!(bench.say(Request::Stop, json!({ "sid": "a" })), [summary]);
    assert_eq!(bench.say(Request::Stop, json!({ "sid": "a" })), [summary], "asked twice");
    assert_eq!(bench.meas(3, 1.0), failure(3, "no run is going on; send start"));
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_turn_is_an_error_and_moves_nothing() {
    let mut bench = Bench::running();
    bench.meas(0, 5.0);
    bench.meas(1, 5.0);
    assert_eq!(bench.meas(3, 5.0), failure(3, "k = 3 is out of turn; 2 is expected"));
    assert_eq!(bench.meas(0, 5.0), failure(0, "k = 0 is out of turn; 2 is expected"));
    assert!(bench.meas(u64::MAX, 5.0).contains("is out of turn"), "the largest number there is");
    let late = json!({ "sid": "a", "k": 2, "t": 1901, "v": { "pv_kw": 1 } });
    assert!(bench.say(Request::Meas, late)[0].contains("t does not fit: t0 + k dt_s = 1900"));
    let foreign = json!({ "sid": "b", "k": 2, "t": 1900, "v": { "pv_kw": 1 } });
    let refused = r#"setp {"sid":"b","k":2,"status":"error","error":"another run is going on"}"#;
    assert_eq!(bench.say(Request::Meas, foreign), [refused]);
    assert_eq!(bench.meas(2, 6.0), answer(2, 6.0, "ok"));
}

#[tokio::test(start_paused = true)]
async fn a_missing_or_impossible_value_gives_hold() {
    let mut bench = Bench::running();
    for (k, value) in ["null", "NaN", "-Infinity"].into_iter().enumerate() {
        let t = 100 + 900 * k;
        let meas = format!(r#"{{"sid":"a","k":{k},"t":{t},"v":{{"pv_kw":{value}}}}}"#);
        assert_eq!(bench.say_text(Request::Meas, &meas), [answer(k as u64, 0.0, "hold")], "{value}");
    }
    let without = json!({ "sid": "a", "k": 3, "t": 2800, "v": { "soc": 0.5 } });
    assert_eq!(bench.say(Request::Meas, without), [answer(3, 0.0, "hold")]);
    for value in ["\"5\"", "[5]", "true"] {
        let meas = format!(r#"{{"sid":"a","k":4,"t":3700,"v":{{"pv_kw":{value}}}}}"#);
        let refused = bench.say_text(Request::Meas, &meas);
        assert!(refused[0].contains("v.pv_kw: expected a number"), "it is refused, and moves nothing: {refused:?}");
    }
    assert!(bench.say(Request::Stop, json!({ "sid": "a" }))[0].contains(r#""steps":4,"hold_steps":4"#));
}

#[tokio::test(start_paused = true)]
async fn garbage_is_answered_and_moves_nothing() {
    let mut bench = Bench::running();
    for payload in ["", "{", "[]", "7", "\u{0}"] {
        for (request, topic) in [(Request::Start, "ready"), (Request::Meas, "setp"), (Request::Stop, "summary")] {
            let reply = bench.say_text(request, payload).remove(0);
            assert!(
                reply.starts_with(topic) && reply.contains(r#""status":"error""#),
                "{request:?} {payload}: {reply}"
            );
        }
    }
    let large = bench.machine.oversize(Request::Meas, bench.now);
    assert!(large.payload.contains("larger than mqtt.payload_bytes_max"), "{large:?}");
    assert_eq!(bench.meas(0, 666.0), failure(0, "the controller gave no number for battery_kw"));
    assert!(bench.meas(0, 5.0).contains(r#""status":"ok""#));
}

#[tokio::test(start_paused = true)]
async fn a_start_may_come_twice_and_another_one_replaces_the_run() {
    let mut bench = Bench::running();
    let again = json!({ "sid": "a", "t0": 100, "dt_s": 900, "mode": "any" });
    assert_eq!(bench.say(Request::Start, again.clone()), [r#"ready {"sid":"a","status":"ok"}"#]);
    bench.meas(0, 5.0);
    assert!(bench.say(Request::Start, again)[0].contains("this run is going on"));
    let other = bench.say(Request::Start, json!({ "sid": "b", "t0": 0, "dt_s": 1 }));
    assert!(other[0].contains(r#""sid":"a","status":"replaced","steps":1"#), "{other:?}");
    assert_eq!(other[1], r#"ready {"sid":"b","status":"ok"}"#);
    assert_eq!(bench.meas(1, 5.0), failure(1, "another run is going on"));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_impossible_is_refused() {
    let rows = [
        (json!({ "sid": "a", "t0": 0, "dt_s": 1, "mode": "impossible" }), "no such mode"),
        (json!({ "sid": "a", "t0": 0, "dt_s": 0 }), "dt_s must be above 0"),
        (json!({ "sid": "a", "dt_s": 1 }), "t0 is missing"),
        (json!({ "sid": "a/b", "t0": 0, "dt_s": 1 }), "sid is missing or not"),
        (json!({ "sid": "a", "t0": 0, "dt_s": 1, "mode": 7 }), "mode must be a text"),
    ];
    for (start, error) in rows {
        let mut bench = Bench::idle();
        let reply = bench.say(Request::Start, start).remove(0);
        assert!(reply.starts_with("ready ") && reply.contains(error), "{reply}");
        assert!(bench.meas(0, 1.0).contains("no run is going on"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_run_ends_by_the_wall_clock_and_only_then() {
    let mut bench = Bench::running();
    bench.now += Duration::from_secs(59);
    bench.meas(0, 5.0);
    assert_eq!(bench.machine.tick(bench.now + Duration::from_secs(60)), None);
    let ended = bench.machine.tick(bench.now + Duration::from_secs(61)).unwrap();
    assert!(ended.topic == "summary" && ended.payload.contains("timed_out"), "{ended:?}");
    assert_eq!(bench.machine.tick(bench.now + Duration::from_secs(999)), None);
}

#[tokio::test(start_paused = true)]
async fn villas_frames_run_without_start_and_begin_again_at_sequence_zero() {
    let mut bench = Bench::idle();
    let frame = |k: u64, pv_kw: f64| json!([{ "ts": { "origin": [7, 8] }, "sequence": k, "data": [1.0, pv_kw] }]);
    let out = |k, data: &str| vec![format!(r#"villas/out [{{"data":{data},"sequence":{k},"ts":{{"origin":[7,8]}}}}]"#)];
    assert_eq!(bench.say(Request::Villas, frame(0, 5.0)), out(0, "[5.0,0.0,null]"));
    assert_eq!(bench.say(Request::Villas, frame(0, 9.0)), out(0, "[5.0,0.0,null]"), "repeated");
    let gap =
        r#"villas/out [{"data":[],"error":"k = 2 is out of turn; 1 is expected","sequence":2,"ts":{"origin":[7,8]}}]"#;
    assert_eq!(bench.say(Request::Villas, frame(2, 9.0)), [gap], "a gap gives no control");
    assert_eq!(bench.say(Request::Villas, frame(1, 6.0)), out(1, "[6.0,0.0,null]"));
    let short = json!({ "sequence": 2, "data": [1.0] });
    assert_eq!(bench.say(Request::Villas, short), [r#"villas/out {"data":[0.0,1.0,null],"sequence":2}"#]);
    let again = bench.say(Request::Villas, frame(0, 7.0));
    assert!(
        again[0].contains(r#""sid":"villas","status":"replaced","steps":3,"hold_steps":1,"repeated":1,"errors":1"#)
    );
    assert_eq!(again[1..], out(0, "[7.0,0.0,null]"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_villas_frame_is_told_why() {
    for (frame, why) in [
        (json!([]), "0 frames at once"),
        (json!({ "data": [] }), "sequence is missing"),
        (json!({ "sequence": 0 }), "data is missing"),
        (json!({ "sequence": 0, "data": [1.0, "5"] }), "data[1] (pv_kw): expected a number, found"),
        (json!({ "sequence": 0, "data": [1.0, true] }), "data[1] (pv_kw): expected a number, found true"),
        (json!({ "sequence": 0, "data": [1.0, 2e6] }), "data[1] (pv_kw): expected -1000000 to 1000000"),
        (json!({ "sequence": 0, "data": [1, 2, 3] }), "data has 3 values, cosim.villas.inputs names 2"),
    ] {
        let mut bench = Bench::idle();
        let reply = bench.say(Request::Villas, frame).remove(0);
        let parts = reply.starts_with("villas/out ") && reply.contains(r#""data":[]"#) && reply.contains(r#""error":"#);
        assert!(parts && reply.contains(why), "{why}: {reply}");
        assert!(bench.say(Request::Villas, json!({ "sequence": 0, "data": [1, 2] }))[0].contains("[2.0,0.0,null]"));
    }
    let mut bench = Bench::idle();
    assert!(bench.say_text(Request::Villas, "{")[0].contains("the payload is not JSON"));
    bench.machine.settings.villas = None;
    assert!(bench.say(Request::Villas, json!({ "sequence": 0, "data": [] }))[0].contains("[cosim.villas] is missing"));
}
