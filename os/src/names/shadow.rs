//! shadow(5): password hashes, and accounts that have ended.
//!
//! The file holds everybody's hash. Nothing that is read from it stays in memory: the buffer is
//! overwritten, and only what was asked for is kept, in a value that overwrites itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::number;
use super::samples::Samples;

const SHADOW: &str = "/etc/shadow";
const PASSWD: &str = "/etc/passwd";

/// The longest line that is looked at in a file with secrets; a longer one is passed over.
pub const SECRET_LINE_LIMIT: usize = 4096;

/// What a password file says about a user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The second field: a hash, or what cannot be one.
    pub hash: Hash,
    /// Days since 1970 of the last change of the password.
    pub changed: Option<i64>,
    /// After how many days a password must be changed.
    pub maximum: Option<i64>,
    /// For how many days more a password that must be changed is still accepted.
    pub inactive: Option<i64>,
    /// The day since 1970 from which on the account is closed.
    pub expires: Option<i64>,
}

/// A password hash as it stands in a file. It is overwritten when it is dropped and does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(Zeroizing<Vec<u8>>);

impl Hash {
    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Hash {
        Hash(Zeroizing::new(bytes.to_vec()))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hash({} bytes)", self.0.len())
    }
}

/// What a look-up found.
#[derive(Debug, Default)]
pub struct Looked {
    /// The user's own entry.
    pub entry: Option<Entry>,
    /// Where he has none, or one without a hash: a hash of the usual kind in the file, of anybody. It shows
    /// what work a look at a password takes on this system, and must never let anybody in.
    pub sample: Option<Hash>,
}

/// The entry of `name` in /etc/shadow; where there is no such file or no such line, the second
/// field of its line in /etc/passwd unless that is the `x` which says that the hash is elsewhere.
pub fn look_up(name: &[u8]) -> io::Result<Looked> {
    look_up_in(Path::new(SHADOW), Path::new(PASSWD), name)
}

/// [`look_up`] in other files of these layouts.
pub fn look_up_in(shadow: &Path, passwd: &Path, name: &[u8]) -> io::Result<Looked> {
    let mut looked = Looked::default();
    search(shadow, name, parse, &mut looked)?;
    if looked.entry.is_none() {
        search(passwd, name, parse_passwd, &mut looked)?;
    }
    Ok(looked)
}

fn search(
    path: &Path,
    name: &[u8],
    parse: fn(&[u8]) -> Option<Entry>,
    looked: &mut Looked,
) -> io::Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut entry: Option<Entry> = None;
    let mut samples = Samples::default();
    find_secret_line(file, |line| {
        let (known, rest) = split_at_colon(line)?;
        if known == name && !name.is_empty() {
            entry = entry.take().or_else(|| parse(line));
        } else {
            samples.add(split_at_colon(rest).map_or(rest, |(hash, _)| hash));
        }
        // A hash of his own, also a locked one, makes the work that is to be seen.
        let has_hash = entry.as_ref()?.hash.expose().contains(&b'$');
        has_hash.then_some(())
    })?;
    looked.entry = entry;
    looked.sample = looked.sample.take().or_else(|| samples.usual());
    Ok(())
}

fn split_at_colon(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&byte| byte == b':')?;
    Some((&line[..at], &line[at + 1..]))
}

/// Reads a line of shadow; `None` for anything but nine fields. An empty number is none.
pub fn parse(line: &[u8]) -> Option<Entry> {
    let mut fields = [&b""[..]; 9];
    let mut parts = line.split(|&byte| byte == b':');
    for field in &mut fields {
        *field = parts.next()?;
    }
    if parts.next().is_some() || line.contains(&0) {
        return None;
    }
    let [_, hash, changed, _, maximum, _, inactive, expires, _] = fields;
    Some(Entry {
        hash: Hash::new(hash),
        changed: number(changed),
        maximum: number(maximum),
        inactive: number(inactive),
        expires: number(expires),
    })
}

