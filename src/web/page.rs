//! Files of the page, built in. What is not in the table does not exist, so no path leads out of it.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// Addresses that are views of one page.
pub(crate) const VIEWS: [&str; 7] = ["/", "/trends", "/alarms", "/devices", "/decisions", "/model", "/events"];

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

/// A view or a file; 404 for everything else.
pub(crate) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    let name = if VIEWS.contains(&path) { "index.html" } else { path.trim_start_matches('/') };
    // A view may have a file of its own.
    let own = format!("{name}.html");
    let found = FILES.iter().find(|(known, _)| *known == name || *known == own);
    found.map_or_else(
        || (StatusCode::NOT_FOUND, "There is no such page.").into_response(),
        |(name, bytes)| file(name, bytes, request.headers()),
    )
}

/// Browsers keep it and ask whether it is still the same.
fn file(name: &str, bytes: &'static [u8], asked: &HeaderMap) -> Response {
    let tag = format!("\"{:08x}-{:x}\"", crc32fast::hash(bytes), bytes.len());
    let same = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if same { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(Body::from(bytes)) };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
