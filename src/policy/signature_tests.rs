//! Signed folders: whole, changed in every byte, signed by somebody else, not signed.

use super::*;
use crate::{PolicySpec, Runtime, load_trusted};
use memg_core::equipment::Plant;
use tempfile::TempDir;

/// A copy of a shipped folder, and a place for keys.
fn folder(model: &str) -> (TempDir, std::path::PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(model);
    let dir = place.path().join("model");
    fs::create_dir(&dir).unwrap();
    for entry in fs::read_dir(shipped).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    (place, dir)
}

/// A new key; its public half and the text of its file.
fn key(place: &TempDir, name: &str) -> (PublicKey, String) {
    let file = place.path().join(name);
    let public = make_key(&file).unwrap();
    (public, fs::read_to_string(file).unwrap())
}

fn loads(dir: &Path, trust: &Trust) -> Result<(), ModelError> {
    let spec = PolicySpec::Model { dir: dir.to_owned(), runtime: Runtime::Rust };
    load_trusted(&spec, &Plant::reference(), trust).map(drop)
}

#[test]
fn a_signed_folder_loads_where_its_key_is_trusted_and_nowhere_else() {
    for model in ["plan", "actor-10d"] {
        let (place, dir) = folder(model);
        let ((own, text), (other, _)) = (key(&place, "own"), key(&place, "other"));
        let (trusting, strange) = (Trust::in_keys(vec![other, own]), Trust::in_keys(vec![other]));
        let missing = loads(&dir, &trusting).unwrap_err().to_string();
        assert!(missing.contains("model.sig: missing"), "{missing}");
        loads(&dir, &Trust::default()).unwrap();
        assert_eq!((sign(&dir, &text), signer(&dir)), (Ok(own), Ok(Some(own))));
        loads(&dir, &trusting).unwrap();
        let refused = loads(&dir, &strange).unwrap_err().to_string();
        assert!(refused.contains(&own.to_string()) && refused.contains("none of [policy] trusted_keys"), "{refused}");
    }
}

#[test]
fn no_flipped_bit_of_manifest_or_signature_is_let_through_and_nothing_is_parsed_before() {
    let (place, dir) = folder("plan");
    let (own, text) = key(&place, "own");
    sign(&dir, &text).unwrap();
    let trust = Trust::in_keys(vec![own]);
    for file in [MANIFEST, SIGNATURE] {
        let whole = fs::read(dir.join(file)).unwrap();
        for bit in (0..whole.len() * 8).step_by(7) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(dir.join(file), &bytes).unwrap();
            // Upper and lower case of a digit are one number, and one blank is like another.
            let same = file == SIGNATURE
                && String::from_utf8(bytes).is_ok_and(|text| {
                    let words =
                        |text: &str| text.to_lowercase().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                    text.starts_with(SIGNATURE_HEAD) && words(&text) == words(std::str::from_utf8(&whole).unwrap())
                });
            let found = loads(&dir, &trust);
            let refused = matches!(&found, Err(ModelError::Signature { .. } | ModelError::File { .. }));
            assert!(same || refused, "bit {bit} of {file}: {found:?}");
        }
        fs::write(dir.join(file), &whole).unwrap();
    }
    loads(&dir, &trust).unwrap();
}

#[test]
fn a_signature_of_another_folder_is_worth_nothing_here() {
    let ((place, dir), (_other, elsewhere)) = (folder("plan"), folder("actor-10d"));
    let (own, text) = key(&place, "own");
    sign(&elsewhere, &text).unwrap();
    fs::copy(elsewhere.join(SIGNATURE), dir.join(SIGNATURE)).unwrap();
    let refused = loads(&dir, &Trust::in_keys(vec![own])).unwrap_err().to_string();
    assert!(refused.contains("model.toml is not what"), "{refused}");
}

#[test]
fn a_key_is_made_once_and_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("key");
    let public = make_key(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(make_key(&file).unwrap_err().contains("exists"), "a key is never overwritten");
    assert_eq!(public.to_string().parse(), Ok(public));
    for wrong in ["", "12", &"g".repeat(64), &"a".repeat(66)] {
        assert_eq!(wrong.parse::<PublicKey>(), Err(NoKey), "{wrong}");
    }
    let (_folder, dir) = folder("plan");
    for wrong in ["", "memg-signing-key/1", "memg-signing-key/1 zz", "memg-signing-key/1 00ff"] {
        assert!(sign(&dir, wrong).is_err(), "{wrong}");
    }
    assert_eq!(signer(&dir), Ok(None));
}
