//! Which recipients are taken, and which way they go: the rule against relaying.
//!
//! A client that may not relay (RELAYCLIENT is not set) reaches the hosts of control/rcpthosts,
//! and nothing else. Where that file is missing it reaches the local domains: qmail-smtpd takes
//! everything then, which is an open relay. An address without `@` is local.

use accounts::address;

/// Host names as rcpthosts and locals list them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostList(Vec<Vec<u8>>);

impl HostList {
    /// From the entries of a file.
    pub fn new(mut entries: Vec<Vec<u8>>) -> HostList {
        entries
            .iter_mut()
            .for_each(|entry| entry.make_ascii_lowercase());
        HostList(entries)
    }

    /// Whether `host` is an entry, in any case.
    pub fn names(&self, host: &[u8]) -> bool {
        self.0.iter().any(|entry| entry.eq_ignore_ascii_case(host))
    }

    /// Whether `host` is an entry, or ends in one that begins with a dot: `.example.org` stands for
    /// all hosts below `example.org`, not for that name itself.
    pub fn covers(&self, host: &[u8]) -> bool {
        self.names(host)
            || host
                .iter()
                .enumerate()
                .filter(|&(_, &byte)| byte == b'.')
                .any(|(dot, _)| self.names(&host[dot..]))
    }
}

/// The lists that decide.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// control/rcpthosts, `None` where it is missing.
    pub rcpthosts: Option<HostList>,
    /// Whether control/morercpthosts.cdb is there. It is not read, so a host that rcpthosts does
    /// not name may be allowed or not.
    pub more: bool,
    /// The domains whose mail stays here.
    pub locals: HostList,
}

/// Where a recipient's mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// It stays here.
    Local,
    /// It goes to another host.
    Remote,
    /// It is not taken from this client.
    Refused,
    /// It cannot be told whether it is taken.
    Unknown,
}

impl Hosts {
    /// The way of `recipient` (unquoted, with RELAYCLIENT's value appended) from a client that may
    /// relay, or may not.
    pub fn route(&self, recipient: &[u8], may_relay: bool) -> Route {
        let (_, Some(host)) = address::split(recipient) else {
            return Route::Local;
        };
        let local = self.locals.names(host);
        let taken = may_relay
            || match &self.rcpthosts {
                Some(list) => list.covers(host),
                None => local,
            };
        match (taken, local) {
            (true, true) => Route::Local,
            (true, false) => Route::Remote,
            (false, _) if self.more && self.rcpthosts.is_some() => Route::Unknown,
            (false, _) => Route::Refused,
        }
    }
}

/// control/badmailfrom: whole addresses, or `@host`; exact but for case.
pub fn is_bad_sender(list: &[Vec<u8>], sender: &[u8]) -> bool {
    let at = sender.iter().rposition(|&byte| byte == b'@');
    let host = at.map(|at| &sender[at..]);
    list.iter().any(|entry| {
        entry.eq_ignore_ascii_case(sender)
            || host.is_some_and(|host| entry.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> HostList {
        HostList::new(entries.iter().map(|entry| (*entry).into()).collect())
    }

    fn hosts(rcpthosts: Option<&[&str]>) -> Hosts {
        Hosts {
            rcpthosts: rcpthosts.map(list),
            more: false,
            locals: list(&["here.test"]),
        }
    }

    #[test]
    fn an_entry_stands_for_itself_and_one_with_a_dot_for_what_is_below() {
        let list = list(&["Example.test", ".sub.test"]);
        for host in ["example.test", "EXAMPLE.TEST", "a.sub.test", "a.b.SUB.test"] {
            assert!(list.covers(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "sub.test",
            "a.example.test",
            "xsub.test",
            "example.test.",
            "test",
        ] {
            assert!(!list.covers(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn without_rcpthosts_only_local_domains_are_taken() {
        let hosts = hosts(None);
        assert_eq!(hosts.route(b"joe@Here.Test", false), Route::Local);
        assert_eq!(hosts.route(b"joe@other.test", false), Route::Refused);
        assert_eq!(hosts.route(b"joe@here.test.", false), Route::Refused);
        assert_eq!(hosts.route(b"joe@", false), Route::Refused);
        assert_eq!(hosts.route(b"postmaster", false), Route::Local);
    }

    #[test]
    fn rcpthosts_says_what_is_taken_from_anybody_also_for_local_domains() {
        let backup = hosts(Some(&["here.test", "backup.test"]));
        assert_eq!(backup.route(b"joe@here.test", false), Route::Local);
        assert_eq!(backup.route(b"joe@backup.test", false), Route::Remote);
        assert_eq!(backup.route(b"joe@other.test", false), Route::Refused);
        assert_eq!(
            hosts(Some(&[])).route(b"joe@here.test", false),
            Route::Refused
        );
        assert_eq!(hosts(Some(&[])).route(b"joe", false), Route::Local);
    }

    #[test]
    fn a_relay_client_reaches_everything() {
        for hosts in [hosts(None), hosts(Some(&[]))] {
            assert_eq!(hosts.route(b"joe@other.test", true), Route::Remote);
            assert_eq!(hosts.route(b"joe@here.test", true), Route::Local);
        }
    }

    #[test]
    fn the_last_at_sign_decides() {
        let hosts = hosts(None);
        assert_eq!(
            hosts.route(b"joe@other.test@here.test", false),
            Route::Local
        );
        assert_eq!(
            hosts.route(b"joe@here.test@other.test", false),
            Route::Refused
        );
        assert_eq!(
            hosts.route(b"joe%other.test@here.test", false),
            Route::Local
        );
    }

    #[test]
    fn a_list_that_is_not_read_puts_refusals_in_doubt() {
        let mut hosts = hosts(Some(&["here.test"]));
        hosts.more = true;
        assert_eq!(hosts.route(b"joe@other.test", false), Route::Unknown);
        assert_eq!(hosts.route(b"joe@here.test", false), Route::Local);
        assert_eq!(hosts.route(b"joe@other.test", true), Route::Remote);
        hosts.rcpthosts = None;
        assert_eq!(hosts.route(b"joe@other.test", false), Route::Refused);
    }

    #[test]
    fn bad_senders_are_whole_addresses_or_hosts() {
        let list = [b"Joe@bad.test".to_vec(), b"@worse.test".to_vec()];
        for bad in [
            "joe@BAD.test",
            "x@worse.test",
            "@worse.test",
            "a@b@Worse.test",
        ] {
            assert!(is_bad_sender(&list, bad.as_bytes()), "{bad}");
        }
        for good in ["", "x@bad.test", "x@sub.worse.test", "worse.test"] {
            assert!(!is_bad_sender(&list, good.as_bytes()), "{good}");
        }
    }
}
