//! Answers, with Toxiproxy's content types.

use crate::error::{Error, ErrorBody};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A status without a body, and so without a content type.
pub(crate) fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn typed(code: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Sends the client to the clean form of the path it asked for.
pub(crate) fn moved(path: &str, query: Option<&str>) -> Response {
    let to = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut response = status(StatusCode::MOVED_PERMANENTLY);
    let to = HeaderValue::try_from(to).expect("a path is encoded, and a query came in a request");
    response.headers_mut().insert(header::LOCATION, to);
    response
}

pub(crate) fn text(status: StatusCode, body: &str) -> Response {
    typed(status, TEXT, body.to_owned())
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string(value)
        .expect("the API's types have string keys and so always serialize");
    typed(status, JSON, body)
}

/// Toxiproxy sends its JSON errors as plain text.
pub(crate) fn error(error: &Error) -> Response {
    let body = serde_json::to_string(&ErrorBody::from(error))
        .expect("a string and a number always serialize");
    let code = StatusCode::from_u16(error.status()).expect("all statuses are real ones");
    typed(code, TEXT, body)
}

pub(crate) fn result(code: StatusCode, result: Result<impl Serialize, Error>) -> Response {
    match result {
        Ok(value) => json(code, &value),
        Err(refused) => error(&refused),
    }
}

/// 204, or the error.
pub(crate) fn empty(result: Result<(), Error>) -> Response {
    match result {
        Ok(()) => status(StatusCode::NO_CONTENT),
        Err(refused) => error(&refused),
    }
}

pub(crate) fn version(version: &str) -> Response {
    let body = format!("{{\"version\": \"{version}\"}}\n");
    typed(StatusCode::OK, "application/json;charset=utf-8", body)
}
