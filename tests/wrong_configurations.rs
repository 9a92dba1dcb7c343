//! What people get wrong, and the one line that helps: `gateway check` on a configuration that is right but for one edit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A real plant with seven devices, a broker and a device file of its own.
const GATEWAY: &str = r#"
[site]
name = "harbour"
time_zone = "Europe/Berlin"
plant_file = "site.toml"

[control]
cycle_s = 1.0
hold_s = 60.0

[policy]
decide_with = "rule"

[journal]
path = "harbour.journal"

[[device]]
name = "battery"
file = "virtual-battery.toml"
transport = { serial = { path = "/dev/serial/by-id/usb-adapter", baud = 19200 } }
unit_id = 1
write = [{ point = "setpoint", range = [-50, 50] }]

[[device]]
name = "chp"
file = "virtual-chp.toml"
transport = { tcp = "192.0.2.11:502" }
unit_id = 1
write = [{ point = "setpoint", range = [0, 80] }, { point = "run", range = [0, 1] }, { point = "heartbeat", range = [0, 65535] }]

[[device]]
name = "pv"
file = "virtual-pv.toml"
transport = { tcp = "192.0.2.12:502" }
unit_id = 1
write = [{ point = "limit", range = [0, 60] }]

[[device]]
name = "wind"
file = "virtual-wind.toml"
transport = { tcp = "192.0.2.13:502" }
unit_id = 1
write = [{ point = "limit", range = [0, 40] }]

[[device]]
name = "heat"
file = "heat.toml"
transport = { serial = { path = "/dev/serial/by-id/usb-adapter", baud = 19200 } }
unit_id = 2
signal = [{ point = "demand", signal = "heat_load_kw", range = [0, 200] }]

[[device]]
name = "load"
file = "virtual-load-meter.toml"
transport = { rtu_over_tcp = "192.0.2.14:4001" }
unit_id = 1

[[device]]
name = "grid"
file = "virtual-grid-meter.toml"
transport = { tcp = "192.0.2.15:502" }
unit_id = 1

[mqtt]
host = "127.0.0.1"
client_id = "memg-harbour"
prefix = "memg/harbour"
inputs = [
  { topic = "market/now", signal = "import_price_eur_per_kwh", pointer = "/buy", unit = "EUR/MWh", range = [-1, 2] },
]

[signals.frequency_hz]
optional = true
substitute = "worst_case"
"#;

const HEAT: &str = r#"
[device]
maker = "x"
model = "heat meter"
address_base = 1

[[point]]
name = "demand"
table = "input"
address = 11
type = "f32"
word_order = "CDAB"
unit = "kW"

[[point]]
name = "state"
table = "input"
address = 13
type = "u16"
enum = { 0 = "off", 1 = "on" }
true_for = ["on"]

[[point]]
name = "temperature"
table = "input"
address = 14
type = "i16"
scale = 0.1
unit = "degC"
range = [0, 150]
"#;

/// The file that is edited.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Gateway,
    Site,
    Heat,
}
use At::{Gateway, Heat, Site};

