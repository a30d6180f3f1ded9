//! rblsmtpd: runs an SMTP server, unless a list in the DNS or the administrator says that this
//! client gets none; then it says so to the client.
//!
//! It promises:
//! - **the answers of the original**, byte for byte, and its verdicts ([`verdict`]); IPv6 clients
//!   are looked up by RFC 5782, where the original asks for names that no list has;
//! - **no client waits for long**: all sources are asked at once, under one deadline ([`lookups`]);
//! - **nothing is read ahead** of a program that follows, which is called where it is ours and
//!   executed where not;
//! - **root reads nothing from the network**: the look-ups are a child's that is nobody, and whoever
//!   talks to a client that is not served is nobody, too ([`conversation`]).

pub mod conversation;
pub mod lookups;
pub mod options;
pub mod verdict;

use std::net::IpAddr;

use chain::{Call, Env};
use os::Exit;
use os::identity::Identity;

use crate::lookups::LookUps;
use crate::options::{Mistake, Options};
use crate::verdict::{Refusal, Verdict};

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
    let address = call.env.bytes("TCPREMOTEIP").and_then(address);
    let Some(address) = address.filter(|_| !options.sources.is_empty()) else {
        return Ok(Verdict::Serve);
    };
    let look_ups = LookUps::new(&call.name, &options.sources, address, &call.env);
    Ok(match nobody(&call.env)? {
        Some(who) => look_ups.verdict_apart(who),
        None => look_ups.verdict(),
    })
}

/// The client's address; one of IPv4 in the form of IPv6 is what it is, and the interface of a
/// link-local one is not looked up.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok()?;
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
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
    os::process::no_new_privileges()
        .and_then(|()| os::process::not_dumpable())
        .map_err(|error| format!("unable to give up privileges: {}", os::reason(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_client_whatever_its_form() {
        let read = |text: &str| address(text.as_bytes()).map(|address| address.to_string());
        assert_eq!(read("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("2001:DB8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("fe80::1%eth0").as_deref(), Some("fe80::1"));
        for none in ["", "x", "192.0.2", "192.0.2.1 ", "[::1]"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
