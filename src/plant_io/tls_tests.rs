//! What files of a `tls` table are refused for. Handshakes are judged against foreign programs
//! (`integration-tests/tests/encrypted.rs`).

use super::*;

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { ca_file: folder.join("ca.pem"), cert_file: None, key_file: None, server_name: None }
}

fn refused(files: &TlsFiles, host: &str) -> Vec<String> {
    let mut problems = Vec::new();
    files.check("mqtt.tls", host, &mut problems);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let absent = refused(&files(folder.path()), "broker");
    assert!(absent[0].starts_with("mqtt.tls.ca_file: ") && absent[0].contains("cannot be read"), "{absent:?}");
    std::fs::write(folder.path().join("ca.pem"), "no certificate\n").unwrap();
    let empty = refused(&files(folder.path()), "broker");
    assert!(empty[0].contains("holds no certificate in PEM form"), "{empty:?}");
    let named = refused(&files(folder.path()), "not a host");
    assert!(named.iter().any(|line| line.starts_with("mqtt.tls.server_name: \"not a host\"")), "{named:?}");
}

#[cfg(unix)]
#[test]
fn a_private_key_that_everybody_may_read_is_refused_and_never_quoted() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.key");
    std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nswordfish\n-----END PRIVATE KEY-----\n").unwrap();
    for (mode, part) in [(0o644, "open to everybody on this machine (mode 644)"), (0o640, "holds no private key")] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let message = private_key(&path).unwrap_err();
        assert!(message.contains(part) && !message.contains("swordfish"), "{mode:o}: {message}");
    }
}
