//! kill -9 at random instants: the journal is whole afterwards, nothing that it held is gone, and the battery does not jump at the
//! restart. `MEMG_KILLS` and `MEMG_SEED` choose how often and which (`integration-tests/campaign --kills`).

use memg_integration_tests::gateway_process::{gateway, text};
use memg_integration_tests::promise_plant::PromisePlant;
use memg_integration_tests::rig::until;
use std::process::{Command, Output};
use std::time::Duration;

/// The battery's ramp at this plant, kW a step; a policy step is far longer than a restart.
const RAMP_KW: f32 = 10.0;

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Numerical Recipes' generator: any spread of instants will do.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn of_journal(plant: &PromisePlant, verb: &[&str]) -> Output {
    Command::new(gateway()).args(verb).arg(plant.path("journal")).output().expect("it runs")
}

/// The whole lines of the journal; what stands behind them was acknowledged to nobody.
fn lines(plant: &PromisePlant) -> Vec<u8> {
    let mut text = std::fs::read(plant.path("journal")).unwrap_or_default();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    text.truncate(whole);
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_the_journal_is_whole_and_the_battery_does_not_jump() {
    let Some(plant) = PromisePlant::start("observe_s = 1.0", "").await else { return };
    let (kills, seed) = (asked("MEMG_KILLS", 3), asked("MEMG_SEED", 1));
    let mut dice = Dice(seed);
    let mut before: Option<(f32, usize, Vec<u8>)> = None;
    for kill in 1..=kills {
        let what = format!("kill {kill} of seed {seed}");
        let (gateway, mut state) = plant.in_auto().await;
        if let Some((held, writes, seen)) = before {
            assert!(lines(&plant).starts_with(&seen), "{what}: the start took away what was there");
            until("it writes again", || plant.battery_writes().len() > writes).await;
            let first = plant.battery_writes()[writes];
            assert!((first - held).abs() <= RAMP_KW + 0.01, "{what}: from {held} to {first} kW");
        }
        plant.by_hand(&mut state, dice.below(17) as f64 - 8.0, 0.0).await;
        tokio::time::sleep(Duration::from_millis(dice.below(700))).await;
        let seen = lines(&plant);
        gateway.kill().await;
        let verified = of_journal(&plant, &["journal", "verify"]);
        assert!(verified.status.success(), "{what}: {}", text(&verified.stderr));
        let whole = lines(&plant);
        assert!(whole.starts_with(&seen), "{what}: lines that were there are gone");
        before = Some((plant.battery_setpoint(), plant.battery_writes().len(), whole));
    }
    let replayed = of_journal(&plant, &["replay"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    println!("{kills} kills of {kills}, seed {seed}: journals whole, nothing lost, no jump beyond {RAMP_KW} kW");
}
