//! The ways of mail, and the programs that are asked on the way: whether they are there, and may be used by
//! the user that this runs as.

use std::path::Path;

use accounts::Home;
use chain::child::Program;
use nexthop::Endpoint;

use super::{Report, Weight};
use crate::query;
use crate::settings::Settings;
use crate::transport::{DESTINATIONS, Destination, Transport, Transports};

/// Tells of what is not there.
pub(super) fn check(settings: &Settings, home: &Home, report: &mut Report) {
    for destination in DESTINATIONS {
        // One way for both sides is told of once.
        if settings.transports.destination(destination) != destination {
            continue;
        }
        if let Some(transport) = settings.transports.of(destination) {
            check_way(
                transport,
                &source(settings, home, destination),
                settings,
                report,
            );
        }
    }
    let check_program = |path: &Path, what: &str, report: &mut Report| {
        if !os::file::may_execute(path) {
            let what = format!("{what}, and it is no program that can be executed");
            report.tell(Weight::Fault, &path.display().to_string(), &what);
        }
    };
    if let Some(check) = &settings.rcpt_check {
        check_program(check.program(), "RCPTCHECK names it", report);
    }
    for path in settings.plugins.iter().flat_map(|plugins| plugins.files()) {
        check_program(&path, "it is a plugin", report);
    }
    if let Some(path) = settings.auth.program() {
        check_program(path, "it is to check logins", report);
    }
    if let Some(path) = settings.auth.socket()
        && let Err(error) = os::file::may_write(&path)
    {
        let reason = os::reason(&error);
        let what =
            format!("unable to ask authd there: {reason}: as long as that is so, logins get 454");
        report.tell(Weight::Fault, &path.display().to_string(), &what);
    }
}

/// Where a way stands.
fn source(settings: &Settings, home: &Home, destination: Destination) -> String {
    let path = match (&settings.transports, destination) {
        // QMAILQUEUE, or bin/qmail-queue.
        (Transports::One(_), _) => return "the way of all mail".to_owned(),
        (Transports::Two { .. }, Destination::Local) => home.control("localqueue"),
        (Transports::Two { .. }, Destination::Remote) => home.control("remotequeue"),
    };
    path.display().to_string()
}

fn check_way(transport: &Transport, source: &str, settings: &Settings, report: &mut Report) {
    match transport {
        Transport::Maildirs(Program::File(path))
        | Transport::Program(Program::File(path))
        | Transport::Sendmail(Program::File(path)) => {
            if !os::file::may_execute(path) {
                let mut what = format!("{transport} is no program that can be executed");
                if let Some(name) = host_name(transport, path, &settings.home) {
                    what.push_str(&format!(
                        "; a server is named as smtp:{name} or submission:{name}"
                    ));
                }
                report.tell(Weight::Fault, source, &what);
            }
        }
        Transport::Maildirs(Program::Ours(_))
        | Transport::Program(Program::Ours(_))
        | Transport::Sendmail(Program::Ours(_)) => {}
        Transport::Hop(hop) => match &hop.endpoint {
            Endpoint::Unix(_) => match query::connect(hop, &settings.hop) {
                Ok(client) => client.quit(),
                Err(failure) => {
                    let what = format!("{failure}: as long as that is so, its mail gets 451");
                    report.tell(Weight::Fault, source, &what);
                }
            },
            Endpoint::Tcp { .. } => check_authorities(settings, report),
        },
    }
}

/// The name of a server that was taken for that of a program: it has dots and no slash, and there is nothing.
fn host_name<'p>(transport: &Transport, path: &'p Path, home: &Path) -> Option<&'p str> {
    let name = path.strip_prefix(home).ok()?.to_str()?;
    let is_host = name.contains('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    (matches!(transport, Transport::Program(_)) && is_host && !path.exists()).then_some(name)
}

/// The certificates of servers are judged by these.
fn check_authorities(settings: &Settings, report: &mut Report) {
    let Some(path) = &settings.hop.ca_file else {
        return;
    };
    if let Err(error) = std::fs::File::open(path) {
        let place = path.display().to_string();
        report.tell(Weight::Unreadable, &place, &os::reason(&error));
    }
}

/// Whether local mail is delivered by a server beside this one that speaks LMTP: if it is lmtpd, it reads the
/// users and aliases of this home.
pub(super) fn is_lmtp(settings: &Settings) -> bool {
    let transport = settings.transports.of(Destination::Local);
    matches!(transport, Some(Transport::Hop(hop)) if hop.protocol == nexthop::Protocol::Lmtp)
}
