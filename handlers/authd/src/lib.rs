//! `authd`: lets programs without privileges ask whether a login is right.
//!
//! `superd unix:PATH authd CHECKER` runs it as root, one process a question. It looks who asks, by
//! what the kernel knows of the other end; reads one bounded record under a deadline; lets a checker
//! of ours decide; and answers with one word. It never becomes anybody, starts nothing that the
//! question names, and gives no reasons to who asks: they stand in its log.
//!
//! Everything but a yes is answered after a fixed time, however long the check took. How many guesses
//! can be made at once is superd's `-c`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use auth::via::{self, Answer, QUESTION_LIMIT, Question};
use auth::{Checker, Verdict, bound};
use chain::{Call, Env};
use os::Exit;
use os::names::passwd;
use os::socket::Credentials;
use sasl::Backoff;
use wire::Log;

/// How long who asks may take to write its record, and to take the answer.
const TIME: Duration = Duration::from_secs(10);

/// Who may ask besides root: names and numbers of users, with commas. Without it, the owner and the
/// group of the socket.
const ALLOW: &str = "AUTHD_ALLOW";

/// The path of the socket, as superd tells it.
const PATH: &str = "UNIXLOCALPATH";

/// Who may ask, besides root.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// These users.
    Users(Vec<u32>),
    /// The owner of the socket, and who has its group as his own.
    Owner {
        /// The owner.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Nobody.
    Nobody,
}

impl Allowed {
    /// What the environment says; the error is a sentence.
    fn of(env: &Env) -> Result<Allowed, String> {
        if let Some(list) = env.bytes(ALLOW) {
            let words = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
            let words = words.filter(|word| !word.is_empty());
            return words
                .map(uid_of)
                .collect::<Result<_, _>>()
                .map(Allowed::Users);
        }
        let Some(path) = env.get(PATH) else {
            return Ok(Allowed::Nobody);
        };
        match std::fs::symlink_metadata(path) {
            Ok(meta) => Ok(Allowed::Owner {
                uid: meta.uid(),
                gid: meta.gid(),
            }),
            Err(error) => {
                let path = std::os::unix::ffi::OsStrExt::as_bytes(path).escape_ascii();
                Err(format!("unable to look at {path}: {}", os::reason(&error)))
            }
        }
    }

    /// Whether `peer` may ask. The kernel names -1 where there is no user at the other end, as on
    /// a socket of another family.
    fn lets(&self, peer: Credentials) -> bool {
        if peer.uid == u32::MAX || peer.gid == u32::MAX {
            return false;
        }
        peer.uid == 0
            || match self {
                Allowed::Users(uids) => uids.contains(&peer.uid),
                // Root's group is no way to share a socket: it is what a socket has by accident.
                Allowed::Owner { uid, gid } => peer.uid == *uid || peer.gid == *gid && *gid != 0,
                Allowed::Nobody => false,
            }
    }
}

fn uid_of(word: &[u8]) -> Result<u32, String> {
    if let Some(uid) = accounts::control::digits(word).and_then(|uid| u32::try_from(uid).ok()) {
        return Ok(uid);
    }
    match passwd::user_by_name(word) {
        Ok(Some(user)) => Ok(user.uid),
        Ok(None) => Err(format!("no such user: {} (${ALLOW})", word.escape_ascii())),
        Err(error) => Err(format!(
            "unable to read /etc/passwd: {}",
            os::reason(&error)
        )),
    }
}

/// Runs it.
pub fn main(call: Call) -> Exit {
    let name = call.name.clone();
    let Some(checker) = checker(call.args) else {
        let usage = "usage: authd checker; the checkers are checkpassword, checkpw, checkapoppw, selectcheckpw";
        os::log::fatal(&name, usage);
        return Exit::PERMANENT;
    };
    // It holds secrets.
    if let Err(error) = os::process::not_dumpable() {
        os::log::fatal(&name, &format!("unable to start: {}", os::reason(&error)));
        return Exit::TEMPORARY;
    }
    let (input, output) = (io::stdin(), io::stdout());
    match run(&name, &checker, &call.env, input.as_fd(), output.as_fd()) {
        Ok(exit) => exit,
        Err(why) => {
            os::log::fatal(&name, &why);
            Exit::TEMPORARY
        }
    }
}

