//! The environment of a program as a value.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Variables and their values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    list: Vec<(OsString, OsString)>,
}

impl Env {
    /// That of this process.
    pub fn of_process() -> Env {
        Env {
            list: std::env::vars_os().collect(),
        }
    }

    /// The value of `name`, where it is set.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.list.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_os_str())
    }

    /// The value of `name` as bytes, where it is set.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(OsStr::as_bytes)
    }

    /// Sets `name`, in the place where it was if it was set.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.set_os(OsStr::new(name), OsStr::from_bytes(value));
    }

    /// [`Env::set`] for a name that may be no text.
    pub fn set_os(&mut self, name: &OsStr, value: &OsStr) {
        let value = value.to_owned();
        match self.list.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.list.push((name.into(), value)),
        }
    }

    /// Takes `name` away.
    pub fn remove(&mut self, name: &str) {
        self.list.retain(|(known, _)| known != name);
    }

    /// Takes away all names that `is_to_go` says yes to.
    pub fn remove_where(&mut self, is_to_go: impl Fn(&[u8]) -> bool) {
        self.list.retain(|(name, _)| !is_to_go(name.as_bytes()));
    }

    /// Names and values, without those that no program can be given.
    pub fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let pairs = self.list.iter();
        let can_be = |text: &OsStr| !text.as_bytes().contains(&0);
        pairs
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .filter(move |(name, value)| {
                can_be(name)
                    && can_be(value)
                    && !name.is_empty()
                    && !name.as_bytes().contains(&b'=')
            })
    }

    /// `NAME=VALUE` for each, as execve(2) takes them; what has a NUL in it is left out.
    pub fn to_strings(&self) -> Vec<CString> {
        let line = |(name, value): &(OsString, OsString)| {
            os::spawn::variable(name.as_bytes(), value.as_bytes())
        };
        self.list.iter().filter_map(line).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Env {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(pairs: T) -> Env {
        let mut env = Env::default();
        for (name, value) in pairs {
            env.set(name, value.as_bytes());
        }
        env
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_there_once_with_its_last_value() {
        let mut env: Env = [("A", "1"), ("B", "2"), ("A", "3")].into_iter().collect();
        assert_eq!(env.bytes("A"), Some(&b"3"[..]));
        env.remove("B");
        assert_eq!(env.get("B"), None);
        assert_eq!(env.to_strings(), [c"A=3".to_owned()]);
    }

    #[test]
    fn a_value_with_a_nul_reaches_no_program() {
        let mut env = Env::default();
        env.set("A", b"1\x002");
        assert_eq!(env.to_strings(), Vec::<CString>::new());
    }
}
