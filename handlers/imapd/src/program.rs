//! The program: `imapd Maildir`.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use chain::Call;
use maildir::Maildir;
use maildir::tree::Tree;
use os::Exit;
use wire::{Conn, Limits, Log};

use crate::session::Session;
use crate::settings::Settings;

/// Why a client is not served, as it hears it.
const BAD_SETTINGS: &str = "[SERVERBUG] This server is not set up to serve you.";
const NO_MAILDIR: &str = "[UNAVAILABLE] Your mailbox cannot be opened.";

/// The program: `imapd Maildir`, in the home directory of the user who it runs as. Without an argument
/// the variable MAILDIR says where the Maildir is.
///
/// The exit code is 0 once there is a conversation, whatever becomes of it: whoever runs a
/// checkpassword chain takes any other for a login that failed. It is 1 for uid 0, which is not
/// served and gets no reply from here: the program that started this one has its own for that.
pub fn main(call: Call) -> Exit {
    let _ = os::signals::ignore_pipe();
    // A file over the limit of file sizes is one that is not written, and no end.
    let _ = os::signals::ignore_file_size();
    // Much is needed to open a large mailbox, and little while a client has it open.
    os::memory::give_back_large_blocks();
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
    let prepared = prepare(call, &mut log);
    let limits = match &prepared {
        Ok((_, settings)) => Limits::lasting(start, settings.timeout, settings.session),
        Err(_) => Limits::to_refuse(start),
    };
    let mut conn = match connect(limits) {
        Ok(conn) => conn,
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            return Exit::TEMPORARY;
        }
    };
    // A reply in several pieces must not wait for the client's acknowledgement of the first. On a pipe
    // there is no such thing.
    let _ = os::socket::set_nodelay(os::fd::standard_output().as_fd());
    conn.resume(&call.ahead);
    match prepared {
        Ok((tree, settings)) => Session::new(conn, log, settings, tree).run(),
        Err(reply) => refuse(call, conn, reply),
    }
    Exit::OK
}

/// Answers the login, if there was one, and says goodbye.
fn refuse(call: &Call, mut conn: Conn, reply: &str) {
    if let Some(tag) = call.env.bytes("IMAPLOGINTAG").filter(|tag| !tag.is_empty()) {
        conn.reply(tag);
        conn.reply(format!(" NO {reply}\r\n").as_bytes());
    }
    conn.reply(format!("* BYE {reply}\r\n").as_bytes());
    // Whoever does not read it is not served, either.
    let _ = conn.flush();
}

/// Looks whether there is a Maildir. The error is a sentence.
fn open(dir: &Path) -> Result<(), String> {
    let path = dir.join("cur");
    match std::fs::read_dir(&path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = os::reason(&error);
            Err(format!("unable to open {}: {reason}", path.display()))
        }
    }
}

/// Reads the settings and finds the Maildir. What is wrong with either is in the log afterwards.
fn prepare(call: &Call, log: &mut Log) -> Result<(Tree, Settings), &'static str> {
    let user = crate::settings::user(&call.env);
    let mut say = |event: &str, reason: &str| {
        log.event(event)
            .field("user", user)
            .field("reason", reason.as_bytes())
            .say();
    };
    let settings = Settings::read(&call.env).map_err(|error| {
        say("fault", &error.to_string());
        BAD_SETTINGS
    })?;
    for warning in &settings.warnings {
        say("warning", warning);
    }
    let dir = match call.args.first() {
        Some(dir) => dir.as_os_str(),
        None => call.env.get("MAILDIR").unwrap_or_default(),
    };
    if dir.is_empty() {
        say("fault", "no Maildir is named");
        return Err(NO_MAILDIR);
    }
    let dir = Path::new(dir);
    let maildir = Maildir::at(dir.to_owned());
    if let Err(reason) = open(dir) {
        // Only looked for once it has shown that it is not there.
        let made = maildir::provide(dir).map_err(|error| error.to_string());
        match made.and_then(|made| if made { Ok(()) } else { Err(reason) }) {
            Ok(()) => say("made", "the user had no Maildir"),
            Err(reason) => {
                say("fault", &reason);
                return Err(NO_MAILDIR);
            }
        }
    }
    let tree = Tree::new(PathBuf::from(dir));
    let now = SystemTime::now();
    maildir.sweep(now);
    tree.sweep(now);
    Ok((tree, settings))
}
