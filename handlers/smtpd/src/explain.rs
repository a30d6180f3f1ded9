//! `smtpd --explain [-u USER] [-g GROUP] [-x tcp.smtp.cdb] [--relay DIR] IP FROM TO`: what a client with
//! that address would get for one recipient, step by step, and last the reply to RCPT.
//!
//! The settings are read as for a session, from the environment, with -x from the rule that superd
//! would find for the client, and with --relay from the logins that it would find; the last line is
//! made by the functions that a session calls. A server on a UNIX socket is asked, without a message,
//! and lists in the DNS are. Programs (RCPTCHECK, plugins, checkpassword programs) are not run, and
//! other servers are not connected to.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::SystemTime;

use accounts::{Found, address as envelope};
use chain::{Call, Env};
use nexthop::{Endpoint, Hop};
use os::Exit;
use relay_store::{Address, Store};
use rules::cdb::Cdb;
use rules::record::Verdict;
use rules::search;
use smtp::address;
use wire::Log;

use crate::decide::{Decision, Known, complete, decide};
use crate::handoff::{Failure, hop};
use crate::hosts::Route;
use crate::query::{self, QueryOptions};
use crate::replies;
use crate::settings::Settings;
use crate::sources::Sources;
use crate::transport::Transport;

/// What lets a client relay, and who it was that let him.
const RELAYCLIENT: &str = "RELAYCLIENT";

/// Lines of the answer, and how it ends.
#[derive(Debug, Default)]
struct Answer {
    lines: Vec<Vec<u8>>,
}

impl Answer {
    /// Adds `what: text`, printable whatever there is in it.
    fn step(&mut self, what: &str, text: &[u8]) {
        let shown = text.iter().map(|&byte| match byte {
            b' '..=b'~' => byte,
            _ => b'?',
        });
        let mut line = format!("{what}: ").into_bytes();
        line.extend(shown);
        self.lines.push(line);
    }

    fn end(mut self, reply: &str) -> Exit {
        self.step("reply", reply.as_bytes());
        self.print();
        match reply.as_bytes().first() {
            Some(b'2') => Exit::OK,
            Some(b'4') => Exit::TEMPORARY,
            _ => Exit::NO,
        }
    }

    fn print(&self) {
        let mut text = self.lines.join(&b'\n');
        text.push(b'\n');
        // Who has closed the output does not want to know.
        let _ = io::stdout()
            .write_all(&text)
            .and_then(|()| io::stdout().flush());
    }
}

/// The words after the options.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    ip: Vec<u8>,
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Words {
    fn of(words: &[OsString]) -> Option<Words> {
        let [ip, from, to] = words else { return None };
        let bytes = |word: &OsString| word.as_bytes().to_vec();
        Some(Words {
            ip: bytes(ip),
            from: bytes(from),
            to: bytes(to),
        })
    }
}

/// Answers on descriptor 1. The exit code is 0 where the recipient would be taken, 1 where he is refused for
/// good, 111 where for now, or where something cannot be read. `None` where the words mean nothing.
pub fn main(call: &Call, asked: &QueryOptions) -> Option<Exit> {
    let words = Words::of(&asked.words)?;
    if let Err((sentence, exit)) = asked.become_user() {
        os::log::fatal(&call.name, &sentence);
        return Some(exit);
    }
    Some(answer(call, asked, &words))
}

