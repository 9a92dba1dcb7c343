//! More rows of `docs/loop.md` through the gateway's program, judged at the registers of devices: the voltage's meter, numbers
//! that are none, the way back from holds and stops, operators in Hold and Fallback, a kill between two files of the journal.
//!
//! Nothing here is judged by how fast the machine is: conditions are waited for, and times have lower bounds alone.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::mosquitto::Listener;
use memg_integration_tests::promise_plant::{CHP_RUN, PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn near(register: f32, kw: f32) -> bool {
    (register - kw).abs() < 0.011
}

/// The report of the state after so many cycles.
async fn cycles(state: &mut Listener, count: u64) -> Value {
    let cycle = |seen: &Value| seen["cycle"].as_u64().unwrap_or(0);
    let first = cycle(&state.next().await.json());
    state.until(|seen| cycle(&seen.json()) >= first + count).await.json()
}

/// Seen: the voltage behind the connection was taken as 1.0 while its meter was lost, and a curtailment was lifted by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_voltage_lifts_no_cap_that_it_had_asked_for_and_neither_does_the_way_back() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.with_pv_cap();
    for (signal, value) in [("pv_kw", 60.0), ("electric_load_kw", 20.0), ("grid_kw", -40.0), ("grid_voltage_pu", 1.062)]
    {
        plant.show(signal, value);
    }
    let (gateway, mut state) = plant.in_auto().await;
    until("PV is capped", || plant.pv_limits().last().is_some_and(|kw| *kw < 59.0)).await;
    cycles(&mut state, 20).await;
    let caps = plant.pv_limits();
    let (before, cap) = (caps.len(), caps.last().copied().unwrap_or_default());
    plant.lose("grid_voltage_pu");
    until_mode(&mut state, "hold").await;
    cycles(&mut state, 30).await;
    // And the way back from hold begins at the cap in force.
    plant.restore("grid_voltage_pu");
    until_mode(&mut state, "auto").await;
    cycles(&mut state, 20).await;
    let since = &plant.pv_limits()[before..];
    assert!(since.iter().all(|kw| *kw <= cap + 0.011), "{cap}: {since:?}");
    gateway.stop().await;
}

/// Seen: one sample of 0.90 pu turned the battery round and started the CHP.
#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_sample_of_the_voltage_neither_turns_the_battery_nor_starts_the_chp() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    // So seldom that what is shown meanwhile is read once.
    plant.edit("devices/grid_voltage_pu.toml", "poll_s = 0.1", "poll_s = 3");
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, 5.0, 0.0).await;
    until("it charges", || near(plant.battery_setpoint(), 5.0)).await;
    cycles(&mut state, 10).await;
    let before = plant.battery_writes().len();
    plant.show("grid_voltage_pu", 0.90);
    state.until(|seen| seen.json()["values"]["grid_voltage_pu"]["value"].as_f64().is_some_and(|v| v < 0.91)).await;
    plant.show("grid_voltage_pu", 1.0);
    state.until(|seen| seen.json()["values"]["grid_voltage_pu"]["value"] == 1.0).await;
    cycles(&mut state, 10).await;
    assert!(plant.battery_writes()[before..].iter().all(|kw| *kw >= 0.0), "{:?}", &plant.battery_writes()[before..]);
    assert!(plant.writes(CHP_RUN).iter().all(|write| write.cells == [2]), "the CHP is not started");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_none_from_the_chp_is_a_hold_that_names_it_and_an_alarm() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let mut alarms = plant.alarms().await;
    // The equipment shows what it does every 20 ms: a stuck one shows what it is made to.
    plant.behaviour.chp_is_mute.store(true, Ordering::Relaxed);
    plant.show("chp_kw", f32::NAN);
    let held = until_mode(&mut state, "hold").await.json();
    assert!(held["fault"].as_str().is_some_and(|fault| fault.contains("chp_kw")), "{held}");
    alarms.until(|seen| seen.payload.contains("chp_kw")).await;
    plant.behaviour.chp_is_mute.store(false, Ordering::Relaxed);
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

