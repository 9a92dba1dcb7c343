//! Every shipped file is right, reads in few requests, and says where it comes from. A device simulated from a file proves the
//! form of the file alone: that these registers are those of the device, only its sources and the device itself can say.

use super::FILES;
use crate::device::{Device, DeviceFile, RawDevice, load};
use crate::image::ImageBuilder;
use crate::modbus::codec::{decode, encode};
use crate::modbus::plan::{blocks, cost};
use crate::point::{Encoding, Point};
use std::path::Path;

fn all() -> impl Iterator<Item = (&'static str, DeviceFile)> {
    FILES.iter().map(|(name, text)| {
        let file = load(text, name).unwrap_or_else(|problems| {
            panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
        (*name, file)
    })
}

/// Devices that people own: no forms, none of our own.
fn owned() -> Vec<(&'static str, DeviceFile)> {
    all().filter(|(name, _)| !name.starts_with("virtual-") && !name.starts_with("generic-")).collect()
}

#[test]
fn the_binary_has_every_file_of_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/devices");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable folder").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, FILES.map(|(name, _)| name));
}

#[test]
fn at_least_twelve_devices_have_two_sources_with_their_dates_and_say_that_nobody_tried_them() {
    let owned = owned();
    assert!(owned.len() >= 12, "{}", owned.len());
    for (name, file) in owned {
        let about = &file.about;
        let dated = about.sources.iter().filter(|source| source.contains(", seen 20")).count();
        assert!(dated >= 2, "{name}: {:?}", about.sources);
        assert!(!about.tried_on_hardware, "{name}: whoever tried it says so in the file's head, and here");
        let kinds = ["battery", "inverter", "meter", "chp", "charge point", "heat pump", "boiler"];
        assert!(kinds.contains(&&*about.kind) && !about.description.is_empty(), "{name}");
    }
}

/// A range that a value of the point's type may have.
fn middle(point: &Point) -> f64 {
    let (low, high) = point.range;
    if low.is_finite() { (0.25 * low + 0.75 * high).clamp(-30_000.0, 30_000.0) } else { 7.0 * point.factor.abs() }
}

#[test]
fn every_number_of_every_file_survives_its_registers() {
    for (name, file) in all() {
        for point in file.points.iter().filter(|point| point.encoding.is_writable() && point.enum_map.is_none()) {
            let value = if point.encoding == Encoding::Bool { 1.0 } else { middle(point) };
            let exponent = point.scale_factor.map(|_| 0);
            // Whatever fits the register comes back to within one count.
            let Ok(cells) = encode(point, value, exponent) else { continue };
            let back = decode(point, cells.as_slice(), exponent);
            let step = (point.scale * point.factor).abs().max(1e-3 * value.abs());
            assert!(back.is_ok_and(|back| (back - value).abs() <= step), "{name}.{}: {value} {back:?}", point.name);
        }
    }
}

#[test]
fn every_file_is_read_in_few_requests_with_all_permissions() {
    for (name, file) in all() {
        let device = instance(name, &file);
        assert!(cost(&blocks(&device)).polls_per_s <= 10.0, "{name}");
    }
}

fn instance(name: &str, file: &DeviceFile) -> Device {
    let permission = |point: &Point| {
        let (low, high) = point.write.as_ref()?.range;
        Some(format!("{{ point = {:?}, range = [{low:?}, {high:?}] }}", point.name))
    };
    let write: Vec<String> = file.points.iter().filter_map(permission).collect();
    let text = format!(
        "name = \"it\"\nfile = \"{name}\"\ntransport = {{ tcp = \"127.0.0.1:502\" }}\nunit_id = 1\nwrite = [{}]\n",
        write.join(", ")
    );
    let raw: RawDevice = toml::from_str(&text).expect("the text is TOML");
    Device::new(&raw, file, "device[0]", &mut ImageBuilder::default())
        .unwrap_or_else(|problems| panic!("{name}: {problems:?}"))
}
