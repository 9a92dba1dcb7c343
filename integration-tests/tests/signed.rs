//! Signed model folders through the program: a key is made, a folder signed, and a gateway that trusts the key takes no other.

use memg_integration_tests::gateway_process::gateway;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn copied(model: &str, to: &Path) -> PathBuf {
    let dir = to.join(model);
    std::fs::create_dir(&dir).unwrap();
    for entry in std::fs::read_dir(Path::new(ROOT).join("models").join(model)).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    dir
}

/// The shipped configuration with a model beside it, and with keys that it trusts.
fn configured(home: &Path, trusted: &str) {
    let shipped = std::fs::read_to_string(Path::new(ROOT).join("config/gateway.toml")).unwrap();
    let beside = shipped.replace("../models/actor-10d", "./plan");
    let text = beside.replace("[journal]", &format!("{trusted}\n[journal]"));
    let text = ["sites/", "profiles/"]
        .iter()
        .fold(text, |text, folder| text.replace(&format!("\"{folder}"), &format!("\"{ROOT}/config/{folder}")));
    std::fs::write(home.join("gateway.toml"), text).unwrap();
}

#[test]
fn a_gateway_that_trusts_a_key_takes_no_folder_that_it_has_not_signed() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Command::new(gateway()).args(args).current_dir(home.path()).output().unwrap();
    let dir = copied("plan", home.path());
    let made = run(&["model", "key", "own.key"]);
    let told = text(&made);
    let trusted = told.lines().find(|line| line.starts_with("trusted_keys")).unwrap_or_else(|| panic!("{told}"));
    configured(home.path(), trusted);

    let check = text(&run(&["check", "gateway.toml"]));
    assert!(check.contains("model.sig: missing") && check.contains("the good rule would decide"), "{check}");
    let signed = run(&["model", "sign", "plan", "--key", "own.key"]);
    assert!(signed.status.success() && text(&signed).contains("plan: signed by"), "{}", text(&signed));
    let check = run(&["check", "gateway.toml"]);
    assert!(check.status.success() && text(&check).contains("signed by"), "{}", text(&check));
    let summary = text(&run(&["run", "gateway.toml", "--for", "1h", "--json"]));
    assert!(!summary.contains("model.sig"), "{summary}");

    let manifest = dir.join("model.toml");
    let changed = std::fs::read_to_string(&manifest).unwrap() + "\n";
    std::fs::write(&manifest, changed).unwrap();
    let check = text(&run(&["check", "gateway.toml"]));
    assert!(check.contains("model.toml is not what"), "{check}");
    let log = text(&run(&["run", "gateway.toml", "--for", "1h", "--json"]));
    assert!(log.contains("model.toml is not what") && log.contains("the good rule decides"), "{log}");
    let show = run(&["model", "show", "plan"]);
    assert!(!show.status.success() && text(&show).contains("model.toml is not what"), "{}", text(&show));

    configured(home.path(), "trusted_keys = [\"12\"]");
    let check = text(&run(&["check", "gateway.toml"]));
    assert!(check.contains("policy.trusted_keys[0]: expected a public key of 64"), "{check}");
}

#[test]
fn a_key_that_others_can_read_signs_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Command::new(gateway()).args(args).current_dir(home.path()).output().unwrap();
    copied("plan", home.path());
    assert!(run(&["model", "key", "own.key"]).status.success());
    assert!(!run(&["model", "key", "own.key"]).status.success(), "it is not overwritten");
    std::fs::set_permissions(home.path().join("own.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&["model", "sign", "plan", "--key", "own.key"]);
    assert!(!refused.status.success() && text(&refused).contains("chmod"), "{}", text(&refused));
    assert!(text(&run(&["model", "show", "plan"])).contains("signed by     nobody"));
}
