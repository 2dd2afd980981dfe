//! A TCP fault proxy that speaks Toxiproxy's HTTP API, and can hold, drop and
//! release single messages.
//!
//! Embedded, it runs on threads of its own, so that the load of its user does
//! not skew its latencies, and leaves nothing behind when dropped:
//!
//! ```
//! use quarrel_faultproxy::{Config, FaultProxy, NewProxy, NewToxic, Seed, Stream, ToxicKind};
//!
//! let server = FaultProxy::start(&Config::embedded(Seed(42)))?;
//! let view = server.create_proxy(NewProxy::new("redis", "127.0.0.1:0", "127.0.0.1:6379"))?;
//! println!("connect to {} instead", view.listen);
//! let slow = ToxicKind::Latency { latency_ms: 20, jitter_ms: 5 };
//! server.add_toxic("redis", NewToxic::new(slow, Stream::Downstream))?;
//! server.reset()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The HTTP API
//!
//! Routes, bodies, statuses and content types are those of Toxiproxy 2.12.0:
//! `/proxies`, `/proxies/{p}`, `/proxies/{p}/toxics`, `/proxies/{p}/toxics/{t}`,
//! `/populate`, `/reset`, `/version` and, on request, `/metrics`; the toxics
//! are those of [`ToxicKind`], with two more: `slow_open` and `corrupt`. Each
//! answer has an `X-Toxiproxy-Request-Id`, under which its line in the log is
//! found; ports may be names of `/etc/services` (`localhost:redis`); and a path
//! that is not clean (`//proxies`, `/x/../proxies`) is sent to its clean form
//! with 301, while a slash at its end stays and is another path. Only the
//! wording of a JSON decoder's complaints is our own. It differs on purpose
//! where Toxiproxy cannot be relied on:
//!
//! - A half-close is forwarded; Toxiproxy closes the connection.
//! - `reset_peer` also resets connections that are open, even idle ones.
//! - Toxicity is drawn once per connection and stays; Toxiproxy draws again
//!   whenever any toxic changes.
//! - All draws are decided by the seed, keyed by proxy, connection and toxic:
//!   the same seed and order of connections give the same fate.
//! - No call waits for an upstream dial, or for data under a toxic.
//! - An empty `listen`, and an empty host in it, bind loopback.
//! - Attributes that crash Toxiproxy or overflow are refused with 400.
//! - A reset by a peer is forwarded as one, after the data before it.
//! - A proxy whose upstream is itself is refused with 400, as it would eat up
//!   all file descriptors, the API's included.
//! - A config file that cannot be applied is an error at the start.
//! - Toxics given with a proxy, at its creation, by `/populate` or in the
//!   config file, are added; Toxiproxy ignores them.
//! - `/reset` also removes rules and opens holds.
//! - `/populate` says in `forgot` what went with the proxies it replaced.
//! - Requests with an `Origin` are refused as those of browsers are, and those
//!   whose `Host` is a name with dots, where the API is bound to loopback.
//! - A request whose head does not come within 10 s of its first byte ends its
//!   connection, one whose body does not come within 10 s answers 408, and a
//!   connection on which nothing is asked for a minute is closed. Toxiproxy
//!   gives both together 15 s, and an answer 25 s.
//! - An encoded slash (`%2F`) belongs to a name; Toxiproxy splits there.
//! - A browser is refused whatever path it asks for, and answers of unknown
//!   routes and redirects carry a request id as well.
//! - An upstream without a host is dialled at 127.0.0.1, as Go does; one that
//!   is no address at all is found out when it is dialled, in both.
//! - An unknown field of a toxic or a proxy is ignored, as there; fields that
//!   Toxiproxy does not have (`tls`, and all bodies under `/x/attend` and
//!   of rules) refuse what they do not know.
//! - There are no `-runtime-metrics`, and `LOG_LEVEL` is not read.
//!
//! An upstream that cannot be reached closes the client's connection. A peer
//! that does not read makes the other one wait, once 4 MiB are queued for it
//! (64 KiB, while all connections together have 256 MiB queued). What only a
//! latency delays makes nobody wait, up to 64 MiB a direction.
//!
//! When toxics change, those in force then apply to every byte not yet sent,
//! counted from its arrival. No change loses or reorders a byte, but for
//! removing a `timeout`, which closes the connections that it took bytes from.
//!
//! # Unix sockets and TLS
//!
//! `listen` and `upstream` may be `unix:` and an absolute path, as
//! `unix:/run/redis/redis.sock`; of Postgres the file is
//! `/run/postgresql/.s.PGSQL.5432`. The file is made and removed with the
//! listener; one that a killed proxy left is replaced, and nothing else is. A
//! unix socket cannot be reset: what resets TCP closes it.
//!
//! A proxy with [`ProxyTls`] ends TLS with a certificate of yours and begins it
//! anew to the server, so that what is said inside can be read, held and
//! dropped:
//!
//! ```json
//! {"name": "db", "listen": "127.0.0.1:5433", "upstream": "db.internal:5432",
//!  "tls": {"listen": {"certificate": "proxy.crt", "key": "proxy.key"},
//!          "upstream": {"ca": "ca.crt"}}}
//! ```
//!
//! Either side may be left out. `upstream` takes `ca` or `"verify": false`, and
//! a `name` if the certificate has another than the upstream's host; the proxy
//! has no certificate of a client to show. Clients must trust the proxy's
//! certificate, and those of Postgres that bind passwords to the channel need
//! `channel_binding=disable`. Handshakes end within 10 s, or the event
//! `tls_failed` says why not; toxics begin behind them.
//!
//! # Beyond Toxiproxy
//!
//! Every method of [`FaultProxy`] named here has a route under `/x/`. Bodies
//! are JSON objects; what is marked `?` may be left out. Errors have
//! Toxiproxy's shape; what is refused on this connection or proxy answers 409.
//!
//! | route | body | answer |
//! |---|---|---|
//! | `GET /x/proxies/{p}/connections` | | 200, array of [`ConnectionView`] |
//! | `POST /x/proxies/{p}/connections/{n}/close` | `{"how"?: "fin" or "rst"}` | 204 |
//! | `POST /x/proxies/{p}/protocol` | `{"protocol": "redis", "postgres" or null, "log_messages"?: bool}` | 204 |
//! | `GET /x/proxies/{p}/protocol` | | 200, `{"protocol", "log_messages"}` |
//! | `POST /x/proxies/{p}/tls` | [`ProxyTls`]; `{}` ends it | 204 |
//! | `POST /x/proxies/{p}/encryption` | `{"refuses": bool}` | 204 |
//! | `POST /x/proxies/{p}/hold` | `{"stream"?, "connection"?, "lsn"?}` | 204 |
//! | `POST /x/proxies/{p}/release` | `{"stream"?, "connection"?, "bytes"? or "lsn"?}` | 204 |
//! | `GET /x/proxies/{p}/rules` | | 200, array of [`RuleView`] |
//! | `POST /x/proxies/{p}/rules` | [`NewRule`] | 201, [`RuleAdded`] |
//! | `DELETE /x/proxies/{p}/rules/{id}` | | 200, [`RuleView`] |
//! | `GET /x/proxies/{p}/held` | | 200, array of [`HeldMessage`] |
//! | `POST /x/proxies/{p}/held/{id}/release` | | 204 |
//! | `GET /x/events?since=N&limit=N` | | 200, [`EventPage`] |
//! | `POST /x/attend` | see below | 200, lines of JSON |
//! | `POST /x/attend/{a}/decide` | `{"id", "decision", "delay_ms"?}` | 204 |
//! | `GET /x/attend/{a}/waiting` | | 200, array of ids |
//! | `POST /x/attend/{a}/proxies` | `{"proxy"}` | 200, array of [`Uncovered`] |
//! | `DELETE /x/attend/{a}` | | 204 |
//!
//! `stream` is `upstream` or `downstream` (the default). A rule is, say,
//! `{"action":"drop_reply","command":"DEL","key":"user:1","ordinal":2}`; its
//! other fields are `contains`, `connection`, `times` and `delay_ms`, and its
//! actions those of [`RuleAction`].
//!
//! **Holds** stop a direction in front of its toxics, in order and without
//! loss: by bytes, or, on a replication stream of Postgres, from an [`WalPosition`] on.
//! A replica gives up a server that it hears nothing of for its
//! `wal_receiver_timeout` (a minute by default), and connects anew; holds on
//! all connections of a proxy hold the new one as well.
//!
//! **Rules** act on messages of RESP2, RESP3 and version 3 of the Postgres
//! protocol. A request of Postgres is a simple query, or all messages up to a
//! Sync; its reply ends with ReadyForQuery. Messages are told apart from the
//! first byte of a connection, so the protocol must be set before it is opened.
//! Where that ends, bytes still flow, [`ConnectionView::framing`] says why, and
//! rules for the connection are refused: after TLS or GSS encryption, MONITOR,
//! CLIENT REPLY OFF, Redis' own replication, a subscription within a
//! transaction; during a COPY by a simple query; while the connection
//! replicates.
//!
//! **Scripts** that `EVALSHA` names by a digest are known by their texts, if an
//! `EVAL` or a `SCRIPT LOAD` with the text came through any proxy here before:
//! rules with `contains` find what is in them. One that was loaded another way
//! is not known; the event `script_unknown` names its digest, once, and such
//! rules go by the command's own text.
//!
//! **Attending** is for controllers in any language: what
//! [`FaultProxy::attend`] tells comes as the answer to
//!
//! ```text
//! curl -N localhost:8474/x/attend -d '{"proxies":["cache"],"requests":true}'
//! ```
//!
//! one JSON object a line. The first is `{"event":"attending","attention":ID,
//! "uncovered":[…]}`, and ID is what the other routes take; the rest are
//! `opened`, `closed`, `gone`, `framing_lost`, `request`, `reply`, `push` and
//! `missed`, with the fields of [`attend::NoticeKind`]; `idle` comes every 15 s in
//! which nothing else does. Where it says `"waits":true`, the message stands
//! still until a decision for its `id` is posted: `forward`, `delay`, `drop`,
//! `drop_reply`, `reset_before` or `reset_after` (see [`Decision`]). The body
//! takes `requests`, `replies` and `pushes` (whether they wait, by default
//! none), `raw` (whether bytes are told), `text_cap`, `value_cap` (at most
//! 1 MiB) and `capacity` (at most 64 MiB; 512 MiB for all clients together), in
//! bytes. Replies have `value` of
//! Redis, or `outcomes` of Postgres; bytes that are no UTF-8 are
//! `{"base64": …}`, and what JSON has no kind for is an object of one field
//! (`error`, `number`, `map`, `cut`). When the client of the answer goes away,
//! or takes nothing for a minute, everything that it held goes on, in order; a
//! client that reads too slowly makes connections wait if anything is held, and
//! otherwise misses notices, by number. There are at most 64 such clients.
//!
//! **Events** have nanoseconds of the monotonic clock since
//! [`FaultProxy::epoch`]. The newest 65,536 are kept, or 16 MiB of them.

