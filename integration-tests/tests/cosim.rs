//! The FMUs in other people's hands: FMPy, fmutool, libcosim, ecos, mosaik; and foreign plants in ours.
//!
//! Every loop must give the set-points of the built-in environment, or, where a master steps both units at once, those of
//! the same units with one step of delay.

use memg_core::actor::RustActor;
use memg_core::env::MemgEnv;
use memg_core::equipment::{Plant, PlantParameters};
use memg_core::observation::Schema;
use memg_core::policy::{ActorPolicy, Policy};
use memg_core::profile::Profile;
use memg_core::reward::RewardWeights;
use memg_core::rules::GoodRule;
use memg_core::synthetic;
use memg_fmu::describe::Fmi;
use memg_fmu::model::Kind;
use memg_fmu::variable::Causality;
use memg_gateway::cosim::mosaik::serve;
use memg_gateway::cosim::{
    BuildOptions, CosimOptions, Direction, MosaikOptions, Unit, UnitOptions, cosim, file_name, fmu_build, fmu_check,
    mosaik,
};
use memg_integration_tests::peer::python;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const STEPS: usize = 96;
/// Battery and CHP set-points of a step, kW.
type Row = (f64, f64);

/// Days of the profile in the plant FMUs.
fn profile() -> Profile {
    synthetic::profile(14, 7)
}

/// The FMU binary, built once a run as a user builds it.
fn library() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--profile", "fmu", "-p", "memg-fmu"]).current_dir(&root).status();
    assert!(built.expect("cargo runs").success(), "the FMU binary does not build");
    target.join("fmu").join(format!("{}memg_fmu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// Who decides: the rule, or a network that is shipped.
#[derive(Debug, Clone)]
enum Decider {
    Rule,
    Network(PathBuf),
}

impl Decider {
    /// The rule, and the first shipped model of the small schema: what an FMU knows of the hours ahead is less than what
    /// the environment knows.
    fn all() -> Vec<Self> {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let folders = std::fs::read_dir(models).into_iter().flatten().flatten().map(|entry| entry.path());
        let manifest = |folder: &PathBuf| std::fs::read_to_string(folder.join("model.toml")).unwrap_or_default();
        let small = folders.filter(|f| f.join("actor.safetensors").is_file() && manifest(f).contains("memg-10d/1"));
        let network = small.min().map(Self::Network);
        [Self::Rule].into_iter().chain(network).collect()
    }

    fn policy(&self) -> Box<dyn Policy> {
        let Self::Network(folder) = self else { return Box::new(GoodRule) };
        let bytes = std::fs::read(folder.join("actor.safetensors")).expect("weights");
        Box::new(ActorPolicy(RustActor::from_safetensors("td3", Schema::TenD, &bytes).expect("weights")))
    }

    fn units(&self) -> UnitOptions {
        let (policy, weights) = match self {
            Self::Rule => ("rule", None),
            Self::Network(folder) => ("td3", Some(folder.join("actor.safetensors"))),
        };
        UnitOptions { plant: PlantParameters::reference(), policy: policy.to_owned(), weights, hour_start: 0.0 }
    }

    fn fmu(&self, kind: Kind, fmi: Fmi) -> PathBuf {
        let folder = if matches!(self, Self::Rule) { "rule" } else { "network" };
        packed().join(folder).join(file_name(kind, fmi))
    }
}

fn packed() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let out = tempfile::Builder::new().prefix("memg-fmus-").tempdir().expect("a folder").keep();
        fmu_build(&options(None, &out.join("rule"))).expect("FMUs");
        for decider in Decider::all() {
            if let Decider::Network(folder) = decider {
                fmu_build(&options(Some(folder), &out.join("network"))).expect("FMUs");
            }
        }
        out
    })
}

