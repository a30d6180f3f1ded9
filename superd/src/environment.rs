//! The variables that a program gets: inherited ones, those of UCSPI, then those of the rules.
//!
//! Every variable of the protocol that is served is set or unset in every case, so that nothing of
//! an outer server leaks through. Rule variables come last and win, as under the original (spec: a rule may forge even
//! TCPREMOTEHOST).

use std::collections::HashSet;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use os::spawn::{Environment, variable, variable_name};

use crate::connection::{Ends, Names, ip_text};

/// Set or unset for each connection, whatever was inherited.
const TCP_NAMES: [&[u8]; 8] = [
    b"PROTO",
    b"TCPLOCALIP",
    b"TCPLOCALPORT",
    b"TCPLOCALHOST",
    b"TCPREMOTEIP",
    b"TCPREMOTEPORT",
    b"TCPREMOTEHOST",
    b"TCPREMOTEINFO",
];

/// What ucspi-unix sets, likewise.
const UNIX_NAMES: [&[u8]; 8] = [
    b"UNIXLOCALUID",
    b"UNIXLOCALGID",
    b"UNIXLOCALPID",
    b"UNIXLOCALPATH",
    b"UNIXREMOTEEUID",
    b"UNIXREMOTEEGID",
    b"UNIXREMOTEPID",
    b"UNIXREMOTEPATH",
];

/// Of the session that superd itself was started in, perhaps.
const STALE: &[u8] = os::session::VARIABLE.as_bytes();

/// A variable of a rule.
pub type Variable = (Vec<u8>, Vec<u8>);

/// What every program of the service inherits: `inherited` without the variables that are set for
/// each connection. `unix` says that the service listens on a UNIX socket.
pub fn shared(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    unix: bool,
) -> Arc<Vec<CString>> {
    let is_ours = |name: &[u8]| {
        TCP_NAMES.contains(&name) || (unix && UNIX_NAMES.contains(&name)) || name == STALE
    };
    let strings = inherited.filter_map(|(name, value)| {
        let name = name.into_vec();
        if is_ours(&name) {
            None
        } else {
            variable(&name, &value.into_vec())
        }
    });
    Arc::new(strings.collect())
}

/// The environment of one program.
pub fn for_connection(
    shared: &Arc<Vec<CString>>,
    ends: &Ends,
    names: &Names,
    rule: &[Variable],
) -> Environment {
    let mut own = Own(Vec::with_capacity(8 + rule.len()));
    let mut pid = None;
    match ends {
        Ends::Tcp { local, remote } => {
            own.set(b"PROTO", b"TCP");
            own.set(b"TCPLOCALIP", ip_text(local.ip()).as_bytes());
            own.set(b"TCPLOCALPORT", local.port().to_string().as_bytes());
            own.set_known(b"TCPLOCALHOST", names.local.as_deref());
            own.set(b"TCPREMOTEIP", ip_text(remote.ip()).as_bytes());
            own.set(b"TCPREMOTEPORT", remote.port().to_string().as_bytes());
            own.set_known(b"TCPREMOTEHOST", names.remote.as_deref());
            own.set_known(b"TCPREMOTEINFO", names.info.as_deref());
        }
        Ends::Unix { path, peer } => {
            use std::os::unix::ffi::OsStrExt;
            own.set(b"PROTO", b"UNIX");
            own.set(
                b"UNIXLOCALUID",
                os::identity::effective_uid().to_string().as_bytes(),
            );
            own.set(
                b"UNIXLOCALGID",
                os::identity::effective_gid().to_string().as_bytes(),
            );
            own.set(b"UNIXLOCALPATH", path.as_os_str().as_bytes());
            if let Some(peer) = peer {
                own.set(b"UNIXREMOTEEUID", peer.uid.to_string().as_bytes());
                own.set(b"UNIXREMOTEEGID", peer.gid.to_string().as_bytes());
                own.set(b"UNIXREMOTEPID", peer.pid.to_string().as_bytes());
            }
            pid = Some(c"UNIXLOCALPID=");
        }
    }
    if !rule.is_empty() {
        own.override_with(rule);
    }
    Environment {
        shared: Arc::clone(shared),
        own: own.0,
        pid,
    }
}

