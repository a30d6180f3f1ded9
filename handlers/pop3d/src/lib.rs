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

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use chain::Call;
use maildir::{Mailbox, MailboxError, Maildir, Options};
use os::Exit;
use wire::{Conn, Limits, Log};

use crate::session::Session;
use crate::settings::Settings;
use crate::store::Messages;

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
    // An index over the limit of file sizes is one that is not written, and no end.
    let _ = os::signals::ignore_file_size();
    if os::identity::effective_uid() == 0 {
        os::log::fatal(&call.name, "invoked as uid 0, terminating");
        return Exit::NO;
    }
    let ip = call.env.bytes("TCPREMOTEIP").unwrap_or(b"unknown");
    let log = Log::new(&call.name, Some(ip));
    converse(&call, log, Conn::standard)
}

/// The program over whatever `connect` connects it to.
fn converse(call: &Call, mut log: Log, connect: impl FnOnce(Limits) -> io::Result<Conn>) -> Exit {
    let start = Instant::now();
    // Before the conversation has its buffer, so that this takes the memory that opening leaves.
    let opened = prepare(call, &mut log);
    let limits = match &opened {
        Ok((_, settings)) => Limits::lasting(start, settings.timeout, settings.session),
        Err(_) => Limits::to_refuse(start),
    };
    match connect(limits) {
        Ok(mut conn) => {
            conn.resume(&call.ahead);
            serve(opened, conn, log);
            Exit::OK
        }
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            Exit::TEMPORARY
        }
    }
}

/// Reads the settings and opens the mailbox. What is wrong with either is in the log afterwards.
fn prepare(call: &Call, log: &mut Log) -> Result<(Opened, Settings), &'static str> {
    let user = call.env.bytes("USER").unwrap_or_default();
    let mut say = |event: &str, reason: &str| {
        log.event(event)
            .field("user", user)
            .field("reason", reason.as_bytes())
            .say();
    };
    let settings = Settings::read(&call.env).map_err(|error| {
        say("fault", &error.to_string());
        replies::SETTINGS
    })?;
    for warning in &settings.warnings {
        say("warning", warning);
    }
    let dir = call.args.first().map(Path::new);
    let opened = open(dir, &settings).or_else(|refusal| {
        // Only looked for once it has shown that it is not there.
        let dir = dir.filter(|_| refusal.reply == replies::NO_MAILDIR);
        match dir.map(maildir::provide) {
            Some(Ok(true)) => {
                say("made", "the user had no Maildir");
                open(dir, &settings)
            }
            Some(Err(error)) => Err(Refusal {
                reason: error.to_string(),
                ..refusal
            }),
            Some(Ok(false)) | None => Err(refusal),
        }
    });
    let opened = opened.map_err(|Refusal { reason, reply }| {
        say("fault", &reason);
        reply
    })?;
    Ok((opened, settings))
}

/// Speaks to a client over the mailbox, or tells it why there is none.
fn serve(opened: Result<(Opened, Settings), &'static str>, mut conn: Conn, log: Log) {
    match opened {
        Ok((Opened { messages, lock }, settings)) => {
            Session::new(messages, conn, log, settings).run();
            // Held until now.
            drop(lock);
        }
        Err(reply) => {
            conn.reply(reply.as_bytes());
            conn.reply(b"\r\n");
            // Whoever does not read it is not served, either.
            let _ = conn.flush();
        }
    }
}

/// A mailbox, and the lock on it where that is wanted.
#[derive(Debug)]
struct Opened {
    messages: Messages,
    lock: Option<File>,
}

/// Why a mailbox is not served, for the log, and what the client hears.
#[derive(Debug)]
struct Refusal {
    reason: String,
    reply: &'static str,
}

fn open(dir: Option<&Path>, settings: &Settings) -> Result<Opened, Refusal> {
    let Some(dir) = dir.filter(|dir| !dir.as_os_str().is_empty()) else {
        return Err(Refusal {
            reason: "no Maildir is named".to_owned(),
            reply: replies::NO_MAILDIR,
        });
    };
    let lock = match settings.lock {
        true => Some(take_lock(dir)?),
        false => None,
    };
    Maildir::at(dir.to_owned()).sweep(SystemTime::now());
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
    Ok(Opened {
        messages: Messages::new(mailbox, settings.sync),
        lock,
    })
}

fn take_lock(dir: &Path) -> Result<File, Refusal> {
    let path = dir.join(LOCK_FILE);
    let failed = |error: io::Error| Refusal {
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

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
