//! Becoming somebody else for good, and proving it.

use std::fmt;
use std::io;

use nix::unistd::{Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid};

/// A user and the one group that a program is to run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// The group id; also the only member of the group list.
    pub gid: u32,
}

/// Which step of the change of identity failed.
#[derive(Debug)]
pub enum DropError {
    /// setgroups or setgid.
    Group(io::Error),
    /// setuid.
    User(io::Error),
    /// The calls succeeded and yet the old identity is there or can be had again.
    NotProved(&'static str),
}

impl fmt::Display for DropError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DropError::Group(error) => write!(f, "unable to set gid: {}", crate::reason(error)),
            DropError::User(error) => write!(f, "unable to set uid: {}", crate::reason(error)),
            DropError::NotProved(what) => write!(f, "unable to give up privileges: {what}"),
        }
    }
}

/// The effective user id of this process.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Whether real, effective and saved user of this process are all `uid`.
pub fn is_nobody_but(uid: u32) -> bool {
    let uid = Uid::from_raw(uid);
    getresuid().is_ok_and(|ids| ids.real == uid && ids.effective == uid && ids.saved == uid)
}

/// Whether this process has an identity that its program's file gave it (setuid, setgid): real,
/// effective and saved ids are not all the same, or cannot be told.
pub fn is_borrowed() -> bool {
    let user = getresuid().is_ok_and(|ids| ids.real == ids.effective && ids.real == ids.saved);
    let group = getresgid().is_ok_and(|ids| ids.real == ids.effective && ids.real == ids.saved);
    !(user && group)
}

/// The effective group id of this process.
pub fn effective_gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// Makes `gid` the group and the whole group list, keeping the user.
pub fn set_group(gid: u32) -> Result<(), DropError> {
    let group = Gid::from_raw(gid);
    setgroups(&[group]).map_err(|error| DropError::Group(error.into()))?;
    setresgid(group, group, group).map_err(|error| DropError::Group(error.into()))
}

/// Becomes `who` with no way back: group list, group, user, in this order; then asks the kernel
/// for what it made of that and tries to return.
///
/// A process that has threads must not call this: the proof covers the calling thread only.
pub fn become_user(who: Identity) -> Result<(), DropError> {
    set_group(who.gid)?;
    let user = Uid::from_raw(who.uid);
    setresuid(user, user, user).map_err(|error| DropError::User(error.into()))?;
    prove(who, &[Gid::from_raw(who.gid)])
}

/// Becomes user `uid` with primary group `gid` and exactly these supplementary groups, with no way
/// back, and proves it as [`become_user`] does. `gid` may be among `groups` or not.
///
/// A process that has threads must not call this.
pub fn become_member(uid: u32, gid: u32, groups: &[u32]) -> Result<(), DropError> {
    let group = Gid::from_raw(gid);
    let mut list: Vec<Gid> = groups.iter().map(|&group| Gid::from_raw(group)).collect();
    if !list.contains(&group) {
        list.insert(0, group);
    }
    setgroups(&list).map_err(|error| DropError::Group(error.into()))?;
    setresgid(group, group, group).map_err(|error| DropError::Group(error.into()))?;
    let user = Uid::from_raw(uid);
    setresuid(user, user, user).map_err(|error| DropError::User(error.into()))?;
    prove(Identity { uid, gid }, &list)
}

/// Becomes `uid` where there is no privilege to change groups with; only the present user's own
/// number can succeed. Kept for `-u` with one's own number, which the originals allow.
pub fn keep_user(uid: u32) -> Result<(), DropError> {
    let user = Uid::from_raw(uid);
    setresuid(user, user, user).map_err(|error| DropError::User(error.into()))
}

fn prove(who: Identity, allowed: &[Gid]) -> Result<(), DropError> {
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    let users = getresuid().map_err(|error| DropError::User(error.into()))?;
    if users.real != uid || users.effective != uid || users.saved != uid {
        return Err(DropError::NotProved("the user id is not the one asked for"));
    }
    let groups = getresgid().map_err(|error| DropError::Group(error.into()))?;
    if groups.real != gid || groups.effective != gid || groups.saved != gid {
        return Err(DropError::NotProved(
            "the group id is not the one asked for",
        ));
    }
    let list = group_list().map_err(DropError::Group)?;
    if list
        .iter()
        .any(|group| !allowed.contains(&Gid::from_raw(*group)))
    {
        return Err(DropError::NotProved("supplementary groups are left"));
    }
    let root = Uid::from_raw(0);
    if who.uid != 0 && setresuid(root, root, root).is_ok() {
        return Err(DropError::NotProved("the superuser's id can be had again"));
    }
    let wheel = Gid::from_raw(0);
    if who.uid != 0 && !allowed.contains(&wheel) && setresgid(wheel, wheel, wheel).is_ok() {
        return Err(DropError::NotProved(
            "the superuser's group can be had again",
        ));
    }
    Ok(())
}

