//! passwd(5) and group(5).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{find_line, find_line_in, number};

/// The file of the system's users.
pub const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// A line of the passwd file, without the password field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: Vec<u8>,
    /// The numerical user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The shell; empty where the file leaves it out.
    pub shell: Vec<u8>,
}

/// A line of the group file, without the password field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: Vec<u8>,
    /// The numerical group id.
    pub gid: u32,
    /// Names of the users who have it as a supplementary group.
    pub members: Vec<Vec<u8>>,
}

/// Reads one line; `None` for anything but seven fields with two numbers and a name.
pub fn parse_user(line: &[u8]) -> Option<User> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else {
        return None;
    };
    if name.is_empty() || line.contains(&0) || matches!(name[0], b'#' | b'+' | b'-') {
        return None;
    }
    Some(User {
        name: name.to_vec(),
        uid: number(uid)?,
        gid: number(gid)?,
        home: PathBuf::from(OsStr::from_bytes(home)),
        shell: shell.to_vec(),
    })
}

/// Reads one line; `None` for anything but four fields with a number and a name.
pub fn parse_group(line: &[u8]) -> Option<Group> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let [name, _, gid, members] = fields[..] else {
        return None;
    };
    if name.is_empty() || line.contains(&0) || matches!(name[0], b'#' | b'+' | b'-') {
        return None;
    }
    let members = members
        .split(|&byte| byte == b',')
        .filter(|member| !member.is_empty());
    Some(Group {
        name: name.to_vec(),
        gid: number(gid)?,
        members: members.map(<[u8]>::to_vec).collect(),
    })
}

/// The first user of that name.
pub fn user_by_name(name: &[u8]) -> io::Result<Option<User>> {
    find_line(Path::new(PASSWD), |line| {
        // Most lines are other people's, and need not be taken apart.
        if name_of(line) != name {
            return None;
        }
        parse_user(line)
    })
}

/// The user of the first of `names` that there is; the file is gone through once.
pub fn first_of(names: &[&[u8]]) -> io::Result<Option<User>> {
    first_of_in(Path::new(PASSWD), names)
}

fn first_of_in(path: &Path, names: &[&[u8]]) -> io::Result<Option<User>> {
    let mut best: Option<(usize, User)> = None;
    let first = find_line(path, |line| {
        let at = names.iter().position(|name| *name == name_of(line))?;
        if best.as_ref().is_some_and(|(best, _)| *best <= at) {
            return None;
        }
        let user = parse_user(line)?;
        if at == 0 {
            return Some(user);
        }
        best = Some((at, user));
        None
    })?;
    Ok(first.or(best.map(|(_, user)| user)))
}

/// The user of the longest name that `local` is, or begins with before a `-`; of equal names the
/// first. The file is gone through once, however many hyphens there are.
pub fn user_of_extended(local: &[u8]) -> io::Result<Option<User>> {
    extended_in(Path::new(PASSWD), local)
}

fn extended_in(path: &Path, local: &[u8]) -> io::Result<Option<User>> {
    let mut best: Option<User> = None;
    let whole = find_line(path, |line| {
        let name = name_of(line);
        let rest = local.strip_prefix(name)?;
        let longer = best
            .as_ref()
            .is_none_or(|best| best.name.len() < name.len());
        if !longer || !(rest.is_empty() || rest[0] == b'-') {
            return None;
        }
        let user = parse_user(line)?;
        if rest.is_empty() {
            return Some(user);
        }
        best = Some(user);
        None
    })?;
    Ok(whole.or(best))
}

/// Shows `each` the users of a text of passwd's layout whose names are wanted, in the order of the text,
/// until it returns `false`. Lines of others are not taken apart.
pub fn each_user(
    text: impl io::BufRead,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut each: impl FnMut(User) -> bool,
) -> io::Result<()> {
    find_line_in(text, |line| {
        if !is_wanted(name_of(line)) {
            return None;
        }
        let goes_on = parse_user(line).is_none_or(&mut each);
        (!goes_on).then_some(())
    })
    .map(drop)
}

