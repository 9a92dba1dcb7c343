//! The rows of `docs/loop.md` through the gateway's program, judged at the registers of devices: what is written there
//! while meters are lost, devices disobey, operators interfere, and the gateway dies.
//!
//! Nothing here is judged by how fast the machine is: conditions are waited for, and times have lower bounds alone.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::mosquitto::Listener;
use memg_integration_tests::promise_plant::{BATTERY_SETPOINT, CHP_RUN, PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The next report of the state that is new.
async fn fresh(state: &mut Listener, cycles: u64) -> Value {
    let first = state.next().await.json()["cycle"].as_u64().unwrap_or(0);
    state.until(|seen| seen.json()["cycle"].as_u64().is_some_and(|cycle| cycle >= first + cycles)).await.json()
}

fn near(register: f32, kw: f32) -> bool {
    (register - kw).abs() < 0.011
}

#[tokio::test(flavor = "multi_thread")]
async fn every_meter_that_is_lost_leads_to_hold_with_the_operators_set_point_at_the_battery_and_back_to_manual() {
    let Some(plant) = PromisePlant::start("observe_s = 1.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    let before = plant.battery_writes().len();
    for signal in ["grid_kw", "grid_voltage_pu", "frequency_hz", "battery_kw", "chp_kw", "chp_on", "soc", "pv_kw"] {
        plant.lose(signal);
        let held = until_mode(&mut state, "hold").await.json();
        assert!(held["fault"].as_str().is_some_and(|fault| fault.contains(signal)), "{signal}: {held}");
        assert_eq!(held["decided_by"], "operator", "{signal}");
        plant.restore(signal);
        until_mode(&mut state, "manual").await;
    }
    plant.show("soc", f32::NAN);
    let held = until_mode(&mut state, "hold").await.json();
    assert!(held["fault"].as_str().is_some_and(|fault| fault.contains("soc")), "{held}");
    plant.show("soc", 0.5);
    until_mode(&mut state, "manual").await;
    assert!(plant.battery_writes()[before..].iter().all(|kw| near(*kw, -5.0)), "{:?}", plant.battery_writes());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frequency_lost_at_49_hz_moves_the_battery_nowhere_whatever_is_asked() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    plant.show("frequency_hz", 49.0);
    state.until(|seen| seen.json()["values"]["frequency_hz"]["value"] == 49.0).await;
    plant.lose("frequency_hz");
    until_mode(&mut state, "hold").await;
    let mut answers = plant.answers().await;
    let before = plant.battery_writes().len();
    // At first 49 Hz is still believed: more discharge would help, less would not. After 5 s nothing is.
    let unknown = |seen: &Value| seen["values"]["frequency_hz"]["age_s"].as_f64().is_some_and(|age_s| age_s > 7.0);
    for (battery_kw, chp_kw) in [(8.0, 0.0), (-9.0, 30.0)] {
        let id = plant.order(CommandKind::Setpoint, &json!({ "battery_kw": battery_kw, "chp_kw": chp_kw })).await;
        answers.until(|seen| seen.json()["id"] == id.as_str()).await;
        state.until(|seen| unknown(&seen.json())).await;
        fresh(&mut state, 8).await;
    }
    assert!(plant.battery_writes()[before..].iter().all(|kw| near(*kw, -5.0)), "{:?}", plant.battery_writes());
    assert!(near(plant.battery_setpoint(), -5.0));
    assert!(plant.writes(CHP_RUN).iter().all(|write| write.cells == [2]), "the CHP is not started");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chp_that_stopped_while_its_link_was_lost_is_not_started_before_its_minimum_time() {
    // 600 plant seconds a second: half an hour off is 3 s.
    let Some(plant) = PromisePlant::start("speed = 600.0\nchp_response_s = 3000.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, 0.0, 20.0).await;
    let run = || plant.writes(CHP_RUN).iter().map(|write| write.cells[0]).collect::<Vec<_>>();
    until("the CHP runs", || plant.chp_setpoint() >= 10.0 && run().last() == Some(&1)).await;
    // Longer than its response time, so that it is news when it is off.
    fresh(&mut state, 30).await;
    plant.lose("chp_kw");
    plant.lose("chp_on");
    until_mode(&mut state, "hold").await;
    plant.behaviour.chp_tripped.store(true, Ordering::Relaxed);
    plant.restore("chp_kw");
    plant.restore("chp_on");
    until("the CHP is told to stay off", || run().last() == Some(&2)).await;
    plant.behaviour.chp_tripped.store(false, Ordering::Relaxed);
    until_mode(&mut state, "manual").await;
    plant.order(CommandKind::Setpoint, &json!({ "battery_kw": 0, "chp_kw": 20 })).await;
    until("it is started again", || run().last() == Some(&1)).await;
    let writes = plant.writes(CHP_RUN);
    let off = writes.iter().rfind(|write| write.cells == [2]).expect("it was told to be off").at;
    let first_off = writes.iter().rev().skip(1).take_while(|write| write.cells == [2]).last().map_or(off, |w| w.at);
    let pause = writes.last().expect("a start").at.duration_since(first_off);
    assert!(pause >= Duration::from_millis(2_500), "{pause:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_load_takes_the_batterys_charging_back_with_its_age() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.show("electric_load_kw", 88.0);
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, 9.0, 0.0).await;
    until("it charges", || near(plant.battery_setpoint(), 9.0)).await;
    let before = plant.battery_writes().len();
    plant.lose("electric_load_kw");
    until("less and less", || plant.battery_setpoint() < 3.0).await;
    let powers = plant.battery_writes()[before..].to_vec();
    assert!(powers.windows(2).all(|pair| pair[1] <= pair[0] + 0.01), "{powers:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_price_is_substituted_by_the_fixed_tariff_and_without_one_the_rule_decides() {
    let Some(plant) = PromisePlant::start("observe_s = 1.0", "").await else { return };
    let quality = |seen: &Value| seen["values"]["import_price_eur_per_kwh"]["quality"] == "comm_lost";
    let (gateway, mut state) = plant.in_auto().await;
    plant.lose("import_price_eur_per_kwh");
    state.until(|seen| quality(&seen.json())).await;
    assert_eq!(fresh(&mut state, 6).await["mode"], "auto");
    plant.restore("import_price_eur_per_kwh");
    gateway.stop().await;
    plant.edit("site.toml", "fixed_import_eur_per_kwh", "# fixed_import_eur_per_kwh");
    let (gateway, mut state) = plant.in_auto().await;
    plant.lose("import_price_eur_per_kwh");
    let left = until_mode(&mut state, "fallback").await.json();
    assert!(left["fault"].as_str().is_some_and(|fault| fault.contains("import_price_eur_per_kwh")), "{left}");
    plant.restore("import_price_eur_per_kwh");
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_price_is_that_of_yesterday_at_this_time_where_a_day_is_remembered() {
    // The day lasts 20 s. At 2 ct the rule leaves the CHP off, at the fixed tariff's 15 ct it starts it.
    let day = Duration::from_secs(20);
    let Some(plant) = PromisePlant::start("speed = 4320.0", "").await else { return };
    plant.edit("gateway.toml", "decide_with = 'idle'", "decide_with = 'rule'");
    // Steps of 5 s: none is missed, however busy the machine.
    plant.edit("site.toml", "step_h = 0.25", "step_h = 6.0");
    plant.show("import_price_eur_per_kwh", 0.02);
    let starts = || plant.writes(CHP_RUN).iter().filter(|write| write.cells == [1]).count();
    let (gateway, mut state) = plant.in_auto().await;
    tokio::time::sleep(day + day / 10).await;
    plant.lose("import_price_eur_per_kwh");
    state.until(|seen| seen.json()["values"]["import_price_eur_per_kwh"]["quality"] == "comm_lost").await;
    // Two policy steps at least: the rule is asked with the price that stands in.
    tokio::time::sleep(day / 2).await;
    assert_eq!((fresh(&mut state, 3).await["mode"].clone(), starts()), (json!("auto"), 0));
    gateway.stop().await;
    drop(state);
    std::fs::remove_file(plant.path("journal")).expect("a journal");
    plant.restore("import_price_eur_per_kwh");
    let (gateway, _) = plant.in_auto().await;
    plant.lose("import_price_eur_per_kwh");
    until("without a yesterday the fixed tariff starts it", || starts() > 0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chp_that_does_not_reach_its_power_is_a_fault() {
    let Some(plant) = PromisePlant::start("chp_response_s = 2.0", "").await else { return };
    // A ramp that the CHP could follow at once.
    plant.edit("site.toml", "ramp_kw_per_step = 5.0", "ramp_kw_per_step = 70.0");
    plant.edit("site.toml", "step_h = 0.25", "step_h = 0.00125");
    let (gateway, mut state) = plant.in_auto().await;
    plant.behaviour.chp_sticks.store(true, Ordering::Relaxed);
    plant.by_hand(&mut state, 0.0, 30.0).await;
    let held = until_mode(&mut state, "hold").await.json();
    assert!(held["fault"].as_str().is_some_and(|fault| fault.contains("does 10 kW")), "{held}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_battery_that_refuses_every_write_is_a_fault_with_an_alarm_that_an_operator_acknowledges() {
    let Some(plant) = PromisePlant::start("hold_s = 1.0\nobserve_s = 1.0", "confirm_s = 1.0").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let mut events = plant.events().await;
    plant.device.state().refused_writes.insert(BATTERY_SETPOINT, 6);
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until_mode(&mut state, "hold").await;
    let alarm = events.until(|seen| seen.payload.contains("write_rejected")).await;
    assert!(alarm.payload.contains("battery_setpoint") && alarm.payload.contains("exception 6"), "{}", alarm.payload);
    until_mode(&mut state, "safe_stop").await;
    assert!(near(plant.battery_setpoint(), 0.0), "nothing was taken");
    plant.device.state().refused_writes.clear();
    let still = fresh(&mut state, 15).await;
    assert_eq!(still["mode"], "safe_stop", "{still}");
    plant.order(CommandKind::Acknowledge, &json!({})).await;
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_heat_meter_leaves_the_chp_as_it_is_and_latches_nothing() {
    let Some(plant) = PromisePlant::start("observe_s = 1.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let before = plant.chp_setpoint();
    plant.lose("heat_load_kw");
    let left = until_mode(&mut state, "fallback").await.json();
    assert!(left["fault"].as_str().is_some_and(|fault| fault.contains("the CHP is held")), "{left}");
    let still = fresh(&mut state, 10).await;
    assert_eq!((still["mode"].as_str(), plant.chp_setpoint()), (Some("fallback"), before));
    plant.restore("heat_load_kw");
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_battery_that_does_not_follow_is_a_fault_that_waits_for_an_operator() {
    let Some(plant) = PromisePlant::start("hold_s = 1.0\nobserve_s = 1.0\nresponse_s = 2.0", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.behaviour.battery_sticks.store(true, Ordering::Relaxed);
    plant.by_hand(&mut state, -8.0, 0.0).await;
    let held = until_mode(&mut state, "hold").await.json();
    assert!(held["fault"].as_str().is_some_and(|fault| fault.contains("told -8 kW, does 0 kW")), "{held}");
    until_mode(&mut state, "safe_stop").await;
    until("it is told to rest", || near(plant.battery_setpoint(), 0.0)).await;
    plant.behaviour.battery_sticks.store(false, Ordering::Relaxed);
    assert_eq!(fresh(&mut state, 15).await["mode"], "safe_stop");
    plant.order(CommandKind::Acknowledge, &json!({})).await;
    until_mode(&mut state, "auto").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_commands_the_safe_stop_is_in_force_and_the_battery_rests() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    plant.edit("gateway.toml", "cycle_s = 0.2", "cycle_s = 1.0");
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    let mut answers = plant.answers().await;
    let (stop, stop_text) = plant.envelope(&json!({ "mode": "safe_stop" }));
    let (hand, hand_text) = plant.envelope(&json!({ "mode": "manual" }));
    let topic = CommandKind::Mode.topic("memg/promises");
    plant.broker.publish_lines(&topic, &[hand_text, stop_text]).await;
    let mut outcomes = std::collections::BTreeMap::new();
    while outcomes.len() < 2 {
        let answer = answers.next().await.json();
        let id = answer["id"].as_str().unwrap_or_default().to_owned();
        if id == stop || id == hand {
            outcomes.insert(id, answer["outcome"].clone());
        }
    }
    assert_eq!(outcomes[&stop], "done", "{outcomes:?}");
    until_mode(&mut state, "safe_stop").await;
    until("the battery rests", || near(plant.battery_setpoint(), 0.0)).await;
    assert_eq!(fresh(&mut state, 3).await["mode"], "safe_stop");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_chp_timers_and_limits_are_kept_and_manual_set_points_do_not_return() {
    // Policy steps of 4.5 s: the CHP's minimum time is 9 s.
    let Some(plant) = PromisePlant::start("chp_response_s = 60.0", "").await else { return };
    plant.edit("site.toml", "step_h = 0.25", "step_h = 0.00125");
    plant.make_real();
    let (gateway, mut state) = plant.armed().await;
    let (limits, started) = plant.with_limits_and_chp(&mut state).await;
    let run = || plant.writes(CHP_RUN);
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    fresh(&mut state, 3).await;
    gateway.kill().await;
    drop(state);
    let (again, mut state) = plant.armed().await;
    let back = fresh(&mut state, 3).await;
    assert_eq!(back["limits"], limits, "{back}");
    assert_ne!(back["decided_by"], "operator", "{back}");
    until("the idle policy stops the CHP", || run().last().is_some_and(|write| write.cells == [2])).await;
    let on = run().last().expect("a stop").at.duration_since(started);
    assert!(on >= Duration::from_secs(8), "off after {on:?}");
    until("the operator's set-point is gone", || near(plant.battery_setpoint(), 0.0)).await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_silent_for_a_while_is_a_hold_and_no_more() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    let before = plant.battery_writes().len();
    plant.device.state().dead.extend(0..=u8::MAX);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    until_mode(&mut state, "hold").await;
    plant.device.state().dead.clear();
    let next = state.until(|seen| seen.json()["mode"] != "hold").await.json();
    assert_eq!(next["mode"], "manual", "{next}");
    assert!(plant.battery_writes()[before..].iter().all(|kw| near(*kw, -5.0)), "{:?}", plant.battery_writes());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_optional_frequency_control_goes_on_without_it_and_moves_nothing() {
    let Some(plant) = PromisePlant::start("", "").await else { return };
    let optional = "[signals.frequency_hz]\noptional = true\nsubstitute = 'worst_case'\n[mqtt]";
    plant.edit("gateway.toml", "[mqtt]", optional);
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -5.0, 0.0).await;
    until("the battery is told", || near(plant.battery_setpoint(), -5.0)).await;
    let before = plant.battery_writes().len();
    plant.lose("frequency_hz");
    state.until(|seen| seen.json()["values"]["frequency_hz"]["quality"] == "comm_lost").await;
    let mut answers = plant.answers().await;
    let id = plant.order(CommandKind::Setpoint, &json!({ "battery_kw": 4.0, "chp_kw": 30 })).await;
    let answer = answers.until(|seen| seen.json()["id"] == id.as_str()).await.json();
    assert_eq!((&answer["outcome"], &answer["battery_kw"]), (&json!("clamped"), &json!(-5.0)), "{answer}");
    assert_eq!(fresh(&mut state, 6).await["mode"], "manual");
    assert!(plant.battery_writes()[before..].iter().all(|kw| near(*kw, -5.0)), "{:?}", plant.battery_writes());
    plant.restore("frequency_hz");
    until("it moves again", || plant.battery_setpoint() > -4.9).await;
    gateway.stop().await;
}
