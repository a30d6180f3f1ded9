//! `smtpd --check`: reads all that a session would read, and tells what is wrong with it.
//!
//! One line a finding on descriptor 1: the file, the line where there is one, a sentence. What is
//! said behind `warning:` is allowed, and perhaps not meant. At the end stands what applies.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use accounts::control::{self, Why};
use accounts::resolve::LEARN_LIMIT;
use accounts::{AccountError, Accounts, ControlError, Home, Source, users};
use chain::Call;
use os::Exit;
use os::names::passwd;

use crate::dnsbl;
use crate::keyfile::KeyFile;
use crate::make_cdb;
use crate::query::{self, QueryOptions};
use crate::settings::Settings;
use crate::sources::{SettingsError, Sources};
use crate::transport::Destination;

mod transport;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Allowed, and perhaps not meant.
    Warning,
    /// Wrong.
    Fault,
    /// Not to be read.
    Unreadable,
}

/// All findings, as lines.
#[derive(Debug, Default)]
struct Report {
    text: String,
    worst: Option<Weight>,
}

impl Report {
    fn tell(&mut self, weight: Weight, place: &str, what: &str) {
        let word = if weight == Weight::Warning {
            "warning: "
        } else {
            ""
        };
        let shown = |text: &str| -> String {
            let printable = |letter: char| match letter {
                ' '..='~' => letter,
                _ => '?',
            };
            text.chars().map(printable).collect()
        };
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "{}: {word}{}", shown(place), shown(what));
        self.worst = self.worst.max(Some(weight));
    }

    fn line(&mut self, weight: Weight, path: &Path, number: usize, what: &str) {
        self.tell(weight, &format!("{}:{number}", path.display()), what);
    }

    /// What only lmtpd must be able to read.
    fn not_looked_at(&mut self, place: &str, why: &str) {
        let what = format!("it was not looked at, and lmtpd has to read it: {why}");
        self.tell(Weight::Warning, place, &what);
    }

    fn exit(&self) -> Exit {
        match self.worst {
            None | Some(Weight::Warning) => Exit::OK,
            Some(Weight::Fault) => Exit::NO,
            Some(Weight::Unreadable) => Exit::TEMPORARY,
        }
    }
}

/// Answers on descriptor 1. The exit code is 0 where nothing is wrong, though there may be warnings, 1
/// where something is, and 111 where something cannot be read. The words are the checkpassword program and
/// what it runs, as smtpd itself is given them.
pub fn main(call: &Call, asked: &QueryOptions) -> Exit {
    if let Err((sentence, exit)) = asked.become_user() {
        os::log::fatal(&call.name, &sentence);
        return exit;
    }
    let sources = Sources {
        env: &call.env,
        host_name: os::process::host_name,
        program: &|name| os::programs::resolve(name, call.env.get("PATH")),
        applets: call.applets,
        words: &asked.words,
    };
    let home = Home::find(|name| call.env.get(name).map(ToOwned::to_owned));
    let mut report = Report::default();
    if query::is_root() {
        let what = "this runs as root, who may read and do what smtpd may not: \
                    with -u and -g, as superd has them, it sees what smtpd will see";
        report.tell(Weight::Warning, &call.name, what);
    }
    let settings = Settings::read(&sources);
    let is_lmtp = settings.as_ref().is_ok_and(transport::is_lmtp);
    check_files(&home, is_lmtp, &mut report);
    match &settings {
        Ok(settings) => check_settings(settings, &home, &mut report),
        Err(error) => {
            let weight = weight_of(error);
            let what = format!("every session ends with 421: {error}");
            report.tell(weight, &home.path().display().to_string(), &what);
        }
    }
    if let Ok(settings) = &settings {
        summarize(settings, &mut report.text);
    }
    let mut output = io::stdout();
    // Who has closed the output does not want to know.
    let _ = output
        .write_all(report.text.as_bytes())
        .and_then(|()| output.flush());
    report.exit()
}

