//! Which line of `users` a name means: in the text, for many names in one pass, and in its database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::database::{Database, Record, corrupt};
use crate::lines;
use crate::names::{Book, Fact};
use crate::resolve::LOCAL_PART_LIMIT;
use crate::stems::Stems;
use crate::users::{self, Line, LineError, name_of, read_line};

/// The file, to be asked about local parts in lower case: the answer is the line of the longest name
/// that one is, or begins with before a `-`; of several lines with one name the first. Lines of other
/// names are not looked at closer.
#[derive(Debug)]
pub(crate) struct Users;

impl Fact for Line {
    fn bytes(&self) -> usize {
        self.account.as_ref().map_or(0, |account| {
            let paths = account.home.as_os_str().len() + account.mailbox.as_os_str().len();
            account.name.len() + paths + account.shell.len()
        })
    }
}

impl Book for Users {
    type Fact = Line;

    const EXTENDS: bool = true;

    fn scan(
        &self,
        text: impl BufRead,
        names: &BTreeSet<Vec<u8>>,
        stems: &Stems,
    ) -> io::Result<HashMap<Vec<u8>, Line>> {
        let mut search = Search::new(names, stems);
        lines::read(text, |line| {
            search.see(&line);
            search.whole < names.len()
        })?;
        let found = search.found.into_iter();
        Ok(found
            .map(|(local, (_, line))| (local.clone(), line))
            .collect())
    }

    fn ask(&self, database: &Database, local: &[u8]) -> io::Result<Option<Line>> {
        for name in prefixes(local) {
            if let Some(value) = database.get(&[BY_MAIL, name].concat())? {
                let (line, exact) = line_of_record(&value)?;
                return if exact.eq_ignore_ascii_case(name) {
                    Ok(Some(line))
                } else {
                    Err(corrupt())
                };
            }
        }
        Ok(None)
    }
}

/// So many names are compared one by one; more are looked up.
const FEW: usize = 2;

/// A pass over the lines for some names.
struct Search<'n> {
    names: &'n BTreeSet<Vec<u8>>,
    stems: &'n Stems,
    /// The first [`FEW`] of them.
    few: Vec<&'n Vec<u8>>,
    /// With which bytes a name can begin that matters.
    firsts: [bool; 256],
    /// The line of each local part so far, and how long its name is.
    found: BTreeMap<&'n Vec<u8>, (usize, Line)>,
    /// How many have a line of their whole name, which none can better.
    whole: usize,
    lower: Vec<u8>,
}

impl<'n> Search<'n> {
    fn new(names: &'n BTreeSet<Vec<u8>>, stems: &'n Stems) -> Search<'n> {
        let mut firsts = [false; 256];
        for first in names.iter().filter_map(|name| name.first()) {
            firsts[usize::from(*first)] = true;
        }
        Search {
            names,
            stems,
            few: names.iter().take(FEW).collect(),
            firsts,
            found: BTreeMap::new(),
            whole: 0,
            lower: Vec::new(),
        }
    }

    fn see(&mut self, line: &lines::Numbered<'_>) {
        let matters = |first: &u8| self.firsts[usize::from(first.to_ascii_lowercase())];
        if !line.text.first().is_some_and(matters) {
            return;
        }
        let name = name_of(line.text);
        if name.is_empty() || name.len() > LOCAL_PART_LIMIT {
            return;
        }
        if !self.stems.is_empty() {
            self.stems.see(&name.to_ascii_lowercase());
        }
        if self.names.len() <= FEW {
            for at in 0..self.few.len() {
                let local = self.few[at];
                if is_prefix(name, local) {
                    self.note(local, name.len(), line);
                }
            }
            return;
        }
        self.lower.clear();
        self.lower.extend_from_slice(name);
        self.lower.make_ascii_lowercase();
        if let Some(local) = self.names.get(&self.lower) {
            self.note(local, name.len(), line);
        }
        self.lower.push(b'-');
        let names = self.names;
        let extended = names.range::<[u8], _>((
            std::ops::Bound::Included(self.lower.as_slice()),
            std::ops::Bound::Unbounded,
        ));
        for local in extended {
            if !local.starts_with(&self.lower) {
                break;
            }
            self.note(local, name.len(), line);
        }
    }

    fn note(&mut self, local: &'n Vec<u8>, length: usize, line: &lines::Numbered<'_>) {
        if self
            .found
            .get(local)
            .is_some_and(|(best, _)| *best >= length)
        {
            return;
        }
        self.whole += usize::from(length == local.len());
        self.found.insert(local, (length, read_line(line)));
    }
}

fn is_prefix(name: &[u8], local: &[u8]) -> bool {
    match local.split_at_checked(name.len()) {
        Some((head, rest)) => {
            (rest.is_empty() || rest[0] == b'-') && head.eq_ignore_ascii_case(name)
        }
        None => false,
    }
}

/// The whole local part, then what is before its hyphens, from the right.
fn prefixes(local: &[u8]) -> impl Iterator<Item = &[u8]> {
    let hyphens = local.iter().enumerate().rev();
    let ends = hyphens.filter(|&(at, &byte)| byte == b'-' && at > 0);
    std::iter::once(local).chain(ends.map(|(at, _)| &local[..at]))
}

