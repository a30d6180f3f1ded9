//! `-u`, `-g` and `-U`: from words to an identity, and the drop to it.
//!
//! A user without a group means his primary group from the passwd file, and the group list is
//! always cut to that one group. (The original leaves root's groups in place there; see
//! COMPATIBILITY in the man page.) Zero means "do nothing", as it does under the original.

use std::ffi::OsStr;

use os::Exit;
use os::identity::{self, Identity};
use os::names::passwd::{Group, User, group_by_name, user_by_id, user_by_name};

use crate::cli::{Options, Who};
use crate::numbers::number;

/// What is to be done about privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Everything stays.
    Keep,
    /// Only the group and the group list change (`-g` alone).
    Group(u32),
    /// A new identity with no way back.
    Become(Identity),
    /// The user's own number without the privilege to change groups: there is nothing to give up.
    Stay(u32),
}

/// A sentence without the program's name, and the exit code that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub sentence: String,
    /// 100 where the call can never work, 111 where the system is in the way.
    pub exit: Exit,
}

impl Refusal {
    fn permanent(sentence: String) -> Refusal {
        Refusal {
            sentence,
            exit: Exit::PERMANENT,
        }
    }

    fn unreadable(file: &str, error: &std::io::Error) -> Refusal {
        let sentence = format!("unable to read {file}: {}", os::reason(error));
        Refusal {
            sentence,
            exit: Exit::TEMPORARY,
        }
    }
}

