//! Paths of requests, cleaned as Toxiproxy's router (gorilla/mux) cleans them:
//! who asks for `//proxies` or `/x/../proxies` is sent to `/proxies`.

use std::fmt::Write;

/// A path as it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// Its segments, decoded; the last one is empty if it ends with a slash.
    Clean(Vec<String>),
    /// It has another form; this is the clean one, encoded.
    Moved(String),
    /// It is not UTF-8 when decoded.
    NoText,
}

/// Reads the path of a request. Where Toxiproxy decodes first and splits then,
/// a slash that is encoded belongs to its segment here, so that names of
/// proxies may have one.
pub(super) fn read(path: &str) -> Path {
    let path = path.strip_prefix('/').unwrap_or(path);
    let Some(asked) = path.split('/').map(decode).collect::<Option<Vec<_>>>() else {
        return Path::NoText;
    };
    let ends_with_slash = asked.last().is_some_and(String::is_empty);
    let mut clean: Vec<String> = Vec::new();
    for segment in &asked {
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(clean.pop()),
            _ => clean.push(segment.clone()),
        }
    }
    if ends_with_slash || clean.is_empty() {
        clean.push(String::new());
    }
    if clean == asked {
        return Path::Clean(clean);
    }
    Path::Moved(clean.iter().map(|segment| format!("/{}", encode(segment))).collect())
}

/// Undoes percent-encoding; None for what is not UTF-8 afterwards.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Encodes a segment as Go's `net/url` does.
fn encode(segment: &str) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,:;=@".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undoes_percent_encoding() {
        assert_eq!(decode("a%20b%2Fc").as_deref(), Some("a b/c"));
        assert_eq!(decode("100%").as_deref(), Some("100%"));
        assert_eq!(decode("%ff"), None);
    }

    #[test]
    fn a_path_that_is_not_clean_has_a_clean_form() {
        for (asked, clean) in [
            ("//proxies", "/proxies"),
            ("/proxies//p", "/proxies/p"),
            ("/x/../proxies", "/proxies"),
            ("/../../proxies/./p/.", "/proxies/p"),
            ("/proxies//", "/proxies/"),
            ("/proxies/p/..", "/proxies"),
            ("/proxies/%2e%2E/version", "/version"),
            ("//a%20b%2fc", "/a%20b%2Fc"),
            ("//", "/"),
            ("/..", "/"),
        ] {
            assert_eq!(read(asked), Path::Moved(clean.to_owned()), "{asked}");
        }
    }

    #[test]
    fn a_clean_path_is_left_alone() {
        for (asked, segments) in [
            ("/proxies", vec!["proxies"]),
            ("/proxies/", vec!["proxies", ""]),
            ("/proxies/a%2f%2fb", vec!["proxies", "a//b"]),
            ("/proxies/...", vec!["proxies", "..."]),
            ("/", vec![""]),
            ("", vec![""]),
            ("*", vec!["*"]),
        ] {
            let segments = segments.into_iter().map(str::to_owned).collect();
            assert_eq!(read(asked), Path::Clean(segments), "{asked}");
        }
        assert_eq!(read("/%ff"), Path::NoText);
    }
}