mod address;
mod api;
pub mod attend;
mod control;
mod core;
mod error;
mod event;
mod link;
mod listen;
mod message;
mod proxy;
mod registry;
mod rule;
mod scripts;
mod seed;
mod serve;
mod server;
mod services;
mod socket;
mod threads;
mod timer;
mod tls;
mod toxic;

pub use address::ClientAddress;
pub use attend::{Attend, Attention, Decision, Notice, NoticeKind};
pub use control::{RuleAdded, Uncovered};
pub use error::{Error, StartError};
pub use event::{EventPage, ProxyEvent, ProxyEventKind};
pub use link::connection::{Bytes, ConnectionView};
pub use link::hold::Release;
pub use link::plan::Close;
pub use link::{MessageLog, Refuses};
pub use message::lexer::{SqlToken, sql_tokens};
pub use message::wal::WalPosition;
pub use message::{Ends, Framing, GroupMessage, Parameter, Protocol, Strength, TransactionStatus};
pub use proxy::{Enabled, ProxyView};
pub use registry::NewProxy;
pub use rule::{HeldMessage, NewRule, RuleAction, RuleView};
pub use seed::Seed;
pub use serve::run_until_stopped;
pub use server::{Config, DEFAULT_PORT, FaultProxy, MetricsPage};
pub use tls::{ProxyTls, TlsIdentity, UpstreamTls, Verify};
pub use toxic::{NewToxic, Stream, Toxic, ToxicKind};