fn answer(call: &Call, asked: &QueryOptions, words: &Words) -> Exit {
    let mut answer = Answer::default();
    if query::is_root() {
        let text = "root, who may read and do what smtpd may not; -u and -g say otherwise";
        answer.step("as", text.as_bytes());
    }
    let mut env = call.env.clone();
    env.set("TCPREMOTEIP", &words.ip);
    let mut may_relay_by_rule = false;
    if let Some(path) = &asked.rules {
        match apply_rules(path, &mut env, &mut answer) {
            Ok(Ruled::Allowed { relay }) => may_relay_by_rule = relay,
            Ok(Ruled::Denied) => {
                answer.step("reply", b"none: superd drops the connection");
                answer.print();
                return Exit::NO;
            }
            Err(error) => return unreadable(&call.name, path, &error),
        }
    }
    if let Some(store) = &asked.relay {
        if may_relay_by_rule {
            answer.step("login", b"not asked for, as the rule sets RELAYCLIENT");
        } else if let Err(sentence) =
            apply_login(Path::new(store), &words.ip, &mut env, &mut answer)
        {
            os::log::fatal(&call.name, &sentence);
            return Exit::TEMPORARY;
        }
    }
    // Whether there is a checker is not among the words.
    let must_log_in = env
        .bytes("SMTPAUTH")
        .is_some_and(|value| value.starts_with(b"!"));
    env.remove("SMTPAUTH");
    let sources = Sources {
        env: &env,
        host_name: os::process::host_name,
        program: &|name| os::programs::resolve(name, env.get("PATH")),
        applets: call.applets,
        words: &[],
    };
    match Settings::read(&sources) {
        Ok(settings) => {
            if must_log_in {
                let text = "only after AUTH; what follows is as if that were not so";
                answer.step("MAIL", text.as_bytes());
            }
            let mut log = Log::new(&call.name, Some(&words.ip));
            explain(&settings, words, answer, &mut log)
        }
        Err(error) => {
            answer.step("settings", error.to_string().as_bytes());
            answer.end(replies::NO_CONTROLS)
        }
    }
}

fn unreadable(name: &str, path: &OsStr, error: &io::Error) -> Exit {
    let (path, reason) = (Path::new(path).display(), os::reason(error));
    os::log::fatal(name, &format!("unable to read {path}: {reason}"));
    Exit::TEMPORARY
}

/// What the rule for a client says.
enum Ruled {
    /// He may connect.
    Allowed {
        /// It sets RELAYCLIENT.
        relay: bool,
    },
    /// He may not.
    Denied,
}

/// Sets what the rule for the client sets.
fn apply_rules(path: &OsStr, env: &mut Env, answer: &mut Answer) -> io::Result<Ruled> {
    let cdb = Cdb::open_path(Path::new(path))?;
    let value = |name: &str| env.bytes(name).map(<[u8]>::to_vec);
    let ip = value("TCPREMOTEIP").unwrap_or_default();
    let (host, info) = (value("TCPREMOTEHOST"), value("TCPREMOTEINFO"));
    let client = search::Client {
        ip: &ip,
        host: host.as_deref(),
        info: info.as_deref(),
    };
    let decision = search::decide(&client, |key| cdb.get(key))?;
    match &decision.key {
        Some(key) => answer.step("rule", &[key, &b":"[..]].concat()),
        None => answer.step("rule", b"none, which allows the connection"),
    }
    if decision.verdict() == Verdict::Deny {
        return Ok(Ruled::Denied);
    }
    let mut relay = false;
    for (name, value) in decision.variables() {
        relay |= name == RELAYCLIENT.as_bytes();
        answer.step("rule sets", &[name, b"=", value].concat());
        env.set_os(OsStr::from_bytes(name), OsStr::from_bytes(value));
    }
    Ok(Ruled::Allowed { relay })
}

/// Sets what superd's `--relay` sets for a client who has logged in lately; an error is a sentence.
fn apply_login(path: &Path, ip: &[u8], env: &mut Env, answer: &mut Answer) -> Result<(), String> {
    let variable = |name: &str| env.get(name).map(ToOwned::to_owned);
    let expiry = relay_store::settings::expiry(variable).map_err(|unfit| unfit.to_string())?;
    let failed = |error: io::Error| {
        let reason = os::reason(&error);
        format!("unable to use {}: {reason}", path.display())
    };
    let store = Store::open(path, expiry).map_err(failed)?;
    let Some(address) = Address::from_text(ip) else {
        answer.step("login", b"none: that is no address");
        return Ok(());
    };
    let Some(entry) = store.lookup(&address, SystemTime::now()).map_err(failed)? else {
        answer.step("login", b"none from there lately");
        return Ok(());
    };
    let value = env.bytes("RELAY_CTRL_RELAYCLIENT").unwrap_or_default();
    let value = value.to_vec();
    env.set(RELAYCLIENT, &value);
    let who = match entry.user.as_slice() {
        b"" => &b"somebody"[..],
        user => {
            env.set("RELAY_CTRL_USER", user);
            user
        }
    };
    answer.step("login", &[who, b" from there lately"].concat());
    Ok(())
}

