//! Model folders against foreign tools: onnx.checker and ONNX Runtime, from the Python of `MEMG_PEER_PYTHON`.
//!
//! What needs another environment variable than this process has runs in a process of its own: this very test binary,
//! with the name of one test and `MEMG_TEST_MODEL` set.

use memg_core::observation::Schema;
use memg_gateway::policy::model::{ModelRecord, TrainingRecord, write_model};
use memg_gateway::policy::weights::{Dense, Weights};
use memg_gateway::policy::{ModelFolder, Runtime};
use memg_integration_tests::peer_is_there;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const CHILD: &str = "MEMG_TEST_MODEL";

/// The Python with the packages of peers/requirements-model.txt, if there is one.
fn peer_python() -> Option<String> {
    let python = std::env::var("MEMG_PEER_PYTHON").unwrap_or_else(|_| "integration-tests/.venv/bin/python".to_owned());
    peer_is_there(&python).then_some(python)
}

fn peer(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script)
}

fn shipped() -> Vec<PathBuf> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    let entries = std::fs::read_dir(models).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("golden.csv").exists()).collect()
}

/// A model with weights of the size of a trained one.
fn write_random(dir: &Path, schema: Schema) {
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut dense = |outputs: usize, inputs: usize| {
        let scale = (inputs as f32).sqrt().recip();
        let weight = (0..outputs * inputs).map(|_| number() * scale).collect();
        Dense { inputs, outputs, weight, bias: (0..outputs).map(|_| number() * scale).collect() }
    };
    let layers = [dense(256, schema.len()), dense(256, 256), dense(3, 256)];
    let record =
        ModelRecord { name: "random".to_owned(), training: TrainingRecord::default(), ..ModelRecord::default() };
    write_model(dir, &Weights::new(schema, layers).unwrap(), &record).unwrap();
}

/// The shipped networks and one with random weights for each schema.
fn models(home: &Path) -> Vec<PathBuf> {
    let random = [("ten", Schema::TenD), ("extended", Schema::Extended)].map(|(name, schema)| {
        write_random(&home.join(name), schema);
        home.join(name)
    });
    shipped().into_iter().chain(random).collect()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn onnx_files_pass_the_checker_and_give_the_golden_outputs_in_foreign_onnx_runtime() {
    let Some(python) = peer_python() else { return };
    let home = tempfile::tempdir().unwrap();
    for dir in models(home.path()) {
        // With the large weights of the imitation ONNX Runtime itself is 1.7e-6 from the exact outputs, with the 86 inputs of
        // the actor that sees forecasts 2.1e-6; a folder promises 1e-5.
        let wide = ["rule-imitation", "actor-forecast"].iter().any(|name| dir.ends_with(name));
        let tolerance = if wide { "1e-5" } else { "1e-6" };
        let output = Command::new(&python).arg(peer("check_onnx.py")).arg(&dir).arg(tolerance).output().unwrap();
        assert!(output.status.success(), "{}: {}", dir.display(), text(&output));
        eprintln!("{}: {}", dir.display(), text(&output).trim());
    }
}

/// This test binary again, running one test on one model.
fn child(test: &str, model: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, model).env_remove("ORT_DYLIB_PATH");
    command
}

#[test]
fn every_runtime_agrees_when_onnx_runtime_comes_from_a_wheel() {
    if let Some(dir) = std::env::var_os(CHILD) {
        let folder = ModelFolder::load(Path::new(&dir)).unwrap();
        for runtime in Runtime::ALL.into_iter().filter(|runtime| runtime.is_built()) {
            let mut actor = folder.actor(runtime).unwrap();
            println!("{runtime}: largest difference {}", folder.golden().check(&mut actor).unwrap());
        }
        return;
    }
    let Some(python) = peer_python() else { return };
    let environment = Path::new(&python).parent().and_then(Path::parent).unwrap().to_owned();
    let home = tempfile::tempdir().unwrap();
    for dir in models(home.path()) {
        let test = "every_runtime_agrees_when_onnx_runtime_comes_from_a_wheel";
        let output = child(test, &dir).env("VIRTUAL_ENV", &environment).output().unwrap();
        assert!(output.status.success(), "{}: {}", dir.display(), text(&output));
        eprintln!("{}", text(&output).trim());
    }
}

#[test]
fn a_missing_or_broken_onnx_runtime_is_an_error_at_once_and_every_time() {
    if let Some(dir) = std::env::var_os(CHILD) {
        let folder = ModelFolder::load(Path::new(&dir)).unwrap();
        for _ in 0..3 {
            let error = folder.actor(Runtime::Ort).err().unwrap().to_string();
            assert!(error.contains("pip install onnxruntime") && error.contains("ORT_DYLIB_PATH"), "{error}");
        }
        return;
    }
    if !Runtime::Ort.is_built() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (model, broken) = (home.path().join("model"), home.path().join("libonnxruntime.so"));
    write_random(&model, Schema::TenD);
    std::fs::write(&broken, "this is no library").unwrap();
    for library in [broken, home.path().join("nowhere.so")] {
        let start = Instant::now();
        let test = "a_missing_or_broken_onnx_runtime_is_an_error_at_once_and_every_time";
        let output = child(test, &model).env("ORT_DYLIB_PATH", &library).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
    }
}

#[test]
fn a_checkpoint_written_by_torch_or_by_hand_is_imported() {
    let Some(python) = peer_python() else { return };
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("checkpoint.pt");
    let output = Command::new(&python).arg(peer("make_checkpoint.py")).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let weights = memg_gateway::policy::import_pt::import_pt(&path).unwrap();
    let first = weights.layers()[0].weight[..3].to_vec();
    assert_eq!(first, [0.0, 1.0_f32.sin(), 2.0_f32.sin()]);
    eprintln!("written {}", text(&output).trim());
}
