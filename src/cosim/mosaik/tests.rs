//! The protocol over loopback: a day, and peers that misbehave.

use super::super::unit::UnitOptions;
use super::*;
use memg_core::env::MemgEnv;
use memg_core::equipment::{Chp, Each, Plant, PlantParameters};
use memg_core::profile::{COLUMNS, ProfileRow};
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::synthetic;
use std::io::{Read, Write};
use std::sync::Arc;

const PATIENT: Duration = Duration::from_secs(60);

/// A gateway behind a connection.
fn gateway(
    profile: Option<std::path::PathBuf>,
    patience: Duration,
) -> (TcpStream, std::thread::JoinHandle<Result<(), CosimError>>) {
    gateway_at(PlantParameters::reference(), profile, patience)
}

fn gateway_at(
    plant: PlantParameters,
    profile: Option<std::path::PathBuf>,
    patience: Duration,
) -> (TcpStream, std::thread::JoinHandle<Result<(), CosimError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let units = UnitOptions { plant, policy: "rule".to_owned(), weights: None, hour_start: 0.0 };
    let options = MosaikOptions { address, direction: Direction::Connect, patience, profile, units };
    let worker = std::thread::spawn(move || mosaik(&options));
    (listener.accept().unwrap().0, worker)
}

fn ask(stream: &mut TcpStream, function: &str, args: &Value, kwargs: &Value) -> Value {
    write_frame(stream, &json!([0, 7, [function, args, kwargs]])).unwrap();
    let answer: Value = serde_json::from_slice(&read_frame(stream).unwrap()).unwrap();
    assert_eq!(answer[1], 7);
    answer
}

#[test]
fn a_day_through_mosaik_is_the_built_in_day() {
    let profile = synthetic::profile(1, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.csv");
    let rows = profile.rows().iter().map(ProfileRow::to_csv);
    std::fs::write(&path, [COLUMNS.join(",")].into_iter().chain(rows).collect::<Vec<_>>().join("\n")).unwrap();
    let measured = ["p_pv", "p_wind", "p_load", "q_heat", "soc", "price", "price_export", "v_pcc", "f_grid"];
    let measured = [&measured[..], &["p_grid", "p_battery", "p_chp", "chp_on"]].concat();
    let set_points = ["p_battery_set", "p_chp_set", "chp_on_set", "p_renewable_max"];
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile), RewardWeights::default());
    let mut to_plant = json!({});
    let sourced = |values: &Value| -> Value {
        values
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.clone(), json!({"other.0": v})))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let (mut plant_peer, plant_worker) = gateway(Some(path), PATIENT);
    let meta = ask(&mut plant_peer, "init", &json!(["plant"]), &json!({"time_resolution": 1.0}));
    assert_eq!((&meta[0], &meta[2]["type"]), (&json!(1), &json!("time-based")));
    let made = ask(&mut plant_peer, "create", &json!([1, "Plant"]), &json!({}));
    assert_eq!(made[2][0]["eid"], "Plant-0");
    ask(&mut plant_peer, "setup_done", &json!([]), &json!({}));
    let (mut ems_peer, ems_worker) = gateway(None, PATIENT);
    ask(&mut ems_peer, "init", &json!(["ems"]), &json!({}));
    ask(&mut ems_peer, "create", &json!([1, "Ems"]), &json!({}));
    for k in 0..96_u64 {
        let step = env.step_policy(&mut GoodRule).unwrap().unwrap();
        ask(&mut plant_peer, "step", &json!([900 * k, {"Plant-0": to_plant}, 86400]), &json!({}));
        let data = ask(&mut plant_peer, "get_data", &json!([{"Plant-0": measured}]), &json!({}));
        let inputs = sourced(&data[2]["Plant-0"]);
        let next = ask(&mut ems_peer, "step", &json!([900 * k, {"Ems-0": inputs}, 86400]), &json!({}));
        assert_eq!(next[2], 900 * (k + 1), "{next}");
        let data = ask(&mut ems_peer, "get_data", &json!([{"Ems-0": set_points}]), &json!({}));
        let values = &data[2]["Ems-0"];
        let safe = step.verdict.safe;
        assert_eq!(values["p_battery_set"].as_f64(), Some(safe.battery().kilowatts().get()), "step {k}");
        assert_eq!(values["p_chp_set"].as_f64(), Some(safe.chp().kilowatts().get()), "step {k}");
        to_plant = sourced(values);
    }
    for (mut peer, worker) in [(plant_peer, plant_worker), (ems_peer, ems_worker)] {
        write_frame(&mut peer, &json!([0, 8, ["stop", [], {}]])).unwrap();
        assert_eq!(worker.join().unwrap(), Ok(()));
    }
}

