//! The tables `[site]`, `[control]`, `[policy]`, `[journal]` and `[demo]`.

use super::Loader;
use super::plant::{SitePlant, read_site};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use memg_control::mode::ModeTimes;
use memg_plant_io::problem::Problem;
use memg_policy::{PolicySpec, PublicKey, Trust};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// `[site]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    /// Name of the site.
    name: String,
    /// IANA name such as "Europe/Berlin", or a fixed offset such as "+01:00".
    time_zone: String,
    /// File with the `[plant]` tables, relative to this file; or they stand here.
    plant_file: Option<String>,
    /// Folder of what `gateway learn` found of this plant, relative to this file. Default: what the site file states counts.
    plant_learned: Option<PathBuf>,
    /// No real equipment is moved (default false).
    #[serde(default)]
    simulated: bool,
}

pub(super) struct Site {
    pub name: String,
    pub simulated: bool,
    pub plant_file: Option<String>,
    pub plant_learned: Option<PathBuf>,
    pub clock: SiteClock,
}

/// Local time of the site.
#[derive(Debug, Clone)]
pub struct SiteClock {
    pub(super) zone: TimeZone,
}

impl SiteClock {
    /// Local time for a moment of the wall clock, both in ms since 1970.
    #[must_use]
    pub fn local_ms(&self, unix_ms: i64) -> i64 {
        let moment = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        unix_ms + i64::from(self.zone.to_offset(moment).seconds()) * 1000
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let fixed = text.strip_prefix(['+', '-']).and_then(|digits| {
            let (hours, minutes) = digits.split_once(':')?;
            let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
            let signed = if text.starts_with('-') { -seconds } else { seconds };
            Some(TimeZone::fixed(Offset::from_seconds(signed).ok()?))
        });
        fixed.or_else(|| TimeZone::get(text).ok()).map(|zone| Self { zone })
    }
}

pub(super) fn site(loader: &mut Loader) -> Option<Site> {
    if loader.layers.has("site") {
        let raw: RawSite = loader.table("site")?;
        let clock = SiteClock::parse(&raw.time_zone);
        if clock.is_none() {
            let message = format!(
                "expected a name like \"Europe/Berlin\" or an offset like \"+01:00\", found {:?}",
                raw.time_zone
            );
            loader.problems.push(Problem::new("site.time_zone", message));
        }
        let RawSite { name, simulated, plant_file, plant_learned, .. } = raw;
        return clock.map(|clock| Site { name, simulated, plant_file, plant_learned, clock });
    }
    loader.problems.push(Problem::new("site", "missing: expected [site] with name and time_zone"));
    None
}

/// `[control]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawControl {
    /// Supervision cycle, s.
    cycle_s: f64,
    /// Shortest time between two cycles when a measurement moved by much, s; 0: cycles come on their grid alone.
    react_s: f64,
    /// Longest stay in Hold, s.
    hold_s: f64,
    /// Time without fault from Fallback back to Auto, s.
    observe_s: f64,
    /// Good cycles that lead out of Init and Hold.
    recover_cycles: u32,
    /// How long safe-stop set-points are written before devices are left to revert, s.
    stop_write_s: f64,
    /// Longest stay in Manual, s.
    manual_s: f64,
    /// Within this time the battery's measured power follows its set-point, s.
    response_s: f64,
    /// Within this time the CHP starts or stops as it is told, s.
    chp_response_s: f64,
    /// Plant seconds per second; simulated plants only (default 1).
    speed: Option<f64>,
}

impl Default for RawControl {
    fn default() -> Self {
        Self {
            cycle_s: 1.0,
            react_s: 0.05,
            hold_s: 60.0,
            observe_s: 60.0,
            recover_cycles: 3,
            stop_write_s: 3600.0,
            manual_s: 14_400.0,
            response_s: 20.0,
            chp_response_s: 300.0,
            speed: None,
        }
    }
}

