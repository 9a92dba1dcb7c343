//! Layout, reads and writes of a register bank.

use super::*;
use memg_plant_io::device;

const MAP: &str = r#"
[device]
maker = "x"
model = "y"
address_base = 0

[[point]]
name = "exponent"
table = "holding"
address = 0
type = "i16"

[[point]]
name = "power"
table = "holding"
address = 1
type = "i16"
unit = "W"
sign = -1
scale_factor = "exponent"
range = [-80_000, 80_000]

[[point]]
name = "setpoint"
table = "holding"
address = 10
type = "i32"
word_order = "low_first"
unit = "W"
sign = -1
write = { output = "battery_setpoint_kw", range = [-50_000, 50_000], tolerance = 1, after = [{ point = "enable", value = 1 }] }

[[point]]
name = "enable"
table = "holding"
address = 12
type = "u16"

[[point]]
name = "alarm"
table = "input"
address = 3
type = "bit"
bit = 5

[[point]]
name = "level"
table = "input"
address = 3
type = "u8_high"

[[point]]
name = "temperature"
table = "input"
address = 4
type = "f32"

[[point]]
name = "name"
table = "input"
address = 6
type = "string"
words = 2

[[point]]
name = "run"
table = "coil"
address = 0
type = "bool"
write = { output = "chp_run", range = [0, 1], tolerance = 0, off = 1, on = 0 }
"#;

fn bank() -> Registers {
    Registers::new(&device::load(MAP, "map").expect("a correct file"), 7)
}

fn index(bank: &Registers, name: &str) -> usize {
    bank.index_of(name).expect("a point of the map")
}

#[test]
fn what_a_point_shows_is_what_the_driver_decodes() {
    let mut bank = bank();
    for (name, value) in [
        ("power", -37_510.0),
        ("setpoint", -12.345),
        ("temperature", 21.5),
        ("run", 1.0),
        ("alarm", 1.0),
        ("level", 200.0),
    ] {
        let at = index(&bank, name);
        bank.set(at, value);
        let shown = bank.value(at).expect(name);
        assert!((shown - value).abs() < 0.006, "{name}: {shown}");
    }
    assert_eq!(bank.read(7, Table::Holding, 0, 1), Ok(vec![1]), "80 kW needs steps of 10 W in 16 bits");
    assert_eq!(bank.read(7, Table::Input, 3, 1), Ok(vec![200 << 8 | 1 << 5]), "bit and byte share a register");
    assert_eq!(bank.read(7, Table::Coil, 0, 1), Ok(vec![0]), "on is 0 here");
}

#[test]
fn texts_and_missing_values_are_shown_as_devices_do() {
    let mut bank = bank();
    bank.set_text(index(&bank, "name"), "abc");
    assert_eq!(bank.read(7, Table::Input, 6, 2), Ok(vec![0x6162, 0x6300]));
    bank.set_no_value(index(&bank, "temperature"));
    assert_eq!(bank.value(index(&bank, "temperature")), None);
    assert_eq!(bank.read(7, Table::Input, 4, 2), Ok(vec![0x7FC0, 0]));
}

#[test]
fn reads_beyond_the_map_are_refused() {
    let bank = bank();
    for (unit, table, start, count, code) in [
        (7, Table::Holding, 2, 1, exception::ADDRESS),
        (7, Table::Holding, 0, 3, exception::ADDRESS),
        (7, Table::Discrete, 0, 1, exception::ADDRESS),
        (7, Table::Holding, 65_535, 2, exception::ADDRESS),
        (7, Table::Holding, 0, 0, exception::VALUE),
        (7, Table::Holding, 0, 126, exception::VALUE),
        (8, Table::Holding, 0, 1, exception::NO_TARGET),
    ] {
        assert_eq!(bank.read(unit, table, start, count), Err(code), "{unit} {table:?} {start} {count}");
    }
}

#[test]
fn writes_take_whole_values_of_writable_points_within_their_range() {
    let bank = bank();
    let setpoint = Written { point: index(&bank, "setpoint"), value: 20.0 };
    let enable = Written { point: index(&bank, "enable"), value: 1.0 };
    let run = Written { point: index(&bank, "run"), value: 0.0 };
    // -20000 W = 0xFFFFB1E0, low word first
    for (table, start, cells, expected) in [
        (Table::Holding, 10, vec![0xB1E0, 0xFFFF], Ok(vec![setpoint])),
        (Table::Holding, 10, vec![0xB1E0, 0xFFFF, 1], Ok(vec![setpoint, enable])),
        (Table::Holding, 12, vec![1], Ok(vec![enable])),
        (Table::Coil, 0, vec![1], Ok(vec![run])),
        (Table::Holding, 10, vec![0xB1E0], Err(exception::VALUE)),
        (Table::Holding, 11, vec![0xFFFF], Err(exception::VALUE)),
        (Table::Holding, 10, vec![0, 1], Err(exception::VALUE)),
        (Table::Holding, 1, vec![5], Err(exception::ADDRESS)),
        (Table::Holding, 99, vec![5], Err(exception::ADDRESS)),
        (Table::Holding, 12, vec![1, 1], Err(exception::ADDRESS)),
    ] {
        assert_eq!(bank.decode_write(7, table, start, &cells), expected, "{table:?} {start} {cells:?}");
    }
    assert_eq!(bank.decode_write(1, Table::Holding, 12, &[1]), Err(exception::NO_TARGET));
}
