//! `gateway check --prove`: the lemmas that property P rests on (docs/safety-case.md), stated with the numbers of this site, decided by z3
//! where that program is installed, and as arithmetic everywhere.

mod lemmas;
mod solver;

use anyhow::{Context, Result};
use lemmas::{Lemma, lemmas};
use memg_core::equipment::Plant;
use solver::Verdict;
use std::path::Path;
use std::process::ExitCode;

/// Prints every lemma with what became of it, and writes them to `folder`; status 1 unless all of them hold.
pub(super) fn prove(plant: &Plant, folder: Option<&Path>) -> Result<ExitCode> {
    let lemmas = lemmas(plant);
    if let Some(folder) = folder {
        write(&lemmas, folder).with_context(|| folder.display().to_string())?;
    }
    match solver::version() {
        Some(version) => println!("\nProperty P, lemma by lemma; {version} decides them from the site's own numbers"),
        None => println!("\nProperty P, lemma by lemma; as arithmetic, z3 is not installed"),
    }
    let held = lemmas.iter().filter(|lemma| holds(lemma)).count();
    println!("  {held} of {} hold", lemmas.len());
    Ok(if held == lemmas.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn holds(lemma: &Lemma) -> bool {
    let decided = lemma.smt.as_deref().map_or(Verdict::NotAsked, solver::decide);
    let holds = lemma.holds && matches!(decided, Verdict::Proved | Verdict::NotAsked | Verdict::Undecided);
    let verdict = match decided {
        Verdict::Proved => "proved",
        Verdict::Refuted => "REFUTED",
        Verdict::Undecided => "not decided by z3 in time; as arithmetic",
        Verdict::NotAsked => "as arithmetic",
    };
    println!("  {:<24} {}: {verdict}", lemma.name, if holds { "holds" } else { "DOES NOT HOLD" });
    for line in &lemma.words {
        println!("      {line}");
    }
    holds
}

/// As SMT-LIB 2, for a solver of the reader's own: each is `unsat` if its lemma holds.
fn write(lemmas: &[Lemma], folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let texts = lemmas.iter().filter_map(|lemma| Some((&lemma.name, lemma.smt.as_ref()?)));
    texts.into_iter().try_for_each(|(name, smt)| std::fs::write(folder.join(format!("{name}.smt2")), smt))
}
