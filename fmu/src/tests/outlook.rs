//! What is known beyond the present step, as text.

use super::day::{command, connect};
use super::host::{BOTH, Host, log_lines};
use super::{random_weights, resources};
use crate::fault::Status;
use crate::model::Kind;
use memg_core::forecast::{FITTED, REGRESSORS};
use memg_core::observation::Schema;
use memg_core::profile::Profile;
use memg_core::synthetic;

/// Resources with a network that looks ahead and back.
fn far_sighted(profile: &Profile) -> tempfile::TempDir {
    let folder = resources("td3", profile);
    std::fs::write(folder.path().join("actor.safetensors"), random_weights(Schema::Extended.len())).unwrap();
    folder
}

fn actions(ems: &Host) -> [u64; 3] {
    ["action_battery", "action_chp", "action_grid"].map(|name| ems.real(name).to_bits())
}

fn numbers(plant: &Host, ems: &Host) {
    (0..24).for_each(|hour| {
        let name = format!("price_ahead_{hour}");
        ems.put_real(&name, plant.real(&name));
    });
    ems.put_real("price_ahead_hours", plant.real("price_ahead_hours"));
}

#[test]
fn the_plants_outlook_tells_the_controller_what_its_hourly_prices_do() {
    let folder = far_sighted(&synthetic::profile(2, 7));
    for fmi in BOTH {
        let [by_text, by_number, without] = [(); 3].map(|()| Host::ready(fmi, Kind::Ems, folder.path()));
        let plant = Host::ready(fmi, Kind::Plant, folder.path());
        let mut blind = 0;
        for k in 0..96 {
            let time = 900.0 * f64::from(k);
            [&by_text, &by_number, &without].into_iter().for_each(|ems| connect(&plant, ems));
            by_text.put_text("outlook", &plant.text("outlook"));
            numbers(&plant, &by_number);
            for ems in [&by_text, &by_number, &without] {
                assert_eq!(ems.step(time, 900.0), Status::Ok, "{}", log_lines());
            }
            assert_eq!(actions(&by_text), actions(&by_number), "{k}");
            blind += u32::from(actions(&by_text) != actions(&without));
            command(&by_text, &plant);
            assert_eq!(plant.step(time, 900.0), Status::Ok, "{}", log_lines());
        }
        assert!(blind > 0, "the network does not look ahead");
    }
}

#[test]
fn a_history_is_known_from_the_first_step_on() {
    let folder = far_sighted(&synthetic::profile(1, 7));
    let yesterday = vec!["50"; 96].join(",");
    for fmi in BOTH {
        let first = |history: &str| {
            let ems = Host::new(fmi, Kind::Ems, folder.path());
            ems.put_text("history", history);
            assert_eq!((ems.enter(), ems.exit()), (Status::Ok, Status::Ok), "{}", log_lines());
            assert_eq!(ems.step(0.0, 900.0), Status::Ok, "{}", log_lines());
            actions(&ems)
        };
        assert_ne!(first(""), first(&format!("{{\"pv_kw\":[{yesterday}]}}")));
    }
}

#[test]
fn texts_that_cannot_be_read_are_refused_by_name_and_index() {
    let folder = far_sighted(&synthetic::profile(1, 7));
    for fmi in BOTH {
        let ems = Host::ready(fmi, Kind::Ems, folder.path());
        assert_eq!(ems.set_text("outlook", r#"{"import_price_eur_per_kwh":[0.1,"dear"]}"#), Status::Discard);
        assert!(log_lines().contains("outlook.import_price_eur_per_kwh[1]: expected a number or null"));
        assert_eq!(ems.step(0.0, 900.0), Status::Discard);
        ems.put_text("outlook", r#"{"import_price_eur_per_kwh":[0.1,0.2]}"#);
        assert_eq!(ems.step(0.0, 900.0), Status::Ok);
        let ems = Host::new(fmi, Kind::Ems, folder.path());
        ems.put_text("history", "yesterday");
        assert_eq!((ems.enter(), ems.exit()), (Status::Ok, Status::Error));
        assert!(log_lines().contains("history: expected a JSON object"));
    }
}

/// A file of coefficients for quarter-hours, by which everything will be twice what it is now.
fn twice_of_now() -> Vec<u8> {
    let row = [&2.0_f32.to_le_bytes()[..], &[0; 4 * (REGRESSORS - 1)]].concat();
    let tensor = row.repeat(144);
    let header = FITTED.iter().enumerate().map(|(index, quantity)| {
        let [begin, end] = [index, index + 1].map(|place| place * tensor.len());
        let name = quantity.name();
        format!(r#""{name}":{{"dtype":"F32","shape":[144,{REGRESSORS}],"data_offsets":[{begin},{end}]}}"#)
    });
    let header = format!("{{{}}}", header.collect::<Vec<_>>().join(","));
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header.as_bytes(), &tensor.repeat(FITTED.len())].concat()
}

#[test]
fn a_network_that_sees_forecasts_sees_them_through_its_own_forecaster() {
    let folder = resources("td3", &synthetic::profile(1, 7));
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("actor.safetensors", &random_weights(Schema::Forecast.len()));
    put("forecast.safetensors", &twice_of_now());
    put("damaged.safetensors", &twice_of_now()[..1000]);
    let history = format!("{{\"electric_load_kw\":[{}]}}", vec!["50"; 96].join(","));
    for fmi in BOTH {
        let begun = |file: &str| {
            let ems = Host::new(fmi, Kind::Ems, folder.path());
            ems.put_text("history", &history);
            ems.put_text("forecast_file", file);
            assert_eq!(ems.enter(), Status::Ok, "{}", log_lines());
            let status = ems.exit();
            (ems, status)
        };
        let first = |file: &str| {
            let (ems, status) = begun(file);
            assert_eq!((status, ems.step(0.0, 900.0)), (Status::Ok, Status::Ok), "{}", log_lines());
            actions(&ems)
        };
        assert_ne!(first(""), first("forecast.safetensors"));
        assert_eq!(begun("damaged.safetensors").1, Status::Error);
        assert!(log_lines().contains("forecast_file: damaged.safetensors"), "{}", log_lines());
    }
}