fn explain(settings: &Settings, words: &Words, mut answer: Answer, log: &mut Log) -> Exit {
    describe_client(settings, &mut answer);
    if settings.terms.tls_to_send {
        answer.step(
            "MAIL",
            b"only after STARTTLS; what follows is for a client that has done so",
        );
    }
    let (Ok(mut sender), Ok(recipient)) = (parsed(&words.from), parsed(&words.to)) else {
        return answer.end(replies::BAD_ADDRESS);
    };
    if recipient.is_empty() {
        return answer.end(replies::BAD_ADDRESS);
    }
    address::replace_own_literal(&mut sender, settings.local_ip, &settings.localiphost);
    let mut recipient = recipient;
    let named = recipient.clone();
    complete(settings, &mut recipient);
    if recipient != named {
        answer.step("recipient", &recipient);
    }
    // The name in HELO is not among the words: the address in brackets is what a client says who
    // has none.
    let known = Known {
        size: 0,
        sender: &sender,
        helo: &[b"[", words.ip.as_slice(), b"]"].concat(),
        vouched_sender: false,
        vouched_recipient: false,
    };
    let decision = decide(settings, known, &recipient);
    describe_recipient(settings, &sender, &recipient, &mut answer);
    let destination = match decision {
        Decision::Bad(text) => return answer.end(text),
        Decision::Refuse(refusal) => {
            if let Some(fault) = &refusal.fault {
                answer.step("fault", fault.as_bytes());
            }
            return answer.end(&refusal.reply);
        }
        Decision::Take(destination) => destination,
    };
    let transport = settings.transports.of(destination);
    if let Some(transport) = transport {
        answer.step("way", transport.to_string().as_bytes());
    }
    describe_limits(settings, &mut answer);
    if settings.client.relay.is_none()
        && let Some(refusal) = settings.dnsbl.look_up(&words.ip, log)
    {
        let line = String::from_utf8_lossy(refusal.line()).into_owned();
        answer.step(
            "refused for the address",
            b"by RBLSMTPD or a list in the DNS",
        );
        return answer.end(&line);
    }
    if let Some(Transport::Hop(hop)) = transport {
        if matches!(hop.endpoint, Endpoint::Tcp { .. }) {
            let text =
                "no, only a server on a UNIX socket is; its answer to RCPT would be the client's";
            answer.step("asked", text.as_bytes());
        } else if let Err(failure) = ask(hop, settings, &sender, &recipient) {
            answer.step("asked", failure.reason.as_bytes());
            return answer.end(&failure.reply);
        } else {
            answer.step("asked", b"yes, it takes the recipient");
        }
    }
    answer.end(replies::OK)
}

/// What the next hop says about a recipient; it gets no message.
fn ask(hop: &Hop, settings: &Settings, sender: &[u8], recipient: &[u8]) -> Result<(), Failure> {
    let told = |failure: nexthop::Failure| hop::told(&failure);
    let mut client = query::connect(hop, &settings.hop).map_err(told)?;
    let answer = client
        .mail(sender, &nexthop::MailParameters::default())
        .and_then(|()| client.rcpt(recipient));
    if client.reset().is_ok() {
        client.quit();
    }
    answer.map_err(told)
}

/// An address of the command line, in angle brackets or without.
fn parsed(word: &[u8]) -> Result<Vec<u8>, address::Fault> {
    let bracketed = match word.first() {
        Some(b'<') => word.to_vec(),
        _ => [b"<", word, b">"].concat(),
    };
    address::parse(&bracketed).map(|read| read.address)
}

fn describe_client(settings: &Settings, answer: &mut Answer) {
    answer.step("home", settings.home.as_os_str().as_bytes());
    match settings.client.relay.as_deref() {
        None => answer.step("RELAYCLIENT", b"not set: only the hosts of rcpthosts"),
        Some(b"") => answer.step("RELAYCLIENT", b"set: every host"),
        Some(value) => {
            let text = [b"every host, with ", value, b" behind each recipient"].concat();
            answer.step("RELAYCLIENT", &text);
        }
    }
    let lists: Vec<&[u8]> = settings.dnsbl.lists().collect();
    if settings.client.relay.is_none() && !lists.is_empty() {
        answer.step("dnsbllist", &lists.join(&b' '));
    }
}