fn weight_of(error: &SettingsError) -> Weight {
    match error {
        SettingsError::Control(ControlError {
            why: Why::Io(_) | Why::TooLarge,
            ..
        })
        | SettingsError::Queue(..) => Weight::Unreadable,
        _ => Weight::Fault,
    }
}

/// What a line of a file may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A host, or with a dot in front what is below it.
    Host,
    /// A host, and no more than that.
    LocalHost,
    /// An address or `@host`, with stars.
    Address,
    /// An address without stars, perhaps with `-` in front.
    Valid,
    /// A name in HELO, with stars.
    Hello,
    /// A list in the DNS.
    List,
    /// Anything; only the first line counts.
    One,
}

const FILES: &[(&str, Entry)] = &[
    ("me", Entry::One),
    ("smtpgreeting", Entry::One),
    ("localiphost", Entry::One),
    ("databytes", Entry::One),
    ("timeoutsmtpd", Entry::One),
    ("maxrcpt", Entry::One),
    ("brtlimit", Entry::One),
    ("maxsessionrcpt", Entry::One),
    ("uidmin", Entry::One),
    ("tarpitcount", Entry::One),
    ("tarpitdelay", Entry::One),
    ("dnsblfailclosed", Entry::One),
    ("admin", Entry::One),
    ("localqueue", Entry::One),
    ("remotequeue", Entry::One),
    ("locals", Entry::LocalHost),
    ("rcpthosts", Entry::Host),
    ("morercpthosts", Entry::Host),
    ("badmailfrom", Entry::Address),
    ("badmailfromnorelay", Entry::Address),
    ("badrcptto", Entry::Address),
    ("badrcpttonorelay", Entry::Address),
    ("badhelo", Entry::Hello),
    ("badhelonorelay", Entry::Hello),
    ("validrcptto", Entry::Valid),
    ("morevalidrcptto", Entry::Valid),
    ("dnsbllist", Entry::List),
];

/// With `is_lmtp` the users are not read by smtpd.
fn check_files(home: &Home, is_lmtp: bool, report: &mut Report) {
    for (name, entry) in FILES {
        let path = home.control(name);
        // Lists that are read as databases may be larger than others.
        let large = make_cdb::NAMES.contains(name) && *name != "validrcptto";
        let text = if large {
            read_all(&path)
        } else {
            control::read(&path)
        };
        match text {
            Ok(None) => {}
            Ok(Some(text)) => check_text(&path, &text, *entry, report),
            Err(error) => report.tell(
                Weight::Unreadable,
                &path.display().to_string(),
                &error.to_string(),
            ),
        }
    }
    for name in make_cdb::NAMES {
        check_database(home, name, report);
    }
    for path in [home.users(), home.aliases()] {
        check_own_database(&path, report);
    }
    check_system_users(home, report);
    check_users(home, is_lmtp, report);
}

/// Tells of names that make nobody count.
fn check_system_users(home: &Home, report: &mut Report) {
    let path = home.control("systemusers");
    // What cannot be read has been told with the settings.
    let Ok(Some(text)) = control::read(&path) else {
        return;
    };
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let Some(name) = control::entries(line).next() else {
            continue;
        };
        match passwd::user_by_name(name) {
            Ok(Some(user)) if user.uid == 0 => {
                let what = "uid 0 gets no mail and does not log in, named or not";
                report.line(Weight::Warning, &path, at + 1, what);
            }
            Ok(None) => {
                let what = "/etc/passwd has no user of that name";
                report.line(Weight::Warning, &path, at + 1, what);
            }
            Ok(Some(_)) | Err(_) => {}
        }
    }
}

/// Tells of a database of users or aliases that is not used.
fn check_own_database(source: &Path, report: &mut Report) {
    if accounts::database::is_in_force(source) == Some(false) {
        let name = source.file_name().unwrap_or_default().display();
        let what = format!(
            "it is not used: it was not made of {name} as it is now, or is not its owner's alone; \
             smtpd --make-cdb {name} makes it anew"
        );
        let place = format!("{}.cdb", source.display());
        report.tell(Weight::Warning, &place, &what);
    }
}