/// Seen: +40 kW remembered against -30 kW measured, and 0 to +10 kW for a cycle.
#[tokio::test(flavor = "multi_thread")]
async fn back_from_hold_and_armed_again_after_a_stop_ramps_start_where_the_battery_is_seen() {
    for stops in [false, true] {
        let Some(plant) = PromisePlant::start("observe_s = 0.5", "").await else { return };
        let (gateway, mut state) = plant.in_auto().await;
        plant.by_hand(&mut state, 5.0, 0.0).await;
        until("it charges", || near(plant.battery_setpoint(), 5.0)).await;
        if stops {
            plant.order(CommandKind::Mode, &json!({ "mode": "safe_stop" })).await;
            until_mode(&mut state, "safe_stop").await;
        } else {
            plant.lose("grid_kw");
            until_mode(&mut state, "hold").await;
        }
        plant.behaviour.battery_sticks.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        plant.show("battery_kw", -30.0);
        state.until(|seen| seen.json()["values"]["battery_kw"]["value"] == -30.0).await;
        let before = plant.battery_writes().len();
        if stops {
            plant.order(CommandKind::Acknowledge, &json!({})).await;
            until_mode(&mut state, "auto").await;
        } else {
            plant.restore("grid_kw");
            until_mode(&mut state, "manual").await;
        }
        let first = |plant: &PromisePlant| plant.battery_writes().get(before).copied();
        until("a new set-point", || first(&plant).is_some()).await;
        let kw = first(&plant).unwrap_or(0.0);
        assert!((-40.1..=-19.9).contains(&kw), "within a ramp of -30 kW: {kw}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_over_from_hold_and_from_the_rule_that_stands_in() {
    let Some(plant) = PromisePlant::start("observe_s = 30.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.lose("heat_load_kw");
    until_mode(&mut state, "fallback").await;
    plant.restore("heat_load_kw");
    plant.by_hand(&mut state, -4.0, 0.0).await;
    until("from the rule", || near(plant.battery_setpoint(), -4.0)).await;
    plant.order(CommandKind::Mode, &json!({ "mode": "auto" })).await;
    until_mode(&mut state, "fallback").await;
    plant.lose("grid_kw");
    until_mode(&mut state, "hold").await;
    let mut answers = plant.answers().await;
    let id = plant.order(CommandKind::Mode, &json!({ "mode": "manual" })).await;
    let answer = answers.until(|seen| seen.json()["id"] == id.as_str()).await.json();
    assert_eq!(answer["outcome"], "done", "{answer}");
    plant.restore("grid_kw");
    until_mode(&mut state, "manual").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blip_while_the_rule_stands_in_does_not_shorten_its_observation_time() {
    let Some(plant) = PromisePlant::start("observe_s = 4.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.lose("heat_load_kw");
    until_mode(&mut state, "fallback").await;
    plant.restore("heat_load_kw");
    cycles(&mut state, 5).await;
    plant.lose("grid_kw");
    until_mode(&mut state, "hold").await;
    let healed = Instant::now();
    plant.restore("grid_kw");
    until_mode(&mut state, "fallback").await;
    until_mode(&mut state, "auto").await;
    assert!(healed.elapsed() >= Duration::from_millis(3_900), "{:?}", healed.elapsed());
    gateway.stop().await;
}

/// A rotation renames the file and begins the next; whoever is killed between the two finds nothing in its place.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_between_two_files_of_the_journal_timers_and_limits_are_kept() {
    // Policy steps of 4.5 s: the CHP's minimum time is 9 s.
    let Some(plant) = PromisePlant::start("chp_response_s = 60.0", "").await else { return };
    plant.edit("site.toml", "step_h = 0.25", "step_h = 0.00125");
    plant.make_real();
    let (gateway, mut state) = plant.armed().await;
    let (limits, started) = plant.with_limits_and_chp(&mut state).await;
    let run = || plant.writes(CHP_RUN);
    cycles(&mut state, 3).await;
    gateway.kill().await;
    std::fs::rename(plant.path("journal"), plant.path("journal.1")).expect("renamed");
    drop(state);
    let (again, mut state) = plant.armed().await;
    let back = cycles(&mut state, 3).await;
    assert_eq!(back["limits"], limits, "{back}");
    until("the idle policy stops the CHP", || run().last().is_some_and(|write| write.cells == [2])).await;
    let on = run().last().expect("a stop").at.duration_since(started);
    assert!(on >= Duration::from_secs(8), "off after {on:?}");
    again.stop().await;
}
