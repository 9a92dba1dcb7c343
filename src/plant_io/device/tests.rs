//! Device files and instances: what is accepted, and that every problem is told at its key.

use super::*;
use crate::point::StepWhen;
use crate::{Output, OutputTag};
use memg_core::plant_state::Signal;

const BATTERY: &str = r#"
[device]
maker = "Example"
model = "B50"
address_base = 0
remote_point = "remote"

[[point]]
name = "soc"
table = "holding"
address = 10
type = "u16"
scale = 0.1
unit = "%"
range = [0, 100]
signal = "soc"

[[point]]
name = "setpoint"
table = "holding"
address = 20
type = "i16"
scale = 10
unit = "W"
sign = -1
write = { output = "battery_setpoint_kw", range = [-50_000, 50_000], tolerance = 20, watchdog_s = 60, before = [
    { point = "timer", value = 60 },
], after = [{ point = "enable", value = 1, when = "start" }] }

[[point]]
name = "timer"
table = "holding"
address = 21
type = "u16"

[[point]]
name = "enable"
table = "holding"
address = 22
type = "u16"

[[point]]
name = "remote"
table = "discrete"
address = 0
type = "bool"
signal = "battery_remote"
"#;

const SITE: &str = r#"
name = "battery"
file = "b50.toml"
transport = { tcp = "127.0.0.1:502" }
unit_id = 1
write = [{ point = "setpoint", range = [-40, 30] }]
"#;

fn instance(site: &str, file: &str) -> Result<Device, Vec<Problem>> {
    let file = load(file, "b50.toml")?;
    let raw: RawDevice = toml::from_str(site).expect("the site text is TOML");
    Device::new(&raw, &file, "device[0]", &mut ImageBuilder::default())
}

fn keys(result: Result<Device, Vec<Problem>>) -> Vec<String> {
    result.err().unwrap_or_default().into_iter().map(|problem| problem.key).collect()
}

#[test]
fn units_and_signs_are_converted_to_those_of_signals_and_outputs() {
    let device = instance(SITE, BATTERY).expect("a correct device");
    let soc = &device.points[0];
    assert_eq!((soc.unit.as_str(), soc.factor, soc.range), ("1", 0.01, (0.0, 1.0)));
    let setpoint = &device.points[1];
    assert_eq!((setpoint.unit.as_str(), setpoint.factor), ("kW", -0.001));
    let rule = setpoint.write.as_ref().expect("permitted");
    assert_eq!(
        (rule.output, rule.range, rule.tolerance),
        (OutputTag::first(Output::BatterySetpointKw), (-40.0, 30.0), 0.02)
    );
    assert_eq!((rule.before[0].point, rule.after[0].point, rule.after[0].when), (2, 3, StepWhen::Start));
    let signals: Vec<_> = device.signals().collect();
    assert_eq!(signals, [(Signal::Soc.into(), PointId(0)), (Signal::BatteryRemote.into(), PointId(4))]);
}

#[test]
fn a_device_of_a_number_has_it_in_its_signals_and_set_points() {
    let device = instance(&SITE.replace("unit_id = 1", "unit_id = 1\nnumber = 2"), BATTERY).expect("a correct device");
    let names: Vec<_> = device.signals().map(|(tag, _)| tag.to_string()).collect();
    assert_eq!(names, ["soc_2", "battery_2_remote"]);
    assert_eq!(device.outputs().map(|tag| tag.to_string()).collect::<Vec<_>>(), ["battery_2_setpoint_kw"]);
}

#[test]
fn a_point_without_permission_of_the_site_cannot_be_written() {
    let site = SITE.lines().filter(|line| !line.starts_with("write")).collect::<Vec<_>>().join("\n");
    let device = instance(&site, BATTERY).expect("a correct device");
    assert_eq!(device.writable().count(), 0);
}

