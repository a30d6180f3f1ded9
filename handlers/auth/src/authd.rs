//! `authd`: lets programs without privileges ask whether a login is right.
//!
//! `superd unix:PATH authd CHECKER` runs it as root, one process a question. It looks who asks, by
//! what the kernel knows of the other end; reads one bounded record under a deadline; lets a checker
//! of ours decide; and answers with one word. It never becomes anybody, starts nothing that the
//! question names, and gives no reasons to who asks: they stand in its log.
//!
//! A wrong guess is answered after a fixed time, however long the check took. How many guesses can
//! be made at once is superd's `-c`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use chain::{Call, Env};
use os::Exit;
use os::names::passwd;
use os::socket::Credentials;
use wire::Log;

use crate::via::{self, Answer, QUESTION_LIMIT, Question};
use crate::{Checker, Verdict};

/// How long who asks may take to write its record, and to take the answer.
const TIME: Duration = Duration::from_secs(10);

/// When a no is answered, counted from the question.
const DELAY: Duration = Duration::from_secs(2);

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
    match run(&name, &checker, &call.env) {
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

fn run(name: &str, checker: &Checker, env: &Env) -> Result<Exit, String> {
    let failed = |what: &str, error: &io::Error| format!("unable to {what}: {}", os::reason(error));
    // It holds secrets.
    os::process::not_dumpable().map_err(|error| failed("start", &error))?;
    let allowed = Allowed::of(env)?;
    let (input, output) = (io::stdin(), io::stdout());
    let peer = os::socket::peer_credentials(input.as_fd())
        .map_err(|error| failed("tell who asks", &error))?;
    if !allowed.lets(peer) {
        let mut log = Log::new(name, None);
        told_of(log.event("refuse"), peer)
            .field("reason", b"it may not ask")
            .say();
        return Ok(Exit::NO);
    }
    let start = Instant::now();
    let record = via::read_record(input.as_fd(), QUESTION_LIMIT, start + TIME)
        .map_err(|error| failed("read the question", &error))?;
    let question = Question::parse(&record);
    let question = question.map_err(|error| format!("unable to read the question: {error}"))?;
    let start = Instant::now();
    let answer = decide(name, checker, &question, peer, env);
    drop(record);
    if answer == Answer::No {
        std::thread::sleep((start + DELAY).saturating_duration_since(Instant::now()));
    }
    let record = answer.to_record();
    let record = record.map_err(|error| format!("unable to answer: {error}"))?;
    os::fd::write_all_until(output.as_fd(), &record, Instant::now() + TIME)
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
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32) -> Credentials {
        Credentials { pid: 1, uid, gid }
    }

    #[test]
    fn without_a_list_the_owner_and_the_group_of_the_socket_may_ask() {
        let owner = Allowed::Owner { uid: 5, gid: 6 };
        for (uid, gid, expected) in [
            (0, 0, true),
            (0, 9, true),
            (5, 9, true),
            (9, 6, true),
            (9, 9, false),
            (6, 5, false),
            (u32::MAX, 6, false),
            (5, u32::MAX, false),
        ] {
            assert_eq!(owner.lets(peer(uid, gid)), expected, "{uid}:{gid}");
        }
        let roots = Allowed::Owner { uid: 0, gid: 0 };
        assert!(!roots.lets(peer(9, 0)));
        assert!(Allowed::Nobody.lets(peer(0, 0)));
        assert!(!Allowed::Nobody.lets(peer(9, 9)));
    }

    #[test]
    fn a_list_of_users_is_all_that_counts_besides_root() {
        let env = |list: &str| {
            [(ALLOW, list), (PATH, "/nonexistent/socket")]
                .into_iter()
                .collect::<Env>()
        };
        let allowed = Allowed::of(&env("7, root ,8,")).expect("a list");
        assert_eq!(allowed, Allowed::Users(vec![7, 0, 8]));
        assert!(allowed.lets(peer(7, 1)));
        assert!(!allowed.lets(peer(9, 7)));
        assert_eq!(Allowed::of(&env("")), Ok(Allowed::Users(Vec::new())));
        let error = Allowed::of(&env("no-such-user-here")).expect_err("nobody");
        assert_eq!(error, "no such user: no-such-user-here ($AUTHD_ALLOW)");
        let whole = u32::MAX.to_string();
        let allowed = Allowed::of(&env(&whole)).expect("a list");
        assert!(!allowed.lets(peer(u32::MAX, 1)));
    }

    #[test]
    fn the_owner_is_asked_of_the_socket_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let mut env = Env::default();
        assert_eq!(Allowed::of(&env), Ok(Allowed::Nobody));
        env.set(PATH, path.to_str().expect("plain").as_bytes());
        let meta = path.metadata().expect("there");
        let (uid, gid) = (meta.uid(), meta.gid());
        assert_eq!(Allowed::of(&env), Ok(Allowed::Owner { uid, gid }));
        env.set(PATH, b"/nonexistent/socket");
        let error = Allowed::of(&env).expect_err("missing");
        assert_eq!(
            error,
            "unable to look at /nonexistent/socket: file does not exist"
        );
    }

    #[test]
    fn a_checker_is_named_with_its_options_and_no_program() {
        let named = |words: &[&str]| checker(words.iter().map(OsString::from).collect());
        assert!(named(&["checkpw"]).is_some());
        assert!(named(&["checkpassword"]).is_some());
        for words in [
            &[][..],
            &["checkpw", "prog"],
            &["/bin/checkpw"],
            &["cat"],
            &["check-via", "/run/authd"],
        ] {
            assert!(named(words).is_none(), "{words:?}");
        }
    }

    #[test]
    fn only_an_address_is_taken_for_one() {
        assert_eq!(client(b"192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(client(b"2001:DB8::1").as_deref(), Some("2001:db8::1"));
        for text in [&b""[..], b"localhost", b"192.0.2.1 x", b"\xff"] {
            assert_eq!(client(text), None);
        }
    }
}
