use std::path::{Path, PathBuf};

use axum::{
    body::Body,
    extract::Path as UrlPath,
    http::{HeaderValue, header},
    response::Response,
};
use futures::stream;
use quarrel_run::results::open_inside;
use tokio::io::AsyncReadExt as _;

use super::{chosen::Chosen, layout::missing};

/// What is read of a file at once.
const CHUNK: usize = 1 << 16;

/// A file of a run.
pub(super) async fn file(
    Chosen { folder, .. }: Chosen,
    UrlPath((_, path)): UrlPath<(String, String)>,
) -> Response {
    answer(folder.path, path).await
}

/// The file at `path` in a folder, bit by bit.
pub(super) async fn answer(folder: PathBuf, path: String) -> Response {
    let content = HeaderValue::from_static(kind(Path::new(&path)));
    let opened = tokio::task::spawn_blocking(move || open_inside(&folder, &path).ok()).await;
    let Ok(Some(file)) = opened else {
        return missing("There is no such file here, or it is a link or no regular file.");
    };
    let file = tokio::fs::File::from_std(file);
    let chunks = stream::unfold(file, async |mut file| {
        let mut chunk = vec![0; CHUNK];
        match file.read(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                chunk.truncate(read);
                Some((Ok(chunk), file))
            }
            Err(error) => Some((Err(error), file)),
        }
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    // Whatever a file says of itself, it runs nothing here.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("md" | "txt" | "log" | "toml" | "jsonl" | "race") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
