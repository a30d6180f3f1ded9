//! The `aliases` file: `alias: target, target`, in the layout of aliases(5).
//!
//! A line that begins with a blank goes on with the line before. Empty lines and lines that begin
//! with `#` say nothing. Targets are local parts or addresses of local domains; what other mailers
//! allow beside them (programs, files, includes, addresses elsewhere) is a fault, not ignored.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufRead};

use crate::database::{Database, Record, corrupt};
use crate::lines;
use crate::names::{Book, Fact};
use crate::resolve::LOCAL_PART_LIMIT;
use crate::stems::Stems;

/// The most targets of one alias.
pub const TARGET_LIMIT: usize = 1000;

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

/// The file, to be asked.
#[derive(Debug)]
pub(crate) struct Aliases;

impl Fact for Alias {
    fn bytes(&self) -> usize {
        let targets = self.targets.as_deref().unwrap_or_default();
        let each = |target: &Vec<u8>| target.len() + size_of::<Vec<u8>>();
        targets.iter().map(each).sum()
    }
}

impl Book for Aliases {
    type Fact = Alias;

    const EXTENDS: bool = false;

    fn scan(
        &self,
        text: impl BufRead,
        names: &BTreeSet<Vec<u8>>,
        stems: &Stems,
    ) -> io::Result<HashMap<Vec<u8>, Alias>> {
        let found = RefCell::new(HashMap::new());
        entries(
            text,
            |name| {
                stems.see(name);
                names.contains(name) && !found.borrow().contains_key(name)
            },
            |name, alias| {
                found.borrow_mut().insert(name, alias);
                found.borrow().len() < names.len()
            },
        )?;
        Ok(found.into_inner())
    }

    fn ask(&self, database: &Database, name: &[u8]) -> io::Result<Option<Alias>> {
        let value = database.get(&[RECORD, name].concat())?;
        value.map(|value| Alias::of_record(&value)).transpose()
    }
}

/// What the key of an alias begins with.
const RECORD: &[u8] = b"a";

/// Shows `add` the records of a database of this text until it returns `false`. Of two of one name the
/// first counts there.
pub(crate) fn records(text: impl BufRead, add: &mut dyn FnMut(Record) -> bool) -> io::Result<()> {
    let is_askable = |name: &[u8]| name.len() <= LOCAL_PART_LIMIT;
    entries(text, is_askable, |name, alias| {
        add(Record {
            key: [RECORD, &name].concat(),
            value: alias.record(),
            line: alias.number,
            is_name: true,
        })
    })
}

impl Alias {
    /// As a database keeps it: the number of its line, then a letter, then what that is about.
    fn record(&self) -> Vec<u8> {
        let (letter, rest) = match &self.targets {
            Ok(targets) => (b'+', targets.join(&b","[..])),
            Err(AliasFault::Target(text)) => (b't', text.clone()),
            Err(AliasFault::Empty) => (b'e', Vec::new()),
            Err(AliasFault::TooMany) => (b'm', Vec::new()),
            Err(AliasFault::TooLong) => (b'l', Vec::new()),
            Err(AliasFault::NoColon) => (b'c', Vec::new()),
        };
        [&self.number.to_be_bytes()[..], &[letter], &rest].concat()
    }

    fn of_record(value: &[u8]) -> io::Result<Alias> {
        let (number, rest) = value.split_first_chunk().ok_or_else(corrupt)?;
        let (letter, rest) = rest.split_first().ok_or_else(corrupt)?;
        let targets = match letter {
            b'+' => match parse_targets(rest) {
                Ok(targets) if (1..=TARGET_LIMIT).contains(&targets.len()) => Ok(targets),
                Ok(_) | Err(_) => return Err(corrupt()),
            },
            b't' => Err(AliasFault::Target(rest.to_vec())),
            b'e' => Err(AliasFault::Empty),
            b'm' => Err(AliasFault::TooMany),
            b'l' => Err(AliasFault::TooLong),
            b'c' => Err(AliasFault::NoColon),
            _ => return Err(corrupt()),
        };
        Ok(Alias {
            number: u64::from_be_bytes(*number),
            targets,
        })
    }
}

/// The first alias called `name`, in any case, in the text of a file.
pub fn find_in(text: impl BufRead, name: &[u8]) -> io::Result<Option<Alias>> {
    let name = name.to_ascii_lowercase();
    let mut found = Aliases.scan(text, &BTreeSet::from([name.clone()]), &Stems::default())?;
    Ok(found.remove(&name))
}

/// Goes through a text and shows `each` the aliases whose names, in lower case, are wanted, until it
/// returns `false`.
fn entries(
    text: impl BufRead,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut each: impl FnMut(Vec<u8>, Alias) -> bool,
) -> io::Result<()> {
    let mut open: Option<(Vec<u8>, Alias)> = None;
    let mut lower = Vec::new();
    let mut goes_on = true;
    lines::read(text, |line| {
        let text = line.text;
        if text.first() == Some(&b'#') || text.trim_ascii().is_empty() {
            return true;
        }
        if matches!(text[0], b' ' | b'\t') {
            if let Some((_, alias)) = &mut open {
                add(&mut alias.targets, text, line.cut);
            }
            return true;
        }
        if let Some((name, alias)) = open.take() {
            goes_on = each(name, alias.whole());
        }
        let (name, rest) = split_name(text);
        lower.clear();
        lower.extend_from_slice(name);
        lower.make_ascii_lowercase();
        if goes_on && is_wanted(&lower) {
            let mut targets = match rest {
                Some(_) => Ok(Vec::new()),
                None => Err(AliasFault::NoColon),
            };
            add(&mut targets, rest.unwrap_or_default(), line.cut);
            let number = line.number;
            open = Some((lower.clone(), Alias { number, targets }));
        }
        goes_on
    })?;
    if let Some((name, alias)) = open {
        each(name, alias.whole());
    }
    Ok(())
}

impl Alias {
    /// When its last line was read.
    fn whole(mut self) -> Alias {
        if self.targets == Ok(vec![]) {
            self.targets = Err(AliasFault::Empty);
        }
        self
    }
}

/// The name of a line, and what is behind its colon. A line without one was surely meant for the name
/// that is its first word.
fn split_name(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|&byte| byte == b':') {
        Some(colon) => (line[..colon].trim_ascii(), Some(&line[colon + 1..])),
        None => {
            let mut words = line.split(u8::is_ascii_whitespace);
            (words.next().unwrap_or_default(), None)
        }
    }
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
        find_in(text.as_bytes(), name.as_bytes()).expect("readable")
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