/// Cycle and mode times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlTimes {
    /// Supervision cycle.
    pub cycle: Duration,
    /// Shortest time between two cycles when a measurement moved; `None`: cycles come on their grid alone.
    pub react: Option<Duration>,
    /// Modes.
    pub modes: ModeTimes,
    /// Within this time the battery follows its set-point, wall clock.
    pub response: Duration,
    /// Within this time the CHP starts or stops as it is told, plant time.
    pub chp_response: Duration,
    /// Plant seconds per second (simulated plants only).
    pub speed: f64,
}

/// Shortest cycle in wall time when a simulated plant is accelerated.
const CYCLE_MIN: Duration = Duration::from_millis(50);

impl ControlTimes {
    /// Length of a cycle on the wall clock.
    #[must_use]
    pub fn wall_cycle(&self) -> Duration {
        if self.speed > 1.0 { self.cycle.div_f64(self.speed).max(CYCLE_MIN) } else { self.cycle }
    }
}

pub(super) fn times(loader: &mut Loader, simulated: bool) -> ControlTimes {
    let raw: RawControl = loader.table("control").unwrap_or_default();
    let mut check = |key: &str, value: f64, low: f64, high: f64| {
        if !(value >= low && value <= high) {
            let message = format!("expected a number from {low} to {high}, found {value}");
            loader.problems.push(Problem::new(format!("control.{key}"), message));
        }
        value.clamp(low, high)
    };
    let cycle_s = check("cycle_s", raw.cycle_s, 0.01, 60.0);
    let react_s = check("react_s", raw.react_s, 0.0, 60.0);
    let hold_s = check("hold_s", raw.hold_s, 0.0, 3600.0);
    let observe_s = check("observe_s", raw.observe_s, 0.0, 86_400.0);
    let stop_write_s = check("stop_write_s", raw.stop_write_s, 0.0, 86_400.0);
    let manual_s = check("manual_s", raw.manual_s, 1.0, 604_800.0);
    let response_s = check("response_s", raw.response_s, 0.1, 3600.0);
    let chp_response_s = check("chp_response_s", raw.chp_response_s, 0.0, 3600.0);
    let speed = check("speed", raw.speed.unwrap_or(1.0), 0.01, 100_000.0);
    let ms = |seconds: f64| (seconds * 1000.0).round() as u64;
    let modes = ModeTimes {
        hold_ms: ms(hold_s),
        observe_ms: ms(observe_s),
        recover_cycles: raw.recover_cycles,
        stop_write_ms: ms(stop_write_s),
        manual_ms: ms(manual_s),
    };
    if speed != 1.0 && !simulated {
        let message = format!("{speed}, but site.simulated is false: a real plant runs at speed 1");
        loader.problems.push(Problem::new("control.speed", message));
    }
    let react = (react_s > 0.0).then(|| Duration::from_secs_f64(react_s));
    let [cycle, response, chp_response] = [cycle_s, response_s, chp_response_s].map(Duration::from_secs_f64);
    ControlTimes { cycle, react, modes, response, chp_response, speed }
}

/// `[policy]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    /// Model folder relative to this file, with `candle:`, `ort:` or `rust:` before it to pick the runtime; or what needs no
    /// folder: `plan`, `rule`, `seed`, `idle`.
    decide_with: String,
    /// Public keys (64 hexadecimal digits, `gateway model key`) of which one has to have signed the model folder; what is not signed by one is
    /// refused unread, and the good rule decides. Default: none, any folder whose hashes are right.
    #[serde(default)]
    trusted_keys: Vec<String>,
}

/// Who decides.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySettings {
    /// As a spec, paths resolved.
    pub spec: PolicySpec,
    /// Whose signature its folder needs.
    pub trust: Trust,
}

