//! Every strategy on real servers: what it promises alone, and which races
//! break it.

mod alone;
mod races;
mod scripts;
mod simulation;
