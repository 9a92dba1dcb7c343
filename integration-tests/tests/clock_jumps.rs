//! Jumps of the clock that says what hour it is, through the gateway's program: libfaketime shows it another time of day, the
//! machine's own clock is left alone, and so is the monotonic one.

use memg_gateway::plant_io::mqtt::command::CommandKind;
use memg_integration_tests::gateway::Gateway;
use memg_integration_tests::mosquitto::{Listener, Seen};
use memg_integration_tests::peer_is_there;
use memg_integration_tests::promise_plant::{CHP_RUN, PromisePlant, until_mode};
use memg_integration_tests::rig::until;
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// A plant whose gateway believes whatever time of day it is told.
struct Bench {
    plant: PromisePlant,
    gateway: Gateway,
    state: Listener,
}

/// The library that goes before the system's; `None` where Debian's package is missing.
fn library() -> Option<PathBuf> {
    peer_is_there("faketime").then_some(())?;
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("faketime"));
    folders.map(|folder| folder.join("libfaketime.so.1")).find(|library| library.exists())
}

impl Bench {
    async fn start() -> Option<Self> {
        let (library, plant) = (library()?, PromisePlant::start("", "").await?);
        std::fs::write(plant.path("offset"), "+0").expect("a file");
        let (library, offset) = (library.display().to_string(), plant.path("offset").display().to_string());
        let environment = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", &offset),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("RUST_LOG", "warn"),
        ];
        let (gateway, state) = plant.in_auto_with(&environment).await;
        Some(Self { plant, gateway, state })
    }

    /// The clock jumps to so many seconds ahead of the machine's, and some cycles go by.
    async fn jump(&mut self, ahead_s: i64) {
        // In one piece: a file that is read half written is no time.
        std::fs::write(self.plant.path("next"), format!("{ahead_s:+}")).expect("a file");
        std::fs::rename(self.plant.path("next"), self.plant.path("offset")).expect("the file in its place");
        let believed_ms = self.cycles(8).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let ahead_ms = believed_ms - i64::try_from(now).expect("before the end of time");
        assert!((ahead_ms - 1000 * ahead_s).abs() < 30_000, "the gateway is {ahead_ms} ms ahead, told {ahead_s} s");
    }

    /// So many cycles go by; the gateway's clock then, ms since 1970.
    async fn cycles(&mut self, count: u64) -> i64 {
        let first = self.state.next().await.json()["cycle"].as_u64().unwrap_or(0);
        let gone = |seen: &Seen| seen.json()["cycle"].as_u64().is_some_and(|cycle| cycle >= first + count);
        self.state.until(gone).await.json()["time_unix_ms"].as_i64().unwrap_or(0)
    }

    fn chp_told(&self) -> Option<u16> {
        self.plant.writes(CHP_RUN).last().map(|write| write.cells[0])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_that_jump_do_not_stop_a_chp_before_its_minimum_time() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.plant.by_hand(&mut bench.state, 0.0, 20.0).await;
    until("the CHP runs", || bench.chp_told() == Some(1) && bench.plant.chp_setpoint() >= 10.0).await;
    // The idle policy wants it off; its minimum time is half an hour.
    bench.plant.order(CommandKind::Mode, &json!({ "mode": "auto" })).await;
    until_mode(&mut bench.state, "auto").await;
    for ahead_s in [3_600, 0, 7_200, -3_600] {
        bench.jump(ahead_s).await;
        assert_eq!(bench.chp_told(), Some(1), "{ahead_s} s ahead: it has run for seconds, whatever the clock says");
        assert!(bench.plant.chp_setpoint() >= 10.0, "{ahead_s} s ahead");
    }
    bench.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_hops_over_the_border_of_a_step_does_not_add_up_ramps() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.plant.by_hand(&mut bench.state, 45.0, 0.0).await;
    until("one ramp is used", || bench.plant.battery_setpoint() >= 9.9).await;
    // Over one border after the other, each time a second back and over it again: a step lasts 900 s.
    for border_s in [900, 1_800, 2_700, 3_600] {
        for hop_s in [0, -1, 0] {
            bench.jump(border_s + hop_s).await;
        }
    }
    // One ramp, and a second one if a step of the plant's own time happened to begin meanwhile.
    let most = bench.plant.battery_writes().into_iter().fold(0.0, f32::max);
    assert!(most <= 20.01, "{most} kW after twelve hops within seconds");
    bench.gateway.stop().await;
}
