//! One day of co-simulation, shared by the tests of all masters: who decides, the FMUs, the day in the built-in environment.

use memg_core::env::MemgEnv;
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::policy::Policy;
use memg_core::profile::{COLUMNS, Profile};
use memg_core::reward::RewardWeights;
use memg_core::synthetic;
use memg_fmu::describe::Fmi;
use memg_fmu::model::Kind;
use memg_gateway::cosim::{BuildOptions, UnitOptions, checked_weights, file_name, fmu_build};
use memg_gateway::policy::load_policy;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

pub const STEPS: usize = 96;
/// Battery and CHP set-points of a step, kW.
pub type Row = (f64, f64);

/// Days of the profile in the plant FMUs.
pub fn profile() -> Profile {
    synthetic::profile(14, 7)
}

pub(crate) fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

pub(crate) fn cargo_build(arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).arg("build").args(arguments).current_dir(&root).status();
    assert!(built.expect("cargo runs").success(), "cargo build {arguments:?} fails");
}

/// The FMU binary, built as a user builds it.
pub fn library() -> PathBuf {
    cargo_build(&["--profile", "fmu", "-p", "memg-fmu"]);
    target().join("fmu").join(format!("{}memg_fmu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// The FMU binary that panics on demand, kept apart from the one that users get.
pub fn panicking_library() -> PathBuf {
    let apart = target().join("panic-injection");
    let folder = apart.display().to_string();
    cargo_build(&["--profile", "fmu", "-p", "memg-fmu", "--features", "panic-injection", "--target-dir", &folder]);
    apart.join("fmu").join(format!("{}memg_fmu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Who decides: the rule, or a network that is shipped.
#[derive(Debug, Clone)]
pub enum Decider {
    Rule,
    Network(PathBuf),
}

impl Decider {
    /// The rule, and the shipped networks: one of the small schema, one that looks at the hours ahead.
    pub fn all() -> Vec<Self> {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        vec![Self::Rule, Self::Network(models.join("actor-10d")), Self::Network(models.join("actor-extended"))]
    }

    /// As `decide_with` in a configuration says it.
    pub fn spec(&self) -> String {
        match self {
            Self::Rule => "rule".to_owned(),
            Self::Network(folder) => format!("rust:{}", folder.display()),
        }
    }

    /// As the command line says it.
    pub fn arguments(&self) -> String {
        match self {
            Self::Rule => String::new(),
            Self::Network(folder) => format!("--model {}", folder.display()),
        }
    }

    pub fn policy(&self) -> Box<dyn Policy> {
        load_policy(&self.spec().parse().expect("a policy"), &Plant::reference()).expect("a whole model")
    }

    pub fn units(&self) -> UnitOptions {
        let (weights, policy) = match self {
            Self::Rule => (None, "rule".to_owned()),
            Self::Network(folder) => checked_weights(folder).expect("a whole model"),
        };
        UnitOptions { plant: PlantParameters::reference(), policy, weights, hour_start: 0.0 }
    }

    pub fn fmu(&self, kind: Kind, fmi: Fmi) -> PathBuf {
        packed().join(self.name()).join(file_name(kind, fmi))
    }

    fn name(&self) -> String {
        match self {
            Self::Rule => "rule".to_owned(),
            Self::Network(folder) => folder.file_name().expect("a name").to_string_lossy().into_owned(),
        }
    }
}

pub fn packed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // Always the same place for one test program: what is left behind is overwritten.
        let program = std::env::current_exe().expect("a program");
        let out = target().join("tmp").join(program.file_name().expect("a name"));
        for decider in Decider::all() {
            let model = if let Decider::Network(folder) = &decider { Some(folder.clone()) } else { None };
            fmu_build(&options(model, &out.join(decider.name()))).expect("FMUs");
        }
        out
    })
}

pub fn options(model: Option<PathBuf>, out: &Path) -> BuildOptions {
    BuildOptions {
        kinds: Kind::ALL.to_vec(),
        versions: vec![Fmi::Two, Fmi::Three],
        plant: PlantParameters::reference(),
        model,
        profile: Some(profile()),
        library: Some(library()),
        out: out.to_owned(),
    }
}

/// The day in the built-in environment.
pub fn built_in(decider: &Decider) -> Vec<Row> {
    let mut policy = decider.policy();
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile()), RewardWeights::default());
    let step = |_| {
        let safe = env.step_policy(policy.as_mut()).expect("a rule").expect("a step").verdict.safe;
        (safe.battery().kilowatts().get(), safe.chp().kilowatts().get())
    };
    (0..STEPS).map(step).collect()
}

/// Output of a script; a failure fails the test with what it said.
pub fn script(python: &str, name: &str, arguments: &[&str]) -> String {
    let path = format!("{}/peers/{name}", env!("CARGO_MANIFEST_DIR"));
    let done = Command::new(python).arg(path).args(arguments).output().expect("Python runs");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{name} {arguments:?}\n{out}\n{err}");
    out.into_owned()
}

/// Lines of two numbers; other people's log lines are passed over.
pub fn rows(text: &str) -> Vec<Row> {
    let numbers = |line: &str| -> Option<Row> {
        let (battery, chp) = line.split_once(' ')?;
        Some((battery.parse().ok()?, chp.parse().ok()?))
    };
    text.lines().filter_map(numbers).collect()
}

/// Set-points in a trace of `gateway cosim`.
pub fn trace_rows(path: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(path).expect("a trace");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |name| header.iter().position(|column| *column == name).expect("a column");
    let (battery, chp) = (column("p_battery_set"), column("p_chp_set"));
    lines
        .map(|line| {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
            (cells[battery], cells[chp])
        })
        .collect()
}

/// The profile as a file in a folder.
pub fn profile_file(folder: &Path) -> PathBuf {
    let rows: Vec<String> = profile().rows().iter().map(|row| row.to_csv()).collect();
    let file = folder.join("profile.csv");
    std::fs::write(&file, format!("{}\n{}\n", COLUMNS.join(","), rows.join("\n"))).expect("written");
    file
}
