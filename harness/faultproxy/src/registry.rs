//! All proxies of one server, by name.

use crate::address::{self, Address};
use crate::core::Core;
use crate::error::Error;
use crate::link::lock;
use crate::proxy::{Enabled, Proxy, ProxyView};
use crate::tls::ProxyTls;
use crate::toxic::NewToxic;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A proxy to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProxy {
    /// Unique in its server, not empty.
    pub name: String,
    /// `host:port`, or `unix:/path`; port 0 takes a free one, a port may be a
    /// name of `/etc/services`; an empty host is loopback.
    pub listen: String,
    /// `host:port`, or `unix:/path`, dialled anew for every connection.
    pub upstream: String,
    /// Whether it listens from the start.
    pub enabled: Enabled,
    /// Its toxics, there before its first connection.
    pub toxics: Vec<NewToxic>,
    /// Whether it ends and begins TLS.
    pub tls: Option<ProxyTls>,
}

impl NewProxy {
    /// An enabled proxy.
    pub fn new(
        name: impl Into<String>,
        listen: impl Into<String>,
        upstream: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            listen: listen.into(),
            upstream: upstream.into(),
            enabled: Enabled::Yes,
            toxics: Vec::new(),
            tls: None,
        }
    }

    /// Whether nothing that has no default is missing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, value) in [("name", &self.name), ("upstream", &self.upstream)] {
            if value.is_empty() {
                return Err(Error::MissingField(field.to_owned()));
            }
        }
        address::check_upstream(&self.upstream)
    }
}

/// A proxy to be made whose listen address was resolved already: looking up a
/// name may take seconds, which nobody should spend holding a lock.
#[derive(Debug)]
pub(crate) struct Resolved {
    new: NewProxy,
    address: Result<Address, Error>,
}

impl Resolved {
    pub(crate) async fn from(new: NewProxy) -> Self {
        let address = address::resolve(&new.listen).await;
        Self { new, address }
    }

    pub(crate) fn blocking(new: NewProxy) -> Self {
        let address = address::resolve_blocking(&new.listen);
        Self { new, address }
    }

    /// The proxy as it is before it listens.
    fn make(&self, core: &Arc<Core>) -> Result<Arc<Proxy>, Error> {
        let NewProxy { name, listen, upstream, toxics, tls, .. } = &self.new;
        let proxy = Arc::new(Proxy::new(core, name, listen, upstream));
        for toxic in toxics {
            proxy.add_toxic(toxic.clone())?;
        }
        if let Some(tls) = tls {
            proxy.set_tls(tls)?;
        }
        Ok(proxy)
    }

    fn open(&self, proxy: &Proxy) -> Result<(), Error> {
        match (self.new.enabled, &self.address) {
            (Enabled::No, _) => Ok(()),
            (Enabled::Yes, Ok(address)) => proxy.enable(address),
            (Enabled::Yes, Err(error)) => Err(error.clone()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) core: Arc<Core>,
    proxies: Mutex<BTreeMap<String, Arc<Proxy>>>,
}

/// How a populate ended: the proxies made, and what stopped it.
#[derive(Debug)]
pub(crate) struct Populated {
    pub(crate) proxies: Vec<ProxyView>,
    pub(crate) error: Option<Error>,
    pub(crate) forgot: Vec<Forgotten>,
}

/// What went with a proxy that a populate replaced, as its addresses differ.
#[derive(Debug, Serialize)]
pub(crate) struct Forgotten {
    proxy: Arc<str>,
    toxics: Vec<Arc<str>>,
    rules: Vec<u64>,
    connections: usize,
}

impl Forgotten {
    fn of(proxy: &Proxy) -> Option<Self> {
        let forgotten = Self {
            proxy: Arc::clone(&proxy.name),
            toxics: proxy.toxics().into_iter().map(|toxic| toxic.name).collect(),
            rules: proxy.rules().into_iter().map(|rule| rule.id).collect(),
            connections: proxy.link.connections().len(),
        };
        let is_any = !forgotten.toxics.is_empty()
            || !forgotten.rules.is_empty()
            || forgotten.connections > 0;
        is_any.then_some(forgotten)
    }
}

impl Registry {
    pub(crate) const fn new(core: Arc<Core>) -> Self {
        Self { core, proxies: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn proxy(&self, name: &str) -> Result<Arc<Proxy>, Error> {
        let proxies = lock(&self.proxies);
        proxies.get(name).cloned().ok_or(Error::ProxyNotFound)
    }

    pub(crate) fn proxies(&self) -> Vec<Arc<Proxy>> {
        lock(&self.proxies).values().cloned().collect()
    }

    pub(crate) fn create(&self, new: &Resolved) -> Result<ProxyView, Error> {
        new.new.check()?;
        let mut proxies = lock(&self.proxies);
        if proxies.contains_key(&new.new.name) {
            return Err(Error::ProxyExists);
        }
        let proxy = new.make(&self.core)?;
        new.open(&proxy)?;
        let view = proxy.view();
        proxies.insert(new.new.name.clone(), proxy);
        Ok(view)
    }

    /// Makes the proxies that are new or differ in listen or upstream; stops
    /// at the first failure.
    pub(crate) fn populate(&self, all: &[Resolved]) -> Populated {
        let mut populated = Populated { proxies: Vec::new(), error: None, forgot: Vec::new() };
        for new in all {
            match self.create_or_replace(new, &mut populated.forgot) {
                Ok(view) => populated.proxies.push(view),
                Err(error) => {
                    populated.error = Some(error);
                    break;
                }
            }
        }
        populated
    }

    fn create_or_replace(
        &self,
        new: &Resolved,
        forgot: &mut Vec<Forgotten>,
    ) -> Result<ProxyView, Error> {
        let mut proxies = lock(&self.proxies);
        // What cannot be made replaces nothing.
        let proxy = new.make(&self.core)?;
        if let Some(old) = proxies.get(&new.new.name) {
            let address = new.address.clone()?;
            if !old.differs(&new.new.listen, Some(&address), &new.new.upstream) {
                old.take_toxics(&new.new.toxics)?;
                if let Some(tls) = &new.new.tls {
                    old.set_tls(tls)?;
                }
                return Ok(old.view());
            }
            forgot.extend(Forgotten::of(old));
            old.disable();
        }
        new.open(&proxy)?;
        let view = proxy.view();
        proxies.insert(new.new.name.clone(), proxy);
        Ok(view)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), Error> {
        let removed = lock(&self.proxies).remove(name);
        removed.ok_or(Error::ProxyNotFound)?.disable();
        Ok(())
    }

    /// Removes all toxics and rules, opens all holds and enables all proxies,
    /// as many as possible; the first failure is the answer.
    pub(crate) fn reset(&self, addresses: &BTreeMap<String, Address>) -> Result<(), Error> {
        let mut first = Ok(());
        for proxy in self.proxies() {
            proxy.remove_all_toxics();
            proxy.remove_all_rules_and_holds();
            if let Some(address) = addresses.get(&*proxy.name)
                && let Err(error) = proxy.enable(address)
            {
                first = first.and(Err(error));
            }
        }
        first
    }

    /// Closes every listener and every connection.
    pub(crate) fn close(&self) {
        for proxy in self.proxies() {
            proxy.disable();
        }
    }
}