fn options(model: Option<PathBuf>, out: &Path) -> BuildOptions {
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
fn built_in(decider: &Decider) -> Vec<Row> {
    let mut policy = decider.policy();
    let mut env = MemgEnv::new(Plant::reference(), Arc::new(profile()), RewardWeights::default());
    let step = |_| {
        let safe = env.step_policy(policy.as_mut()).expect("a rule").expect("a step").verdict.safe;
        (safe.battery().kilowatts().get(), safe.chp().kilowatts().get())
    };
    (0..STEPS).map(step).collect()
}

/// The day with controller and plant stepped at once: the plant acts on the set-points of the step before.
fn delayed(decider: &Decider) -> Vec<Row> {
    let mut ems = Unit::controller(&decider.units()).expect("a controller");
    let mut plant = Unit::new(Kind::Plant, &decider.units());
    let folder = tempfile::tempdir().expect("a folder");
    let text: Vec<String> = profile().rows().iter().map(|row| row.to_csv()).collect();
    let file = folder.path().join("profile.csv");
    std::fs::write(&file, format!("{}\n{}\n", memg_core::profile::COLUMNS.join(","), text.join("\n")))
        .expect("written");
    let name = memg_fmu::variable::Value::Text(file.display().to_string());
    plant.set("profile_file", name).expect("a parameter");
    ems.initialize().expect("initialized");
    plant.initialize().expect("initialized");
    let mut rows = Vec::new();
    for _ in 0..STEPS {
        copy(&mut plant, &mut ems);
        copy(&mut ems, &mut plant);
        ems.step(900.0).expect("a step");
        plant.step(900.0).expect("a step");
        rows.push((ems.number("p_battery_set").expect("a value"), ems.number("p_chp_set").expect("a value")));
    }
    rows
}

/// Outputs of one unit to inputs of equal name of the other.
fn copy(from: &mut Unit, to: &mut Unit) {
    let inputs = to.names(Causality::Input);
    for name in from.names(Causality::Output).into_iter().filter(|name| inputs.contains(name)) {
        to.set_number(name, from.number(name).expect("a value")).expect("an input");
    }
}

/// Output of a script; a failure fails the test with what it said.
fn script(python: &str, name: &str, arguments: &[&str]) -> String {
    let path = format!("{}/peers/{name}", env!("CARGO_MANIFEST_DIR"));
    let done = Command::new(python).arg(path).args(arguments).output().expect("Python runs");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{name} {arguments:?}\n{out}\n{err}");
    out.into_owned()
}

/// Lines of two numbers; other people's log lines are passed over.
fn rows(text: &str) -> Vec<Row> {
    let numbers = |line: &str| -> Option<Row> {
        let (battery, chp) = line.split_once(' ')?;
        Some((battery.parse().ok()?, chp.parse().ok()?))
    };
    text.lines().filter_map(numbers).collect()
}

#[test]
fn files_are_the_same_bytes_every_time_and_pass_their_own_check() {
    let again = tempfile::tempdir().expect("a folder");
    for file in fmu_build(&options(None, again.path())).expect("FMUs") {
        let first = packed().join("rule").join(file.file_name().expect("a name"));
        assert_eq!(std::fs::read(&file).expect("read"), std::fs::read(&first).expect("read"), "{}", file.display());
        let report = fmu_check(&first).expect("a good FMU");
        assert!(report.not_finite.is_empty() && report.variables[0] > 0, "{report}");
    }
}

#[test]
fn a_truncated_file_is_refused_before_anything_is_loaded() {
    let bytes = std::fs::read(Decider::Rule.fmu(Kind::Ems, Fmi::Two)).expect("read");
    for part in [bytes.len() / 3, bytes.len() - 20] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cut.fmu");
        std::fs::write(&path, &bytes[..part]).expect("written");
        let found = fmu_check(&path).expect_err("refused").to_string();
        assert!(found.contains("not a readable FMU"), "{found}");
    }
}

#[test]
fn a_plant_fmu_in_the_gateways_loop_is_the_built_in_day() {
    for (decider, fmi) in Decider::all().into_iter().flat_map(|d| [(d.clone(), Fmi::Two), (d, Fmi::Three)]) {
        let folder = tempfile::tempdir().expect("a folder");
        let trace = folder.path().join("trace.csv");
        let options = CosimOptions {
            fmu: Decider::Rule.fmu(Kind::Plant, fmi),
            map: None,
            duration_s: 86_400.0,
            trace: Some(trace.clone()),
            controller: decider.units(),
        };
        let summary = cosim(&options).expect("a simulation");
        assert_eq!((summary.steps, summary.safe_stops), (96, 0));
        assert_eq!(trace_rows(&trace), built_in(&decider), "{decider:?} {fmi:?}");
    }
}

