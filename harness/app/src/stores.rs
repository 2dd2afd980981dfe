//! What the stores hold of an application's rows, past the application.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use quarrel_checkers::{Content, Key, Site, Value};
use quarrel_cluster::stores::CacheClient;
use quarrel_run::faults::HEARTBEAT;
use quarrel_strategy::stores::{Backend, Item, Port, Request, Response, Row, StoreError, Timer};
use redis::{Value as Reply, aio::MultiplexedConnection, cmd};

use super::{
    App,
    rows::{Direct, number},
    template::Template,
    token::values_in,
};

/// Answers questions about rows from the application's tables and entries, and
/// everything else as the cluster does.
pub(super) struct AppStores {
    app: Arc<App>,
    rest: Backend,
    primary: Direct,
    replica: Direct,
    cache: Entries,
}

impl AppStores {
    pub(super) fn new(app: Arc<App>, rest: Backend) -> Self {
        let endpoints = app.fleet().direct.clone();
        Self {
            app,
            rest,
            primary: Direct::new(Site::Primary, endpoints.primary),
            replica: Direct::new(Site::Replica, endpoints.replica),
            cache: Entries { client: endpoints.cache, connection: None },
        }
    }

    async fn answer(&mut self, request: &Request) -> Result<Response, StoreError> {
        match request {
            Request::PrimaryRead(key) if *key != HEARTBEAT => self.row(Site::Primary, *key).await,
            Request::ReplicaRead(key) if *key != HEARTBEAT => self.row(Site::Replica, *key).await,
            Request::CacheGet(item) if *item == Item::entry(item.key) && item.key != HEARTBEAT => {
                self.entry(item.key).await
            }
            Request::PrimaryLoad(_) => {
                Err(StoreError::refused(Site::Primary, "an application makes its rows itself"))
            }
            Request::ReadMany { site, keys } => {
                let mut contents = Vec::with_capacity(keys.len());
                for key in keys {
                    let response = match site {
                        Site::Cache => self.entry(*key).await?,
                        site => self.row(*site, *key).await?,
                    };
                    contents.push(match response {
                        Response::Row { row, .. } => row.map(Content::from),
                        Response::Content(content) => content,
                        _ => None,
                    });
                }
                Ok(Response::Contents(contents))
            }
            other => self.rest.call(other).await,
        }
    }

    async fn row(&mut self, site: Site, key: Key) -> Result<Response, StoreError> {
        let rows = &self.app.file.rows;
        let direct = if site == Site::Primary { &mut self.primary } else { &mut self.replica };
        let value = direct.select(rows, number(rows, key)).await?;
        let row = versioned(&self.app, value).await?;
        Ok(Response::Row { row, lsn: None })
    }

    async fn entry(&mut self, key: Key) -> Result<Response, StoreError> {
        let Some(entry) = &self.app.file.entry else {
            return Err(StoreError::refused(Site::Cache, "nobody said where its entries are"));
        };
        let value = self.cache.value(entry, number(&self.app.file.rows, key)).await?;
        let row = versioned(&self.app, value).await?;
        Ok(Response::Content(row.map(Content::from)))
    }
}

/// A value with the version that the primary gave it.
async fn versioned(app: &App, value: Option<Value>) -> Result<Option<Row>, StoreError> {
    let Some(value) = value else { return Ok(None) };
    let version = app.fleet().commits.version(&value).await?.unwrap_or(0);
    Ok(Some(Row { value, version }))
}

impl Port for AppStores {
    fn call<'a>(
        &'a mut self,
        request: &'a Request,
    ) -> Pin<Box<dyn Future<Output = Result<Response, StoreError>> + Send + 'a>> {
        Box::pin(self.answer(request))
    }

    fn hear_out(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.rest.hear_out())
    }

    fn hang_up(&mut self) {
        self.rest.hang_up();
    }

    fn renew_databases(&mut self) {
        self.rest.renew_databases();
    }

    fn timer(&mut self, duration: Duration) -> Timer {
        self.rest.timer(duration)
    }
}

/// Entries in Redis, of whatever type.
struct Entries {
    client: CacheClient,
    connection: Option<MultiplexedConnection>,
}

impl Entries {
    /// The value that stands in an entry; none without an entry. An entry in
    /// which no value of ours is found says nothing.
    async fn value(&mut self, entry: &Template, number: u64) -> Result<Option<Value>, StoreError> {
        let name = entry.fill(|_| number.to_string());
        match self.look(&name).await {
            Ok(Reply::Nil) => Ok(None),
            Ok(reply) => {
                let mut bytes = Vec::new();
                flatten(&reply, &mut bytes);
                if bytes.is_empty() {
                    return Ok(None);
                }
                let found = values_in(&bytes).next();
                let unreadable =
                    || StoreError::refused(Site::Cache, format!("no value was found in `{name}`"));
                found.map(Some).ok_or_else(unreadable)
            }
            Err(error) => {
                self.connection = None;
                Err(StoreError::unknown(Site::Cache, error.to_string()))
            }
        }
    }

    async fn look(&mut self, name: &str) -> Result<Reply, redis::RedisError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.connect().await?,
        };
        let kind: String = cmd("TYPE").arg(name).query_async(&mut connection).await?;
        let mut ask = match kind.as_str() {
            "hash" => cmd("HVALS"),
            "list" => cmd("LRANGE"),
            "set" => cmd("SMEMBERS"),
            _ => cmd("GET"),
        };
        ask.arg(name);
        if kind == "list" {
            ask.arg(0).arg(-1);
        }
        let reply = ask.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(reply)
    }
}

fn flatten(reply: &Reply, into: &mut Vec<u8>) {
    match reply {
        Reply::BulkString(bytes) => into.extend_from_slice(bytes),
        Reply::SimpleString(text) => into.extend_from_slice(text.as_bytes()),
        Reply::Array(items) | Reply::Set(items) => {
            for item in items {
                flatten(item, into);
                into.push(b' ');
            }
        }
        _ => {}
    }
}
