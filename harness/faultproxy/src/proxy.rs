//! One proxy: a listener, an upstream, and what is done to its connections.

use crate::address::{Address, check_upstream};
use crate::core::Core;
use crate::error::Error;
use crate::event::ProxyEventKind;
use crate::link::connection::serve;
use crate::link::plan::Close;
use crate::link::{Link, lock};
use crate::listen::{self, Door, Place};
use crate::tls::{ProxyTls, TlsSetup};
use crate::toxic::{NewToxic, Stream, Toxic, ToxicKind};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex};

/// Whether a proxy takes connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enabled {
    /// It listens.
    Yes,
    /// It refuses connections, and has closed those it had.
    No,
}

impl From<bool> for Enabled {
    fn from(enabled: bool) -> Self {
        if enabled { Self::Yes } else { Self::No }
    }
}

/// A proxy as the API shows it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProxyView {
    /// Its name.
    pub name: Arc<str>,
    /// The bound address while it listens, else the address asked for.
    pub listen: String,
    /// Where it connects to.
    pub upstream: Arc<str>,
    /// Whether it listens.
    pub enabled: Enabled,
    /// Its toxics, upstream ones first.
    pub toxics: Vec<Toxic>,
    /// Its TLS, if it ends or begins any.
    pub tls: Option<ProxyTls>,
}

impl Serialize for ProxyView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &*self.name)?;
        map.serialize_entry("listen", &self.listen)?;
        map.serialize_entry("upstream", &*self.upstream)?;
        map.serialize_entry("enabled", &(self.enabled == Enabled::Yes))?;
        // Toxiproxy 2.12 shows the innards of its logger; clients that decode
        // strictly know the field.
        map.serialize_entry("Logger", &Map::new())?;
        map.serialize_entry("toxics", &self.toxics)?;
        if let Some(tls) = &self.tls {
            map.serialize_entry("tls", tls)?;
        }
        map.end()
    }
}

#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) name: Arc<str>,
    pub(crate) link: Arc<Link>,
    core: Arc<Core>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    listen: String,
    upstream: Arc<str>,
    /// Present exactly while the proxy is enabled.
    door: Option<Door>,
}

impl Proxy {
    pub(crate) fn new(core: &Arc<Core>, name: &str, listen: &str, upstream: &str) -> Self {
        let name: Arc<str> = name.into();
        Self {
            link: Arc::new(Link::new(Arc::clone(&name), core.seed)),
            name,
            core: Arc::clone(core),
            state: Mutex::new(State {
                listen: listen.to_owned(),
                upstream: upstream.into(),
                door: None,
            }),
        }
    }

    pub(crate) fn view(&self) -> ProxyView {
        let state = lock(&self.state);
        ProxyView {
            name: Arc::clone(&self.name),
            listen: state.listen.clone(),
            upstream: Arc::clone(&state.upstream),
            enabled: Enabled::from(state.door.is_some()),
            toxics: self.toxics(),
            tls: self.link.tls().map(|setup| setup.asked.clone()),
        }
    }

    /// Whether listening on `address` (or else `listen`) and dialling
    /// `upstream` is something else than what this proxy does.
    pub(crate) fn differs(&self, listen: &str, address: Option<&Address>, upstream: &str) -> bool {
        let state = lock(&self.state);
        let same_listen = state.listen == listen
            || address.is_some_and(|address| state.listen == address.to_string());
        !same_listen || *state.upstream != *upstream
    }

    /// Listens; nothing changes for a proxy that already does.
    pub(crate) fn enable(&self, address: &Address) -> Result<(), Error> {
        let mut state = lock(&self.state);
        self.open(&mut state, address)
    }

    /// Stops listening and closes all connections (FIN).
    pub(crate) fn disable(&self) {
        self.shut(&mut lock(&self.state));
    }

