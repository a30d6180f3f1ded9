//! What stands before a login: the shell around the dialogue of a client that is nobody yet.
//!
//! popup (POP3) and imapup (IMAP) differ in what they say; everything else about a client that has
//! not logged in is here, and is the same for both:
//!
//! - **Nobody who reads the network is root.** Started as root, it forks once: the child
//!   becomes an unprivileged user and speaks with the client; the parent reads bounded records
//!   from that child and nothing else, decides, and becomes the user ([`sides`]). Started as
//!   anybody else it is one process.
//! - **A child that was taken over can guess passwords, at the rate of everybody else.** The
//!   challenges are made, the tries are counted and the delays are waited for by the parent
//!   ([`desk`]).
//! - **No byte is lost.** Where every program of the chain is ours, what the client sent ahead goes
//!   with the login; where one is not, nothing is read ahead.
//! - **Everything ends.** Lines, tries, commands and the whole time before a login have limits.
//!
//! The rooms: [`dialogue`] is what a protocol has to bring, and the loop that feeds it;
//! [`settings`] reads the environment; [`challenge`] makes challenges; [`tls`] is the UCSPI-TLS
//! interface; [`record`] is what the child tells the parent; [`desk`] decides about logins, by a
//! checker of ours or through [`foreign`] ones; [`sides`] are the two processes.

pub mod challenge;
pub mod desk;
pub mod dialogue;
mod foreign;
pub mod record;
pub mod settings;
mod sides;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use auth::{Attempt, Checker, Offers, Verdict};
use chain::tls::{self, Door};
use chain::{Call, Env};
use os::Exit;
use wire::Log;
use wire::session::last_words;

use crate::challenge::Challenges;
use crate::desk::{Desk, Way};
use crate::dialogue::{Dialogue, Terms};
use crate::settings::Settings;

/// What a protocol brings.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Makes the dialogue of one connection.
    pub dialogue: fn(Terms) -> Box<dyn Dialogue>,
    /// Said to the client where words are missing, line end included.
    pub usage: &'static [u8],
    /// Said where this host cannot serve and never will, as it is set up.
    pub permanent: &'static [u8],
    /// Said where something of this host is in the way now.
    pub temporary: &'static [u8],
    /// Said where he who has proved who he is cannot be served, now or ever; the first word is his
    /// [`dialogue::Login::note`].
    pub failed: fn(&[u8], dialogue::Refusal) -> Vec<u8>,
    /// The variable in which the next program finds [`dialogue::Login::note`].
    pub note: &'static str,
    /// The variable in which it finds who has logged in, besides `USER`: the account's name, or, behind a foreign
    /// checker, the name as it was typed.
    pub user: Option<&'static str>,
    /// How logins are told to what records them; `None`: by the value of `AUTH`.
    pub how: Option<&'static str>,
    /// The variable with what is not to be announced ([`Terms::hidden`]).
    pub hide: Option<&'static str>,
}

/// Who decides about logins in this process.
pub trait Judge {
    /// What can be decided about.
    fn offers(&self) -> Offers;
    /// Whether who is let in gets an identity of his own. Where not, the process would go on as who
    /// it is.
    fn gives_identity(&self) -> bool;
    /// Decides about one login.
    fn check(&self, attempt: &Attempt, env: &Env) -> Verdict;
}

impl Judge for Checker {
    fn offers(&self) -> Offers {
        Checker::offers(self)
    }

    fn gives_identity(&self) -> bool {
        Checker::gives_identity(self)
    }

    fn check(&self, attempt: &Attempt, env: &Env) -> Verdict {
        Checker::check(self, attempt, env)
    }
}

/// The judge that `words` begin with, and how many of them are the next program's.
pub type FindJudge = fn(&[OsString]) -> Option<(Box<dyn Judge>, usize)>;

fn our_checkers(words: &[OsString]) -> Option<(Box<dyn Judge>, usize)> {
    let (checker, rest) = Checker::of(words)?;
    Some((Box::new(checker), rest.len()))
}

/// Serves one client: `host checkprog prog args`, with the checkers of ours.
pub fn serve(call: Call, protocol: &Protocol) -> Exit {
    serve_with(call, protocol, our_checkers)
}

