//! The options that `--check` and `--explain` share: which user they answer as, and how they try a transport.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nexthop::{Client, Hop, Limits};
use os::Exit;
use os::args::{Getopt, Opt};
use os::identity::{self, Identity};
use os::names::passwd;

/// The options before the words of a question.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct QueryOptions {
    user: Option<OsString>,
    group: Option<OsString>,
    /// `-x`: the rules of superd.
    pub rules: Option<OsString>,
    /// `--relay`: its store of recent logins.
    pub relay: Option<OsString>,
    /// The words.
    pub words: Vec<OsString>,
}

/// A sentence, and the exit code that goes with it.
pub type Trouble = (String, Exit);

impl QueryOptions {
    /// Takes `words` apart; with `client` there may be what is about a client, `-x` and `--relay`. `None` where
    /// they mean nothing.
    pub fn of(words: &[OsString], client: bool) -> Option<QueryOptions> {
        let valued = if client { "ugx" } else { "ug" };
        let mut options = Getopt::new(words.to_vec(), "", valued);
        let mut asked = QueryOptions::default();
        while let Some(option) = options.next_option().ok()? {
            match option {
                Opt::Value(b'u', user) => asked.user = Some(user),
                Opt::Value(b'g', group) => asked.group = Some(group),
                Opt::Value(b'x', rules) => asked.rules = Some(rules),
                Opt::Long(name) if client && name == "relay" => {
                    asked.relay = Some(options.next_word()?);
                }
                Opt::Flag(_) | Opt::Value(..) | Opt::Long(_) => return None,
            }
        }
        asked.words = options.operands();
        Some(asked)
    }

    /// Becomes who was asked for, as superd does with these options: nothing that root alone can read is seen
    /// then. Call it before the first thread is started.
    pub fn become_user(&self) -> Result<(), Trouble> {
        let gid = self.group.as_deref().map(group).transpose()?;
        let gid = gid.filter(|&gid| gid != 0);
        let user = self.user.as_deref().map(user).transpose()?;
        let dropped = match (user.filter(|&(uid, _)| uid != 0), gid) {
            (None, None) => return Ok(()),
            (None, Some(gid)) => identity::set_group(gid),
            (Some((uid, primary)), gid) => match gid.or(primary) {
                Some(gid) => identity::become_user(Identity { uid, gid }),
                None => {
                    let sentence = format!("no group for user {uid}: give -g, too");
                    return Err((sentence, Exit::PERMANENT));
                }
            },
        };
        dropped.map_err(|error| (error.to_string(), Exit::TEMPORARY))
    }
}

/// Whether this is root, who may do more than smtpd will.
pub fn is_root() -> bool {
    identity::effective_uid() == 0
}

fn number(word: &OsStr) -> Option<u32> {
    let text = word.to_str()?;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The id of a user, and of the group that is his, where that is known.
fn user(word: &OsStr) -> Result<(u32, Option<u32>), Trouble> {
    let unreadable = unreadable("/etc/passwd");
    if let Some(uid) = number(word) {
        let user = passwd::user_by_id(uid).map_err(unreadable)?;
        return Ok((uid, user.map(|user| user.gid)));
    }
    let found = passwd::user_by_name(word.as_bytes()).map_err(unreadable)?;
    let user = found.ok_or_else(|| nobody("user", word))?;
    Ok((user.uid, Some(user.gid)))
}

fn group(word: &OsStr) -> Result<u32, Trouble> {
    if let Some(gid) = number(word) {
        return Ok(gid);
    }
    let found = passwd::group_by_name(word.as_bytes()).map_err(unreadable("/etc/group"))?;
    found
        .map(|group| group.gid)
        .ok_or_else(|| nobody("group", word))
}

fn nobody(what: &str, word: &OsStr) -> Trouble {
    let sentence = format!("no such {what}: {}", word.as_bytes().escape_ascii());
    (sentence, Exit::PERMANENT)
}

fn unreadable(file: &str) -> impl Fn(std::io::Error) -> Trouble {
    move |error| {
        let sentence = format!("unable to read {file}: {}", os::reason(&error));
        (sentence, Exit::TEMPORARY)
    }
}

/// Connects to a hop as a session would, but with little patience: somebody waits for the answer.
pub fn connect(hop: &Hop, settings: &nexthop::Settings) -> Result<Client, nexthop::Failure> {
    let limits = Limits {
        connect: Duration::from_secs(10),
        reply: Duration::from_secs(20),
        opening: Duration::from_secs(30),
        ..settings.limits
    };
    let settings = nexthop::Settings {
        limits,
        ..settings.clone()
    };
    Client::connect(hop, &settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], client: bool) -> Option<QueryOptions> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        QueryOptions::of(&words, client)
    }

    #[test]
    fn options_come_before_the_words_and_those_of_a_client_only_with_one() {
        let asked = of(
            &["-u", "qmaild", "-gnofiles", "check-via", "/s", "-u"],
            false,
        );
        let expected = QueryOptions {
            user: Some("qmaild".into()),
            group: Some("nofiles".into()),
            words: vec!["check-via".into(), "/s".into(), "-u".into()],
            ..QueryOptions::default()
        };
        assert_eq!(asked, Some(expected));
        let asked = of(&["--relay", "/store", "-x", "r.cdb", "ip"], true);
        let expected = QueryOptions {
            rules: Some("r.cdb".into()),
            relay: Some("/store".into()),
            words: vec!["ip".into()],
            ..QueryOptions::default()
        };
        assert_eq!(asked, Some(expected));
        for (words, client) in [
            (&["-x", "r.cdb"][..], false),
            (&["--relay", "/store"], false),
            (&["--relay"], true),
            (&["--other"], true),
            (&["-u"], false),
            (&["-q"], true),
        ] {
            assert_eq!(of(words, client), None, "{words:?}");
        }
    }

    #[test]
    fn numbers_stand_for_themselves_and_names_must_be_there() {
        assert_eq!(user("54321".as_ref()), Ok((54321, None)));
        assert_eq!(user("root".as_ref()), Ok((0, Some(0))));
        assert_eq!(group("54321".as_ref()), Ok(54321));
        for word in ["no-such-name", "-1", "4294967296", "1x", ""] {
            let (sentence, exit) = user(word.as_ref()).expect_err(word);
            assert_eq!(sentence, format!("no such user: {word}"));
            assert_eq!(exit, Exit::PERMANENT);
            assert!(group(word.as_ref()).is_err(), "{word}");
        }
    }
}
