//! `check-via`: a checker without privileges, which asks `authd` over a UNIX socket.
//!
//! One record goes there, the connection's sending side is closed, one record comes back. The fields
//! of both are each ended by a NUL:
//!
//! ```text
//! SERVICE LOGIN SECRET CHALLENGE AUTH TCPREMOTEIP
//!
//! yes USER HOME SHELL NAME=VALUE... end
//! no, temporary, permanent
//! ```
//!
//! Why somebody is not let in stands in the log of authd and does not go over the socket.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chain::Env;
use os::names::nss::{RecordError, fields, record};
use zeroize::Zeroizing;

use crate::{Attempt, Entry, Proof, Secret, Verdict};

/// The most bytes of a question: a record of descriptor 3 and a few words.
pub const QUESTION_LIMIT: usize = 1024;

/// The most bytes of an answer.
pub const ANSWER_LIMIT: usize = 8192;

/// How long an answer may take: authd waits after a wrong password, and so may PAM.
const TIME: Duration = Duration::from_secs(60);

/// The variable with what the log of authd is to call who asks; without it, that is the local port.
const SERVICE: &str = "SERVICE";

/// Variables that a checker may set for the next program, besides USER, HOME and SHELL.
const VARIABLES: [&str; 2] = ["EXT", crate::account::QUOTA];

/// What ends a yes, so that one that was cut between two fields is not another one.
const END: &[u8] = b"end";

/// A question to authd.
pub struct Question<'a> {
    /// What the log is to call who asks. It decides nothing: who asks could say anything.
    pub service: &'a [u8],
    /// The name as it was typed.
    pub login: &'a [u8],
    /// Password or digest.
    pub secret: &'a [u8],
    /// What the server had said.
    pub challenge: &'a [u8],
    /// `pop`, `apop` or `cram`, as in the variable `AUTH`.
    pub method: &'a [u8],
    /// The client's address, or nothing.
    pub client: &'a [u8],
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({} bytes)", self.login.len())
    }
}

impl<'a> Question<'a> {
    /// The question about `attempt`.
    pub fn of(attempt: &'a Attempt, env: &'a Env) -> Question<'a> {
        let service = env.bytes(SERVICE).or_else(|| env.bytes("TCPLOCALPORT"));
        Question {
            service: service.unwrap_or_default(),
            login: &attempt.login,
            secret: match &attempt.proof {
                Proof::Password(secret) => secret.expose(),
                Proof::Apop { digest } | Proof::Cram { digest } => digest,
            },
            challenge: &attempt.challenge,
            method: attempt.method().as_bytes(),
            client: env.bytes("TCPREMOTEIP").unwrap_or_default(),
        }
    }

    /// The record.
    pub fn to_record(&self) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        let fields = [
            self.service,
            self.login,
            self.secret,
            self.challenge,
            self.method,
            self.client,
        ];
        record(&fields, QUESTION_LIMIT).map(Zeroizing::new)
    }

    /// Takes a record apart.
    pub fn parse(record: &'a [u8]) -> Result<Question<'a>, RecordError> {
        let &[service, login, secret, challenge, method, client] =
            fields(record, QUESTION_LIMIT)?.as_slice()
        else {
            return Err(RecordError::Malformed);
        };
        if !matches!(method, b"pop" | b"apop" | b"cram") {
            return Err(RecordError::Malformed);
        }
        Ok(Question {
            service,
            login,
            secret,
            challenge,
            method,
            client,
        })
    }

    /// What is to be decided about.
    pub fn attempt(&self) -> Attempt {
        let digest = || self.secret.to_vec();
        Attempt {
            login: self.login.to_vec(),
            proof: match self.method {
                b"apop" => Proof::Apop { digest: digest() },
                b"cram" => Proof::Cram { digest: digest() },
                _ => Proof::Password(Secret::new(self.secret)),
            },
            challenge: self.challenge.to_vec(),
        }
    }
}

/// The answer of authd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is him.
    Yes {
        /// The name of the account.
        user: Vec<u8>,
        /// His home, or nothing.
        home: Vec<u8>,
        /// His shell, or nothing.
        shell: Vec<u8>,
        /// What else a checker had to say to the next program.
        variables: Vec<(&'static str, Vec<u8>)>,
    },
    /// It is not, or he may not log in.
    No,
    /// It cannot be told now.
    Temporary,
    /// It can never be told this way.
    Permanent,
}

impl Answer {
    /// What `verdict` tells to who asks.
    pub fn of(verdict: &Verdict) -> Answer {
        match verdict {
            Verdict::Yes(entry) => Answer::of_entry(entry),
            Verdict::No(_) => Answer::No,
            Verdict::Temporary(_) => Answer::Temporary,
            Verdict::Permanent(_) => Answer::Permanent,
        }
    }

    fn of_entry(entry: &Entry) -> Answer {
        let identity = entry.identity.as_ref();
        let of = |name| entry.variables.iter().find(|(known, _)| *known == name);
        let value = |name| of(name).map(|(_, value)| value.clone()).unwrap_or_default();
        Answer::Yes {
            user: entry.user.clone(),
            home: identity.map_or_else(
                || value("HOME"),
                |who| who.home.as_os_str().as_bytes().to_vec(),
            ),
            shell: identity.map_or_else(|| value("SHELL"), |who| who.shell.clone()),
            variables: VARIABLES
                .into_iter()
                .filter_map(|name| of(name).cloned())
                .collect(),
        }
    }

