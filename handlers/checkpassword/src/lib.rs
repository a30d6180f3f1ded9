//! checkpassword, checkpw, checkapoppw, selectcheckpw and check-via: a chain that goes on only for who is let in.
//!
//! `checkpassword prog args...` reads a login from descriptor 3, and becomes `prog` as the user. Exit codes
//! are those of the interface: 1 for whom it does not let in, 2 for a call that makes no sense, 111 for
//! what may work later. The originals say nothing at all; here one line on descriptor 2 tells why,
//! unless that is the connection itself, as it is under the popup of qmail 1.03.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use auth::attempt::{Method, RECORD_LIMIT};
use auth::{Attempt, Checker, EntryError, RecordError, Verdict};
use chain::{Call, Env};
use os::Exit;
use wire::Log;
use zeroize::Zeroizing;

/// The descriptor of the interface.
const DESCRIPTOR: i32 = 3;

/// How long a caller may take to write its record.
const TIME: Duration = Duration::from_secs(60);

/// What the interface says for a call that makes no sense.
const MISUSED: Exit = Exit(2);

/// Why nobody was let in.
#[derive(Debug)]
struct Refused {
    exit: Exit,
    user: Option<Vec<u8>>,
    why: String,
}

/// checkpassword, checkpw, checkapoppw, selectcheckpw or check-via, by the name it was called under.
pub fn main(call: Call) -> Exit {
    let name = call.name.clone();
    let client = call.env.bytes("TCPREMOTEIP").map(<[u8]>::to_vec);
    match admit(call) {
        Ok(call) => call.finish(),
        Err(refused) => {
            tell(&name, client.as_deref(), &refused);
            refused.exit
        }
    }
}

/// The call as it goes on after a login that was let in.
fn admit(mut call: Call) -> Result<Call, Refused> {
    let refused = |exit, why: &str| Refused {
        exit,
        user: None,
        why: why.to_owned(),
    };
    let mut words = vec![OsString::from(&call.name)];
    words.append(&mut call.args);
    let Some((checker, program)) = Checker::of(&words) else {
        let own = match call.name.as_str() {
            "check-via" => " path",
            "checkpassword" => " [-e] [-s service]",
            _ => "",
        };
        let why = format!("usage: {}{own} prog args...", call.name);
        return Err(refused(MISUSED, &why));
    };
    let method = method(&call.name, &call.env).map_err(|why| refused(Exit::NO, why))?;
    let record = read_record()?;
    let attempt = Attempt::parse(&record, method).map_err(|error| {
        let exit = match error {
            RecordError::TooLong => Exit::NO,
            RecordError::Missing | RecordError::Nul => MISUSED,
        };
        refused(exit, &error.to_string())
    })?;
    drop(record);
    let refused = |exit, why| Refused {
        exit,
        user: Some(attempt.login.clone()),
        why,
    };
    let bound = auth::bound::begin().map_err(|error| {
        let why = format!("unable to set an alarm: {}", os::reason(&error));
        refused(Exit::TEMPORARY, why)
    })?;
    let entry = match checker.check(&attempt, &call.env) {
        Verdict::Yes(entry) => entry,
        Verdict::No(why) => return Err(refused(Exit::NO, why)),
        Verdict::Temporary(why) => return Err(refused(Exit::TEMPORARY, why)),
        Verdict::Permanent(why) => return Err(refused(MISUSED, why)),
    };
    call.args = program.to_vec();
    let login = chain::Login {
        user: &entry.user,
        how: attempt.method().as_bytes(),
    };
    call.before_entry(login)
        .map_err(|why| refused(Exit::TEMPORARY, why))?;
    entry.enter(&mut call.env).map_err(|error| {
        let exit = match error {
            EntryError::Root => Exit::NO,
            _ => Exit::TEMPORARY,
        };
        refused(exit, error.to_string())
    })?;
    // What comes next has all the time it wants.
    drop(bound);
    Ok(call)
}

/// What the second field is. For who verifies passwords alone it is one whatever `AUTH` says, as the
/// originals do not look at that; who verifies digests alone goes by it only to tell CRAM-MD5,
/// which the originals do not know, from APOP.
fn method(name: &str, env: &Env) -> Result<Method, &'static str> {
    let told = env.bytes("AUTH").and_then(Method::of_auth);
    match (name, told) {
        ("checkpassword" | "checkpw", _) => Ok(Method::Password),
        ("checkapoppw", Some(Method::Cram)) => Ok(Method::Cram),
        ("checkapoppw", _) => Ok(Method::Apop),
        (_, Some(method)) => Ok(method),
        ("selectcheckpw", None) => Err(
            "AUTH is not pop, apop or cram: popup must set it (qmail-popup does with the auth patch)",
        ),
        (_, None) => Ok(Method::Password),
    }
}

