#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use super::bench::{Bench, HOST, PASSWORD, bench, bench_at, request, text};
use super::*;
use crate::wires::Live;
use axum::body::Body;
use axum::http::{Request, header};
use memg_core::command::Role;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

#[test]
fn every_address_is_described_and_every_description_is_served() {
    let described: Value = serde_json::from_str(openapi()).unwrap();
    assert_eq!(described["openapi"], "3.1.0");
    let paths = described["paths"].as_object().unwrap();
    let methods = |path: &str| paths[path].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    for (path, served) in PATHS {
        assert!(route(path).is_some() && paths.contains_key(path), "{path}");
        let (mut described, mut served) = (methods(path), served.to_vec());
        described.sort_unstable();
        served.sort_unstable();
        assert_eq!(described, served, "{path}");
    }
    assert_eq!(paths.len(), PATHS.len());
    let text = openapi();
    for reference in text.split("#/components/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        let (kind, name) = reference.split_once('/').unwrap();
        assert!(described["components"][kind].get(name).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_get_of_the_description_answers_and_everything_carries_its_headers() {
    let bench = bench();
    for (path, _) in PATHS.iter().filter(|(path, methods)| methods.contains(&"get") && *path != "/api/v1/events") {
        let path = if *path == "/api/v1/history" { "/api/v1/history?points=a" } else { path };
        let response = bench.call(request("GET", path).body(Body::empty()).unwrap()).await;
        let expected = match path {
            "/readyz" => 503,
            "/api/v1/ledger" => 501,
            _ => 200,
        };
        assert_eq!(response.status(), expected, "{path}");
    }
    for path in ["/", "/trends", "/nowhere", "/api/v1/state", "/api/v1/nothing"] {
        let response = bench.call(request("GET", path).body(Body::empty()).unwrap()).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'self';"), "{path}");
        assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()));
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_and_so_is_a_post_that_is_no_json() {
    let bench = bench();
    let rows = [
        ("GET", "evil.example", None, "application/json", 403),
        ("GET", "gateway.example:443", None, "application/json", 200),
        ("POST", HOST, None, "application/json", 403),
        ("POST", HOST, Some("http://evil.example"), "application/json", 403),
        ("POST", HOST, Some("https://127.0.0.1:8470"), "application/json", 403),
        ("POST", HOST, Some("http://127.0.0.1:9999"), "application/json", 403),
        ("POST", HOST, Some("null"), "application/json", 403),
        ("POST", "evil.example", Some("http://evil.example"), "application/json", 403),
        ("POST", HOST, Some("http://127.0.0.1:8470"), "text/plain", 415),
        ("POST", HOST, Some("http://127.0.0.1:8470"), "application/json", 401),
        ("DELETE", HOST, Some("http://evil.example"), "application/json", 403),
    ];
    for (method, host, origin, kind, expected) in rows {
        let path = match method {
            "POST" => "/api/v1/arm",
            "DELETE" => "/api/v1/session",
            _ => "/api/v1/state",
        };
        let mut builder = Request::builder().method(method).uri(path).header(header::HOST, host);
        builder = builder.header(header::CONTENT_TYPE, kind);
        builder = origin.into_iter().fold(builder, |builder, origin| builder.header(header::ORIGIN, origin));
        let response = bench.call(builder.body(Body::from("{}")).unwrap()).await;
        assert_eq!(response.status(), expected, "{method} {host} {origin:?} {kind}");
    }
    let response = bench.call(Request::builder().uri("/").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 403, "without a Host");
}

#[tokio::test]
async fn whoever_has_not_logged_in_looks_on_here_and_sees_nothing_from_elsewhere() {
    let (here, elsewhere) = (bench(), bench_at("192.0.2.7:8470"));
    assert_eq!(here.get("/api/v1/state").await, (200, "{\"cycle\":7}".into()));
    for path in ["/api/v1/state", "/api/v1/events", "/metrics", "/api/v1/devices", "/api/v1/alarms", "/api/v1/explain"]
    {
        assert_eq!(elsewhere.get(path).await.0, 401, "{path}");
    }
    for path in ["/", "/api/v1/session", "/healthz", "/api/openapi.json"] {
        assert_eq!(elsewhere.get(path).await.0, 200, "{path}");
    }
    let cookie = elsewhere.log_in("eva").await;
    let request = request("GET", "/api/v1/state").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
    assert_eq!(elsewhere.call(request).await.status(), 200);
    assert_eq!(here.post("/api/v1/commands", "", json!({ "body": "safe_stop" })).await.0, 401);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_sixth_attempt_waits() {
    let bench = bench();
    let attempt = async |password: &str| {
        let body = json!({ "name": "anna", "password": password }).to_string();
        bench.call(request("POST", "/api/v1/session").body(Body::from(body)).unwrap()).await
    };
    for _ in 0..5 {
        assert_eq!(attempt("wrong horse").await.status(), 401);
    }
    let locked = attempt(PASSWORD).await;
    assert_eq!(locked.status(), 429, "the right one, too");
    assert!(locked.headers().contains_key(header::RETRY_AFTER));
    bench.log_in("bert").await;
    let nobody = json!({ "name": "nobody", "password": PASSWORD });
    let (status, told) = bench.post("/api/v1/session", "", nobody).await;
    assert_eq!((status, told["error"].as_str()), (401, Some("name or password is wrong")));
}

#[tokio::test]
async fn a_session_says_who_it_is_and_ends_by_log_out_and_by_time() {
    let bench = bench();
    let cookie = bench.log_in("anna").await;
    let who = async |cookie: &str| {
        let request = request("GET", "/api/v1/session").header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        serde_json::from_str::<Value>(&text(bench.call(request).await).await.1).unwrap()
    };
    let told = who(&cookie).await;
    assert_eq!((told["principal"].as_str(), told["role"].as_str()), (Some("anna"), Some("operator")));
    // 600 s of the wall clock are 900 times as much of the plant's.
    let ends = told["expires_unix_ms"].as_i64().unwrap();
    assert!((1_000_000 + 590_000 * 900..=1_000_000 + 600_000 * 900).contains(&ends), "{ends}");
    let out = request("DELETE", "/api/v1/session").header(header::COOKIE, &cookie).body(Body::empty()).unwrap();
    assert_eq!(bench.call(out).await.status(), 204);
    assert_eq!(who(&cookie).await["principal"], Value::Null);
    let cookie = bench.log_in("anna").await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(who(&cookie).await["principal"], Value::Null);
    assert_eq!(bench.post("/api/v1/commands", &cookie, json!({ "body": "safe_stop" })).await.0, 401);
}

#[tokio::test]
async fn roles_may_do_what_the_core_says_and_commands_carry_their_principal() {
    let bench = bench();
    let (eva, grid, anna) = (bench.log_in("eva").await, bench.log_in("grid").await, bench.log_in("anna").await);
    let (service, obeying) = (bench.service.clone(), bench.obey());
    let (_, closed) = mpsc::channel(1);
    let caller = Bench { service, asks: closed, live: watch::channel(Arc::default()).0 };
    let command =
        async |cookie: &str, body: Value| caller.post("/api/v1/commands", cookie, json!({ "body": body })).await;
    let setpoints = json!({ "setpoints": { "battery": 5.0, "chp": 0.0, "grid": null } });
    assert_eq!(command(&eva, json!("safe_stop")).await.0, 403);
    assert_eq!(command(&grid, json!("manual")).await.0, 403);
    assert_eq!(command(&grid, setpoints.clone()).await.0, 403);
    let (status, told) = command(&grid, json!("safe_stop")).await;
    assert_eq!((status, told["outcome"].as_str(), told["id"].as_str().map(str::len)), (200, Some("done"), Some(32)));
    assert_eq!(command(&anna, setpoints).await.0, 200);
    assert_eq!(command(&anna, json!("hold")).await.0, 422);
    assert_eq!(command(&anna, json!({ "limits": { "import_kw_max": 5 } })).await.0, 422);
    let alarm = async |cookie: &str, path: &str, body: Value| caller.post(path, cookie, body).await;
    let shelf = json!({ "minutes": 30, "reason": "cable is being replaced" });
    assert_eq!(alarm(&grid, "/api/v1/alarms/chp.link/acknowledge", json!({})).await.0, 403);
    let (status, told) = alarm(&anna, "/api/v1/alarms/chp.link/shelve", shelf.clone()).await;
    assert_eq!((status, told["by"].as_str()), (200, Some("anna")));
    assert_eq!(alarm(&anna, "/api/v1/alarms/x.link/unshelve", json!({})).await.0, 404);
    let too_long = json!({ "minutes": 1e9, "reason": "never again" });
    assert_eq!(alarm(&anna, "/api/v1/alarms/chp.link/shelve", too_long).await.0, 400);
    drop(caller);
    let done = obeying.await.unwrap();
    let told: Vec<_> = done.iter().map(|(who, role, body)| (who.as_str(), *role, body.name())).collect();
    assert_eq!(told, [("grid", Role::Guard, "safe_stop"), ("anna", Role::Operator, "setpoint")]);
}

#[tokio::test]
async fn arming_takes_two_steps_of_one_person() {
    let bench = bench();
    let (eva, anna, bert) = (bench.log_in("eva").await, bench.log_in("anna").await, bench.log_in("bert").await);
    let (service, obeying) = (bench.service.clone(), bench.obey());
    let caller = Bench { service, asks: mpsc::channel(1).1, live: watch::channel(Arc::default()).0 };
    let arm = async |cookie: &str| caller.post("/api/v1/arm", cookie, json!({})).await;
    let confirm = async |cookie: &str, token: Option<&Value>| {
        let body = json!({ "body": "arm", "confirm": token });
        caller.post("/api/v1/commands", cookie, body).await.1["outcome"].as_str().map(ToOwned::to_owned)
    };
    assert_eq!(arm(&eva).await.0, 403);
    assert_eq!(confirm(&anna, None).await.as_deref(), Some("rejected"));
    let (status, first) = arm(&anna).await;
    assert_eq!((status, first["review"][0]["what"].as_str()), (200, Some("mode")));
    assert_eq!(first["expires_unix_ms"], 1_000_000 + 30_000 * 900);
    assert_eq!(confirm(&bert, Some(&first["token"])).await.as_deref(), Some("rejected"));
    assert_eq!(confirm(&anna, Some(&first["token"])).await.as_deref(), Some("done"));
    assert_eq!(confirm(&anna, Some(&first["token"])).await.as_deref(), Some("rejected"), "used up");
    drop(caller);
    assert_eq!(obeying.await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_too_large_malformed_or_elsewhere_is_refused() {
    let bench = bench();
    let anna = bench.log_in("anna").await;
    let huge = json!({ "body": "safe_stop", "confirm": "x".repeat(BODY_MAX) });
    assert_eq!(bench.post("/api/v1/commands", &anna, huge).await.0, 413);
    let broken = request("POST", "/api/v1/commands").header(header::COOKIE, &anna).body(Body::from("{\"body\":"));
    assert_eq!(bench.call(broken.unwrap()).await.status(), 400);
    let files =
        ["/../Cargo.toml", "/..%2f..%2fCargo.toml", "/assets/../../settings.rs", "//etc/passwd", "/%2e%2e/lib.rs"];
    for path in files {
        assert_eq!(bench.get(path).await.0, 404, "{path}");
    }
    for (path, expected) in [
        ("/api/v1/history?points=", 400),
        ("/api/v1/history?points=a&from=5&to=4", 400),
        ("/api/v1/history?points=a&format=xml", 400),
        ("/api/v1/decisions?limit=many", 400),
        ("/api/v1/decisions?form=5", 400),
        ("/api/v1/explain?at=-5", 404),
    ] {
        assert_eq!(bench.get(path).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn points_over_time_come_as_json_and_as_rows() {
    let bench = bench();
    let (_, json) = bench.get("/api/v1/history?points=pv_kw,soc&from=0&to=5000").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["series"]["soc"]["mean"], json!([1.5, null]));
    let (_, csv) = bench.get("/api/v1/history?points=pv_kw,soc&from=0&to=5000&format=csv").await;
    let expected =
        "time_unix_ms,pv_kw,pv_kw.min,pv_kw.max,soc,soc.min,soc.max\n1000,1.5,1,2,1.5,1,2\n2000,,,,,,\n2001,,,,,,\n";
    assert_eq!(csv, expected);
    let (_, alarms) = bench.get("/api/v1/alarms?from=0").await;
    assert_eq!(serde_json::from_str::<Value>(&alarms).unwrap()["history"][0]["id"], "chp.link");
}

#[tokio::test]
async fn metrics_are_told_in_the_form_that_is_asked_for() {
    let bench = bench();
    let older = "# HELP memg_cycles_total Cycles.\n# TYPE memg_cycles_total counter\nmemg_cycles_total 7\n";
    assert_eq!(bench.get("/metrics").await, (200, older.into()));
    let asked = request("GET", "/metrics").header(header::ACCEPT, "application/openmetrics-text; version=1.0.0");
    let (_, told) = text(bench.call(asked.body(Body::empty()).unwrap()).await).await;
    assert!(told.ends_with("# EOF\n") && told.contains("# TYPE memg_cycles counter"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_stream_begins_with_everything_repeats_what_changes_and_breaks_silence() {
    use futures_util::StreamExt;
    let bench = bench();
    let response = bench.call(request("GET", "/api/v1/events").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut frames = response.into_body().into_data_stream();
    let mut next = async || String::from_utf8(frames.next().await.unwrap().unwrap().to_vec()).unwrap();
    let state = "event: state\ndata: {\"cycle\":7}\n\n";
    let alarms = "event: alarms\ndata: {\"alarms\":[],\"history\":[]}\n\n";
    assert_eq!(next().await, format!("{state}{alarms}"));
    assert_eq!(next().await, ": here\n\n", "after 5 s of silence");
    let same = Live { state: "{\"cycle\":7}".into(), alarms_number: 1, ..Live::default() };
    bench.live.send_replace(Arc::new(same));
    assert_eq!(next().await, state, "alarms are the same");
    let other = Live { state: "{}".into(), alarms: "[]".into(), alarms_number: 2, review: Vec::new() };
    bench.live.send_replace(Arc::new(other));
    assert_eq!(next().await, "event: state\ndata: {}\n\nevent: alarms\ndata: []\n\n");
}
