//! Where servers for SCADA listen and who may do what there. Whoever reads configurations fills it in and has checked it.

use crate::desk::Principal;
use memg_core::command::{Means, Role};
use memg_core::series::Quantity;
use memg_listener::{Guest, Identity, Tls};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Who may connect, and what as.
///
/// With TLS a client is who its certificate says, with the role that its issuer gave it there. Without TLS an address authenticates
/// nobody: on this machine clients have the role that the configuration gives them, beyond it the listed ones may look on,
/// stop safely and narrow limits, and nobody else may connect.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Role of clients on this machine without TLS.
    pub loopback: Role,
    /// Addresses of clients beyond this machine without TLS.
    pub plain: Vec<IpAddr>,
}

/// `[north.modbus]`, checked.
#[derive(Debug, Clone)]
pub struct ModbusSettings {
    /// Address and port; port 0: the system chooses.
    pub listen: SocketAddr,
    /// Certificate, key, and authorities of clients; `None` = plain.
    pub tls: Option<Tls>,
    /// Who may connect.
    pub clients: Clients,
}

/// The role that a certificate names, in letters of any size.
fn role(stated: Option<&str>) -> Result<Role, String> {
    stated.map_or(Ok(Role::Viewer), |name| Role::read(Some(&name.to_ascii_lowercase())))
}

impl Clients {
    /// Who a guest is.
    ///
    /// # Errors
    /// Why it is turned away.
    pub fn principal(&self, guest: &Guest, means: Means) -> Result<Principal, String> {
        self.whoever(guest.peer.ip(), guest.identity.as_ref(), guest.is_encrypted(), means)
    }

    fn whoever(
        &self,
        address: IpAddr,
        identity: Option<&Identity>,
        is_encrypted: bool,
        means: Means,
    ) -> Result<Principal, String> {
        let address = address.to_canonical();
        if let Some(identity) = identity {
            let role = role(identity.role.as_deref()).map_err(|why| format!("the role in its certificate: {why}"))?;
            return Ok(Principal { name: identity.name.clone(), role, means, authenticated: true });
        }
        if is_encrypted {
            return Err("it has no certificate that says who it is".to_owned());
        }
        if address.is_loopback() {
            let name = format!("{}.loopback", means.name());
            return Ok(Principal { name, role: self.loopback, means, authenticated: true });
        }
        if self.plain.contains(&address) {
            return Ok(Principal { name: address.to_string(), role: Role::Guard, means, authenticated: false });
        }
        Err("it is not in plain_clients".to_owned())
    }
}

/// `[north.home_assistant]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAssistantSettings {
    /// Where Home Assistant listens.
    pub discovery_prefix: String,
    /// Modes and powers can be wished there.
    pub controls: bool,
}

/// `[north.sparkplug]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkplugSettings {
    /// Group of the node.
    pub group: String,
    /// Its name there.
    pub node: String,
}

/// Which forecasts may be written, and how old one may become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForecastSettings {
    /// What they are of.
    pub quantities: Vec<Quantity>,
    /// After this time without another one they are forgotten.
    pub age_max: Duration,
}

/// `[north]`, checked; what is `None` is not served.
#[derive(Debug, Clone, Default)]
pub struct NorthSettings {
    /// The Modbus server.
    pub modbus: Option<ModbusSettings>,
    /// Forecasts that may be written to the Modbus server.
    pub forecasts: ForecastSettings,
    /// The SunSpec face.
    pub sunspec: Option<ModbusSettings>,
    /// Home Assistant's discovery.
    pub home_assistant: Option<HomeAssistantSettings>,
    /// Sparkplug B.
    pub sparkplug: Option<SparkplugSettings>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_authenticates_nobody_and_a_certificate_says_who_and_what() {
        let clients = Clients { loopback: Role::Operator, plain: vec![IpAddr::from([10, 0, 0, 7])] };
        let who = |address: &str, identity: Option<(&str, Option<&str>)>, encrypted| {
            let identity = identity.map(|(name, role)| Identity { name: name.into(), role: role.map(Into::into) });
            let address = address.parse().expect("an address");
            let found = clients.whoever(address, identity.as_ref(), encrypted, Means::ModbusServer);
            found.map(|by| (by.name, by.role, by.authenticated)).map_err(|why| why.chars().take(11).collect::<String>())
        };
        let is = |name: &str, role, known| Ok((name.to_owned(), role, known));
        assert_eq!(who("::ffff:127.0.0.1", None, false), is("modbus.loopback", Role::Operator, true));
        assert_eq!(who("10.0.0.7", None, false), is("10.0.0.7", Role::Guard, false));
        assert_eq!(who("10.0.0.8", None, false), Err("it is not i".into()));
        assert_eq!(who("127.0.0.1", None, true), Err("it has no c".into()));
        assert_eq!(who("10.0.0.8", Some(("scada", Some("Operator"))), true), is("scada", Role::Operator, true));
        assert_eq!(who("10.0.0.8", Some(("scada", None)), true), is("scada", Role::Viewer, true));
        assert_eq!(who("10.0.0.8", Some(("scada", Some("boss"))), true), Err("the role in".into()));
    }
}
