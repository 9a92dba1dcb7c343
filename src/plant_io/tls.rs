//! TLS towards brokers and devices: which files, and a connection through them.
//!
//! Files are read for every connection, so that certificates can be renewed while the gateway runs; reading them once at the
//! start tells what is wrong with them before anything is opened. Only authorities that are named are trusted, never those of
//! the operating system: a plant knows who issued its certificates.

use crate::problem::Problem;
use crate::secret_file;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// `[mqtt.tls]`, `[device.tls]`: which files encrypt a connection. Paths begin at the configuration's folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificates (PEM) of the authorities that the other side's certificate may come from. Required.
    pub ca_file: PathBuf,
    /// The gateway's own certificate with its chain (PEM), if the other side asks for one; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// Its private key (PEM), readable by nobody else.
    pub key_file: Option<PathBuf>,
    /// Name in the other side's certificate. Default: the host that is connected to.
    pub server_name: Option<String>,
}

/// Why TLS cannot be set up: the key of the table and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {message}")]
pub struct TlsError {
    /// `ca_file`, `cert_file`, `key_file` or `server_name`.
    pub key: &'static str,
    /// A sentence about it.
    pub message: String,
}

fn wrong(key: &'static str) -> impl Fn(String) -> TlsError {
    move |message| TlsError { key, message }
}

impl TlsFiles {
    /// Reads all files and makes a connection's configuration of them.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.ca_file).map_err(wrong("ca_file"))? {
            roots.add(authority).map_err(|error| wrong("ca_file")(format!("is no authority: {error}")))?;
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| wrong("ca_file")(error.to_string()))?.with_root_certificates(roots);
        match (&self.cert_file, &self.key_file) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert).map_err(wrong("cert_file"))?;
                let key = private_key(key).map_err(wrong("key_file"))?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| wrong("key_file")(format!("does not fit cert_file: {error}")))
            }
            (Some(_), None) => Err(wrong("key_file")("is missing, although there is a cert_file".to_owned())),
            (None, Some(_)) => Err(wrong("cert_file")("is missing, although there is a key_file".to_owned())),
        }
    }

    /// The name that the other side's certificate must have.
    ///
    /// # Errors
    /// It is neither a host name nor an address.
    pub fn name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let message = format!("{name:?} is neither a host name nor an address");
        ServerName::try_from(name).map_err(|_| TlsError { key: "server_name", message })
    }

    /// Says what is wrong with them, under the key of their table.
    pub fn check(&self, key: &str, host: &str, problems: &mut Vec<Problem>) {
        let errors = self.config().err().into_iter().chain(self.name(host).err());
        problems.extend(errors.map(|error| Problem::new(format!("{key}.{}", error.key), error.message)));
    }

    /// Encrypts a stream to that host.
    ///
    /// # Errors
    /// Files that can no longer be used; a handshake that fails, such as a certificate of another authority.
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + fmt::Debug + Unpin,
    {
        let (config, name) = (self.config().map_err(io::Error::other)?, self.name(host).map_err(io::Error::other)?);
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// A certificate and what it was signed by, or several authorities, from a PEM file.
///
/// # Errors
/// It cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if read.is_empty() { Err(format!("{} holds no certificate in PEM form", path.display())) } else { Ok(read) }
}

/// The private key of a PEM file that nobody else may read.
///
/// # Errors
/// It cannot be read, is open to everybody, or holds none; never with its content.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    secret_file::check(path).map_err(|message| format!("{} {message}", path.display()))?;
    // The error names the form, never the content.
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("{} holds no private key: {error}", path.display()))
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
