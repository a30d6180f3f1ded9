//! `--relay DIR`: a client who has just logged in may relay, looked up for each connection.
//!
//! The store is relay-ctrl's, written by relay-ctrl-allow at each login; nothing is rebuilt and
//! nothing is restarted. The rules come first: whom they deny is not looked up, and a RELAYCLIENT of
//! theirs stays as it is.

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use relay_store::{Address, Store, settings};

use crate::environment::Variable;

/// What a client gets who may relay.
const RELAYCLIENT: &[u8] = b"RELAYCLIENT";
/// Who it was that logged in from there, for the log of the program.
const USER: &[u8] = b"RELAY_CTRL_USER";
/// How often a store that cannot be read is complained about.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);

/// The store, and what a client gets who is in it.
#[derive(Debug)]
pub struct Relays {
    path: PathBuf,
    store: Store,
    value: Vec<u8>,
    complained: Option<Instant>,
}

impl Relays {
    /// The store in `path`, with the settings of relay-ctrl: RELAY_CTRL_EXPIRY, else the first line of
    /// `expiry` in its directory of settings, else 900 seconds; and RELAY_CTRL_RELAYCLIENT, else an empty
    /// value. The error is a sentence.
    pub fn open(
        path: &Path,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Relays, String> {
        let shown = path.display();
        let expiry = settings::expiry(&variable).map_err(|unfit| unfit.to_string())?;
        let store = Store::open(path, expiry)
            .map_err(|error| format!("unable to use {shown}: {}", os::reason(&error)))?;
        let value = variable("RELAY_CTRL_RELAYCLIENT").unwrap_or_default();
        Ok(Relays {
            path: path.to_owned(),
            store,
            value: value.into_vec(),
            complained: None,
        })
    }

    /// Adds to the variables of a client's rule what he gets for his login, if there was one. The
    /// value is a complaint for the log, at most once a minute.
    pub fn add(&mut self, ip: IpAddr, rule: &mut Vec<Variable>) -> Option<String> {
        if rule.iter().any(|(name, _)| name == RELAYCLIENT) {
            return None;
        }
        match self.store.lookup(&Address::of(ip), SystemTime::now()) {
            Ok(Some(entry)) => {
                rule.push((RELAYCLIENT.to_vec(), self.value.clone()));
                if !entry.user.is_empty() {
                    rule.push((USER.to_vec(), entry.user));
                }
                None
            }
            Ok(None) => None,
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&mut self, error: &io::Error) -> Option<String> {
        let now = Instant::now();
        let lately = |time: Instant| now.duration_since(time) < COMPLAINT_PAUSE;
        if self.complained.is_some_and(lately) {
            return None;
        }
        self.complained = Some(now);
        let (path, reason) = (self.path.display(), os::reason(error));
        Some(format!(
            "warning: unable to look up a client in {path}: {reason}; nobody may relay by a login"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> Variable {
        (name.into(), value.into())
    }

    fn opened(dir: &Path, settings: &[(&str, &str)]) -> Relays {
        let find = |name: &str| {
            let found = settings.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Relays::open(dir, find).expect("a store")
    }

    fn given(relays: &mut Relays, ip: &str, rule: &[Variable]) -> Vec<Variable> {
        let mut rule = rule.to_vec();
        assert_eq!(relays.add(ip.parse().expect("an address"), &mut rule), None);
        rule
    }

    #[test]
    fn who_has_logged_in_may_relay_and_the_log_can_tell_who_it_was() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("192.0.2.1"), "").expect("written");
        std::fs::write(dir.path().join("192.0.2.2"), "USER=joe\0").expect("written");
        let mut relays = opened(dir.path(), &[]);
        assert_eq!(
            given(&mut relays, "192.0.2.1", &[]),
            [pair("RELAYCLIENT", "")]
        );
        assert_eq!(
            given(&mut relays, "192.0.2.2", &[]),
            [pair("RELAYCLIENT", ""), pair("RELAY_CTRL_USER", "joe")]
        );
        assert_eq!(given(&mut relays, "192.0.2.3", &[]), []);
        assert_eq!(given(&mut relays, "::ffff:192.0.2.1", &[]).len(), 1);
    }

    #[test]
    fn a_relayclient_of_the_rules_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("192.0.2.1"), "").expect("written");
        let rule = [pair("RELAYCLIENT", "@fix")];
        let mut relays = opened(dir.path(), &[("RELAY_CTRL_RELAYCLIENT", "@other")]);
        assert_eq!(given(&mut relays, "192.0.2.1", &rule), rule);
        assert_eq!(
            given(&mut relays, "192.0.2.1", &[]),
            [pair("RELAYCLIENT", "@other")]
        );
    }

    #[test]
    fn a_store_that_is_not_there_and_a_time_that_is_none_are_told_at_the_start() {
        let none = |_: &str| None;
        let error = Relays::open(Path::new("/nonexistent/store"), none).expect_err("missing");
        assert_eq!(
            error,
            "unable to use /nonexistent/store: file does not exist"
        );
        let dir = tempfile::tempdir().expect("a folder");
        let wrong = |name: &str| (name == "RELAY_CTRL_EXPIRY").then(|| "900s".into());
        let error = Relays::open(dir.path(), wrong).expect_err("no number");
        assert!(
            error.starts_with("unable to use RELAY_CTRL_EXPIRY: no positive"),
            "{error}"
        );
    }
}
