//! The processes of a front: one that does everything, or two of which only one reads the network.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use chain::apart::{self, Speaker};
use chain::tls::Door;
use os::Exit;
use os::identity::Identity;
use os::process::Side;
use wire::session::{REFUSAL_TIME, last_words};
use wire::{Conn, Limits, Log};
use zeroize::Zeroizing;

use crate::desk::{Decision, Desk};
use crate::dialogue::{Answer, Came, Refusal, Talk, Terms};
use crate::settings::Settings;
use crate::{Protocol, Ready, record};

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

/// Two processes: a child that is `who` speaks with the client, this one decides.
pub(crate) fn apart(mut ready: Ready, mut log: Log, protocol: &Protocol, who: Identity) -> Exit {
    let made = os::socket::message_pair().and_then(|pair| Ok((pair, os::process::fork()?)));
    match made {
        Ok(((ours, theirs), Side::Child)) => {
            drop(ours);
            // Nothing of the parent's may be undone by this process, also not by a bug in it.
            let end = catch_unwind(AssertUnwindSafe(|| {
                speak(ready, &mut log, protocol, who, &theirs)
            }));
            os::process::end_now(end.map_or(101, |exit| exit.0));
        }
        Ok(((ours, theirs), Side::Parent(pid))) => {
            drop(theirs);
            ready.say_warnings(&mut log);
            decide(ready, log, protocol, ours, Speaker::new(pid))
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
fn speak(ready: Ready, log: &mut Log, protocol: &Protocol, who: Identity, desk: &OwnedFd) -> Exit {
    let Ready {
        settings,
        desk: parents,
        door,
        terms,
        ..
    } = ready;
    // It may have descriptors of its own, which are closed here or never.
    drop(parents);
    if let Err(reason) = give_up(who, desk.as_fd(), door.as_ref()) {
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
        let Some(message) = record::write(&login, talk.tls(), talk.ahead()) else {
            return Exit::TEMPORARY;
        };
        drop(login);
        let sent = os::socket::send_nowait(desk.as_fd(), &message);
        drop(message);
        // With a foreign chain this process waits for the end of the session.
        talk.forget();
        // Where he is let in there is no answer: this process is ended.
        let answer = sent.and_then(|_| answered(desk.as_fd()));
        let Ok(Some(answer)) = answer else {
            return Exit::NO;
        };
        if let Some(exit) = talk.refused(answer, log) {
            return exit;
        }
    }
}

/// Gives up everything but the way to the parent and to TLS.
fn give_up(who: Identity, desk: BorrowedFd<'_>, door: Option<&Door>) -> Result<(), String> {
    let mut keep = vec![desk];
    keep.extend(door.iter().flat_map(|door| door.descriptors()));
    apart::give_up(who, &keep)
}

/// Waits for the parent's answer, as long as that takes: a foreign chain may serve a whole session.
fn answered(desk: BorrowedFd<'_>) -> io::Result<Option<Answer>> {
    let mut byte = [0];
    let now = Instant::now();
    let deadline = now + Duration::from_secs(u32::MAX.into());
    let count = os::fd::read_until(desk, &mut byte, deadline)?;
    Ok((count == 1).then(|| answer_of(byte[0])).flatten())
}

/// An answer as the one byte that the child is told.
fn byte_of(answer: Answer) -> u8 {
    let letter = match answer.why {
        Refusal::Credentials => b'n',
        Refusal::Temporary => b't',
        Refusal::Permanent => b'p',
    };
    if answer.last {
        letter.to_ascii_uppercase()
    } else {
        letter
    }
}

fn answer_of(byte: u8) -> Option<Answer> {
    let why = match byte.to_ascii_lowercase() {
        b'n' => Refusal::Credentials,
        b't' => Refusal::Temporary,
        b'p' => Refusal::Permanent,
        _ => return None,
    };
    let last = byte.is_ascii_uppercase();
    Some(Answer { why, last })
}

/// The child sends no more logins.
fn gone(speaker: Speaker, log: &mut Log) -> Exit {
    speaker.gone().unwrap_or_else(|reason| {
        log.event("fault").field("reason", reason.as_bytes()).say();
        Exit::TEMPORARY
    })
}

/// The parent: reads records of the child and nothing else, and decides.
fn decide(
    ready: Ready,
    mut log: Log,
    protocol: &Protocol,
    records: OwnedFd,
    speaker: Speaker,
) -> Exit {
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
        let message = match receive(records.as_fd(), &speaker, deadline) {
            Ok(Some(message)) => message,
            Ok(None) => return gone(speaker, &mut log),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return gone(speaker, &mut log);
            }
            Err(error) => {
                // Its own clock has stopped: it is not what it was.
                let reason = format!(
                    "the process that speaks with the client is stuck: {}",
                    os::reason(&error)
                );
                log.event("fault").field("reason", reason.as_bytes()).say();
                speaker.end();
                return Exit::TEMPORARY;
            }
        };
        let understood = record::read(&message).map_err(|error| error.to_string());
        drop(message);
        let understood = understood.and_then(|record| {
            if !terms.joined && !record.ahead.is_empty() {
                return Err("bytes were read that a foreign program is to read".to_owned());
            }
            move_to_tls(&mut desk, &mut door, record.tls.as_deref())?;
            Ok(record)
        });
        let record = match understood {
            Ok(record) => record,
            Err(reason) => {
                log.event("fault").field("reason", reason.as_bytes()).say();
                speaker.end();
                return Exit::TEMPORARY;
            }
        };
        match desk.decide(record.login, protocol, &mut log) {
            Decision::Refused(answer) => {
                let byte = [byte_of(answer)];
                if os::socket::send_nowait(records.as_fd(), &byte).is_err() {
                    return gone(speaker, &mut log);
                }
                // A foreign chain may have served a whole session before it failed.
                let by = Instant::now() + REFUSAL_TIME;
                deadline = deadline.max(by);
                if answer.last {
                    // It says its last words; there is nothing more to be decided.
                    let _ = os::fd::wait_readable(records.as_fd(), by);
                    speaker.end();
                    return Exit::NO;
                }
            }
            Decision::Over(exit) => {
                speaker.end();
                return exit;
            }
            Decision::Enter(entry) => {
                // Nobody but the user reads his conversation from here on, and nothing of this is
                // kept for as long as that takes.
                speaker.end();
                drop((records, door));
                return desk.enter(&entry, record.ahead, protocol, log);
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

/// The next record, in no more memory than it needs; `None` at the end. One that is longer than any
/// record comes cut, and is malformed.
fn receive(
    fd: BorrowedFd<'_>,
    speaker: &Speaker,
    deadline: Instant,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    if !speaker.wait_readable(fd, deadline)? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let length = os::socket::next_message_length(fd)?.min(record::LIMIT + 1);
    if length == 0 {
        return Ok(None);
    }
    let mut message = Zeroizing::new(vec![0; length]);
    let count = os::socket::receive_nowait(fd, &mut message)?;
    message.truncate(count);
    Ok(Some(message))
}

#[cfg(test)]
#[path = "sides_tests.rs"]
mod tests;