/// What the gateway ends with after a peer has sent bytes; the peer stays silent or goes.
fn after(bytes: &[u8], goes: bool) -> String {
    let (mut stream, worker) = gateway(None, Duration::from_millis(300));
    stream.write_all(bytes).unwrap();
    if goes {
        drop(stream);
        return worker.join().unwrap().unwrap_err().to_string();
    }
    let ended = worker.join().unwrap().unwrap_err().to_string();
    let _ = stream.read(&mut [0; 1]);
    ended
}

#[test]
fn a_peer_that_sends_garbage_ends_with_a_clear_error() {
    for (bytes, goes, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], false, "does not speak this protocol"),
        (b"\0\0\0\x05hello", false, "expected [0, id, [function, args, kwargs]]"),
        (b"\0\0\0\x08[1,2,\"r\"]", false, "expected [0, id"),
        (b"\0\0", true, "closed the connection"),
        (b"\0\0\0\x10[0, 1", true, "after 5 of 16 bytes"),
        (b"\0\0\0\x10[0, 1", false, "silent for too long"),
        (b"", false, "silent for too long"),
    ] {
        let found = after(bytes, goes);
        assert!(found.contains(words), "{words:?} is not in {found:?}");
    }
}

#[test]
fn calls_that_make_no_sense_are_refused_by_name() {
    let (mut stream, worker) = gateway(None, PATIENT);
    ask(&mut stream, "init", &json!(["sim"]), &json!({}));
    ask(&mut stream, "create", &json!([1, "Ems"]), &json!({}));
    for (function, args, kwargs, words) in [
        ("init", json!(["sim"]), json!({"time_resolution": 7.0}), "time_resolution"),
        ("create", json!([1, "Boat"]), json!({}), "Boat"),
        ("create", json!([1, "Plant"]), json!({}), "profile"),
        ("create", json!([1, "Ems"]), json!({"policy": "best"}), "policy"),
        ("create", json!([1, "Ems"]), json!({"colour": 1}), "colour"),
        ("create", json!([1, "Ems"]), json!({"history": {"soc": [1]}}), "history.soc is none of pv_kw"),
        ("step", json!([0, {"Ems-0": {"outlook": {"a": {"pv_kw": ["x"]}}}}, 900]), json!({}), "outlook.pv_kw[0]"),
        ("step", json!([0, {"Ems-0": {"outlook": {"a": 3}}}, 900]), json!({}), "outlook: expected an object"),
        ("create", json!([1_000_000, "Ems"]), json!({}), "num"),
        ("step", json!([0, {}, 900]), json!({}), "Ems-0, step at 0 s: no value for p_load (electric_load_kw), p_pv"),
        ("step", json!([0, {"Ems-0": {"p_load": {"a": null}}}, 900]), json!({}), "no value for p_load"),
        (
            "step",
            json!([0, {"Ems-0": {"p_load": {"a": "12"}}}, 900]),
            json!({}),
            "p_load: expected a number, found \"12\"",
        ),
        ("step", json!([0, {"Ems-0": {"soc": {"a": 1.4}}}, 900]), json!({}), "soc: expected 0 to 1, found 1.4"),
        ("step", json!([0, {"Ems-0": {"colour": {"a": 1.4}}}, 900]), json!({}), "colour"),
        ("step", json!([0, {"Ems-0": {"battery_fault": {"a": 1}}}, 900]), json!({}), "battery_fault is no input"),
        ("step", json!([0, {"Ems-0": {"p_load": {"a": 1, "b": 2}}}, 900]), json!({}), "p_load"),
        ("step", json!([0, {"Ems-9": {"p_load": {"a": 1}}}, 900]), json!({}), "Ems-9"),
        ("get_data", json!([{"Ems-0": ["colour"]}]), json!({}), "colour"),
        ("dance", json!([]), json!({}), "dance"),
    ] {
        let answer = ask(&mut stream, function, &args, &kwargs);
        assert_eq!(answer[0], 2, "{answer}");
        assert_eq!(answer[2][0], "Refused", "mosaik-api reads a kind and a text: {answer}");
        assert!(answer[2][1].as_str().unwrap().contains(words), "{words} is not in {answer}");
    }
    drop(stream);
    assert!(worker.join().unwrap().is_err());
}

