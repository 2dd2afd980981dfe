use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use quarrel_checkers::{Site, Value};
use quarrel_strategy::stores::StoreError;

use super::{
    answer::Answer,
    file::{HttpRequest, Reads, Writes},
    token::token,
};

/// The most of an answer that is read.
const LONGEST_ANSWER: usize = 16 << 20;

/// One client's connections to its instance.
pub(super) struct Http {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

struct Received {
    status: u16,
    headers: hyper::HeaderMap,
    body: Bytes,
}

impl Http {
    /// Connections to `http://HOST:PORT`, made when they are needed and kept.
    pub(super) fn new(base: String) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build_http();
        Self { base, client }
    }

    /// Whether a GET of `path` answers 2xx.
    pub(super) async fn is_ready(&self, path: &str) -> bool {
        let request = Request::get(format!("{}{path}", self.base)).body(Full::default());
        let Ok(request) = request else { return false };
        self.client.request(request).await.is_ok_and(|answer| answer.status().is_success())
    }

    pub(super) async fn read(&self, reads: &Reads, number: u64) -> Result<Answer, StoreError> {
        let received = self.send(&reads.request, number, None).await?;
        let status = received.status;
        if status == 404 {
            return Ok(Answer::Absent);
        }
        if !(200..300).contains(&status) {
            return Err(StoreError::unknown(Site::Client, answered(&received)));
        }
        let header = |name: &str| {
            received.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into())
        };
        match reads.value.find(header, &received.body) {
            Ok(None) => Ok(Answer::Absent),
            Ok(Some(text)) => Ok(Answer::of(&text)),
            Err(why) => Ok(Answer::Unreadable(why.0)),
        }
    }

    pub(super) async fn write(
        &self,
        writes: &Writes,
        number: u64,
        value: &Value,
    ) -> Result<(), StoreError> {
        let received = self.send(&writes.request, number, Some(value)).await?;
        let status = received.status;
        if (200..300).contains(&status) {
            Ok(())
        } else if writes.refused.contains(&status) {
            Err(StoreError::refused(Site::Client, answered(&received)))
        } else {
            // It may have committed before it failed.
            Err(StoreError::unknown(Site::Client, answered(&received)))
        }
    }

    async fn send(
        &self,
        request: &HttpRequest,
        number: u64,
        value: Option<&Value>,
    ) -> Result<Received, StoreError> {
        let fill = |place: &str| match (place, value) {
            ("key", _) => number.to_string(),
            (_, Some(value)) => token(value),
            (_, None) => String::new(),
        };
        let uri = format!("{}{}", self.base, request.path.fill(fill));
        let mut built = Request::builder().method(request.method.as_str()).uri(uri);
        let body = request.body.as_ref().map(|body| body.fill(fill)).unwrap_or_default();
        let says_type =
            request.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        if !says_type && !body.is_empty() {
            let looks_like_json = body.trim_start().starts_with(['{', '[', '"']);
            let form = "application/x-www-form-urlencoded";
            built = built
                .header("content-type", if looks_like_json { "application/json" } else { form });
        }
        for (name, text) in &request.headers {
            built = built.header(name, text);
        }
        let request = built
            .body(Full::from(body))
            .map_err(|error| StoreError::refused(Site::Client, error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|error| broken(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| {
            StoreError::unknown(Site::Client, format!("its answer broke off: {error}"))
        })?;
        Ok(Received { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }
}

fn answered(received: &Received) -> String {
    let body = String::from_utf8_lossy(&received.body);
    let first: String = body.trim().lines().next().unwrap_or_default().chars().take(120).collect();
    let status = received.status;
    if first.is_empty() || first.starts_with('<') {
        format!("the application answered {status}")
    } else {
        format!("the application answered {status}: {first}")
    }
}

fn broken(error: &Error) -> StoreError {
    let mut why = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        why = format!("{why}: {source}");
        next = source.source();
    }
    let broken = if error.is_connect() { StoreError::unreachable } else { StoreError::unknown };
    broken(Site::Client, why).for_want(quarrel_cluster::stores::want_behind(error))
}
