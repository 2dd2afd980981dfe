//! The fault proxy from outside: over its API, its sockets and real servers.

mod api;
mod attend;
mod behaviour;
mod client;
mod differences;
mod drivers;
mod hostile;
mod more_toxics;
mod no_byte_lost;
mod pairing;
mod postgres;
mod redis;
mod routing;
mod scripts;
mod secrets;
mod testbed;
mod tls;
mod toxiproxy_tests;
mod transparent;
mod unix_sockets;
