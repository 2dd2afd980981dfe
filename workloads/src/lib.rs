//! quarrel
