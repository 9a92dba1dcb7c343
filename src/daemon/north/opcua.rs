//! The OPC UA server, if the program has one.

use super::North;
use anyhow::{Context, Result};
use memg_opcua::Server;
use memg_settings::Settings;

/// Opens what is configured. Its users' passwords are compared as the station's are.
pub(super) async fn open(settings: &Settings, north: &mut North) -> Result<()> {
    let Some(opcua) = &settings.opcua else { return Ok(()) };
    let server = Server::bind(opcua, memg_web::password::verify).await;
    let server = server.with_context(|| format!("north.opcua: {} cannot be served", opcua.listen))?;
    north.add("opcua", server.address()?, |wires, stop| Box::pin(server.serve(wires, stop)));
    Ok(())
}
