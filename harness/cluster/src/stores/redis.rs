use std::time::Duration;

use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisError, ServerErrorKind, Value as RedisValue,
    aio::MultiplexedConnection, cmd,
};
use quarrel_checkers::{Content, Site};
use quarrel_strategy::stores::{
    Item, Request, Response, Script, ScriptCall, Stale, StoreError, Ttl, decode, encode,
};
use tokio::time::timeout;

use super::{
    CacheClient, Endpoints, TimeLimits,
    channel::{self, Subscription},
    tracking::Tracking,
};

/// One connection to Redis.
pub(super) struct Redis {
    client: CacheClient,
    prefix: String,
    limits: TimeLimits,
    connection: Option<MultiplexedConnection>,
    tracking: Option<Tracking>,
    /// Whether a tracking connection broke since the client last asked what it
    /// was told: nobody knows what it was not.
    missed: Missed,
    subscription: Option<Subscription>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Missed {
    Nothing,
    Perhaps,
}

impl Redis {
    pub(super) fn new(endpoints: &Endpoints, limits: TimeLimits) -> Self {
        let (client, prefix) = (endpoints.cache.clone(), endpoints.prefix.clone());
        Self {
            client,
            prefix,
            limits,
            connection: None,
            tracking: None,
            missed: Missed::Nothing,
            subscription: None,
        }
    }

    pub(super) async fn call(&mut self, request: &Request) -> Result<Response, StoreError> {
        match request {
            Request::CacheGetTracked(item) => return self.get_tracked(item).await,
            Request::CacheInvalidations => {
                return Ok(Response::Invalidated(self.invalidations()));
            }
            Request::CacheHear => return self.hear().await.map(Response::Invalidated),
            _ => {}
        }
        self.connect().await?;
        let mut connection = self.connection.take().expect("connect leaves a connection or fails");
        let answer = timeout(self.limits.call, self.ask(&mut connection, request)).await;
        match answer {
            Err(_) => {
                let waited = self.limits.call.as_millis();
                Err(StoreError::unknown(Site::Cache, format!("no answer within {waited} ms")))
            }
            Ok(Ok(answer)) => {
                self.connection = Some(connection);
                interpret(request, answer)
            }
            Ok(Err(error)) => {
                let error = classify(&error);
                if error.connection == quarrel_strategy::stores::ConnectionState::Usable {
                    self.connection = Some(connection);
                }
                Err(error)
            }
        }
    }

    async fn connect(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let connection = self
            .client
            .connect_with(self.limits.connect, config())
            .await
            // Nothing was asked yet, so whatever went wrong changed nothing.
            .map_err(|error| {
                let want = super::want_behind(&error);
                StoreError::unreachable(Site::Cache, error.to_string()).for_want(want)
            })?;
        self.connection = Some(connection);
        Ok(())
    }

    fn invalidations(&mut self) -> Vec<Stale> {
        let missed = std::mem::replace(&mut self.missed, Missed::Nothing);
        let told = self.tracking.as_mut().and_then(|it| it.invalidations(&self.prefix));
        if told.is_none() {
            self.tracking = None;
        }
        // Without the connection nobody would have told.
        told.filter(|_| missed == Missed::Nothing).unwrap_or_else(|| vec![Stale::All])
    }

    async fn hear(&mut self) -> Result<Vec<Stale>, StoreError> {
        if let Some(heard) = self.subscription.as_mut().and_then(Subscription::heard) {
            return Ok(heard);
        }
        self.subscription = None;
        let (limit, unreachable) = (self.limits.connect, |why: String| {
            // Nothing was asked that could have an effect.
            StoreError::unreachable(Site::Cache, why)
        });
        let start = Subscription::start(&self.client, limit, config(), &self.prefix);
        let subscription = timeout(limit, start)
            .await
            .map_err(|_| unreachable("no connection to listen on in time".to_owned()))?
            .map_err(|error| unreachable(error.to_string()).for_want(super::want_behind(&error)))?;
        self.subscription = Some(subscription);
        Ok(vec![Stale::All])
    }

    /// Returns when everything that this client was told before is here. A
    /// connection that breaks meanwhile is found broken by who asks next.
    pub(super) async fn hear_out(&mut self) {
        let limit = self.limits.call;
        if let Some(tracking) = &mut self.tracking {
            drop(timeout(limit, tracking.hear_out()).await);
        }
        if let Some(subscription) = &mut self.subscription {
            drop(timeout(limit, subscription.hear_out()).await);
        }
    }

    /// Closes the connections on which this client is told anything.
    pub(super) fn hang_up(&mut self) {
        self.subscription = None;
        if self.tracking.take().is_some() {
            self.missed = Missed::Perhaps;
        }
    }

    async fn get_tracked(&mut self, item: &Item) -> Result<Response, StoreError> {
        let unreachable = |why: String| StoreError::unreachable(Site::Cache, why);
        let before = std::mem::replace(&mut self.missed, Missed::Perhaps);
        let mut tracking = match self.tracking.take() {
            Some(tracking) => tracking,
            None => {
                let limit = self.limits.connect;
                timeout(limit, Tracking::start(&self.client, limit, config()))
                    .await
                    .map_err(|_| unreachable("no tracking connection in time".to_owned()))?
                    .map_err(|error| {
                        unreachable(error.to_string()).for_want(super::want_behind(&error))
                    })?
            }
        };
        let answer = timeout(self.limits.call, tracking.get(item, &self.prefix)).await;
        let answer = answer.map_err(|_| {
            let waited = self.limits.call.as_millis();
            StoreError::unknown(Site::Cache, format!("no answer within {waited} ms"))
        })?;
        let answer = answer.map_err(|error| classify(&error))?;
        // Whoever never had a connection has missed nothing on one.
        (self.tracking, self.missed) = (Some(tracking), before);
        Ok(Response::Content(content(answer)?))
    }

