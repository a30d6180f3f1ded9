//! rblsmtpd: runs an SMTP server, unless a list in the DNS or the administrator says that this
//! client gets none; then it says so to the client.
//!
//! It promises:
//! - **the answers of the original**, byte for byte, and its verdicts ([`mod@verdict`]); IPv6 clients
//!   are looked up by RFC 5782, where the original asks for names that no list has;
//! - **no client waits for long**: all sources are asked at once, under one deadline ([`lookups`]);
//! - **nothing is read ahead** of a program that follows, which is called where it is ours and
//!   executed where not;
//! - **root reads nothing from the network**: the look-ups are a child's that is nobody, and whoever
//!   talks to a client that is not served is nobody, too ([`conversation`]).

pub mod conversation;
pub mod options;

pub use blocklist::{lookups, record, verdict};

use std::time::Duration;

use chain::{Call, Env};
use os::Exit;
use os::identity::Identity;

use crate::lookups::LookUps;
use crate::options::{Mistake, Options};
use crate::verdict::{Refusal, Verdict};

/// The time for all sources together.
const DEADLINE: Duration = Duration::from_secs(10);

/// The most bytes of `$TCPREMOTEIP` that the log gets.
const SHOWN_LIMIT: usize = 200;

/// The program: `[options] program args`. In a chain nobody can tell from outside where its own
/// words end, so it stands there as one without any: with options it is not joined.
pub fn main(mut call: Call) -> Exit {
    let name = call.name.clone();
    let options = match Options::of(std::mem::take(&mut call.args)) {
        Ok(options) => options,
        Err(mistake) => return usage(&name, &mistake),
    };
    let verdict = match verdict(&call, &options) {
        Ok(verdict) => verdict,
        Err(reason) => return fault(&name, &reason),
    };
    let refusal = match verdict {
        Verdict::Serve => {
            call.args = options.program;
            return call.finish();
        }
        Verdict::Refuse(refusal) => refusal,
    };
    say(&call, &refusal);
    let _ = os::signals::ignore_pipe();
    if let Err(reason) = be_nobody(&call.env) {
        return fault(&name, &reason);
    }
    match conversation::refuse(&refusal, options.time, &call.ahead) {
        Ok(()) => Exit::OK,
        Err(error) => {
            let reason = os::reason(&error);
            fault(
                &name,
                &format!("unable to use descriptors 0 and 1: {reason}"),
            )
        }
    }
}

fn usage(name: &str, mistake: &Mistake) -> Exit {
    if let Mistake::Option(bad) = mistake {
        os::log::say(format!("{name}: {bad}\n").as_bytes());
    }
    let words = "[ -bBcC ] [ -t timeout ] [ -r base ] [ -a base ] program [ arg ... ]";
    os::log::say(format!("{name}: usage: {name} {words}\n").as_bytes());
    Exit::PERMANENT
}

fn fault(name: &str, reason: &str) -> Exit {
    os::log::fatal(name, reason);
    Exit::TEMPORARY
}

/// What becomes of the client. The error is a sentence.
fn verdict(call: &Call, options: &Options) -> Result<Verdict, String> {
    if let Some(value) = call.env.bytes("RBLSMTPD") {
        return Ok(Verdict::of_variable(value));
    }
    let address = call.env.bytes("TCPREMOTEIP").and_then(blocklist::address);
    let Some(address) = address.filter(|_| !options.sources.is_empty()) else {
        return Ok(Verdict::Serve);
    };
    let servers = call.env.bytes("DNSCACHEIP");
    let look_ups = LookUps::new(&options.sources, address, servers, DEADLINE);
    let warn = &mut |reason: &str| {
        os::log::say_nowait(format!("{}: warning: {reason}\n", call.name).as_bytes());
    };
    Ok(match nobody(&call.env)? {
        Some(who) => look_ups.verdict_apart(who, warn),
        None => look_ups.verdict(warn),
    })
}

/// The line of the log, which is the original's.
fn say(call: &Call, refusal: &Refusal) {
    let ip = call.env.bytes("TCPREMOTEIP").unwrap_or_default();
    let ip = ip[..ip.len().min(SHOWN_LIMIT)].escape_ascii();
    let refusal = String::from_utf8_lossy(refusal.line());
    let pid = std::process::id();
    os::log::say_nowait(format!("{}: {ip} pid {pid}: {refusal}\n", call.name).as_bytes());
}

/// Whom root becomes; `None` where this is not root.
fn nobody(env: &Env) -> Result<Option<Identity>, String> {
    if os::identity::effective_uid() != 0 {
        return Ok(None);
    }
    os::identity::unprivileged(env.bytes("SUPERD_UNPRIV")).map(Some)
}

/// Gives up what privileges there are, for good. The error is a sentence.
fn be_nobody(env: &Env) -> Result<(), String> {
    if let Some(who) = nobody(env)? {
        os::identity::become_user(who).map_err(|error| error.to_string())?;
    }
    os::confine::keep_to_itself()
        .map_err(|error| format!("unable to give up privileges: {}", os::reason(&error)))
}