#[test]
fn measurements_have_two_names_and_one_that_was_there_once_must_stay() {
    let (mut stream, worker) = gateway(None, PATIENT);
    let meta = ask(&mut stream, "init", &json!(["sim"]), &json!({}));
    let attrs = meta[2]["models"]["Ems"]["attrs"].as_array().unwrap();
    assert!(["p_load", "electric_load_kw", "pv_available_kw"].iter().all(|name| attrs.contains(&json!(name))));
    ask(&mut stream, "create", &json!([1, "Ems"]), &json!({}));
    let mut inputs = json!({"pv_available_kw": {"a": 20}, "p_wind": {"a": 0}, "electric_load_kw": {"a": 40},
        "q_heat": {"a": 0}, "soc": {"a": 0.5}, "grid_voltage_pu": {"a": 1.01}, "chp_on": {"a": false}});
    let answer = ask(&mut stream, "step", &json!([0, {"Ems-0": inputs}, 900]), &json!({}));
    assert_eq!(answer[2], 900, "{answer}");
    let read = ask(&mut stream, "get_data", &json!([{"Ems-0": ["p_load", "electric_load_kw"]}]), &json!({}));
    assert_eq!(read[2]["Ems-0"], json!({"p_load": 40.0, "electric_load_kw": 40.0}));
    inputs["grid_voltage_pu"] = json!({"a": null});
    let refused = ask(&mut stream, "step", &json!([900, {"Ems-0": inputs}, 900]), &json!({}));
    assert!(refused[2][1].as_str().unwrap().contains("no value for v_pcc (grid_voltage_pu)"), "{refused}");
    drop(stream);
    assert!(worker.join().unwrap().is_err());
}

/// Two batteries and two CHPs, or none.
fn plant_of(units: usize) -> PlantParameters {
    let mut plant = PlantParameters::reference();
    let small = Chp { p_kw_max: 40.0, ..plant.chp_of_all() };
    plant.battery = Each::new(&vec![plant.battery_of_all(); units]).unwrap();
    plant.chp = Each::new(&vec![small; units]).unwrap();
    plant
}

