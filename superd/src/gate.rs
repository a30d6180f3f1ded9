//! The rules file of a running service: kept open, re-read when it changes, asked per client.
//!
//! A look-up is one stat, a few preads and one fstat. A file that has changed is opened and checked
//! whole before it takes over; one that cannot be read leaves the last good rules in force, as long
//! as their file is what it was, and says so once a minute. A file that is missing, or unreadable
//! from the start, or overwritten in place with something unreadable, drops everybody, as under the
//! original (with `-X`, a missing one allows everybody). Nobody is let in by rules that changed
//! while they were asked.
//!
//! The gate only judges. What follows is in `server`, where `decide` asks it: a denied client gets its
//! `deny` line there, of the text that `lines` makes, and then its socket is closed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use os::file::Identity;
use rules::cdb::Cdb;
use rules::record::Verdict;
use rules::search::{Client, decide};

use crate::environment::Variable;

/// How often a corrupt file that is not in force is complained about.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(60);
/// A file that changed so recently may change again without its times showing it.
const YOUNG_SECONDS: i64 = 2;

/// What the rules say about a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The client gets its program with these variables.
    Allow(Vec<Variable>),
    /// The client is turned away.
    Deny,
    /// The rules cannot be read, so the client is turned away; the text says why, without the file's name.
    Unreadable(String),
}

/// The rules in force.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    missing_allows: bool,
    current: Option<Loaded>,
    seen: Option<Seen>,
    complained: Option<Instant>,
}

/// Rules that were checked.
#[derive(Debug)]
struct Loaded {
    cdb: Cdb,
    /// Of the open file when it was checked.
    identity: Identity,
}

impl Loaded {
    /// Whether the open file is what it was when it was checked. Somebody may write into it.
    fn is_intact(&self) -> bool {
        let now = self.cdb.file().metadata();
        now.is_ok_and(|meta| Identity::of(&meta).has_content_of(&self.identity))
    }
}

/// The state of the file by its name, when it was last looked at.
#[derive(Debug)]
struct Seen {
    identity: Identity,
    /// What is wrong with it, where it is not the file in force.
    fault: Option<io::Error>,
    /// The file was younger than its clock could tell; it is to be looked at once more after this
    /// time (seconds since the epoch).
    look_again: Option<i64>,
}

impl Seen {
    fn new(identity: Identity, fault: Option<io::Error>) -> Seen {
        let settled = identity.changed_at().saturating_add(YOUNG_SECONDS);
        Seen {
            identity,
            fault,
            look_again: (clock() < settled).then_some(settled),
        }
    }

    fn is_settled(&self, identity: &Identity) -> bool {
        self.identity == *identity && self.look_again.is_none_or(|time| clock() < time)
    }
}

/// Seconds since the epoch.
fn clock() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

impl Gate {
    /// Rules in the file `path`; nothing is read before the first client.
    pub fn new(path: PathBuf, missing_allows: bool) -> Gate {
        Gate {
            path,
            missing_allows,
            current: None,
            seen: None,
            complained: None,
        }
    }

    /// The file's name, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the rules about `client`. The second value is a complaint for the log, where there is
    /// one that does not concern this client alone.
    pub fn judge(&mut self, client: &Client<'_>) -> (Judgement, Option<String>) {
        let mut complaint = None;
        // Twice at most: rules that change under the question are asked again as they are then.
        for _ in 0..2 {
            match self.refresh() {
                Ok(told) => complaint = complaint.or(told),
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.missing_allows => {
                    return (Judgement::Allow(Vec::new()), complaint);
                }
                Err(error) => return (unreadable(&error), complaint),
            }
            let Some(loaded) = &self.current else { break };
            let decision = decide(client, |key: &[u8]| loaded.cdb.get(key));
            if loaded.is_intact() {
                return (judgement(decision), complaint);
            }
        }
        self.current = None;
        self.seen = None;
        (unreadable(&io::ErrorKind::InvalidData.into()), complaint)
    }

    /// Sees to it that the rules in force are those of the file as it is now.
    fn refresh(&mut self) -> io::Result<Option<String>> {
        let meta = match std::fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) => return self.keep_or_fail(error),
        };
        let identity = Identity::of(&meta);
        if let Some(seen) = &self.seen
            && seen.is_settled(&identity)
        {
            return match &seen.fault {
                None => Ok(None),
                Some(fault) => {
                    let fault = copy(fault);
                    self.keep_or_fail(fault)
                }
            };
        }
        match self.load(&meta) {
            Ok(loaded) => {
                self.current = Some(loaded);
                self.seen = Some(Seen::new(identity, None));
                self.complained = None;
                Ok(None)
            }
            Err(error) => {
                // What is wrong with the content stays wrong until the file changes. Anything
                // else (no descriptor left, say) may be over for the next client.
                self.seen = is_content(&error).then(|| Seen::new(identity, Some(copy(&error))));
                self.keep_or_fail(error)
            }
        }
    }

    /// The file by its name cannot be used: the last good rules stay in force where they are what
    /// they were, with a complaint. A missing file is never stood in for.
    fn keep_or_fail(&mut self, error: io::Error) -> io::Result<Option<String>> {
        let missing = error.kind() == io::ErrorKind::NotFound;
        if missing || !self.current.as_ref().is_some_and(Loaded::is_intact) {
            self.current = None;
            return Err(error);
        }
        let now = Instant::now();
        if self
            .complained
            .is_some_and(|last| now.duration_since(last) < COMPLAINT_PAUSE)
        {
            return Ok(None);
        }
        self.complained = Some(now);
        let (path, why) = (self.path.display(), os::reason(&error));
        Ok(Some(format!(
            "warning: unable to read {path}: {why}; the rules read before stay in force"
        )))
    }

    fn load(&self, meta: &std::fs::Metadata) -> io::Result<Loaded> {
        // Opening a device can do things; it is not opened. A fifo that took the file's place just
        // now is not waited for.
        if !meta.is_file() && !meta.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "invalid argument",
            ));
        }
        let cdb = Cdb::open(os::file::open_without_waiting(&self.path)?)?;
        let loaded = Loaded {
            identity: Identity::of(&cdb.file().metadata()?),
            cdb,
        };
        loaded.cdb.validate()?;
        if loaded.is_intact() {
            Ok(loaded)
        } else {
            // Somebody writes into it; what he makes of it will have another identity.
            Err(io::Error::new(io::ErrorKind::InvalidData, "protocol error"))
        }
    }
}

fn judgement(decision: io::Result<rules::search::Decision>) -> Judgement {
    match decision {
        Ok(decision) => match decision.verdict() {
            Verdict::Deny => Judgement::Deny,
            Verdict::Allow => {
                let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
                Judgement::Allow(decision.variables().map(owned).collect())
            }
        },
        Err(error) => unreadable(&error),
    }
}

fn unreadable(error: &io::Error) -> Judgement {
    let reason = match error.kind() {
        io::ErrorKind::InvalidData => "protocol error".into(),
        _ => os::reason(error),
    };
    Judgement::Unreadable(reason.into_owned())
}

/// Errors that are about what the file is, and not about the system.
fn is_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, UnexpectedEof};
    matches!(
        error.kind(),
        InvalidData | InvalidInput | IsADirectory | UnexpectedEof
    )
}

/// `io::Error` cannot be cloned; kind and text are what is used of it.
fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests;
