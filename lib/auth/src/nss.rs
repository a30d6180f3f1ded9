//! Asking `superd-nss`, the small dynamic program that may call what a static one must not: NSS,
//! libcrypt, PAM.
//!
//! It is run for one question each, from the folder of our own programs and never along PATH, with
//! no environment but its own. It is optional: where it is not installed, the error of these
//! functions says so, and only what needs it cannot be answered.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use os::names::nss::{ANSWER_LIMIT, Answer, RecordError, Request};
use os::names::passwd::{self, User};
use zeroize::Zeroizing;

use crate::Secret;

const PROGRAM: &str = "superd-nss";

/// The longest that one answer may take. PAM modules wait a few seconds after a wrong password, and a
/// directory server may be slow.
const LIMIT: Duration = Duration::from_secs(30);

/// What the system says of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is him; the name is that of the account, which PAM may have changed.
    Yes(Vec<u8>),
    /// It is not, or he may not log in.
    No(String),
    /// It cannot be told now.
    Temporary(String),
    /// It can never be told this way.
    Permanent(String),
}

/// Whether users may be anywhere else than in /etc/passwd: whether the passwd line of
/// nsswitch.conf names more than `files`, `compat` and `systemd`. (systemd's own users are those of
/// services, and nobody's mail is theirs.)
pub fn is_wanted() -> io::Result<bool> {
    os::names::nsswitch::has_other_users()
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This user, with these groups.
    User(User, Vec<u32>),
    /// Nobody.
    Nobody,
    /// Nobody in the file, and NSS gives no answer; why. To whoever asks this must look like
    /// [`Found::Nobody`]: where NSS does not answer, names of the file are known all the same, and
    /// another answer for all others would tell which these are.
    Unasked(String),
}

/// The user `name` with his groups, on a system that has other users than those of /etc/passwd,
/// where he is `local`.
///
/// NSS is asked for every name, known or not: otherwise the time that takes would tell a name of the
/// file from others. It also knows all groups of a user of the file; if it gives no answer, he has
/// those of /etc/group. The error is that of reading this file.
pub fn find(name: &[u8], local: Option<User>) -> io::Result<Found> {
    find_with(local, name, user)
}

fn find_with(
    local: Option<User>,
    name: &[u8],
    ask: impl FnOnce(&[u8]) -> io::Result<Option<(User, Vec<u32>)>>,
) -> io::Result<Found> {
    let asked = ask(name);
    let Some(local) = local else {
        return Ok(match asked {
            Ok(Some((user, groups))) => Found::User(user, groups),
            Ok(None) => Found::Nobody,
            Err(error) => Found::Unasked(error.to_string()),
        });
    };
    let groups = match asked {
        Ok(Some((user, groups))) if user.uid == local.uid && user.gid == local.gid => groups,
        _ => passwd::groups_of(name)?,
    };
    Ok(Found::User(local, groups))
}

/// The user of that name by NSS, with all his groups.
pub fn user(name: &[u8]) -> io::Result<Option<(User, Vec<u32>)>> {
    // What cannot be a name in a passwd file is none; and no record either.
    if name.is_empty() || name.contains(&0) {
        return Ok(None);
    }
    match ask(Request::User { name })? {
        Answer::User(user, groups) => Ok(Some((user, groups))),
        Answer::Unknown => Ok(None),
        other => Err(unexpected(other)),
    }
}

/// Whether `secret` is what `hash` was made of, by whatever scheme the system's libcrypt knows.
pub fn matches(secret: &Secret, hash: &[u8]) -> io::Result<bool> {
    let secret = secret.expose();
    match ask(Request::Hash { secret, hash })? {
        Answer::Yes(_) => Ok(true),
        Answer::No(_) => Ok(false),
        other => Err(unexpected(other)),
    }
}

/// Whether `secret` is the password of the shadow entry that NSS has for `name`.
pub fn check_shadow(name: &[u8], secret: &Secret) -> io::Result<Checked> {
    let secret = secret.expose();
    checked(ask(Request::Shadow { name, secret })?)
}

/// Whether PAM's `service` lets `name` in, who comes from `rhost` (which may be empty) with `secret`.
pub fn pam(service: &[u8], name: &[u8], secret: &Secret, rhost: &[u8]) -> io::Result<Checked> {
    let secret = secret.expose();
    checked(ask(Request::Pam {
        service,
        name,
        secret,
        rhost,
    })?)
}

fn checked(answer: Answer) -> io::Result<Checked> {
    Ok(match answer {
        Answer::Yes(name) => Checked::Yes(name),
        Answer::No(why) => Checked::No(why),
        Answer::Unknown => Checked::No("no such user".to_owned()),
        Answer::Temporary(why) => Checked::Temporary(why),
        Answer::Permanent(why) => Checked::Permanent(why),
        other => return Err(unexpected(other)),
    })
}

/// An answer that is no answer to the question, or says that there is none.
fn unexpected(answer: Answer) -> io::Error {
    match answer {
        Answer::Temporary(why) | Answer::Permanent(why) => unable(why),
        _ => unable("its answer is to another question"),
    }
}

fn unable(why: impl fmt::Display) -> io::Error {
    io::Error::other(format!("unable to ask {PROGRAM}: {why}"))
}

