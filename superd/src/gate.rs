//! The rules file of a running service: kept open, re-read when it changes, asked per client.
//!
//! A look-up is one stat and a few preads. A file that has changed is opened and checked whole
//! before it takes over; one that is corrupt leaves the last good rules in force and says so once
//! a minute. A file that is missing, or corrupt from the start, drops everybody, as under the
//! original (with `-X`, a missing one allows everybody).

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
    /// He gets his program with these variables.
    Allow(Vec<Variable>),
    /// He does not.
    Deny,
    /// The rules cannot be read, so he does not; the text says why, without the file's name.
    Unreadable(String),
}

/// The rules in force.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    missing_allows: bool,
    current: Option<Loaded>,
    complained: Option<Instant>,
}

#[derive(Debug)]
struct Loaded {
    cdb: Cdb,
    /// Of the file that was last looked at, which is the one in force unless that one was corrupt.
    identity: Identity,
    /// The file was younger than its clock could tell; it is to be looked at once more after this
    /// time (seconds since the epoch).
    look_again: Option<i64>,
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
        let complaint = match self.refresh() {
            Ok(complaint) => complaint,
            Err(error) => {
                let missing = error.kind() == io::ErrorKind::NotFound;
                if missing && self.missing_allows {
                    return (Judgement::Allow(Vec::new()), None);
                }
                return (Judgement::Unreadable(os::reason(&error).into_owned()), None);
            }
        };
        let Some(loaded) = &self.current else {
            return (
                Judgement::Unreadable("protocol error".to_owned()),
                complaint,
            );
        };
        let judgement = match decide(client, |key: &[u8]| loaded.cdb.get(key)) {
            Ok(decision) => match decision.verdict() {
                Verdict::Deny => Judgement::Deny,
                Verdict::Allow => {
                    let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
                    Judgement::Allow(decision.variables().map(owned).collect())
                }
            },
            Err(error) => Judgement::Unreadable(os::reason(&error).into_owned()),
        };
        (judgement, complaint)
    }

    /// Sees to it that the rules in force are those of the file as it is now.
    fn refresh(&mut self) -> io::Result<Option<String>> {
        let identity = match std::fs::metadata(&self.path) {
            Ok(meta) => Identity::of(&meta),
            Err(error) => {
                self.current = None;
                return Err(error);
            }
        };
        if let Some(loaded) = &self.current
            && loaded.identity == identity
            && loaded.look_again.is_none_or(|time| clock() < time)
        {
            return Ok(None);
        }
        match self.load() {
            Ok(loaded) => {
                self.current = Some(loaded);
                self.complained = None;
                Ok(None)
            }
            Err(error) => match &mut self.current {
                // Not even the name is there any more: as if it had been missing from the start.
                _ if error.kind() == io::ErrorKind::NotFound => {
                    self.current = None;
                    Err(error)
                }
                None => Err(error),
                Some(loaded) => {
                    loaded.identity = identity;
                    loaded.look_again = look_again(&identity);
                    Ok(self.complaint(&error))
                }
            },
        }
    }

    fn load(&self) -> io::Result<Loaded> {
        // A fifo in its place must not hold the loop up.
        let file = os::file::open_without_waiting(&self.path)?;
        let identity = Identity::of(&file.metadata()?);
        let cdb = Cdb::open(file)?;
        cdb.validate()?;
        Ok(Loaded {
            cdb,
            identity,
            look_again: look_again(&identity),
        })
    }

    fn complaint(&mut self, error: &io::Error) -> Option<String> {
        let now = Instant::now();
        if self
            .complained
            .is_some_and(|last| now.duration_since(last) < COMPLAINT_PAUSE)
        {
            return None;
        }
        self.complained = Some(now);
        let (path, why) = (self.path.display(), os::reason(error));
        Some(format!(
            "warning: unable to read {path}: {why}; the rules read before stay in force"
        ))
    }
}

fn look_again(identity: &Identity) -> Option<i64> {
    let settled = identity.changed_at().saturating_add(YOUNG_SECONDS);
    (clock() < settled).then_some(settled)
}
