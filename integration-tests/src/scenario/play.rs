//! Plays rows: the gateway comes to Auto by arming, something goes wrong, the mode and the alarm come within their time, it ends,
//! and the plant comes back as the row says; then everything that was written is judged, and the journal is verified and replayed.

use super::bench::{Bench, Done, cycles_of};
use super::{Back, Dice, Scenario};
use crate::gateway_process::{gateway, text};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Cycles over which something has to stay as it is.
const STILL: u64 = 20;

/// What came of a row.
#[derive(Debug)]
pub struct Played {
    /// The row's name.
    pub name: String,
    /// What was wrong; `Ok`: what was counted.
    pub outcome: Result<String, String>,
}

/// Plays rows, so many at a time, in the order and at the instants of a seed. Prints a line for each; a failed one keeps its
/// folder in `keep`. `None` without mosquitto.
pub async fn play_all(mut rows: Vec<Scenario>, seed: u64, at_a_time: usize, keep: PathBuf) -> Option<Vec<Played>> {
    crate::peer_is_there("mosquitto").then_some(())?;
    Dice(seed).shuffle(&mut rows);
    let places = Arc::new(Semaphore::new(at_a_time));
    let mut playing = JoinSet::new();
    for row in rows {
        let (places, keep) = (places.clone(), keep.clone());
        playing.spawn(async move {
            let _place = places.acquire_owned().await;
            let begin = Instant::now();
            let outcome = play(&row, seed, &keep).await;
            let seconds = begin.elapsed().as_secs_f64();
            match &outcome {
                Ok(counted) => println!("ok      {}: {counted} ({seconds:.0} s)", row.name),
                Err(wrong) => println!("FAILED  {}, seed {seed}: {wrong} ({seconds:.0} s)", row.name),
            }
            Played { name: row.name, outcome }
        });
    }
    Some(playing.join_all().await)
}

/// A seed of the row's own, whatever rows are played beside it.
fn own(seed: u64, name: &str) -> Dice {
    Dice(name.bytes().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))))
}

async fn play(row: &Scenario, seed: u64, keep: &std::path::Path) -> Result<String, String> {
    let bench = Bench::set(row, own(seed, &row.name)).await.ok_or("mosquitto is not installed")?;
    let bench = Arc::new(Mutex::new(bench));
    let (row_of_task, bench_of_task) = (row.clone(), bench.clone());
    // In a task of its own: what panics in it is told like everything else that is wrong.
    let task = tokio::spawn(async move {
        let mut bench = bench_of_task.lock().await;
        course(&mut bench, &row_of_task).await
    });
    let outcome = task.await.unwrap_or_else(|panicked| Err(format!("{panicked}")));
    let bench = bench.lock().await;
    let wrong = bench.verdict();
    let outcome = outcome.and_then(|counted| if wrong.is_empty() { Ok(counted) } else { Err(wrong.join("; ")) });
    outcome.map(|counted| format!("{counted}, {} writes", bench.writes())).map_err(|wrong| {
        let place = keep.join(format!("{}-{seed}", row.name.replace([' ', '/', ',', ':'], "-")));
        let kept = copy(bench.folder(), &place).is_ok();
        if kept { format!("{wrong}; its folder: {}", place.display()) } else { wrong }
    })
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)?.flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn course(bench: &mut Bench, row: &Scenario) -> Done<String> {
    begin(bench, row).await?;
    bench.steps(&row.before).await?;
    // At any instant of a cycle and of a policy step.
    let instant_ms = bench.dice.below(900);
    sleep(Duration::from_millis(instant_ms)).await;
    if bench.gateway.is_some() {
        bench.forget().await?;
    }
    bench.steps(&row.fault).await?;
    let mut counted = "refused".to_owned();
    if row.mode != "none" {
        counted = fall(bench, row).await?;
        bench.steps(&row.heal).await?;
        rise(bench, row).await?;
        bench.steps(&row.then).await?;
    }
    finish(bench, row).await?;
    Ok(counted)
}

/// The mode in which it happens.
async fn begin(bench: &mut Bench, row: &Scenario) -> Done {
    if row.begins == "off" {
        return Ok(());
    }
    bench.start().await?;
    // Senders that a plant needs are there before its gateway is.
    if row.begins == "waits" {
        return Ok(());
    }
    bench.until_mode("shadow", "", 20 * cycles_of(0.0)).await?;
    if row.begins == "shadow" {
        return Ok(());
    }
    into_auto(bench).await
}

async fn into_auto(bench: &mut Bench) -> Done {
    bench.arm().await?;
    bench.until_mode("auto", "", cycles_of(0.0)).await?;
    bench.cycles(STILL).await
}

/// It goes wrong: the mode, its cause, the alarm.
async fn fall(bench: &mut Bench, row: &Scenario) -> Done<String> {
    let most = cycles_of(row.after_s);
    let mut first = None;
    let what = format!("{} because of {:?}", row.mode, row.says);
    let reached = bench.until(&what, most, |cycle| {
        first.get_or_insert(cycle.number);
        cycle.mode == row.mode && cycle.fault.contains(&row.says)
    });
    let number = reached.await?.number;
    let took = number - first.unwrap_or(number);
    if !row.alarm.is_empty() {
        bench.alarm(&row.alarm, cycles_of(10.0)).await?;
    }
    bench.forget().await?;
    bench.stays(&row.mode, STILL).await?;
    bench.shown.settle();
    let alarms = bench.alarms().await;
    Ok(format!("{} after {took} of {most} cycles, alarms: {alarms}", row.mode))
}

/// It is over, and the plant comes back.
async fn rise(bench: &mut Bench, row: &Scenario) -> Done {
    match row.back {
        Back::Stays => {
            bench.forget().await?;
            bench.stays(&row.mode, STILL).await
        }
        Back::Itself => bench.until_mode(&row.to, "", cycles_of(row.observe_s + 12.0)).await.map(drop),
        Back::Acknowledged => {
            bench.forget().await?;
            bench.stays("safe_stop", STILL).await?;
            bench.done("acknowledge".into()).await?;
            // The CHP is unloaded and stopped first, after its minimum time.
            bench.until_mode("shadow", "", cycles_of(12.0 * row.step_s)).await?;
            armed_again(bench).await
        }
        Back::Armed => {
            bench.until_mode("shadow", "", 20 * cycles_of(0.0)).await?;
            bench.stays("shadow", STILL).await?;
            armed_again(bench).await
        }
    }
}

/// Nothing is written before somebody arms.
async fn armed_again(bench: &mut Bench) -> Done {
    bench.cycles(3).await?;
    bench.monitor.close(None, "in shadow, before anybody armed again");
    bench.cycles(8).await?;
    into_auto(bench).await
}

/// The journal is whole, and every decision in it is made again.
async fn finish(bench: &mut Bench, row: &Scenario) -> Done {
    if let Some(gateway) = bench.gateway.take() {
        gateway.stop().await;
    }
    bench.twin = None;
    if row.without_journal || row.mode == "none" {
        return Ok(());
    }
    for verb in [&["journal", "verify"][..], &["replay"]] {
        let journal = bench.folder().join("journal");
        let mut command = tokio::process::Command::new(gateway());
        let output = command.args(verb).arg(journal).output().await.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("gateway {}: {}{}", verb.join(" "), text(&output.stdout), text(&output.stderr)));
        }
    }
    Ok(())
}
