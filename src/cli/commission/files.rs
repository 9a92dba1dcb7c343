//! The files that a configuration is made of, and their hashes.

use anyhow::{Context, Result};
use memg_plant_io::library;
use memg_policy::model::sha256_hex;
use memg_settings::Settings;
use std::collections::BTreeSet;
use std::path::Path;

/// Each file with its SHA-256, and the SHA-256 of the lines `<hash>  <file>` of all of them, as `sha256sum` prints them.
pub(super) fn hashes(config: &Path, settings: &Settings) -> Result<(Vec<(String, String)>, String)> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let read = |path: &Path| std::fs::read(path).with_context(|| path.display().to_string());
    let text = read(config)?;
    let mut files = vec![(name(config), sha256_hex(&text))];
    if let Some(site) = site_file(&String::from_utf8_lossy(&text)) {
        files.push((site.clone(), sha256_hex(&read(&folder.join(&site))?)));
    }
    let used: BTreeSet<&str> = settings.devices.iter().map(|device| &*device.file).collect();
    for file in used {
        let path = folder.join("devices").join(file);
        files.push(match std::fs::read(&path) {
            Ok(own) => (format!("devices/{file}"), sha256_hex(&own)),
            Err(_) => (format!("{file} (library)"), sha256_hex(library::text(file).unwrap_or_default().as_bytes())),
        });
    }
    let lines: String = files.iter().map(|(file, hash)| format!("{hash}  {file}\n")).collect();
    Ok((files, sha256_hex(lines.as_bytes())))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `site.plant_file` of a configuration that was read before.
fn site_file(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    Some(table.get("site")?.get("plant_file")?.as_str()?.to_owned())
}
