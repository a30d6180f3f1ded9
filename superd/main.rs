//! The one executable: every program of superd, chosen by the name it is called under.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use chain::{Applet, Call, Kind};
use os::Exit;

/// A program, as `main` calls it.
#[derive(Clone, Copy)]
enum Program {
    /// The name it was called under and its words in, an exit code out.
    Alone(fn(&str, Vec<OsString>) -> Exit),
    /// The same for one that may be part of a chain, and is told what a chain hands on.
    Chained(fn(Call) -> Exit),
}

use Program::{Alone, Chained};

/// All programs under their own names, in the order of the README.
const PROGRAMS: &[(&str, Program)] = &[
    ("superd", Alone(superd)),
    ("superd-rules", Alone(rules::superd_rules::main)),
    ("superd-rulescheck", Alone(rules::superd_rulescheck::main)),
    ("smtpd", Chained(smtpd::main)),
    ("maildir-queue", Chained(maildir_queue::main)),
    ("lmtpd", Chained(lmtpd::main)),
    ("popup", Chained(popup::main)),
    ("pop3d", Chained(pop3d::main)),
    ("imapup", Chained(imapup::main)),
    ("imapd", Chained(imapd::main)),
    ("checkpassword", Chained(checkpassword::main)),
    ("checkpw", Chained(checkpassword::main)),
    ("checkapoppw", Chained(checkpassword::main)),
    ("selectcheckpw", Chained(checkpassword::main)),
    ("superd-passwd", Alone(superd_passwd::main)),
    ("authd", Chained(authd::main)),
    ("check-via", Chained(checkpassword::main)),
    ("relay-ctrl-allow", Chained(relay::allow::main)),
    ("relay-ctrl-age", Alone(relay::age::main)),
    ("relay-ctrl-check", Chained(relay::check::main)),
    ("relay-ctrl-chdir", Chained(relay::chdir::main)),
    ("superd-relay", Alone(relay::superd_relay::main)),
    ("splogger", Alone(splogger::main)),
    ("recordio", Chained(recordio::main)),
    ("rblsmtpd", Chained(rblsmtpd::main)),
];

/// The programs that may follow another one in a chain: named there without a slash, they are called and
/// not executed.
const APPLETS: &[Applet] = &[
    applet("smtpd", Kind::Last, smtpd::main),
    applet("maildir-queue", Kind::Last, maildir_queue::main),
    applet("popup", Kind::Last, popup::main),
    applet("pop3d", Kind::Last, pop3d::main),
    applet("imapup", Kind::Last, imapup::main),
    applet("imapd", Kind::Last, imapd::main),
    applet(
        "checkpassword",
        Kind::RunsNext { own_words: 0 },
        checkpassword::main,
    ),
    applet(
        "checkpw",
        Kind::RunsNext { own_words: 0 },
        checkpassword::main,
    ),
    applet(
        "checkapoppw",
        Kind::RunsNext { own_words: 0 },
        checkpassword::main,
    ),
    applet(
        "selectcheckpw",
        Kind::RunsNext { own_words: 0 },
        checkpassword::main,
    ),
    applet(
        "check-via",
        Kind::RunsNext { own_words: 1 },
        checkpassword::main,
    ),
    Applet {
        before_entry: Some(relay::allow::before_entry),
        ..applet(
            "relay-ctrl-allow",
            Kind::RunsNext { own_words: 0 },
            relay::allow::main,
        )
    },
    applet(
        "relay-ctrl-check",
        Kind::RunsNext { own_words: 0 },
        relay::check::main,
    ),
    applet(
        "relay-ctrl-chdir",
        Kind::RunsNext { own_words: 0 },
        relay::chdir::main,
    ),
    applet("recordio", Kind::RunsNext { own_words: 0 }, recordio::main),
    applet("rblsmtpd", Kind::RunsNext { own_words: 0 }, rblsmtpd::main),
];

const fn applet(name: &'static str, kind: Kind, run: fn(Call) -> Exit) -> Applet {
    Applet {
        name,
        kind,
        run,
        before_entry: None,
    }
}

/// Names that are not installed: those of the originals, for people who put a link in their place,
/// and the one that superd calls itself by.
const OTHER_NAMES: &[(&str, Program)] = &[
    ("tcpserver", Alone(superd)),
    ("tcprules", Alone(rules::superd_rules::main)),
    ("tcprulescheck", Alone(rules::superd_rulescheck::main)),
    (lookup::PROGRAM, Alone(lookup::main)),
    (server::forker::PROGRAM, Alone(forker)),
];

/// What people run by hand, on files that they can read anyway; splogger reads lines for the log.
const TOOLS: &[&str] = &[
    "superd-rules",
    "superd-rulescheck",
    "tcprules",
    "tcprulescheck",
    "relay-ctrl-age",
    "superd-relay",
    "splogger",
];

fn superd(name: &str, args: Vec<OsString>) -> Exit {
    let links: Vec<&str> = PROGRAMS
        .iter()
        .map(|(program, _)| *program)
        .filter(|program| *program != "superd")
        .collect();
    server::main(name, args, &links)
}

fn forker(name: &str, args: Vec<OsString>) -> Exit {
    server::forker::main(name, args, run)
}

/// The program of that name. An executable that was copied under another name is superd.
fn program(name: &str) -> Program {
    let mut all = PROGRAMS.iter().chain(OTHER_NAMES);
    let found = all.find(|(program, _)| *program == name);
    found.map_or(Alone(superd), |(_, program)| *program)
}

/// Runs the program of that name, with these variables on top of those of the process.
fn run(name: &str, args: Vec<OsString>, variables: &[(&OsStr, OsString)]) -> Exit {
    match program(name) {
        Alone(run) => match set(variables) {
            Ok(()) => run(name, args),
            Err(error) => {
                let reason = os::reason(&error);
                os::log::fatal(name, &format!("unable to set a variable: {reason}"));
                Exit::TEMPORARY
            }
        },
        Chained(run) => {
            // Before anything forks: all that come of this process are of one session.
            os::session::id();
            let mut call = Call::of_process(name, args, APPLETS);
            for (name, value) in variables {
                call.env.set_os(name, value);
            }
            run(call)
        }
    }
}

fn set(variables: &[(&OsStr, OsString)]) -> std::io::Result<()> {
    for (name, value) in variables {
        match os::sibling::set_variable(name, value) {
            // A rule's variable of an impossible name is left out, as by the rules compiler.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {}
            other => other?,
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .unwrap_or(OsStr::new("superd"));
    let name = name.to_string_lossy();
    if serves(&name)
        && let Err(error) = os::process::not_dumpable()
    {
        let reason = os::reason(&error);
        os::log::fatal(&name, &format!("unable to start: {reason}"));
        return Exit::TEMPORARY.into();
    }
    // A log that is over the limit of file sizes is no reason to end. (superd itself looks after that.)
    let _ = os::signals::ignore_file_size();
    run(&name, words.collect(), &[]).into()
}

/// Whether the program of that name reads the network, or the secrets of those who are on it. Others of
/// its user (sessions, plugins) are not to look into it, from its first line on; its copies inherit that.
fn serves(name: &str) -> bool {
    match program(name) {
        Chained(_) => true,
        Alone(_) => !TOOLS.contains(&name),
    }
}
