//! Registers of the device files in the library.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use toml::Value;

/// A table for each file of `config/devices`.
pub fn page(root: &Path) -> String {
    let mut paths: Vec<_> =
        fs::read_dir(root.join("config/devices")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut text = String::from(
        "\n## Registers of the library\n\nAddresses as in the file: on the wire (`address_base` 0), or register numbers from 1.\n",
    );
    for path in paths {
        let file: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let device = &file["device"];
        let base = device["address_base"].as_integer().unwrap();
        let _ = writeln!(
            text,
            "\n### {name}\n\n{}, {}; `address_base` {base}.\n",
            word(&device["maker"]),
            word(&device["model"])
        );
        text += "| point | table | address | type | unit | reads | writes |\n|---|---|---|---|---|---|---|\n";
        for point in file["point"].as_array().unwrap() {
            text += &row(point);
        }
    }
    text
}

fn row(point: &Value) -> String {
    let of = |key: &str| point.get(key).map(word).unwrap_or_default();
    let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
    let output = point.get("write").and_then(|write| write.get("output")).map(word).unwrap_or_default();
    let cells =
        [code(of("name")), of("table"), of("address"), of("type"), of("unit"), code(of("signal")), code(output)];
    format!("| {} |\n", cells.join(" | "))
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
