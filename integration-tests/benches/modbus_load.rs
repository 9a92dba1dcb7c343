//! What the Modbus driver costs, measured.
//!
//! ```text
//! cargo bench -p memg-integration-tests --bench modbus_load -- devices 600   # 500 devices x 30 f32 at 1 s, seconds
//! cargo bench -p memg-integration-tests --bench modbus_load -- tags 60       # 100,000 f32 at 1 s
//! cargo bench -p memg-integration-tests --bench modbus_load -- latency 300   # meter at 100 ms -> set-point register, changes
//! cargo bench -p memg-integration-tests --bench modbus_load -- dead 30       # one dead unit of ten
//! ```
//! Without arguments: all of them, briefly. The devices are in a process of their own where processor time is measured.
//! Exits with 1 if a bound is missed.

use memg_gateway::plant_io::device::{Device, Transport};
use memg_gateway::plant_io::image::ImageBuilder;
use memg_gateway::plant_io::modbus::plan::{blocks, cost};
use memg_integration_tests::meter_farm::{MeterFarm, serve};
use memg_integration_tests::rig::{BATTERY, PERMISSIONS, Rig, at_rest, device, order, until};
use memg_integration_tests::virtual_device::VirtualDevice;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let amount = |short: u64| arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(short);
    let kept = match arguments.first().map(String::as_str) {
        Some("serve") => {
            serve(usize::try_from(amount(1)).unwrap_or(1)).await;
            true
        }
        Some("devices") => devices(amount(60)).await,
        Some("tags") => tags(amount(60)).await,
        Some("latency") => latency(amount(300)).await,
        Some("dead") => dead(amount(30)).await,
        _ => {
            let all = [devices(10).await, tags(10).await, latency(100).await, dead(10).await];
            all.iter().all(|kept| *kept)
        }
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A device file of `points` singles in holding registers, read once a second.
fn singles(points: usize) -> String {
    let mut text = "[device]\nmaker = \"bench\"\nmodel = \"singles\"\naddress_base = 0\npoll_s = 1\n".to_owned();
    for point in 0..points {
        let address = point * 2;
        let _ = write!(
            text,
            "\n[[point]]\nname = \"p{point}\"\ntable = \"holding\"\naddress = {address}\ntype = \"f32\"\n"
        );
    }
    text
}

/// The same device at every port: they share one point table.
fn fleet(ports: &[u16], points: usize) -> (Vec<Device>, ImageBuilder) {
    let mut image = ImageBuilder::default();
    let model = device(&singles(points), "tcp = \"127.0.0.1:1\"", "", &mut ImageBuilder::default());
    let one = |port: &u16| Device {
        name: format!("meter at {port}").into(),
        transport: Transport::Tcp(format!("127.0.0.1:{port}")),
        first: image.add_all(model.points.iter().map(|point| point.age_max)),
        ..model.clone()
    };
    (ports.iter().map(one).collect(), image)
}

struct Bounds {
    processor: f64,
    memory_mib: f64,
}

/// Polls a fleet for some seconds beside a control loop of 1 s.
async fn load(name: &str, meters: usize, points: usize, seconds: u64, bounds: Bounds) -> bool {
    let farm = MeterFarm::start(meters).await;
    let (devices, image) = fleet(&farm.ports, points);
    let plan: Vec<_> = devices.iter().flat_map(blocks).collect();
    let expected = cost(&plan);
    let rig = Rig::start(devices, image);
    let control = tokio::spawn(control_loop(rig.orders.clone(), Duration::from_secs(1)));
    sleep(Duration::from_secs(3)).await;
    let (before, processor, start) = (totals(&rig), processor_s(), Instant::now());
    sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (totals(&rig), start.elapsed().as_secs_f64());
    let share = (processor_s() - processor) / took;
    control.abort();
    let (missed, errors) = (after.missed - before.missed, after.errors - before.errors);
    let polls = (after.polls - before.polls) as f64 / took;
    println!("{name}: {meters} devices x {points} f32, {} blocks, {took:.0} s", expected.blocks);
    println!("  polls/s {polls:.1} of {:.1}, missed {missed}, errors {errors}", expected.polls_per_s);
    println!("  processor {:.1} % of a core, peak memory {:.1} MiB", share * 100.0, peak_memory_mib());
    println!("  longest exchange {:.1} ms", after.longest_us as f64 / 1e3);
    rig.stop().await;
    missed == 0 && errors == 0 && share <= bounds.processor && peak_memory_mib() <= bounds.memory_mib
}

async fn devices(seconds: u64) -> bool {
    load("devices", 500, 30, seconds, Bounds { processor: 0.15, memory_mib: 64.0 }).await
}

async fn tags(seconds: u64) -> bool {
    load("tags", 100, 1000, seconds, Bounds { processor: 0.40, memory_mib: 150.0 }).await
}

async fn control_loop(orders: tokio::sync::watch::Sender<Option<memg_gateway::plant_io::WriteOrder>>, cycle: Duration) {
    let mut ticks = interval(cycle);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for cycle in 0.. {
        ticks.tick().await;
        orders.send_replace(Some(order(5.0, cycle)));
    }
}

struct Totals {
    polls: u64,
    missed: u64,
    errors: u64,
    longest_us: u64,
}

fn totals(rig: &Rig) -> Totals {
    let start = Totals { polls: 0, missed: 0, errors: 0, longest_us: 0 };
    rig.running.devices.iter().map(|device| device.counters.values()).fold(start, |sum, one| Totals {
        polls: sum.polls + one.polls,
        missed: sum.missed + one.polls_missed,
        errors: sum.errors + one.timeouts + one.exceptions + one.foreign_answers + one.disconnects,
        longest_us: sum.longest_us.max(one.exchange_us_max),
    })
}

/// A change at a meter that is read every 100 ms, a control cycle of 20 ms, a set-point register: how long does it take?
async fn latency(changes: u64) -> bool {
    let device = VirtualDevice::start().await;
    at_rest(&device);
    let file = BATTERY.replace("poll_s = 0.05", "poll_s = 0.1");
    let rig = Rig::battery_with(&file, &format!("tcp = \"{}\"", device.address), PERMISSIONS);
    let mut times = Vec::new();
    let mut ticks = interval(Duration::from_millis(20));
    let mut cycle = 0;
    for change in 0..changes {
        // Steps of 1 kW between 0 and 9 kW, never twice the same.
        let meter = u16::try_from(change % 10).unwrap_or(0) * 100;
        sleep(Duration::from_micros(50_000 + (change * 7919) % 100_000)).await;
        device.set(1, &[meter]);
        let start = Instant::now();
        while device.get(12) != meter {
            ticks.tick().await;
            cycle += 1;
            // What the meter shows is what the set-point shall be.
            if let Some(kw) = rig.point("power").usable() {
                rig.orders.send_replace(Some(order(kw, cycle)));
            }
            if start.elapsed() > Duration::from_secs(5) {
                println!("latency: a change never arrived");
                return false;
            }
        }
        let written = device.state().writes.iter().rev().find(|write| write.address == 12).map(|write| write.at);
        times.push(written.map_or(start.elapsed(), |at| at - start));
    }
    times.sort();
    let percentile = |share: f64| times.get(((times.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    let (p50, p99, most) = (percentile(0.5), percentile(0.99), percentile(1.0));
    println!(
        "latency: {changes} changes, meter at 100 ms, cycle 20 ms: p50 {p50:.0?}, p99 {p99:.0?}, longest {most:.0?}"
    );
    rig.stop().await;
    p99 <= Duration::from_millis(150)
}

/// Ten units on one connection, one of them dead: which share of their rate do the others keep?
async fn dead(seconds: u64) -> bool {
    let virtual_device = VirtualDevice::start().await;
    let mut image = ImageBuilder::default();
    let transport = format!("tcp = \"{}\"", virtual_device.address);
    let file = BATTERY
        .replace("poll_s = 0.05", "poll_s = 0.1")
        .replace("response_timeout_s = 0.15", "response_timeout_s = 0.5");
    let mut devices = Vec::new();
    for unit in 1..=10 {
        virtual_device.state().set(unit, 0, &[500; 21]);
        virtual_device.state().discrete.insert((unit, 0), true);
        devices.push(device(&file, &transport, &format!("name = \"unit {unit}\"\nunit_id = {unit}"), &mut image));
    }
    let rig = Rig::start(devices, image);
    until("all are read", || (0..10).all(|unit| rig.point_of(unit, "soc").usable().is_some())).await;
    virtual_device.state().dead.insert(10);
    let polls = || -> Vec<u64> { rig.running.devices.iter().map(|device| device.counters.values().polls).collect() };
    let (before, start) = (polls(), Instant::now());
    sleep(Duration::from_secs(seconds)).await;
    let expected = start.elapsed().as_secs_f64() * cost(&blocks(&rig.devices[0])).polls_per_s;
    let shares = before.iter().zip(polls()).take(9).map(|(before, after)| (after - before) as f64 / expected);
    let least = shares.fold(f64::INFINITY, f64::min);
    println!("dead: one of ten, time-out 500 ms, polls at 100 ms, {seconds} s: the others keep {:.1} %", least * 100.0);
    rig.stop().await;
    least >= 0.9
}

/// Processor time of this process, all threads, seconds.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime, in ticks of 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}

/// Largest resident memory of this process so far, MiB.
fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::INFINITY) / 1024.0
}