/// Works out what the options ask for. Reads the passwd and group files where it must.
///
/// `environment` looks up a variable; it is a parameter so that tests need not change their own.
pub fn plan(
    options: &Options,
    environment: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<Plan, Refusal> {
    if options.from_environment {
        let uid = environment("UID").ok_or_else(|| {
            Refusal::permanent("-U takes the user from $UID, which is not set".to_owned())
        })?;
        let uid = id_in("$UID", &uid)?;
        let gid = environment("GID")
            .map(|gid| id_in("$GID", &gid))
            .transpose()?;
        return decide(Some((uid, None)), gid);
    }
    let gid = options.group.as_ref().map(group_id).transpose()?;
    match &options.user {
        None => decide(None, gid),
        Some(Who::Id(uid)) => decide(Some((*uid, None)), gid),
        Some(Who::Name(name)) => {
            let user = user_named(name)?;
            decide(Some((user.uid, Some(user.gid))), gid)
        }
    }
}

/// `user` is the number and, where it is known already, the primary group.
fn decide(user: Option<(u32, Option<u32>)>, gid: Option<u32>) -> Result<Plan, Refusal> {
    let gid = gid.filter(|&gid| gid != 0);
    let Some((uid, primary)) = user.filter(|&(uid, _)| uid != 0) else {
        return Ok(gid.map_or(Plan::Keep, Plan::Group));
    };
    let gid = match (gid, primary) {
        (Some(gid), _) => gid,
        (None, _) if identity::is_nobody_but(uid) => return Ok(Plan::Stay(uid)),
        (None, Some(primary)) => primary,
        (None, None) => primary_group(uid)?,
    };
    Ok(Plan::Become(Identity { uid, gid }))
}

/// Carries the plan out. Call it before the first thread is started.
///
/// Where only a user was asked for, a group that cannot be set is told as the user's trouble.
pub fn carry_out(plan: Plan, options: &Options) -> Result<(), identity::DropError> {
    match plan {
        Plan::Keep => Ok(()),
        Plan::Group(gid) => identity::set_group(gid),
        Plan::Become(who) => identity::become_user(who).map_err(|error| match error {
            identity::DropError::Group(error) if options.group.is_none() => {
                identity::DropError::User(error)
            }
            other => other,
        }),
        Plan::Stay(uid) => identity::keep_user(uid),
    }
}

/// The id of a user given by number or name.
pub fn user_id(who: &Who) -> Result<u32, Refusal> {
    match who {
        Who::Id(uid) => Ok(*uid),
        Who::Name(name) => Ok(user_named(name)?.uid),
    }
}

/// The id of a group given by number or name.
pub fn group_id(who: &Who) -> Result<u32, Refusal> {
    match who {
        Who::Id(gid) => Ok(*gid),
        Who::Name(name) => match group_by_name(name) {
            Ok(Some(Group { gid, .. })) => Ok(gid),
            Ok(None) => Err(Refusal::permanent(format!(
                "no such group: {}",
                name.escape_ascii()
            ))),
            Err(error) => Err(Refusal::unreadable("/etc/group", &error)),
        },
    }
}

fn user_named(name: &[u8]) -> Result<User, Refusal> {
    match user_by_name(name) {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(no_such_user(name)),
        Err(error) => Err(Refusal::unreadable("/etc/passwd", &error)),
    }
}

fn no_such_user(name: &[u8]) -> Refusal {
    Refusal::permanent(format!("no such user: {}", name.escape_ascii()))
}

fn primary_group(uid: u32) -> Result<u32, Refusal> {
    match user_by_id(uid) {
        Ok(Some(user)) => Ok(user.gid),
        Ok(None) => Err(Refusal::permanent(format!(
            "unable to figure out the group of uid {uid}: it is not in /etc/passwd; use -g"
        ))),
        Err(error) => Err(Refusal::unreadable("/etc/passwd", &error)),
    }
}

fn id_in(name: &str, value: &OsStr) -> Result<u32, Refusal> {
    number(name, value, 0..=u32::MAX - 1).map_err(Refusal::permanent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Invocation, parse};
    use std::ffi::OsString;

    fn options(words: &[&str]) -> Options {
        let words = words
            .iter()
            .chain(&["0", "25", "p"])
            .map(OsString::from)
            .collect();
        match parse(words).outcome {
            Ok(Invocation::Serve(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    fn planned(words: &[&str], environment: &[(&str, &str)]) -> Result<Plan, Refusal> {
        plan(&options(words), |name| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        })
    }

    #[test]
    fn nothing_asked_for_and_zero_change_nothing() {
        assert_eq!(planned(&[], &[]), Ok(Plan::Keep));
        assert_eq!(planned(&["-u0", "-g0"], &[]), Ok(Plan::Keep));
        assert_eq!(planned(&["-uroot"], &[]), Ok(Plan::Keep));
    }

    #[test]
    fn both_numbers_are_taken_as_they_are() {
        let plan = planned(&["-u", "64999", "-g", "64998"], &[]);
        assert_eq!(
            plan,
            Ok(Plan::Become(Identity {
                uid: 64999,
                gid: 64998
            }))
        );
    }

    #[test]
    fn a_user_alone_takes_his_primary_group() {
        let nobody = user_by_name(b"nobody").expect("readable").expect("nobody");
        let expected = Plan::Become(Identity {
            uid: nobody.uid,
            gid: nobody.gid,
        });
        assert_eq!(planned(&["-unobody"], &[]), Ok(expected));
        assert_eq!(planned(&["-u", &nobody.uid.to_string()], &[]), Ok(expected));
    }

    #[test]
    fn an_unknown_number_alone_is_fatal_and_says_what_helps() {
        let refusal = planned(&["-u", "64999"], &[]).expect_err("no group");
        assert_eq!(refusal.exit, Exit::PERMANENT);
        assert!(refusal.sentence.contains("64999") && refusal.sentence.contains("-g"));
    }

    #[test]
    fn unknown_names_are_fatal_by_name() {
        for words in [["-u", "no-such-name"], ["-g", "no-such-name"]] {
            let refusal = planned(&words, &[]).expect_err("unknown");
            assert!(
                refusal.sentence.contains("no-such-name"),
                "{}",
                refusal.sentence
            );
        }
    }

    #[test]
    fn a_group_alone_changes_the_group_only() {
        assert_eq!(planned(&["-g", "64998"], &[]), Ok(Plan::Group(64998)));
    }

    #[test]
    fn the_environment_must_name_the_user_by_number() {
        let both = [("UID", "64999"), ("GID", "64998")];
        let expected = Plan::Become(Identity {
            uid: 64999,
            gid: 64998,
        });
        assert_eq!(planned(&["-U"], &both), Ok(expected));
        assert!(
            planned(&["-U"], &[])
                .expect_err("no UID")
                .sentence
                .contains("$UID")
        );
        for wrong in ["", "x", "-1"] {
            let refusal = planned(&["-U"], &[("UID", wrong)]).expect_err("no number");
            assert!(refusal.sentence.contains("$UID"), "{}", refusal.sentence);
        }
        assert!(planned(&["-U"], &[("UID", "64999"), ("GID", "y")]).is_err());
    }
}
