//! For machines that watch: is it alive, is it ready, how does it do.

use super::App;
use crate::guard::Viewer;
use crate::refused::Refused;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

fn judged(said: Result<(), String>, good: &str) -> Response {
    match said {
        Ok(()) => (StatusCode::OK, format!("{good}\n")).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

pub(super) async fn alive(State(app): State<App>) -> Response {
    judged(app.wires.source.alive(), "alive")
}

pub(super) async fn ready(State(app): State<App>) -> Response {
    judged(app.wires.source.ready(), "ready")
}

pub(super) async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::openapi()).into_response()
}

const OPEN_METRICS: &str = "application/openmetrics-text";

/// OpenMetrics for whoever asks for it, else the older text format.
pub(super) async fn metrics(_: Viewer, State(app): State<App>, headers: HeaderMap) -> Result<Response, Refused> {
    let text = app.ask(|source| Ok(source.metrics())).await?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (kind, text) = if accepts.contains(OPEN_METRICS) {
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
    } else {
        ("text/plain; version=0.0.4; charset=utf-8", older(&text))
    };
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// OpenMetrics text in Prometheus' older format: there a counter's family has the name of its samples, units have no line of
/// their own, and nothing marks the end.
pub(crate) fn older(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut found = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF") {
        let family = |line: &str| {
            let (name, rest) = line.split_once(' ')?;
            counters.contains(&name).then(|| format!("{name}_total {rest}"))
        };
        let renamed =
            ["# HELP ", "# TYPE "].iter().find_map(|head| Some(format!("{head}{}", family(line.strip_prefix(head)?)?)));
        found.push_str(renamed.as_deref().unwrap_or(line));
        found.push('\n');
    }
    found
}
