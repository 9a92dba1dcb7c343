//! What is live: the state, and the stream of states and alarms. Frames are shared by all who look on.

use super::App;
use crate::guard::Viewer;
use crate::wires::Live;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Silence longer than this is broken by a comment, so that a page knows that its gateway is there.
const HEARTBEAT: Duration = Duration::from_secs(5);

pub(super) async fn state(_: Viewer, State(app): State<App>) -> Response {
    let state = app.wires.live.borrow().state.clone();
    ([(header::CONTENT_TYPE, "application/json")], state).into_response()
}

pub(super) async fn events(_: Viewer, State(app): State<App>) -> Response {
    let body = Body::from_stream(frames(app.wires.live.clone()));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

struct Following {
    live: watch::Receiver<Arc<Live>>,
    /// Alarms that were told last.
    told: Option<u64>,
}

/// States, alarms when they change, comments in between. Ends when the gateway does.
fn frames(mut live: watch::Receiver<Arc<Live>>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    live.mark_changed();
    stream::unfold(Following { live, told: None }, |mut following| async move {
        let frame = match tokio::time::timeout(HEARTBEAT, following.live.changed()).await {
            Err(_) => Bytes::from_static(b": here\n\n"),
            Ok(Err(_)) => return None,
            Ok(Ok(())) => {
                let live = Arc::clone(&following.live.borrow_and_update());
                let news = following.told.replace(live.alarms_number) != Some(live.alarms_number);
                frame(&live, news)
            }
        };
        Some((Ok(frame), following))
    })
}

/// JSON has no line breaks, so one line of data holds it.
fn frame(live: &Live, with_alarms: bool) -> Bytes {
    let mut text = Vec::with_capacity(live.state.len() + live.alarms.len() + 64);
    let mut event = |name: &str, data: &[u8]| {
        for part in [b"event: ", name.as_bytes(), b"\ndata: ", data, b"\n\n"] {
            text.extend_from_slice(part);
        }
    };
    if !live.state.is_empty() {
        event("state", &live.state);
    }
    if with_alarms && !live.alarms.is_empty() {
        event("alarms", &live.alarms);
    }
    text.into()
}
