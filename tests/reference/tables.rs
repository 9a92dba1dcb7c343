//! Tables of the files that people write: structs whose comment begins with one.

use super::defaults::{Defaults, last_word};
use super::source::{Source, doc, enums, is_read, serde, snake_case, structs};
use std::collections::BTreeMap;
use syn::{Field, Fields, GenericArgument, ItemEnum, ItemStruct, PathArguments, Type, Variant};

/// What a comment says of a key that has to be there.
const REQUIRED: &str = "required";

/// A key of a table.
pub struct Key {
    pub name: String,
    pub doc: String,
    /// In words.
    pub kind: String,
    /// What stands in for it; empty where there is nothing.
    pub default: String,
    /// By its type it has to be there.
    pub required: bool,
}

/// A table.
pub struct Table {
    /// As in TOML: `[control]`, `[[device]]`; several with the same keys, separated by commas.
    pub head: String,
    /// The file that it stands in; empty: the configuration.
    pub of: String,
    pub doc: String,
    /// Of its struct.
    pub name: String,
    pub keys: Vec<Key>,
}

/// Packages that read files of others, which have their own manuals.
const FOREIGN: [&str; 1] = ["src/sunspec"];

/// All tables, and what is wrong with comments of structs that are read.
pub fn tables(sources: &[Source]) -> (Vec<Table>, Vec<String>) {
    let names = words(sources);
    let defaults = Defaults::new(sources);
    let (mut tables, mut problems) = (Vec::new(), Vec::new());
    for (source, found) in structs(sources) {
        let text = doc(&found.attrs);
        if text.starts_with("`[") && is_read(&found.attrs) {
            tables.push(table(source, found, &text, &names, &defaults, &mut problems));
        } else if is_raw(source, found) {
            let expected = "its comment has to begin with its table, as in \"`[control]`: …\" or \"`[[point]]` of a device file: …\"";
            problems.push(format!("{}: {}: {expected}", source.path, found.ident));
        }
    }
    (tables, problems)
}

/// Whether it is read from what people write, and so needs a table.
fn is_raw(source: &Source, found: &ItemStruct) -> bool {
    found.ident.to_string().starts_with("Raw") && is_read(&found.attrs) && !FOREIGN.contains(&source.package())
}

fn table(
    source: &Source,
    found: &ItemStruct,
    text: &str,
    names: &Words,
    defaults: &Defaults<'_>,
    problems: &mut Vec<String>,
) -> Table {
    let (heads, rest) = heads(text);
    let (of, doc) = match rest.strip_prefix(" of a ") {
        Some(rest) => rest.split_once([':', '.']).unwrap_or((rest, "")),
        None => ("", rest.trim_start_matches([':', '.'])),
    };
    let fields = if let Fields::Named(fields) = &found.fields { fields.named.iter().collect() } else { Vec::new() };
    let mut keys = Vec::new();
    for field in fields {
        match key(source, found, field, names, defaults) {
            Ok(key) => keys.push(key),
            Err(problem) => problems.push(format!("{}: {}: {problem}", source.path, found.ident)),
        }
    }
    let name = found.ident.to_string();
    Table { head: heads.join(", "), of: of.to_owned(), doc: doc.trim().to_owned(), name, keys }
}

/// The names in code font at the beginning, and what follows.
fn heads(text: &str) -> (Vec<String>, &str) {
    let (mut heads, mut rest) = (Vec::new(), text);
    while let Some((head, behind)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        heads.push(head.to_owned());
        rest = behind;
        match rest.strip_prefix(", ").filter(|next| next.starts_with("`[")) {
            Some(next) => rest = next,
            None => break,
        }
    }
    (heads, rest)
}

fn key(source: &Source, of: &ItemStruct, field: &Field, names: &Words, defaults: &Defaults<'_>) -> Result<Key, String> {
    let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    let name = serde(&field.attrs).rename.unwrap_or(name);
    let text = doc(&field.attrs).replace('\n', " ");
    if text.is_empty() {
        return Err(format!("{name} has no comment"));
    }
    let (stated, text) = stated(&text);
    let (optional, kind) = kind(&field.ty, source.package(), names);
    let found = defaults.of(source, of, field);
    let stands_alone = stated.as_deref() == Some(REQUIRED);
    let required = stands_alone || (!optional && found.is_none());
    let default = match (found.filter(|value| !value.is_empty()), stated.filter(|_| !stands_alone)) {
        (Some(found), Some(stated)) if !same(&found, &stated) => {
            return Err(format!("{name}: its comment says {stated}, the code {found}"));
        }
        (Some(found), _) => found,
        (None, stated) => stated.unwrap_or_default(),
    };
    Ok(Key { name, doc: text, kind, default, required })
}

