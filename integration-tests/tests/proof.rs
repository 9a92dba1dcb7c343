//! `gateway check --prove` with z3 as the judge, and without it.

use memg_integration_tests::gateway_process::{gateway, text};
use std::path::PathBuf;
use std::process::{Command, Output};

fn shipped(file: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config").join(file).display().to_string()
}

fn prove(config: &str, more: &[&str], path: Option<&str>) -> Output {
    let mut command = Command::new(gateway());
    command.args(["check", config, "--prove"]).args(more);
    path.into_iter().for_each(|path| {
        command.env("PATH", path);
    });
    command.output().expect("it runs")
}

/// z3's first word on a file.
fn z3(file: &std::path::Path) -> String {
    let output = Command::new("z3").arg("-T:20").arg(file).output().expect("z3");
    text(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn z3_proves_every_lemma_of_a_site_and_refutes_one_whose_limit_is_a_watt_less() {
    let folder = tempfile::tempdir().expect("a folder");
    let smt = folder.path().join("smt");
    let found = prove(&shipped("gateway.toml"), &["--smt", &smt.display().to_string()], None);
    let said = text(&found.stdout);
    assert!(found.status.success(), "{said}{}", text(&found.stderr));
    assert!(said.contains("Z3 version"), "{said}");
    assert_eq!(said.matches("holds: proved").count(), 5, "{said}");
    let stop = smt.join("safe-stop.smt2");
    assert_eq!(z3(&stop), "unsat");
    let (plain, brakes) = (std::fs::read_to_string(&stop).expect("a file"), smt.join("battery-1-charging-brakes.smt2"));
    // Import at most 100 kW, load at most 100 kW: a watt less would not do.
    let tighter = plain.replace("exchange 100000.0", "exchange 99999.0");
    assert_ne!(plain, tighter);
    std::fs::write(&stop, tighter).expect("a file");
    assert_eq!(z3(&stop), "sat");
    assert_eq!(z3(&brakes), "unsat");
    // A battery that brakes by a watt less than the filter counts on.
    let text = std::fs::read_to_string(&brakes).expect("a file");
    let slower =
        text.replace("(define-fun next () Real (over p 10000.0))", "(define-fun next () Real (over p 9999.0))");
    assert_ne!(text, slower);
    std::fs::write(&brakes, slower).expect("a file");
    assert_eq!(z3(&brakes), "sat");
}

#[test]
fn without_z3_the_lemmas_are_held_as_arithmetic() {
    let found = prove(&shipped("gateway.toml"), &[], Some("/nowhere"));
    let said = text(&found.stdout);
    assert!(found.status.success() && said.contains("z3 is not installed"), "{said}{}", text(&found.stderr));
    assert_eq!(said.matches("holds: as arithmetic").count(), 5, "{said}");
}
