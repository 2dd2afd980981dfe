//! What only the servers themselves, or a bare socket, can show of a fault.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Link, admin::LIMIT};
use crate::stores::Endpoints;

/// A startup message of a protocol that no Postgres speaks any more: the
/// server says so and closes.
const OUTDATED_GREETING: [u8; 8] = [0, 0, 0, 8, 0, 1, 0, 0];
/// Redis answers and closes.
const QUIT: &[u8] = b"QUIT\r\n";

/// How long after the server's last word, with which it closed the connection,
/// its client hears that it is closed.
pub(super) async fn close_lag(clients: &Endpoints, link: Link) -> Result<Duration, String> {
    let (host, port, words): (String, u16, &[u8]) = match link {
        Link::ClientPrimary => postgres(&clients.primary),
        Link::ClientReplica => postgres(&clients.replica),
        Link::ClientCache => redis(clients)?,
        Link::ReplicaPrimary => return Err("no client dials this link".to_owned()),
    };
    let talk = async {
        let mut stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.write_all(words).await?;
        let mut buffer = [0; 512];
        let mut last_word = Instant::now();
        // The end, or the error in its place, is what is waited for.
        while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {
            last_word = Instant::now();
        }
        Ok::<_, std::io::Error>(last_word.elapsed())
    };
    let lag = timeout(LIMIT, talk).await.map_err(|_| format!("not closed within {LIMIT:?}"))?;
    lag.map_err(|error| error.to_string())
}

fn postgres(options: &PgConnectOptions) -> (String, u16, &'static [u8]) {
    (options.get_host().to_owned(), options.get_port(), &OUTDATED_GREETING)
}

fn redis(clients: &Endpoints) -> Result<(String, u16, &'static [u8]), String> {
    let address = clients.cache.address();
    let (host, port) = address.ok_or_else(|| "a socket file is no address to dial".to_owned())?;
    Ok((host, port, QUIT))
}
