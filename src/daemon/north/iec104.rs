//! The station of IEC 60870-5-104, if the program has one.

use super::North;
use anyhow::{Context, Result};
use memg_iec104::Server;
use memg_settings::Settings;

/// Opens what is configured.
pub(super) async fn open(settings: &Settings, north: &mut North) -> Result<()> {
    let Some(iec104) = &settings.iec104 else { return Ok(()) };
    let server = Server::bind(iec104).await;
    let server = server.with_context(|| format!("north.iec104.listen: {} cannot be opened", iec104.listen))?;
    north.add("iec104", server.address()?, |wires, stop| Box::pin(server.serve(wires, stop)));
    Ok(())
}