fn name_of(line: &[u8]) -> &[u8] {
    line.split(|&byte| byte == b':').next().unwrap_or_default()
}

/// The first user with that id.
pub fn user_by_id(uid: u32) -> io::Result<Option<User>> {
    user_in(Path::new(PASSWD), |user| user.uid == uid)
}

/// The first group of that name.
pub fn group_by_name(name: &[u8]) -> io::Result<Option<Group>> {
    group_in(Path::new(GROUP), |group| group.name == name)
}

/// The groups of a user besides his primary one, in the order of the group file.
pub fn groups_of(user: &[u8]) -> io::Result<Vec<u32>> {
    groups_in(Path::new(GROUP), user)
}

/// The same of many users, in one pass over the group file. Who has none is not in it.
pub fn groups_of_each(users: &BTreeSet<Vec<u8>>) -> io::Result<BTreeMap<Vec<u8>, Vec<u32>>> {
    groups_of_each_in(Path::new(GROUP), users)
}

fn groups_of_each_in(
    path: &Path,
    users: &BTreeSet<Vec<u8>>,
) -> io::Result<BTreeMap<Vec<u8>, Vec<u32>>> {
    let mut groups: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
    let all: Option<()> = find_line(path, |line| {
        let group = parse_group(line)?;
        for member in group.members {
            if !users.contains(&member) {
                continue;
            }
            let his = groups.entry(member).or_default();
            if !his.contains(&group.gid) {
                his.push(group.gid);
            }
        }
        None
    })?;
    debug_assert!(all.is_none(), "no line ends the search");
    Ok(groups)
}

/// The groups of a file of group's layout that name `user` as a member.
pub fn groups_in(path: &Path, user: &[u8]) -> io::Result<Vec<u32>> {
    let mut groups = Vec::new();
    let all: Option<()> = find_line(path, |line| {
        // Most lines name nobody of that name, and need not be taken apart.
        memmem(line, user)?;
        let group = parse_group(line)?;
        if group.members.iter().any(|member| member == user) && !groups.contains(&group.gid) {
            groups.push(group.gid);
        }
        None
    })?;
    debug_assert!(all.is_none(), "no line ends the search");
    Ok(groups)
}

/// Whether `needle`, which is not empty, is somewhere in `text`.
fn memmem(text: &[u8], needle: &[u8]) -> Option<()> {
    text.windows(needle.len().max(1))
        .any(|window| window == needle)
        .then_some(())
}

/// The first user in a file of passwd's layout that `wanted` accepts.
pub fn user_in(path: &Path, wanted: impl Fn(&User) -> bool) -> io::Result<Option<User>> {
    find_line(path, |line| parse_user(line).filter(&wanted))
}

