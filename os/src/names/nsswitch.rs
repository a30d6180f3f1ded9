//! nsswitch.conf(5): whether users are anywhere else than in the passwd file.

use std::io;
use std::path::Path;

use super::find_line;

const NSSWITCH: &str = "/etc/nsswitch.conf";

/// Sources that have no users of their own for mail: the file that we read ourselves, the same with
/// NIS entries of old, and the users that systemd makes up for its services.
const LOCAL: [&[u8]; 3] = [b"files", b"compat", b"systemd"];

/// Whether the `passwd` line of this system names a source besides `files`, `compat` and `systemd`.
pub fn has_other_users() -> io::Result<bool> {
    has_other_users_in(Path::new(NSSWITCH))
}

/// [`has_other_users`] from a file of that layout. A missing file means `files`.
pub fn has_other_users_in(path: &Path) -> io::Result<bool> {
    let found = find_line(path, |line| names_others(line).then_some(()))?;
    Ok(found.is_some())
}

fn names_others(line: &[u8]) -> bool {
    let line = line.split(|&byte| byte == b'#').next().unwrap_or_default();
    let Some(sources) = line.trim_ascii_start().strip_prefix(b"passwd") else {
        return false;
    };
    let Some(sources) = sources.trim_ascii_start().strip_prefix(b":") else {
        return false;
    };
    // What stands in brackets is what to do after a source, and may have blanks in it.
    let mut inside = false;
    let outside: Vec<u8> = sources
        .iter()
        .map(|&byte| {
            inside = (inside || byte == b'[') && byte != b']';
            if inside || byte == b']' { b' ' } else { byte }
        })
        .collect();
    outside
        .split(u8::is_ascii_whitespace)
        .any(|source| !source.is_empty() && !LOCAL.contains(&source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_elsewhere_where_the_passwd_line_names_another_source() {
        for line in [
            "passwd: files sss",
            "passwd:sss",
            "\tpasswd :\tcompat ldap # remark",
            "passwd: files [ NOTFOUND=return ] nis",
            "passwd: files [SUCCESS=continue]extrausers",
        ] {
            assert!(names_others(line.as_bytes()), "{line}");
        }
        for line in [
            "passwd: files systemd",
            "passwd: compat",
            "passwd: files [NOTFOUND=return UNAVAIL=return] systemd",
            "passwd: files # sss",
            "#passwd: sss",
            "passwd:",
            "passwd_compat: nis",
            "group: files sss",
            "",
        ] {
            assert!(!names_others(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_missing_file_names_nothing() {
        assert!(!has_other_users_in(Path::new("/nonexistent/file")).expect("no error"));
    }
}
