//! What is known beyond the present step, as text.

use super::day::{command, connect};
use super::host::{BOTH, Host, log_lines};
use super::{random_weights, resources};
use crate::fault::Status;
use crate::model::Kind;
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
        ems.put_text("outlook", r#"{"import_price_eur_per_kwh":[0.1,"dear"]}"#);
        assert_eq!(ems.step(0.0, 900.0), Status::Error);
        assert!(log_lines().contains("outlook.import_price_eur_per_kwh[1]: expected a number or null"));
        let ems = Host::new(fmi, Kind::Ems, folder.path());
        ems.put_text("history", "yesterday");
        assert_eq!((ems.enter(), ems.exit()), (Status::Ok, Status::Error));
        assert!(log_lines().contains("history: expected a JSON object"));
    }
}
