//! lmtpd's processes: one that does everything, or a monitor that delivers and an unprivileged child, which alone reads
//! the network.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use delivery::spool::Spool;
use os::Exit;
use os::identity::Identity;
use privsep::{Channel, Fault, Process, UnprivilegedChild};
use record::Malformed;
use wire::{Conn, Limits, Log};

use crate::delivery_proxy::{ANSWER_TIME, DeliveryProxy};
use crate::local_delivery::{Delivery, LocalDelivery};
use crate::record::{Order, Reply};
use crate::replies;
use crate::session::Session;
use crate::settings::Settings;

/// The monitor's clock runs this much longer than the child's.
const GRACE: Duration = Duration::from_secs(150);

/// The most bytes that a message may have beyond the limit of those that a client may send: our own
/// header.
const HEADER_BYTES: u64 = 4096;

/// One process: it reads the network as whoever it is.
pub fn alone(settings: Settings, name: &str, delivery: LocalDelivery) -> Exit {
    let log = Log::new(name, settings.remote_ip.as_deref());
    converse(settings, log, delivery)
}

/// Two processes: an unprivileged child that is `who` speaks with the client, this one is its monitor and delivers.
/// Nothing may have been logged before but through the delivery's log.
pub fn apart(settings: Settings, name: &str, who: Identity, mut delivery: LocalDelivery) -> Exit {
    match privsep::fork() {
        Ok(Process::Child(monitor)) => {
            os::process::end_with(|| speak(settings, name, who, &monitor))
        }
        Ok(Process::Monitor(child)) => {
            // From here on the conversation is not this process's: it could not even read it.
            match os::fd::point_at_null(0).and_then(|()| os::fd::point_at_null(1)) {
                Ok(()) => decide(&settings, delivery, child),
                Err(error) => {
                    child.end();
                    delivery.fault(&format!("unable to open /dev/null: {}", os::reason(&error)));
                    Exit::TEMPORARY
                }
            }
        }
        Err(error) => {
            delivery.fault(&format!("unable to fork: {}", os::reason(&error)));
            tell_no_service();
            Exit::TEMPORARY
        }
    }
}

/// The log of one client, over a descriptor that nothing but this value knows of: this process will
/// fork others that close it.
pub fn own_log(name: &str, ip: Option<&[u8]>) -> Log {
    let log = match os::log::Sink::of(io::stderr().as_fd()) {
        Ok(sink) => Log::to(name, ip, Box::new(move |line| sink.write(line))),
        Err(_) => Log::to(name, ip, Box::new(|_| os::log::Said::Broken)),
    };
    log.of_session(os::session::id())
}

/// Writes to the client that nobody is served; the log has said why.
pub fn tell_no_service() {
    wire::session::last_words(format!("{}\r\n", replies::NO_SERVICE).as_bytes());
}

fn converse(settings: Settings, mut log: Log, delivery: impl Delivery) -> Exit {
    let (timeout, session) = (settings.limits.timeout, settings.limits.session);
    let limits = Limits::lasting(Instant::now(), timeout, session);
    match Conn::standard(limits) {
        Ok(conn) => Session::new(conn, log, settings, delivery).run(),
        Err(error) => {
            let reason = format!("unable to use descriptors 0 and 1: {}", os::reason(&error));
            let entry = log.event("fault");
            entry.field("reason", reason.as_bytes()).say();
            Exit::TEMPORARY
        }
    }
}

/// The child: gives up everything, then speaks.
fn speak(settings: Settings, name: &str, who: Identity, monitor: &Channel<Order, Reply>) -> Exit {
    let given_up = privsep::give_up(who, &[monitor.as_fd()]);
    let mut log = Log::new(name, settings.remote_ip.as_deref());
    match given_up {
        Ok(()) => converse(settings, log, DeliveryProxy::new(monitor)),
        Err(reason) => {
            let entry = log.event("fault");
            entry.field("reason", reason.as_bytes()).say();
            tell_no_service();
            Exit::TEMPORARY
        }
    }
}

type Child = UnprivilegedChild<Reply, Order>;

/// The monitor: reads records of the child and nothing else, and delivers.
fn decide(settings: &Settings, mut delivery: LocalDelivery, child: Child) -> Exit {
    let now = Instant::now();
    let session = now.checked_add(settings.limits.session + GRACE);
    let session_end = session.unwrap_or(now);
    loop {
        let answered = match child.receive_with(session_end) {
            Ok(None) => {
                return child.exit().unwrap_or_else(|reason| {
                    delivery.fault(&reason);
                    Exit::TEMPORARY
                });
            }
            Ok(Some((order, text))) => serve(settings, &mut delivery, &child, order, text),
            Err(fault) => Err(reason_of(&fault)),
        };
        if let Err(reason) = answered {
            // It is not what it was, or there is nothing to be done for it.
            delivery.fault(&reason);
            child.end();
            return Exit::TEMPORARY;
        }
    }
}

/// Why the child is not listened to any more, as a sentence.
fn reason_of(fault: &Fault) -> String {
    match fault {
        Fault::Malformed(why) => format!("a record is malformed: {why}"),
        Fault::TooLong => format!("a record is malformed: {}", Malformed::Limit),
        Fault::Stuck(error) => {
            let reason = os::reason(error);
            format!("the process that speaks with the client is stuck: {reason}")
        }
    }
}

/// Does what one record asks for, if it is in turn. The error is a sentence, and the end.
fn serve(
    settings: &Settings,
    delivery: &mut LocalDelivery,
    child: &Child,
    order: Order,
    text: Option<OwnedFd>,
) -> Result<(), String> {
    let send = |reply: Reply| {
        let sent = child.send(&reply, Instant::now() + ANSWER_TIME);
        sent.map_err(|error| format!("unable to answer: {}", os::reason(&error)))
    };
    let out_of_turn = || Err("a record comes out of turn".to_owned());
    let count = delivery.count();
    match (order, text) {
        (Order::Mail { sender }, None) => delivery.mail(&sender),
        (Order::Rcpt { recipient }, None) => match count {
            Some(count) if (count as u64) < settings.limits.recipients => delivery
                .rcpt(&recipient)
                .map(Reply::Recipient)
                .and_then(send),
            _ => out_of_turn(),
        },
        (Order::Deliver { id }, Some(text)) if count.is_some_and(|count| count > 0) => {
            let text = checked(settings, text)?;
            let id = String::from_utf8_lossy(&id).into_owned();
            let statuses = delivery.deliver(&id, text)?;
            let mut replies = statuses.into_iter().map(Reply::Status);
            replies.try_for_each(send)
        }
        _ => out_of_turn(),
    }
}

/// A message that came as a descriptor: a regular file, not larger than a client may make it.
fn checked(settings: &Settings, text: OwnedFd) -> Result<Spool, String> {
    let text = Spool::of_file(File::from(text))
        .map_err(|error| format!("unable to take a message: {}", os::reason(&error)))?;
    let limit = settings.limits.databytes;
    if limit > 0 && text.size() > limit.saturating_add(HEADER_BYTES) {
        return Err("unable to take a message: it is larger than any may be".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
#[path = "sides_tests.rs"]
mod tests;
