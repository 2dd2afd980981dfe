//! The command `quarrel`.
fn main() {}