#[test]
fn problems_of_a_device_file_are_reported_together_with_their_lines() {
    let text = r#"[device]
maker = "x"
model = "y"
address_base = 1
colour = "red"
shape = "round"

[[point]]
name = "a"
table = "holding"
address = 0
type = "u16"

[[point]]
name = "b"
table = "holding"
address = 7
type = "u99"

[[point]]
name = "c"
table = "input"
address = 7
type = "f32"
signal = "grid_kw"
unit = "V"

[[point]]
name = "d"
table = "input"
address = 8
type = "u16"
scale_factor = "nobody"
range = [2, 1]
"#;
    let problems = load(text, "f.toml").expect_err("it is full of problems");
    let found: Vec<_> = problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(
        found,
        [
            (Some(5), "device.colour"),
            (Some(6), "device.shape"),
            (Some(11), "point[0].address"),
            (Some(18), "point[1].type"),
            (Some(26), "point[2].unit"),
            (Some(20), "point[2].range"),
            (Some(33), "point[3].scale_factor"),
            (Some(34), "point[3].range"),
            (Some(31), "point[3].address"),
        ]
    );
    assert!(problems[2].to_string().starts_with("f.toml:11: point[0].address: "));
}

#[test]
fn a_wrong_device_file_is_refused_at_the_key() {
    for (from, to, key) in [
        ("address = 21", "address = 20", "point[2].address"),
        ("type = \"i16\"", "type = \"i32\"", "point[2].address"),
        ("unit = \"W\"", "unit = \"stone\"", "point[1].unit"),
        ("unit = \"W\"", "unit = \"Hz\"", "point[1].unit"),
        ("sign = -1", "sign = -2", "point[1].sign"),
        ("scale = 10", "scale = 0", "point[1].scale"),
        ("range = [0, 100]", "range = [100, 0]", "point[0].range"),
        ("range = [0, 100]", "", "point[0].range"),
        ("point = \"timer\", value = 60", "point = \"timer\", value = 70_000", "point[1].write.before[0].value"),
        ("point = \"timer\", value = 60", "point = \"timr\", value = 60", "point[1].write.before[0].point"),
        ("point = \"timer\"", "point = \"remote\"", "point[1].write.before[0]"),
        ("watchdog_s = 60", "non_volatile = true", "point[1].write.writes_per_day_max"),
        ("watchdog_s = 60", "watchdog_s = 0.1", "point[1].write.watchdog_s"),
        ("watchdog_s = 60", "watchdog_s = 60, interval_s_min = 40", "point[1].write.interval_s_min"),
        ("tolerance = 20", "tolerance = -1", "point[1].write.tolerance"),
        ("address = 10", "address = 65536", "point[0].address"),
        ("address = 10\ntype = \"u16\"", "address = 65535\ntype = \"u32\"", "point[0].address"),
        (
            "remote_point = \"remote\"",
            "remote_point = \"remote\"\nunreadable = [{ table = \"holding\", from = 9, to = 11 }]",
            "point[0].address",
        ),
        ("remote_point = \"remote\"", "remote_point = \"remot\"", "device.remote_point"),
        (
            "remote_point = \"remote\"",
            "remote_point = \"remote\"\nwords_per_read_max = 126",
            "device.words_per_read_max",
        ),
        ("signal = \"soc\"", "signal = \"soc\"\nage_max_s = 1", "point[0].age_max_s"),
        ("name = \"timer\"", "name = \"soc\"", "point[2].name"),
        ("type = \"bool\"", "type = \"u16\"", "point[4].type"),
        ("signal = \"soc\"", "signal = \"soc_2\"", "point[0].signal"),
    ] {
        assert!(BATTERY.contains(from), "{from}");
        let problems = load(&BATTERY.replacen(from, to, 1), "").err().unwrap_or_default();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert!(keys.contains(&key), "{from} -> {to}: {key} is not in {keys:?}");
    }
}

