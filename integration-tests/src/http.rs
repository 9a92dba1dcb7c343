//! A browser's part in the station's interface, by hand: requests with exactly the headers that a test wants.

use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and headers as they came.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Somebody at the station.
#[derive(Debug, Clone)]
pub struct Browser {
    /// `127.0.0.1:PORT`.
    pub address: String,
    cookie: Option<String>,
}

impl Browser {
    /// Nobody has logged in. `url` as the gateway prints it.
    #[must_use]
    pub fn at(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, cookie: None }
    }

    /// The same for somebody who logs in.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn as_user(&self, name: &str, password: &str) -> Self {
        let answer = self.log_in(name, password).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).map(ToOwned::to_owned);
        Self { cookie, ..self.clone() }
    }

    /// An attempt to log in.
    pub async fn log_in(&self, name: &str, password: &str) -> Answer {
        let body = serde_json::json!({ "name": name, "password": password });
        self.post("session", &body).await
    }

    /// GET of a path of the interface, or of a whole path.
    pub async fn get(&self, path: &str) -> Answer {
        let path = whole(path);
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{}", self.address, self.cookie()), "").await
    }

    /// POST of JSON, as the page does it.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let (path, address) = (whole(path), &self.address);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nContent-Type: application/json\r\n{}",
            self.cookie()
        );
        self.send(&head, &body.to_string()).await
    }

    /// A command's outcome.
    pub async fn command(&self, body: Value) -> Value {
        self.post("commands", &serde_json::json!({ "body": body })).await.json()
    }

    /// The state, as it is shown.
    pub async fn state(&self) -> Value {
        self.get("state").await.json()
    }

    /// Waits until the state is as wanted.
    ///
    /// # Panics
    /// If it does not come there within a minute.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let state = self.state().await;
                if wanted(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(PATIENCE, looking).await {
            Ok(state) => state,
            Err(_) => panic!("{what} did not come: {}", self.state().await),
        }
    }

    fn cookie(&self) -> String {
        self.cookie.as_ref().map_or_else(String::new, |cookie| format!("Cookie: {cookie}\r\n"))
    }

    /// Sends a head (without its end) and a body, and reads until the other side closes.
    ///
    /// # Panics
    /// If nobody answers within a minute.
    pub async fn send(&self, head: &str, body: &str) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await.expect("the station listens");
            let request = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            stream.write_all(request.as_bytes()).await.expect("it takes the request");
            let mut bytes = Vec::new();
            // A refusal may come before everything was read, and then the connection is reset.
            let _ = stream.read_to_end(&mut bytes).await;
            parsed(&String::from_utf8_lossy(&bytes))
        };
        timeout(PATIENCE, exchange).await.expect("it answers")
    }
}

fn whole(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") }
}

fn parsed(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { joined(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn joined(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(chunk) = after.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        body.push_str(chunk);
        rest = after.get(length + 2..).unwrap_or_default();
    }
    body
}