/// The checker that the words name, with its options and nothing behind them.
fn checker(mut words: Vec<OsString>) -> Option<Checker> {
    // A checker is named together with a program; in the place of that, here, is the end.
    const END: &str = "end";
    words.push(END.into());
    if words[0] == "check-via" {
        // It would ask another authd, or this one again.
        return None;
    }
    match Checker::of(&words) {
        Some((checker, [end])) if end == OsStr::new(END) => Some(checker),
        _ => None,
    }
}

/// One question on `input`, its answer on `output`, which are one socket.
fn run(
    name: &str,
    checker: &Checker,
    env: &Env,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
) -> Result<Exit, String> {
    let failed = |what: &str, error: &io::Error| format!("unable to {what}: {}", os::reason(error));
    let allowed = Allowed::of(env)?;
    let peer =
        os::socket::peer_credentials(input).map_err(|error| failed("tell who asks", &error))?;
    if !allowed.lets(peer) {
        let mut log = Log::new(name, None);
        told_of(log.event("refuse"), peer)
            .field("reason", b"it may not ask")
            .say();
        return Ok(Exit::NO);
    }
    let start = Instant::now();
    let record = via::read_record(input, QUESTION_LIMIT, start + TIME)
        .map_err(|error| failed("read the question", &error))?;
    let question = Question::parse(&record);
    let question = question.map_err(|error| format!("unable to read the question: {error}"))?;
    let start = Instant::now();
    let bound = bound::begin().map_err(|error| failed("set an alarm", &error))?;
    let answer = decide(name, checker, &question, peer, env);
    drop(bound);
    drop(record);
    // Also trouble, which may be that of one account, and would tell that it exists.
    if !matches!(answer, Answer::Yes { .. }) {
        std::thread::sleep(Backoff::AUTHD.rest(0, start.elapsed()));
    }
    let record = answer.to_record();
    let record = record.map_err(|error| format!("unable to answer: {error}"))?;
    os::fd::write_all_until(output, &record, Instant::now() + TIME)
        .map_err(|error| failed("answer", &error))?;
    Ok(match answer {
        Answer::Yes { .. } => Exit::OK,
        Answer::No => Exit::NO,
        Answer::Temporary | Answer::Permanent => Exit::TEMPORARY,
    })
}

fn told_of(line: wire::log::Entry<'_>, peer: Credentials) -> wire::log::Entry<'_> {
    line.number("uid", peer.uid.into())
        .number("pid", u64::from(peer.pid.unsigned_abs()))
}

/// Lets the checker decide, and writes a line about it.
fn decide(
    name: &str,
    checker: &Checker,
    question: &Question<'_>,
    peer: Credentials,
    env: &Env,
) -> Answer {
    let mut env = env.clone();
    let client = client(question.client);
    // The address is who asks' to say, as all of the question is; checkers hand it to PAM.
    match &client {
        Some(client) => env.set("TCPREMOTEIP", client.as_bytes()),
        None => env.remove("TCPREMOTEIP"),
    }
    let verdict = checker.check(&question.attempt(), &env);
    let mut log = Log::new(name, client.as_deref().map(str::as_bytes));
    let (event, why) = match &verdict {
        Verdict::Yes(_) => ("login", None),
        Verdict::No(why) => ("refuse", Some(why)),
        Verdict::Temporary(why) | Verdict::Permanent(why) => ("fault", Some(why)),
    };
    let mut line = log
        .event(event)
        .field("user", question.login)
        .field("auth", question.method);
    if !question.service.is_empty() {
        line = line.field("service", question.service);
    }
    line = told_of(line, peer);
    if let Some(why) = why {
        line = line.field("reason", why.as_bytes());
    }
    line.say();
    Answer::of(&verdict)
}

/// The client's address as text, where it is one.
fn client(text: &[u8]) -> Option<String> {
    let address: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(address.to_string())
}

#[cfg(test)]
mod tests;