#[test]
fn a_wrong_instance_is_refused_at_the_key() {
    for (from, to, key) in [
        ("[-40, 30]", "[-60, 30]", "device[0].write[0].range"),
        ("[-40, 30]", "[30, -40]", "device[0].write[0].range"),
        ("point = \"setpoint\"", "point = \"soc\"", "device[0].write[0].point"),
        ("point = \"setpoint\"", "point = \"nobody\"", "device[0].write[0].point"),
        ("127.0.0.1:502", "127.0.0.1", "device[0].transport"),
        ("unit_id = 1", "unit_id = 250", "device[0].unit_id"),
        ("unit_id = 1", "unit_id = 1\nnumber = 5", "device[0].number"),
        ("unit_id = 1", "unit_id = 1\nnumber = 0", "device[0].number"),
        ("[-40, 30]", "[-40, 30], number = 5", "device[0].write[0].number"),
        (
            "unit_id = 1",
            "unit_id = 1\nsignal = [{ point = \"soc\", signal = \"grid_kw\" }]",
            "device[0].signal[0].signal",
        ),
        (
            "unit_id = 1",
            "unit_id = 1\nsignal = [{ point = \"timer\", signal = \"chp_on\" }]",
            "device[0].signal[0].range",
        ),
        ("unit_id = 1", "unit_id = 1\nresponse_timeout_s = 0", "device[0].response_timeout_s"),
    ] {
        assert!(SITE.contains(from), "{from}");
        let keys = keys(instance(&SITE.replacen(from, to, 1), BATTERY));
        assert!(keys.iter().any(|found| found == key), "{from} -> {to}: {key} is not in {keys:?}");
    }
}

#[test]
fn a_meter_mounted_the_other_way_round_changes_its_sign_and_range() {
    let site = format!("{SITE}signal = [{{ point = \"timer\", signal = \"soc\", sign = -1, range = [0, 1] }}]\n");
    let keys = keys(instance(&site, BATTERY));
    assert_eq!(keys, ["device[0].signal"], "soc has two sources then");
}

#[test]
fn places_in_the_image_follow_each_other() {
    let file = load(BATTERY, "b50.toml").expect("a correct file");
    let raw: RawDevice = toml::from_str(SITE).expect("the site text is TOML");
    let mut image = ImageBuilder::default();
    let first = Device::new(&raw, &file, "device[0]", &mut image).expect("a correct device");
    let second = Device::new(&raw, &file, "device[1]", &mut image).expect("a correct device");
    assert_eq!((first.id(0), second.id(0), second.id(4)), (PointId(0), PointId(5), PointId(9)));
}

#[test]
fn word_orders_are_named_as_people_name_them() {
    use crate::point::letters;
    let wide = |order: &str| BATTERY.replacen("type = \"u16\"", &format!("type = \"u32\"\n{order}"), 1);
    for (order, name) in [
        ("", "ABCD"),
        ("word_order = \"ABCD\"", "ABCD"),
        ("word_order = \"CDAB\"", "CDAB"),
        ("word_order = \"BADC\"", "BADC"),
        ("word_order = \"DCBA\"", "DCBA"),
        ("word_order = \"low_first\"", "CDAB"),
        ("word_order = \"low_first\"\nbyte_order = \"low_first\"", "DCBA"),
    ] {
        let file = load(&wide(order), "b50.toml").unwrap_or_else(|problems| panic!("{order}: {problems:?}"));
        assert_eq!(letters(file.points[0].word_order, file.points[0].byte_order), name, "{order}");
    }
    let told = |text: String| format!("{:?}", load(&text, "b50.toml").expect_err("a problem"));
    let twice = told(wide("word_order = \"CDAB\"\nbyte_order = \"low_first\""));
    assert!(twice.contains("point[0].byte_order") && twice.contains("expected one of the two"), "{twice}");
    let twice =
        told(BATTERY.replace("address_base", "word_order = \"BADC\"\nbyte_order = \"low_first\"\naddress_base"));
    assert!(twice.contains("device.byte_order"), "{twice}");
    let unknown = told(wide("word_order = \"ACBD\""));
    assert!(unknown.contains("expected ABCD, CDAB, BADC or DCBA") && unknown.contains("ACBD"), "{unknown}");
}

#[test]
fn letters_at_a_device_hold_for_points_that_say_nothing() {
    use crate::point::{Order, letters};
    let text = BATTERY.replace("address_base", "word_order = \"BADC\"\naddress_base");
    let file = load(&text, "b50.toml").expect("a device file");
    assert!(file.points.iter().all(|point| letters(point.word_order, point.byte_order) == "BADC"));
    let own = text.replacen("type = \"u16\"", "type = \"u32\"\nword_order = \"ABCD\"", 1);
    let file = load(&own, "b50.toml").expect("a device file");
    assert_eq!((file.points[0].word_order, file.points[0].byte_order), (Order::HighFirst, Order::HighFirst));
}
