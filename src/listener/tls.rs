//! TLS of a server, and who a client's certificate says it is.

use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};

/// Certificate and key, ready for connections.
pub type Tls = Arc<ServerConfig>;

/// The common name in a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// The role of a client, as a UTF-8 string ("MODBUS/TCP Security", Modbus Organization 2018, table 7).
const ROLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.50316.802.1");

/// Who a certificate says its owner is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its common name.
    pub name: String,
    /// The role that its issuer gave it, if it did.
    pub role: Option<String>,
}

/// Of a certificate with its chain, and its private key. With `authorities`, clients must have a certificate of one of them.
///
/// # Errors
/// They do not fit each other, or there is no usable authority.
pub fn tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: Option<Vec<CertificateDer<'static>>>,
) -> Result<Tls, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in authorities {
                roots.add(authority).map_err(|error| format!("is no authority: {error}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
        }
    };
    let config = builder.with_single_cert(chain, key);
    config.map(Arc::new).map_err(|error| format!("does not fit the certificate: {error}"))
}

/// Reads name and role from a certificate that TLS has verified.
///
/// # Errors
/// It has no common name, or is none.
pub fn identity(der: &[u8]) -> Result<Identity, String> {
    let certificate = Certificate::from_der(der).map_err(|error| format!("not a certificate: {error}"))?;
    let subject = certificate.tbs_certificate.subject;
    let mut names = subject.0.iter().flat_map(|set| set.0.iter()).filter(|part| part.oid == COMMON_NAME);
    let name = names.next().and_then(|part| text(&part.value.to_der().ok()?));
    let name = name.ok_or_else(|| "the certificate has no common name".to_owned())?;
    let extensions = certificate.tbs_certificate.extensions.unwrap_or_default();
    let role = extensions.iter().find(|extension| extension.extn_id == ROLE);
    Ok(Identity { name, role: role.and_then(|extension| text(extension.extn_value.as_bytes())) })
}

/// A string in one of the two forms that issuers use.
fn text(der: &[u8]) -> Option<String> {
    let utf8 = Utf8StringRef::from_der(der).map(|text| text.as_str().to_owned());
    utf8.or_else(|_| PrintableStringRef::from_der(der).map(|text| text.as_str().to_owned())).ok()
}
