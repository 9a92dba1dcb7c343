//! Log-in and log-out.

use super::App;
use crate::guard::{COOKIE, Who, address, cookie};
use crate::password::{self, LENGTH_MAX};
use crate::refused::Refused;
use crate::sessions::Session;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use tokio::time::Instant;

/// Of a password that nobody knows: whoever guesses names waits as long as for a real one.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9i$1bDE1SyNhHrW1bVK3TQ6jhGfVLm4kPZ0FfXkUoY1q8E";

pub(super) async fn show(who: Who, State(app): State<App>) -> Json<Value> {
    let left = who.until.map(|until| until.saturating_duration_since(Instant::now()));
    let moment = app.wires.source.moment();
    Json(json!({
        "principal": who.name,
        "role": who.role.name(),
        "log_in": !app.settings.users.is_empty(),
        "may_look": who.name.is_some() || app.settings.anonymous_may_look(),
        "expires_unix_ms": left.map(|left| moment.after(left)),
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    name: String,
    password: String,
}

pub(super) async fn log_in(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let from = address(request.extensions());
    let LogIn { name, password } = super::commands::body(request).await?;
    if name.len() > LENGTH_MAX || password.len() > LENGTH_MAX {
        return Err(Refused::wrong("name or password is too long"));
    }
    // One at a time, the count included: attempts that come together do not slip past it.
    let _place = app.hashing.acquire().await.map_err(|_| wrong())?;
    let wait = app.sessions().wait(&name, from, Instant::now());
    if !wait.is_zero() {
        let text = format!("too many attempts; the next one in {} s", wait.as_secs().max(1));
        return Err(Refused { retry: Some(wait), ..Refused::new(StatusCode::TOO_MANY_REQUESTS, text) });
    }
    let user = app.settings.users.iter().find(|user| user.name == name);
    let (hash, known) = (user.map_or(NOBODY, |user| user.hash.as_str()).to_owned(), user.is_some());
    let fits = tokio::task::spawn_blocking(move || password::verify(&hash, &password)).await.unwrap_or(false);
    match user.filter(|_| fits && known) {
        Some(user) => open(&app, user.name.clone(), user.role, from),
        None => {
            app.sessions().failed(&name, from, Instant::now());
            app.complaints.about("a log-in failed", &format!("{name} from {from}"));
            Err(wrong())
        }
    }
}

fn wrong() -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "name or password is wrong")
}

fn open(app: &App, name: String, role: memg_core::command::Role, from: IpAddr) -> Result<Response, Refused> {
    let (now, life) = (Instant::now(), app.settings.session);
    let mut sessions = app.sessions();
    sessions.succeeded(&name, from);
    tracing::info!(name, role = role.name(), "Somebody logged in at the operator's station.");
    let token = sessions.open(Session { name, role, until: now + life }, now);
    let none = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "no random numbers are available");
    let cookie = set_cookie(app, &token.ok_or_else(none)?, life.as_secs());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn set_cookie(app: &App, token: &str, seconds: u64) -> String {
    let secure = if app.settings.tls.is_some() { "; Secure" } else { "" };
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

pub(super) async fn log_out(State(app): State<App>, headers: HeaderMap) -> Response {
    cookie(&headers).into_iter().for_each(|token| app.sessions().close(token));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(&app, "", 0))]).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_of_nobody_is_as_much_work_as_others() {
        assert_eq!(crate::password::check(super::NOBODY), Ok(()));
    }
}
