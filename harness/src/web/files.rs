use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use axum::{
    extract::{Path as UrlPath, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};

use super::{layout::missing, shelf::Shelf};

/// The most that is read into memory for one answer, in bytes.
const MOST: u64 = 512 << 20;

/// A file of a run.
pub(super) async fn file(
    State(shelf): State<Arc<Shelf>>,
    UrlPath((name, path)): UrlPath<(String, String)>,
) -> Response {
    let Some(run) = shelf.run(&name) else {
        return missing("There is no run of this name.");
    };
    answer(&run.path, &path).await
}

/// The file at `path` in a folder.
pub(super) async fn answer(folder: &Path, path: &str) -> Response {
    let Some(found) = inside(folder, path) else {
        return missing("There is no such file here.");
    };
    let small = tokio::fs::metadata(&found).await.is_ok_and(|meta| meta.len() <= MOST);
    let bytes = if small { tokio::fs::read(&found).await.ok() } else { None };
    let Some(bytes) = bytes else { return missing("This file cannot be read.") };
    let mut response = bytes.into_response();
    let kind = HeaderValue::from_static(kind(&found));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    // Whatever a file says of itself, it runs nothing here.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The file at `path` in a folder, if it is there: no step up, no root, and no
/// link leads out.
pub(super) fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let root = folder.canonicalize().ok()?;
    let found = root.join(path).canonicalize().ok()?;
    (found.starts_with(&root) && found.is_file()).then_some(found)
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

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn no_path_leads_out_of_the_run() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("run");
        fs::create_dir_all(path.join("logs")).unwrap();
        fs::write(path.join("logs/cache.log"), "x").unwrap();
        fs::write(scratch.path().join("secret"), "x").unwrap();
        symlink(scratch.path().join("secret"), path.join("link")).unwrap();
        assert!(inside(&path, "logs/cache.log").is_some());
        for bad in ["../secret", "logs/../../secret", "/etc/passwd", "link", "logs", "", "none"] {
            assert_eq!(inside(&path, bad), None, "{bad}");
        }
    }
}
