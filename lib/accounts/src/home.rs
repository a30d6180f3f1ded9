//! The home: the directory that holds `control/`, `users` and `aliases`.
//!
//! `$SUPERD_HOME`, else `$QMAILHOME`, else `/etc/superd` if it is there, else `/var/qmail`. A home
//! that was named and is not there is an error: with a typing error in it every user would be
//! unknown and his mail would bounce. Without any home everything has its default.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::control::{ControlError, Why};

/// Where the home is if nothing names it.
const OURS: &str = "/etc/superd";

/// Where qmail's programs have it.
const QMAIL: &str = "/var/qmail";

/// A home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
    named: bool,
}

impl Home {
    /// Finds it, reading the environment by `variable`. An empty variable counts as not set.
    pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> Home {
        Home::find_among(variable, Path::new(OURS))
    }

    fn find_among(variable: impl Fn(&str) -> Option<OsString>, ours: &Path) -> Home {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        match set("SUPERD_HOME").or_else(|| set("QMAILHOME")) {
            Some(path) => Home::at(path.into()),
            None => Home {
                path: PathBuf::from(if ours.is_dir() {
                    ours
                } else {
                    Path::new(QMAIL)
                }),
                named: false,
            },
        }
    }

    /// The home at `path`, as if a variable had named it.
    pub fn at(path: PathBuf) -> Home {
        Home { path, named: true }
    }

    /// Fails where the home was named and is no directory.
    pub fn check(&self) -> Result<(), ControlError> {
        if !self.named {
            return Ok(());
        }
        let failed = |error| ControlError {
            path: self.path.clone(),
            why: Why::Io(error),
        };
        if std::fs::metadata(&self.path).map_err(failed)?.is_dir() {
            Ok(())
        } else {
            Err(failed(io::ErrorKind::NotADirectory.into()))
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The control file `name`.
    pub fn control(&self, name: &str) -> PathBuf {
        self.path.join("control").join(name)
    }

    /// The file of users.
    pub fn users(&self) -> PathBuf {
        self.path.join("users")
    }

    /// The file with the passwords of `users`.
    pub fn users_secret(&self) -> PathBuf {
        self.path.join("users.secret")
    }

    /// The file of aliases.
    pub fn aliases(&self) -> PathBuf {
        self.path.join("aliases")
    }

    /// What this host calls itself: control/me, else `local_host` (TCPLOCALHOST, the name that the
    /// super-server found for the address that was connected to), else `host_name`.
    pub fn me(
        &self,
        local_host: Option<&[u8]>,
        host_name: impl FnOnce() -> Vec<u8>,
    ) -> Result<Vec<u8>, ControlError> {
        if let Some(me) = self.line("me")? {
            return Ok(me);
        }
        Ok(match local_host {
            Some(name) if !name.is_empty() => name.to_vec(),
            _ => host_name(),
        })
    }

    /// The domains whose mail stays here: control/locals, else just `me`. In lower case.
    pub fn locals(&self, me: &[u8]) -> Result<Vec<Vec<u8>>, ControlError> {
        let mut locals = self.list("locals")?.unwrap_or_else(|| vec![me.to_vec()]);
        locals
            .iter_mut()
            .for_each(|name| name.make_ascii_lowercase());
        Ok(locals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], ours: &Path) -> Home {
        let value = |name: &str| {
            let pair = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(pair.1))
        };
        Home::find_among(value, ours)
    }

    #[test]
    fn the_home_is_looked_for_in_order() {
        let there = tempfile::tempdir().expect("a folder");
        let both = [("SUPERD_HOME", "/a"), ("QMAILHOME", "/b")];
        assert_eq!(found(&both, there.path()).path(), Path::new("/a"));
        assert_eq!(found(&both[1..], there.path()).path(), Path::new("/b"));
        assert_eq!(
            found(&[("SUPERD_HOME", "")], there.path()).path(),
            there.path()
        );
        assert_eq!(
            found(&[], Path::new("/nonexistent/home")).path(),
            Path::new("/var/qmail")
        );
    }

    #[test]
    fn a_home_that_was_named_must_be_there() {
        let error = Home::at("/nonexistent/home".into())
            .check()
            .expect_err("missing");
        assert_eq!(
            error.to_string(),
            "unable to read /nonexistent/home: file does not exist"
        );
        assert!(Home::at("/etc/passwd".into()).check().is_err());
        assert!(Home::at("/etc".into()).check().is_ok());
        assert!(found(&[], Path::new("/nonexistent/home")).check().is_ok());
    }

    #[test]
    fn the_hosts_own_name_falls_back_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        let host_name = || b"uname".to_vec();
        assert_eq!(home.me(None, host_name).expect("read"), b"uname");
        assert_eq!(home.me(Some(b""), host_name).expect("read"), b"uname");
        assert_eq!(home.me(Some(b"tcp"), host_name).expect("read"), b"tcp");
        std::fs::create_dir(folder.path().join("control")).expect("made");
        std::fs::write(home.control("me"), "control\n").expect("written");
        assert_eq!(home.me(Some(b"tcp"), host_name).expect("read"), b"control");
    }

    #[test]
    fn the_local_domains_are_the_hosts_own_name_unless_listed() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        assert_eq!(home.locals(b"Me").expect("read"), [b"me".to_vec()]);
        std::fs::create_dir(folder.path().join("control")).expect("made");
        std::fs::write(home.control("locals"), "A.example\nb\n").expect("written");
        let expected = [b"a.example".to_vec(), b"b".to_vec()];
        assert_eq!(home.locals(b"me").expect("read"), expected);
    }
}