fn read_all(path: &Path) -> Result<Option<Vec<u8>>, ControlError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ControlError {
            path: path.to_owned(),
            why: Why::Io(error),
        }),
    }
}

/// Tells of the lines of one file.
fn check_text(path: &Path, text: &[u8], entry: Entry, report: &mut Report) {
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if let Some(at) = lines.iter().position(|line| line.ends_with(b"\r")) {
        let what = "the line ends in CR LF; the CR is ignored here, but not by qmail's programs";
        report.line(Weight::Warning, path, at + 1, what);
    }
    if entry == Entry::One {
        let behind = lines
            .iter()
            .skip(1)
            .position(|line| !line.trim_ascii().is_empty());
        if let Some(at) = behind {
            report.line(Weight::Warning, path, at + 2, "only the first line counts");
        }
        return;
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(said) = rules::keys::key(line) else {
            continue;
        };
        if let Some((weight, what)) = fault_of(said, entry) {
            report.line(weight, path, at + 1, what);
        }
    }
}

/// What is wrong with an entry.
fn fault_of(said: &[u8], entry: Entry) -> Option<(Weight, &'static str)> {
    if entry == Entry::List {
        return fault_of_list(said);
    }
    if said.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Some((
            Weight::Fault,
            "a control byte, so this entry matches nothing",
        ));
    }
    let blank = said.contains(&b' ');
    match entry {
        Entry::Host | Entry::LocalHost if blank => Some((
            Weight::Fault,
            "a blank in a host name, so this entry matches nothing",
        )),
        Entry::Host | Entry::LocalHost if said.contains(&b'@') => Some((
            Weight::Fault,
            "a host is named without @, so this entry matches nothing",
        )),
        Entry::Host | Entry::LocalHost if said.contains(&b'*') => Some((
            Weight::Fault,
            "a star means nothing here; what is below a host is named with a dot in front",
        )),
        Entry::LocalHost if said.starts_with(b".") => Some((
            Weight::Fault,
            "a dot in front means nothing here: name each host",
        )),
        Entry::Host | Entry::LocalHost if said.ends_with(b".") => Some((
            Weight::Fault,
            "a dot at the end, so this entry matches nothing",
        )),
        Entry::Address | Entry::Hello if looks_like_expression(said) => Some((
            Weight::Fault,
            "this looks like a regular expression, which is not known here; * stands for anything",
        )),
        Entry::Address if !said.contains(&b'@') && !said.contains(&b'*') => Some((
            Weight::Warning,
            "without @ this is an address without a host; all of a host is @host",
        )),
        Entry::Valid if said.contains(&b'*') => Some((
            Weight::Fault,
            "a star means nothing here; all of a host is @host",
        )),
        Entry::Valid if blank => Some((
            Weight::Warning,
            "a blank in an address, which is rarely meant",
        )),
        _ => None,
    }
}

/// Whether an entry has what only qregex would understand. What begins with `!` negates there.
fn looks_like_expression(said: &[u8]) -> bool {
    let marks = |byte: &u8| matches!(byte, b'^' | b'$' | b'\\' | b'(' | b'|' | b'[');
    let literal = said.windows(2).any(|pair| pair == b"@[");
    said.starts_with(b"!")
        || said.windows(2).any(|pair| pair == b".*")
        || said
            .iter()
            .any(|byte| marks(byte) && !(literal && *byte == b'['))
}

fn fault_of_list(said: &[u8]) -> Option<(Weight, &'static str)> {
    let said = dnsbl::without_remark(said);
    if said.is_empty() || dnsbl::source(said, false).is_some() {
        return None;
    }
    Some((
        Weight::Fault,
        "no list: it is BASE or BASE:TEXT, with +, - or = before BASE",
    ))
}