#[test]
fn every_battery_and_chp_of_the_plant_has_its_attributes_and_the_soc_of_each_is_needed() {
    let (mut stream, worker) = gateway_at(plant_of(2), None, PATIENT);
    let meta = ask(&mut stream, "init", &json!(["sim"]), &json!({}));
    let attrs = meta[2]["models"]["Ems"]["attrs"].as_array().unwrap();
    for name in ["soc_2", "p_battery_2", "battery_2_kw", "chp_2_on", "p_battery_2_set", "p_chp_2_set", "chp_2_on_set"] {
        assert!(attrs.contains(&json!(name)), "{name}");
    }
    assert!(!attrs.contains(&json!("soc_3")));
    ask(&mut stream, "create", &json!([1, "Ems"]), &json!({"battery_2.soc_max": 0.8}));
    let mut inputs = json!({"p_pv": {"a": 60}, "p_wind": {"a": 30}, "p_load": {"a": 20}, "q_heat": {"a": 0},
        "soc": {"a": 0.5}, "battery_2_kw": {"a": 0}, "chp_2_on": {"a": 0}});
    let refused = ask(&mut stream, "step", &json!([0, {"Ems-0": inputs}, 900]), &json!({}));
    assert!(refused[2][1].as_str().unwrap().contains("no value for soc_2"), "{refused}");
    inputs["soc_2"] = json!({"a": 0.5});
    let answer = ask(&mut stream, "step", &json!([0, {"Ems-0": inputs}, 900]), &json!({}));
    assert_eq!(answer[2], 900, "{answer}");
    let wanted = ["p_battery_set", "p_battery_2_set", "battery_2_kw", "p_chp_2_set"];
    let read = ask(&mut stream, "get_data", &json!([{"Ems-0": wanted}]), &json!({}));
    let values = &read[2]["Ems-0"];
    assert!(values["p_battery_2_set"].as_f64().unwrap() > 0.0, "{read}");
    assert_eq!((&values["battery_2_kw"], &values["p_chp_2_set"]), (&json!(0.0), &json!(0.0)));
    inputs["soc_3"] = json!({"a": 0.5});
    let refused = ask(&mut stream, "step", &json!([900, {"Ems-0": inputs}, 900]), &json!({}));
    assert!(refused[2][1].as_str().unwrap().contains("soc_3"), "{refused}");
    drop(stream);
    assert!(worker.join().unwrap().is_err());
}

#[test]
fn a_plant_without_battery_and_chp_needs_no_soc() {
    let (mut stream, worker) = gateway_at(plant_of(0), None, PATIENT);
    ask(&mut stream, "init", &json!(["sim"]), &json!({}));
    ask(&mut stream, "create", &json!([1, "Ems"]), &json!({}));
    let inputs = json!({"p_pv": {"a": 60}, "p_wind": {"a": 30}, "p_load": {"a": 20}, "q_heat": {"a": 0}});
    let answer = ask(&mut stream, "step", &json!([0, {"Ems-0": inputs}, 900]), &json!({}));
    assert_eq!(answer[2], 900, "{answer}");
    drop(stream);
    assert!(worker.join().unwrap().is_err());
}

#[test]
fn outlook_and_history_come_as_objects_or_as_text_and_are_shown_as_text() {
    let (mut stream, worker) = gateway(None, PATIENT);
    let meta = ask(&mut stream, "init", &json!(["sim"]), &json!({}));
    let ems = &meta[2]["models"]["Ems"];
    assert!(ems["attrs"].as_array().unwrap().contains(&json!("outlook")));
    assert!(ems["params"].as_array().unwrap().contains(&json!("history")));
    let made = ask(&mut stream, "create", &json!([1, "Ems"]), &json!({"history": {"pv_kw": [1, null]}}));
    assert_eq!(made[2][0]["eid"], "Ems-0", "{made}");
    let measured =
        json!({"p_pv": {"a": 20}, "p_wind": {"a": 0}, "p_load": {"a": 40}, "q_heat": {"a": 0}, "soc": {"a": 0.5}});
    let text = r#"{"import_price_eur_per_kwh":[0.1,null]}"#;
    for (k, given) in [json!(text), serde_json::from_str(text).unwrap()].into_iter().enumerate() {
        let mut inputs = measured.clone();
        inputs["outlook"] = json!({"a": given});
        let answer = ask(&mut stream, "step", &json!([900 * k, {"Ems-0": inputs}, 900]), &json!({}));
        assert_eq!(answer[2], 900 * (k + 1), "{answer}");
        let read = ask(&mut stream, "get_data", &json!([{"Ems-0": ["outlook"]}]), &json!({}));
        assert_eq!(read[2]["Ems-0"]["outlook"], text);
    }
    drop(stream);
    assert!(worker.join().unwrap().is_err());
}
