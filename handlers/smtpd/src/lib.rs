//! smtpd: SMTP in, for whatever runs it on descriptors 0 and 1.
//!
//! It promises:
//! - **nothing is relayed** that the rules do not allow: see [`hosts`], and RELAYCLIENT;
//! - **nothing is lost**: 250 after DATA is said only after the queue program has said that it has
//!   the message; a client that goes away in the middle has sent nothing ([`handoff`]);
//! - **nothing is smuggled**: CRLF.CRLF is the only end of data (`wire::data`);
//! - **nothing grows**: lines, recipients, messages, errors and time have limits; memory does not
//!   depend on the size of a message;
//! - **everything is told**: one log line for each message taken and for each thing refused.
//!
//! Dialogue, control files, environment and reply texts are qmail-smtpd's; where this differs on
//! purpose smtpd(8) says so under COMPATIBILITY.
//!
//! The rooms: [`settings`] reads what decides; [`hosts`] is pure, as is the grammar in `smtp`;
//! [`session`] is the dialogue and [`data`] the message in it; [`handoff`] is the queue programs.

pub mod data;
pub mod handoff;
pub mod hosts;
pub mod replies;
pub mod session;
pub mod settings;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use os::Exit;
use wire::{Conn, Limits, Log};

use crate::session::Session;
use crate::settings::{Settings, World};

/// How long a client may take to read that it is not served.
const REFUSAL_TIME: Duration = Duration::from_secs(60);

/// The program. It has no options; arguments (a checkpassword program, for AUTH) are not used yet.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    let _ = os::signals::ignore_pipe();
    let _ = os::signals::default_child();
    let ip = std::env::var_os("TCPREMOTEIP");
    let mut log = Log::new(
        name,
        Some(ip.as_deref().map_or(b"unknown", OsStrExt::as_bytes)),
    );
    let mut warn = |reason: &str| {
        log.event("warning")
            .field("reason", reason.as_bytes())
            .say();
    };
    if !args.is_empty() {
        warn("arguments are ignored: this version has no AUTH");
    }
    if os::identity::effective_uid() == 0 {
        warn("this runs as root and need not: give superd the options -u and -g");
    }
    let world = World {
        variable: &|name| std::env::var_os(name),
        host_name: os::process::host_name,
        program: &|name| os::programs::resolve(name, std::env::var_os("PATH").as_deref()),
    };
    match Settings::read(&world) {
        Ok(settings) => serve(settings, log),
        Err(error) => {
            let reason = error.to_string();
            log.event("fault").field("reason", reason.as_bytes()).say();
            refuse();
            Exit::NO
        }
    }
}

fn serve(settings: Settings, mut log: Log) -> Exit {
    let now = Instant::now();
    let limits = Limits {
        read: settings.limits.timeout,
        session_end: now.checked_add(settings.limits.session).unwrap_or(now),
    };
    match Conn::standard(limits) {
        Ok(conn) => Session::new(conn, log, settings).run(),
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            Exit::NO
        }
    }
}

/// Says that the configuration cannot be used; the log has said why.
fn refuse() {
    let limits = Limits {
        read: REFUSAL_TIME,
        session_end: Instant::now() + REFUSAL_TIME,
    };
    if let Ok(mut conn) = Conn::standard(limits) {
        conn.reply(replies::NO_CONTROLS.as_bytes());
        conn.reply(b"\r\n");
        // Whoever does not read it is not served, either.
        let _ = conn.flush();
    }
}
