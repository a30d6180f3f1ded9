//! What the process is started with, and the limits it keeps. Production has one set of them, made
//! of the environment; tests have others, so that they need neither root nor patience.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use dns::servers::{self, RESOLV_CONF};
use dns::settings::{PORT, ROUNDS};

use crate::qualify;

/// The time for all names of one connection, from the request on: the local name, the remote name
/// and its check. Also the time that the servers have for one question.
pub const NAMES_DEADLINE: Duration = Duration::from_secs(5);

/// The time for a host word with all names that it may stand for.
pub const HOST_DEADLINE: Duration = Duration::from_secs(10);

/// The most requests that are worked on; what comes beyond is answered as failed at once.
pub const REQUESTS_LIMIT: usize = 1_024;

/// Where, how long and how much.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The DNS servers.
    pub servers: servers::Source,
    /// How host words become names.
    pub qualification: qualify::Source,
    /// The port of the DNS servers.
    pub dns_port: u16,
    /// The port of the ident servers.
    pub ident_port: u16,
    /// How long a server may take, by round.
    pub rounds: [Duration; 3],
    /// In place of [`NAMES_DEADLINE`].
    pub names_deadline: Duration,
    /// In place of [`HOST_DEADLINE`].
    pub host_deadline: Duration,
    /// In place of [`REQUESTS_LIMIT`].
    pub requests_limit: usize,
}

impl Settings {
    /// As the environment says: `DNSCACHEIP`, `DNSREWRITEFILE`, `LOCALDOMAIN`; and /etc/resolv.conf.
    pub fn from_environment() -> Settings {
        let value = |name: &str| std::env::var_os(name).map(OsString::into_vec);
        Settings {
            servers: servers::Source::of_variable(value("DNSCACHEIP").as_deref()),
            qualification: qualify::Source {
                rewrite_file: std::env::var_os("DNSREWRITEFILE")
                    .map_or_else(|| "/etc/dnsrewrite".into(), PathBuf::from),
                local_domain: value("LOCALDOMAIN"),
                resolv_conf: RESOLV_CONF.into(),
                host_name: os::process::host_name(),
            },
            ..Settings::of_servers(servers::Source::Fixed(Vec::new()))
        }
    }

    /// What of it the resolver needs.
    pub(crate) fn dns(&self) -> dns::settings::Settings {
        dns::settings::Settings {
            servers: self.servers.clone(),
            port: self.dns_port,
            rounds: self.rounds,
            deadline: self.names_deadline,
        }
    }

    /// The usual limits, with these servers, and host words taken as they are.
    pub fn of_servers(servers: servers::Source) -> Settings {
        Settings {
            servers,
            qualification: qualify::Source::default(),
            dns_port: PORT,
            ident_port: 113,
            rounds: ROUNDS,
            names_deadline: NAMES_DEADLINE,
            host_deadline: HOST_DEADLINE,
            requests_limit: REQUESTS_LIMIT,
        }
    }
}
