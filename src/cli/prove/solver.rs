//! z3 as a program of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Longest time for one lemma, s.
const WITHIN_S: u32 = 20;

/// What z3 says of a lemma's negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no counter-example.
    Proved,
    /// There is one.
    Refuted,
    /// It took too long, or z3 failed.
    Undecided,
    /// z3 is not installed.
    NotAsked,
}

/// Its name and version; `None`: it is not installed.
pub(super) fn version() -> Option<String> {
    let output = Command::new("z3").arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().filter(|_| output.status.success()).map(|line| line.trim().to_owned())
}

/// Asks whether the negation of a lemma has a model.
pub(super) fn decide(smt: &str) -> Verdict {
    let mut z3 = Command::new("z3");
    z3.args(["-in", &format!("-T:{WITHIN_S}")]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut running) = z3.spawn() else { return Verdict::NotAsked };
    let asked = running.stdin.take().map(|mut stdin| stdin.write_all(smt.as_bytes()));
    let (Some(Ok(())), Ok(output)) = (asked, running.wait_with_output()) else { return Verdict::Undecided };
    match String::from_utf8_lossy(&output.stdout).lines().next().map(str::trim) {
        Some("unsat") => Verdict::Proved,
        Some("sat") => Verdict::Refuted,
        _ => Verdict::Undecided,
    }
}
