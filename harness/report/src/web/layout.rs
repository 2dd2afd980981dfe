use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::report::page;

/// What a handler answers.
pub(super) type Answer = Result<Html<String>, Response>;

/// A page around `body`.
pub(super) fn layout(title: &str, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · quarrel" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
                script src="/serve.js" defer {}
            }
            body {
                header {
                    h1 { (title) }
                    nav aria-label="pages" {
                        a href="/" { "Runs" }
                        a href="/matrix" { "Matrix" }
                        a href="/trend" { "Trend" }
                        a href="/compare" { "Compare" }
                    }
                }
                main { (body) }
            }
        }
    };
    Html(page.into_string())
}

/// A page that says what is missing, and what to do.
pub(super) fn missing(text: &str) -> Response {
    let body = html! { section { p { (text) } p { a href="/" { "All runs" } } } };
    (StatusCode::NOT_FOUND, layout("Not here", &body)).into_response()
}

/// For addresses that lead nowhere.
pub(super) async fn nothing_here() -> Response {
    missing("There is nothing at this address.")
}

/// The style of reports, and a little more.
pub(super) async fn style() -> impl IntoResponse {
    let text = format!("{}{}", page::style(), include_str!("assets/serve.css"));
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], text)
}

/// What follows a run that goes on, and sends the form when it changes.
pub(super) async fn script() -> impl IntoResponse {
    let text = include_str!("assets/serve.js");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}

/// The class of an outcome's cell.
pub(super) fn outcome_class(outcome: &str) -> &'static str {
    match outcome {
        "held" => "good",
        "violated" => "bad",
        _ => "warn",
    }
}

/// A glyph beside the word, for those who do not see the colour.
pub(super) fn outcome_glyph(outcome: &str) -> &'static str {
    match outcome {
        "held" => "✓ ",
        "violated" => "✗ ",
        _ => "? ",
    }
}
