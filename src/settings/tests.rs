//! What a wrong configuration is told, and that the shipped ones are right.

use super::{Override, Problem, load};
use memg_virtual_plant::DeviceAddress;
use memg_virtual_plant::site::device_tables;
use std::path::{Path, PathBuf};

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(file)
}

/// Loads a configuration made of the shipped site file and demonstration, edited.
fn problems(edit: impl Fn(String, String) -> (String, String)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let read = |file: &str| std::fs::read_to_string(shipped(file)).unwrap();
    let (gateway, site) = edit(read("gateway.toml"), read("sites/site-a.toml"));
    std::fs::create_dir(dir.path().join("sites")).unwrap();
    std::fs::write(dir.path().join("gateway.toml"), gateway).unwrap();
    std::fs::write(dir.path().join("sites/site-a.toml"), site).unwrap();
    match load(&dir.path().join("gateway.toml"), "", &[]) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.iter().map(|p| p.to_string().replace(&dir.path().display().to_string(), "")).collect()
        }
    }
}

#[test]
fn the_shipped_configuration_is_right() {
    assert!(load(&shipped("gateway.toml"), "", &[]).is_ok());
}

#[test]
fn the_shipped_co_simulations_are_right() {
    assert!(load(&shipped("cosim.toml"), "", &[]).unwrap().cosim.is_some());
    assert!(load(&shipped("cosim-free.toml"), "", &[]).unwrap().cosim.is_none());
}

/// Loads the shipped lock-step configuration, edited.
fn lockstep_problems(edit: impl Fn(String) -> String) -> Vec<String> {
    let text = std::fs::read_to_string(shipped("cosim.toml")).unwrap();
    problems(move |_, site| (edit(text.clone()), site))
}

#[test]
fn wrong_keys_of_a_co_simulation_have_file_line_and_key() {
    let found = lockstep_problems(|text| text.replace("idle_max_s", "idle_s").replace("\"exit\"", "\"leave\""));
    assert!(found.iter().any(|p| p.starts_with("/gateway.toml:") && p.contains("cosim.idle_s")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains(":28: cosim.after_stop: expected")), "{found:#?}");
    let found = lockstep_problems(|text| text.replace("\"soc\"", "\"charge\"").replace("\"chp_on\"", "\"on\""));
    assert!(found.iter().any(|p| p.contains("cosim.villas.inputs[4]: \"charge\" is not a signal")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("cosim.villas.outputs[2]: \"on\"")), "{found:#?}");
}

#[test]
fn what_would_measure_or_write_besides_the_simulator_is_refused() {
    let demo = "[demo]\nprofile = \"x.csv\"\n";
    let input = "[[mqtt.inputs]]\ntopic = \"a\"\nname = \"a\"\nraw = true\nrange = [0, 1]\n";
    let found =
        lockstep_problems(|text| format!("{text}\n{input}{demo}").replace("simulated = true", "simulated = false"));
    for key in ["demo: cannot stand beside", "mqtt.inputs: cannot stand beside", "site.simulated: must be true"] {
        assert!(found.iter().any(|p| p.contains(key)), "{key}: {found:#?}");
    }
    let found = lockstep_problems(|text| text.replace("[mqtt]", "[mqqt]"));
    assert!(found.iter().any(|p| p.contains("cosim: needs [mqtt]")), "{found:#?}");
}

#[test]
fn unknown_keys_and_missing_limits_are_all_reported_with_file_line_and_key() {
    let found = problems(|gateway, site| {
        (
            gateway.replace("hold_s =", "hold_sec ="),
            site.replace("soc_max = 0.9\n", "soc_maximum = 0.9\n").replace("efficiency = 0.9\n", ""),
        )
    });
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|p| p.contains("/sites/site-a.toml:28: plant.boiler.efficiency: missing")), "{found:#?}");
    let misspelt = "/sites/site-a.toml:14: plant.battery.soc_maximum: unknown key; did you mean \"soc_max\"?";
    assert!(found.iter().any(|p| p.contains(misspelt)), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("/gateway.toml:15: control.hold_sec")), "{found:#?}");
}

