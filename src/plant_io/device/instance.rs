//! From a `[[device]]` of a site file and its device file to a [`Device`].

use super::check::seconds;
use super::point_check::{default_age_max, set_signal};
use super::raw::{RawDevice, RawPermission, RawSignal, RawTransport};
use super::{Device, DeviceFile, Offer, Timing, Transport, Unpermitted, host};
use crate::image::PointId;
use crate::point::Point;
use crate::problem::{Problem, join as path, words};
use crate::{Output, OutputTag};
use memg_core::plant_state::{Signal, Tag};
use std::time::Duration;

/// Joins both; the places in the process image are not taken yet.
pub(super) fn join(raw: &RawDevice, file: &DeviceFile, key: &str) -> Result<Device, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut points = file.points.clone();
    apply_poll(raw, file, &mut points, key, &mut problems);
    apply_number(raw, &mut points, key, &mut problems);
    apply_signals(&raw.signal, &mut points, key, &mut problems);
    let offers = apply_permissions(raw.write.as_deref().unwrap_or_default(), &mut points, key, &mut problems);
    apply_confirm(raw.confirm_s, &mut points, key, &mut problems);
    check_meaning(&points, key, &mut problems);
    if raw.name.is_empty() {
        problems.push(Problem::new(path(key, "name"), "must not be empty"));
    }
    let device = Device {
        name: raw.name.as_str().into(),
        transport: transport(raw, key, &mut problems),
        unit_id: raw.unit_id,
        timing: timing(raw, file, key, &mut problems),
        points: points.into(),
        limits: file.limits.clone().into(),
        remote: file.remote,
        identity: file.identity.clone().into(),
        first: PointId(0),
        file: raw.file.as_str().into(),
        unpermitted: Unpermitted { stated: raw.write.is_some(), offers },
    };
    check_unit_ids(&device, key, &mut problems);
    check_pauses(&device, key, &mut problems);
    if problems.is_empty() { Ok(device) } else { Err(problems) }
}

fn apply_poll(raw: &RawDevice, file: &DeviceFile, points: &mut [Point], key: &str, problems: &mut Vec<Problem>) {
    let Some(poll) = raw.poll_s else { return };
    let poll = seconds(&path(key, "poll_s"), poll, (0.01, 86_400.0), problems);
    for (point, own) in points.iter_mut().zip(&file.own_poll) {
        if !own {
            point.poll = poll;
            // An age stated in the device file stays, unless it could no longer be kept.
            if point.age_max <= poll {
                point.age_max = default_age_max(poll);
            }
        }
    }
}

/// What a device file says of a battery, a CHP, a source or a meter belongs to the one of that number here.
fn apply_number(raw: &RawDevice, points: &mut [Point], key: &str, problems: &mut Vec<Problem>) {
    let Some(number) = raw.number else { return };
    let key = path(key, "number");
    for point in points.iter_mut() {
        // A device may measure what the connection has one of, too.
        if let Some(tag) = point.signal.filter(|tag| tag.signal().numbers_max() > 1) {
            let signal = tag.signal();
            point.signal = Tag::new(signal, number);
            if point.signal.is_none() {
                let message = format!("expected 1 to {} for {}", signal.numbers_max(), signal.name());
                problems.push(Problem::new(&key, message));
            }
        }
        if let Some(rule) = &mut point.write {
            match OutputTag::numbered(rule.output.output(), number) {
                Ok(tag) => rule.output = tag,
                Err(message) => problems.push(Problem::new(&key, message)),
            }
        }
    }
}

fn find<'a>(points: &'a mut [Point], name: &str, key: &str, problems: &mut Vec<Problem>) -> Option<&'a mut Point> {
    if !points.iter().any(|point| point.name == name) {
        let known = words::unknown(name, points.iter().map(|point| point.name.as_str()));
        problems.push(Problem::new(path(key, "point"), format!("is no point of the device file: {known}")));
    }
    points.iter_mut().find(|point| point.name == name)
}

fn apply_signals(raw: &[RawSignal], points: &mut [Point], key: &str, problems: &mut Vec<Problem>) {
    for (index, raw) in raw.iter().enumerate() {
        let key = format!("{}[{index}]", path(key, "signal"));
        if let Some(point) = find(points, &raw.point, &key, problems) {
            apply_signal(raw, point, &key, problems);
        }
    }
}

