//! What a run says to people, to build servers and to browsers.

mod access;
mod browser;
mod causes;
mod ci;
mod driver;
mod example;
mod findings;
mod hostile;
mod notes;
mod page;
mod pairs;
mod redact;
mod server;
mod terminal;