fn same(found: &str, stated: &str) -> bool {
    let number = |text: &str| text.trim_matches(['"', '`']).parse::<f64>().ok();
    match (number(found), number(stated)) {
        (Some(a), Some(b)) => a == b,
        // A default in words ("1, with `tls` 8883") may say more than the code's value.
        _ => stated.contains(found.trim_matches('"')) || stated.contains(' '),
    }
}

/// The default that a comment states, and the comment without it where that is a sentence or in parentheses.
fn stated(text: &str) -> (Option<String>, String) {
    let in_parentheses = text.split_once("(default").and_then(|(before, rest)| Some((before, rest.split_once(')')?)));
    if let Some((before, (value, after))) = in_parentheses {
        let value = value.trim_start_matches(':').trim().to_owned();
        return (Some(value), format!("{}{after}", before.trim_end()));
    }
    for (word, fixed) in [("Default", None), ("Required.", Some(REQUIRED))] {
        let Some(at) = text.find(word).filter(|at| *at == 0 || text[..*at].ends_with(". ")) else { continue };
        let (before, sentence) = text.split_at(at);
        let (sentence, after) = match sentence.split_once(". ") {
            Some((sentence, after)) => (sentence, after),
            None => (sentence.trim_end_matches('.'), ""),
        };
        let value = sentence.trim_start_matches("Default").trim_start_matches(':').trim();
        let value = fixed.unwrap_or(value).to_owned();
        return (Some(value), format!("{before}{after}").trim().to_owned());
    }
    (None, text.to_owned())
}

/// Names of a closed list as serde writes them, each with its comment.
pub fn variants(of: &ItemEnum) -> Vec<(String, String)> {
    let name =
        |variant: &Variant| serde(&variant.attrs).rename.unwrap_or_else(|| snake_case(&variant.ident.to_string()));
    of.variants.iter().map(|variant| (name(variant), doc(&variant.attrs).replace('\n', " "))).collect()
}

/// What stands behind `=`, in words, by name of the type; closed lists are those of serde, and a package's own go before others'.
struct Words(BTreeMap<(String, String), String>);

impl Words {
    fn of(&self, package: &str, name: &str) -> Option<&str> {
        let own = self.0.get(&(package.to_owned(), name.to_owned()));
        own.or_else(|| self.0.iter().find(|((_, known), _)| known == name).map(|(_, words)| words)).map(String::as_str)
    }
}

fn words(sources: &[Source]) -> Words {
    let plain = [
        ("bool", "true or false"),
        ("f64", "number"),
        ("f32", "number"),
        ("String", "text"),
        ("PathBuf", "path"),
        ("BTreeMap", "names and their values"),
        ("Value", "table"),
    ];
    let whole = ["u8", "u16", "u32", "u64", "usize", "i64"].map(|name| (name, "whole number"));
    let plain = plain.into_iter().chain(whole);
    let mut names: BTreeMap<_, _> =
        plain.map(|(name, words)| ((String::new(), name.to_owned()), words.to_owned())).collect();
    let place = |source: &Source, name: &syn::Ident| (source.package().to_owned(), name.to_string());
    for (source, found) in structs(sources).filter(|(_, found)| is_read(&found.attrs)) {
        names.insert(place(source, &found.ident), "table".to_owned());
    }
    for (source, found) in enums(sources).filter(|(_, found)| is_read(&found.attrs)) {
        let is_plain = found.variants.iter().all(|variant| variant.fields.is_empty());
        let list: Vec<String> = variants(found).into_iter().map(|(name, _)| format!("`{name}`")).collect();
        let words = if is_plain { list.join(", ") } else { "table".to_owned() };
        names.insert(place(source, &found.ident), words);
    }
    Words(names)
}

/// Whether it may be left out, and what it is.
fn kind(found: &Type, package: &str, names: &Words) -> (bool, String) {
    if matches!(found, Type::Array(_)) {
        return (false, "[lowest, highest]".to_owned());
    }
    let name = last_word(found).unwrap_or_default();
    match (name.as_str(), inner(found)) {
        ("Option", Some(inner)) => (true, kind(inner, package, names).1),
        ("Vec", Some(inner)) => (true, format!("list: {}", kind(inner, package, names).1)),
        ("Each", Some(_)) => (true, "table, or list of tables".to_owned()),
        _ => (false, names.of(package, &name).unwrap_or("text").to_owned()),
    }
}

/// `T` of `Option<T>`.
fn inner(found: &Type) -> Option<&Type> {
    let Type::Path(path) = found else { return None };
    let PathArguments::AngleBracketed(list) = &path.path.segments.last()?.arguments else { return None };
    if let GenericArgument::Type(inner) = list.args.first()? { Some(inner) } else { None }
}
