use super::super::weights::tests::random;
use super::super::{PolicySpec, ReloadablePolicy, load_policy};
use super::*;
use memg_core::action::Action;
use memg_core::equipment::{Margins, Plant, PlantParameters};
use memg_core::forecast::REGRESSORS;
use memg_core::memory::ControlMemory;
use memg_core::observation::{Divisors, Observation, Schema};
use memg_core::policy::{Policy, PolicyError, PolicyInput};
use memg_core::units::Soc;
use std::fs;
use tempfile::TempDir;

fn record(name: &str) -> ModelRecord {
    let training = TrainingRecord { description: "random weights".to_owned(), ..TrainingRecord::default() };
    let evaluation = vec![EvaluationRow {
        policy: name.to_owned(),
        data: "none".to_owned(),
        days: 1,
        cost_eur_per_day: 12.5,
        cvar95_eur_per_day: 13.0,
        violations: 0,
        chp_starts: 2,
    }];
    let plant_hash = plant_hash(&Plant::reference());
    ModelRecord { name: name.to_owned(), plant_hash, training, evaluation, ..ModelRecord::default() }
}

fn written(schema: Schema) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("model");
    write_model(&dir, &random(schema, 64, 11), &record("model")).unwrap();
    (home, dir)
}

fn edit(dir: &Path, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(dir.join(file)).unwrap();
    assert!(text.contains(from), "{from:?} is not in {file}:\n{text}");
    fs::write(dir.join(file), text.replacen(from, to, 1)).unwrap();
}

/// Writes a file and its right hash, as somebody would who made the model by other means.
fn replace(dir: &Path, file: &str, bytes: &[u8]) {
    let old = sha256_hex(&fs::read(dir.join(file)).unwrap());
    fs::write(dir.join(file), bytes).unwrap();
    edit(dir, MANIFEST, &old, &sha256_hex(bytes));
}

fn refusal(dir: &Path) -> String {
    ModelFolder::load(dir).expect_err("the model should be refused").to_string()
}

#[test]
fn a_written_model_loads_with_its_weights_and_its_record() {
    for schema in [Schema::TenD, Schema::Extended, Schema::Forecast] {
        let (_home, dir) = written(schema);
        let folder = ModelFolder::load(&dir).unwrap();
        assert_eq!(folder.weights().unwrap(), random(schema, 64, 11));
        assert_eq!(folder.manifest().training, record("model").training);
        assert_eq!(folder.manifest().evaluation, record("model").evaluation);
        assert!(folder.manifest().is_for(&Plant::reference()));
        assert!(folder.golden().rows().len() >= 32);
    }
}

#[test]
fn a_model_is_for_a_plant_whatever_its_meters_but_for_no_other_battery() {
    let (_home, dir) = written(Schema::TenD);
    let reference = *Plant::reference().parameters();
    let is_for = |parameters: PlantParameters| {
        ModelFolder::load(&dir).unwrap().manifest().is_for(&parameters.validate().unwrap())
    };
    let metered = PlantParameters { margins: Margins { power_kw: 0.3, ..Margins::NONE }, ..reference };
    assert!(is_for(reference) && is_for(metered));
    let mut priced = reference;
    priced.costs.fixed_import_eur_per_kwh = Some(0.15);
    assert!(is_for(priced));
    let mut other = reference;
    other.battery.edit(|battery| battery.capacity_kwh = 200.0);
    assert!(!is_for(other));
}

