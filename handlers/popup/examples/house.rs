//! popup with a checker and a mail program of the tests' own, so that its processes can be seen
//! whole.
//!
//! The checker `joe` lets joe in with `sekrit` (and becomes nobody, where it can become somebody);
//! `anybody` and `liar` let everybody in and name nobody to become; the mail program `mail` answers each line with what it knows.
//!
//! imapup's example has all of this, too.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use auth::verdict::UserIdentity;
use auth::{Attempt, Entry, Offers, Proof, Verdict};
use chain::{Applet, Call, Env, Kind};
use login::{Judge, Protocol};
use os::Exit;
use wire::{Conn, Limits, Line};

const APPLETS: &[Applet] = &[Applet {
    name: "mail",
    kind: Kind::Last,
    run: mail,
    before_entry: None,
}];

struct Joe;

impl Judge for Joe {
    fn offers(&self) -> Offers {
        Offers {
            password: true,
            apop: true,
            cram: true,
        }
    }

    fn gives_identity(&self) -> bool {
        true
    }

    fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        let right = match &attempt.proof {
            Proof::Password(secret) => secret.expose() == b"sekrit",
            // Shows the challenge that was meant: a digest of it needs no MD5 here.
            Proof::Apop { digest } | Proof::Cram { digest } => {
                digest[..] == attempt.challenge[1..33.min(attempt.challenge.len())]
            }
        };
        if attempt.login != b"joe" || !right {
            return Verdict::No("wrong password".to_owned());
        }
        let home = env.get("JOES_HOME").map_or_else(|| "/".into(), Into::into);
        let who = (os::identity::effective_uid() == 0).then(|| UserIdentity {
            uid: 65534,
            gid: 65534,
            groups: vec![65534, 65533],
            home,
            shell: b"/bin/false".to_vec(),
        });
        Verdict::Yes(Entry {
            user: b"joe".to_vec(),
            identity: who,
            variables: Vec::new(),
        })
    }
}

/// Lets everybody in as whoever this is.
struct Anybody;

impl Judge for Anybody {
    fn offers(&self) -> Offers {
        Joe.offers()
    }

    fn gives_identity(&self) -> bool {
        false
    }

    fn check(&self, attempt: &Attempt, _: &Env) -> Verdict {
        Verdict::Yes(Entry {
            user: attempt.login.clone(),
            identity: None,
            variables: Vec::new(),
        })
    }
}

/// The same, and does not say so beforehand.
struct Liar;

impl Judge for Liar {
    fn offers(&self) -> Offers {
        Joe.offers()
    }

    fn gives_identity(&self) -> bool {
        true
    }

    fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        Anybody.check(attempt, env)
    }
}

fn find(words: &[OsString]) -> Option<(Box<dyn Judge>, usize)> {
    let (first, rest) = words.split_first()?;
    let judge: Box<dyn Judge> = match first.to_str() {
        Some("joe") => Box::new(Joe),
        Some("anybody") => Box::new(Anybody),
        Some("liar") => Box::new(Liar),
        _ => return None,
    };
    Some((judge, rest.len()))
}

/// Answers each line with the line and what it knows; QUIT ends it.
fn mail(call: Call) -> Exit {
    let limits = Limits {
        read: Duration::from_secs(20),
        session_end: Instant::now() + Duration::from_secs(60),
    };
    let Ok(mut conn) = Conn::standard(limits) else {
        return Exit::TEMPORARY;
    };
    conn.resume(&call.ahead);
    let mut known = Vec::new();
    for name in [
        "USER",
        "HOME",
        "AUTH",
        "POP3_UTF8",
        "IMAPLOGINTAG",
        "AUTHENTICATED",
        "SSL_PROTOCOL",
        "SSLCTLFD",
        "UCSPITLS",
    ] {
        if let Some(value) = call.env.bytes(name) {
            known.extend_from_slice(format!(" {name}=").as_bytes());
            known.extend_from_slice(value);
        }
    }
    let reply = |conn: &mut Conn, text: &[u8]| {
        conn.reply(&[b"+OK ", text, b"\r\n"].concat());
    };
    reply(&mut conn, &[b"mail", &known[..]].concat());
    let mut line = Vec::new();
    while matches!(conn.read_line(&mut line, 512), Ok(Line::Whole)) {
        reply(&mut conn, &line);
        if line == b"QUIT" {
            let done = conn.flush().is_ok();
            return if done { Exit::OK } else { Exit::NO };
        }
    }
    Exit::NO
}

fn main() -> std::process::ExitCode {
    serve("popup", &popup::POP3)
}

/// The program of that name.
pub fn serve(name: &str, protocol: &Protocol) -> std::process::ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut call = Call::of_process(name, words, APPLETS);
    // A TLS program: one socket for each of the three descriptors, in this order.
    if let Some(path) = call.env.get("TLS_PROGRAM").map(ToOwned::to_owned) {
        for name in ["SSLCTLFD", "SSLREADFD", "SSLWRITEFD"] {
            if let Ok(socket) = UnixStream::connect(&path) {
                let number = socket.into_raw_fd().to_string();
                call.env.set(name, number.as_bytes());
            }
        }
        call.env.remove("TLS_PROGRAM");
    }
    // What the tests look for in the child: it must not be there.
    if let Some(path) = call.env.get("LEAVE_OPEN")
        && let Ok(file) = std::fs::File::open(path)
    {
        let _ = os::fd::place(file.as_fd(), 9);
    }
    let exit = login::serve_with(call, protocol, find);
    let _ = std::io::stdout().flush();
    exit.into()
}
