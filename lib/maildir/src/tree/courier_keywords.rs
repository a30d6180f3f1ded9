//! The keywords that Courier-IMAP has given messages, for a mailbox that comes from there.
//!
//! Its directory `courierimapkeywords` holds a file `:list`: keywords, one a line and numbered from 0,
//! an empty line, and a line `<unique name>:<numbers with spaces>` for each message that has some.
//! What has changed since is in files of their own, which count instead of the message's line: one of
//! the message's unique name, or else, of those that Courier has seen already, `.<n>.<unique name>`
//! with the greatest n. They hold one keyword a line. (Seen in Courier's sources.)
//!
//! All of this is only read.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::keywords::is_name;
use super::rewrite;
use crate::sizes::number;

const DIRECTORY: &str = "courierimapkeywords";
const LIST: &str = ":list";

/// The most files with changes that are read: Courier takes them into its list as it goes.
const CHANGES: usize = 100_000;

/// The most keywords of one mailbox.
const KEYWORDS: usize = 65_536;

/// The keywords of the messages of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CourierKeywords {
    names: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
    messages: HashMap<Vec<u8>, Vec<u32>>,
}

/// Reads the text of a `:list`. What is no keyword or none of its numbers is passed over.
pub fn read(text: &[u8]) -> CourierKeywords {
    let mut keywords = CourierKeywords::default();
    let mut lines = rewrite::lines(text);
    let names = lines.by_ref().take_while(|line| !line.is_empty());
    let listed: Vec<Option<u32>> = names.map(|name| keywords.number(name)).collect();
    for line in lines {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let known = |digits| {
            listed
                .get(usize::try_from(number(digits)?).ok()?)
                .copied()?
        };
        let numbers = line[colon + 1..]
            .split(|&byte| byte == b' ')
            .filter_map(known);
        let numbers = numbers.take(KEYWORDS).collect();
        keywords.set(&line[..colon], numbers);
    }
    keywords
}

impl CourierKeywords {
    /// Those of the mailbox at `dir`; none if Courier has kept none there.
    pub fn load(dir: &Path) -> io::Result<Option<CourierKeywords>> {
        let dir = dir.join(DIRECTORY);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // By message: the number in the name of the file, and that name.
        let mut changes: HashMap<Vec<u8>, (u64, Vec<u8>)> = HashMap::new();
        for entry in entries.take(CHANGES) {
            let name = entry?.file_name().into_encoded_bytes();
            if let Some((age, unique)) = change_of(&name) {
                let change = changes.entry(unique.to_vec()).or_default();
                if change.0 <= age {
                    *change = (age, name);
                }
            }
        }
        let list = rewrite::read(&dir.join(LIST))?;
        let mut keywords = read(&list.unwrap_or_default());
        for (unique, (_, file)) in changes {
            use std::os::unix::ffi::OsStrExt;
            let path = dir.join(std::ffi::OsStr::from_bytes(&file));
            // One that is gone by now is in the list that Courier has just written, or nowhere.
            if let Some(text) = rewrite::read(&path)? {
                let names = rewrite::lines(&text).take(KEYWORDS);
                let numbers = names.filter_map(|name| keywords.number(name)).collect();
                keywords.set(&unique, numbers);
            }
        }
        Ok(Some(keywords))
    }

    /// All keywords.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// Those of the message with this unique name.
    pub fn of(&self, unique: &[u8]) -> impl Iterator<Item = &[u8]> {
        let numbers = self.messages.get(unique).into_iter().flatten();
        numbers.filter_map(|&number| Some(self.names.get(number as usize)?.as_slice()))
    }

    /// The number of a keyword, whose case does not matter; a new one if need be.
    fn number(&mut self, name: &[u8]) -> Option<u32> {
        if !is_name(name) {
            return None;
        }
        let key = name.to_ascii_lowercase();
        if let Some(&number) = self.numbers.get(&key) {
            return Some(number);
        }
        let number = self.names.len();
        if number >= KEYWORDS {
            return None;
        }
        self.names.push(name.to_vec());
        let number = u32::try_from(number).ok()?;
        self.numbers.insert(key, number);
        Some(number)
    }

    fn set(&mut self, unique: &[u8], mut numbers: Vec<u32>) {
        numbers.sort_unstable();
        numbers.dedup();
        match numbers.is_empty() {
            true => self.messages.remove(unique),
            false => self.messages.insert(unique.to_vec(), numbers),
        };
    }
}

/// What a file's name says: its age, none being the newest of all, and the message.
fn change_of(file: &[u8]) -> Option<(u64, &[u8])> {
    let Some(rest) = file.strip_prefix(b".") else {
        return (file != LIST.as_bytes()).then_some((u64::MAX, file));
    };
    let dot = memchr::memchr(b'.', rest)?;
    let age = number(&rest[..dot]).filter(|&age| age != 0)?;
    let unique = &rest[dot + 1..];
    (!unique.is_empty()).then_some((age, unique))
}

#[cfg(test)]
#[path = "courier_keywords_tests.rs"]
mod tests;
