//! The list of alarms, and what may be done with an entry. None of it changes the plant.

use super::App;
use super::commands::{body, taken};
use super::records::{Asked, span};
use crate::guard::{Principal, Viewer};
use crate::refused::Refused;
use crate::wires::{AlarmAction, Ask};
use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Longest shelf, minutes: nothing is hidden for longer than a day.
const SHELF_MIN_MAX: f64 = 24.0 * 60.0;
/// Longest time out of service, hours: nothing is forgotten for longer than a month.
const OUT_H_MAX: f64 = 30.0 * 24.0;
const REASON_MAX: usize = 200;

/// The list, with what changed in a span of time if one is asked for.
pub(super) async fn list(_: Viewer, State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, Refused> {
    let alarms = app.wires.live.borrow().alarms.clone();
    if asked.from.is_none() && asked.to.is_none() {
        return Ok(([(header::CONTENT_TYPE, "application/json")], alarms).into_response());
    }
    let span = span(&asked, &app);
    let history = app.ask(move |source| source.alarm_history(span)).await?;
    let mut list: Value = serde_json::from_slice(&alarms).unwrap_or_else(|_| json!({ "alarms": [] }));
    list["history"] = history;
    Ok(Json(list).into_response())
}

async fn act(app: &App, who: Principal, id: String, action: AlarmAction) -> Result<Json<Value>, Refused> {
    who.at_least(action.role_min())?;
    let (answer, answered) = oneshot::channel();
    let ask = Ask::Alarm { id, action, by: who.name, role: who.role, answer };
    Ok(Json(taken(app, ask, answered).await??))
}

pub(super) async fn acknowledge(
    who: Principal,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    act(&app, who, id, AlarmAction::Acknowledge).await
}

pub(super) async fn unshelve(
    who: Principal,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    act(&app, who, id, AlarmAction::Unshelve).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelf {
    minutes: f64,
    reason: String,
}

pub(super) async fn shelve(
    who: Principal,
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refused> {
    let Shelf { minutes, reason } = body(request).await?;
    if !(minutes > 0.0 && minutes <= SHELF_MIN_MAX) {
        return Err(Refused::wrong(format!("minutes: expected more than 0 and at most {SHELF_MIN_MAX}")));
    }
    let reason = said(reason)?;
    act(&app, who, id, AlarmAction::Shelve { minutes, reason }).await
}

/// A reason that is one.
fn said(reason: String) -> Result<String, Refused> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Refused::wrong(format!("reason: expected 1 to {REASON_MAX} characters")));
    }
    Ok(reason)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Out {
    hours: f64,
    reason: String,
}

pub(super) async fn out_of_service(
    who: Principal,
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refused> {
    let Out { hours, reason } = body(request).await?;
    if !(hours > 0.0 && hours <= OUT_H_MAX) {
        return Err(Refused::wrong(format!("hours: expected more than 0 and at most {OUT_H_MAX}")));
    }
    let reason = said(reason)?;
    act(&app, who, id, AlarmAction::OutOfService { hours, reason }).await
}

pub(super) async fn return_to_service(
    who: Principal,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    act(&app, who, id, AlarmAction::ReturnToService).await
}
