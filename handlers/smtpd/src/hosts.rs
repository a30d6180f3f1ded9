//! Which recipients are taken, and which way they go: the rule against relaying.
//!
//! A client that may not relay (RELAYCLIENT is not set) reaches the hosts of control/rcpthosts,
//! and of control/morercpthosts.cdb beside it, and nothing else. Where the former is missing it
//! reaches the local domains: qmail-smtpd takes everything then, which is an open relay. An address
//! without `@` is local.

use accounts::address;

use crate::keyfile::{KeyFile, Unreadable};

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

    /// The entries, in lower case.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Whether `host` is an entry, in any case.
    pub fn names(&self, host: &[u8]) -> bool {
        self.0.iter().any(|entry| entry.eq_ignore_ascii_case(host))
    }

    /// Whether `host` is an entry, or ends in one that begins with a dot: `.example.org` stands for
    /// all hosts below `example.org`, not for that name itself.
    pub fn covers(&self, host: &[u8]) -> bool {
        entries_for(host).any(|entry| self.names(entry))
    }
}

/// The entries that would stand for `host`: itself, and what of it begins with a dot.
fn entries_for(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = host.iter().enumerate().filter(|&(_, &byte)| byte == b'.');
    std::iter::once(host).chain(dots.map(|(dot, _)| &host[dot..]))
}

/// The lists that decide.
#[derive(Debug, Default)]
pub struct Hosts {
    /// control/rcpthosts, `None` where it is missing.
    pub rcpthosts: Option<HostList>,
    /// control/morercpthosts.cdb, which counts only beside rcpthosts. Its keys are entries in lower
    /// case.
    pub more: KeyFile,
    /// The domains whose mail stays here.
    pub locals: HostList,
}

/// Where a recipient's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It stays here.
    Local,
    /// It goes to another host.
    Remote,
    /// It is not taken from this client.
    Refused,
    /// It cannot be told whether it is taken.
    Unknown(Unreadable),
}

impl Hosts {
    /// The way of `recipient` (unquoted, with RELAYCLIENT's value appended) from a client that may
    /// relay, or may not.
    pub fn route(&self, recipient: &[u8], may_relay: bool) -> Route {
        let (_, Some(host)) = address::split(recipient) else {
            return Route::Local;
        };
        let local = self.locals.names(host);
        let taken = match &self.rcpthosts {
            _ if may_relay => Ok(true),
            None => Ok(local),
            Some(list) if list.covers(host) => Ok(true),
            Some(_) => self.more_covers(host),
        };
        match (taken, local) {
            (Ok(true), true) => Route::Local,
            (Ok(true), false) => Route::Remote,
            (Ok(false), _) => Route::Refused,
            (Err(unreadable), _) => Route::Unknown(unreadable),
        }
    }

    fn more_covers(&self, host: &[u8]) -> Result<bool, Unreadable> {
        let host = host.to_ascii_lowercase();
        for entry in entries_for(&host) {
            if self.more.has(entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyfile::tests::file_of;

    fn list(entries: &[&str]) -> HostList {
        HostList::new(entries.iter().map(|entry| (*entry).into()).collect())
    }

    fn hosts(rcpthosts: Option<&[&str]>) -> Hosts {
        Hosts {
            rcpthosts: rcpthosts.map(list),
            more: KeyFile::default(),
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
    fn morercpthosts_adds_hosts_and_counts_only_beside_rcpthosts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("morercpthosts.cdb");
        let mut hosts = hosts(Some(&["one.test"]));
        hosts.more = file_of(&path, "More.test\n.sub.test\nhere.test\n");
        for taken in ["one.test", "MORE.test", "a.b.Sub.test"] {
            let recipient = format!("joe@{taken}");
            assert_eq!(hosts.route(recipient.as_bytes(), false), Route::Remote);
        }
        assert_eq!(hosts.route(b"joe@here.test", false), Route::Local);
        for refused in ["sub.test", "x.more.test", "more.test.", ""] {
            let recipient = format!("joe@{refused}");
            assert_eq!(hosts.route(recipient.as_bytes(), false), Route::Refused);
        }
        hosts.rcpthosts = None;
        assert_eq!(hosts.route(b"joe@more.test", false), Route::Refused);
    }

    #[test]
    fn a_list_that_cannot_be_read_puts_refusals_in_doubt() {
        let mut hosts = hosts(Some(&["here.test"]));
        hosts.more = KeyFile::open_named("/nonexistent/more.cdb".into());
        let Route::Unknown(reason) = hosts.route(b"joe@other.test", false) else {
            panic!("told");
        };
        let expected = "unable to read /nonexistent/more.cdb: file does not exist";
        assert_eq!(reason.to_string(), expected);
        assert_eq!(hosts.route(b"joe@here.test", false), Route::Local);
        assert_eq!(hosts.route(b"joe@other.test", true), Route::Remote);
        hosts.rcpthosts = None;
        assert_eq!(hosts.route(b"joe@other.test", false), Route::Refused);
    }
}
