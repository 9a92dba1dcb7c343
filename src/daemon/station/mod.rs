//! The operator's station: wires package `memg-web` to what a running gateway shows, and wishes to the cycle.

mod desk;
mod devices;
mod metrics;
mod money;
mod source;
mod state;

pub(super) use desk::Desk;

use crate::notes::Notes;
use crate::view::View;
use anyhow::{Context, Result};
use memg_core::command::Role;
use memg_listener::User;
use memg_plant_io::image::ProcessImage;
use memg_plant_io::modbus::DeviceHealth;
use memg_settings::Settings;
use memg_web::Server;
use memg_web::settings::WebSettings;
use memg_web::wires::{Live, Wires};
use source::{Place, Telling};
use state::Site;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The state is made so often at most.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// Wishes that may wait for a cycle.
const ASKS: usize = 32;
/// Name of the user that a demonstration makes: an engineer, so that everything can be tried at its simulated plant.
const DEMO_USER: &str = "demo";

/// A station that listens and is not served yet.
#[derive(Debug)]
pub struct Station {
    server: Option<Server>,
    /// Its address for a browser, or why it is not there.
    pub address: Result<String, String>,
    /// Name and password that a demonstration made, because nobody else could log in.
    pub log_in: Option<(String, String)>,
}

impl Station {
    /// Opens the port that the configuration names; `None` without `[web]`. A port that is taken does not stop a gateway.
    ///
    /// # Errors
    /// The system gives no random numbers for the demonstration's password.
    pub async fn open(settings: &Settings) -> Result<Option<Self>> {
        let Some(web) = settings.web.clone() else { return Ok(None) };
        let (web, log_in) = if settings.demo.is_some() && web.users.is_empty() { with_user(web)? } else { (web, None) };
        let listen = web.listen;
        Ok(Some(match Server::bind(web).await {
            Ok(server) => Self { address: Ok(server.url()), server: Some(server), log_in },
            Err(error) => Self { server: None, address: Err(format!("{listen}: {error}")), log_in: None },
        }))
    }
}

/// A demonstration can be operated by whoever sees its terminal.
fn with_user(mut web: WebSettings) -> Result<(WebSettings, Option<(String, String)>)> {
    let password = memg_web::password::made_up().context("the demonstration's password")?;
    let hash = memg_web::password::hash(&password).map_err(anyhow::Error::msg)?;
    web.users.push(User { name: DEMO_USER.into(), role: Role::Engineer, hash });
    Ok((web, Some((DEMO_USER.into(), password))))
}

/// What the station needs from the daemon.
pub(super) struct Around<'a> {
    pub settings: &'a Settings,
    pub image: ProcessImage,
    pub health: &'a [DeviceHealth],
    pub views: watch::Receiver<View>,
    pub notes: Notes,
    pub stop: watch::Receiver<bool>,
}

/// What the daemon has of a station that is served, or is not.
#[derive(Default)]
pub(super) struct Served {
    pub desk: Option<Desk>,
    /// Its address for a browser.
    pub address: Option<String>,
    /// Why it is not there.
    pub trouble: Option<String>,
    pub tasks: Vec<JoinHandle<()>>,
}

/// Serves it beside the control loop.
pub(super) fn serve(station: Station, around: Around<'_>) -> Served {
    let (address, trouble) = (station.address.as_ref().ok().cloned(), station.address.as_ref().err().cloned());
    let Some(server) = station.server else { return Served { trouble, ..Served::default() } };
    let site = Arc::new(Site::of(around.settings));
    let (live_in, live) = watch::channel(Arc::new(Live::default()));
    let (asks, asked) = mpsc::channel(ASKS);
    let (money_in, money) = watch::channel(serde_json::Value::Null);
    let place = Place::of(around.settings, around.image, around.health);
    let source = Arc::new(Telling::new(Arc::clone(&site), place, around.views.clone(), around.notes.clone()));
    let wires = Wires { live, asks, source };
    let tasks = vec![
        tokio::spawn(publish(around.views.clone(), Arc::clone(&site), money, live_in)),
        tokio::spawn(server.serve(wires, around.stop)),
    ];
    // Ends with the runtime, at the latest when nobody is told any more.
    tokio::spawn(money::count(site, around.notes, around.views, money_in));
    Served { desk: Some(Desk::new(asked)), address, trouble, tasks }
}

/// Makes the state for everybody, from the latest cycle, at most once a second.
async fn publish(
    mut views: watch::Receiver<View>,
    site: Arc<Site>,
    money: watch::Receiver<serde_json::Value>,
    live: watch::Sender<Arc<Live>>,
) {
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        if view.last.is_some() {
            let told = state::live(&site, &view, &money.borrow());
            live.send_replace(Arc::new(told));
        }
        tokio::time::sleep(STATE_EVERY).await;
    }
}