/// What the key of the first line of a name, in whatever case, begins with.
const BY_MAIL: &[u8] = b"m";

/// The same of a line that is not that one, by its name to the byte: logins are told apart by case.
const BY_LOGIN: &[u8] = b"l";

/// The key of the first line.
const FIRST: &[u8] = b"f";

/// Shows `add` the records of a database of this text until it returns `false`. Of two of one key the
/// first counts there.
pub(crate) fn records(text: impl BufRead, add: &mut dyn FnMut(Record) -> bool) -> io::Result<()> {
    let mut is_first = true;
    // Names that somebody has written with a capital, in lower case.
    let mut capitals: HashSet<Vec<u8>> = HashSet::new();
    lines::read(text, |line| {
        let name = name_of(line.text);
        if name.is_empty() {
            return true;
        }
        let lower = name.to_ascii_lowercase();
        let record = |letter: &[u8], name: &[u8], is_name| Record {
            key: [letter, name].concat(),
            value: record_of(&line),
            line: line.number,
            is_name,
        };
        if std::mem::take(&mut is_first) && !add(record(FIRST, b"", false)) {
            return false;
        }
        if name.len() > LOCAL_PART_LIMIT {
            return true;
        }
        let has_capital = lower != name;
        if has_capital || capitals.contains(&lower) {
            if !add(record(BY_LOGIN, name, false)) {
                return false;
            }
            if has_capital {
                capitals.insert(lower.clone());
            }
        }
        add(record(BY_MAIL, &lower, true))
    })
}

/// As a database keeps a line: its number, whether it was cut, and its text. Of one that was cut the
/// name will do.
fn record_of(line: &lines::Numbered<'_>) -> Vec<u8> {
    let text = if line.cut {
        let name = name_of(line.text);
        &name[..name.len().min(LOCAL_PART_LIMIT + 1)]
    } else {
        line.text
    };
    [&line.number.to_be_bytes()[..], &[u8::from(line.cut)], text].concat()
}

/// The line, and its name.
fn line_of_record(value: &[u8]) -> io::Result<(Line, &[u8])> {
    let (number, rest) = value.split_first_chunk().ok_or_else(corrupt)?;
    let (cut, text) = rest.split_first().ok_or_else(corrupt)?;
    let account = match cut {
        0 => users::parse(text),
        1 => Err(LineError::TooLong),
        _ => return Err(corrupt()),
    };
    let number = u64::from_be_bytes(*number);
    Ok((Line { number, account }, name_of(text)))
}

/// The line that `login` means: that of exactly this name or, if `extended`, of the longest name that
/// it begins with before a `-`.
pub(crate) fn find_login(path: &Path, login: &[u8], extended: bool) -> io::Result<Option<Line>> {
    if let Some(database) = database(path)
        && let Ok(found) = login_in_database(&database, login, extended)
    {
        return Ok(found);
    }
    let mut best = None;
    let mut longest = 0;
    each_line(path, |line| {
        let name = name_of(line.text);
        let is_meant = name.len() > longest
            && login
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || (extended && rest.first() == Some(&b'-')));
        if is_meant {
            longest = name.len();
            best = Some(read_line(&line));
        }
        longest < login.len()
    })?;
    Ok(best)
}

fn login_in_database(
    database: &Database,
    login: &[u8],
    extended: bool,
) -> io::Result<Option<Line>> {
    let most = if extended { usize::MAX } else { 1 };
    for name in prefixes(login).take(most) {
        let keys = [
            [BY_MAIL, &name.to_ascii_lowercase()].concat(),
            [BY_LOGIN, name].concat(),
        ];
        for key in keys {
            let Some(value) = database.get(&key)? else {
                continue;
            };
            let (line, exact) = line_of_record(&value)?;
            if exact == name {
                return Ok(Some(line));
            }
        }
    }
    Ok(None)
}

/// The first account of the file.
pub(crate) fn first(path: &Path) -> io::Result<Option<Line>> {
    if let Some(database) = database(path)
        && let Ok(found) = first_in_database(&database)
    {
        return Ok(found);
    }
    let mut found = None;
    each_line(path, |line| {
        if !name_of(line.text).is_empty() {
            found = Some(read_line(&line));
        }
        found.is_none()
    })?;
    Ok(found)
}

fn first_in_database(database: &Database) -> io::Result<Option<Line>> {
    let value = database.get(FIRST)?;
    let line = value.map(|value| line_of_record(&value).map(|(line, _)| line));
    line.transpose()
}

fn database(path: &Path) -> Option<Database> {
    Database::open(path, &fs::metadata(path).ok()?)
}

/// Shows each line of `path` to `each` until it returns `false`. A missing file has no lines.
fn each_line(path: &Path, each: impl FnMut(lines::Numbered<'_>) -> bool) -> io::Result<()> {
    match File::open(path) {
        Ok(file) => lines::read(BufReader::new(file), each),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "userlist_tests.rs"]
mod tests;
