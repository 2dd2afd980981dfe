use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::Deserialize;
use serde_json::Value as Json;

/// A proxy as the API shows it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct ProxyState {
    pub(super) name: String,
    pub(super) listen: String,
    pub(super) upstream: String,
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) toxics: Vec<ToxicState>,
}

/// A toxic as the API shows it.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct ToxicState {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) stream: String,
    pub(super) attributes: Json,
}

/// Plain HTTP to the proxy's API: for reading back, and for what the client
/// library lacks.
pub(super) struct Http {
    pub(super) api: SocketAddr,
    agent: ureq::Agent,
}

impl Http {
    pub(super) fn new(api: SocketAddr) -> Self {
        let agent = ureq::Agent::config_builder()
            // The environment's HTTP proxy is for the internet, not for this.
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        Self { api, agent }
    }

    pub(super) fn version(&self) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Version {
            version: String,
        }
        let Version { version } = self.get("version")?;
        Ok(version)
    }

    pub(super) fn proxy(&self, name: &str) -> Result<ProxyState, String> {
        self.get(&format!("proxies/{name}"))
    }

    /// Whether there is a proxy of this name.
    pub(super) fn has(&self, name: &str) -> Result<bool, String> {
        let all: BTreeMap<String, Json> = self.get("proxies")?;
        Ok(all.contains_key(name))
    }

    pub(super) fn post(&self, path: &str, body: &Json) -> Result<(), String> {
        let url = self.url(path);
        let mut answer = self.agent.post(&url).send_json(body).map_err(|e| e.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        let why = answer.body_mut().read_to_string().map_err(|e| e.to_string())?;
        Err(format!("POST /{path}: {} {why}", answer.status()))
    }

    #[cfg(not(feature = "toxiproxy"))]
    pub(super) fn delete(&self, path: &str) -> Result<(), String> {
        let url = self.url(path);
        let mut answer = self.agent.delete(&url).call().map_err(|e| e.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        let why = answer.body_mut().read_to_string().map_err(|e| e.to_string())?;
        Err(format!("DELETE /{path}: {} {why}", answer.status()))
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, String> {
        let url = self.url(path);
        let mut answer = self.agent.get(&url).call().map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = answer.body_mut().read_to_string().map_err(|e| e.to_string())?;
        if !status.is_success() {
            return Err(format!("GET /{path}: {status} {body}"));
        }
        serde_json::from_str(&body).map_err(|e| format!("GET /{path}: {e} in {body}"))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.api)
    }
}