#[test]
fn values_out_of_range_and_wrong_types_are_named() {
    let found = problems(|gateway, site| {
        (gateway.replace("cycle_s = 1.0", "cycle_s = -1.0"), site.replace("soc_min = 0.1", "soc_min = \"low\""))
    });
    assert!(found.iter().any(|p| p.contains("control.cycle_s: expected a number from 0.01")), "{found:#?}");
    assert!(
        found
            .iter()
            .any(|p| p.contains("plant.battery.soc_min: \"low\" is text, expected a share from 0 to 1 as a number")),
        "{found:#?}"
    );
}

#[test]
fn a_syntax_error_has_its_line_and_a_missing_file_its_name() {
    let found = problems(|gateway, site| (gateway.replace("[journal]", "[journal"), site));
    assert!(found[0].starts_with("/gateway.toml:"), "{found:#?}");
    let error = load(Path::new("no/such/file.toml"), "", &[]).unwrap_err();
    assert!(error[0].to_string().contains("no/such/file.toml"), "{}", error[0]);
}

#[test]
fn a_real_plant_without_measurements_is_refused() {
    let found = problems(|gateway, site| (gateway.split("\n[demo]").next().unwrap_or("").to_owned(), site));
    assert!(found.iter().any(|p| p.contains("nobody measures soc")), "{found:#?}");
}

/// The shipped configuration with the virtual plant's devices, this in each of their tables, and cycles of 10 s.
fn slow(extra: &str) -> Result<Vec<std::time::Duration>, Vec<String>> {
    let standard = memg_virtual_plant::site::standard_devices().into_iter();
    let addresses: Vec<_> = standard.map(|spec| DeviceAddress { spec, address: ([127, 0, 0, 1], 1).into() }).collect();
    let plant = memg_core::equipment::Plant::reference();
    let sources = memg_plant_io::sources::Sources::one_each(&plant);
    let tables = device_tables(&plant, &sources, &addresses);
    let cycle = [("control.cycle_s", "10"), ("control.speed", "1")]
        .map(|(key, value)| super::Override { key, value: value.into() });
    let tables = tables.replace("unit_id = 1", &format!("unit_id = 1\n{extra}"));
    let settings = load(&shipped("gateway.toml"), &tables, &cycle);
    let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
    settings.map(|s| s.devices.iter().map(|device| device.timing.order_ttl).collect()).map_err(told)
}

#[test]
fn a_set_point_that_would_expire_between_two_cycles_is_refused_and_the_default_lasts_for_two() {
    let refused =
        "device[0].order_ttl_s: set-points would expire before the next cycle: expected at least two cycles, 20 s";
    let short = slow("order_ttl_s = 19.0").unwrap_err();
    assert!(short.iter().any(|p| p.contains(refused)), "{short:#?}");
    for enough in ["order_ttl_s = 20.0", ""] {
        assert!(slow(enough).unwrap().iter().all(|ttl| ttl.as_secs() == 20), "{enough}");
    }
}

#[test]
fn an_unknown_table_and_an_unknown_device_file_are_named() {
    let device = "[[device]]\nname = \"x\"\nfile = \"none.toml\"\ntransport = { tcp = \"127.0.0.1:1\" }\nunit_id = 1\n";
    let found = problems(|gateway, site| (format!("{gateway}\n[extras]\na = 1\n{device}"), site));
    assert!(found.iter().any(|p| p.contains("extras: unknown table")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("device[0].file: cannot read")), "{found:#?}");
}

#[test]
fn wrong_operators_have_file_line_and_key() {
    let operator = "\n[[operator]]\nname = \"anna\"\nrole = \"boss\"\nkey_env = \"MEMG_NOBODY_SETS_THIS\"\n";
    let found = problems(|gateway, site| (gateway + operator, site));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().any(|p| p.contains(": operator[0].role: expected one of viewer, guard")), "{found:#?}");
    let environment = "operator[0].key_env: names the variable MEMG_NOBODY_SETS_THIS, which is not set";
    assert!(found.iter().all(|p| p.starts_with("/gateway.toml:")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains(environment)), "{found:#?}");
}

