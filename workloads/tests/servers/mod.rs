//! Servers as people have them: with certificates, passwords, other parts than
//! quarrel needs. Each ends with what holds it.

mod authority;
mod guest;
mod own;
mod pooler;
mod postgres;
mod redis;

pub(crate) use authority::Authority;
pub(crate) use guest::Guest;
pub(crate) use own::{find_server, here, send, server, starve};
pub(crate) use pooler::{Door, Pooler, Pooling};
pub(crate) use postgres::{Postgres, dump, port};
pub(crate) use redis::{Redis, keys};

use std::{
    io::{BufRead as _, BufReader, Read},
    net::{Ipv4Addr, TcpListener},
};

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Reads what a server says until it has said `word`, and on: it must never
/// wait for somebody who listens.
fn until_said(output: impl Read + Send + 'static, word: &str) {
    let mut said = BufReader::new(output).lines();
    let mut before = String::new();
    let ready = said.by_ref().map_while(Result::ok).any(|line| {
        before += &line;
        before.push('\n');
        line.contains(word)
    });
    assert!(ready, "it ended without `{word}`: {before}");
    std::thread::spawn(move || said.map_while(Result::ok).count());
}
