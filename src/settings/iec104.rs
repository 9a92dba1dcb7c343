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
    let mut table = table?;
    let stated = table.as_table_mut().and_then(|table| table.remove("common_address"));
    let server = super::north::server(loader, KEY, table);
    let address = stated.map_or(Some(1), |value| value.as_integer().and_then(|number| u16::try_from(number).ok()));
    // 0 is none, 65535 is everybody.
    let Some(common_address) = address.filter(|number| (1..0xFFFF).contains(number)) else {
        let message = "expected a number from 1 to 65534, the common address of the station";
        loader.problems.push(memg_plant_io::problem::Problem::new(format!("{KEY}.common_address"), message));
        return None;
    };
    let memg_north::settings::ModbusSettings { listen, tls, clients } = server?;
    Some(Iec104 { listen, common_address, tls, clients })
}

/// Says that it cannot be served.
#[cfg(not(feature = "iec104"))]
pub(super) fn station(loader: &mut Loader, table: Option<toml::Value>) -> Option<Iec104> {
    table.and_then(|_| super::north::not_built(loader, KEY, "iec104"))
}
