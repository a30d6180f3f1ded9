//! The look-up process as superd meets it: records in, records out, with servers of the tests' own
//! on loopback addresses and free ports. Nothing here needs root or port 53.

#![allow(
    clippy::panic,
    reason = "clippy does not see that helpers of tests are tests"
)]

mod host;
mod ident;
mod load;
mod names;
mod process;
mod servers;
mod support;
