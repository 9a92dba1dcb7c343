//! `[north.opcua]`: where the server listens, who may log in, and certificates. Beyond loopback it needs both.

/// Where the server listens, who may log in, and its certificates; nothing where the program was built without it.
#[cfg(feature = "opcua")]
pub type OpcUa = memg_opcua::settings::OpcUaSettings;
/// Nothing: the program was built without it.
#[cfg(not(feature = "opcua"))]
pub type OpcUa = std::convert::Infallible;

pub(super) const KEY: &str = "north.opcua";

/// Says that it cannot be served.
#[cfg(not(feature = "opcua"))]
pub(super) fn server(loader: &mut super::Loader, table: Option<toml::Value>, _: Option<&str>) -> Option<OpcUa> {
    table.and_then(|_| super::north::not_built(loader, KEY, "opcua"))
}

#[cfg(feature = "opcua")]
pub(super) use super::opcua_table::server;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::north::tests::read_all;
    use super::*;

    fn read(table: &str) -> (Option<OpcUa>, Vec<String>) {
        let ((_, _, server), problems) = read_all(&format!("[north.opcua]\n{table}"));
        (server, problems)
    }

    #[cfg(feature = "opcua")]
    #[test]
    fn on_this_machine_an_address_suffices_and_beyond_it_there_are_certificates_and_users() {
        let (server, problems) = read("listen = '127.0.0.1:0'");
        assert!(problems.is_empty() && server.unwrap().anonymous_may_look());
        let rows: [(&str, &[&str]); 6] = [
            ("", &["north.opcua.listen: expected an address and a port such as \"127.0.0.1:4840\""]),
            ("listen = '0.0.0.0:4840'", &["north.opcua.cert_file: missing", "north.opcua.user: missing"]),
            ("listen = '127.0.0.1:0'\ncert_file = 'none'", &["north.opcua.key_file: missing"]),
            (
                "listen = '127.0.0.1:0'\ncert_file = 'none'\nkey_file = 'none'\ntrusted_dir = 'none'",
                &["north.opcua.cert_file: "],
            ),
            ("listen = '127.0.0.1:0'\nlissen = 1", &["north.opcua.lissen: unknown key"]),
            (
                "listen = '127.0.0.1:0'\n[[north.opcua.user]]\nname = 'anna'\nrole = 'boss'",
                &["north.opcua.user[0].role: expected one of", "north.opcua.user[0]: expected password_file"],
            ),
        ];
        for (text, expected) in rows {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), expected.len(), "{text}: {problems:#?}");
            for (problem, start) in problems.iter().zip(expected) {
                assert!(problem.starts_with(start), "{problem:?} does not begin with {start:?}");
            }
        }
    }

    #[cfg(not(feature = "opcua"))]
    #[test]
    fn a_program_without_it_says_which_feature_is_missing() {
        let (_, problems) = read("listen = '127.0.0.1:0'");
        assert!(problems[0].starts_with("north.opcua: this program was built without it"), "{problems:#?}");
    }
}
