//! What the whole gateway does under load: the program itself, with journal, filter and control loop.
//!
//! ```text
//! cargo bench -p memg-integration-tests --bench gateway_load -- devices 600   # 500 devices x 30 f32 at 1 s, seconds
//! cargo bench -p memg-integration-tests --bench gateway_load -- tags 60       # 100,000 f32 at 1 s
//! cargo bench -p memg-integration-tests --bench gateway_load -- latency 300   # meter at 100 ms -> set-point register, changes
//! cargo bench -p memg-integration-tests --bench gateway_load -- idle 60       # tick lateness, nothing else to do
//! ```
//! The devices are in processes of their own. Exits with 1 if a bound is missed.

use memg_integration_tests::bare_plant::{BarePlant, SETPOINT};
use memg_integration_tests::meter_farm::{MeterFarm, serve};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

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
        Some("idle") => load("idle", 0, 0, amount(60), Bounds { processor: 0.05, memory_mib: 64.0 }).await,
        _ => {
            let all = [devices(10).await, tags(10).await, latency(50).await];
            all.iter().all(|kept| *kept)
        }
    };
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Bounds {
    processor: f64,
    memory_mib: f64,
}

async fn devices(seconds: u64) -> bool {
    load("devices", 500, 30, seconds, Bounds { processor: 0.15, memory_mib: 64.0 }).await
}

async fn tags(seconds: u64) -> bool {
    load("tags", 100, 1000, seconds, Bounds { processor: 0.40, memory_mib: 150.0 }).await
}

/// `[[device]]` tables of a fleet with one device file.
fn tables(ports: &[u16]) -> String {
    let mut text = String::new();
    for port in ports {
        let _ = write!(
            text,
            "\n[[device]]\nname = \"at {port}\"\nfile = \"singles.toml\"\ntransport = {{ tcp = \"127.0.0.1:{port}\" }}\nunit_id = 1\n"
        );
    }
    text
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

/// Controls the bare plant and polls a fleet beside it.
async fn load(name: &str, meters: usize, points: usize, seconds: u64, bounds: Bounds) -> bool {
    let farm = MeterFarm::start(meters).await;
    let plant = BarePlant::start("cycle_s = 1.0", &tables(&farm.ports)).await;
    std::fs::write(plant.path("devices/singles.toml"), singles(points)).expect("a device file");
    let gateway = plant.gateway(&[]);
    sleep(Duration::from_secs(5)).await;
    let (processor, start) = (processor_s(gateway.id()), Instant::now());
    sleep(Duration::from_secs(seconds)).await;
    let share = (processor_s(gateway.id()) - processor) / start.elapsed().as_secs_f64();
    let memory = peak_memory_mib(gateway.id());
    let summary = gateway.stop().await;
    println!("{name}: {meters} devices x {points} f32 beside the control loop, {seconds} s");
    println!("  polls {}, missed {}, alarms {}", summary["polls"], summary["polls_missed"], summary["alarms"]);
    println!("  processor {:.1} % of a core, peak memory {memory:.1} MiB", share * 100.0);
    println!(
        "  {} cycles, {} slips, lateness p99 {} ms, mode at the end {}",
        summary["cycles"], summary["slips"], summary["tick_lateness_p99_ms"], summary["mode"]
    );
    let clean = summary["polls_missed"] == 0 && summary["slips"] == 0 && summary["mode"] == "auto";
    let late = summary["tick_lateness_p99_ms"].as_f64().is_none_or(|ms| ms > 5.0);
    clean && !late && share <= bounds.processor && memory <= bounds.memory_mib
}

/// A frequency step at a meter that is read every 100 ms until the battery's set-point register has followed.
async fn latency(changes: u64) -> bool {
    let plant = BarePlant::start("", "").await;
    let gateway = plant.gateway(&[]);
    sleep(Duration::from_secs(6)).await;
    let mut times = Vec::new();
    for change in 0..changes {
        // Odd pauses, so that no phase of polls or cycles is preferred.
        sleep(Duration::from_micros(150_000 + (change * 7919) % 400_000)).await;
        let frequency = if change % 2 == 0 { 4990 } else { 4982 };
        let start = Instant::now();
        plant.frequency(frequency);
        times.push(followed(&plant, frequency, start).await);
    }
    drop(gateway);
    times.sort();
    let percentile = |share: f64| times.get(((times.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    let (p50, p99, most) = (percentile(0.5), percentile(0.99), percentile(1.0));
    println!("latency: {changes} frequency steps, meter at 100 ms: p50 {p50:.0?}, p99 {p99:.0?}, longest {most:.0?}");
    p99 <= Duration::from_millis(150)
}

/// How long until the register was written; 5 s if it never was.
async fn followed(plant: &BarePlant, frequency: u16, start: Instant) -> Duration {
    let wanted = [BarePlant::following(frequency)];
    while start.elapsed() < Duration::from_secs(5) {
        let write = plant.battery.state().writes.iter().rev().find(|w| w.address == SETPOINT && w.at >= start).cloned();
        if let Some(write) = write.filter(|write| write.cells == wanted) {
            return write.at - start;
        }
        sleep(Duration::from_millis(1)).await;
    }
    Duration::from_secs(5)
}

/// Processor time of a process, all threads, seconds.
fn processor_s(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime, in ticks of 10 ms.
    (ticks(11) + ticks(12)) / 100.0
}

/// Largest resident memory of a process so far, MiB.
fn peak_memory_mib(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::INFINITY) / 1024.0
}
