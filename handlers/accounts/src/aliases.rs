//! The `aliases` file: `alias: target, target`, in the layout of aliases(5).
//!
//! A line that begins with a blank goes on with the line before. Empty lines and lines that begin
//! with `#` say nothing. Targets are local parts or addresses of local domains; what other mailers
//! allow beside them (programs, files, includes, addresses elsewhere) is a fault, not ignored.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::lines;

/// The most targets of one alias.
pub const TARGET_LIMIT: usize = 1000;

/// How much of the file is read at once.
const READ_BYTES: usize = 32 * 1024;

/// What is wrong with an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasFault {
    /// A target that is no mail address: a program, a file, an include, a quoted text.
    Target(Vec<u8>),
    /// It has no target.
    Empty,
    /// More than [`TARGET_LIMIT`] targets.
    TooMany,
    /// A line of it is too long.
    TooLong,
    /// There is no colon behind the name.
    NoColon,
}

impl std::fmt::Display for AliasFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AliasFault::Target(text) => {
                write!(f, "its target {} is no mail address", text.escape_ascii())
            }
            AliasFault::Empty => write!(f, "it has no target"),
            AliasFault::TooMany => write!(f, "it has more than {TARGET_LIMIT} targets"),
            AliasFault::TooLong => write!(f, "it is too long"),
            AliasFault::NoColon => write!(f, "it has no colon behind its name"),
        }
    }
}

/// An alias of the file that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The number of its first line.
    pub number: u64,
    /// Addresses as they stand there.
    pub targets: Result<Vec<Vec<u8>>, AliasFault>,
}

/// The first alias called `name`, in any case. A missing file has none.
pub(crate) fn find(path: &Path, name: &[u8]) -> io::Result<Option<Alias>> {
    match File::open(path) {
        Ok(file) => find_in(BufReader::with_capacity(READ_BYTES, file), name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// [`find`] in the text of a file.
pub fn find_in(text: impl BufRead, name: &[u8]) -> io::Result<Option<Alias>> {
    let mut found: Option<Alias> = None;
    lines::read(text, |line| {
        let text = line.text;
        if text.first() == Some(&b'#') || text.trim_ascii().is_empty() {
            return true;
        }
        let goes_on = matches!(text[0], b' ' | b'\t');
        match (&mut found, goes_on) {
            (Some(alias), true) => add(&mut alias.targets, text, line.cut),
            (Some(_), false) => return false,
            (None, true) => {}
            (None, false) => {
                let targets = match after_name(text, name) {
                    Some(rest) => {
                        let mut targets = Ok(Vec::new());
                        add(&mut targets, rest, line.cut);
                        Some(targets)
                    }
                    None => is_meant(text, name).then_some(Err(AliasFault::NoColon)),
                };
                if let Some(targets) = targets {
                    found = Some(Alias {
                        number: line.number,
                        targets,
                    });
                }
            }
        }
        true
    })?;
    if let Some(alias) = &mut found
        && alias.targets == Ok(vec![])
    {
        alias.targets = Err(AliasFault::Empty);
    }
    Ok(found)
}

/// What stands behind `name:`, `None` on a line of another name.
fn after_name<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (head, rest) = line.split_at(colon);
    head.trim_ascii()
        .eq_ignore_ascii_case(name)
        .then(|| &rest[1..])
}

/// Whether a line without a colon was surely meant to be `name:`.
fn is_meant(line: &[u8], name: &[u8]) -> bool {
    let first = line
        .split(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default();
    !line.contains(&b':') && first.eq_ignore_ascii_case(name)
}

fn add(targets: &mut Result<Vec<Vec<u8>>, AliasFault>, text: &[u8], cut: bool) {
    let Ok(list) = targets else { return };
    if cut {
        *targets = Err(AliasFault::TooLong);
        return;
    }
    match parse_targets(text) {
        Ok(more) if list.len() + more.len() > TARGET_LIMIT => *targets = Err(AliasFault::TooMany),
        Ok(more) => list.extend(more),
        Err(fault) => *targets = Err(fault),
    }
}

/// Reads a list of targets.
pub fn parse_targets(text: &[u8]) -> Result<Vec<Vec<u8>>, AliasFault> {
    text.split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|target| !target.is_empty())
        .map(|target| {
            let plain = target.iter().all(|&byte| byte > b' ' && byte != 0x7f);
            if plain && !matches!(target[0], b'|' | b'/' | b':' | b'"' | b'\\' | b'<') {
                Ok(target.to_vec())
            } else {
                Err(AliasFault::Target(target.to_vec()))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, name: &str) -> Option<Alias> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        find(file.path(), name.as_bytes()).expect("readable")
    }

    fn targets(text: &str, name: &str) -> Vec<String> {
        let alias = found(text, name).expect("found");
        let targets = alias.targets.expect("no fault");
        let text = |target: &Vec<u8>| String::from_utf8(target.clone()).expect("ASCII");
        targets.iter().map(text).collect()
    }

    const FILE: &str = "# remark\nsales: joe, ann@example.org\n\nPostmaster :joe,\n\tbob\n# and\n  eve\nsales: other\n";

    #[test]
    fn an_alias_without_its_colon_is_a_fault_and_not_nobody() {
        for text in ["x: joe\nw joe\n", "x: joe\nW\n"] {
            let alias = found(text, "w").expect("it is meant");
            assert_eq!((alias.number, alias.targets), (2, Err(AliasFault::NoColon)));
        }
        assert_eq!(found("x joe\n", "joe"), None);
    }

    #[test]
    fn an_alias_gives_its_targets_and_the_first_of_two_counts() {
        assert_eq!(targets(FILE, "sales"), ["joe", "ann@example.org"]);
        assert_eq!(found(FILE, "sales").expect("found").number, 2);
    }

    #[test]
    fn a_line_that_begins_with_a_blank_goes_on_with_the_one_before() {
        assert_eq!(targets(FILE, "postmaster"), ["joe", "bob", "eve"]);
    }

    #[test]
    fn names_are_compared_whole_and_in_any_case() {
        assert!(found(FILE, "SALES").is_some());
        for name in ["sale", "sales:", "joe", "", "# remark", "bob"] {
            assert!(found(FILE, name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_no_mail_address_is_a_fault_and_not_ignored() {
        for text in [
            "|/bin/prog",
            "/var/mail/x",
            ":include:/x",
            "\"| prog\"",
            "\\joe",
            "a b",
        ] {
            let alias = found(&format!("x: joe, {text}\n"), "x").expect("found");
            assert_eq!(alias.targets, Err(AliasFault::Target(text.into())));
        }
        assert_eq!(
            found("x: ,\n", "x").expect("found").targets,
            Err(AliasFault::Empty)
        );
        assert_eq!(
            found("x:", "x").expect("found").targets,
            Err(AliasFault::Empty)
        );
    }

    #[test]
    fn the_number_of_targets_is_limited() {
        let line = format!("x: {}\n", vec!["t"; TARGET_LIMIT].join(","));
        assert_eq!(targets(&line, "x").len(), TARGET_LIMIT);
        let alias = found(&format!("{line} t"), "x").expect("found");
        assert_eq!(alias.targets, Err(AliasFault::TooMany));
        let line = format!("x: {}\n", "t,".repeat(lines::LINE_LIMIT));
        assert_eq!(
            found(&line, "x").expect("found").targets,
            Err(AliasFault::TooLong)
        );
    }
}
