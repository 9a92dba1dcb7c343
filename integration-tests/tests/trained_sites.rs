//! Plants of other parts than one battery and one CHP, with the binary alone: evaluated against their own bound, trained,
//! run against their virtual plant for a day, replayed.

use memg_gateway::settings::read_site;
use memg_integration_tests::gateway_process::{gateway, text};
use memg_integration_tests::lived::batteries_stayed_within_their_bands;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SITES: [&str; 4] = ["pv-battery", "battery-only", "chp-boiler", "two-batteries-three-pvs-two-chps"];

fn shipped(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(file).display().to_string()
}

/// Ten days of the shipped profile: training, validation and test days of one month.
fn profile(folder: &Path) -> String {
    let all = std::fs::read_to_string(shipped("profiles/site-a-2016.csv")).expect("the profile");
    let kept =
        |line: &&str| !line.starts_with("20") || (line.starts_with("2016-05-0") || line.starts_with("2016-05-2"));
    let path = folder.join("may.csv");
    std::fs::write(&path, all.lines().filter(kept).map(|line| format!("{line}\n")).collect::<String>())
        .expect("written");
    path.display().to_string()
}

/// Small enough for a test without optimisation; all stages.
const SMALL: &str = "validate_every = 10\ncheckpoint_every = 10\n[episodes]\nsteps = 48\nwindow_days = 2\n\
                     [imitation]\nupdates = 10\nbatch = 32\n[gradient]\nupdates = 4\nepisodes = 2\n\
                     [td3]\nupdates = 20\ncritic_first = 10\nlearning_starts = 40\nbatch = 16\nenvironments = 2\n\
                     episode_steps = 24\nreplay = 1000\n";

struct Bench {
    folder: tempfile::TempDir,
    profile: String,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("small.toml"), SMALL).expect("written");
        let profile = profile(folder.path());
        Self { folder, profile }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(gateway());
        command.args(args).current_dir(self.folder.path()).env("XDG_CACHE_HOME", self.folder.path());
        let output = command.output().expect("the gateway's program");
        assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        output
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {}", text(&output.stdout)))
    }

    /// Trains an actor; its folder.
    fn trained(&self, site: &str) -> PathBuf {
        let (file, out) = (shipped(&format!("sites/{site}.toml")), self.path(site));
        let flags = ["--profile", &self.profile, "--site", &file, "--out", &out, "--force", "--json"];
        let summary = self.json(&[&["train", "small.toml"], &flags[..]].concat());
        let model = summary["model"].as_str().unwrap_or_else(|| panic!("{site}: no model: {summary}"));
        PathBuf::from(model)
    }

    /// The actor beside the rule and the bound on the test days.
    fn evaluated(&self, site: &str, model: &Path) {
        let (file, model) = (shipped(&format!("sites/{site}.toml")), model.display().to_string());
        let days = ["--profile", &self.profile, "--month-days", "20-24"];
        let found = self.json(&[&["evaluate", "--model", &model, "--site", &file, "--json"], &days[..]].concat());
        assert_eq!(found["optimum"]["kind"], "proven lower bound", "{site}");
        let bound = found["optimum"]["cost_eur_per_day"].as_f64().expect("a bound");
        for policy in found["policies"].as_array().expect("policies") {
            assert_eq!(policy["violations"], 0, "{site}: {policy}");
            let cost = policy["cost_eur_per_day"].as_f64().expect("a cost");
            assert!(cost >= bound - 1e-6, "{site}: {policy} is below the bound {bound}");
        }
    }

    /// A day of the site's virtual plant under that actor.
    fn lived(&self, site: &str, model: &Path) {
        let (file, journal) = (shipped(&format!("sites/{site}.toml")), self.path(&format!("{site}.journal")));
        let mut command = Command::new(gateway());
        let flags = ["--for", "24h", "--speed", "900", "--journal", &journal, "--json"];
        command.args(["run", &shipped("gateway.toml"), "--site-demo", &file]).args(flags);
        command.env("MEMG__POLICY__DECIDE_WITH", model).env("MEMG__DEMO__NOISE", "0");
        let output = command.output().expect("the gateway's program");
        let summary: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        assert_eq!(summary["mode"], "auto", "{site}: {summary}");
        // A battery at the end of its band gives up its ramp; nothing else but renewables yields.
        for rule in ["chp_ramp", "chp_times", "safe_stop", "shedding"] {
            assert_eq!(summary["relaxations"][rule], 0, "{site}: {rule} yielded: {summary}");
        }
        let plant = read_site(Path::new(&file)).unwrap_or_else(|problems| panic!("{problems:?}")).plant;
        batteries_stayed_within_their_bands(site, &plant, Path::new(&journal));
        self.run(&["replay", &journal]);
        let first = std::fs::read_to_string(&journal).expect("a journal");
        let header = first.lines().next().expect("a header");
        assert!(header.contains(&model.display().to_string()), "{site}: what was trained is what ran: {header}");
    }
}

#[test]
fn plants_of_other_parts_are_trained_evaluated_run_for_a_day_and_replayed() {
    let bench = Bench::new();
    let models = SITES.map(|site| {
        let model = bench.trained(site);
        bench.evaluated(site, &model);
        model
    });
    // Days beside each other: what takes time in them is waiting.
    std::thread::scope(|scope| {
        for (site, model) in SITES.iter().zip(&models) {
            let bench = &bench;
            scope.spawn(move || bench.lived(site, model));
        }
    });
}