pub(super) fn policy(loader: &mut Loader) -> PolicySettings {
    let rule = || PolicySpec::Rule("rule".to_owned());
    if !loader.layers.has("policy") {
        let message = "missing: expected [policy] with decide_with, a model folder, plan or rule";
        loader.problems.push(Problem::new("policy", message));
    }
    let Some(raw) = loader.table::<RawPolicy>("policy") else {
        return PolicySettings { spec: rule(), trust: Trust::default() };
    };
    let trust = trust(loader, &raw.trusted_keys);
    let spec = match raw.decide_with.parse::<PolicySpec>() {
        Ok(PolicySpec::Model { dir, runtime }) => PolicySpec::Model { dir: loader.folder.join(dir), runtime },
        Ok(spec) => spec,
        Err(error) => {
            loader.problems.push(Problem::new("policy.decide_with", error.to_string()));
            rule()
        }
    };
    PolicySettings { spec, trust }
}

fn trust(loader: &mut Loader, keys: &[String]) -> Trust {
    let mut known = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        match key.parse::<PublicKey>() {
            Ok(key) => known.push(key),
            Err(error) => {
                loader.problems.push(Problem::new(format!("policy.trusted_keys[{index}]"), error.to_string()))
            }
        }
    }
    Trust::in_keys(known)
}

/// `[journal]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJournal {
    /// File, relative to the working folder. Default: no journal, which only a simulated plant may have.
    path: Option<PathBuf>,
    /// Largest size before it is renamed to `<name>.1`, MB.
    #[serde(default = "journal_mb")]
    mb_max: f64,
}

const fn journal_mb() -> f64 {
    1000.0
}

/// Where cycles are recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalSettings {
    /// The file; `None` = no journal.
    pub path: Option<PathBuf>,
    /// Largest size, bytes.
    pub bytes_max: u64,
}

pub(super) fn journal(loader: &mut Loader) -> JournalSettings {
    let raw: RawJournal = loader.table("journal").unwrap_or(RawJournal { path: None, mb_max: journal_mb() });
    if !(raw.mb_max >= 1.0 && raw.mb_max <= 1e6) {
        let message = format!("expected a number from 1 to 1e6, found {}", raw.mb_max);
        loader.problems.push(Problem::new("journal.mb_max", message));
    }
    JournalSettings { path: raw.path, bytes_max: (raw.mb_max.clamp(1.0, 1e6) * 1e6) as u64 }
}

/// `[demo]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDemo {
    /// Profile (CSV), relative to this file.
    profile: PathBuf,
    /// Site file of the virtual plant, relative to this file, where it is another one than the gateway believes. Default: the
    /// site's plant.
    plant_file: Option<PathBuf>,
    /// First day, YYYY-MM-DD. Default: the profile's first.
    start: Option<String>,
    /// Measurement noise: 0 none, 1 as usual meters have.
    #[serde(default)]
    noise: f64,
    /// Seed of noise and fluctuations.
    #[serde(default = "one")]
    seed: u64,
}

const fn one() -> u64 {
    1
}

/// The built-in virtual plant.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoSettings {
    /// Profile, path resolved.
    pub profile: PathBuf,
    /// The virtual plant, where it is another one than the site's.
    pub plant: Option<SitePlant>,
    /// First day, YYYY-MM-DD.
    pub start: Option<String>,
    /// Measurement noise: 0 none, 1 as usual meters have.
    pub noise: f64,
    /// Seed of noise and fluctuations.
    pub seed: u64,
}

pub(super) fn demo(loader: &mut Loader) -> Option<DemoSettings> {
    let raw: RawDemo = loader.table("demo")?;
    if !(raw.noise >= 0.0 && raw.noise <= 10.0) {
        loader
            .problems
            .push(Problem::new("demo.noise", format!("expected a number from 0 to 10, found {}", raw.noise)));
    }
    let profile = loader.folder.join(raw.profile);
    let plant = raw.plant_file.and_then(|file| {
        let read = read_site(&loader.folder.join(file));
        read.map_err(|problems| loader.problems.extend(problems)).ok()
    });
    Some(DemoSettings { profile, plant, start: raw.start, noise: raw.noise, seed: raw.seed })
}
