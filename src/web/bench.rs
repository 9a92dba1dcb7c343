//! The station of the tests: a gateway that answers everything, people who log in, requests as a browser makes them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use super::*;
use crate::guard::Peer;
use crate::password;
use crate::wires::{Ask, Column, Format, Live, Moment, NoAnswer, Span, Table, Wanted};
use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use axum::response::Response;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use memg_core::command::{CommandBody, Means, Outcome, Role};
use memg_listener::User;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A gateway that answers everything.
struct Fake;

impl Source for Fake {
    fn moment(&self) -> Moment {
        Moment { unix_ms: 1_000_000, speed: 900.0 }
    }
    fn alive(&self) -> Result<(), String> {
        Ok(())
    }
    fn ready(&self) -> Result<(), String> {
        Err("soc is lost".into())
    }
    fn metrics(&self) -> String {
        "# HELP memg_cycles Cycles.\n# TYPE memg_cycles counter\nmemg_cycles_total 7\n# EOF\n".into()
    }
    fn devices(&self) -> Value {
        json!([])
    }
    fn model(&self) -> Value {
        json!({ "name": "rule" })
    }
    fn points(&self) -> Value {
        json!([])
    }
    fn decisions(&self, span: Span) -> Result<Value, NoAnswer> {
        Ok(json!([{ "from": span.from_ms, "until": span.until_ms, "limit": span.limit }]))
    }
    fn explain(&self, at_ms: i64) -> Result<String, NoAnswer> {
        if at_ms > 0 { Ok("because".into()) } else { Err(NoAnswer::NotFound("nothing was decided".into())) }
    }
    fn log(&self, _: Span) -> Result<Value, NoAnswer> {
        Ok(json!([]))
    }
    fn alarm_history(&self, _: Span) -> Result<Value, NoAnswer> {
        Ok(json!([{ "id": "chp.link" }]))
    }
    fn history(&self, wanted: &Wanted) -> Result<Table, NoAnswer> {
        let column = |(index, name): (usize, &String)| Column {
            name: name.clone(),
            unit: "kW".into(),
            t: vec![1000, 2000 + index as i64],
            min: vec![Some(1.0), None],
            mean: vec![Some(1.5), None],
            max: vec![Some(2.0), None],
        };
        Ok(Table { step_ms: 1000, columns: wanted.points.iter().enumerate().map(column).collect() })
    }
    fn ledger(&self, _: &str, _: &str, _: Format) -> Result<String, NoAnswer> {
        Err(NoAnswer::NotKept("no ledger".into()))
    }
}

/// The station with its other end.
pub(super) struct Bench {
    pub service: TowerToHyperService<Router>,
    pub asks: mpsc::Receiver<Ask>,
    pub live: watch::Sender<Arc<Live>>,
}

pub(super) const PASSWORD: &str = "correct horse";

/// One hash for all tests: making it is work.
fn hash() -> String {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| password::hash(PASSWORD).unwrap()).clone()
}

fn settings(listen: &str) -> WebSettings {
    let user = |(name, role): (&str, Role)| User { name: name.into(), role, hash: hash() };
    let users = [("eva", Role::Viewer), ("grid", Role::Guard), ("anna", Role::Operator), ("bert", Role::Operator)];
    let hosts = vec!["gateway.example".to_owned()];
    let session = Duration::from_secs(600);
    WebSettings { listen: listen.parse().unwrap(), hosts, users: users.map(user).into(), tls: None, session }
}

pub(super) fn bench_at(listen: &str) -> Bench {
    let (live, seen) = watch::channel(Arc::new(Live {
        state: "{\"cycle\":7}".into(),
        alarms: "{\"alarms\":[],\"history\":[]}".into(),
        alarms_number: 1,
        review: vec![json!({ "what": "mode", "value": "shadow", "ok": true })],
    }));
    let (asks_in, asks) = mpsc::channel(8);
    let wires = Wires { live: seen, asks: asks_in, source: Arc::new(Fake) };
    let router = router(App::new(settings(listen), wires, Complaints::of("bench")));
    let router = router.layer(Extension(Peer(IpAddr::from([127, 0, 0, 1]))));
    Bench { service: TowerToHyperService::new(router), asks, live }
}

pub(super) fn bench() -> Bench {
    bench_at("127.0.0.1:0")
}

pub(super) const HOST: &str = "127.0.0.1:8470";

pub(super) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header(header::HOST, HOST);
    if method == "GET" {
        return builder;
    }
    builder.header(header::ORIGIN, format!("http://{HOST}")).header(header::CONTENT_TYPE, "application/json")
}

impl Bench {
    pub(super) async fn call(&self, request: Request<Body>) -> Response {
        self.service.call(request).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        text(self.call(request("GET", path).body(Body::empty()).unwrap()).await).await
    }

    pub(super) async fn post(&self, path: &str, cookie: &str, body: Value) -> (u16, Value) {
        let request = request("POST", path).header(header::COOKIE, cookie).body(Body::from(body.to_string()));
        let (status, text) = text(self.call(request.unwrap()).await).await;
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Logs in; the cookie.
    pub(super) async fn log_in(&self, name: &str) -> String {
        let body = json!({ "name": name, "password": PASSWORD }).to_string();
        let response = self.call(request("POST", "/api/v1/session").body(Body::from(body)).unwrap()).await;
        assert_eq!(response.status(), 204, "{name}");
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict; ") && !cookie.contains("Secure"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Answers the next command with `done`; what it was.
    pub(super) fn obey(mut self) -> tokio::task::JoinHandle<Vec<(String, Role, CommandBody)>> {
        tokio::spawn(async move {
            let mut done = Vec::new();
            while let Some(ask) = self.asks.recv().await {
                match ask {
                    Ask::Command(command, answer) => {
                        assert_eq!(command.means, Means::Web);
                        done.push((command.principal, command.role, command.body));
                        let _ = answer.send(Outcome::Done);
                    }
                    Ask::Alarm { id, action, by, answer, .. } => {
                        let told = if id == "chp.link" {
                            Ok(json!({ "id": id, "by": by, "action": format!("{action:?}") }))
                        } else {
                            Err(NoAnswer::NotFound("no such alarm".into()))
                        };
                        let _ = answer.send(told);
                    }
                }
            }
            done
        })
    }
}

pub(super) async fn text(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}
