//! The rows of `docs/loop.md` about modes and operators through the gateway's program, judged at the registers of devices.
//!
//! Nothing here is judged by how fast the machine is: conditions are waited for, and times have lower bounds alone.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::mosquitto::Listener;
use memg_integration_tests::promise_plant::{BATTERY_SETPOINT, CHP_RUN, CHP_SETPOINT, PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn near(register: f32, kw: f32) -> bool {
    (register - kw).abs() < 0.011
}

/// What became of an order.
async fn answered(plant: &PromisePlant, answers: &mut Listener, kind: CommandKind, body: &Value) -> Value {
    let id = plant.order(kind, body).await;
    answers.until(|seen| seen.json()["id"] == id.as_str()).await.json()
}

/// Cycles go by.
async fn cycles(state: &mut Listener, count: u64) -> Value {
    let first = state.next().await.json()["cycle"].as_u64().unwrap_or(0);
    state.until(|seen| seen.json()["cycle"].as_u64().is_some_and(|cycle| cycle >= first + count)).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safe_stop_unloads_a_running_chp_to_the_end_though_it_is_acknowledged_and_writes_are_over() {
    let Some(plant) = PromisePlant::start("stop_write_s = 1.0", "").await else { return };
    // Policy steps of 4.5 s: the CHP's minimum time is 9 s, twice as long as anything else here.
    plant.edit("site.toml", "step_h = 0.25", "step_h = 0.00125");
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 20.0).await;
    let run = || plant.writes(CHP_RUN).iter().map(|write| write.cells[0]).collect::<Vec<_>>();
    until("the CHP runs", || plant.chp_setpoint() > 10.0 && run().last() == Some(&1)).await;
    plant.order(CommandKind::Mode, &json!({ "mode": "safe_stop" })).await;
    until_mode(&mut state, "safe_stop").await;
    until("the battery rests", || near(plant.battery_setpoint(), 0.0)).await;
    let mut answers = plant.answers().await;
    let early = answered(&plant, &mut answers, CommandKind::Acknowledge, &json!({})).await;
    assert_eq!(early["outcome"], "done", "{early}");
    until("the CHP is told to stop", || run().last() == Some(&2)).await;
    let powers = plant.writes(CHP_SETPOINT);
    assert!(powers.last().is_some_and(|write| write.cells == [0, 0]), "{powers:?}");
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_in_advance_clears_nothing() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let mut answers = plant.answers().await;
    let early = answered(&plant, &mut answers, CommandKind::Acknowledge, &json!({})).await;
    assert_eq!(early["outcome"], "rejected", "{early}");
    plant.order(CommandKind::Mode, &json!({ "mode": "safe_stop" })).await;
    until_mode(&mut state, "safe_stop").await;
    assert_eq!(cycles(&mut state, 15).await["mode"], "safe_stop");
    let now = answered(&plant, &mut answers, CommandKind::Acknowledge, &json!({})).await;
    assert_eq!(now["outcome"], "done", "{now}");
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_comes_every_few_seconds_keeps_the_gateway_in_hold_for_the_observation_time() {
    let Some(plant) = PromisePlant::start("observe_s = 4.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    for round in 1..=5 {
        plant.lose("pv_kw");
        until_mode(&mut state, "hold").await;
        plant.restore("pv_kw");
        let recovered = Instant::now();
        state.until(|seen| seen.json()["mode"] != "hold").await;
        if round == 5 {
            assert!(recovered.elapsed() >= Duration::from_secs(4), "the fifth hold in ten minutes is observed");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manual_operation_ends_with_its_time_and_its_set_point_does_not_return() {
    let Some(plant) = PromisePlant::start("manual_s = 15.0\nobserve_s = 1.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    until_mode(&mut state, "auto").await;
    until("the idle policy lets it rest", || near(plant.battery_setpoint(), 0.0)).await;
    plant.order(CommandKind::Mode, &json!({ "mode": "manual" })).await;
    until_mode(&mut state, "manual").await;
    cycles(&mut state, 5).await;
    assert!(near(plant.battery_setpoint(), 0.0), "yesterday's set-point stays away");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_shadow_nothing_is_written_whoever_asks_and_a_stop_is_remembered() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.make_real();
    let (gateway, mut state) = plant.in_shadow().await;
    let mut answers = plant.answers().await;
    let hand = answered(&plant, &mut answers, CommandKind::Mode, &json!({ "mode": "manual" })).await;
    assert_eq!(hand["outcome"], "rejected", "{hand}");
    let power = json!({ "battery_kw": -5.0, "chp_kw": 0 });
    let power = answered(&plant, &mut answers, CommandKind::Setpoint, &power).await;
    assert_eq!(power["outcome"], "rejected", "{power}");
    let stop = answered(&plant, &mut answers, CommandKind::Mode, &json!({ "mode": "safe_stop" })).await;
    assert_eq!(stop["outcome"], "done", "{stop}");
    assert!(!plant.arm().await, "a stop waits for its acknowledgement");
    cycles(&mut state, 5).await;
    assert!(plant.writes(BATTERY_SETPOINT).is_empty() && plant.writes(CHP_RUN).is_empty());
    answered(&plant, &mut answers, CommandKind::Acknowledge, &json!({})).await;
    until_mode(&mut state, "shadow").await;
    assert!(plant.arm().await);
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sources_draw_at_night_counts_as_load_at_the_connection() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.edit("devices/pv_kw.toml", "range = [0, 100]", "range = [-5, 100]");
    plant.show("electric_load_kw", 89.0);
    plant.show("grid_kw", 90.0);
    // PV of 60 kW draws 1 kW: of 100 kW import ten are left to the battery, less the meters' margin.
    plant.show("pv_kw", -1.0);
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, 40.0, 0.0).await;
    until("the battery charges", || plant.battery_setpoint() > 9.0).await;
    cycles(&mut state, 10).await;
    assert!(plant.battery_writes().iter().all(|kw| *kw <= 10.0), "{:?}", plant.battery_writes());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_within_declared_margins_keeps_the_connection_and_moves_the_battery_little() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.show("electric_load_kw", 89.7);
    plant.show("grid_kw", 89.7);
    plant.by_hand(&mut state, 40.0, 0.0).await;
    until("the battery charges", || plant.battery_setpoint() > 9.0).await;
    for round in 0..20 {
        let noise: f32 = if round % 2 == 0 { 0.1 } else { -0.1 };
        plant.show("electric_load_kw", 89.7 + noise);
        cycles(&mut state, 2).await;
        assert!(plant.battery_setpoint() + 89.7 <= 100.0, "{}", plant.battery_setpoint());
    }
    let after = plant.battery_writes();
    let tail: Vec<f32> = after.iter().copied().skip_while(|kw| *kw < 9.0).collect();
    let travel: f32 = tail.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    assert!(travel <= 1.0, "{tail:?}");
    gateway.stop().await;
}

/// A simulator that goes its own way is there while the gateway is not: what was said before holds on, as at a real plant.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_a_simulated_plant_that_lived_on_has_its_limits_and_waits_for_the_acknowledgement_of_its_stop() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let limits = json!({ "import_kw_max": 70.0, "export_kw_max": null });
    plant.order(CommandKind::Limit, &limits).await;
    state.until(|seen| seen.json()["limits"] == limits).await;
    plant.order(CommandKind::Mode, &json!({ "mode": "safe_stop" })).await;
    until_mode(&mut state, "safe_stop").await;
    gateway.kill().await;
    drop(state);
    let written = plant.battery_writes().len();
    let (again, mut state) = plant.in_shadow().await;
    let back = cycles(&mut state, 10).await;
    assert_eq!((&back["limits"], &back["mode"]), (&limits, &json!("shadow")), "{back}");
    assert_eq!(plant.battery_writes().len(), written, "nothing is written before the stop is acknowledged");
    plant.order(CommandKind::Acknowledge, &json!({})).await;
    until_mode(&mut state, "auto").await;
    again.stop().await;
}
