//! What is looked up: devices, decisions, the log, points over time, the ledger.

use super::App;
use crate::guard::Viewer;
use crate::refused::Refused;
use crate::wires::{Format, Span, Table, Wanted};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most entries of a list.
const ENTRIES_MAX: usize = 5_000;
const ENTRIES: usize = 200;
/// Most values of a point.
const VALUES_MAX: usize = 20_000;
const VALUES: usize = 800;
/// Most points at once.
const POINTS_MAX: usize = 24;
const DAY_MS: i64 = 86_400_000;

/// A span of plant time, ms since 1970 UTC; the last day where nothing is said.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub limit: Option<usize>,
}

pub(super) fn span(asked: &Asked, app: &App) -> Span {
    let until_ms = asked.to.unwrap_or_else(|| app.wires.source.moment().unix_ms);
    let from_ms = asked.from.unwrap_or_else(|| until_ms.saturating_sub(DAY_MS));
    Span { from_ms, until_ms, limit: asked.limit.unwrap_or(ENTRIES).clamp(1, ENTRIES_MAX) }
}

pub(super) async fn devices(_: Viewer, State(app): State<App>) -> Result<Json<Value>, Refused> {
    app.ask(|source| Ok(source.devices())).await.map(Json)
}

pub(super) async fn model(_: Viewer, State(app): State<App>) -> Result<Json<Value>, Refused> {
    app.ask(|source| Ok(source.model())).await.map(Json)
}

pub(super) async fn points(_: Viewer, State(app): State<App>) -> Result<Json<Value>, Refused> {
    app.ask(|source| Ok(source.points())).await.map(Json)
}

pub(super) async fn decisions(
    _: Viewer,
    State(app): State<App>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refused> {
    let span = span(&asked, &app);
    app.ask(move |source| source.decisions(span)).await.map(Json)
}

pub(super) async fn log(_: Viewer, State(app): State<App>, Query(asked): Query<Asked>) -> Result<Json<Value>, Refused> {
    let span = span(&asked, &app);
    app.ask(move |source| source.log(span)).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct At {
    at: Option<i64>,
}

pub(super) async fn explain(
    _: Viewer,
    State(app): State<App>,
    Query(At { at }): Query<At>,
) -> Result<Json<Value>, Refused> {
    let at_ms = at.unwrap_or_else(|| app.wires.source.moment().unix_ms);
    let text = app.ask(move |source| source.explain(at_ms)).await?;
    Ok(Json(json!({ "text": text })))
}

fn format(name: Option<&str>) -> Result<Format, Refused> {
    match name {
        None | Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(other) => Err(Refused::wrong(format!("format: expected json or csv, found {other:?}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Curves {
    points: String,
    from: Option<i64>,
    to: Option<i64>,
    max: Option<usize>,
    format: Option<String>,
}

pub(super) async fn history(
    _: Viewer,
    State(app): State<App>,
    Query(asked): Query<Curves>,
) -> Result<Response, Refused> {
    let format = format(asked.format.as_deref())?;
    let names = asked.points.split(',').map(str::trim).filter(|name| !name.is_empty());
    let points: Vec<String> = names.map(ToOwned::to_owned).collect();
    if points.is_empty() || points.len() > POINTS_MAX {
        return Err(Refused::wrong(format!("points: expected 1 to {POINTS_MAX} names, see /api/v1/points")));
    }
    let Span { from_ms, until_ms, .. } = span(&Asked { from: asked.from, to: asked.to, limit: None }, &app);
    if from_ms >= until_ms {
        return Err(Refused::wrong("from: expected a time before to, both ms since 1970 UTC"));
    }
    let max = asked.max.unwrap_or(VALUES).clamp(2, VALUES_MAX);
    let wanted = Wanted { points, from_ms, until_ms, max };
    let table = app.ask(move |source| source.history(&wanted)).await?;
    Ok(match format {
        Format::Json => Json(as_json(table)).into_response(),
        Format::Csv => csv(as_csv(&table)),
    })
}

fn as_json(table: Table) -> Value {
    let column = |column: crate::wires::Column| {
        let values =
            json!({ "unit": column.unit, "t": column.t, "min": column.min, "mean": column.mean, "max": column.max });
        (column.name, values)
    };
    let series: Map<String, Value> = table.columns.into_iter().map(column).collect();
    json!({ "step_ms": table.step_ms, "series": series })
}

/// A row for each time at which a point has a value; cells of what is not known are empty.
fn as_csv(table: &Table) -> String {
    let mut text = String::from("time_unix_ms");
    for column in &table.columns {
        let _ = write!(text, ",{0},{0}.min,{0}.max", column.name);
    }
    text.push('\n');
    let times: BTreeSet<i64> = table.columns.iter().flat_map(|column| column.t.iter().copied()).collect();
    for time in times {
        let _ = write!(text, "{time}");
        for column in &table.columns {
            let index = column.t.binary_search(&time).ok();
            for values in [&column.mean, &column.min, &column.max] {
                let value = index.and_then(|index| values.get(index).copied().flatten());
                let cell = value.map_or_else(String::new, |value| value.to_string());
                let _ = write!(text, ",{cell}");
            }
        }
        text.push('\n');
    }
    text
}

fn csv(text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"memg-gateway.csv\""),
    ];
    (headers, text).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Days {
    from: Option<String>,
    to: Option<String>,
    format: Option<String>,
}

pub(super) async fn ledger(_: Viewer, State(app): State<App>, Query(asked): Query<Days>) -> Result<Response, Refused> {
    let format = format(asked.format.as_deref())?;
    let (from, to) = (asked.from.unwrap_or_default(), asked.to.unwrap_or_default());
    let text = app.ask(move |source| source.ledger(&from, &to, format)).await?;
    Ok(match format {
        Format::Json => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Format::Csv => csv(text),
    })
}
