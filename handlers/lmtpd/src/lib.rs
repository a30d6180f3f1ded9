//! lmtpd: LMTP in (RFC 2033), delivered as the owner of each mailbox.
//!
//! It promises:
//! - **nobody who reads the network is root**: started as root it forks once; the child becomes an
//!   unprivileged user and speaks with the client; the parent reads bounded records from that child
//!   and nothing else ([`sides`], [`record`]);
//! - **nobody writes into a mailbox but its owner**: for each owner the parent forks a process that
//!   becomes that user before it touches a path in the hands of that user ([`workers`]); uid 0 owns no mailbox;
//! - **nothing is lost**: 250 for a recipient is said after his copies are on the disk, file and
//!   directory synced; a client that goes away in the middle has sent nothing;
//! - **everybody gets his own answer**: what fails for one recipient is not another's ([`plan`]);
//! - **nothing is smuggled, nothing grows**: CRLF.CRLF is the only end of data; lines, recipients,
//!   errors and time have limits; memory does not depend on the size of a message.
//!
//! Started as anybody else it is one process, which delivers only into mailboxes of that user.
//!
//! The rooms: [`settings`] reads what decides; [`session`] is the dialogue and [`data`] the message in
//! it, which asks whoever delivers through a [`delivery_proxy`] (in two processes) or directly; [`local_delivery`]
//! knows recipients and delivers, by [`workers`] that report what they did as
//! [`outcome`]s; [`record`], [`outcome`] and [`plan`] are pure.

pub mod data;
pub mod delivery_proxy;
pub mod local_delivery;
pub mod outcome;
pub mod plan;
pub mod record;
pub mod replies;
pub mod session;
pub mod settings;
pub mod sides;
pub mod workers;

use accounts::Home;
use chain::{Call, Env};
use os::Exit;
use os::identity::Identity;

use crate::local_delivery::{LocalDelivery, Mode};
use crate::settings::Settings;

/// The program. It has no options and no arguments.
pub fn main(call: Call) -> Exit {
    let name = call.name.as_str();
    if !call.args.is_empty() {
        os::log::fatal(name, "usage: lmtpd");
        return Exit::PERMANENT;
    }
    let _ = os::signals::ignore_pipe();
    let _ = os::signals::default_child();
    // A write over the limit must be an error, or nobody would remove the half-written file.
    let _ = os::signals::ignore_file_size();
    os::process::umask(0o077);
    match prepare(name, &call.env) {
        Ok((settings, Some(who), delivery)) => sides::apart(settings, name, who, delivery),
        Ok((settings, None, delivery)) => sides::alone(settings, name, delivery),
        Err(reason) => {
            let mut log = sides::own_log(name, call.env.bytes("TCPREMOTEIP"));
            let entry = log.event("fault");
            entry.field("reason", reason.as_bytes()).say();
            sides::tell_no_service();
            Exit::TEMPORARY
        }
    }
}

/// All that is known before the first word; the user who is to speak where this is root. The error is
/// a sentence.
fn prepare(name: &str, env: &Env) -> Result<(Settings, Option<Identity>, LocalDelivery), String> {
    let home = Home::find(|name| env.get(name).map(ToOwned::to_owned));
    let settings =
        Settings::read(&home, env, os::process::host_name).map_err(|error| error.to_string())?;
    let (who, mode) = match os::identity::effective_uid() {
        0 => {
            let who = os::identity::unprivileged(env.bytes("SUPERD_UNPRIV"))?;
            (Some(who), Mode::Workers)
        }
        uid => (None, Mode::InProcess(uid)),
    };
    let log = sides::own_log(name, settings.remote_ip.as_deref());
    let delivery = LocalDelivery::new(&home, settings.locals.clone(), mode, log)?;
    Ok((settings, who, delivery))
}
