//! The processes of popup and imapup: one that does everything, or a monitor and an unprivileged child, which alone
//! reads the network.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use chain::tls::Door;
use os::Exit;
use os::identity::Identity;
use privsep::{Channel, Fault, Process, UnprivilegedChild};
use record::Malformed;
use wire::session::{REFUSAL_TIME, last_words};
use wire::{Conn, Limits, Log};
use zeroize::Zeroizing;

use crate::desk::{Decision, Desk};
use crate::dialogue::{Answer, Came, Talk, Terms};
use crate::record::Record;
use crate::settings::Settings;
use crate::{Protocol, Ready};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// The parent's clock runs this much longer than the child's: the child says its last words in it.
const GRACE: Duration = Duration::from_secs(150);

/// One process: it reads the network as whoever it is.
pub(crate) fn alone(ready: Ready, mut log: Log, protocol: &Protocol) -> Exit {
    let Ready {
        settings,
        mut desk,
        door,
        terms,
        ..
    } = ready;
    let mut talk = match talk(settings, door, terms, protocol) {
        Ok(talk) => talk,
        Err(error) => return no_conversation(&error, &mut log),
    };
    loop {
        let login = match talk.go_on(&mut log) {
            Came::Login(login) => login,
            Came::End(exit) => return exit,
        };
        if let Some(block) = talk.tls() {
            desk.tls_started(block);
        }
        // A foreign chain may serve the whole session before there is an answer.
        talk.forget();
        match desk.decide(login, protocol, &mut log) {
            Decision::Refused(answer) => {
                if let Some(exit) = talk.refused(answer, &mut log) {
                    return exit;
                }
            }
            Decision::Over(exit) => return exit,
            Decision::Enter(entry) => {
                let ahead = talk.ahead().to_vec();
                talk.wipe();
                return desk.enter(&entry, ahead, protocol, log);
            }
        }
    }
}

/// Two processes: an unprivileged child that is `who` speaks with the client, this one is its monitor and decides.
pub(crate) fn apart(mut ready: Ready, mut log: Log, protocol: &Protocol, who: Identity) -> Exit {
    match privsep::fork() {
        Ok(Process::Child(monitor)) => {
            os::process::end_with(|| speak(ready, &mut log, protocol, who, &monitor))
        }
        Ok(Process::Monitor(child)) => {
            ready.say_warnings(&mut log);
            decide(ready, log, protocol, child)
        }
        Err(error) => {
            let reason = format!("unable to fork: {}", os::reason(&error));
            log.event("fault").field("reason", reason.as_bytes()).say();
            last_words(protocol.temporary);
            Exit::TEMPORARY
        }
    }
}

fn talk(
    settings: Settings,
    door: Option<Door>,
    terms: Terms,
    protocol: &Protocol,
) -> io::Result<Talk> {
    let limits = Limits::lasting(Instant::now(), settings.read, settings.login);
    let mut conn = Conn::standard(limits)?;
    if !terms.joined {
        conn.read_exactly();
    }
    let handshake = settings.read.min(HANDSHAKE);
    let mut talk = Talk::new(conn, (protocol.dialogue)(terms), door, handshake);
    talk.greet();
    Ok(talk)
}

fn no_conversation(error: &io::Error, log: &mut Log) -> Exit {
    let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(error));
    log.event("fault").field("reason", reason.as_bytes()).say();
    Exit::TEMPORARY
}

/// The child: gives up everything, then speaks.
fn speak(
    ready: Ready,
    log: &mut Log,
    protocol: &Protocol,
    who: Identity,
    monitor: &Channel<Record, Answer>,
) -> Exit {
    let Ready {
        settings,
        desk,
        door,
        terms,
        ..
    } = ready;
    // It may have descriptors of its own, which are closed here or never.
    drop(desk);
    if let Err(reason) = give_up(who, monitor.as_fd(), door.as_ref()) {
        log.event("fault").field("reason", reason.as_bytes()).say();
        last_words(protocol.permanent);
        return Exit::TEMPORARY;
    }
    let mut talk = match talk(settings, door, terms, protocol) {
        Ok(talk) => talk,
        Err(error) => return no_conversation(&error, log),
    };
    loop {
        let login = match talk.go_on(log) {
            Came::Login(login) => login,
            Came::End(exit) => return exit,
        };
        // Its fields are shorter than the limits, for the lines that they came in are.
        let record = Record {
            login,
            tls: talk.tls().map(<[u8]>::to_vec),
            ahead: Zeroizing::new(talk.ahead().to_vec()),
        };
        let sent = monitor.send(&record, Instant::now() + REFUSAL_TIME);
        drop(record);
        // With a foreign chain this process waits for the end of the session.
        talk.forget();
        // As long as it takes: a foreign chain may serve a whole session. Where the client is let in there is no answer:
        // this process is ended.
        let answer = sent
            .map_err(Fault::Stuck)
            .and_then(|()| monitor.receive(Instant::now() + Duration::from_secs(u32::MAX.into())));
        let Ok(Some(answer)) = answer else {
            return Exit::NO;
        };
        if let Some(exit) = talk.refused(answer, log) {
            return exit;
        }
    }
}