#[test]
fn every_runtime_reproduces_the_golden_outputs() {
    let (_home, dir) = written(Schema::TenD);
    let folder = ModelFolder::load(&dir).unwrap();
    for runtime in Runtime::ALL {
        match folder.actor(runtime) {
            Ok(mut actor) => assert!(folder.golden().check(&mut actor).unwrap() <= TOLERANCE),
            // ONNX Runtime is not everywhere; then the error tells how to get it.
            Err(error) if runtime == Runtime::Ort && runtime.is_built() => {
                assert!(error.to_string().contains("pip install onnxruntime"), "{error}");
            }
            Err(error) => assert!(!runtime.is_built() && error.to_string().contains("--features"), "{error}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_any_file_is_found_by_its_hash() {
    for file in [SAFETENSORS, ONNX, GOLDEN] {
        let (_home, dir) = written(Schema::TenD);
        let mut bytes = fs::read(dir.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(dir.join(file), bytes).unwrap();
        assert!(matches!(ModelFolder::load(&dir), Err(ModelError::Hash { file: found, .. }) if found == file));
    }
}

#[test]
fn wrong_keys_are_named_with_what_was_expected_and_found() {
    let cases = [
        ("format = 1", "format = 2", "format: expected 1, found 2"),
        ("memg-10d/2", "memg-10d/9", "unknown variant `memg-10d/9`"),
        ("memg-3d/1", "memg-4d/1", "action_map: expected memg-3d/1, found memg-4d/1"),
        ("input = 10", "input = 11", "shapes.input: expected 10, found 11"),
        ("memg-10d/2", "memg-extended/2", "shapes.input: expected"),
        ("memg-10d/2", "memg-10d/1", "divisors: expected given, found a table"),
        ("wind_kw = 40", "wind_kw = -40", "divisors: expected given, found a number that is negative"),
        ("[64, 64]", "[64, 32]", "shapes.hidden: expected [64, 64]"),
        ("\"actor.onnx\" =", "\"../actor.onnx\" =", "plain file name"),
        ("\"golden.csv\" =", "\"silver.csv\" =", "silver.csv"),
        ("name = ", "nickname = ", "nickname"),
    ];
    for (from, to, expected) in cases {
        let (_home, dir) = written(Schema::TenD);
        edit(&dir, MANIFEST, from, to);
        let error = refusal(&dir);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn weights_that_do_not_compute_the_golden_outputs_are_refused_although_their_hash_is_right() {
    let (_home, dir) = written(Schema::TenD);
    replace(&dir, SAFETENSORS, &random(Schema::TenD, 64, 12).to_safetensors().unwrap());
    assert!(refusal(&dir).starts_with("golden.csv: line 2: expected"), "{}", refusal(&dir));
}

#[test]
fn an_actor_that_answers_nan_fails_the_golden_check() {
    struct Broken;
    impl Actor for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn schema(&self) -> Schema {
            Schema::TenD
        }
        fn infer(&mut self, _: &Observation) -> Result<Action, PolicyError> {
            Ok(Action([f32::NAN, 0.0, 0.0]))
        }
    }
    let golden = Golden::record(&mut Broken).unwrap();
    assert!(golden.check(&mut Broken).is_err());
}

#[test]
fn golden_rows_that_are_short_or_not_numbers_are_refused_by_line() {
    for (from, to) in
        [("\n0,0,", "\n0,"), ("\n0,0,", "\nNaN,0,"), ("\n0,0,", "\n0,zero,"), ("observation_0", "input_0")]
    {
        let (_home, dir) = written(Schema::TenD);
        let text = fs::read_to_string(dir.join(GOLDEN)).unwrap().replacen(from, to, 1);
        replace(&dir, GOLDEN, text.as_bytes());
        let line = if from.starts_with('\n') { 2 } else { 1 };
        assert!(matches!(ModelFolder::load(&dir), Err(ModelError::Golden { line: found, .. }) if found == line));
    }
}

#[test]
fn a_graph_of_another_schema_or_with_data_elsewhere_is_refused() {
    let (_home, dir) = written(Schema::TenD);
    replace(&dir, ONNX, &crate::onnx::to_onnx(&random(Schema::Extended, 64, 11)));
    assert_eq!(refusal(&dir), "actor.onnx: metadata schema: expected memg-10d/2, found memg-extended/2");
    // ModelProto.graph.initializer with name "w" and data_location EXTERNAL.
    replace(&dir, ONNX, &[0x3a, 7, 0x2a, 5, 0x42, 1, b'w', 0x70, 1]);
    assert!(refusal(&dir).contains("\"w\" lies in another file"), "{}", refusal(&dir));
}

#[test]
fn a_failed_reload_keeps_the_last_good_model() {
    let (_home, dir) = written(Schema::TenD);
    let spec = PolicySpec::Model { dir: dir.clone(), runtime: Runtime::Rust };
    let mut policy = ReloadablePolicy::load(spec, Plant::reference()).unwrap();
    fs::write(dir.join(SAFETENSORS), "damaged").unwrap();
    assert!(matches!(policy.reload(), Err(ModelError::Hash { .. })));
    assert_eq!(policy.name(), "model");
    write_model(&dir, &random(Schema::TenD, 32, 1), &record("newer")).unwrap();
    policy.reload().unwrap();
    assert_eq!(policy.name(), "newer");
}

#[test]
fn writing_over_a_model_leaves_no_other_folder_behind() {
    let (home, dir) = written(Schema::TenD);
    let with_slash = PathBuf::from(format!("{}/", dir.display()));
    write_model(&with_slash, &random(Schema::TenD, 32, 1), &record("newer")).unwrap();
    assert_eq!(ModelFolder::load(&dir).unwrap().manifest().name, "newer");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn rules_and_missing_folders_are_answered_without_a_panic() {
    let rule = PolicySpec::Rule("rule".to_owned());
    assert_eq!(load_policy(&rule, &Plant::reference()).unwrap().name(), "rule");
    let nowhere = PolicySpec::Model { dir: PathBuf::from("/nowhere"), runtime: Runtime::Rust };
    let error = load_policy(&nowhere, &Plant::reference()).err().unwrap();
    assert!(error.to_string().contains("/nowhere/model.toml"), "{error}");
}

/// A model that sees forecasts of twice what is now, and its folder.
fn foreseeing() -> (TempDir, PathBuf) {
    let mut row = [0.0; REGRESSORS];
    row[0] = 2.0;
    let rows = || vec![row; 144];
    let ridge = Ridge::new(Coefficients::new([rows(), rows(), rows(), rows()]).unwrap(), 900_000);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("model");
    let record = ModelRecord { forecaster: Some(ridge), divisors: Divisors::VERSION_1, ..record("model") };
    write_model(&dir, &random(Schema::Forecast, 64, 11), &record).unwrap();
    (home, dir)
}

#[test]
fn a_model_that_sees_forecasts_brings_its_forecaster() {
    let (_home, dir) = foreseeing();
    let ridge = ModelFolder::load(&dir).unwrap().forecaster().unwrap().expect("a forecaster");
    assert_eq!((ridge.coefficients().leads(), ridge.step_ms()), (144, 900_000));
    let mut policy =
        load_policy(&PolicySpec::model(&dir.display().to_string(), Runtime::Rust), &Plant::reference()).unwrap();
    let day = memg_core::synthetic::profile(2, 1);
    let (block, at) = (0..day.rows().len(), 150);
    let (situation, memory) = (day.rows()[at].situation(Soc::new(0.5)), ControlMemory::at_rest());
    let known = day.view(&block, at, 4);
    let asked = |plant: &Plant, policy: &mut dyn Policy| {
        policy.act(&PolicyInput { plant, situation: &situation, memory: &memory, known: &known })
    };
    let plant = Plant::reference();
    let seen = asked(&plant, policy.as_mut()).unwrap().observation.expect("an observation");
    let load_now = situation.electric_load.get() / 100.0;
    let net = |at: usize| f64::from(seen.values()[at]);
    let (pv, wind) = (net(81) * 60.0 / 100.0, net(85) * 40.0 / 100.0);
    let mean_of_day = (4.0 * (net(61) + net(62) + net(63))) / 12.0;
    assert!((mean_of_day + pv + wind - 2.0 * load_now).abs() < 1e-4, "{seen:?}");
    let mut hourly = *plant.parameters();
    hourly.step_h = 1.0;
    let refused = asked(&hourly.validate().unwrap(), policy.as_mut()).unwrap_err();
    assert_eq!(refused, PolicyError::StepLength { fitted_ms: 900_000, plant_ms: 3_600_000 });
}

#[test]
fn a_forecaster_that_is_not_the_models_is_refused() {
    let (_home, dir) = foreseeing();
    edit(&dir, MANIFEST, "step_ms = 900000", "step_ms = 3600000");
    assert!(refusal(&dir).contains("forecaster.step_ms: expected 900000"), "{}", refusal(&dir));
    edit(&dir, MANIFEST, "step_ms = 3600000", "step_ms = 900000");
    edit(&dir, MANIFEST, "memg-regressors/1", "memg-regressors/0");
    assert!(refusal(&dir).contains("forecaster.regressors"), "{}", refusal(&dir));
    let (_home, dir) = foreseeing();
    let path = dir.join(COEFFICIENTS);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(ModelFolder::load(&dir), Err(ModelError::Hash { file, .. }) if file == COEFFICIENTS));
    let (_home, dir) = written(Schema::TenD);
    edit(
        &dir,
        MANIFEST,
        "[training]",
        "[forecaster]\nstep_ms = 900000\nregressors = \"memg-regressors/1\"\n\n[training]",
    );
    assert!(refusal(&dir).contains("forecaster: expected a model with forecasts"), "{}", refusal(&dir));
}
