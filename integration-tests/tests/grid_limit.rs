//! A grid operator's limit through the program: the contact of a relay, an order for a time, and silence, judged at the
//! battery's register.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::mosquitto::{Keep, Listener};
use memg_integration_tests::promise_plant::{PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::{Value, json};

/// Unit and coil of the relay: closed, at most 42 kW may be exported; open, the plant's 80 kW.
const RELAY: u8 = 120;
const NOBODY_THERE: u8 = 11;

/// A plant with the relay, whose load covers none of what the battery could discharge.
async fn plant() -> Option<PromisePlant> {
    let plant = PromisePlant::start("observe_s = 1.0", "").await?;
    plant.device.state().coils.insert((RELAY, 3), false);
    let relay = "[device]\nmaker = 'Relay'\nmodel = 'control box'\naddress_base = 0\npoll_s = 0.1\n[[point]]\n\
                 name = 'export_limit'\ntable = 'coil'\naddress = 3\ntype = 'bool'\nunit = 'kW'\nscale = -38\noffset = 80\n\
                 range = [0, 100]\nage_max_s = 1\nsignal = 'grid_export_limit_kw'\n";
    std::fs::write(plant.path("devices/relay.toml"), relay).expect("a file");
    let device = format!(
        "[grid_limit]\nexport_fail_safe_kw = 30\nsilent_after_s = 2\n[[device]]\nname = 'relay'\nfile = 'relay.toml'\n\
         transport = {{ tcp = '{}' }}\nunit_id = {RELAY}\nretry_s_max = 0.3\n[[device]]\nname = 'battery'\n",
        plant.device.address
    );
    plant.edit("gateway.toml", "[[device]]\nname = 'battery'\n", &device);
    // The battery may be told any power at once: what is seen is the limit, not a ramp.
    plant.edit("site.toml", "ramp_kw_per_step = 10.0", "ramp_kw_per_step = 100.0");
    for (signal, value) in [("pv_kw", 60.0), ("electric_load_kw", 20.0), ("grid_kw", -40.0)] {
        plant.show(signal, value);
    }
    Some(plant)
}

/// What the plant exports when the battery does as it is told, kW.
fn export(plant: &PromisePlant) -> f32 {
    40.0 - plant.battery_setpoint()
}

async fn told(state: &mut Listener, wanted: impl Fn(&Value) -> bool) -> Value {
    state.until(|seen| seen.keep == Keep::No && wanted(&seen.json()["grid_limit"])).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contact_of_a_relay_narrows_the_export_and_its_silence_brings_the_fail_safe_value() {
    let Some(plant) = plant().await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    let mut alarms = plant.alarms().await;
    told(&mut state, |grid| grid["export_kw_max"] == 80.0 && grid["export_silent"] == false).await;
    plant.by_hand(&mut state, -20.0, 0.0).await;
    until("60 kW are exported", || (export(&plant) - 60.0).abs() < 0.02).await;
    plant.device.state().coils.insert((RELAY, 3), true);
    until("the contact is obeyed", || export(&plant) <= 42.0).await;
    told(&mut state, |grid| grid["export_kw_max"] == 42.0).await;
    plant.device.state().exceptions.insert(RELAY, NOBODY_THERE);
    let silent = told(&mut state, |grid| grid["export_silent"] == true).await;
    assert_eq!(silent["grid_limit"]["export_kw_max"], 30.0, "{silent}");
    assert_eq!(silent["mode"], "manual", "a silent control box is no fault of the plant: {silent}");
    until("the fail-safe value is kept", || export(&plant) <= 30.0).await;
    alarms.until(|seen| seen.payload.contains("grid_limit.silent")).await;
    plant.device.state().coils.insert((RELAY, 3), false);
    plant.device.state().exceptions.remove(&RELAY);
    until("it is heard again", || (export(&plant) - 60.0).abs() < 0.02).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_for_a_time_narrows_survives_a_kill_and_ends_by_itself() {
    let Some(plant) = plant().await else { return };
    let (gateway, mut state) = plant.in_auto().await;
    plant.by_hand(&mut state, -20.0, 0.0).await;
    until("60 kW are exported", || (export(&plant) - 60.0).abs() < 0.02).await;
    let mut answers = plant.answers().await;
    let order = json!({ "import_kw_max": null, "export_kw_max": 25.0, "for_s": 20.0 });
    let id = plant.order(CommandKind::GridLimit, &order).await;
    let answer = answers.until(|seen| seen.json()["id"] == id.as_str()).await.json();
    assert_eq!(answer["outcome"], "done", "{answer}");
    until("the order is obeyed", || export(&plant) <= 25.0).await;
    gateway.kill().await;
    drop(state);
    let (again, mut state) = plant.in_auto().await;
    let back = told(&mut state, |grid| grid["export_silent"] == false).await;
    assert_eq!(back["grid_limit"]["export_kw_max"], 25.0, "{back}");
    plant.by_hand(&mut state, -20.0, 0.0).await;
    told(&mut state, |grid| grid["export_kw_max"] == 80.0).await;
    until("it has ended", || (export(&plant) - 60.0).abs() < 0.02).await;
    until_mode(&mut state, "manual").await;
    again.stop().await;
}
