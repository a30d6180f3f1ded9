//! Tests of the tree's sources: dependencies go one way, between crates and between modules.
//!
//! `os <- rules, lib <- superd, handlers`: a crate depends on those before it in the root manifest's
//! list, no handler depends on another one or on superd, and only `os` has `unsafe`. Within a crate the
//! top-level modules (a file, or a folder) make no circle. Tests, and what they alone depend on in
//! their own crate, do not count.
//!
//! Run it with `cargo test -p directions`.

#[cfg(test)]
mod circles;
#[cfg(test)]
mod crates;
#[cfg(test)]
mod modules;
