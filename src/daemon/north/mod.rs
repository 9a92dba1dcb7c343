//! The north side: wires the protocols that SCADA speaks to what a running gateway shows, and their writes to the cycle.

mod extent;
mod forecasts;
#[cfg(feature = "iec104")]
mod iec104;
#[cfg(feature = "opcua")]
mod opcua;
mod snapshot;
mod speakers;

pub use extent::extent;

use crate::asked::Asked;
use crate::view::View;
use anyhow::{Context, Result};
use memg_core::command::{Command, Means};
use memg_north::desk::Desk;
use memg_north::modbus::Server;
use memg_north::points::PointList;
use memg_north::settings::{ModbusSettings, NorthSettings};
use memg_north::sunspec::{Face, Nameplate};
use memg_north::wires::{Ask, Snapshot, Wires};
use memg_plant_io::image::ProcessImage;
use memg_settings::Settings;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// Commands that may wait for a cycle, and most that one takes.
const ASKS: usize = 32;
const TAKEN_MAX: usize = 16;

/// A server's work, until it is told to stop.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A port that is open and not yet served.
struct Opened(Box<dyn FnOnce(Wires, watch::Receiver<bool>) -> Serving + Send>);

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opened")
    }
}

/// Ports that are open and not yet served.
#[derive(Debug, Default)]
pub struct North {
    servers: Vec<Opened>,
    /// Something speaks through the broker.
    speaks: bool,
    /// What listens where, for people.
    pub addresses: Vec<(&'static str, String)>,
}

impl North {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// A port is taken or an address is not ours: somebody counts on it.
    pub async fn open(settings: &Settings) -> Result<Self> {
        let mut north = Self::default();
        let NorthSettings { modbus, forecasts: _, sunspec, home_assistant, sparkplug } = &settings.north;
        north.speaks = home_assistant.is_some() || sparkplug.is_some();
        if let Some(modbus) = modbus {
            let server = bind(Means::ModbusServer, modbus).await?;
            north.add("modbus", server.address()?, |wires, stop| Box::pin(server.serve(wires, stop)));
        }
        if let Some(sunspec) = sunspec {
            let (server, plate) = (bind(Means::Sunspec, sunspec).await?, nameplate(settings));
            north
                .add("sunspec", server.address()?, |wires, stop| Box::pin(server.serve(Face::new(plate, wires), stop)));
        }
        #[cfg(feature = "iec104")]
        iec104::open(settings, &mut north).await?;
        #[cfg(feature = "opcua")]
        opcua::open(settings, &mut north).await?;
        Ok(north)
    }

    fn add(
        &mut self,
        protocol: &'static str,
        address: SocketAddr,
        serve: impl FnOnce(Wires, watch::Receiver<bool>) -> Serving + Send + 'static,
    ) {
        self.addresses.push((protocol, address.to_string()));
        self.servers.push(Opened(Box::new(serve)));
    }
}

/// What the daemon has of a north side that is served.
#[derive(Default)]
pub(super) struct Served {
    pub desk: Option<Commands>,
    pub tasks: Vec<JoinHandle<()>>,
}

/// Serves it beside the control loop; `wished` wakes the loop.
pub(super) fn serve(
    north: North,
    settings: &Settings,
    image: &ProcessImage,
    views: watch::Receiver<View>,
    wished: Arc<Notify>,
    stop: &watch::Receiver<bool>,
) -> Served {
    if north.servers.is_empty() && !north.speaks {
        return Served::default();
    }
    let list = Arc::new(PointList::of(&extent(settings)));
    let (live_in, live) = watch::channel(Arc::new(Snapshot::default()));
    let (asks, asked) = mpsc::channel(ASKS);
    let desk = Desk::new(Arc::clone(&list), live.clone(), asks, Arc::clone(&wished));
    let wires =
        Wires { list: Arc::clone(&list), live, desk: desk.clone(), forecasts: forecasts::forecasts(settings, image) };
    let facts = snapshot::Facts::of(settings, &list);
    let mut tasks = vec![tokio::spawn(publish(views, list, facts, live_in)), tokio::spawn(desk.watch())];
    for (protocol, address) in &north.addresses {
        tracing::info!(protocol, address, "Serving SCADA.");
    }
    tasks.extend(north.servers.into_iter().map(|Opened(serve)| tokio::spawn(serve(wires.clone(), stop.clone()))));
    tasks.extend(speakers::speakers(settings, &wires, stop));
    Served { desk: Some(Commands { asks: asked, asked: Asked::default() }), tasks }
}

async fn bind(means: Means, settings: &ModbusSettings) -> Result<Server> {
    let server = Server::bind(settings, means).await;
    server.with_context(|| format!("north.{}.listen: {} cannot be opened", means.name(), settings.listen))
}

fn nameplate(settings: &Settings) -> Nameplate {
    let plant = settings.plant.parameters();
    let batteries = settings.plant.batteries();
    Nameplate {
        site: settings.site.clone(),
        import_kw_max: plant.grid.import_kw_max,
        export_kw_max: plant.grid.export_kw_max,
        battery_kwh: batteries.iter().map(|battery| battery.parameters.capacity_kwh).sum(),
    }
}

/// Makes the snapshot for everybody, once a cycle.
async fn publish(
    mut views: watch::Receiver<View>,
    list: Arc<PointList>,
    facts: snapshot::Facts,
    live: watch::Sender<Arc<Snapshot>>,
) {
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        if view.last.is_some() {
            live.send_replace(Arc::new(snapshot::snapshot(&list, &view, &facts)));
        }
    }
}

/// The north side as the cycle sees it.
pub(super) struct Commands {
    asks: mpsc::Receiver<Ask>,
    asked: Asked,
}

impl Commands {
    /// Takes what waits for control's door.
    pub fn take(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        while let Some(Ask { command, answer }) =
            (commands.len() < TAKEN_MAX).then(|| self.asks.try_recv().ok()).flatten()
        {
            self.asked.wait(&command, answer);
            commands.push(command);
        }
        commands
    }

    /// Answers the commands of this cycle.
    pub fn answer(&mut self, answers: &[memg_core::command::CommandAnswer]) {
        self.asked.answer(answers);
    }
}
