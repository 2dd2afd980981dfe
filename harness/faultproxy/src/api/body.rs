//! Request bodies, read as Go's `encoding/json` reads them: keys in any case,
//! null as absent, unknown fields ignored (but where the API is our own),
//! whatever follows the first value ignored.

use crate::error::Error;
use crate::message::wal::WalPosition;
use crate::proxy::Enabled;
use crate::registry::NewProxy;
use crate::tls::{ProxyTls, TlsIdentity, UpstreamTls, Verify};
use crate::toxic::{NewToxic, Stream, ToxicKind};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// The fields of one JSON object.
pub(crate) struct Fields(Map<String, Value>);

/// The first JSON value of a body.
pub(crate) fn value(body: &[u8]) -> Result<Value, Error> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(Error::BadBody(error.to_string())),
        None => Err(Error::BadBody("EOF".into())),
    }
}

impl Fields {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        Self::of(value(body)?)
    }

    pub(crate) fn of(value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Null => Ok(Self(Map::new())),
            other => Err(Error::BadBody(format!("expected an object, not {}", describe(&other)))),
        }
    }

    /// Refuses fields that nobody reads: where the API is our own, a misspelt
    /// one would be a wish that is silently not granted.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        let is_known = |name: &str| known.iter().any(|known| known.eq_ignore_ascii_case(name));
        match self.0.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(unknown) => Err(Error::BadBody(format!(
                "unknown field {unknown:?}: expected {}",
                known.join(", ")
            ))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let exact = self.0.get(name);
        exact
            .or_else(|| {
                self.0
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        wanted: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        convert(value).map(Some).ok_or_else(|| {
            Error::BadBody(format!("{name} must be {wanted}, not {}", describe(value)))
        })
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, Error> {
        let text = self.typed(name, "a string", Value::as_str)?;
        Ok(text.map(str::to_owned))
    }

    /// An array of strings.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>, Error> {
        let all = |value: &Value| {
            let all = value.as_array()?.iter();
            all.map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        Ok(self.typed(name, "an array of strings", all)?.unwrap_or_default())
    }

    /// A string that has no default.
    pub(crate) fn required(&self, name: &str) -> Result<String, Error> {
        self.string(name)?.ok_or_else(|| Error::MissingField(name.to_owned()))
    }

    /// The fields of an object inside.
    pub(crate) fn sub(&self, name: &str) -> Result<Option<Self>, Error> {
        let map = self.typed(name, "an object", Value::as_object)?;
        Ok(map.cloned().map(Self))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Error> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        self.typed(name, "a number", Value::as_f64)
    }

    pub(crate) fn whole(&self, name: &str) -> Result<Option<u64>, Error> {
        self.typed(name, "a whole number", Value::as_u64)
    }

    pub(crate) fn lsn(&self, name: &str) -> Result<Option<WalPosition>, Error> {
        let text = self.string(name)?;
        text.map(|text| text.parse().map_err(Error::BadBody)).transpose()
    }

    pub(crate) fn object(&self, name: &str) -> Result<Map<String, Value>, Error> {
        let map = self.typed(name, "an object", Value::as_object)?;
        Ok(map.cloned().unwrap_or_default())
    }
}

/// A value's type, as an error names it.
fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The proxy that a body asks for.
pub(crate) fn proxy(fields: &Fields) -> Result<NewProxy, Error> {
    Ok(NewProxy {
        name: fields.string("name")?.unwrap_or_default(),
        listen: fields.string("listen")?.unwrap_or_default(),
        upstream: fields.string("upstream")?.unwrap_or_default(),
        enabled: Enabled::from(fields.boolean("enabled")?.unwrap_or(true)),
        toxics: toxics(fields)?,
        tls: fields.sub("tls")?.as_ref().map(tls).transpose()?,
    })
}

/// The TLS that a body asks for. Toxiproxy has none, so nothing that is
/// unknown here is ignored.
pub(crate) fn tls(fields: &Fields) -> Result<ProxyTls, Error> {
    fields.only(&["listen", "upstream"])?;
    let listen = fields.sub("listen")?.map(|fields| {
        fields.only(&["certificate", "key"])?;
        let file = |name| fields.required(name).map(PathBuf::from);
        Ok::<_, Error>(TlsIdentity { certificate: file("certificate")?, key: file("key")? })
    });
    let upstream = fields.sub("upstream")?.map(|fields| {
        fields.only(&["ca", "verify", "name"])?;
        let verify = match (fields.string("ca")?, fields.boolean("verify")?) {
            (Some(path), None | Some(true)) => Verify::Ca(path.into()),
            (None, Some(false)) => Verify::Nothing,
            _ => {
                let reason = "tls.upstream needs either ca, a file of PEM, or \"verify\": false";
                return Err(Error::BadBody(reason.into()));
            }
        };
        Ok(UpstreamTls { verify, name: fields.string("name")? })
    });
    let (listen, upstream) = (listen.transpose()?, upstream.transpose()?);
    Ok(ProxyTls { listen, upstream })
}

/// The toxics that come with a proxy.
fn toxics(fields: &Fields) -> Result<Vec<NewToxic>, Error> {
    let list = fields.typed("toxics", "an array of toxics", Value::as_array)?;
    let mut all: Vec<NewToxic> = Vec::new();
    for value in list.into_iter().flatten() {
        let taken = |name: &str| all.iter().any(|other| other.name() == name);
        let new = toxic(&Fields::of(value.clone())?, taken)?;
        all.push(new);
    }
    Ok(all)
}

/// The proxies that a body, or a config file, asks for.
///
/// # Errors
///
/// Also for a missing field, which says in which proxy, counted from 1.
pub(crate) fn populate(body: &[u8]) -> Result<Vec<NewProxy>, Error> {
    let list = match value(body)? {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        other => {
            return Err(Error::BadBody(format!(
                "expected an array of proxies, not {}",
                describe(&other)
            )));
        }
    };
    let mut all = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let new = proxy(&Fields::of(value)?)?;
        new.check().map_err(|error| match error {
            Error::MissingField(field) => {
                Error::MissingField(format!("{field} at proxy {}", index + 1))
            }
            other => other,
        })?;
        all.push(new);
    }
    Ok(all)
}

/// The toxic that a body asks for. Toxiproxy finds a taken name before a bad
/// attribute, so `taken` is asked in between.
pub(crate) fn toxic(fields: &Fields, taken: impl FnOnce(&str) -> bool) -> Result<NewToxic, Error> {
    let name = fields.string("name")?.filter(|name| !name.is_empty());
    let kind = fields.string("type")?.unwrap_or_default();
    let stream_text = fields
        .string("stream")?
        .filter(|stream| !stream.is_empty())
        .unwrap_or_else(|| Stream::Downstream.name().to_owned());
    let toxicity = fields.number("toxicity")?.unwrap_or(1.0);
    let attributes = fields.object("attributes")?;
    let mut toxic = NewToxic {
        name,
        stream: Stream::parse(&stream_text)?,
        stream_text,
        toxicity,
        kind: ToxicKind::named(&kind)?,
    };
    if taken(&toxic.name()) {
        return Err(Error::ToxicExists);
    }
    toxic.kind = toxic.kind.merge(&attributes)?;
    Ok(toxic)
}
