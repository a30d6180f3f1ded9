//! Whom a resolver asks, and how long.

use std::time::Duration;

pub use crate::attempts::ROUNDS;
use crate::servers::Source;

/// The port of DNS servers.
pub const PORT: u16 = 53;

/// Where and how long.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers.
    pub servers: Source,
    /// Their port; another one than [`PORT`] in tests.
    pub port: u16,
    /// How long a server may take, by round; [`ROUNDS`] but in tests.
    pub rounds: [Duration; 3],
    /// How long the servers have for one question, all together.
    pub deadline: Duration,
}
