//! What every request has to pass, whatever it asks for: Host, Origin, kind of body, time. And what every answer carries.

use crate::refused::Refused;
use crate::routes::App;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use memg_core::command::Role;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::Instant;

/// An answer begins within this time, or the request was too slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Cookie of a session.
pub(crate) const COOKIE: &str = "memg_session";

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub IpAddr);

/// Headers of every answer: nothing but what the station itself serves is loaded, run, or shown around the page.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The gate before all routes.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match check(&app, request.method(), request.headers()) {
        Err(refused) => refused.into_response(),
        Ok(()) => match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refused::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response(),
        },
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn check(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
    let foreign = |text: &str, said: &str| {
        app.complaints.about("a request with a foreign Host or Origin was refused", said);
        Err(Refused::forbidden(text))
    };
    let host = text(headers, header::HOST).unwrap_or_default();
    if !is_ours(host, &app.settings.hosts) {
        let text = "this Host is not ours: use an address, localhost, or a name of web.hosts";
        return foreign(text, host);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = text(headers, header::ORIGIN).unwrap_or_default();
    let scheme = if app.settings.tls.is_some() { "https://" } else { "http://" };
    if origin.strip_prefix(scheme) != Some(host) {
        return foreign("the Origin must be this station's own", origin);
    }
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if *method == Method::POST && !json {
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"));
    }
    Ok(())
}

/// Only names can be made to point here by somebody else's name server (DNS rebinding); an address is what it is.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = host_name(host);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    address || name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Without the port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The token of a request's session.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = text(headers, header::COOKIE)?.split(';');
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    /// `None`: nobody has logged in.
    pub name: Option<String>,
    pub role: Role,
    pub until: Option<Instant>,
}

impl FromRequestParts<App> for Who {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let token = cookie(&parts.headers);
        let session = token.and_then(|token| app.sessions().find(token, Instant::now()));
        Ok(match session {
            Some(session) => Self { name: Some(session.name), role: session.role, until: Some(session.until) },
            None => Self { name: None, role: Role::Viewer, until: None },
        })
    }
}

/// Somebody who may look.
#[derive(Debug)]
pub(crate) struct Viewer;

impl FromRequestParts<App> for Viewer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let Ok(who) = Who::from_request_parts(parts, app).await;
        if who.name.is_none() && !app.settings.anonymous_may_look() {
            return Err(not_logged_in());
        }
        Ok(Self)
    }
}

/// Somebody who has logged in and may do more than look.
#[derive(Debug)]
pub(crate) struct Principal {
    pub name: String,
    pub role: Role,
}

impl FromRequestParts<App> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let Ok(who) = Who::from_request_parts(parts, app).await;
        let name = who.name.ok_or_else(not_logged_in)?;
        Ok(Self { name, role: who.role })
    }
}

impl Principal {
    /// # Errors
    /// The role is less than `least`.
    pub(crate) fn at_least(&self, least: Role) -> Result<(), Refused> {
        if self.role >= least {
            return Ok(());
        }
        let (name, role) = (&self.name, self.role.name());
        Err(Refused::forbidden(format!("{name} is {role}; this takes the role {}", least.name())))
    }
}

fn not_logged_in() -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "log in first")
}

/// The address a request came from.
pub(crate) fn address(parts: &axum::http::Extensions) -> IpAddr {
    parts.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_named_hosts_are_ours_and_nothing_else() {
        let hosts = ["gateway.example".to_owned()];
        for host in ["127.0.0.1:8080", "[::1]:8080", "192.168.1.7", "localhost:1", "Gateway.Example:443"] {
            assert!(is_ours(host, &hosts), "{host}");
        }
        for host in ["", "evil.example", "gateway.example.evil.example:80", "127.0.0.1.evil.example", "localhost.evil"]
        {
            assert!(!is_ours(host, &hosts), "{host}");
        }
    }
}