/// The variables of a rule without those that a later one of the same name replaces.
fn last_of_each(rule: &[Variable]) -> Vec<&Variable> {
    let mut seen = HashSet::with_capacity(rule.len());
    let mut last: Vec<&Variable> = rule
        .iter()
        .rev()
        .filter(|(name, _)| seen.insert(name))
        .collect();
    last.reverse();
    last
}

/// The variables of one connection.
struct Own(Vec<CString>);

impl Own {
    /// A name or value that no environment can hold (a NUL) is left out; the rules compiler and
    /// the command line cannot produce one.
    fn set(&mut self, name: &[u8], value: &[u8]) {
        self.0.extend(variable(name, value));
    }

    fn set_known(&mut self, name: &[u8], value: Option<&[u8]>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds the variables of a rule, each name once, in place of what is there under that name.
    fn override_with(&mut self, rule: &[Variable]) {
        let rule = last_of_each(rule);
        let names: HashSet<&[u8]> = rule.iter().map(|(name, _)| name.as_slice()).collect();
        self.0.retain(|text| !names.contains(variable_name(text)));
        for (name, value) in rule {
            self.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        Ends::Tcp {
            local: "127.0.0.1:25".parse().expect("an address"),
            remote: "192.0.2.7:40000".parse().expect("an address"),
        }
    }

    fn texts(environment: &Environment) -> Vec<String> {
        environment
            .own
            .iter()
            .map(|text| text.to_string_lossy().into_owned())
            .collect()
    }

    fn inherit(pairs: &[(&str, &str)]) -> Arc<Vec<CString>> {
        shared(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
            false,
        )
    }

    #[test]
    fn an_inherited_variable_of_an_outer_server_never_leaks_through() {
        let shared = inherit(&[
            ("TCPREMOTEINFO", "joe"),
            ("PROTO", "SSL"),
            ("SUPERD_SESSION", "7"),
            ("HOME", "/"),
        ]);
        assert_eq!(*shared, [CString::new("HOME=/").expect("no NUL")]);
        let environment = for_connection(&shared, &ends(), &Names::default(), &[]);
        assert!(
            !texts(&environment)
                .iter()
                .any(|text| text.starts_with("TCPREMOTEINFO"))
        );
    }

    #[test]
    fn a_name_that_is_unknown_is_unset_and_an_empty_one_is_set() {
        let names = Names {
            local: Some(b"0".to_vec()),
            remote: None,
            info: Some(Vec::new()),
            lost: false,
        };
        let environment = for_connection(&inherit(&[]), &ends(), &names, &[]);
        assert_eq!(
            texts(&environment),
            [
                "PROTO=TCP",
                "TCPLOCALIP=127.0.0.1",
                "TCPLOCALPORT=25",
                "TCPLOCALHOST=0",
                "TCPREMOTEIP=192.0.2.7",
                "TCPREMOTEPORT=40000",
                "TCPREMOTEINFO="
            ]
        );
    }

    #[test]
    fn a_rule_overrides_the_built_in_values_and_its_later_of_two_equal_names_wins() {
        let rule = [
            (b"TCPREMOTEIP".to_vec(), b"forged".to_vec()),
            (b"A".to_vec(), b"1".to_vec()),
            (b"A".to_vec(), b"2".to_vec()),
        ];
        let environment = for_connection(&inherit(&[]), &ends(), &Names::default(), &rule);
        let texts = texts(&environment);
        assert!(texts.contains(&"TCPREMOTEIP=forged".to_owned()));
        assert_eq!(
            texts.iter().filter(|text| text.starts_with("A=")).count(),
            1
        );
        assert!(texts.contains(&"A=2".to_owned()));
    }

    #[test]
    fn a_unix_client_is_told_by_its_credentials() {
        let ends = Ends::Unix {
            path: Arc::new("/run/x".into()),
            peer: Some(os::socket::Credentials {
                pid: 7,
                uid: 1,
                gid: 2,
            }),
        };
        let environment = for_connection(&inherit(&[]), &ends, &Names::default(), &[]);
        let texts = texts(&environment);
        for expected in ["PROTO=UNIX", "UNIXLOCALPATH=/run/x", "UNIXREMOTEEUID=1"] {
            assert!(texts.contains(&expected.to_owned()), "{expected}");
        }
        assert_eq!(environment.pid, Some(c"UNIXLOCALPID="));
    }
}
