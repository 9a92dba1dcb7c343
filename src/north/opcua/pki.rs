//! Certificates as the library wants them: a folder of its own, in which trusted ones have names that it makes of them.
//!
//! That folder lives as long as the server. The library stores whatever it does not trust, under names that strangers choose: it is
//! thrown away here, and told. What lies in the configured folder is looked at again, so that a client can be trusted, or no longer,
//! while the gateway runs.

use crate::settings::Certificates;
use memg_listener::Complaints;
use opcua::crypto::CertificateStore;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;
use tempfile::TempDir;

/// How often folders are looked at.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Most certificates that are trusted, and octets of one.
const TRUSTED_MAX: usize = 1000;
const OCTETS_MAX: u64 = 64 * 1024;

/// The library's folder.
#[derive(Debug)]
pub(crate) struct Pki {
    folder: TempDir,
    certificates: Option<Certificates>,
}

impl Pki {
    /// Makes it, with what is trusted.
    ///
    /// # Errors
    /// A sentence: the gateway's own certificate or key cannot be used, or a folder not be read or made.
    pub fn new(certificates: Option<Certificates>) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("memg-opcua-").tempdir().map_err(|error| error.to_string())?;
        for part in ["trusted", "rejected"] {
            fs::create_dir(folder.path().join(part)).map_err(|error| error.to_string())?;
        }
        if let Some(files) = &certificates {
            CertificateStore::read_cert(&files.cert_file)?;
            CertificateStore::read_pkey(&files.key_file)?;
        }
        let pki = Self { folder, certificates };
        pki.trust()?;
        Ok(pki)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Certificate and key, where the library finds them from anywhere.
    pub fn own(&self) -> Option<(PathBuf, PathBuf)> {
        let files = self.certificates.as_ref()?;
        absolute(&files.cert_file).ok().zip(absolute(&files.key_file).ok())
    }

    /// Trusts what lies in the configured folder, and nothing else.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn trust(&self) -> Result<(), String> {
        let Some(files) = &self.certificates else { return Ok(()) };
        let trusted = self.folder.path().join("trusted");
        let mut names = BTreeSet::new();
        for path in files_in(&files.trusted_dir)?.into_iter().take(TRUSTED_MAX) {
            let Ok(certificate) = CertificateStore::read_cert(&path) else { continue };
            let name = CertificateStore::cert_file_name(&certificate);
            let target = trusted.join(&name);
            if !target.exists() {
                let octets = certificate.to_der().map_err(|error| error.to_string())?;
                fs::write(&target, octets).map_err(|error| error.to_string())?;
            }
            names.insert(OsString::from(name));
        }
        let gone =
            files_in(&trusted)?.into_iter().filter(|path| path.file_name().is_none_or(|name| !names.contains(name)));
        gone.for_each(|path| drop(fs::remove_file(path)));
        Ok(())
    }

    /// Throws away what the library has stored of strangers; says whose it was.
    pub fn forget_strangers(&self, complaints: &Complaints) {
        for path in files_in(&self.folder.path().join("rejected")).unwrap_or_default() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            complaints.about("a client's certificate is not in trusted_dir", &name);
            let _ = fs::remove_file(path);
        }
    }
}

/// Files of a certificate's size.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let entries = entries
        .flatten()
        .filter(|entry| fs::metadata(entry.path()).is_ok_and(|about| about.is_file() && about.len() <= OCTETS_MAX));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}