/// Gives up everything but the way to the monitor and to TLS.
fn give_up(who: Identity, monitor: BorrowedFd<'_>, door: Option<&Door>) -> Result<(), String> {
    let mut keep = vec![monitor];
    keep.extend(door.iter().flat_map(|door| door.descriptors()));
    privsep::give_up(who, &keep)
}

/// The child sends no more logins.
fn gone(child: Child, log: &mut Log) -> Exit {
    child.exit().unwrap_or_else(|reason| {
        log.event("fault").field("reason", reason.as_bytes()).say();
        Exit::TEMPORARY
    })
}

type Child = UnprivilegedChild<Answer, Record>;

/// The monitor: reads records of the child and nothing else, and decides.
fn decide(ready: Ready, mut log: Log, protocol: &Protocol, child: Child) -> Exit {
    let Ready {
        settings,
        mut desk,
        mut door,
        terms,
        ..
    } = ready;
    let now = Instant::now();
    let mut deadline = now.checked_add(settings.login + GRACE).unwrap_or(now);
    loop {
        let understood = match child.receive(deadline) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => return gone(child, &mut log),
            Err(fault) => Err(reason_of(&fault)),
        };
        let understood = understood.and_then(|record| {
            if !terms.joined && !record.ahead.is_empty() {
                return Err("bytes were read that a foreign program is to read".to_owned());
            }
            move_to_tls(&mut desk, &mut door, record.tls.as_deref())?;
            Ok(record)
        });
        let mut record = match understood {
            Ok(record) => record,
            Err(reason) => {
                log.event("fault").field("reason", reason.as_bytes()).say();
                child.end();
                return Exit::TEMPORARY;
            }
        };
        match desk.decide(record.login, protocol, &mut log) {
            Decision::Refused(answer) => {
                // A foreign chain may have served a whole session before it failed.
                let by = Instant::now() + REFUSAL_TIME;
                if child.send(&answer, by).is_err() {
                    return gone(child, &mut log);
                }
                deadline = deadline.max(by);
                if answer.last {
                    // It says its last words; there is nothing more to be decided.
                    child.wait_for_a_sign(by);
                    child.end();
                    return Exit::NO;
                }
            }
            Decision::Over(exit) => {
                child.end();
                return exit;
            }
            Decision::Enter(entry) => {
                // Nobody but the user reads his conversation from here on, and nothing of this is
                // kept for as long as that takes.
                child.end();
                drop(door);
                let ahead = std::mem::take(&mut *record.ahead);
                return desk.enter(&entry, ahead, protocol, log);
            }
        }
    }
}

/// Follows the child to the encrypted link, once.
fn move_to_tls(
    desk: &mut Desk,
    door: &mut Option<Door>,
    told: Option<&[u8]>,
) -> Result<(), String> {
    let Some(block) = told else {
        return Ok(());
    };
    if let Some(door) = door.take() {
        door.install()?;
        desk.tls_started(block);
        return Ok(());
    }
    if desk.is_encrypted() {
        return Ok(());
    }
    Err("TLS was begun without a TLS program".to_owned())
}

/// Why the child is not listened to any more, as a sentence.
fn reason_of(fault: &Fault) -> String {
    let malformed = |why: Malformed| format!("the record of a login is malformed: {why}");
    match fault {
        Fault::Malformed(why) => malformed(*why),
        Fault::TooLong => malformed(Malformed::Limit),
        // Its own clock has stopped: it is not what it was.
        Fault::Stuck(error) => {
            let reason = os::reason(error);
            format!("the process that speaks with the client is stuck: {reason}")
        }
    }
}

#[cfg(test)]
#[path = "sides_tests.rs"]
mod tests;
