//! `[north.iec104]`: the keys of the Modbus server, and the common address.

use super::Loader;

/// Where the station listens and who may do what; nothing where the program was built without it.
#[cfg(feature = "iec104")]
pub type Iec104 = memg_iec104::settings::Iec104Settings;
/// Nothing: the program was built without it.
#[cfg(not(feature = "iec104"))]
pub type Iec104 = std::convert::Infallible;

const KEY: &str = "north.iec104";

/// Reads the table, if there is one.
#[cfg(feature = "iec104")]
pub(super) fn station(loader: &mut Loader, table: Option<toml::Value>) -> Option<Iec104> {
    let (server, own) = super::north::server(loader, KEY, 2404, table?)?;
    own.strange(loader, KEY);
    // 0 is none, 65535 is everybody.
    let address = u16::try_from(own.common_address.unwrap_or(1)).ok().filter(|number| (1..0xFFFF).contains(number));
    let Some(common_address) = address else {
        let message = "expected a number from 1 to 65534, the common address of the station";
        loader.problems.push(memg_plant_io::problem::Problem::new(format!("{KEY}.common_address"), message));
        return None;
    };
    let memg_north::settings::ModbusSettings { listen, tls, clients } = server;
    Some(Iec104 { listen, common_address, tls, clients })
}

/// Says that it cannot be served.
#[cfg(not(feature = "iec104"))]
pub(super) fn station(loader: &mut Loader, table: Option<toml::Value>) -> Option<Iec104> {
    table.and_then(|_| super::north::not_built(loader, KEY, "iec104"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::super::north::tests::read_all;
    use super::*;

    fn read(table: &str) -> (Option<Iec104>, Vec<String>) {
        let ((_, station, _), problems) = read_all(&format!("[north.iec104]\n{table}"));
        (station, problems)
    }

    #[cfg(feature = "iec104")]
    #[test]
    fn the_common_address_is_one_of_a_station_and_the_rest_is_as_for_modbus() {
        let (station, problems) = read("listen = '127.0.0.1:0'\ncommon_address = 7");
        assert_eq!((problems.len(), station.unwrap().common_address), (0, 7));
        let (station, _) = read("listen = '0.0.0.0:2404'\nplain_clients = ['10.1.2.3']");
        let station = station.unwrap();
        assert_eq!((station.common_address, station.clients.plain.len()), (1, 1));
        for (text, start) in [
            ("common_address = 0\nlisten = '127.0.0.1:0'", "north.iec104.common_address: expected a number from 1"),
            ("common_address = 65535\nlisten = '127.0.0.1:0'", "north.iec104.common_address: expected"),
            ("common_address = 'x'\nlisten = '127.0.0.1:0'", "north.iec104.common_address: "),
            ("common_address = 7", "north.iec104.listen: expected an address and a port such as \"127.0.0.1:2404\""),
            ("listen = '0.0.0.0:2404'", "north.iec104.listen: is 0.0.0.0:2404, beyond this machine"),
        ] {
            let (station, problems) = read(text);
            assert!(
                station.is_none() && problems.iter().any(|problem| problem.starts_with(start)),
                "{text}: {problems:#?}"
            );
        }
    }

    #[cfg(not(feature = "iec104"))]
    #[test]
    fn a_program_without_it_says_which_feature_is_missing() {
        let (_, problems) = read("listen = '127.0.0.1:0'");
        assert!(problems[0].starts_with("north.iec104: this program was built without it"), "{problems:#?}");
    }
}
