//! The FMU's unpacked `resources/` folder: where it is, and reading from it.
//!
//! FMI 2.0 names it by a percent-encoded URI, FMI 3.0 by a native path.

use std::path::{Path, PathBuf};

/// Largest file that is read, 64 MiB: weights take 300 kB, a year of profile 3 MB.
const FILE_MAX: u64 = 64 << 20;

/// The folder of packed files; names of others are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    folder: PathBuf,
}

impl Resources {
    /// From a native path (FMI 3.0).
    #[must_use]
    pub fn from_path(path: &str) -> Self {
        Self { folder: PathBuf::from(path) }
    }

    /// From a `file:` URI (FMI 2.0). Hosts exist that pass a plain path; it is taken as it is.
    ///
    /// # Errors
    /// Another scheme, another machine, or a broken escape.
    pub fn from_uri(uri: &str) -> Result<Self, String> {
        let Some(rest) = uri.strip_prefix("file:") else {
            return if uri.contains("://") {
                Err(format!("fmuResourceLocation: expected a file: URI, found {uri:?}"))
            } else {
                Ok(Self::from_path(uri))
            };
        };
        let path = match rest.strip_prefix("//") {
            Some(with_host) => {
                let (host, _) = with_host.split_once('/').unwrap_or((with_host, ""));
                if !host.is_empty() && host != "localhost" {
                    return Err(format!("fmuResourceLocation: {host:?} is another machine in {uri:?}"));
                }
                with_host.get(host.len()..).unwrap_or("")
            }
            None => rest,
        };
        let path = percent_decoded(path).ok_or_else(|| format!("fmuResourceLocation: a broken escape in {uri:?}"))?;
        // `file:///C:/folder` names a drive, not a folder at the root.
        let drive = cfg!(windows) && path.starts_with('/');
        Ok(Self::from_path(if drive { path.trim_start_matches('/') } else { &path }))
    }

    /// Reads a file of the folder. An absolute name stands for itself.
    ///
    /// # Errors
    /// The file's path and what is wrong with it.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.folder.join(name);
        read_bounded(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > FILE_MAX {
        return Err(format!("{size} bytes are more than the allowed {FILE_MAX}"));
    }
    std::fs::read(path).map_err(|e| e.to_string())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            // The parser below would accept a sign.
            digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_all_spellings_name_the_folder() {
        let cases = [
            ("file:///tmp/a%20b/resources", "/tmp/a b/resources"),
            ("file:/tmp/x", "/tmp/x"),
            ("file://localhost/tmp/%C3%BC%23", "/tmp/ü#"),
            ("/tmp/plain%20", "/tmp/plain%20"),
        ];
        for (uri, path) in cases {
            assert_eq!(Resources::from_uri(uri), Ok(Resources::from_path(path)), "{uri}");
        }
        for bad in ["http://host/x", "file://other/x", "file:///a%2", "file:///a%zz", "file:///a%+1"] {
            assert!(Resources::from_uri(bad).is_err(), "{bad}");
        }
    }
}
