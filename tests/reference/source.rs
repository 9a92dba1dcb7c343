//! What the sources say, as syntax: files, comments, and what serde is told about a field.

use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Expr, Item, ItemEnum, ItemStruct, Lit, LitStr, Meta, Token};

/// Where tables may be described.
const FOLDERS: [&str; 2] = ["core/src", "src"];

/// One file of the sources.
pub struct Source {
    /// Relative to the repository.
    pub path: String,
    pub file: syn::File,
}

impl Source {
    /// The package's folder: defaults of a key are looked for there alone.
    pub fn package(&self) -> &str {
        let end = self.path.match_indices('/').nth(1).map_or(self.path.len(), |(at, _)| at);
        self.path.get(..end).unwrap_or_default()
    }
}

/// Every file of the sources but tests, in the order of their paths.
pub fn sources(root: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root.join(folder), &mut paths));
    paths.sort();
    assert!(paths.len() > 100, "the scan must see the sources");
    let parsed = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Source { path: path.strip_prefix(root).unwrap().to_string_lossy().into_owned(), file }
    };
    paths.into_iter().map(parsed).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_test = ["tests", "tests.rs", "benches"].contains(&name.as_str()) || name.ends_with("_tests.rs");
        if path.is_dir() && !is_test {
            collect(&path, paths);
        } else if name.ends_with(".rs") && !is_test {
            paths.push(path);
        }
    }
}

pub fn structs(sources: &[Source]) -> impl Iterator<Item = (&Source, &ItemStruct)> {
    sources.iter().flat_map(|source| {
        let found = source.file.items.iter();
        found.filter_map(move |item| if let Item::Struct(found) = item { Some((source, found)) } else { None })
    })
}

pub fn enums(sources: &[Source]) -> impl Iterator<Item = (&Source, &ItemEnum)> {
    sources.iter().flat_map(|source| {
        let found = source.file.items.iter();
        found.filter_map(move |item| if let Item::Enum(found) = item { Some((source, found)) } else { None })
    })
}

/// The text of a comment, its lines joined, the blank in front of each taken away.
pub fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => text(&pair.value),
        _ => None,
    });
    lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect::<Vec<_>>().join("\n")
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// What `#[serde(…)]` says.
#[derive(Default)]
pub struct Serde {
    pub rename: Option<String>,
    pub default: bool,
    /// The function that makes the default.
    pub default_function: Option<String>,
}

pub fn serde(attributes: &[Attribute]) -> Serde {
    let mut found = Serde::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            let value = if meta.input.peek(Token![=]) { Some(meta.value()?.parse::<LitStr>()?.value()) } else { None };
            if meta.path.is_ident("rename") {
                found.rename = value;
            } else if meta.path.is_ident("default") {
                found.default = true;
                found.default_function = value;
            }
            Ok(())
        });
        parsed.unwrap();
    }
    found
}

/// Whether a type is derived from what people write.
pub fn is_read(attributes: &[Attribute]) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let parsed = attribute.parse_nested_meta(|meta| {
            found |= meta.path.segments.last().is_some_and(|segment| segment.ident == "Deserialize");
            Ok(())
        });
        parsed.unwrap();
    }
    found
}

/// `WorstCase` as serde writes it: `worst_case`.
pub fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}
