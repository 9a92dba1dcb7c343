use super::super::{Target, ValueSource};
use super::*;
use memg_core::plant_state::Signal;

const GOOD: &str = r#"
    host = "127.0.0.1"
    client_id = "memg-harbour"
    prefix = "memg/harbour"
    username = "gateway"
    password_env = "PASSWORD"

    [[inputs]]
    topic = "plant/battery"
    signal = "battery_kw"
    pointer = "/power"
    time_pointer = "/t"
    time_format = "unix_s"
    unit = "W"
    sign = -1
    range = [-55, 55]

    [[inputs]]
    topic = "plant/chp/on"
    signal = "chp_on"
    raw = true
    words = { ON = 1, OFF = 0 }
    range = [0, 1]
    age_max_s = 60

    [commands]
    arm_secret_env = "ARM"
    trust_broker_as = "guard"
"#;

const OUTLOOK: &str = r#"
    [[outlook]]
    topic = "market/day-ahead"
    quantity = "import_price_eur_per_kwh"
    pointer = "/data"
    start_key = "start_timestamp"
    unit = "EUR/MWh"
    offset = 0.12
"#;

#[test]
fn an_outlook_converts_like_an_input_and_has_every_problem_named() {
    let read = |text: &str| validate(toml::from_str(&format!("{GOOD}{text}")).unwrap(), &environment);
    let settings = read(OUTLOOK).unwrap();
    let [prices] = &settings.outlook[..] else { panic!("one outlook") };
    assert_eq!((prices.factor, prices.offset, prices.range), (1e-3, 0.12, (-100.0, 100.0)));
    assert_eq!((prices.start_key.as_str(), prices.value_key.as_str()), ("start_timestamp", "value"));
    assert_eq!((prices.age_max, prices.step_ms), (Duration::from_secs(129_600), None));
    for (old, new, wanted) in [
        ("import_price_eur_per_kwh", "soc", "mqtt.outlook[0].quantity \"soc\" is unknown; expected one of pv_kw"),
        ("EUR/MWh", "kW", "mqtt.outlook[0].unit \"kW\" does not convert to EUR/kWh"),
        ("/data", "data", "mqtt.outlook[0].pointer must be a JSON pointer"),
        ("market/day-ahead", "memg/harbour/x", "mqtt.outlook[0].topic is below the gateway's own prefix"),
        ("offset", "colour", "mqtt.outlook[0].colour"),
        ("offset = 0.12", "step_s = 0", "mqtt.outlook[0].step_s must be between 1 and 86400 s"),
        (
            "[[outlook]]",
            "[[outlook]]\ntopic = 'a'\nquantity = 'import_price_eur_per_kwh'\nunit = '1'\n[[outlook]]",
            "outlook[0].unit",
        ),
    ] {
        let problems = read(&OUTLOOK.replace(old, new)).unwrap_err();
        let told: Vec<_> = problems.iter().map(|problem| format!("{} {}", problem.key, problem.message)).collect();
        assert!(told.iter().any(|problem| problem.contains(wanted)), "{wanted:?} is not in {told:?}");
    }
    let twice = read(&format!("{OUTLOOK}{OUTLOOK}")).unwrap_err();
    assert_eq!(twice[0].message, "feeds import_price_eur_per_kwh a second time");
}

fn environment(name: &str) -> Option<String> {
    match name {
        "PASSWORD" => Some("swordfish".into()),
        "ARM" => Some("0123456789abcdef".into()),
        "SHORT" => Some("short".into()),
        _ => None,
    }
}

fn problems_of(text: &str) -> Vec<String> {
    let problems = validate(toml::from_str(text).unwrap(), &environment).unwrap_err();
    problems.into_iter().map(|problem| format!("{} {}", problem.key, problem.message)).collect()
}

#[test]
fn a_good_table_becomes_typed_settings() {
    let settings = validate(toml::from_str(GOOD).unwrap(), &environment).unwrap();
    let [battery, chp] = &settings.inputs[..] else { panic!("two inputs") };
    assert_eq!((&battery.target, battery.factor), (&Target::Signal(Signal::BatteryKw.into()), -1e-3));
    assert_eq!((&chp.source, chp.age_max), (&ValueSource::Raw, Duration::from_secs(60)));
    assert_eq!(settings.connection.broker.keep_alive, Duration::from_secs(5));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("swordfish") && !shown.contains("0123456789abcdef"), "{shown}");
}

