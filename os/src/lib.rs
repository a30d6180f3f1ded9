//! The conversation with the operating system, and the only crate that may contain `unsafe`.
//!
//! Everything here is small: one system call a function, a `SAFETY` sentence for each `unsafe`
//! block. The rest of the house speaks to descriptors, processes, users and the clock through
//! these rooms and never through `libc` or `nix` itself.

pub mod args;
pub mod children;
pub mod confine;
pub mod error;
pub mod exit;
pub mod fd;
pub mod file;
pub mod identity;
pub mod log;
pub mod map;
pub mod memory;
pub mod names;
#[cfg(feature = "nss")]
pub mod nss;
#[cfg(feature = "pam")]
pub mod pam;
pub mod poll;
pub mod process;
pub mod programs;
pub mod session;
pub mod sibling;
pub mod signals;
pub mod socket;
pub mod spawn;
pub mod terminal;
pub mod watch;

pub use error::reason;
pub use exit::Exit;