/// A site whose five required signals come over MQTT, with more inputs and more text.
fn signal_problems(more_inputs: &[&str], text: &str) -> Vec<String> {
    let required = ["pv_kw", "wind_kw", "electric_load_kw", "heat_load_kw", "soc"];
    let input = |signal: &&str| {
        let unit = if signal.ends_with("_kwh") {
            "EUR/kWh"
        } else if signal.ends_with("_kw") {
            "kW"
        } else if signal.ends_with("_hz") {
            "Hz"
        } else {
            "1"
        };
        format!("{{ topic = '{signal}', signal = '{signal}', raw = true, unit = '{unit}', range = [0, 100] }},\n")
    };
    let inputs: String = required.iter().chain(more_inputs).map(input).collect();
    problems(move |gateway, site| {
        let real = gateway.split("\n[demo]").next().unwrap().to_owned() + "\n";
        let mqtt = format!(
            "[mqtt]\nhost = '127.0.0.1'\nport = 1\nclient_id = 'a'\nprefix = 'memg/a'\ninputs = [\n{inputs}]\n"
        );
        (format!("{real}{mqtt}{text}"), site.replace("fixed_export", "# fixed_export"))
    })
}

fn declared(signal: &str, substitute: &str) -> String {
    format!("[signals.{signal}]\noptional = true\nsubstitute = '{substitute}'\n")
}