/// Name, file, what is replaced, by what, and the line that helps.
type Row = (&'static str, At, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    // What passed as correct once.
    ("no model folder", Gateway, "\"rule\"", "\"models/none\"", "policy.decide_with: there is no model folder"),
    (
        "no journal folder",
        Gateway,
        "\"harbour.journal\"",
        "\"logs/none/harbour.journal\"",
        "journal.path: there is no folder logs/none",
    ),
    (
        "no journal",
        Gateway,
        "[journal]\npath = \"harbour.journal\"\n",
        "",
        "journal.path: missing: expected path = \"gateway.journal\"",
    ),
    (
        "no policy",
        Gateway,
        "[policy]\ndecide_with = \"rule\"\n",
        "",
        "policy: missing: expected [policy] with decide_with",
    ),
    (
        "no permission",
        Gateway,
        "write = [{ point = \"setpoint\", range = [-50, 50] }]\n",
        "",
        "device[0].write: missing: nobody takes battery_setpoint_kw",
    ),
    (
        "permission below the rating",
        Gateway,
        "[-50, 50]",
        "[-30, 30]",
        "device[0].write: \"setpoint\" may take -30 to 30, but the site file says -50 to 50",
    ),
    (
        "permission without off",
        Gateway,
        "range = [0, 80]",
        "range = [10, 80]",
        "device[1].write: \"setpoint\" may take 10 to 80, but the site file says 0 to 80",
    ),
    (
        "set-point without its heartbeat",
        Gateway,
        ", { point = \"heartbeat\", range = [0, 65535] }",
        "",
        "device[1].write: heartbeat is not permitted although the set-point is",
    ),
    (
        "set-point without its run command",
        Gateway,
        ", { point = \"run\", range = [0, 1] }",
        "",
        "device[1].write: chp_run is not permitted although the set-point is",
    ),
    (
        "two rates on one line",
        Gateway,
        "baud = 19200 } }\nunit_id = 2",
        "baud = 9600 } }\nunit_id = 2",
        "device[4].transport: /dev/serial/by-id/usb-adapter has 19200 baud",
    ),
    (
        "two devices at one address",
        Gateway,
        "file = \"virtual-wind.toml\"\ntransport = { tcp = \"192.0.2.13:502\" }",
        "file = \"virtual-wind.toml\"\ntransport = { tcp = \"192.0.2.12:502\" }",
        "device[3].unit_id: device pv is read at tcp 192.0.2.12:502 unit 1, too",
    ),
    (
        "the digit of the table in front",
        Heat,
        "address = 11",
        "address = 30011",
        "point[0].address: 30011 seems to have the digit of its table in front: expected 11",
    ),
    (
        "a range in another unit",
        Gateway,
        "range = [0, 200]",
        "range = [0, 0.2]",
        "device[4].range: heat_load_kw is believed from 0 to 0.2 alone, but the site file says 0 to 150",
    ),
    (
        "an adapter by its number",
        Gateway,
        "\"/dev/serial/by-id/usb-adapter\", baud = 19200 } }\nunit_id = 2",
        "\"/dev/ttyUSB1\", baud = 19200 } }\nunit_id = 2",
        "device[4].transport: /dev/ttyUSB1 is numbered in the order in which adapters were found",
    ),
    // Keys and types.
    (
        "text for a number",
        Gateway,
        "hold_s = 60.0",
        "hold_s = \"60\"",
        "control.hold_s: \"60\" is text, expected seconds as a number",
    ),
    (
        "a number for text",
        Gateway,
        "name = \"harbour\"",
        "name = 7",
        "site.name: 7 is a number, expected text in quotes",
    ),
    (
        "a unit in the value",
        Site,
        "capacity_kwh = 100.0",
        "capacity_kwh = \"100 kWh\"",
        "plant.battery.capacity_kwh: \"100 kWh\" is text, expected kWh as a number",
    ),
    (
        "text for a unit id",
        Gateway,
        "unit_id = 2",
        "unit_id = \"2\"",
        "device[4].unit_id: \"2\" is text, expected a whole number up to 255",
    ),
    (
        "a unit id beyond a byte",
        Gateway,
        "unit_id = 2",
        "unit_id = 300",
        "device[4].unit_id: 300 is out of range, expected a whole number up to 255",
    ),
    ("a misspelt key", Gateway, "hold_s", "holds", "control.holds: unknown key; did you mean \"hold_s\"?"),
    ("a misspelt table", Gateway, "[journal]", "[jornal]", "jornal: unknown table; did you mean \"journal\"?"),
    (
        "a misspelt key of a device",
        Gateway,
        "unit_id = 2",
        "unit = 2",
        "device[4].unit: unknown key; did you mean \"unit_id\"?",
    ),
    (
        "a misspelt key of the site file",
        Site,
        "soc_max = 0.9",
        "soc_maximum = 0.9",
        "plant.battery.soc_maximum: unknown key; did you mean \"soc_max\"?",
    ),
    (
        "a limit that is not there",
        Site,
        "soc_max = 0.9\n",
        "",
        "plant.battery.soc_max: missing; a plant's limits have no defaults",
    ),
    (
        "a list for a number",
        Gateway,
        "cycle_s = 1.0",
        "cycle_s = [1.0]",
        "control.cycle_s: a list stands here, expected seconds as a number",
    ),
    (
        "a range of one",
        Gateway,
        "range = [0, 200]",
        "range = [200]",
        "device[4].signal[0].range: expected a list of 2, found 1",
    ),
    ("no equals sign", Gateway, "decide_with = \"rule\"", "decide_with \"rule\"", "gateway.toml:12: "),
    // Names.
    (
        "no such policy",
        Gateway,
        "\"rule\"",
        "\"rules\"",
        "policy.decide_with: \"rules\" names no policy: expected one of idle, seed, rule, plan",
    ),
    ("no such device file", Gateway, "\"virtual-pv.toml\"", "\"virtual-vp.toml\"", "device[2].file: cannot read"),
    (
        "no such signal",
        Gateway,
        "signal = \"heat_load_kw\"",
        "signal = \"heat_laod_kw\"",
        "device[4].signal[0].signal: \"heat_laod_kw\" is unknown; did you mean \"heat_load_kw\"?",
    ),
    (
        "no such point",
        Gateway,
        "point = \"demand\"",
        "point = \"damand\"",
        "device[4].signal[0].point: is no point of the device file: \"damand\" is unknown; did you mean \"demand\"?",
    ),
    (
        "a point that cannot be written",
        Gateway,
        "point = \"limit\", range = [0, 60]",
        "point = \"power\", range = [0, 60]",
        "device[2].write[0].point: \"power\" cannot be written; expected one of limit",
    ),
    (
        "no such transport",
        Gateway,
        "{ rtu_over_tcp",
        "{ rtu_over_udp",
        "device[5].transport: \"rtu_over_udp\" is unknown; did you mean \"rtu_over_tcp\"?",
    ),
    (
        "no such type",
        Heat,
        "type = \"f32\"",
        "type = \"float\"",
        "point[0].type: \"float\" is unknown; expected one of bool",
    ),
    ("no such unit", Heat, "unit = \"kW\"", "unit = \"kw\"", "point[0].unit: \"kw\" is unknown; did you mean \"kW\"?"),
    ("no such order of words", Heat, "\"CDAB\"", "\"BADB\"", "point[0].word_order: expected ABCD, CDAB, BADC or DCBA"),
    (
        "no such table of registers",
        Heat,
        "table = \"input\"\naddress = 14",
        "table = \"inputs\"\naddress = 14",
        "point[2].table: \"inputs\" is unknown; did you mean \"input\"?",
    ),
    (
        "no such name of a code",
        Heat,
        "true_for = [\"on\"]",
        "true_for = [\"run\"]",
        "point[1].true_for[0]: is not in enum",
    ),
    (
        "no such substitute",
        Gateway,
        "\"worst_case\"",
        "\"nominal\"",
        "signals.frequency_hz.substitute: \"nominal\" does not exist for frequency_hz; expected one of worst_case",
    ),
    (
        "no such optional signal",
        Gateway,
        "[signals.frequency_hz]",
        "[signals.frequency]",
        "signals.frequency: is no signal; did you mean \"frequency_hz\"?",
    ),
    (
        "no such time zone",
        Gateway,
        "Europe/Berlin",
        "Europe/Berln",
        "site.time_zone: expected a name like \"Europe/Berlin\"",
    ),
    ("no such site file", Gateway, "\"site.toml\"", "\"sites.toml\"", "site.plant_file: cannot read"),
    // Units.
    (
        "volts for per unit",
        Gateway,
        "signal = [{ point = \"demand\"",
        "signal = [{ point = \"temperature\", signal = \"grid_kvar\" }, { point = \"demand\"",
        "device[4].signal[0].signal: \"degC\" does not convert to kvar: expected one of var, kvar, Mvar",
    ),
    (
        "energy for power",
        Heat,
        "unit = \"kW\"",
        "unit = \"kWh\"",
        "device[4].signal[0].signal: \"kWh\" does not convert to kW: a counter of energy is no power",
    ),
    (
        "volts of the mains",
        Gateway,
        "signal = \"import_price_eur_per_kwh\", pointer = \"/buy\", unit = \"EUR/MWh\"",
        "signal = \"soc\", pointer = \"/buy\", unit = \"V\"",
        "mqtt.inputs[0].unit: \"V\" does not convert to 1: state unit = \"pu\" and scale = 1/nominal",
    ),
    (
        "a price in cents a megawatt-hour",
        Gateway,
        "EUR/MWh",
        "ct/MWh",
        "mqtt.inputs[0].unit: \"ct/MWh\" is unknown; did you mean \"ct/kWh\"?",
    ),
    // Places.
    ("no port", Gateway, "192.0.2.11:502", "192.0.2.11", "device[1].transport: \"192.0.2.11\" is not host:port"),
    (
        "a unit that is a broadcast",
        Gateway,
        "unit_id = 2",
        "unit_id = 0",
        "device[4].unit_id: unit id 0 of point \"demand\" is not an address of a device",
    ),
    ("one name twice", Gateway, "name = \"load\"", "name = \"heat\"", "device[5].name: \"heat\" is used twice"),
    (
        "one signal twice",
        Gateway,
        "signal = \"heat_load_kw\"",
        "signal = \"pv_kw\"",
        "device[4]: pv_kw is already measured by device pv; the second of a kind needs number = 2",
    ),
    ("a topic with a wildcard", Gateway, "market/now", "market/#", "mqtt.inputs[0].topic: must be an exact topic"),
    ("no prefix", Gateway, "prefix = \"memg/harbour\"\n", "", "mqtt.prefix: is missing"),
    (
        "a second battery that is not there",
        Gateway,
        "unit_id = 1\nwrite = [{ point = \"setpoint\", range = [-50, 50] }]",
        "unit_id = 1\nnumber = 2\nwrite = [{ point = \"setpoint\", range = [-50, 50] }]",
        "device[0]: soc_2 is measured by device battery, but the plant has 1 of [[plant.battery]]; so are battery_2_kw",
    ),
    // Numbers.
    (
        "a cycle that is negative",
        Gateway,
        "cycle_s = 1.0",
        "cycle_s = -1.0",
        "control.cycle_s: expected a number from 0.01 to 60, found -1",
    ),
    (
        "limits the wrong way round",
        Site,
        "soc_min = 0.1",
        "soc_min = 0.95",
        "plant.battery.soc_max: expected more than battery.soc_min (0.95), found 0.9",
    ),
    (
        "per cent for a share",
        Site,
        "soc_max = 0.9",
        "soc_max = 90",
        "plant.battery.soc_max: expected a number from 0 to 1, found 90",
    ),
    (
        "a connection below the load",
        Site,
        "import_kw_max = 100.0",
        "import_kw_max = 60.0",
        "plant.grid.import_kw_max: expected at least exogenous.electric_load_kw_max (100 kW)",
    ),
    (
        "a permission beyond the device",
        Gateway,
        "[-50, 50]",
        "[-5000, 5000]",
        "device[0].write[0].range: [-5000, 5000] is beyond what the device takes",
    ),
    (
        "a range the wrong way round",
        Gateway,
        "range = [0, 200]",
        "range = [200, 0]",
        "device[4].signal[0].range: must be two finite numbers, the smaller first",
    ),
    (
        "a signal without a range",
        Gateway,
        ", range = [0, 200]",
        "",
        "device[4].signal[0].range: the device file states none: required here",
    ),
    (
        "speed at a real plant",
        Gateway,
        "cycle_s = 1.0",
        "cycle_s = 1.0\nspeed = 10.0",
        "control.speed: 10, but site.simulated is false",
    ),
    (
        "two points in one register",
        Heat,
        "address = 13",
        "address = 12",
        "point[1].address: input[11] overlaps \"demand\" at input[10]",
    ),
    (
        "an age below the poll",
        Gateway,
        "range = [0, 200] }",
        "range = [0, 200], age_max_s = 0.5 }",
        "device[4].signal[0].age_max_s: must be above the poll interval",
    ),
    // What is missing, where nothing else is wrong.
    (
        "nobody measures the heat",
        Gateway,
        "signal = [{ point = \"demand\", signal = \"heat_load_kw\", range = [0, 200] }]\n",
        "",
        "nobody measures heat_load_kw; control cannot work without it",
    ),
    (
        "a cap that nobody takes",
        Gateway,
        "write = [{ point = \"limit\", range = [0, 60] }]\n",
        "",
        "device[2].write: nobody takes pv_limit_kw, and a surplus of 95 kW may break the limit of 80 kW",
    ),
    // Signals made of others.
    (
        "a constant that would be a guess",
        Gateway,
        "[signals.frequency_hz]\noptional = true\nsubstitute = \"worst_case\"",
        "[signals.soc_2]\nconstant = 0.5",
        "signals.soc_2.constant: a constant would be an assumption",
    ),
    (
        "a sum of what nobody measures",
        Gateway,
        "[signals.frequency_hz]\noptional = true\nsubstitute = \"worst_case\"",
        "[signals.electric_load_2_kw]\nsum_of = [\"grid_kw\", \"pv_2_kw\"]",
        "signals.electric_load_2_kw.sum_of[1]: nobody measures pv_2_kw",
    ),
    (
        "a sum of powers and shares",
        Gateway,
        "[signals.frequency_hz]\noptional = true\nsubstitute = \"worst_case\"",
        "[signals.electric_load_2_kw]\nsum_of = [\"grid_kw\", \"soc\"]",
        "signals.electric_load_2_kw.sum_of[1]: soc is in 1, not in kW",
    ),
    (
        "a sum with a point that is not there",
        Gateway,
        "[signals.frequency_hz]\noptional = true\nsubstitute = \"worst_case\"",
        "[signals.electric_load_2_kw]\nsum_of = [\"heat.demnd\"]",
        "signals.electric_load_2_kw.sum_of[0]: device heat: point \"demnd\" is unknown; did you mean \"demand\"?",
    ),
    (
        "a difference of three",
        Gateway,
        "[signals.frequency_hz]\noptional = true\nsubstitute = \"worst_case\"",
        "[signals.electric_load_2_kw]\ndifference_of = [\"grid_kw\", \"pv_kw\", \"wind_kw\"]",
        "signals.electric_load_2_kw.difference_of: expected two",
    ),
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(edit: impl Fn(At, &str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sites/site-a.toml");
        std::fs::create_dir(dir.path().join("devices")).unwrap();
        let site = std::fs::read_to_string(site).unwrap();
        for (at, name, text) in
            [(Gateway, "gateway.toml", GATEWAY), (Site, "site.toml", &*site), (Heat, "devices/heat.toml", HEAT)]
        {
            std::fs::write(dir.path().join(name), edit(at, text)).unwrap();
        }
        Self(dir)
    }

    fn check(&self, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.args(["check", "gateway.toml"]).current_dir(self.0.path()).stdin(Stdio::null());
        command.env_remove("RUST_LOG").envs(environment.iter().copied()).output().unwrap()
    }
}

fn told(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_configuration_that_is_edited_is_right() {
    let output = Folder::new(|_, text| text.to_owned()).check(&[]);
    let (out, error) = told(&output);
    assert!(output.status.success() && out.contains(": correct."), "{out}{error}");
    for part in [
        "Decides: rule (built in)",
        "reads   market/now",
        "writes  memg/harbour/setpoints",
        "battery                      falls back 30 s after the last setpoint",
        "optional signals               frequency_hz (worst_case)",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}

#[test]
fn each_wrong_configuration_gets_the_line_that_helps_and_no_other() {
    assert!(ROWS.len() >= 60, "{}", ROWS.len());
    let mut failed = Vec::new();
    for (name, file, from, to, expected) in ROWS {
        let edit = |at: At, text: &str| if at == *file { text.replacen(from, to, 1) } else { text.to_owned() };
        let folder = Folder::new(|at, text| {
            assert!(at != *file || text.contains(from), "{name}: {from:?} is not there");
            edit(at, text)
        });
        let output = folder.check(&[]);
        let (out, error) = told(&output);
        let lines =
            || error.lines().chain(out.lines()).filter(|line| line.contains("error: ") || line.contains("warning: "));
        let helps = lines().any(|line| line.contains(expected)) || out.contains(expected);
        if !helps || out.contains(": correct.") || lines().count() > 2 {
            failed.push(format!("{name}: expected {expected:?}\n{}", lines().collect::<Vec<_>>().join("\n")));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), ROWS.len(), failed.join("\n\n"));
}

#[test]
fn what_the_environment_says_wrongly_is_blamed_on_the_environment() {
    for (variable, value, expected) in [
        (
            "MEMG__CONTROL__HOLDS",
            "5",
            "environment variable MEMG__CONTROL__HOLDS: control.holds: unknown key; did you mean \"hold_s\"?",
        ),
        ("MEMG__CONTRL__HOLD_S", "5", "environment variable MEMG__CONTRL__HOLD_S: contrl: unknown table; did you mean"),
        (
            "MEMG__CONTROL__HOLD_S",
            "60s",
            "environment variable MEMG__CONTROL__HOLD_S: control.hold_s: \"60s\" is text, expected seconds as a number",
        ),
        (
            "MEMG__CONTROL__CYCLE_S",
            "-1",
            "environment variable MEMG__CONTROL__CYCLE_S: control.cycle_s: expected a number from 0.01 to 60, found -1",
        ),
        (
            "MEMG_CONTROL__HOLD_S",
            "5",
            "warning: environment variable MEMG_CONTROL__HOLD_S: is not read: expected two underscores, MEMG__CONTROL__HOLD_S",
        ),
    ] {
        let output = Folder::new(|_, text| text.to_owned()).check(&[(variable, value)]);
        let (out, error) = told(&output);
        assert!(format!("{error}{out}").contains(expected), "{expected}\n{error}{out}");
        assert!(!out.contains(": correct."), "{out}");
    }
}