fn trace_rows(path: &Path) -> Vec<Row> {
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

/// Figures of `cosim_judge.py`: the step, the start and the file are promised; memory may grow by a page cache's worth.
#[test]
fn fmpy_and_fmutool_find_nothing_wrong() {
    let Some(python) = python() else { return };
    let controllers = Decider::all().into_iter().map(|decider| (decider, Kind::Ems));
    for (decider, kind) in controllers.chain([(Decider::Rule, Kind::Plant)]) {
        for fmi in [Fmi::Two, Fmi::Three] {
            let path = decider.fmu(kind, fmi).display().to_string();
            let said = script(&python, "cosim_judge.py", &[&path]);
            let figure = |line: &str| Some((line.split_once(' ')?.0.to_owned(), line.split_once(' ')?.1.parse().ok()?));
            let figures: HashMap<String, f64> = said.lines().filter_map(figure).collect();
            for (name, most) in [("step_us", 6.0), ("init_ms", 5.0), ("growth_kb", 1024.0), ("file_bytes", 1e6)] {
                let found = figures.get(name).copied().unwrap_or(f64::NAN);
                println!("{kind:?} {decider:?} {fmi:?} {name} {found}");
                assert!(found <= most, "{kind:?} {decider:?} {fmi:?}: {name} is {found}, promised {most}");
            }
        }
    }
}

#[test]
fn loops_under_foreign_masters_are_the_built_in_day_or_it_with_one_step_of_delay() {
    let Some(python) = python() else { return };
    for decider in Decider::all() {
        let (direct, delayed) = (built_in(&decider), delayed(&decider));
        assert_ne!(direct, delayed);
        for (master, fmi, wanted) in [
            ("fmpy", Fmi::Two, &direct),
            ("fmpy", Fmi::Three, &direct),
            ("libcosim", Fmi::Two, &delayed),
            ("ecos", Fmi::Two, &delayed),
            ("ecos", Fmi::Three, &delayed),
        ] {
            let [ems, plant] = [Kind::Ems, Kind::Plant].map(|kind| decider.fmu(kind, fmi).display().to_string());
            let said = script(&python, "cosim_loop.py", &[master, &ems, &plant, &STEPS.to_string()]);
            assert_eq!(&rows(&said), wanted, "{master} {fmi:?} {decider:?}");
        }
    }
}

/// One simulator waits for mosaik, the other is started by it and connects to the address that it is given.
#[test]
fn a_day_in_mosaik_is_the_built_in_day() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let profile_file = folder.path().join("profile.csv");
    let text: Vec<String> = profile().rows().iter().map(|row| row.to_csv()).collect();
    let text = format!("{}\n{}\n", memg_core::profile::COLUMNS.join(","), text.join("\n"));
    std::fs::write(&profile_file, text).expect("written");
    // Bound here, so that mosaik can connect at once.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let waiting = listener.local_addr().expect("an address");
    let options = |address: String, direction| MosaikOptions {
        address,
        direction,
        patience: Duration::from_secs(120),
        profile: Some(profile_file.clone()),
        units: Decider::Rule.units(),
    };
    let waits = options(waiting.to_string(), Direction::Listen);
    let plant = std::thread::spawn(move || serve(listener.accept().expect("mosaik connects").0, &waits));
    // mosaik starts this program with its address; the gateway itself runs in this process.
    let (starter, told) = (folder.path().join("starter.py"), folder.path().join("address"));
    let program = "import os, sys, time\nopen(sys.argv[2] + '~', 'w').write(sys.argv[1])\n\
                   os.rename(sys.argv[2] + '~', sys.argv[2])\ntime.sleep(300)\n";
    std::fs::write(&starter, program).expect("written");
    let address = told.clone();
    let connects = options(String::new(), Direction::Connect);
    let ems = std::thread::spawn(move || {
        let address = std::iter::repeat_with(|| std::fs::read_to_string(&address))
            .inspect(|_| std::thread::sleep(Duration::from_millis(20)))
            .take(6000)
            .find_map(Result::ok);
        mosaik(&MosaikOptions { address: address.expect("mosaik starts the program"), ..connects })
    });
    let start = format!("start:{python} {} %(addr)s {}", starter.display(), told.display());
    let said = script(&python, "cosim_mosaik.py", &[&format!("listen:{waiting}"), &start, &STEPS.to_string()]);
    assert_eq!(rows(&said), built_in(&Decider::Rule));
    assert_eq!((plant.join().expect("no panic"), ems.join().expect("no panic")), (Ok(()), Ok(())));
}