/// The first group in a file of group's layout that `wanted` accepts.
pub fn group_in(path: &Path, wanted: impl Fn(&Group) -> bool) -> io::Result<Option<Group>> {
    find_line(path, |line| parse_group(line).filter(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passwd_line_gives_its_user() {
        let user =
            parse_user(b"qmaild:x:7791:2108:q:/var/qmail:/usr/sbin/nologin").expect("a user");
        assert_eq!((user.uid, user.gid), (7791, 2108));
        assert_eq!(user.home, Path::new("/var/qmail"));
    }

    #[test]
    fn lines_of_another_shape_are_no_user() {
        for line in [
            "",
            "a:b",
            "a:x:x:0:::",
            "a:x:0:-1:::",
            ":x:0:0:::",
            "+::::::",
            "a:x:0:0::::",
        ] {
            assert_eq!(parse_user(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_group_line_gives_its_members() {
        let group = parse_group(b"adm:x:4:syslog,joe").expect("a group");
        assert_eq!(group.members, [b"syslog".to_vec(), b"joe".to_vec()]);
        assert!(
            parse_group(b"adm:x:4:")
                .expect("a group")
                .members
                .is_empty()
        );
    }

    #[test]
    fn the_first_of_two_lines_with_one_name_is_taken() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "joe:x:1:1::/a:\njoe:x:2:2::/b:\n").expect("written");
        let user = user_in(file.path(), |user| user.name == b"joe").expect("readable");
        assert_eq!(user.expect("joe").uid, 1);
    }

    #[test]
    fn of_a_name_with_extensions_the_longest_user_is_found() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text =
            "joe:x:1:1::/a:\njoe-list:x:2:2::/b:\njoe:x:3:3::/c:\njo:x:4:4::/d:\n-:x:5:5::/:\n";
        std::fs::write(file.path(), text).expect("written");
        let uid = |local: &[u8]| {
            let user = extended_in(file.path(), local).expect("readable");
            user.map(|user| user.uid)
        };
        assert_eq!(uid(b"joe"), Some(1));
        assert_eq!(uid(b"joe-"), Some(1));
        assert_eq!(uid(b"joe-x-y"), Some(1));
        assert_eq!(uid(b"joe-list"), Some(2));
        assert_eq!(uid(b"joe-list-x"), Some(2));
        assert_eq!(uid(b"jo-joe"), Some(4));
        for nobody in [&b""[..], b"-", b"--", b"joex", b"ann", b":"] {
            assert_eq!(uid(nobody), None, "{}", nobody.escape_ascii());
        }
    }

    #[test]
    fn of_several_names_the_first_that_there_is_decides() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "b:x:2:2::/:\na:x:1:1::/:\na:x:9:9::/:\n").expect("written");
        let uid = |names: &[&[u8]]| {
            let user = first_of_in(file.path(), names).expect("readable");
            user.map(|user| user.uid)
        };
        assert_eq!(uid(&[b"a", b"b"]), Some(1));
        assert_eq!(uid(&[b"b", b"a"]), Some(2));
        assert_eq!(uid(&[b"c", b"a"]), Some(1));
        assert_eq!(uid(&[b"c"]), None);
    }

    #[test]
    fn users_whose_names_are_wanted_are_shown_in_one_pass_until_it_is_enough() {
        let text = b"a:x:1:1::/:\nb:x:2:2::/:\nc:x:wrong:3::/:\nc:x:3:3::/:\na:x:4:4::/:\n";
        let seen = |most: usize| {
            let mut seen = Vec::new();
            each_user(
                &text[..],
                |name| name != b"b",
                |user| {
                    seen.push(user.uid);
                    seen.len() < most
                },
            )
            .expect("readable");
            seen
        };
        assert_eq!(seen(9), [1, 3, 4]);
        assert_eq!(seen(2), [1, 3]);
    }

    #[test]
    fn the_groups_of_a_user_are_those_that_name_him() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "a:x:10:joe\nb:x:11:joey,joe\nc:x:12:joey\nd:x:13:\nb2:x:11:joe\njoe:x:14:\n";
        std::fs::write(file.path(), text).expect("written");
        assert_eq!(groups_in(file.path(), b"joe").expect("readable"), [10, 11]);
        let both = BTreeSet::from([b"joe".to_vec(), b"joey".to_vec(), b"ann".to_vec()]);
        let groups = groups_of_each_in(file.path(), &both).expect("readable");
        assert_eq!(groups[&b"joe"[..]], [10, 11]);
        assert_eq!(groups[&b"joey"[..]], [11, 12]);
        assert_eq!(groups.len(), 2);
    }

    #[test]
    fn the_superuser_is_found_by_name_and_by_number() {
        assert_eq!(
            user_by_name(b"root").expect("readable").expect("root").uid,
            0
        );
        assert_eq!(
            user_by_id(0).expect("readable").expect("root").name,
            b"root"
        );
        assert_eq!(
            group_by_name(b"root").expect("readable").expect("root").gid,
            0
        );
    }
}
