//! Who vouches for a model folder: an Ed25519 signature (RFC 8032) of its model.toml, which names the hash of every other file.
//!
//! `model.sig` is one line: `memg-signature/1 KEY SIGNATURE`, public key and signature in hexadecimal. It is checked on the very bytes that are
//! parsed afterwards, and before they are. What is signed begins with [`CONTEXT`], so that a key that signs other things signs no model by it.

use super::model::{MANIFEST, ModelError, hex, read_file, utf8};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

/// The signature's file name.
pub const SIGNATURE: &str = "model.sig";
/// What every signed text begins with.
const CONTEXT: &[u8] = b"memg-gateway model folder, version 1\n";
const SIGNATURE_HEAD: &str = "memg-signature/1";
const KEY_HEAD: &str = "memg-signing-key/1";

/// A public key, as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// The text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a public key of 64 hexadecimal digits, as `gateway model key` prints it")]
pub struct NoKey;

impl FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        from_hex(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NoKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Whose signature a model needs; by default nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust(Vec<PublicKey>);

impl Trust {
    /// One of these keys has to have signed; an empty list asks for nothing.
    #[must_use]
    pub const fn in_keys(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// The text of a folder's model.toml, once one who is trusted has signed it.
    ///
    /// # Errors
    /// It cannot be read, is not signed, or not by a trusted key.
    pub(crate) fn manifest(&self, dir: &Path) -> Result<String, ModelError> {
        let bytes = read_file(dir, MANIFEST)?;
        if !self.0.is_empty() {
            let signer =
                signer_of(dir, &bytes)?.ok_or_else(|| wrong("missing, and [policy] trusted_keys asks for it"))?;
            if !self.0.contains(&signer) {
                return Err(wrong(&format!("signed by {signer}, which is none of [policy] trusted_keys")));
            }
        }
        utf8(MANIFEST, bytes)
    }
}

fn wrong(reason: &str) -> ModelError {
    ModelError::Signature { reason: reason.to_owned() }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let byte = |pair: &[u32]| u8::try_from(pair.first()? << 4 | pair.get(1)?).ok();
    digits.chunks(2).map(byte).collect()
}

fn signed_text(manifest: &[u8]) -> Vec<u8> {
    [CONTEXT, manifest].concat()
}

/// Whoever has signed a folder; `None` where nobody has.
///
/// # Errors
/// The folder cannot be read, or its signature is none of its model.toml.
pub fn signer(dir: &Path) -> Result<Option<PublicKey>, ModelError> {
    signer_of(dir, &read_file(dir, MANIFEST)?)
}

fn signer_of(dir: &Path, manifest: &[u8]) -> Result<Option<PublicKey>, ModelError> {
    if !dir.join(SIGNATURE).exists() {
        return Ok(None);
    }
    let text = utf8(SIGNATURE, read_file(dir, SIGNATURE)?)?;
    let form = || wrong(&format!("expected one line `{SIGNATURE_HEAD} KEY SIGNATURE` in hexadecimal"));
    let [head, key, signature] = text.split_whitespace().collect::<Vec<_>>().try_into().map_err(|_| form())?;
    let key: PublicKey = key.parse().map_err(|_| form())?;
    let signature = from_hex(signature).filter(|_| head == SIGNATURE_HEAD).ok_or_else(form)?;
    let verified = UnparsedPublicKey::new(&ED25519, key.0).verify(&signed_text(manifest), &signature);
    verified.map_err(|_| wrong(&format!("{MANIFEST} is not what {key} has signed")))?;
    Ok(Some(key))
}

/// Makes a key pair; the private one lies in a new file that nobody else may read.
///
/// # Errors
/// The file is there already, or cannot be written; in words.
pub fn make_key(file: &Path) -> Result<PublicKey, String> {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no random numbers".to_owned())?;
    let key = public_of(&pair(document.as_ref())?)?;
    write_private(file, &format!("{KEY_HEAD} {}\n", hex(document.as_ref())))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(key)
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut opened = options.open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}

fn pair(pkcs8: &[u8]) -> Result<Ed25519KeyPair, String> {
    Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|error| format!("no Ed25519 key: {error}"))
}

fn public_of(pair: &Ed25519KeyPair) -> Result<PublicKey, String> {
    pair.public_key().as_ref().try_into().map(PublicKey).map_err(|_| "a public key of another length".to_owned())
}

/// Signs a folder with the text of a key file; an older signature is replaced.
///
/// # Errors
/// The text is no key file, or the folder cannot be read or written; in words.
pub fn sign(dir: &Path, key_text: &str) -> Result<PublicKey, String> {
    let form = || format!("expected one line `{KEY_HEAD} …`, as `gateway model key` writes it");
    let encoded = key_text.trim().strip_prefix(KEY_HEAD).map(str::trim).and_then(from_hex).ok_or_else(form)?;
    let pair = pair(&encoded)?;
    let key = public_of(&pair)?;
    let manifest = read_file(dir, MANIFEST).map_err(|error| error.to_string())?;
    let signature = hex(pair.sign(&signed_text(&manifest)).as_ref());
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        writeln!(file, "{SIGNATURE_HEAD} {key} {signature}")?;
        file.as_file().sync_all()?;
        file.persist(dir.join(SIGNATURE)).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| format!("{}: {error}", dir.join(SIGNATURE).display()))?;
    Ok(key)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
