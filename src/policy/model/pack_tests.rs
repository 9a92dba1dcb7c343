use super::super::{SAFETENSORS, plant_hash};
use super::*;
use crate::onnx::to_onnx;
use crate::weights::tests::random;
use memg_core::equipment::Plant;
use memg_core::observation::Divisors;
use std::path::PathBuf;
use tempfile::TempDir;

fn record() -> ModelRecord {
    let divisors = Divisors { wind_kw: 12.5, ..Divisors::VERSION_1 };
    ModelRecord {
        name: "foreign".to_owned(),
        plant_hash: plant_hash(&Plant::reference()),
        divisors,
        ..ModelRecord::default()
    }
}

fn target() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("model");
    (home, dir)
}

/// The file with one text in it replaced by another of the same length.
fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

fn refusal(bytes: &[u8], schema: Schema) -> String {
    let (home, dir) = target();
    let said = pack_onnx(&dir, bytes, schema, &record()).expect_err("it should be refused").to_string();
    assert!(!dir.exists() && std::fs::read_dir(home.path()).unwrap().count() == 0, "nothing is left of {said}");
    said
}

#[test]
fn a_network_of_three_dense_layers_is_packed_with_its_weights_and_runs_everywhere() {
    for schema in [Schema::TenD, Schema::Extended] {
        let (_home, dir) = target();
        let weights = random(schema, 32, 4);
        pack_onnx(&dir, &to_onnx(&weights), schema, &record()).unwrap();
        let folder = ModelFolder::load(&dir).unwrap();
        assert_eq!((folder.weights().unwrap(), folder.bytes(ONNX).unwrap()), (weights.clone(), &to_onnx(&weights)[..]));
        assert_eq!(folder.manifest().divisors, Some(record().divisors));
        assert_eq!(folder.golden(), &Golden::exact(&weights));
        assert!(folder.actor(Runtime::Rust).is_ok());
    }
}

#[test]
fn a_file_that_names_version_1_is_packed_over_the_divisors_of_version_1() {
    let (_home, dir) = target();
    let bytes = changed(&to_onnx(&random(Schema::TenD, 16, 1)), b"memg-10d/2", b"memg-10d/1");
    pack_onnx(&dir, &bytes, Schema::TenD, &record()).unwrap();
    let folder = ModelFolder::load(&dir).unwrap();
    assert_eq!((folder.manifest().schema, folder.manifest().divisors), (SchemaVersion::TenD1, None));
}

#[test]
fn graphs_that_do_not_fit_are_refused_in_words_and_leave_nothing_behind() {
    let ten = to_onnx(&random(Schema::TenD, 16, 1));
    assert!(refusal(&ten, Schema::Extended).contains("its metadata name the schema \"memg-10d/2\""));
    let unnamed = changed(&ten, b"\x06schema", b"\x06sketch");
    let said = refusal(&unnamed, Schema::Extended);
    assert_eq!(said, "actor.onnx: input: schema memg-extended/2 expects [batch, 58], found [batch, 10]");
    assert!(refusal(b"this is no model", Schema::TenD).contains("expected an ONNX model"));
    // ModelProto.graph.initializer with name "w" and data_location EXTERNAL.
    let external = [0x3a, 7, 0x2a, 5, 0x42, 1, b'w', 0x70, 1];
    assert!(
        refusal(&external, Schema::TenD).contains("\"w\" lies in another file; save the model with all data inside")
    );
    let weight = random(Schema::TenD, 16, 1).layers()[1].weight[7].to_le_bytes();
    let not_a_number = changed(&ten, &weight, &f32::NAN.to_le_bytes());
    assert!(refusal(&not_a_number, Schema::TenD).contains("l2.weight"), "{}", refusal(&not_a_number, Schema::TenD));
}

#[test]
fn packing_over_a_folder_replaces_it_whole() {
    let (home, dir) = target();
    for seed in [1, 2] {
        pack_onnx(&dir, &to_onnx(&random(Schema::TenD, 16, seed)), Schema::TenD, &record()).unwrap();
    }
    assert_eq!(ModelFolder::load(&dir).unwrap().weights().unwrap(), random(Schema::TenD, 16, 2));
    assert!(dir.join(SAFETENSORS).exists() && std::fs::read_dir(home.path()).unwrap().count() == 1);
}