fn check_database(home: &Home, name: &str, report: &mut Report) {
    let (text, path) = (home.control(name), home.control(&format!("{name}.cdb")));
    let file = KeyFile::open(path.clone());
    let place = path.display().to_string();
    if let Err(unreadable) = file.validate() {
        report.tell(Weight::Unreadable, &place, &unreadable.to_string());
        return;
    }
    let changed = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    match (changed(&text), changed(&path)) {
        (Some(text), Some(made)) if text > made => {
            let what = format!("control/{name} is newer: smtpd --make-cdb {name} puts it in force");
            report.tell(Weight::Warning, &place, &what);
        }
        // The text of validrcptto is itself read.
        (Some(_), None) if name != "validrcptto" => {
            let what = format!("it is not read itself: smtpd --make-cdb {name} puts it in force");
            report.tell(Weight::Warning, &text.display().to_string(), &what);
        }
        _ => {}
    }
}

fn check_users(home: &Home, is_lmtp: bool, report: &mut Report) {
    let path = home.users();
    let text = match read_all(&path) {
        Ok(Some(text)) => text,
        Ok(None) => return,
        Err(error) => {
            let place = path.display().to_string();
            let what = error.to_string();
            match is_lmtp {
                true => report.not_looked_at(&place, &what),
                false => report.tell(Weight::Unreadable, &place, &what),
            }
            return;
        }
    };
    let mut names = HashSet::new();
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        match users::parse(line) {
            Err(fault) => report.line(Weight::Fault, &path, at + 1, &fault.to_string()),
            Ok(account) if !names.insert(account.name.to_ascii_lowercase()) => {
                let what = "a line above has the same name, and is the one that counts";
                report.line(Weight::Warning, &path, at + 1, what);
            }
            Ok(_) => {}
        }
    }
}

/// What only all files together tell.
fn check_settings(settings: &Settings, home: &Home, report: &mut Report) {
    check_hosts(settings, home, report);
    transport::check(settings, home, report);
    check_owners(settings, home, report);
    check_aliases(settings, home, report);
}

/// Tells of users of the system whose mail is taken at RCPT and then has to wait: maildir-queue is asked, as a user
/// who is none of them.
fn check_owners(settings: &Settings, home: &Home, report: &mut Report) {
    let uid = os::identity::effective_uid();
    let of_system = Source::of(home).is_ok_and(|sources| sources.contains(&Source::System));
    if settings.transports.accounts().is_none() || !of_system || uid == 0 {
        return;
    }
    let what = format!(
        "without it maildir-queue delivers as uid {uid}, to nobody else's mailbox: for the users of the system \
         lmtpd runs, and this file names its socket (lmtpd(8))"
    );
    let place = home.control("localqueue").display().to_string();
    report.tell(Weight::Warning, &place, &what);
}

fn check_hosts(settings: &Settings, home: &Home, report: &mut Report) {
    let (hosts, path) = (&settings.hosts, home.control("rcpthosts"));
    let place = path.display().to_string();
    let Some(list) = &hosts.rcpthosts else {
        let what = "it is missing: strangers reach the local domains, and nothing else";
        report.tell(Weight::Warning, &place, what);
        if hosts.more.is_there() {
            let what = "it is not asked, for there is no rcpthosts";
            let place = hosts.more.path().display().to_string();
            report.tell(Weight::Warning, &place, what);
        }
        return;
    };
    for local in hosts.locals.entries() {
        let recipient = [b"x@", local].concat();
        if hosts.route(&recipient, false) == crate::hosts::Route::Refused {
            let local = local.escape_ascii();
            let what = format!("{local} is local and not here: strangers do not reach it");
            report.tell(Weight::Warning, &place, &what);
        }
    }
    if settings.transports.of(Destination::Remote).is_some() {
        return;
    }
    let is_elsewhere = |entry: &&[u8]| !hosts.locals.names(entry);
    for entry in list.entries().filter(is_elsewhere) {
        let entry = entry.escape_ascii();
        let what = format!(
            "{entry} is not local, and there is no control/remotequeue: its mail is refused"
        );
        report.tell(Weight::Warning, &place, &what);
    }
}