    async fn ask(
        &self,
        connection: &mut MultiplexedConnection,
        request: &Request,
    ) -> Result<RedisValue, RedisError> {
        match request {
            Request::CacheGet(item) => self.on("GET", item).query_async(connection).await,
            Request::CacheDel(item) => self.on("DEL", item).query_async(connection).await,
            Request::CacheTtl(item) => self.on("PTTL", item).query_async(connection).await,
            Request::CachePublish { key, row } => {
                cmd("PUBLISH")
                    .arg(channel::name(&self.prefix))
                    .arg(channel::message(*key, row.as_ref()))
                    .query_async(connection)
                    .await
            }
            Request::CacheSet { item, content, ttl } => {
                let mut command = self.on("SET", item);
                command.arg(encode(content));
                expire(&mut command, *ttl);
                command.query_async(connection).await
            }
            Request::CacheSetIfAbsent { item, content, ttl } => {
                let mut command = self.on("SET", item);
                command.arg(encode(content)).arg("NX");
                expire(&mut command, *ttl);
                command.query_async(connection).await
            }
            Request::ReadMany { keys, .. } => {
                // One question each, in one message: keys of a cluster of Redis
                // may be on several servers.
                let mut pipe = ::redis::pipe();
                for key in keys {
                    pipe.add_command(self.on("GET", &Item::entry(*key)));
                }
                pipe.query_async(connection).await.map(RedisValue::Array)
            }
            Request::CacheScript { script, call } => self.script(connection, script, call).await,
            other => unreachable!("{other:?} is no call to Redis"),
        }
    }

    /// `EVALSHA` in one round trip; only a server that does not know the
    /// script yet costs a second one.
    async fn script(
        &self,
        connection: &mut MultiplexedConnection,
        script: &Script,
        call: &ScriptCall,
    ) -> Result<RedisValue, RedisError> {
        let hash = ::redis::Script::new(script.lua);
        let mut command = cmd("EVALSHA");
        command.arg(hash.get_hash());
        self.arguments(&mut command, call);
        match command.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut command = cmd("EVAL");
                command.arg(script.lua);
                self.arguments(&mut command, call);
                command.query_async(connection).await
            }
            answer => answer,
        }
    }

    fn arguments(&self, command: &mut Cmd, call: &ScriptCall) {
        command.arg(call.items.len());
        for item in &call.items {
            command.arg(item.redis_key(&self.prefix));
        }
        command
            .arg(call.content.as_ref().map(encode).unwrap_or_default())
            .arg(call.number.map(|n| n.to_string()).unwrap_or_default())
            .arg(call.ttl.map_or(0, millis));
    }

    fn on(&self, name: &str, item: &Item) -> Cmd {
        let mut command = cmd(name);
        command.arg(item.redis_key(&self.prefix));
        command
    }
}

/// The time-out of a call is ours, so that it is one for all stores; the
/// library's own default would be half a second.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None)
}

fn expire(command: &mut Cmd, ttl: Ttl) {
    if let Some(ttl) = ttl {
        command.arg("PX").arg(millis(ttl));
    }
}

/// Redis refuses an expiry of 0; the shortest it knows is 1 ms.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn interpret(request: &Request, answer: RedisValue) -> Result<Response, StoreError> {
    match request {
        Request::CacheSet { .. } | Request::CacheDel(_) | Request::CachePublish { .. } => {
            Ok(Response::Done)
        }
        Request::CacheSetIfAbsent { .. } => Ok(match answer {
            RedisValue::Nil => Response::Refused,
            _ => Response::Done,
        }),
        Request::CacheTtl(_) => match answer {
            RedisValue::Int(-2) => Ok(Response::Expiry(None)),
            RedisValue::Int(-1) => Ok(Response::Expiry(Some(None))),
            RedisValue::Int(ms) => {
                Ok(Response::Expiry(Some(Some(Duration::from_millis(ms.unsigned_abs())))))
            }
            other => Err(foreign(&format!("{other:?}"))),
        },
        Request::ReadMany { .. } => match answer {
            RedisValue::Array(answers) => {
                let contents: Result<_, _> = answers.into_iter().map(content).collect();
                Ok(Response::Contents(contents?))
            }
            other => Err(foreign(&format!("{other:?}"))),
        },
        Request::CacheScript { .. } => match content(answer)? {
            None => Ok(Response::Refused),
            found => Ok(Response::Content(found)),
        },
        _ => Ok(Response::Content(content(answer)?)),
    }
}

fn content(answer: RedisValue) -> Result<Option<Content>, StoreError> {
    match answer {
        RedisValue::Nil => Ok(None),
        RedisValue::Int(n) => Ok(Some(Content::Number(n.unsigned_abs()))),
        RedisValue::BulkString(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            decode(&text).map(Some).map_err(|error| foreign(&error.to_string()))
        }
        RedisValue::SimpleString(text) => {
            decode(&text).map(Some).map_err(|error| foreign(&error.to_string()))
        }
        other => Err(foreign(&format!("{other:?}"))),
    }
}

/// Redis holds something that quarrel did not put there.
fn foreign(what: &str) -> StoreError {
    StoreError::refused(Site::Cache, format!("not an entry of ours: {what}"))
}

fn classify(error: &RedisError) -> StoreError {
    let message = error.to_string();
    if error.is_connection_refusal() {
        StoreError::unreachable(Site::Cache, message)
    } else if matches!(error.kind(), ErrorKind::Server(_)) {
        // Redis answered with an error: the command did not run.
        StoreError::refused(Site::Cache, message).for_want(super::want_behind(error))
    } else {
        StoreError::unknown(Site::Cache, message).for_want(super::want_behind(error))
    }
}
