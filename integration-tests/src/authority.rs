//! Certificates of a plant's own authority, made by openssl.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// An authority and what it has signed.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// Two authorities of one test have different names.
fn authority_name(folder: &Path) -> String {
    folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Runs openssl.
fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).stderr(Stdio::null()).status();
    assert!(done.expect("openssl starts").success(), "openssl {arguments}");
}

impl Authority {
    /// A new one, with a certificate and a key for each name. All are for the loopback interface.
    ///
    /// # Panics
    /// If openssl does not do as it is told.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let names: Vec<(&str, Option<&str>)> = names.iter().map(|name| (*name, None)).collect();
        Self::with_roles(&names)
    }

    /// The same, with the role of "MODBUS/TCP Security" in the certificates that are to have one.
    ///
    /// # Panics
    /// If openssl does not do as it is told.
    #[must_use]
    pub fn with_roles(names: &[(&str, Option<&str>)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(
            folder.path(),
            &format!("req -x509 {key} -days 2 -subj /CN={} -keyout ca.key -out ca.pem", authority_name(folder.path())),
        );
        for (name, role) in names {
            let role = role.map(|role| format!("1.3.6.1.4.1.50316.802.1=ASN1:UTF8String:{role}\n"));
            let usage = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
            let extensions = format!("{usage}{}", role.unwrap_or_default());
            std::fs::write(folder.path().join("extensions"), extensions).expect("a file");
            openssl(folder.path(), &format!("req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            openssl(
                folder.path(),
                &format!(
                    "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
                ),
            );
        }
        Self { folder }
    }

    /// A file: `ca.pem`, `<name>.pem`, `<name>.key`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }
}
