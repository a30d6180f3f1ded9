//! What one file says about names: many names in one pass over it, kept for the next question.
//!
//! What was read counts for one question in any case, and for the questions after it as long as the
//! file is the one that was read: its identity is looked at before each. A file that was changed a
//! moment ago is read again. Where there is a database of the file ([`crate::database`]) that is
//! asked in its place.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::database::Database;
use crate::identity::Identity;
use crate::stems::{Stems, stem};

/// How many bytes of answers about one file are kept from one question to the next.
pub(crate) const KEPT_BYTES: usize = 512 * 1024;

/// How much of a file is read at once.
const READ_BYTES: usize = 32 * 1024;

/// An answer that can be kept.
pub(crate) trait Fact: Clone {
    /// About how much memory it takes.
    fn bytes(&self) -> usize;
}

/// How one kind of file is asked about names.
pub(crate) trait Book {
    /// What it says about a name.
    type Fact: Fact;

    /// Whether what is said about `joe` is said about `joe-x` as well, if nothing is said about that.
    const EXTENDS: bool;

    /// Goes through the text once; what it says about each of `names` that it knows. All entries that have one
    /// of the `stems` are shown to them.
    fn scan(
        &self,
        text: impl io::BufRead,
        names: &BTreeSet<Vec<u8>>,
        stems: &Stems,
    ) -> io::Result<HashMap<Vec<u8>, Self::Fact>>;

    /// The same of one name in a database. Any error means that the database is not to be used.
    fn ask(&self, database: &Database, name: &[u8]) -> io::Result<Option<Self::Fact>>;

    /// Whether such files have databases.
    fn has_database(&self) -> bool {
        true
    }
}

/// The answers of one file.
#[derive(Debug)]
pub(crate) struct Names<B: Book> {
    book: B,
    path: PathBuf,
    /// What was read; `None` where the file was missing.
    identity: Option<Identity>,
    /// Whether a change since then will be seen.
    settled: bool,
    known: HashMap<Vec<u8>, Option<B::Fact>>,
    /// Stems that no entry has.
    barren: BTreeSet<Vec<u8>>,
    bytes: usize,
    database: Option<Database>,
}

impl<B: Book> Names<B> {
    pub(crate) fn new(book: B, path: PathBuf) -> Names<B> {
        Names {
            book,
            path,
            identity: None,
            settled: false,
            known: HashMap::new(),
            barren: BTreeSet::new(),
            bytes: 0,
            database: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a question: forgets what may be true no more, and what would be too much to keep.
    pub(crate) fn refresh(&mut self) {
        if self.known.is_empty() {
            return;
        }
        let still = || match fs::metadata(&self.path) {
            Ok(meta) => self.identity == Some(Identity::of(&meta)),
            Err(error) => self.identity.is_none() && error.kind() == io::ErrorKind::NotFound,
        };
        if self.bytes > KEPT_BYTES || !self.settled || !still() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.known = HashMap::new();
        self.barren = BTreeSet::new();
        self.bytes = 0;
    }

    /// What is said about `name`; it is read if it is not known yet.
    pub(crate) fn get(&mut self, name: &[u8]) -> io::Result<Option<B::Fact>> {
        if let Some(fact) = self.fact(name) {
            return Ok(fact.cloned());
        }
        self.learn(std::iter::once(name))?;
        Ok(self.fact(name).flatten().cloned())
    }

    /// What is known to be said about `name`.
    fn fact(&self, name: &[u8]) -> Option<Option<&B::Fact>> {
        if let Some(fact) = self.known.get(name) {
            return Some(fact.as_ref());
        }
        let stem = stem(name).filter(|stem| self.barren.contains(*stem))?;
        if B::EXTENDS {
            let base = stem.get(..stem.len() - 1)?;
            return self.known.get(base).map(Option::as_ref);
        }
        Some(None)
    }

    /// Whether it is known what is said about `name`, and that is something.
    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        matches!(self.fact(name), Some(Some(_)))
    }

    /// Reads what is said about all of `names`, going through the file at most once.
    pub(crate) fn learn<'n>(&mut self, names: impl Iterator<Item = &'n [u8]>) -> io::Result<()> {
        let mut missing: BTreeSet<Vec<u8>> = names
            .filter(|&name| self.fact(name).is_none())
            .map(<[u8]>::to_vec)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if self.book.has_database()
            && let Some(found) = self.ask_database(&missing)
        {
            self.keep(missing, found);
            return Ok(());
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.now_is(None, true);
                self.keep(missing, HashMap::new());
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let before = Identity::of(&file.metadata()?);
        let text = BufReader::with_capacity(READ_BYTES, &file);
        let stems = Stems::of(missing.iter().map(Vec::as_slice));
        if B::EXTENDS {
            let bases = missing.iter().filter_map(|name| stem(name)?.split_last());
            let bases: Vec<Vec<u8>> = bases.map(|(_, base)| base.to_vec()).collect();
            missing.extend(bases);
        }
        let found = self.book.scan(text, &missing, &stems)?;
        // Whoever writes into the file meanwhile leaves his trace behind.
        let after = Identity::of(&file.metadata()?);
        let settled = before == after && after.is_at_rest(SystemTime::now());
        self.now_is(Some(before), settled);
        self.keep(missing, found);
        for stem in stems.unseen() {
            self.bytes += stem.len() + size_of::<Vec<u8>>();
            self.barren.insert(stem);
        }
        Ok(())
    }

    /// What was known of another file than this is forgotten.
    fn now_is(&mut self, identity: Option<Identity>, settled: bool) {
        if self.identity != identity {
            self.forget();
            self.identity = identity;
            self.settled = settled;
        }
        self.settled = settled && (self.settled || self.known.is_empty());
    }

    fn keep(&mut self, names: BTreeSet<Vec<u8>>, mut found: HashMap<Vec<u8>, B::Fact>) {
        for name in names {
            let fact = found.remove(&name);
            let fact_bytes = fact.as_ref().map_or(0, Fact::bytes);
            self.bytes += name.len() + fact_bytes + size_of::<(Vec<u8>, Option<B::Fact>)>();
            self.known.insert(name, fact);
        }
    }

    /// The answers of the database, if there is one of the file as it is now.
    fn ask_database(&mut self, names: &BTreeSet<Vec<u8>>) -> Option<HashMap<Vec<u8>, B::Fact>> {
        let meta = fs::metadata(&self.path).ok()?;
        if !self.database.as_ref().is_some_and(|one| one.is_of(&meta)) {
            self.database = Database::open(&self.path, &meta);
        }
        let database = self.database.as_ref()?;
        let mut found = HashMap::new();
        for name in names {
            match self.book.ask(database, name) {
                Ok(Some(fact)) => {
                    found.insert(name.clone(), fact);
                }
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        // It was made of a file that had been at rest.
        self.now_is(Some(Identity::of(&meta)), true);
        Some(found)
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