fn apply_signal(raw: &RawSignal, point: &mut Point, key: &str, problems: &mut Vec<Problem>) {
    let sign = raw.sign.unwrap_or(1.0);
    if sign.abs() != 1.0 {
        problems.push(Problem::new(path(key, "sign"), "must be 1 or -1"));
    }
    match Tag::from_name(&raw.signal) {
        None => {
            let known = words::unknown(&raw.signal, Signal::ALL.map(Signal::name));
            problems.push(Problem::new(path(key, "signal"), known));
        }
        Some(signal) => {
            if let Err(message) = set_signal(point, signal, sign) {
                problems.push(Problem::new(path(key, "signal"), message));
            }
        }
    }
    match raw.range {
        Some([low, high]) if low.is_finite() && high.is_finite() && low < high => point.range = (low, high),
        Some(_) => problems.push(Problem::new(path(key, "range"), "must be two finite numbers, the smaller first")),
        None => {}
    }
    if raw.range.is_none() && !point.range.0.is_finite() {
        problems.push(Problem::new(path(key, "range"), "the device file states none: required here"));
    }
    if let Some(age) = raw.age_max_s {
        point.age_max = seconds(&path(key, "age_max_s"), age, (0.01, 864_000.0), problems);
        if point.age_max <= point.poll {
            problems.push(Problem::new(path(key, "age_max_s"), "must be above the poll interval"));
        }
    }
}

/// Points without permission lose their write rule: the driver cannot write what is not listed. What the file offers
/// beyond the permissions.
fn apply_permissions(
    raw: &[RawPermission],
    points: &mut [Point],
    key: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Offer> {
    let writable: Vec<String> = points.iter().filter(|p| p.write.is_some()).map(|p| p.name.clone()).collect();
    for (index, permission) in raw.iter().enumerate() {
        let key = format!("{}[{index}]", path(key, "write"));
        if raw.iter().take(index).any(|earlier| earlier.point == permission.point) {
            problems.push(Problem::new(path(&key, "point"), "is listed twice"));
        }
        if let Some(point) = find(points, &permission.point, &key, problems) {
            if point.write.is_none() {
                let name = &permission.point;
                let message = match &writable[..] {
                    [] => format!("{name:?} cannot be written, nor can any point of this device file"),
                    some => format!("{name:?} cannot be written; expected one of {}", some.join(", ")),
                };
                problems.push(Problem::new(path(&key, "point"), message));
            }
            apply_permission(permission, point, &key, problems);
        }
    }
    let mut offers = Vec::new();
    for point in points.iter_mut().filter(|point| !raw.iter().any(|permission| permission.point == point.name)) {
        let offer = point.write.take().map(|rule| Offer { output: rule.output, point: point.name.clone(), rule });
        offers.extend(offer);
    }
    offers
}

fn apply_permission(raw: &RawPermission, point: &mut Point, key: &str, problems: &mut Vec<Problem>) {
    let Some(rule) = &mut point.write else { return };
    let [low, high] = raw.range;
    let (offer_low, offer_high) = rule.range;
    if !(low.is_finite() && high.is_finite() && low < high) {
        problems.push(Problem::new(path(key, "range"), "must be two finite numbers, the smaller first"));
    } else if low < offer_low || high > offer_high {
        let message = format!("[{low}, {high}] is beyond what the device takes, [{offer_low}, {offer_high}]");
        problems.push(Problem::new(path(key, "range"), message));
    }
    rule.range = (low, high);
    if let Some(number) = raw.number {
        match OutputTag::numbered(rule.output.output(), number) {
            Ok(tag) => rule.output = tag,
            Err(message) => problems.push(Problem::new(path(key, "number"), message)),
        }
    }
    if let Some(interval) = raw.interval_s_min {
        let interval = seconds(&path(key, "interval_s_min"), interval, (0.0, 86_400.0), problems);
        rule.interval_min = rule.interval_min.max(interval);
    }
}

/// One signal or output must not have two sources or targets in a device. Run commands may: start and stop coils.
fn check_meaning(points: &[Point], key: &str, problems: &mut Vec<Problem>) {
    for (index, point) in points.iter().enumerate() {
        let earlier = points.get(..index).unwrap_or_default();
        let same_signal = |other: &&Point| point.signal.is_some() && other.signal == point.signal;
        if let Some(other) = earlier.iter().find(same_signal) {
            let message = format!("{:?} and {:?} stand for the same signal", other.name, point.name);
            problems.push(Problem::new(path(key, "signal"), message));
        }
        let output = |point: &Point| point.write.as_ref().map(|rule| rule.output);
        let same_output = |other: &&Point| output(point).is_some() && output(other) == output(point);
        if let Some(other) =
            earlier.iter().find(same_output).filter(|_| output(point).is_none_or(|tag| tag.output() != Output::ChpRun))
        {
            let message = format!("{:?} and {:?} take the same output", other.name, point.name);
            problems.push(Problem::new(path(key, "write"), message));
        }
    }
}

fn transport(device: &RawDevice, key: &str, problems: &mut Vec<Problem>) -> Transport {
    let (raw, tls_key, key) = (&device.transport, path(key, "tls"), path(key, "transport"));
    if device.tls.is_some() && !matches!(raw, RawTransport::Tcp(_)) {
        problems.push(Problem::new(&tls_key, "is for transport = { tcp = \"host:port\" } alone"));
    }
    let (RawTransport::Tcp(address) | RawTransport::RtuOverTcp(address)) = raw else {
        let RawTransport::Serial(line) = raw else { return Transport::Tcp(String::new()) };
        if !(1..=2).contains(&line.stop_bits) {
            problems.push(Problem::new(format!("{key}.serial.stop_bits"), "must be 1 or 2"));
        }
        if !(300..=4_000_000).contains(&line.baud) {
            problems.push(Problem::new(format!("{key}.serial.baud"), "is not within 300..4000000"));
        }
        return Transport::Serial(line.clone());
    };
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(1..))) {
        problems.push(Problem::new(&key, format!("{address:?} is not host:port")));
    }
    if let Some(tls) = &device.tls {
        tls.check(&tls_key, host(address), problems);
    }
    match (raw, &device.tls) {
        (RawTransport::RtuOverTcp(_), _) => Transport::RtuOverTcp(address.clone()),
        (_, Some(tls)) => Transport::Tls(address.clone(), tls.clone()),
        (_, None) => Transport::Tcp(address.clone()),
    }
}