/// What each step says about the sender, and about the recipient as he stands in the envelope.
fn describe_recipient(settings: &Settings, sender: &[u8], recipient: &[u8], answer: &mut Answer) {
    let may_relay = settings.client.relay.is_some();
    let lists = &settings.lists;
    let listed = |is: bool| if is { &b"listed"[..] } else { b"not listed" };
    answer.step(
        "badmailfrom",
        listed(lists.refuse_sender(sender, may_relay)),
    );
    let route = settings.hosts.route(recipient, may_relay);
    answer.step(
        "host",
        match &route {
            Route::Local => &b"local"[..],
            Route::Remote if may_relay => b"elsewhere, and the client may relay",
            Route::Remote => b"elsewhere, and allowed by rcpthosts or morercpthosts",
            Route::Refused if settings.hosts.rcpthosts.is_none() => {
                b"not local, and there is no rcpthosts"
            }
            Route::Refused => b"neither in rcpthosts nor in morercpthosts",
            Route::Unknown(_) => b"not in rcpthosts, and morercpthosts.cdb cannot be read",
        },
    );
    if !matches!(route, Route::Local | Route::Remote) {
        return;
    }
    if route == Route::Local {
        describe_mailboxes(settings, recipient, answer);
    }
    answer.step(
        "badrcptto",
        listed(lists.refuse_recipient(recipient, may_relay)),
    );
    if lists.valid.is_known() {
        let said = match lists.is_valid(recipient, may_relay) {
            Ok(_) if may_relay => b"not asked for a client that may relay".to_vec(),
            Ok(is) => listed(is).to_vec(),
            Err(unreadable) => unreadable.to_string().into_bytes(),
        };
        answer.step("validrcptto", &said);
    }
}

fn describe_mailboxes(settings: &Settings, recipient: &[u8], answer: &mut Answer) {
    let Some(accounts) = settings.transports.accounts() else {
        answer.step("mailbox", b"not known here: who takes the message knows");
        return;
    };
    let (local, _) = envelope::split(recipient);
    match accounts.resolve(local) {
        Ok(Found::Unknown) => answer.step("mailbox", b"none"),
        Ok(Found::Mailboxes(mailboxes)) => {
            for mailbox in mailboxes {
                let path = mailbox.maildir.into_os_string().into_vec();
                let uid = mailbox.uid;
                let text = [mailbox.user.as_slice(), b" ", &path].concat();
                answer.step(&format!("mailbox of uid {uid}"), &text);
                let own = os::identity::effective_uid();
                if own != uid && own != 0 {
                    let what = format!(
                        "uid {own} delivers to no mailbox of uid {uid}: after the message the reply is 451"
                    );
                    answer.step("fault", what.as_bytes());
                }
            }
        }
        Err(error) => answer.step("mailbox", error.to_string().as_bytes()),
    }
}

fn describe_limits(settings: &Settings, answer: &mut Answer) {
    let limits = &settings.limits;
    let number = |number: u64| match number {
        0 => "none".to_owned(),
        number => number.to_string(),
    };
    let text = format!(
        "bytes {}, recipients {}, messages {}, seconds of silence {}",
        number(limits.databytes),
        limits.recipients,
        number(limits.messages),
        limits.timeout.as_secs()
    );
    answer.step("limits", text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_an_address_and_two_of_mail() {
        let read = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            Words::of(&words)
        };
        let expected = Words {
            ip: b"192.0.2.1".to_vec(),
            from: b"a@b".to_vec(),
            to: b"c@d".to_vec(),
        };
        assert_eq!(read(&["192.0.2.1", "a@b", "c@d"]), Some(expected));
        for wrong in [&[][..], &["a", "b"], &["a", "b", "c", "d"]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_address_stands_in_brackets_or_alone_and_nothing_is_the_null_sender() {
        for (word, address) in [
            ("joe@x", "joe@x"),
            ("<joe@x>", "joe@x"),
            ("\"joe blow\"@x", "joe blow@x"),
            ("<>", ""),
            ("", ""),
        ] {
            assert_eq!(parsed(word.as_bytes()).expect("good"), address.as_bytes());
        }
        assert!(parsed(b"a\x01@x").is_err());
    }

    #[test]
    fn what_is_shown_cannot_make_a_line_of_its_own() {
        let mut answer = Answer::default();
        answer.step("rule sets", b"A=x\nreply: 250 ok\x1b");
        assert_eq!(answer.lines, [b"rule sets: A=x?reply: 250 ok?".to_vec()]);
    }
}
