//! `gateway cosim` with a plant FMU that a foreign tool has built from foreign code (PythonFMU): names, units and signs of
//! its own, and the ways in which a plant may fail.

use memg_integration_tests::gateway_process::{Gateway, text};
use memg_integration_tests::peer::python;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// W and + = discharging on the plant's side.
const MAP: &str = r#"
[measurements]
p_pv = { from = "Roof.P", scale = 0.001 }
p_wind = { from = "Mast.P", scale = 0.001 }
p_load = { from = "Hall.P", scale = 0.001 }
q_heat = { from = "Hall.Q", scale = 0.001 }
soc = { from = "Storage.soc" }
[set_points]
p_battery_set = { to = "Storage.P", scale = -1000.0 }
p_chp_set = { to = "Engine.P", scale = 1000.0 }
[parameters]
"Storage.E" = 3.6e8
"#;

/// The tool for each version of the standard; the one for 3.0 has other names for the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    PythonFmu,
    PythonFmu3,
}

impl Tool {
    const BOTH: [Self; 2] = [Self::PythonFmu, Self::PythonFmu3];

    const fn module(self) -> &'static str {
        match self {
            Self::PythonFmu => "pythonfmu",
            Self::PythonFmu3 => "pythonfmu3",
        }
    }

    const fn step(self) -> &'static str {
        match self {
            Self::PythonFmu => "fmi2DoStep",
            Self::PythonFmu3 => "fmi3DoStep",
        }
    }

    fn script(self) -> String {
        let script = include_str!("../peers/foreign_plant.py");
        match self {
            Self::PythonFmu => script.to_owned(),
            Self::PythonFmu3 => {
                [("pythonfmu ", "pythonfmu3 "), ("Fmi2", "Fmi3"), ("Real", "Float64"), ("Integer", "Int32")]
                    .into_iter()
                    .fold(script.to_owned(), |text, (old, new)| text.replace(old, new))
            }
        }
    }
}

/// The FMU, its map, and the environment that its embedded Python needs.
struct Plant {
    folder: tempfile::TempDir,
    preload: String,
}

impl Plant {
    fn build(tool: Tool) -> Option<Self> {
        let python = python()?;
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("foreign_plant.py");
        std::fs::write(&script, tool.script()).expect("written");
        let [script, out] = [script.as_path(), folder.path()].map(|path| path.display().to_string());
        let run = |arguments: &[&str]| Command::new(&python).args(arguments).output().expect("Python runs");
        let built = run(&["-m", tool.module(), "build", "-f", &script, "-d", &out]);
        assert!(built.status.success(), "{}", text(&built.stderr));
        // Such FMUs expect a host that is Python itself; elsewhere its library has to be loaded first.
        let library = run(&["-c", "import sysconfig; print(sysconfig.get_config_var('INSTSONAME'))"]);
        Some(Self { folder, preload: text(&library.stdout).trim().to_owned() })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ForeignPlant.fmu")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, map: &str, more: &[&str]) -> Output {
        std::fs::write(self.path("map.toml"), map).expect("written");
        let (file, map) = (self.file().display().to_string(), self.path("map.toml"));
        let arguments = [&["cosim", "--plant", &file, "--map", &map, "--for", "24h"], more].concat();
        Gateway::start_with(&arguments, &[("LD_PRELOAD", &self.preload)]).output()
    }

    /// The run must fail, and say these words.
    fn fails(&self, map: &str, more: &[&str], words: &[&str]) {
        let ended = self.run(map, more);
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    }
}

fn columns(trace: &Path, names: &[&str]) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(trace).expect("a trace");
    let header: Vec<&str> = text.lines().next().expect("a header").split(',').collect();
    let places: Vec<usize> =
        names.iter().map(|name| header.iter().position(|h| h == name).expect("a column")).collect();
    let row = |line: &str| {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().expect("a number")).collect();
        places.iter().map(|place| cells[*place]).collect()
    };
    text.lines().skip(1).map(row).collect()
}

#[test]
fn a_foreign_plant_is_driven_through_a_day_with_its_own_names_units_and_signs() {
    for tool in Tool::BOTH {
        let Some(plant) = Plant::build(tool) else { return };
        lives_through_a_day(&plant);
    }
}

fn lives_through_a_day(plant: &Plant) {
    let trace = plant.path("trace.csv");
    let ended = plant.run(MAP, &["--trace", &trace]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert!(text(&ended.stdout).contains("ForeignPlant: 96 steps"), "{}", text(&ended.stdout));
    let rows = columns(Path::new(&trace), &["p_pv", "p_load", "soc", "p_battery_set"]);
    assert_eq!(rows.len(), 96);
    assert!((rows[48][0] - 60.0).abs() < 1e-9 && rows[48][1] == 30.0, "noon, in kW: {:?}", rows[48]);
    assert!(rows.iter().any(|row| row[3] > 1.0), "the surplus of noon is stored");
    for (now, next) in rows.iter().zip(&rows[1..]) {
        let expected = now[2] + now[3] * 0.25 / 100.0;
        assert!((next[2] - expected).abs() < 1e-12, "the plant follows without delay: {now:?} {next:?}");
    }
}

#[test]
fn a_plant_that_hangs_raises_or_gives_nan_ends_with_the_name_of_what_is_wrong() {
    for tool in Tool::BOTH {
        let Some(plant) = Plant::build(tool) else { return };
        fails_in_its_own_ways(&plant, tool);
    }
}

fn fails_in_its_own_ways(plant: &Plant, tool: Tool) {
    let trouble = |kind: u32| format!("{MAP}trouble = {kind}\ntrouble_at = 3\n");
    plant.fails(&trouble(1), &[], &["p_load", "found NaN", "from the plant's Hall.P"]);
    plant.fails(&trouble(2), &[], &["plant FMU: ", tool.step(), "on strike"]);
    let begin = Instant::now();
    let trace = plant.path("hung.csv");
    plant.fails(
        &trouble(3),
        &["--patience", "1s", "--trace", &trace],
        &["ForeignPlant.fmu", "doStep at 1800 s", "has not come back for 1s"],
    );
    let times: Vec<_> = columns(Path::new(&trace), &["time_s"]).into_iter().map(|row| row[0]).collect();
    assert_eq!(times, [0.0, 900.0, 1800.0], "every step up to the one that it did not come back from");
    assert!(begin.elapsed() < Duration::from_secs(120), "it ends soon: {:?}", begin.elapsed());
}

#[test]
fn wrong_maps_parameters_and_files_are_named() {
    let Some(plant) = Plant::build(Tool::PythonFmu) else { return };
    plant.fails(&MAP.replace("Roof.P", "Attic.P"), &[], &["p_pv: the plant has no variable \"Attic.P\""]);
    plant.fails(&MAP.replace("Storage.E", "Storage.F"), &[], &["the plant has no parameter \"Storage.F\""]);
    plant.fails(&MAP.replace("p_chp_set", "p_chp"), &[], &["p_chp is not an output of the controller"]);
    let no_interpreter = Gateway::start(&["fmu", "check", &plant.file().display().to_string()]).output();
    assert_eq!(no_interpreter.status.code(), Some(1));
    assert!(text(&no_interpreter.stderr).contains("cannot load"), "{}", text(&no_interpreter.stderr));
    let whole = std::fs::read(plant.file()).expect("read");
    std::fs::write(plant.file(), &whole[..whole.len() / 2]).expect("written");
    plant.fails(MAP, &[], &["ForeignPlant.fmu", "not a readable FMU"]);
}
