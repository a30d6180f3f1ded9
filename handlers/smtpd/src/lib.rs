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
//! [`mod@settings`], [`limits`] and [`transport`] read from [`sources`] what decides. [`session`] is one conversation:
//! what is said is [`smtp::dialogue`]'s, which lmtpd shares; `transaction` is the message under way, `policy` who
//! the client is and what it may do. [`decide`] is the decision about one recipient, [`hosts`] the rule against
//! relaying, [`handoff`] who takes the message.

pub mod check;
pub mod checker;
mod client_rules;
pub mod decide;
pub mod dnsbl;
pub mod explain;
pub mod handoff;
pub mod hosts;
pub mod keyfile;
pub mod limits;
pub mod lists;
pub mod make_cdb;
mod plugin_env;
pub mod policy;
pub mod query;
pub mod rcptcheck;
pub mod replies;
pub mod sanitize;
pub mod session;
pub mod settings;
pub mod sources;
pub mod spp;
#[cfg(test)]
mod test_support;
mod transaction;
pub mod transport;
mod xclient;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use chain::tls::Door;
use chain::{Applet, Call, Env};
use os::Exit;
use wire::{Conn, Limits, Log};

use crate::policy::Context;
use crate::query::QueryOptions;
use crate::session::Session;
use crate::settings::Settings;
use crate::sources::{SettingsError, Sources};

/// What stands behind the name.
const USAGE: &str = "[ checkprogram subprogram [ arg ... ] ] | --check [ -u user ] [ -g group ] \
    [ checkprogram ... ] | --explain [ -u user ] [ -g group ] [ -x rules.cdb ] [ --relay dir ] ip from to \
    | --make-cdb list";

/// The program. Its words are a checkpassword program and what that is to run, for AUTH; or, for
/// people, one of the options that answer a question and serve nobody.
pub fn main(mut call: Call) -> Exit {
    if let Some((first, rest)) = call.args.split_first()
        && first.as_bytes().starts_with(b"-")
    {
        let answer = match first.as_bytes() {
            b"--check" => QueryOptions::of(rest, false).map(|asked| check::main(&call, &asked)),
            b"--explain" => {
                QueryOptions::of(rest, true).and_then(|asked| explain::main(&call, &asked))
            }
            b"--make-cdb" => Some(make_cdb::main(&call, rest)),
            _ => None,
        };
        return answer.unwrap_or_else(|| {
            let name = &call.name;
            os::log::say(format!("{name}: usage: {name} {USAGE}\n").as_bytes());
            Exit::PERMANENT
        });
    }
    let _ = os::signals::ignore_pipe();
    let _ = os::signals::default_child();
    // A log file of limited size is no reason to die.
    let _ = os::signals::ignore_file_size();
    let mut log = Log::new(
        &call.name,
        Some(call.env.bytes("TCPREMOTEIP").unwrap_or(b"unknown")),
    );
    if let Err(reason) = stop_being_root(&call.env, &mut log) {
        return cannot_serve(&reason, &mut log);
    }
    if call
        .env
        .bytes("SPFBEHAVIOR")
        .is_some_and(|value| value != b"0")
    {
        warn(
            &mut log,
            "SPFBEHAVIOR is set, and this version checks no SPF",
        );
    }
    match begin(&mut call) {
        Ok((settings, door)) => serve(settings, call, door, log),
        Err(error) => cannot_serve(&error.to_string(), &mut log),
    }
}

/// Becomes the unprivileged user where this was started as root: nothing that smtpd does needs root, and root
/// is not to read the network. The programs that it starts are that user's, too. An error is a sentence.
fn stop_being_root(env: &Env, log: &mut Log) -> Result<(), String> {
    if os::identity::effective_uid() != 0 {
        return Ok(());
    }
    let who = os::identity::unprivileged(env.bytes("SUPERD_UNPRIV"))?;
    // Others are that user, too, and read the network for popup and imapup.
    os::confine::signal_only_own().map_err(|error| {
        let reason = os::reason(&error);
        format!("unable to give up the signals of others: {reason}")
    })?;
    os::identity::become_user(who).map_err(|error| error.to_string())?;
    let (uid, gid) = (who.uid, who.gid);
    warn(
        log,
        &format!(
            "started as root, goes on as uid {uid} and gid {gid}: give superd the options -u and -g"
        ),
    );
    Ok(())
}

fn warn(log: &mut Log, reason: &str) {
    let entry = log.event("warning");
    entry.field("reason", reason.as_bytes()).say();
}

fn cannot_serve(reason: &str, log: &mut Log) -> Exit {
    log.event("fault").field("reason", reason.as_bytes()).say();
    wire::session::last_words(format!("{}\r\n", replies::NO_CONTROLS).as_bytes());
    Exit::NO
}

fn begin(call: &mut Call) -> Result<(Settings, Option<Door>), SettingsError> {
    let door = Door::take(&mut call.env).map_err(SettingsError::Offer)?;
    let settings = settings(&call.env, call.applets, &call.args)?;
    Ok((settings, door))
}

/// The settings that this environment makes; `words` are those of the command line.
fn settings(
    env: &Env,
    applets: &'static [Applet],
    words: &[OsString],
) -> Result<Settings, SettingsError> {
    Settings::read(&Sources {
        env,
        host_name: os::process::host_name,
        program: &|name| os::programs::resolve(name, env.get("PATH")),
        applets,
        words,
    })
}

fn serve(settings: Settings, call: Call, door: Option<Door>, mut log: Log) -> Exit {
    let (timeout, session) = (settings.limits.timeout, settings.limits.session);
    let limits = Limits::lasting(Instant::now(), timeout, session);
    let (applets, words) = (call.applets, call.args);
    let context = Context {
        env: call.env,
        settings: Box::new(move |env| crate::settings(env, applets, &words)),
        door,
    };
    match Conn::standard(limits) {
        Ok(conn) => Session::new(conn, log, settings, context).run(),
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            Exit::NO
        }
    }
}