    /// The record.
    pub fn to_record(&self) -> Result<Vec<u8>, RecordError> {
        match self {
            Answer::Yes {
                user,
                home,
                shell,
                variables,
            } => {
                let variables: Vec<Vec<u8>> = variables
                    .iter()
                    .map(|(name, value)| [name.as_bytes(), b"=", value].concat())
                    .collect();
                let mut fields: Vec<&[u8]> = vec![b"yes", user, home, shell];
                fields.extend(variables.iter().map(Vec::as_slice));
                fields.push(END);
                record(&fields, ANSWER_LIMIT)
            }
            Answer::No => record(&[b"no"], ANSWER_LIMIT),
            Answer::Temporary => record(&[b"temporary"], ANSWER_LIMIT),
            Answer::Permanent => record(&[b"permanent"], ANSWER_LIMIT),
        }
    }

    /// Takes a record apart.
    pub fn parse(record: &[u8]) -> Result<Answer, RecordError> {
        match fields(record, ANSWER_LIMIT)?.as_slice() {
            [b"yes", user, home, shell, variables @ .., end] if !user.is_empty() && *end == END => {
                let variables = variables.iter().map(|text| parse_variable(text));
                Ok(Answer::Yes {
                    user: user.to_vec(),
                    home: home.to_vec(),
                    shell: shell.to_vec(),
                    variables: variables
                        .collect::<Option<_>>()
                        .ok_or(RecordError::Malformed)?,
                })
            }
            [b"no"] => Ok(Answer::No),
            [b"temporary"] => Ok(Answer::Temporary),
            [b"permanent"] => Ok(Answer::Permanent),
            _ => Err(RecordError::Malformed),
        }
    }
}

/// `NAME=VALUE` of a name that is known: nobody sets PATH this way.
fn parse_variable(text: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    let name = VARIABLES
        .into_iter()
        .find(|name| name.as_bytes() == &text[..at])?;
    Some((name, text[at + 1..].to_vec()))
}

/// The checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Where authd is to be reached.
    pub path: PathBuf,
}

impl Via {
    /// Asks. The entry of a yes has variables and no identity: this process stays who it is.
    pub fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        self.check_until(attempt, env, Instant::now() + TIME)
    }

    fn check_until(&self, attempt: &Attempt, env: &Env, deadline: Instant) -> Verdict {
        let path = self.path.as_os_str().as_bytes().escape_ascii();
        let record = match Question::of(attempt, env).to_record() {
            Ok(record) => record,
            Err(error) => return Verdict::No(format!("unable to ask authd at {path}: {error}")),
        };
        let answer = match self.exchange(&record, deadline) {
            Ok(answer) => answer,
            Err(error) => {
                let why = os::reason(&error);
                return Verdict::Temporary(format!("unable to ask authd at {path}: {why}"));
            }
        };
        match Answer::parse(&answer) {
            Ok(Answer::Yes {
                user,
                home,
                shell,
                mut variables,
            }) => {
                for (name, value) in [("SHELL", shell), ("HOME", home), ("USER", user.clone())] {
                    if !value.is_empty() {
                        variables.insert(0, (name, value));
                    }
                }
                Verdict::Yes(Entry {
                    user,
                    identity: None,
                    variables,
                })
            }
            Ok(Answer::No) => Verdict::No(format!("authd at {path} says no")),
            Ok(Answer::Temporary) => Verdict::Temporary(format!("authd at {path} cannot tell now")),
            Ok(Answer::Permanent) => Verdict::Permanent(format!("authd at {path} cannot tell")),
            // It closes the connection of whom it does not want to hear, and at its own faults.
            Err(_) if answer.is_empty() => {
                Verdict::Temporary(format!("authd at {path} gives no answer"))
            }
            Err(error) => {
                Verdict::Temporary(format!("unable to understand authd at {path}: {error}"))
            }
        }
    }

    fn exchange(&self, record: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
        let socket = os::socket::connect_unix_until(&self.path, deadline)?;
        let socket = UnixStream::from(socket);
        // Who closes at once may still have answered.
        let _ = os::fd::write_all_until(socket.as_fd(), record, deadline);
        let _ = socket.shutdown(Shutdown::Write);
        let answer = read_record(socket.as_fd(), ANSWER_LIMIT, deadline);
        match answer {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Vec::new()),
            answer => answer.map(|answer| answer.to_vec()),
        }
    }
}

/// All that comes from `fd`, or one byte more than `limit`.
pub fn read_record(
    fd: BorrowedFd<'_>,
    limit: usize,
    deadline: Instant,
) -> io::Result<Zeroizing<Vec<u8>>> {
    // A fixed place: what grows leaves copies behind.
    let mut record = Zeroizing::new(vec![0; limit + 1]);
    let mut filled = 0;
    while filled < record.len() {
        match os::fd::read_until(fd, &mut record[filled..], deadline)? {
            0 => break,
            count => filled += count,
        }
    }
    record.truncate(filled);
    Ok(record)
}

#[cfg(test)]
#[path = "via_tests.rs"]
mod tests;
