//! Every crate in the lock file may be used by everyone: permissive licences only, and none of the crates whose licence
//! forbids what this project does. What `cargo deny` would check, without building it.
//!
//! One exception stands behind a feature: the OPC UA library is MPL-2.0, which may be linked with anything and asks that changes to its
//! own files are published. A program built without that feature has none of it.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use serde_json::Value;
use std::process::Command;

/// Any one of these suffices where a crate offers a choice.
const PERMISSIVE: [&str; 14] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Zlib",
    "0BSD",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
];
const FORBIDDEN: [&str; 4] = ["rodbus", "dnp3", "iec60870-5", "lib60870"];
/// Crates of the exception begin with this; they come with the feature and with nothing else.
const MPL_CRATES: &str = "async-opcua";
const MPL_FEATURE: &str = "opcua";

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// An SPDX expression of AND, OR and parentheses, as crates write it (`/` is an old form of OR).
fn is_permissive(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    let all = |terms: &str| terms.split(" AND ").all(|term| PERMISSIVE.contains(&term.trim()));
    // Without parentheses AND binds tighter; an expression that mixes both is judged more strictly than it reads.
    if expression.contains(" AND ") && expression.contains(" OR ") {
        return expression.split(" OR ").any(all) && expression.split(" AND ").all(|part| part.split(" OR ").any(all));
    }
    expression.split(" OR ").any(all)
}

#[test]
fn every_dependency_is_permissively_licensed_and_none_is_forbidden() {
    let packages = packages();
    assert!(packages.len() > 100, "only {} packages were looked at", packages.len());
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none stated");
        let is_exception = name.starts_with(MPL_CRATES) && licence == "MPL-2.0";
        if FORBIDDEN.contains(&name) || !(is_permissive(licence) || is_exception) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Names of the crates that the program is built from with these features besides the default ones.
fn built_from(features: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", "memg-gateway", "-e", "normal,build", "--prefix", "none", "-f", "{p}"])
        .args(["--features", features])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.split_whitespace().next().map(ToOwned::to_owned)).collect()
}

#[test]
fn what_is_not_permissive_comes_with_its_feature_alone() {
    let with = |features: &str| built_from(features).iter().any(|name| name.starts_with(MPL_CRATES));
    assert!(with(MPL_FEATURE), "the exception is not used any more: remove it");
    assert!(!with("iec104"), "it comes without {MPL_FEATURE}");
}

#[test]
fn licence_expressions_are_read_as_they_mean() {
    for yes in ["MIT OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT AND BSD-3-Clause"] {
        assert!(is_permissive(yes), "{yes}");
    }
    for no in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "none stated"] {
        assert!(!is_permissive(no), "{no}");
    }
}