fn timing(raw: &RawDevice, file: &DeviceFile, key: &str, problems: &mut Vec<Problem>) -> Timing {
    let mut time = |name: &str, value: Option<f64>, default: Duration, max: f64| {
        value.map_or(default, |value| seconds(&path(key, name), value, (0.005, max), problems))
    };
    Timing {
        connect_timeout: time("connect_timeout_s", raw.connect_timeout_s, Duration::from_secs(2), 60.0),
        response_timeout: time("response_timeout_s", raw.response_timeout_s, file.response_timeout, 60.0),
        pause: file.pause,
        reconnect_max: time("reconnect_s_max", raw.reconnect_s_max, Duration::from_secs(1), 600.0),
        retry_max: time("retry_s_max", raw.retry_s_max, RETRY_MAX, 600.0),
        order_ttl: time("order_ttl_s", raw.order_ttl_s, Duration::from_secs(5), 600.0),
    }
}

/// What control needs must not be left alone for longer than this.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Signals are required: a device that measures one is asked again soon.
fn check_pauses(device: &Device, key: &str, problems: &mut Vec<Problem>) {
    let Some((signal, _)) = device.signals().next() else { return };
    let pauses = [("reconnect_s_max", device.timing.reconnect_max), ("retry_s_max", device.timing.retry_max)];
    for (name, _) in pauses.into_iter().filter(|(_, pause)| *pause > RETRY_MAX) {
        let message = format!("must be at most {} s: the device measures {}", RETRY_MAX.as_secs(), signal);
        problems.push(Problem::new(path(key, name), message));
    }
}

/// Least time in which a set-point is confirmed, unless the site states another one.
const CONFIRM: Duration = Duration::from_secs(10);

/// How long a set-point may be ordered without being confirmed: not less than reading back takes.
fn apply_confirm(confirm_s: Option<f64>, points: &mut [Point], key: &str, problems: &mut Vec<Problem>) {
    let key = path(key, "confirm_s");
    let stated = confirm_s.map(|confirm| seconds(&key, confirm, (0.05, 3600.0), problems));
    let polls: Vec<Duration> = points.iter().map(|point| point.poll).collect();
    for point in points.iter_mut() {
        let Some(rule) = &mut point.write else { continue };
        let poll = rule.readback.and_then(|index| polls.get(index)).copied().unwrap_or_default();
        let least = poll * 2 + rule.readback_delay;
        if stated.is_some_and(|stated| stated < least) {
            let message = format!("{:?} is read back within {} s at best", point.name, least.as_secs_f64());
            problems.push(Problem::new(&key, message));
        }
        rule.confirm = stated.unwrap_or(least.max(CONFIRM));
    }
}

/// On a serial bus 0 is the broadcast address, which nobody answers, and 248..255 are reserved.
fn check_unit_ids(device: &Device, key: &str, problems: &mut Vec<Problem>) {
    let serial = !matches!(device.transport, Transport::Tcp(_));
    for (index, point) in device.points.iter().enumerate() {
        let unit = device.unit_of(index);
        if (serial && !(1..=247).contains(&unit)) || (248..=254).contains(&unit) {
            let message = format!("unit id {unit} of point {:?} is not an address of a device", point.name);
            problems.push(Problem::new(path(key, "unit_id"), message));
            return;
        }
    }
}