/// The second field of a line of passwd, where it is a hash itself.
fn parse_passwd(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|&byte| byte == b':');
    let hash = fields.nth(1)?;
    if fields.count() != 5 || matches!(hash, b"x" | b"X" | b"##") || line.contains(&0) {
        return None;
    }
    Some(Entry {
        hash: Hash::new(hash),
        changed: None,
        maximum: None,
        inactive: None,
        expires: None,
    })
}

impl Entry {
    /// Why this account is closed on day `today` (since 1970) for everybody, whatever the
    /// password: `None` where it is open. The rules are those of shadow(5); a password that must
    /// be changed and still can be is accepted, as mail programs have no way to change it.
    pub fn closed(&self, today: i64) -> Option<&'static str> {
        if self.expires.is_some_and(|day| today >= day) {
            return Some("the account has expired");
        }
        if let (Some(changed), Some(maximum), Some(inactive)) =
            (self.changed, self.maximum, self.inactive)
        {
            let last = changed.saturating_add(maximum).saturating_add(inactive);
            if changed > 0 && today > last {
                return Some("the password is too old");
            }
        }
        None
    }
}

/// Calls `each` with every line of `file` (without its LF) until it returns a value. The lines are
/// overwritten afterwards; lines of more than [`SECRET_LINE_LIMIT`] bytes are passed over.
pub fn find_secret_line<T>(
    mut file: impl Read,
    mut each: impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    // A fixed place: what grows leaves copies behind.
    let mut buffer = Zeroizing::new([0u8; 2 * SECRET_LINE_LIMIT]);
    let mut filled = 0;
    let mut skipping = false;
    loop {
        let count = match file.read(&mut buffer[filled..]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let at_end = count == 0;
        filled += count;
        let mut from = 0;
        while from < filled {
            let rest = &buffer[from..filled];
            let end = match rest.iter().position(|&byte| byte == b'\n') {
                Some(end) => end,
                None if at_end => rest.len(),
                None => break,
            };
            if !skipping
                && end <= SECRET_LINE_LIMIT
                && let Some(found) = each(&rest[..end])
            {
                return Ok(Some(found));
            }
            skipping = false;
            from += end + 1;
        }
        if at_end {
            return Ok(None);
        }
        buffer.copy_within(from.min(filled)..filled, 0);
        filled -= from.min(filled);
        if filled > SECRET_LINE_LIMIT {
            // Too long already, and its end is not there yet.
            skipping = true;
            filled = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "root:*:19000:0:99999:7:::\n\
        bin:$6$a$b:19000::::::\n\
        joe:$y$j9T$x$y:19000:0:90:7:14:20000:\n\
        joe:second:1::::::\n\
        short:$1$a$b:1\n";

    fn looked(shadow: &str, passwd: &str, name: &str) -> Looked {
        let [one, two] = [shadow, passwd].map(|text| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), text).expect("written");
            file
        });
        look_up_in(one.path(), two.path(), name.as_bytes()).expect("readable")
    }

    #[test]
    fn the_first_line_of_a_user_is_his() {
        let entry = looked(TEXT, "", "joe").entry.expect("joe");
        assert_eq!(entry.hash.expose(), b"$y$j9T$x$y");
        assert_eq!((entry.changed, entry.maximum), (Some(19000), Some(90)));
        assert_eq!((entry.inactive, entry.expires), (Some(14), Some(20000)));
    }

    #[test]
    fn who_is_not_there_leaves_a_sample_of_what_is() {
        for name in ["ann", "", "jo", "joe:"] {
            let looked = looked(TEXT, "", name);
            assert!(looked.entry.is_none(), "{name}");
            assert_eq!(looked.sample.expect("bin's").expose(), b"$6$a$b", "{name}");
        }
        assert!(looked(TEXT, "", "short").entry.is_none());
    }

    #[test]
    fn who_has_no_hash_leaves_a_sample_too_wherever_in_the_file() {
        let text = "star:*:1::::::\njoe:$6$j$h:1::::::\nbang:!:1::::::\nstar:$1$a$b:1::::::\n";
        for (name, own) in [("star", &b"*"[..]), ("bang", b"!")] {
            let looked = looked(text, "", name);
            assert_eq!(looked.entry.expect("his").hash.expose(), own, "{name}");
            assert_eq!(looked.sample.expect("joe's").expose(), b"$6$j$h", "{name}");
        }
        let usual = format!("{text}ann:$y$j9T$a$h:1::::::\nbob:$y$j9T$b$h:1::::::\n");
        let looked_at = looked(&usual, "", "star");
        assert_eq!(looked_at.sample.expect("ann's").expose(), b"$y$j9T$a$h");
        let looked = looked("star:*:1::::::\n", "", "star");
        assert!(looked.entry.is_some() && looked.sample.is_none());
    }

    #[test]
    fn a_hash_in_the_passwd_file_counts_where_shadow_has_none() {
        let passwd = "joe:$1$old$h:1:1::/:\nann:$1$ann$h:2:2::/:/bin/sh\nbob:x:3:3::/:\n";
        let hash = |name| looked(TEXT, passwd, name).entry.map(|entry| entry.hash);
        assert_eq!(hash("joe").expect("joe").expose(), b"$y$j9T$x$y");
        assert_eq!(hash("ann").expect("ann").expose(), b"$1$ann$h");
        assert_eq!(hash("bob"), None);
    }

    #[test]
    fn files_that_are_missing_have_nobody() {
        let nowhere = Path::new("/nonexistent/file");
        let looked = look_up_in(nowhere, nowhere, b"joe").expect("no error");
        assert!(looked.entry.is_none() && looked.sample.is_none());
    }

    #[test]
    fn an_account_closes_on_the_day_it_expires_and_a_password_after_its_last_day() {
        let entry = parse(b"joe:h:19000:0:90:7:14:20000:").expect("an entry");
        assert_eq!(entry.closed(19000 + 90 + 14), None);
        assert_eq!(
            entry.closed(19000 + 90 + 15),
            Some("the password is too old")
        );
        assert_eq!(entry.closed(20000), Some("the account has expired"));
        let entry = parse(b"joe:h:19000:0:90:7::20000:").expect("an entry");
        assert_eq!(entry.closed(19999), None);
        assert_eq!(entry.closed(20000), Some("the account has expired"));
        let entry = parse(b"joe:h:0:0:90:7:14::").expect("an entry");
        assert_eq!(entry.closed(20000), None);
    }

    fn lengths(text: &[u8], chunk: usize) -> Vec<usize> {
        /// Gives at most so many bytes at once.
        struct Slow<'t>(&'t [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let count = self.1.min(into.len()).min(self.0.len());
                into[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let mut seen = Vec::new();
        let all: Option<()> = find_secret_line(Slow(text, chunk), |line| {
            seen.push(line.len());
            None
        })
        .expect("readable");
        assert_eq!(all, None);
        seen
    }

    #[test]
    fn a_line_of_the_limit_is_seen_and_a_longer_one_is_passed_over() {
        for chunk in [1, 7, 4096, 1 << 20] {
            for (length, expected) in [
                (SECRET_LINE_LIMIT, vec![2, SECRET_LINE_LIMIT, 3]),
                (SECRET_LINE_LIMIT + 1, vec![2, 3]),
                (5 * SECRET_LINE_LIMIT, vec![2, 3]),
            ] {
                let mut text = b"aa\n".to_vec();
                text.extend(vec![b'x'; length]);
                text.extend_from_slice(b"\nccc");
                assert_eq!(lengths(&text, chunk), expected, "{length} in {chunk}s");
                text.push(b'\n');
                assert_eq!(lengths(&text, chunk), expected, "{length} in {chunk}s");
            }
        }
    }

    #[test]
    fn a_hash_does_not_print_itself() {
        assert_eq!(format!("{:?}", Hash::new(b"$6$x")), "Hash(4 bytes)");
    }
}