    /// Changes addresses and state at once. Where the new address cannot be
    /// bound, the proxy keeps it and stays disabled, as in Toxiproxy.
    pub(crate) fn update(
        &self,
        listen: &str,
        address: &Address,
        upstream: &str,
        enabled: Enabled,
    ) -> Result<(), Error> {
        check_upstream(upstream)?;
        if let Some(setup) = self.link.tls() {
            setup.fits(listen, upstream)?;
        }
        let differs = self.differs(listen, Some(address), upstream);
        let mut state = lock(&self.state);
        if differs {
            self.shut(&mut state);
            listen.clone_into(&mut state.listen);
            state.upstream = upstream.into();
        }
        match enabled {
            Enabled::Yes => self.open(&mut state, address),
            Enabled::No => {
                self.shut(&mut state);
                Ok(())
            }
        }
    }

    fn open(&self, state: &mut State, address: &Address) -> Result<(), Error> {
        if state.door.is_some() {
            return Ok(());
        }
        let failed = |error: std::io::Error| Error::Bind {
            network: address.network(),
            listen: address.to_string().trim_start_matches("unix:").to_owned(),
            reason: listen::reason(&error),
        };
        let _inside = self.core.runtime.enter();
        let door = listen::bind(address).and_then(Door::open).map_err(failed)?;
        let bound = door.local_addr().map_err(failed)?;
        let is_itself = match &bound {
            Address::Tcp(bound) => state.upstream.parse() == Ok(*bound),
            Address::Unix(_) => *state.upstream == *bound.to_string(),
        };
        if is_itself {
            return Err(Error::UpstreamIsSelf(state.upstream.to_string()));
        }
        state.listen = bound.to_string();
        self.core.runtime.spawn(accept(
            Arc::clone(&self.core),
            Arc::clone(&self.link),
            door.clone(),
            Arc::clone(&state.upstream),
        ));
        state.door = Some(door);
        self.record(None, ProxyEventKind::ProxyUp { listen: state.listen.clone() });
        Ok(())
    }

    fn shut(&self, state: &mut State) {
        if let Some(door) = state.door.take() {
            door.close();
            self.link.close_all(Close::Fin);
            self.record(None, ProxyEventKind::ProxyDown);
        }
    }

    /// Has the connections opened from now on speak TLS as this says.
    pub(crate) fn set_tls(&self, asked: &ProxyTls) -> Result<(), Error> {
        let setup = TlsSetup::read(asked)?;
        let state = lock(&self.state);
        if let Some(setup) = &setup {
            setup.fits(&state.listen, &state.upstream)?;
        }
        self.link.set_tls(setup);
        Ok(())
    }

    /// Toxics, upstream ones first, each direction in the order of creation.
    pub(crate) fn toxics(&self) -> Vec<Toxic> {
        let toxics = self.link.toxics();
        let in_order = Stream::BOTH
            .into_iter()
            .flat_map(|stream| toxics.iter().filter(move |toxic| toxic.stream == stream));
        in_order.cloned().collect()
    }

    pub(crate) fn toxic(&self, name: &str) -> Result<Toxic, Error> {
        let toxics = self.link.toxics();
        let found = toxics.iter().find(|toxic| *toxic.name == *name);
        found.cloned().ok_or(Error::ToxicNotFound)
    }

    pub(crate) fn add_toxic(&self, new: NewToxic) -> Result<Toxic, Error> {
        let toxic = Toxic {
            name: new.name().into(),
            stream: new.stream,
            stream_text: new.stream_text,
            toxicity: new.toxicity,
            kind: new.kind,
            id: self.core.next_id(),
        };
        self.link.change_toxics(|toxics| {
            if toxics.iter().any(|other| other.name == toxic.name) {
                return Err(Error::ToxicExists);
            }
            toxic.kind.validate()?;
            toxics.push(toxic.clone());
            Ok(())
        })?;
        self.record(None, ProxyEventKind::ToxicAdded { toxic: Arc::clone(&toxic.name) });
        Ok(toxic)
    }

