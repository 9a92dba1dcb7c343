//! Addresses and what answers them.

mod alarms;
mod commands;
mod health;
mod live;
mod records;
mod session;

use crate::arming::Arming;
use crate::guard::guard;
use crate::page;
use crate::refused::Refused;
use crate::sessions::Sessions;
use crate::settings::WebSettings;
use crate::wires::{NoAnswer, Source, Wires};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use memg_listener::Complaints;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Longest body of a request, bytes.
const BODY_MAX: usize = 16 * 1024;
/// Questions that may wait for a disk at once.
const QUESTIONS_MAX: usize = 4;

/// What all routes share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub settings: WebSettings,
    pub wires: Wires,
    pub complaints: Complaints,
    sessions: Mutex<Sessions>,
    arming: Mutex<Arming>,
    /// Hashing a password is work: one at a time.
    pub hashing: Semaphore,
    questions: Semaphore,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(settings: WebSettings, wires: Wires, complaints: Complaints) -> Self {
        Self(Arc::new(Shared {
            settings,
            wires,
            complaints,
            sessions: Mutex::default(),
            arming: Mutex::default(),
            hashing: Semaphore::new(1),
            questions: Semaphore::new(QUESTIONS_MAX),
        }))
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn arming(&self) -> MutexGuard<'_, Arming> {
        self.arming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the gateway something on a thread that may wait.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Source) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway does not answer");
        let _place = self.questions.acquire().await.map_err(|_| busy())?;
        let source = Arc::clone(&self.wires.source);
        let answer = tokio::task::spawn_blocking(move || question(source.as_ref())).await;
        answer.map_err(|_| busy())?.map_err(Refused::from)
    }
}

/// The OpenAPI description.
#[must_use]
pub const fn openapi() -> &'static str {
    include_str!("../openapi.json")
}

/// Every address of the interface and its methods; the page's files come on top.
pub const PATHS: [(&str, &[&str]); 23] = [
    ("/healthz", &["get"]),
    ("/readyz", &["get"]),
    ("/metrics", &["get"]),
    ("/api/openapi.json", &["get"]),
    ("/api/v1/session", &["get", "post", "delete"]),
    ("/api/v1/state", &["get"]),
    ("/api/v1/events", &["get"]),
    ("/api/v1/commands", &["post"]),
    ("/api/v1/arm", &["post"]),
    ("/api/v1/alarms", &["get"]),
    ("/api/v1/alarms/{id}/acknowledge", &["post"]),
    ("/api/v1/alarms/{id}/shelve", &["post"]),
    ("/api/v1/alarms/{id}/unshelve", &["post"]),
    ("/api/v1/alarms/{id}/out-of-service", &["post"]),
    ("/api/v1/alarms/{id}/return-to-service", &["post"]),
    ("/api/v1/devices", &["get"]),
    ("/api/v1/decisions", &["get"]),
    ("/api/v1/explain", &["get"]),
    ("/api/v1/model", &["get"]),
    ("/api/v1/log", &["get"]),
    ("/api/v1/points", &["get"]),
    ("/api/v1/history", &["get"]),
    ("/api/v1/ledger", &["get"]),
];

/// What answers an address of [`PATHS`].
fn route(path: &str) -> Option<MethodRouter<App>> {
    Some(match path {
        "/healthz" => get(health::alive),
        "/readyz" => get(health::ready),
        "/metrics" => get(health::metrics),
        "/api/openapi.json" => get(health::description),
        "/api/v1/session" => get(session::show).post(session::log_in).delete(session::log_out),
        "/api/v1/state" => get(live::state),
        "/api/v1/events" => get(live::events),
        "/api/v1/commands" => post(commands::command),
        "/api/v1/arm" => post(commands::arm),
        "/api/v1/alarms" => get(alarms::list),
        "/api/v1/alarms/{id}/acknowledge" => post(alarms::acknowledge),
        "/api/v1/alarms/{id}/shelve" => post(alarms::shelve),
        "/api/v1/alarms/{id}/unshelve" => post(alarms::unshelve),
        "/api/v1/alarms/{id}/out-of-service" => post(alarms::out_of_service),
        "/api/v1/alarms/{id}/return-to-service" => post(alarms::return_to_service),
        "/api/v1/devices" => get(records::devices),
        "/api/v1/decisions" => get(records::decisions),
        "/api/v1/explain" => get(records::explain),
        "/api/v1/model" => get(records::model),
        "/api/v1/log" => get(records::log),
        "/api/v1/points" => get(records::points),
        "/api/v1/history" => get(records::history),
        "/api/v1/ledger" => get(records::ledger),
        _ => return None,
    })
}

/// All of it, behind the guard.
pub(crate) fn router(app: App) -> Router {
    let routed = PATHS.into_iter().filter_map(|(path, _)| Some((path, route(path)?)));
    let router = routed.fold(Router::new(), |router, (path, answers)| router.route(path, answers));
    router
        .fallback(get(page::serve))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

#[cfg(test)]
#[path = "../bench.rs"]
mod bench;
#[cfg(test)]
#[path = "../tests.rs"]
mod tests;
