use regex::bytes::Regex;

/// Where an answer has the value.
#[derive(Clone, Debug)]
pub enum ValueAt {
    /// In JSON, at a pointer (RFC 6901).
    Json(String),
    /// The first group of an expression, or all that it matches.
    Regex(Box<Regex>),
    /// In a header field.
    Header(String),
    /// The whole body.
    Body,
}

/// An answer in which the value could not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) String);

impl ValueAt {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "body" {
            return Ok(Self::Body);
        }
        match text.split_once(':') {
            Some(("json", pointer)) if pointer.is_empty() || pointer.starts_with('/') => {
                Ok(Self::Json(pointer.to_owned()))
            }
            Some(("regex", pattern)) => {
                let regex = Regex::new(pattern).map_err(|error| {
                    // Its last line says what is wrong.
                    let told = error.to_string();
                    told.lines().last().unwrap_or_default().trim().to_owned()
                })?;
                Ok(Self::Regex(Box::new(regex)))
            }
            Some(("header", name)) if !name.is_empty() => Ok(Self::Header(name.to_lowercase())),
            _ => Err("expected json:/POINTER, regex:PATTERN, header:NAME or body".to_owned()),
        }
    }

    /// The text at that place; none where it says that there is no value.
    pub(super) fn find(
        &self,
        header: impl Fn(&str) -> Option<String>,
        body: &[u8],
    ) -> Result<Option<String>, Unreadable> {
        match self {
            Self::Body => Ok(Some(String::from_utf8_lossy(body).trim().to_owned())),
            Self::Header(name) => Ok(header(name)),
            Self::Json(pointer) => {
                let json: serde_json::Value = serde_json::from_slice(body)
                    .map_err(|error| Unreadable(format!("its body is not JSON: {error}")))?;
                match json.pointer(pointer) {
                    None => Err(Unreadable(format!("its JSON has nothing at `{pointer}`"))),
                    Some(serde_json::Value::Null) => Ok(None),
                    Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
                    Some(other) => Ok(Some(other.to_string())),
                }
            }
            Self::Regex(regex) => {
                let found = regex.captures(body);
                let found = found.and_then(|found| found.get(1).or_else(|| found.get(0)));
                let found = found.ok_or_else(|| {
                    Unreadable(format!("`{}` matches nothing in its body", regex.as_str()))
                })?;
                Ok(Some(String::from_utf8_lossy(found.as_bytes()).into_owned()))
            }
        }
    }
}
