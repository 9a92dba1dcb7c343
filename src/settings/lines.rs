//! What several devices say of one line: its rate, and who answers there.

use super::Found;
use memg_plant_io::device::{Device, Transport};
use memg_plant_io::problem::Problem;
use std::collections::BTreeSet;

/// Problems, and what should be looked at.
pub(super) fn check(found: &Found, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    for (n, (device, key)) in found.devices.iter().zip(&found.keys).enumerate() {
        let earlier = found.devices.get(..n).unwrap_or_default();
        problems.extend(earlier.iter().find_map(|other| other_rate(device, other, key)));
        let same = earlier.iter().filter(|other| other.transport == device.transport);
        if let Some(other) = same.into_iter().find(|other| !units(device).is_disjoint(&units(other))) {
            let place = format!("{} unit {}", device.transport, device.unit_id);
            let problem = |message| Problem::new(format!("{key}.unit_id"), message);
            if other.file == device.file {
                problems.push(problem(format!("device {} is read at {place} already", other.name)));
            } else {
                let message =
                    format!("device {} is read at {place}, too: expected only of two parts of one", other.name);
                warnings.push(problem(message));
            }
        }
        warnings.extend(by_order(device, key));
    }
}

/// The units that a device answers under.
fn units(device: &Device) -> BTreeSet<u8> {
    (0..device.points.len()).map(|index| device.unit_of(index)).collect()
}

/// One serial line has one rate.
fn other_rate(device: &Device, other: &Device, key: &str) -> Option<Problem> {
    let (Transport::Serial(own), Transport::Serial(first)) = (&device.transport, &other.transport) else { return None };
    let differs = own.path == first.path && own != first;
    let message = || {
        format!(
            "{} has {} baud, {:?} parity, {} stop bits for device {}: expected the same here, found {}, {:?}, {}",
            own.path, first.baud, first.parity, first.stop_bits, other.name, own.baud, own.parity, own.stop_bits
        )
    };
    differs.then(|| Problem::new(format!("{key}.transport"), message()))
}

/// Adapters that are numbered in the order in which they were found change places after a restart.
fn by_order(device: &Device, key: &str) -> Option<Problem> {
    let Transport::Serial(line) = &device.transport else { return None };
    let numbered = ["/dev/ttyUSB", "/dev/ttyACM"].iter().any(|start| {
        line.path.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    });
    let message = || {
        format!(
            "{} is numbered in the order in which adapters were found, which may be another one after a restart: \
             expected its name in /dev/serial/by-id/",
            line.path
        )
    };
    numbered.then(|| Problem::new(format!("{key}.transport"), message()))
}
