//! The architecture as a test: who may know whom, where the clock and `unsafe` are allowed, how long files and functions
//! may be. A plain scan of the text; tests and comments do not count for the layers.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Folder, words that must not occur in its code, and why.
const LAYERS: [(&str, &[&str], &str); 9] = [
    (
        "core/src",
        &["std::time", "std::fs", "std::net", "std::thread", "std::env", "std::process", "tokio", "println!"],
        "the domain has no I/O, no clock and no async: time and randomness come in as arguments",
    ),
    ("src/plant_io", &["crate::policy", "crate::train", "crate::control", "crate::daemon"], "drivers know no policy"),
    ("src/policy", &["plant_io", "crate::control", "crate::daemon", "Instant::now"], "policies know no plant"),
    ("src/train", &["plant_io", "crate::control", "crate::daemon"], "training knows no plant and no control"),
    ("src/evaluate", &["plant_io", "crate::control", "crate::daemon", "Instant::now"], "evaluation replays profiles"),
    (
        "src/control",
        &["modbus", "mqtt", "crate::daemon", "crate::cli", "Instant::now", "SystemTime::now"],
        "control knows no protocol and no clock",
    ),
    ("src/virtual_plant", &["crate::policy", "crate::train", "crate::control"], "the plant knows no controller"),
    ("src/daemon", &["crate::cli"], "the command line knows the daemon, not the other way round"),
    ("fmu/src", &["memg_gateway", "tokio"], "the FMU depends on the core alone"),
];

/// Folders in which `unsafe` may occur: the C interface of FMI, and vector kernels.
const UNSAFE: [&str; 3] = ["fmu/", "src/train/td3/fused/", "src/train/gradient/product.rs"];
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const SOURCES: [&str; 7] = ["core/src", "core/tests", "core/benches", "src", "fmu", "integration-tests", "tests"];

struct Source {
    /// Relative to the workspace, with forward slashes.
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in SOURCES {
        collect(&root, &root.join(folder), &mut found);
    }
    assert!(found.len() > 20, "the scan must see the sources");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// Numbered lines of code, without comments and without the tests at the end of the file.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let is_test =
        source.path.starts_with("tests/") || source.path.contains("/tests") || source.path.ends_with("tests.rs");
    let lines = source.text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.filter(move |_| !is_test).map(|(index, line)| (index + 1, line))
}

fn check(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn layers_know_only_what_is_below_them() {
    let mut problems = Vec::new();
    for source in sources() {
        for (folder, words, why) in LAYERS {
            if !source.path.starts_with(folder) {
                continue;
            }
            for (number, line) in code(&source) {
                let found = words.iter().filter(|word| line.contains(**word));
                problems.extend(found.map(|word| format!("{}:{number}: {word}: {why}", source.path)));
            }
        }
    }
    check(&problems);
}

#[test]
fn only_the_core_makes_set_points_that_may_be_written() {
    let outside = sources().into_iter().filter(|source| !source.path.starts_with("core/src/"));
    let makes = |source: &Source| code(source).any(|(_, line)| line.contains("SafeSetpoints::new("));
    let problems: Vec<_> = outside.filter(makes).map(|source| source.path).collect();
    check(&problems);
}

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let mut problems = Vec::new();
    for source in sources() {
        let allowed = UNSAFE.iter().any(|folder| source.path.starts_with(folder));
        let found = code(&source).find(|(_, line)| line.contains("unsafe {") || line.contains("unsafe fn"));
        if let (Some((number, _)), false) = (found, allowed) {
            problems.push(format!("{}:{number}: unsafe", source.path));
        }
    }
    check(&problems);
}

#[test]
fn files_and_functions_are_short_enough_to_read() {
    let mut problems = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            problems.push(format!("{}: {} lines, at most {FILE_LINES_MAX}", source.path, lines.len()));
        }
        for (start, length) in functions(&lines) {
            if length > FUNCTION_LINES_MAX {
                problems.push(format!("{}:{}: {length} lines, at most {FUNCTION_LINES_MAX}", source.path, start + 1));
            }
        }
    }
    check(&problems);
}

/// Start and length of each function: to the closing brace at the indentation of its `fn` (the code is formatted).
fn functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, usize)> + 'a {
    lines.iter().enumerate().filter_map(|(start, line)| {
        let body = line.trim_start();
        let is_function = ["fn ", "pub fn ", "const fn ", "pub const fn ", "async fn ", "pub async fn ", "unsafe fn "]
            .iter()
            .any(|keyword| body.starts_with(keyword))
            || (body.starts_with("pub(") && body.contains(") fn "));
        let end = format!("{}}}", &line[..line.len() - body.len()]);
        let rest = lines.get(start..).unwrap_or_default();
        (is_function && !body.ends_with("}"))
            .then(|| rest.iter().position(|l| *l == end))
            .flatten()
            .map(|n| (start, n + 1))
    })
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let text = "fn short() {\n}\n    pub fn long(\n    ) {\n        // unsafe {\n    }\n#[cfg(test)]\nmod tests { unsafe { } }";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(functions(&lines).collect::<Vec<_>>(), [(0, 2), (2, 4)]);
    let source = Source { path: "src/a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(code(&source).count(), 5);
}