/// Expands each alias as RCPT would, here or in lmtpd, and the names that every host must have.
fn check_aliases(settings: &Settings, home: &Home, report: &mut Report) {
    let path = home.aliases();
    let is_lmtp = transport::is_lmtp(settings);
    let text = match read_all(&path) {
        Ok(text) => text.unwrap_or_default(),
        Err(error) => {
            if is_lmtp {
                report.not_looked_at(&path.display().to_string(), &error.to_string());
            }
            return;
        }
    };
    let opened;
    let accounts = match settings.transports.accounts() {
        Some(accounts) => accounts,
        None if is_lmtp => {
            let locals = settings.hosts.locals.entries().map(<[u8]>::to_vec);
            match Accounts::open(home, locals.collect()) {
                Ok(accounts) => {
                    opened = accounts;
                    &opened
                }
                Err(error) => {
                    let place = home.path().display().to_string();
                    return report.not_looked_at(&place, &error.to_string());
                }
            }
        }
        None => return,
    };
    for name in [&b"postmaster"[..], b"abuse"] {
        if let Err(AccountError::NoAdmin { path, .. }) = accounts.resolve(name) {
            let what = format!(
                "nobody is named here, so mail for {} has to wait: every host must have that address",
                name.escape_ascii()
            );
            report.tell(Weight::Warning, &path.display().to_string(), &what);
        }
    }
    let mut names: Vec<(usize, &[u8])> = Vec::new();
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let first = line.first().copied().unwrap_or(b'#');
        if matches!(first, b'#' | b' ' | b'\t' | b'\r') {
            continue;
        }
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            let what = "no colon behind the name of an alias";
            report.line(Weight::Fault, &path, at + 1, what);
            continue;
        };
        names.push((at, line[..colon].trim_ascii()));
    }
    names.retain(|(_, name)| *name != b"*");
    for some in names.chunks(LEARN_LIMIT) {
        accounts.learn(some.iter().map(|(_, name)| *name));
        for (at, name) in some {
            if let Err(error) = accounts.resolve(name) {
                report.line(Weight::Fault, &path, at + 1, &error.to_string());
            }
        }
    }
}

/// What applies, in a few lines.
fn summarize(settings: &Settings, text: &mut String) {
    let shown = |list: Vec<String>| match list.is_empty() {
        true => "none".to_owned(),
        false => list.join(" "),
    };
    let words = |entries: &mut dyn Iterator<Item = &[u8]>| -> String {
        let mut list: Vec<String> = entries
            .take(9)
            .map(|entry| entry.escape_ascii().to_string())
            .collect();
        if list.len() == 9 {
            list[8] = "...".to_owned();
        }
        shown(list)
    };
    let transport = |destination| match settings.transports.of(destination) {
        Some(transport) => transport.to_string(),
        None => "none".to_owned(),
    };
    let hosts = &settings.hosts;
    let taken = match &hosts.rcpthosts {
        Some(list) => words(&mut list.entries()),
        None => "the local domains".to_owned(),
    };
    let _ = write!(
        text,
        "home: {}\nlocal domains: {}\ntaken from strangers: {taken}{}\nway of local mail: {}\nway of other mail: {}\n",
        settings.home.display(),
        words(&mut hosts.locals.entries()),
        if hosts.more.is_there() {
            " and morercpthosts.cdb"
        } else {
            ""
        },
        transport(Destination::Local),
        transport(Destination::Remote),
    );
    if settings.lists.valid.is_known() {
        text.push_str("recipients: those of validrcptto\n");
    }
    if !settings.dnsbl.is_idle() {
        let _ = writeln!(
            text,
            "lists in the DNS: {}",
            words(&mut settings.dnsbl.lists())
        );
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
