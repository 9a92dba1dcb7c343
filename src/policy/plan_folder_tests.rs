use super::super::model::{ModelFolder, sha256_hex};
use super::super::weights::tests::rand_free::Lcg;
use super::*;
use memg_core::equipment::PlantParameters;
use memg_core::forecast::Forecaster;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const STEPS: usize = 12;

fn coefficients() -> Coefficients {
    let mut rng = Lcg(5);
    let mut rows = || (0..STEPS).map(|_| [(); REGRESSORS].map(|()| rng.next())).collect();
    Coefficients::new([(); 4].map(|()| rows())).unwrap()
}

fn record() -> PlanRecord {
    let error = ForecastError {
        forecaster: "ridge".to_owned(),
        data: "none".to_owned(),
        quantity: "wind_kw".to_owned(),
        forecasts: 3,
        mae_1h: 1.5,
        mae_24h: 7.25,
    };
    let fit = FitRecord { data: "random numbers".to_owned(), rows: 2, command: "none".to_owned() };
    PlanRecord { name: "plan".to_owned(), step_ms: 900_000, fit, forecast_error: vec![error] }
}

fn written() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("plan");
    write_plan(&dir, &coefficients(), &record()).unwrap();
    (home, dir)
}

fn edit(dir: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(dir.join(MANIFEST)).unwrap();
    assert!(text.contains(from), "{from:?} is not in model.toml:\n{text}");
    fs::write(dir.join(MANIFEST), text.replacen(from, to, 1)).unwrap();
}

/// Writes other coefficients with their right hash, as somebody would who made them by other means.
fn replace(dir: &Path, bytes: &[u8]) {
    let old = sha256_hex(&fs::read(dir.join(COEFFICIENTS)).unwrap());
    fs::write(dir.join(COEFFICIENTS), bytes).unwrap();
    edit(dir, &old, &sha256_hex(bytes));
}

fn refusal(dir: &Path) -> String {
    load_forecaster(dir, &Plant::reference()).expect_err("the folder should be refused").to_string()
}

#[test]
fn a_written_folder_loads_with_its_coefficients_and_its_record() {
    let (_home, dir) = written();
    let folder = PlanFolder::load(&dir).unwrap();
    assert_eq!(folder.coefficients, coefficients(), "bit for bit");
    assert_eq!((&folder.manifest().fit, &folder.manifest().forecast_error), (&record().fit, &record().forecast_error));
    assert_eq!(load_forecaster(&dir, &Plant::reference()).unwrap().name(), "ridge");
}

#[test]
fn a_plant_of_another_step_length_is_refused() {
    let (_home, dir) = written();
    let hourly = PlantParameters { step_h: 1.0, ..*Plant::reference().parameters() }.validate().unwrap();
    let said = load_forecaster(&dir, &hourly).expect_err("hourly steps").to_string();
    assert_eq!(said, "model.toml: step_ms: expected 3600000 as the plant's, found 900000");
    let spec = crate::PolicySpec::model(&dir.display().to_string(), crate::Runtime::Rust);
    let loaded = crate::load_policy(&spec, &hourly).err().map(|error| error.to_string());
    assert_eq!(loaded, Some(said), "and not only when it is asked first");
}

#[test]
fn other_quantities_regressors_formats_and_kinds_are_refused_by_key() {
    for (from, to, key) in [
        ("\"wind_kw\", \"electric_load_kw\"", "\"electric_load_kw\", \"wind_kw\"", "quantities"),
        ("\"heat_load_kw\"]", "]", "quantities"),
        ("memg-regressors/1", "memg-regressors/2", "regressors"),
        ("format = 1", "format = 2", "format"),
        ("step_ms = 900000", "step_ms = 0", "step_ms"),
        ("steps = 12", "steps = 13", "steps"),
        ("kind = \"planner\"", "kind = \"oracle\"", "kind"),
        ("kind = \"planner\"", "", "kind"),
        ("name = ", "gnome = ", "gnome"),
        ("\"forecast.safetensors\"", "\"../forecast.safetensors\"", "sha256"),
        ("\"forecast.safetensors\"", "\"other.safetensors\"", "sha256"),
    ] {
        let (_home, dir) = written();
        edit(&dir, from, to);
        let said = refusal(&dir);
        assert!(said.starts_with(MANIFEST) && said.contains(key), "{to:?}: {said}");
    }
}

#[test]
fn damaged_truncated_and_missing_coefficients_are_refused() {
    let (_home, dir) = written();
    let whole = fs::read(dir.join(COEFFICIENTS)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(dir.join(COEFFICIENTS), &flipped).unwrap();
    assert!(refusal(&dir).starts_with("forecast.safetensors: expected SHA-256"), "{}", refusal(&dir));
    fs::write(dir.join(COEFFICIENTS), &whole[..whole.len() - 4]).unwrap();
    assert!(refusal(&dir).starts_with("forecast.safetensors: expected SHA-256"), "{}", refusal(&dir));
    fs::write(dir.join(COEFFICIENTS), &whole).unwrap();
    replace(&dir, &whole[..whole.len() - 4]);
    assert!(refusal(&dir).starts_with("forecast.safetensors: "), "{}", refusal(&dir));
    fs::remove_file(dir.join(COEFFICIENTS)).unwrap();
    assert!(refusal(&dir).contains("forecast.safetensors: "), "{}", refusal(&dir));
}

#[test]
fn coefficients_that_are_no_numbers_or_too_few_are_refused_by_tensor() {
    let (_home, dir) = written();
    let mut bytes = fs::read(dir.join(COEFFICIENTS)).unwrap();
    // The last value of the file is one of the last tensor.
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    replace(&dir, &bytes);
    assert!(refusal(&dir).contains("wind_kw"), "{}", refusal(&dir));
    let zeros = vec![0; 4 * 2 * 3];
    let view = TensorView::new(Dtype::F32, vec![2, 3], &zeros).unwrap();
    replace(&dir, &safetensors::serialize([("pv_kw", view)], None).unwrap());
    assert!(refusal(&dir).contains("pv_kw") && refusal(&dir).contains("[2, 3]"), "{}", refusal(&dir));
}

#[test]
fn a_planner_is_no_network_and_a_network_no_planner() {
    let (_home, dir) = written();
    let said = ModelFolder::load(&dir).expect_err("it is no network").to_string();
    assert_eq!(said, "model.toml: kind: expected nothing (a network), found \"planner\"");
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/actor-10d");
    assert_eq!(refusal(Path::new(network)), "model.toml: kind: expected \"planner\", found nothing (a network)");
}

#[test]
fn the_policy_of_a_planners_folder_plans() {
    let (_home, dir) = written();
    let spec = crate::PolicySpec::model(&dir.display().to_string(), crate::Runtime::Rust);
    assert_eq!(crate::load_policy(&spec, &Plant::reference()).unwrap().name(), "plan");
    edit(&dir, "memg-regressors/1", "memg-regressors/0");
    let said = crate::load_policy(&spec, &Plant::reference()).err().unwrap().to_string();
    assert!(said.contains("regressors"), "{said}");
}

#[test]
fn writing_again_replaces_the_folder_and_leaves_no_other_behind() {
    let (home, dir) = written();
    write_plan(&dir, &coefficients(), &PlanRecord { name: "newer".to_owned(), ..record() }).unwrap();
    assert_eq!(PlanFolder::load(&dir).unwrap().manifest().name, "newer");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}