/// What descriptor 3 gives; it is closed afterwards.
fn read_record() -> Result<Zeroizing<Vec<u8>>, Refused> {
    let read = || {
        let fd = os::fd::take(DESCRIPTOR)?;
        read_bounded(fd.as_fd(), Instant::now() + TIME)
    };
    read().map_err(|error: io::Error| Refused {
        exit: Exit::TEMPORARY,
        user: None,
        why: format!("unable to read descriptor 3: {}", os::reason(&error)),
    })
}

/// All of it to its end, or to one byte more than a record may have.
fn read_bounded(fd: BorrowedFd<'_>, deadline: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; RECORD_LIMIT + 1]);
    let mut filled = 0;
    while filled < buffer.len() {
        match os::fd::read_until(fd, &mut buffer[filled..], deadline)? {
            0 => break,
            count => filled += count,
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

fn tell(name: &str, client: Option<&[u8]>, refused: &Refused) {
    if is_connection() {
        return;
    }
    let mut log = Log::new(name, client);
    let event = match refused.exit {
        Exit::NO => "refuse",
        _ => "fault",
    };
    let mut line = log.event(event);
    if let Some(user) = &refused.user {
        line = line.field("user", user);
    }
    line.field("reason", refused.why.as_bytes()).say();
}

/// Whether descriptor 2 is what the client reads.
fn is_connection() -> bool {
    let identity = |fd: BorrowedFd<'_>| {
        let meta = File::from(fd.try_clone_to_owned().ok()?).metadata().ok()?;
        // A terminal or a file may well be both.
        let is_stream = meta.mode() & 0o170_000 == 0o140_000;
        is_stream.then_some((meta.dev(), meta.ino()))
    };
    let error = identity(io::stderr().as_fd());
    error.is_some() && error == identity(io::stdout().as_fd())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn auth_says_what_the_second_field_is_only_to_programs_that_can_verify_both() {
        const PASSWORD: Option<Method> = Some(Method::Password);
        const APOP: Option<Method> = Some(Method::Apop);
        const CRAM: Option<Method> = Some(Method::Cram);
        // By AUTH=pop, apop and cram, and by anything else and nothing.
        for (name, told, default) in [
            ("checkpassword", [PASSWORD, PASSWORD, PASSWORD], PASSWORD),
            ("checkpw", [PASSWORD, PASSWORD, PASSWORD], PASSWORD),
            ("checkapoppw", [APOP, APOP, CRAM], APOP),
            ("selectcheckpw", [PASSWORD, APOP, CRAM], None),
            ("check-via", [PASSWORD, APOP, CRAM], PASSWORD),
        ] {
            let by = |value| method(name, &[("AUTH", value)].into_iter().collect()).ok();
            assert_eq!(["pop", "apop", "cram"].map(by), told, "{name}");
            assert_eq!(["POP", "", "cram-md5"].map(by), [default; 3], "{name}");
            assert_eq!(method(name, &Env::default()).ok(), default, "{name}");
        }
    }

    #[test]
    fn a_record_is_read_to_its_end_and_never_far_beyond_its_limit() {
        for (given, taken) in [(0, 0), (1, 1), (512, 512), (513, 513), (5000, 513)] {
            let (reader, mut writer) = io::pipe().expect("a pipe");
            writer.write_all(&vec![b'x'; given]).expect("room");
            drop(writer);
            let deadline = Instant::now() + Duration::from_secs(20);
            let record = read_bounded(reader.as_fd(), deadline).expect("readable");
            assert_eq!(record.len(), taken, "{given}");
        }
    }

    #[test]
    fn a_caller_who_does_not_close_his_end_is_not_waited_for() {
        let (reader, mut writer) = io::pipe().expect("a pipe");
        writer.write_all(b"joe\0pw\0").expect("room");
        let deadline = Instant::now() + Duration::from_millis(30);
        let error = read_bounded(reader.as_fd(), deadline).expect_err("no end");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn without_a_program_to_go_on_with_nothing_is_read() {
        for (name, args) in [
            ("checkpw", &[][..]),
            ("checkpassword", &["-s", "pop3"]),
            ("check-via", &["/run/authd"]),
        ] {
            let call = Call {
                name: name.to_owned(),
                args: args.iter().map(OsString::from).collect(),
                env: Env::default(),
                ahead: Vec::new(),
                applets: &[],
            };
            let refused = admit(call).expect_err("no program");
            assert_eq!(refused.exit, MISUSED, "{name}");
            assert!(refused.why.starts_with("usage: "), "{}", refused.why);
        }
    }
}