/// [`serve`] with other judges than the checkers of ours.
pub fn serve_with(mut call: Call, protocol: &Protocol, find: FindJudge) -> Exit {
    // Started with SIGCHLD ignored there would be no learning how a checker ended.
    let _ = os::signals::default_child();
    // As the original: a host and one more word, whatever that is.
    if call.args.len() < 2 {
        last_words(protocol.usage);
        return Exit::NO;
    }
    let host = call.args.remove(0);
    let ip = call.env.bytes("TCPREMOTEIP").unwrap_or(b"unknown").to_vec();
    // Nothing is written before the fork: the log would leave a descriptor in the child.
    let mut log = Log::new(&call.name, Some(&ip));
    let is_root = os::identity::effective_uid() == 0;
    let mut ready = match Ready::of(call, &host, protocol, find, is_root) {
        Ok(ready) => ready,
        Err(reason) => {
            log.event("fault").field("reason", reason.as_bytes()).say();
            last_words(protocol.permanent);
            return Exit::TEMPORARY;
        }
    };
    if !is_root {
        ready.say_warnings(&mut log);
        return sides::alone(ready, log, protocol);
    }
    let named = ready.desk.env().bytes("SUPERD_UNPRIV");
    match os::identity::unprivileged(named) {
        Ok(who) => sides::apart(ready, log, protocol, who),
        Err(reason) => {
            log.event("fault").field("reason", reason.as_bytes()).say();
            last_words(protocol.permanent);
            Exit::TEMPORARY
        }
    }
}

/// All that is known before the first word.
struct Ready {
    settings: Settings,
    desk: Desk,
    door: Option<Door>,
    terms: Terms,
    warnings: Vec<String>,
}

impl Ready {
    /// The error is a sentence: a fault of the set-up.
    fn of(
        mut call: Call,
        host: &OsString,
        protocol: &Protocol,
        find: FindJudge,
        is_root: bool,
    ) -> Result<Ready, String> {
        let mut settings = Settings::read(&call.env)?;
        let mut warnings = Vec::new();
        let door = match Door::take(&mut call.env) {
            Ok(door) => door,
            Err(warning) => {
                warnings.push(warning);
                None
            }
        };
        let challenges = Challenges::make(host.as_encoded_bytes())
            .map_err(|error| format!("unable to get random bytes: {}", os::reason(&error)))?;
        let (way, offers, joined) = match find(&call.args) {
            Some((judge, _)) if is_root && !judge.gives_identity() => {
                // There is a judge, so there is a word.
                let word = call.args.first().map_or(&b""[..], |word| word.as_bytes());
                return Err(format!(
                    "unable to serve as root with {}: it changes no uid, so all who log in would \
                     go on as root",
                    word.escape_ascii()
                ));
            }
            Some((judge, rest)) => {
                call.args.drain(..call.args.len().saturating_sub(rest));
                let joined = call.is_joined(&call.args);
                let offers = judge.offers();
                (Way::Ours(judge), offers, joined)
            }
            // It may be able to do APOP, and nobody can know.
            None => {
                let offers = Offers {
                    password: true,
                    apop: true,
                    cram: false,
                };
                (Way::Foreign, offers, false)
            }
        };
        settings.require_tls |= settings::tls_is_required(&call.env);
        let is_tls = tls::is_on(&call.env);
        let terms = Terms {
            host: host.as_encoded_bytes().to_vec(),
            apop: (offers.apop && settings.apop).then(|| challenges.apop.clone()),
            cram: offers.cram.then(|| challenges.cram.clone()),
            password: offers.password,
            tls: match door {
                _ if is_tls => dialogue::Tls::On,
                Some(_) => dialogue::Tls::Offered,
                None => dialogue::Tls::Off,
            },
            require_tls: settings.require_tls,
            joined,
            hidden: protocol
                .hide
                .and_then(|name| call.env.bytes(name))
                .unwrap_or_default()
                .to_vec(),
        };
        call.env.remove("UCSPITLS");
        let desk = Desk::new(way, call, challenges, &settings, is_tls);
        Ok(Ready {
            settings,
            desk,
            door: door.filter(|_| !is_tls),
            terms,
            warnings,
        })
    }

    fn say_warnings(&mut self, log: &mut Log) {
        for warning in self.warnings.drain(..) {
            log.event("warning")
                .field("reason", warning.as_bytes())
                .say();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(words: &[&str], is_root: bool) -> Result<bool, String> {
        let call = Call {
            name: "popup".to_owned(),
            args: words.iter().map(OsString::from).collect(),
            env: Env::default(),
            ahead: Vec::new(),
            applets: &[],
        };
        let host = OsString::from("h");
        let ready = Ready::of(
            call,
            &host,
            &crate::desk::tests::PROTOCOL,
            our_checkers,
            is_root,
        )?;
        Ok(ready.terms.password)
    }

    #[test]
    fn root_does_not_serve_with_a_checker_that_changes_no_uid() {
        for words in [
            &["checkpassword", "-e", "prog"][..],
            &["check-via", "/x", "prog"],
        ] {
            let reason = ready(words, true).expect_err("root would serve");
            assert_eq!(
                reason,
                format!(
                    "unable to serve as root with {}: it changes no uid, so all who log in would \
                     go on as root",
                    words[0]
                )
            );
            assert_eq!(ready(words, false), Ok(true), "{words:?}");
        }
        for words in [
            &["checkpassword", "prog"][..],
            &["checkpw", "prog"],
            &["/x", "prog"],
        ] {
            assert_eq!(ready(words, true), Ok(true), "{words:?}");
        }
    }
}
