//! The promise plant with a server for SCADA.

use crate::gateway::Gateway;
use crate::mosquitto::Listener;
use crate::promise_plant::{PromisePlant, until_mode};

/// A plant, its gateway and where the server is.
pub struct NorthPlant {
    pub plant: PromisePlant,
    pub gateway: Gateway,
    /// Host and port of the server.
    pub address: String,
    pub port: String,
    pub state: Listener,
}

impl NorthPlant {
    /// Starts it with `table` in the configuration; `protocol` is what the gateway calls the server. A simulated plant comes to
    /// auto, a real one, which nobody has armed, to shadow. `None` without mosquitto.
    ///
    /// # Panics
    /// If it does not come there.
    pub async fn start(protocol: &str, table: &str, real: bool, environment: &[(&str, &str)]) -> Option<Self> {
        let plant = PromisePlant::start("react_s = 0.02", "").await?;
        if real {
            plant.make_real();
        }
        plant.edit("gateway.toml", "[mqtt]", &format!("[north.{protocol}]\nlisten = '127.0.0.1:0'\n{table}\n[mqtt]"));
        let mut state = plant.broker.listen("memg/promises/state").await;
        let environment: Vec<(&str, &str)> = [("RUST_LOG", "warn")].iter().chain(environment).copied().collect();
        let said = format!("SCADA over {protocol}: ");
        let (gateway, address) = Gateway::saying(&said, &plant.path("gateway.toml"), &[], &environment).await;
        until_mode(&mut state, if real { "shadow" } else { "auto" }).await;
        let port = address.rsplit(':').next().unwrap_or_default().to_owned();
        Some(Self { plant, gateway, address, port, state })
    }
}
