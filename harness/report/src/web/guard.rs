use std::net::SocketAddr;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// What every answer says to the browser: load nothing from elsewhere, run no
/// script that is not ours, guess no types.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses what is no reading, and what was not meant for this server: a page
/// elsewhere that had its own name point to the loopback address must not read
/// results through a visitor's browser.
pub(super) async fn guard(address: SocketAddr, request: Request, next: Next) -> Response {
    // What a note is taken from is looked at where it is taken.
    let is_note = *request.method() == Method::POST && request.uri().path().ends_with("/notes");
    if !matches!(*request.method(), Method::GET | Method::HEAD) && !is_note {
        return (StatusCode::METHOD_NOT_ALLOWED, "this server only reads\n").into_response();
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if address.ip().is_loopback() && !host.is_some_and(is_loopback_name) {
        return (StatusCode::FORBIDDEN, "ask for localhost or 127.0.0.1\n").into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        // What a handler has set itself is stricter.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::is_loopback_name;

    #[test]
    fn only_names_of_the_loopback_are_answered() {
        for host in ["localhost:8080", "127.0.0.1", "[::1]:9"] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "127.0.0.1.nip.io:80", ""] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
