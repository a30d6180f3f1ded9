//! pop3d: POP3 after the login (RFC 1939), for the user who it runs as, on descriptors 0 and 1.
//!
//! It promises:
//! - **nothing is lost**: messages are removed and moved after QUIT and at no other time; one that
//!   cannot be sent whole ends the connection and not in an end mark;
//! - **numbers are right**: LIST says how many octets RETR sends, STAT leaves deleted messages out,
//!   and a number is a number or refused;
//! - **ids are ids**: always legal, never the same for two messages, and by choice those of the
//!   server that was here before ([`uidl`]);
//! - **nothing grows**: lines, time and the errors of a session have limits, and memory does not
//!   depend on the size of a message;
//! - **everything is told**: one log line a session, and one for each fault.
//!
//! Dialogue and texts are qmail-pop3d's; where this differs on purpose pop3d(8) says so under
//! COMPATIBILITY.
//!
//! The rooms: [`settings`] reads what decides; [`session`] is the dialogue, over [`store`] and
//! [`output`], which tests replace; [`retrieve`] sends a message by way of [`stuff`] and [`top`],
//! which are pure, as are [`number`] and [`uidl`].

pub mod number;
pub mod output;
pub mod replies;
pub mod retrieve;
pub mod session;
pub mod settings;
pub mod store;
pub mod stuff;
pub mod top;
pub mod uidl;

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use chain::Call;
use maildir::{Mailbox, MailboxError, Options};
use os::Exit;
use wire::{Conn, Limits, Log};

use crate::session::Session;
use crate::settings::Settings;
use crate::store::Messages;

/// How long a client may take to read that it is not served.
const REFUSAL_TIME: Duration = Duration::from_secs(60);

/// How many threads read the messages of a large mailbox whose sizes are not known yet. (Asking how
/// many processors there are costs more than a whole small session.)
const THREADS: usize = 4;

/// What is locked where only one session at a time is wanted. A file of its own, for a lock on the
/// directory is not to be had on NFS.
const LOCK_FILE: &str = "superd-pop3-lock";

/// The program: `pop3d Maildir`, in the home directory of the user who it runs as.
///
/// The exit code is 0 once there is a conversation, whatever becomes of it: whoever runs a
/// checkpassword chain takes any other for a login that failed. It is 1 for uid 0, which is not
/// served and gets no reply from here: the program that started this one has its own for that.
pub fn main(call: Call) -> Exit {
    let _ = os::signals::ignore_pipe();
    if os::identity::effective_uid() == 0 {
        os::log::fatal(&call.name, "invoked as uid 0, terminating");
        return Exit::NO;
    }
    let ip = call.env.bytes("TCPREMOTEIP").unwrap_or(b"unknown");
    let mut log = Log::new(&call.name, Some(ip));
    let settings = Settings::read(&call.env);
    let now = Instant::now();
    let limits = match &settings {
        Ok(settings) => Limits {
            read: settings.timeout,
            session_end: now.checked_add(settings.session).unwrap_or(now),
        },
        Err(_) => Limits {
            read: REFUSAL_TIME,
            session_end: now + REFUSAL_TIME,
        },
    };
    let mut conn = match Conn::standard(limits) {
        Ok(conn) => conn,
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            return Exit::TEMPORARY;
        }
    };
    conn.resume(&call.ahead);
    match settings {
        Ok(settings) => serve(call.args.first(), conn, log, settings),
        Err(error) => {
            let user = call.env.bytes("USER").unwrap_or_default().to_vec();
            refuse(conn, log, &user, &error.to_string(), replies::SETTINGS);
        }
    }
    Exit::OK
}

/// Serves the Maildir `dir`, or says why not.
fn serve(dir: Option<&OsString>, conn: Conn, mut log: Log, settings: Settings) {
    for warning in &settings.warnings {
        log.event("warning")
            .field("user", &settings.user)
            .field("reason", warning.as_bytes())
            .say();
    }
    let user = settings.user.clone();
    // Locked until the session is over.
    let mut lock = None;
    match open(dir, &settings, &mut lock) {
        Ok(messages) => Session::new(messages, conn, log, settings).run(),
        Err(Refusal { reason, reply }) => refuse(conn, log, &user, &reason, reply),
    }
}

/// Why a mailbox is not served, for the log, and what the client hears.
#[derive(Debug)]
struct Refusal {
    reason: String,
    reply: &'static str,
}

/// Opens the mailbox. A lock that is taken is put into `lock`.
fn open(
    dir: Option<&OsString>,
    settings: &Settings,
    lock: &mut Option<File>,
) -> Result<Messages, Refusal> {
    let Some(dir) = dir.filter(|dir| !dir.is_empty()).map(Path::new) else {
        return Err(Refusal {
            reason: "no Maildir is named".to_owned(),
            reply: replies::NO_MAILDIR,
        });
    };
    if settings.lock {
        *lock = Some(take_lock(dir)?);
    }
    maildir::Maildir::at(dir.to_owned()).sweep(SystemTime::now());
    let options = Options {
        threads: THREADS,
        index: settings.index,
    };
    let mailbox = Mailbox::open(dir, &options).map_err(|error| Refusal {
        reason: error.to_string(),
        reply: match error {
            MailboxError::NoMaildir(..) => replies::NO_MAILDIR,
            MailboxError::Scan(..) => replies::NO_SCAN,
        },
    })?;
    Ok(Messages::new(mailbox, settings.sync))
}

fn take_lock(dir: &Path) -> Result<File, Refusal> {
    let path = dir.join(LOCK_FILE);
    let failed = |error: std::io::Error| Refusal {
        reason: format!("unable to lock {}: {}", path.display(), os::reason(&error)),
        reply: match dir.is_dir() {
            true => replies::NO_LOCK,
            false => replies::NO_MAILDIR,
        },
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Refusal {
            reason: format!("another session has locked {}", path.display()),
            reply: replies::IN_USE,
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Says to the client that it is not served, and to the log why.
fn refuse(mut conn: Conn, mut log: Log, user: &[u8], reason: &str, reply: &str) {
    log.event("fault")
        .field("user", user)
        .field("reason", reason.as_bytes())
        .say();
    conn.reply(reply.as_bytes());
    conn.reply(b"\r\n");
    // Whoever does not read it is not served, either.
    let _ = conn.flush();
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
