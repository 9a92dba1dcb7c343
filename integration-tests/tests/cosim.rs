//! The FMUs in other people's hands: FMPy, fmutool, libcosim, ecos, mosaik; and foreign plants in ours.
//!
//! Every loop must give the set-points of the built-in environment, or, where a master steps both units at once, those of
//! the same units with one step of delay.

use memg_fmu::describe::Fmi;
use memg_fmu::model::Kind;
use memg_fmu::variable::Causality;
use memg_gateway::cosim::mosaik::serve;
use memg_gateway::cosim::{
    BuildOptions, CosimOptions, Direction, MosaikOptions, PATIENCE, Unit, cosim, fmu_build, fmu_check, mosaik,
};
use memg_integration_tests::cosim_day::{
    Decider, Row, STEPS, built_in, options, packed, panicking_library, profile_file, rows, script, trace_rows,
};
use memg_integration_tests::peer::python;
use std::collections::HashMap;
use std::time::Duration;

/// The day with controller and plant stepped at once: the plant acts on the set-points of the step before.
fn delayed(decider: &Decider) -> Vec<Row> {
    let mut ems = Unit::controller(&decider.units()).expect("a controller");
    let mut plant = Unit::new(Kind::Plant, &decider.units());
    let folder = tempfile::tempdir().expect("a folder");
    let file = profile_file(folder.path());
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
        to.set(&name, from.value(&name).expect("a value")).expect("an input");
    }
}

#[test]
fn files_are_the_same_bytes_every_time_and_pass_their_own_check() {
    let again = tempfile::tempdir().expect("a folder");
    for file in fmu_build(&options(None, again.path())).expect("FMUs") {
        let first = packed().join("rule").join(file.file_name().expect("a name"));
        assert_eq!(std::fs::read(&file).expect("read"), std::fs::read(&first).expect("read"), "{}", file.display());
        let report = fmu_check(&first, PATIENCE).expect("a good FMU");
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
        let found = fmu_check(&path, PATIENCE).expect_err("refused").to_string();
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
            patience: PATIENCE,
        };
        let summary = cosim(&options).expect("a simulation");
        assert_eq!((summary.steps, summary.safe_stops), (96, 0));
        assert_eq!(trace_rows(&trace), built_in(&decider), "{decider:?} {fmi:?}");
    }
}

/// Figures of `cosim_judge.py`. A step is judged against another call through the same interface in the same run, because
/// microseconds belong to a machine (docs/figures.md has them); memory may grow by a page cache's worth.
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
            println!("{kind:?} {decider:?} {fmi:?} {figures:?}");
            for (name, most) in [("step_over_get", 12.0), ("growth_kb", 1024.0), ("file_bytes", 1e6)] {
                let found = figures.get(name).copied().unwrap_or(f64::NAN);
                assert!(found <= most, "{kind:?} {decider:?} {fmi:?}: {name} is {found}, promised {most}");
            }
        }
    }
}

/// A host with the panic-injecting binary: the guard's own tests are in `fmu/src/tests`.
#[test]
fn a_panic_in_a_step_leaves_a_foreign_host_alive_with_a_fatal_status_and_a_log_line() {
    let Some(python) = python() else { return };
    let out = tempfile::tempdir().expect("a folder");
    let panicking =
        BuildOptions { kinds: vec![Kind::Ems], library: Some(panicking_library()), ..options(None, out.path()) };
    for file in fmu_build(&panicking).expect("FMUs") {
        let said = script(&python, "cosim_panic.py", &[&file.display().to_string()]);
        assert!(said.contains("alive"), "{said}");
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
    let profile = profile_file(folder.path());
    // Bound here, so that mosaik can connect at once.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let waiting = listener.local_addr().expect("an address");
    let options = |address: String, direction| MosaikOptions {
        address,
        direction,
        patience: Duration::from_secs(120),
        profile: Some(profile.clone()),
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