#[test]
fn an_optional_signal_names_a_substitute_that_exists_for_it() {
    assert_eq!(signal_problems(&["frequency_hz"], &declared("frequency_hz", "worst_case")), Vec::<String>::new());
    let rows = [
        (
            declared("frequency_hz", "nominal"),
            "signals.frequency_hz.substitute: \"nominal\" does not exist for frequency_hz; expected one of worst_case",
        ),
        (declared("battery_kw", "balance"), "expected one of setpoint"),
        ("[signals.frequency_hz]\noptional = true\n".into(), "signals.frequency_hz.substitute: missing"),
        ("[signals.frequency_hz]\noptional = false\n".into(), "signals.frequency_hz.optional: expected true"),
        (declared("soc", "worst_case"), "signals.soc: soc has no substitute: it is required"),
        (declared("state_of_charge", "fixed"), "signals.state_of_charge: is no signal; expected one of pv_kw"),
        (declared("grid_voltage_pu", "worst_case"), "nobody measures grid_voltage_pu"),
        (
            "[signals.frequency_hz]\noptional = true\nsubstitute = 'worst_case'\nage = 1\n".into(),
            "signals.frequency_hz.age: unknown key",
        ),
    ];
    for (text, expected) in rows {
        let found = signal_problems(&["frequency_hz", "battery_kw"], &text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:#?}");
        assert!(found[0].starts_with("/gateway.toml:"), "with its line: {found:#?}");
    }
}

#[test]
fn what_a_substitute_is_made_from_has_to_be_there() {
    let found = signal_problems(&[], &declared("export_price_eur_per_kwh", "fixed"));
    assert!(found.iter().any(|p| p.contains("nobody measures export_price_eur_per_kwh")), "{found:#?}");
    let found = signal_problems(&["export_price_eur_per_kwh"], &declared("export_price_eur_per_kwh", "fixed"));
    assert!(found.iter().any(|p| p.contains("needs plant.costs.fixed_export_eur_per_kwh")), "{found:#?}");
    let found = signal_problems(&["grid_kw", "battery_kw"], &declared("grid_kw", "balance"));
    assert!(found.iter().any(|p| p.contains("\"balance\" needs chp_kw, which nobody measures")), "{found:#?}");
    let all = ["grid_kw", "battery_kw", "chp_kw"];
    assert_eq!(signal_problems(&all, &declared("grid_kw", "balance")), Vec::<String>::new());
    let found = signal_problems(&[&all[..], &["pv_available_kw"]].concat(), &declared("grid_kw", "balance"));
    assert!(found.iter().any(|p| p.contains("but pv_available_kw is used")), "{found:#?}");
}

#[test]
fn in_lock_step_nothing_stands_in() {
    let found = lockstep_problems(|text| text + &declared("frequency_hz", "worst_case"));
    assert!(found.iter().any(|p| p.contains("signals: cannot stand beside [cosim]")), "{found:#?}");
}

#[test]
fn every_limit_from_outside_has_a_source_and_a_value_for_when_it_is_silent() {
    let import = "grid_import_limit_kw";
    let right = "[grid_limit]\nimport_fail_safe_kw = 12.6\nsilent_after_s = 30\n";
    assert_eq!(signal_problems(&[import], right), Vec::<String>::new());
    for (fed, text, expected) in [
        (&[import][..], "", "grid_limit.import_fail_safe_kw: missing: grid_import_limit_kw is fed"),
        (&[], right, "grid_limit.import_fail_safe_kw: nobody says grid_import_limit_kw"),
        (&[import], "[grid_limit]\nimport_fail_safe_kw = -1\n", "expected 0 to 1000000 kW, found -1"),
        (&[import], "[grid_limit]\nimport_fail_safe_kw = 1\nsilent_after_s = 0\n", "expected 1 to 86400 s, found 0"),
        (&[import], "[grid_limit]\nimport_fail_safe_kw = 1\nafter_s = 1\n", "grid_limit.after_s: unknown key"),
    ] {
        let found = signal_problems(fed, text);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:#?}");
    }
    let found = lockstep_problems(|text| text + right);
    assert!(found.iter().any(|p| p.contains("grid_limit: cannot stand beside [cosim]")), "{found:#?}");
}

#[test]
fn what_was_learned_counts_where_it_is_configured_and_a_site_file_that_is_off_is_a_warning() {
    let plant_of = |learned: &Path| {
        let value = learned.display().to_string();
        load(&shipped("mismatch.toml"), "", &[Override { key: "site.plant_learned", value }])
    };
    let dir = tempfile::tempdir().unwrap();
    let missing = plant_of(&dir.path().join("nothing")).unwrap_err();
    assert!(
        missing.iter().any(|p| p.to_string().contains("site.plant_learned") && p.to_string().contains("learned.toml")),
        "{missing:?}"
    );
    let stated = load(&shipped("mismatch.toml"), "", &[]).unwrap().plant;
    let row = |name: &str, value: f64| {
        let (low, high) = (value - 0.01, value + 0.01);
        format!("[[parameters]]\nname = {name:?}\nunit = 1\nvalue = {value}\nlow = {low}\nhigh = {high}\nused = true\n")
    };
    let head = |hash: &str| {
        format!(
            "memg_learned = 1\nsite = \"x\"\nequipment_sha256 = \"{hash}\"\ndays = 14.0\nfrom = \"a\"\nto = \"b\"\n"
        )
    };
    let write = |hash: &str| {
        let rows = row("battery.efficiency_store", 0.88) + &row("boiler.efficiency", 0.895);
        std::fs::write(dir.path().join("learned.toml"), head(hash) + &rows).unwrap();
    };
    write(&memg_learn::folder::equipment_hash(stated.stated()));
    let settings = plant_of(dir.path()).unwrap();
    assert_eq!(settings.plant.battery().efficiency_store, 0.88);
    assert_eq!(settings.plant.stated(), stated.parameters());
    assert!(settings.plant.cautious_battery().efficiency_store >= 0.95);
    let warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("plant.battery.efficiency_store: 0.95 in the site file"),
        "{warnings:?}"
    );
    write("of another plant");
    let other = plant_of(dir.path()).unwrap_err();
    assert!(other[0].to_string().contains("with other batteries"), "{other:?}");
}
