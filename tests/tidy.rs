//! What the compiler and clippy do not keep: that the domain has no I/O, where `unsafe` is allowed, how long files and
//! functions may be. A plain scan of the text; tests and comments do not count for the first two. Who may know whom is a
//! matter of packages, clocks in core and control one of their `clippy.toml`.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the domain does not do: it comes in as arguments. Clocks are refused by `core/clippy.toml`.
const NO_IO: [&str; 6] = ["std::fs", "std::net", "std::thread", "std::env", "std::process", "println!"];

/// Folders in which `unsafe` may occur: the C interface of FMI, and vector kernels.
const UNSAFE: [&str; 3] = ["fmu/", "src/train/td3/fused/", "src/train/gradient/product.rs"];
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const SOURCES: [&str; 9] =
    ["core/src", "core/tests", "core/benches", "src", "fmu", "integration-tests", "python/src", "tests", "benches"];

struct SourceFile {
    /// Relative to the workspace, with forward slashes.
    path: String,
    text: String,
}

fn sources() -> Vec<SourceFile> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in SOURCES {
        collect(&root, &root.join(folder), &mut found);
    }
    assert!(found.len() > 20, "the scan must see the sources");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            found.push(SourceFile { path, text });
        }
    }
}

/// Numbered lines of code, without comments and without the tests at the end of the file.
fn code(source: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
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
fn the_domain_has_no_io() {
    let mut problems = Vec::new();
    for source in sources().into_iter().filter(|source| source.path.starts_with("core/src")) {
        for (number, line) in code(&source) {
            let found = NO_IO.iter().filter(|word| line.contains(**word));
            problems.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
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

/// Public items that are there although nothing else names them: called by hosts through the C interface of FMI.
const CALLED_FROM_OUTSIDE: &str = "fmu/src/abi/";

/// `cargo test --test tidy public_items` lists what may be removed. Names that occur twice pass: it finds the plain cases.
#[test]
fn public_items_are_used_somewhere() {
    let sources = sources();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for source in &sources {
        let lines = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let words = lines.flat_map(|line| line.split(move |c| !is_part(c)));
        words.for_each(|word| *uses.entry(word).or_default() += 1);
    }
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| !source.path.starts_with(CALLED_FROM_OUTSIDE)) {
        let unused = code(source).filter_map(|(number, line)| Some((number, public_name(line)?)));
        let unused = unused.filter(|(_, name)| uses.get(name) == Some(&1));
        problems.extend(unused.map(|(number, name)| format!("{}:{number}: nothing uses {name}", source.path)));
    }
    check(&problems);
}

/// The name of a function, type, constant or field that a line makes public; a leading `_` says that nothing reads it.
fn public_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?.split([' ', '(', '<', ':', ';', '{']);
    let kinds = ["fn", "struct", "enum", "trait", "type", "static"];
    let before = ["const", "async", "unsafe"];
    let name = loop {
        let word = words.next()?;
        if kinds.contains(&word) {
            break words.next()?;
        }
        if !before.contains(&word) {
            // `pub const NAME`
            break word;
        }
    };
    let is_name = !name.is_empty() && !name.starts_with('_') && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !["mod", "use", "extern"].contains(&name) && !line.contains(" use ")).then_some(name)
}

#[test]
fn the_scan_finds_what_it_looks_for() {
    let text = "fn short() {\n}\n    pub fn long(\n    ) {\n        // unsafe {\n    }\n#[cfg(test)]\nmod tests { unsafe { } }";
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(functions(&lines).collect::<Vec<_>>(), [(0, 2), (2, 4)]);
    let source = SourceFile { path: "src/a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(code(&source).count(), 5);
    let names =
        ["    pub const fn a(b: u8) {", "pub const C: u8 = 1;", "pub struct D<E> {", "    pub f: u8,", "pub use g::h;"];
    assert_eq!(names.map(public_name), [Some("a"), Some("C"), Some("D"), Some("f"), None]);
}