    /// Merges attributes and toxicity into a toxic.
    pub(crate) fn update_toxic(
        &self,
        name: &str,
        attributes: &Map<String, Value>,
        toxicity: Option<f64>,
    ) -> Result<Toxic, Error> {
        self.change_toxic(name, |toxic| {
            toxic.kind = toxic.kind.merge(attributes)?;
            toxic.toxicity = toxicity.unwrap_or(toxic.toxicity);
            Ok(())
        })
    }

    /// Replaces what a toxic does, keeping its name, direction and draw.
    pub(crate) fn set_toxic(&self, name: &str, kind: ToxicKind) -> Result<Toxic, Error> {
        self.change_toxic(name, |toxic| {
            kind.validate()?;
            toxic.kind = kind;
            Ok(())
        })
    }

    fn change_toxic(
        &self,
        name: &str,
        change: impl FnOnce(&mut Toxic) -> Result<(), Error>,
    ) -> Result<Toxic, Error> {
        let changed = self.link.change_toxics(|toxics| {
            let toxic =
                toxics.iter_mut().find(|toxic| *toxic.name == *name).ok_or(Error::ToxicNotFound)?;
            change(toxic)?;
            Ok::<_, Error>(toxic.clone())
        })?;
        self.record(None, ProxyEventKind::ToxicChanged { toxic: Arc::clone(&changed.name) });
        Ok(changed)
    }

    pub(crate) fn remove_toxic(&self, name: &str) -> Result<(), Error> {
        let removed = self.link.change_toxics(|toxics| {
            let at = toxics.iter().position(|toxic| *toxic.name == *name);
            at.map(|at| toxics.remove(at).name).ok_or(Error::ToxicNotFound)
        })?;
        self.record(None, ProxyEventKind::ToxicRemoved { toxic: removed });
        Ok(())
    }

    pub(crate) fn remove_all_toxics(&self) {
        let removed = self
            .link
            .change_toxics(|toxics| Ok::<_, Error>(std::mem::take(toxics)))
            .unwrap_or_default();
        for toxic in removed {
            self.record(None, ProxyEventKind::ToxicRemoved { toxic: toxic.name });
        }
    }

    /// Adds these toxics, or has those of the same names do what they do.
    pub(crate) fn take_toxics(&self, toxics: &[NewToxic]) -> Result<(), Error> {
        for toxic in toxics {
            let same = |old: &Toxic| *old.name == *toxic.name() && old.stream == toxic.stream;
            match self.toxics().iter().find(|old| same(old)) {
                Some(old) => drop(self.set_toxic(&old.name, toxic.kind)?),
                None => drop(self.add_toxic(toxic.clone())?),
            }
        }
        Ok(())
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.core.next_id()
    }

    pub(crate) fn record(&self, connection: Option<u64>, happening: ProxyEventKind) {
        self.core.events.record(&self.name, connection, happening);
    }
}

/// Accepts until the door is closed.
async fn accept(core: Arc<Core>, link: Arc<Link>, door: Door, upstream: Arc<str>) {
    let enter = |stream, from| (stream, link.register(from, &upstream));
    loop {
        // Before the client is taken: one that is taken and cannot be served,
        // as the other half of its connection finds no descriptor, would meet
        // a fault of ours.
        let accepted = match Place::keep() {
            Ok(kept) => match door.accept(enter).await {
                None => return,
                Some(accepted) => accepted.map(|accepted| (accepted, kept)),
            },
            Err(error) => Err(error),
        };
        match accepted {
            Ok(((stream, connection), kept)) => {
                let happening = ProxyEventKind::Accepted { client: connection.client.to_string() };
                core.events.record(&link.name, Some(connection.ordinal), happening);
                let (of, to) = (Arc::clone(&core), Arc::clone(&link));
                core.carriers.carry(stream, |stream| serve(of, to, connection, stream, kept));
            }
            Err(error) => {
                if let Some(pause) = listen::pause_after(&error) {
                    tracing::warn!(proxy = &*link.name, %error, "cannot accept connections");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}
