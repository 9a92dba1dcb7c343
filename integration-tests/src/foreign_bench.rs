//! Devices of others, on layouts that the repository does not ship: pymodbus on a serial line (socat), TCP and RTU over TCP.

use crate::peer::{Peer, python};
use crate::peer_is_there;
use crate::wire::Wire;

/// Battery on the serial line.
pub const BATTERY: &str = include_str!("foreign_bench/battery.toml");
/// CHP behind TCP.
pub const CHP: &str = include_str!("foreign_bench/chp.toml");
/// Meter behind RTU over TCP, with holes between its registers.
pub const METER: &str = include_str!("foreign_bench/meter.toml");
/// PV with a scale factor and a register that says "not implemented".
pub const ROOF: &str = include_str!("foreign_bench/roof.toml");
/// Wind with swapped words.
pub const MAST: &str = include_str!("foreign_bench/mast.toml");
/// Heat meter with swapped words and bytes.
pub const HEAT: &str = include_str!("foreign_bench/heat.toml");

/// The running devices.
#[derive(Debug)]
pub struct Bench {
    /// Takes commands, see `peers/foreign_devices.py`.
    pub peer: Peer,
    /// The serial line; the gateway's end is `b`.
    pub wire: Wire,
}

impl Bench {
    /// `None` where a foreign program is missing.
    pub async fn start() -> Option<Self> {
        let python = python().filter(|_| peer_is_there("socat"))?;
        let wire = Wire::lay().await;
        let peer = Peer::start(&python, "foreign_devices.py", &[&wire.end("a")]).await;
        Some(Self { peer, wire })
    }

    /// Port of a device that is reached over TCP.
    ///
    /// # Panics
    /// If there is no such device.
    #[must_use]
    pub fn port(&self, device: &str) -> &str {
        let names = ["chp", "meter", "roof", "mast", "heat"];
        let found = names.iter().zip(self.peer.place.split_whitespace()).find(|(name, _)| **name == device);
        found.unwrap_or_else(|| panic!("no device {device} among {}", self.peer.place)).1
    }
}
