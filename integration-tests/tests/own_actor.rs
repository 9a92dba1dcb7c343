//! The worked example of an actor from elsewhere (`examples/own-actor/README.md`), its commands run as they are written.

use memg_integration_tests::gateway_process::{gateway, text};
use memg_integration_tests::peer_is_there;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Python with the packages of peers/requirements-model.txt, if there is one.
fn peer_python() -> Option<String> {
    let python = std::env::var("MEMG_PEER_PYTHON").unwrap_or_else(|_| "integration-tests/.venv/bin/python".to_owned());
    peer_is_there(&python).then_some(python)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the repository")
}

/// The commands of the README's first block.
fn commands() -> String {
    let readme = std::fs::read_to_string(repository().join("examples/own-actor/README.md")).expect("a README");
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("a block of commands").to_owned()
}

/// A folder that looks like the repository's, with `gateway` and `python` on its path.
fn workplace(python: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    for folder in ["config", "examples", "models"] {
        std::os::unix::fs::symlink(repository().join(folder), home.path().join(folder)).expect("a link");
    }
    std::fs::create_dir(home.path().join("bin")).expect("a folder");
    // Not a link: a virtual environment's Python looks for its packages beside itself.
    let script = |program: &Path| format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.display());
    for (name, program) in [("gateway", gateway()), ("python", &repository().join(python))] {
        let file = home.path().join("bin").join(name);
        std::fs::write(&file, script(program)).expect("written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(file, executable).expect("executable");
    }
    home
}

fn shell(home: &Path, commands: &str) -> Output {
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", commands]).current_dir(home).env("PATH", path).env("XDG_CACHE_HOME", home);
    command.output().expect("a shell")
}

#[test]
fn an_actor_from_elsewhere_is_trained_packed_judged_and_run_as_the_readme_says() {
    let Some(python) = peer_python() else { return };
    let home = workplace(&python);
    let output = shell(home.path(), &commands());
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("memg-extended/2 network 58-128-128-3") && said.contains("identical"), "{said}");
    let judged =
        "gateway evaluate --json --model own-actor --profile config/profiles/site-a-2016.csv --month-days 20-24";
    let found: serde_json::Value = serde_json::from_slice(&shell(home.path(), judged).stdout).expect("JSON");
    // 0.82 where the README was written; sums of another processor's BLAS train slightly other weights.
    let regret = found["regret_to_rule"].as_f64().expect("a number");
    assert!(found["violations"] == 0 && (0.4..1.0).contains(&regret), "{regret}");
    assert!(found["starts"].as_u64().is_some_and(|starts| starts > 0), "it runs the CHP");
}

#[test]
fn graphs_that_only_onnx_runtime_can_run_are_packed_for_it_and_those_that_do_not_fit_are_refused() {
    let Some(python) = peer_python() else { return };
    let home = workplace(&python);
    let environment = repository().join(&python).parent().and_then(Path::parent).expect("an environment").to_owned();
    let run =
        |commands: &str| shell(home.path(), &format!("export VIRTUAL_ENV='{}'\n{commands}", environment.display()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/foreign_onnx.py");
    let pack = |kind: &str, schema: &str| {
        let made = format!("rm -rf out actor.onnx actor.data\npython {} {kind} actor.onnx\n", script.display());
        let output = run(&format!("{made}gateway model pack actor.onnx --out out --schema {schema}"));
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    };
    let (fine, said) = pack("leaky", "10d");
    assert!(fine && said.contains("memg-10d/2 network 10-?-3") && said.contains("ort:out"), "{said}");
    let judged = "gateway evaluate --no-bound --json --profile config/profiles/site-a-2016.csv --month-days 20-20";
    for policy in ["--model ort:out", "--policy ort:./out"] {
        let output = run(&format!("{judged} {policy}"));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!((&found["policy"], &found["violations"]), (&"out".into(), &0.into()), "{policy}");
    }
    let plain = run(&format!("{judged} --model out"));
    assert!(!plain.status.success() && text(&plain.stderr).contains("write ort:out"), "{}", text(&plain.stderr));
    for (kind, schema, words) in [
        ("open", "10d", "expected 3 finite numbers in [-1, 1]"),
        ("nan", "10d", "expected 3 finite numbers in [-1, 1]"),
        ("leaky", "extended", "input: expected one float32 tensor [batch, 58], found"),
        ("four", "10d", "output: expected one float32 tensor [batch, 3], found"),
        ("external", "10d", "lies in another file"),
    ] {
        let (fine, said) = pack(kind, schema);
        assert!(!fine && said.contains(words), "{kind}: {said}");
        assert!(!home.path().join("out").exists(), "{kind}");
    }
}