/// Runs the program for one question.
fn ask(request: Request<'_>) -> io::Result<Answer> {
    let failed = |error: io::Error| unable(os::reason(&error));
    let record = Zeroizing::new(request.to_record().map_err(unable)?);
    let folder = os::programs::libexec().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let program = std::path::absolute(folder.join(PROGRAM)).map_err(failed)?;
    let mut command = Command::new(program);
    command.env_clear().current_dir("/");
    ask_command(command, &record, Instant::now() + LIMIT)
}

fn ask_command(mut command: Command, record: &[u8], deadline: Instant) -> io::Result<Answer> {
    let failed = |error: io::Error| unable(os::reason(&error));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut helper = Helper(command.spawn().map_err(failed)?);
    if let Some(mut input) = helper.0.stdin.take() {
        // A record is smaller than a pipe: this waits for nobody. One who has ended already is
        // found out by his answer.
        let _ = input.write_all(record);
    }
    let answer = match helper.0.stdout.take() {
        Some(output) => read(&output, deadline).map_err(failed)?,
        None => Vec::new(),
    };
    Answer::parse(&answer).map_err(|error| match (error, answer.is_empty()) {
        (RecordError::Malformed, true) => unable("it ended without an answer"),
        (error, _) => unable(error),
    })
}

/// All that the helper says, until it closes its descriptor.
fn read(output: &ChildStdout, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() <= ANSWER_LIMIT {
        match os::fd::read_until(output.as_fd(), &mut buffer, deadline)? {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(answer)
}

/// The running helper; it does not outlive this.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        // It has said all it had to say, or is too late: in both cases it is ended at once.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env_clear();
        command
    }

    fn answered(script: &str) -> io::Result<Answer> {
        ask_command(
            shell(script),
            b"user\0joe\0",
            Instant::now() + Duration::from_secs(20),
        )
    }

    #[test]
    fn a_question_is_written_and_its_answer_read() {
        // `user joe` in, `yes user-joe` out.
        let script = "printf 'yes\\0'; tr '\\0' - | tr -d '\\n'; printf '\\0'";
        let answer = answered(script).expect("an answer");
        assert_eq!(answer, Answer::Yes(b"user-joe-".to_vec()));
    }

    #[test]
    fn what_is_no_answer_is_an_error_that_names_the_program() {
        let text = |script: &str| answered(script).expect_err("no answer").to_string();
        assert_eq!(
            text("exit 100"),
            "unable to ask superd-nss: it ended without an answer"
        );
        assert_eq!(
            text("printf yes"),
            "unable to ask superd-nss: the record is malformed"
        );
        let endless = text("yes");
        assert_eq!(endless, "unable to ask superd-nss: the record is too long");
        let missing = ask_command(
            Command::new("/nonexistent/superd-nss"),
            b"",
            Instant::now() + Duration::from_secs(20),
        );
        assert_eq!(
            missing.expect_err("no program").to_string(),
            "unable to ask superd-nss: file does not exist"
        );
    }

    #[test]
    fn a_helper_that_does_not_answer_is_ended_at_the_deadline() {
        let start = Instant::now();
        // Without exec the shell's child would be the one that goes on.
        let deadline = start + Duration::from_millis(50);
        let error = ask_command(shell("exec sleep 60"), b"", deadline).expect_err("late");
        assert_eq!(error.to_string(), "unable to ask superd-nss: timed out");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    fn joe(uid: u32) -> User {
        User {
            name: b"no-such-user-here".to_vec(),
            uid,
            gid: 100,
            home: "/home/joe".into(),
            shell: Vec::new(),
        }
    }

    fn found(local: Option<User>, nss: io::Result<Option<(User, Vec<u32>)>>) -> Found {
        find_with(local, b"no-such-user-here", |_| nss).expect("no trouble")
    }

    #[test]
    fn the_file_comes_before_nss_and_nss_knows_more_groups() {
        let (mine, other) = (joe(1), joe(2));
        let nss = |user: &User| Ok(Some((user.clone(), vec![7])));
        assert_eq!(
            found(None, nss(&other)),
            Found::User(other.clone(), vec![7])
        );
        assert_eq!(
            found(Some(mine.clone()), nss(&mine)),
            Found::User(mine.clone(), vec![7])
        );
        // Another user under the same name does not lend him his groups.
        assert_eq!(
            found(Some(mine.clone()), nss(&other)),
            Found::User(mine.clone(), vec![])
        );
        assert_eq!(found(None, Ok(None)), Found::Nobody);
    }

    #[test]
    fn nss_out_of_reach_leaves_the_users_of_the_file_and_nobody_else() {
        let failure = || Err(io::Error::other("x"));
        assert_eq!(found(Some(joe(1)), failure()), Found::User(joe(1), vec![]));
        assert_eq!(found(None, failure()), Found::Unasked("x".to_owned()));
    }

    #[test]
    fn nss_is_asked_for_every_name_also_of_the_file() {
        let mut asked = 0;
        let found = find_with(Some(joe(1)), b"no-such-user-here", |_| {
            asked += 1;
            Ok(None)
        });
        assert_eq!(
            (found.expect("no trouble"), asked),
            (Found::User(joe(1), vec![]), 1)
        );
    }
}