/// The supplementary groups of this process. (nix asks for the system's limit first, and the C
/// library reads that from a file below /proc: as dear as all the rest of a login's change of identity.)
fn group_list() -> io::Result<Vec<u32>> {
    // SAFETY: with a length of 0 nothing is written; the call returns how many there are.
    let count = unsafe { libc::getgroups(0, std::ptr::null_mut()) };
    let mut list = vec![0; usize::try_from(count).map_err(|_| io::Error::last_os_error())?];
    // SAFETY: the pointer and the length describe `list`, which the call fills; more than that is an
    // error.
    let count = unsafe { libc::getgroups(count, list.as_mut_ptr()) };
    list.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    Ok(list)
}

/// The unprivileged user for what reads the network on behalf of a root process: `named`
/// (`$SUPERD_UNPRIV`), else `superd-null` where it exists, else `nobody`.
///
/// The error is a sentence without the program's name.
pub fn unprivileged(named: Option<&[u8]>) -> Result<Identity, String> {
    if let Some(name) = named {
        return named_user(name, "SUPERD_UNPRIV");
    }
    first_of(&[b"superd-null", b"nobody"])?.ok_or_else(|| {
        "no unprivileged user: neither superd-null nor nobody exists, and SUPERD_UNPRIV is not set"
            .to_owned()
    })
}

/// The user of one such program alone, so that no other can signal it: the one whom its variable (name and
/// value) names, else one of the program's own name where it exists, else [`unprivileged`] of `all`.
pub fn unprivileged_for(
    program: &str,
    (variable, named): (&str, Option<&[u8]>),
    all: Option<&[u8]>,
) -> Result<Identity, String> {
    if let Some(name) = named {
        return named_user(name, variable);
    }
    match first_of(&[program.as_bytes()])? {
        Some(own) => Ok(own),
        None => unprivileged(all),
    }
}

fn named_user(name: &[u8], variable: &str) -> Result<Identity, String> {
    first_of(&[name])?.ok_or_else(|| format!("no such user: {} (${variable})", name.escape_ascii()))
}

/// The first of them who exists, who must not be the superuser.
fn first_of(candidates: &[&[u8]]) -> Result<Option<Identity>, String> {
    let found = crate::names::passwd::first_of(candidates)
        .map_err(|error| format!("unable to read /etc/passwd: {}", crate::reason(&error)))?;
    match found {
        Some(user) if user.uid == 0 => {
            let name = user.name.escape_ascii();
            Err(format!(
                "unable to use {name} as unprivileged user: it has uid 0"
            ))
        }
        found => Ok(found.map(|user| Identity {
            uid: user.uid,
            gid: user.gid,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_superuser_is_never_the_unprivileged_user() {
        let error = unprivileged(Some(b"root")).expect_err("root is refused");
        assert!(error.contains("uid 0"), "{error}");
    }

    #[test]
    fn the_groups_of_this_process_are_those_of_id() {
        let told = std::process::Command::new("id").arg("-G").output();
        let told = String::from_utf8(told.expect("started").stdout).expect("numbers");
        let mut told: Vec<u32> = told
            .split_whitespace()
            .map(|number| number.parse().expect("a number"))
            .collect();
        let mut list = group_list().expect("groups");
        // id shows the primary group, which need not be in the list.
        list.push(effective_gid());
        for groups in [&mut told, &mut list] {
            groups.sort_unstable();
            groups.dedup();
        }
        assert_eq!(list, told);
    }

    #[test]
    fn a_process_that_was_started_as_any_other_has_its_own_identity() {
        assert!(!is_borrowed());
    }

    #[test]
    fn a_program_has_a_user_of_its_own_where_there_is_one() {
        let all = unprivileged(Some(b"nobody")).expect("nobody");
        let of = |program, named| unprivileged_for(program, ("ITS_USER", named), Some(b"nobody"));
        assert_eq!(of("no-such-user-here", None), Ok(all));
        let daemon = of("daemon", None).expect("a user of every system");
        assert_ne!(daemon.uid, all.uid);
        assert_eq!(of("no-such-user-here", Some(b"daemon")), Ok(daemon));
        assert!(of("root", None).is_err_and(|error| error.contains("uid 0")));
        let error = of("daemon", Some(b"no-such-user-here")).expect_err("nobody of that name");
        assert_eq!(error, "no such user: no-such-user-here ($ITS_USER)");
    }

    #[test]
    fn an_unprivileged_user_that_does_not_exist_is_named_in_the_error() {
        let error = unprivileged(Some(b"no-such-user-here")).expect_err("nobody of that name");
        assert!(error.contains("no-such-user-here"), "{error}");
    }
}