#[test]
fn all_problems_are_reported_together_with_their_keys() {
    let problems = problems_of(
        r#"
        host = "10.0.0.5"
        prefix = "memg/harbour/"
        username = "gateway"
        payload_bytes_max = 10
        [[inputs]]
        topic = "plant/+/power"
        signal = "pv_kwh"
        time_pointer = "t"
        sign = 2
        range = [10, 0]
        rnage = 1
        [[inputs]]
        topic = "memg/harbour/state"
        name = "x"
        pointer = ""
        [commands]
        arm_secret_env = "SHORT"
        ttl_max_s = 0
        trust_broker_as = "boss"
        ttl = 1
        "#,
    );
    let keys = [
        "mqtt.prefix must not end",
        "mqtt.inputs[0].rnage unknown key; did you mean \"range\"?",
        "mqtt.inputs[0].topic must be an exact topic",
        "mqtt.inputs[0].signal \"pv_kwh\" is unknown; did you mean \"pv_kw\"?",
        "mqtt.inputs[0] needs exactly one of pointer and raw",
        "mqtt.inputs[0].time_format is missing",
        "mqtt.inputs[0].sign must be 1 or -1",
        "mqtt.inputs[0].range must be two",
        "mqtt.inputs[1].range is missing",
        "mqtt.commands.ttl unknown key",
        "mqtt.commands.ttl_max_s must be between",
        "mqtt.commands.arm_secret must have at least 16",
        "mqtt.commands.trust_broker_as expected one of viewer, guard, operator, engineer, found \"boss\"",
        "mqtt.payload_bytes_max must be between",
        "mqtt.host is another machine",
        "mqtt.client_id is missing",
        "mqtt.username needs password_file",
    ];
    for key in keys {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key} not in {problems:#?}");
    }
    assert_eq!(problems.len(), keys.len(), "{problems:#?}");
}

#[test]
fn a_signal_fed_twice_and_an_input_below_the_own_prefix_are_problems() {
    let again = format!(
        "{GOOD}
        [[inputs]]
        topic = \"memg/harbour/state\"
        signal = \"chp_on\"
        raw = true
        range = [0, 1]"
    );
    assert_eq!(
        problems_of(&again),
        ["mqtt.inputs[2] feeds chp_on a second time", "mqtt.inputs[2].topic is below the gateway's own prefix"]
    );
}

#[test]
fn units_must_fit_the_signal_and_the_list() {
    for (unit, expected) in
        [("kWh", "does not convert to kW"), ("furlong", "\"furlong\" is unknown; expected one of W, kW")]
    {
        let problems = problems_of(&GOOD.replace("unit = \"W\"", &format!("unit = {unit:?}")));
        assert!(problems[0].starts_with("mqtt.inputs[0].unit") && problems[0].contains(expected), "{problems:?}");
    }
    let problems = problems_of(&GOOD.replace("unit = \"W\"", ""));
    assert_eq!(problems, ["mqtt.inputs[0].unit is missing"]);
}

#[test]
fn a_missing_variable_is_named_without_its_content() {
    let problems = problems_of(&GOOD.replace("\"PASSWORD\"", "\"NONE\""));
    assert_eq!(problems, ["mqtt.password_env names the variable NONE, which is not set in the environment"]);
}

#[test]
fn a_secret_that_arms_needs_the_declaration_that_the_broker_is_trusted() {
    let problems = problems_of(&GOOD.replace("trust_broker_as = \"guard\"", ""));
    assert!(problems[0].starts_with("mqtt.commands.arm_secret arms by unsigned commands"), "{problems:?}");
    assert_eq!(problems.len(), 1);
}

#[test]
fn a_visitor_needs_the_connection_alone() {
    let table = || toml::from_str(&GOOD.replace("\"ARM\"", "\"NONE\"")).unwrap();
    assert_eq!(validate_connection(table(), &environment).unwrap().prefix, "memg/harbour");
    assert!(validate(table(), &environment).is_err());
}
