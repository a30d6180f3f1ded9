//! `superd-passwd`: sets a mail password.
//!
//! Of two kinds: that in `~/Maildir/.password`, by the user himself or by root, who becomes the user
//! for it; and that in `users.secret`, by whoever may write that file. The new password is typed
//! twice, or is the one line that comes from a pipe.

mod files;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::{Duration, Instant};

use accounts::Home;
use accounts::users::DEFAULT_MAILBOX;
use auth::account::{self, Account, NotFound, Origin};
use auth::hash::{self, Method};
use auth::stored::Stored;
use auth::{password_file, users_secret};
use chain::Env;
use os::Exit;
use os::args::{Getopt, Opt};
use os::identity::{self, Identity};
use os::names::passwd;
use os::terminal::Hidden;
use zeroize::Zeroizing;

const USAGE: &str = "superd-passwd: usage: superd-passwd [ -s scheme ] [ -m maildir ] [ user ] | \
                     superd-passwd -u [ -s scheme ] user\n";

/// The most bytes of a new password. Longer ones might not fit with name and challenge into the 512
/// bytes that checkpassword programs are told.
const NEW_LIMIT: usize = 256;

/// How long to wait for somebody to type.
const PATIENCE: Duration = Duration::from_secs(300);

/// How the password is to stand in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Plain,
    Hashed(Method),
}

#[derive(Debug, PartialEq, Eq)]
struct Options {
    /// Whether it is `users.secret` that is meant.
    in_users: bool,
    scheme: Scheme,
    maildir: Option<Vec<u8>>,
    user: Option<Vec<u8>>,
}

/// Why nothing was set.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong: a line to print, or none.
    Usage(Option<String>),
    /// The password, or who asks, will not do.
    Refused(String),
    /// The system is in the way.
    Trouble(String),
}

/// Runs it.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    match run(name, args, &mut Env::of_process()) {
        Ok(()) => Exit::OK,
        Err(Failure::Usage(line)) => {
            if let Some(line) = line {
                os::log::say(format!("{name}: {line}\n").as_bytes());
            }
            os::log::say(USAGE.as_bytes());
            Exit::PERMANENT
        }
        Err(Failure::Refused(why)) => {
            os::log::fatal(name, &why);
            Exit::NO
        }
        Err(Failure::Trouble(why)) => {
            os::log::fatal(name, &why);
            Exit::TEMPORARY
        }
    }
}

fn run(name: &str, args: Vec<OsString>, env: &mut Env) -> Result<(), Failure> {
    let options = parse(args)?;
    // A core file would have the password in it.
    let hidden = os::process::not_dumpable();
    hidden.map_err(|error| Failure::Trouble(format!("unable to start: {}", os::reason(&error))))?;
    if let Some(maildir) = &options.maildir {
        env.set("MAILDIR", maildir);
    }
    let home = Home::find(|name| env.get(name).map(OsString::from));
    if options.in_users {
        let user = options.user.ok_or(Failure::Usage(None))?;
        check_name(&user)?;
        let value = value_of_secret(&new_password()?, options.scheme)?;
        let path = home.users_secret();
        files::set_secret(&path, &user, &value)
            .map_err(|error| Failure::Trouble(error.to_string()))?;
        // A typing error would show itself only when somebody cannot log in.
        if let Ok(None) = accounts::login_in_users(&home, &user, false) {
            let users = home.users();
            let why = format!("{} has no account of that name", users.display());
            os::log::warning(name, &why);
        }
        return Ok(());
    }
    let account = match options.user {
        Some(name) => named(&home, &name)?,
        None => own(env)?,
    };
    let place = password_file::place(&account, env);
    let place = place.map_err(|fault| Failure::Refused(fault.to_string()))?;
    become_owner(&account)?;
    let path = account.home.join(place);
    refuse_without_mailbox(&path)?;
    let line = line_of_password_file(&new_password()?, options.scheme)?;
    files::replace(&path, &line).map_err(|error| Failure::Trouble(error.to_string()))
}

fn parse(args: Vec<OsString>) -> Result<Options, Failure> {
    let mut words = Getopt::new(args, "u", "sm");
    let (mut in_users, mut scheme, mut maildir) = (false, None, None);
    loop {
        match words.next_option() {
            Ok(None) => break,
            Ok(Some(Opt::Flag(_))) => in_users = true,
            Ok(Some(Opt::Value(b's', word))) => scheme = Some(parse_scheme(&word)?),
            Ok(Some(Opt::Value(_, word))) => maildir = Some(word.into_vec()),
            Ok(Some(Opt::Long(word))) => {
                let word = word.into_vec();
                let line = format!("illegal option -- -{}", word.escape_ascii());
                return Err(Failure::Usage(Some(line)));
            }
            Err(bad) => return Err(Failure::Usage(Some(bad.to_string()))),
        }
    }
    let mut operands = words.operands().into_iter();
    let user = operands.next().map(OsStringExt::into_vec);
    // Where root has the file, APOP and CRAM-MD5 are the exception; a user's own file is for them.
    let usual = if in_users {
        Scheme::Hashed(Method::Yescrypt)
    } else {
        Scheme::Plain
    };
    if operands.next().is_some() || in_users && (user.is_none() || maildir.is_some()) {
        return Err(Failure::Usage(None));
    }
    Ok(Options {
        in_users,
        scheme: scheme.unwrap_or(usual),
        maildir,
        user,
    })
}

fn parse_scheme(word: &OsString) -> Result<Scheme, Failure> {
    Ok(match word.to_str() {
        Some("plain") => Scheme::Plain,
        Some("yescrypt") => Scheme::Hashed(Method::Yescrypt),
        Some("sha512") => Scheme::Hashed(Method::Sha512),
        Some("bcrypt") => Scheme::Hashed(Method::Bcrypt),
        _ => {
            let line = "a scheme is plain, yescrypt, sha512 or bcrypt";
            return Err(Failure::Usage(Some(line.to_owned())));
        }
    })
}

/// Refuses a name that `users.secret` cannot hold, or under which nobody could log in.
fn check_name(name: &[u8]) -> Result<(), Failure> {
    let why = match account::fault_of_name(name) {
        Some(fault) => fault,
        None if users_secret::can_hold(name) => return Ok(()),
        None => "users.secret cannot have this name: it begins a remark",
    };
    Err(Failure::Refused(why.to_owned()))
}

/// The account of that name.
fn named(home: &Home, name: &[u8]) -> Result<Account, Failure> {
    let shown = name.escape_ascii();
    if account::fault_of_name(name).is_some() {
        return Err(Failure::Refused(format!("no such user: {shown}")));
    }
    account::find(home, name, false).map_err(|error| match error {
        NotFound::Nobody => Failure::Refused(format!("no such user: {shown}")),
        error => Failure::Trouble(error.to_string()),
    })
}

/// The account of who runs this. One that /etc/passwd does not have is known by `HOME`: what is
/// written there is written as that user and is his own affair.
fn own(env: &Env) -> Result<Account, Failure> {
    let uid = identity::effective_uid();
    let user = passwd::user_by_id(uid).map_err(|error| {
        let why = os::reason(&error);
        Failure::Trouble(format!("unable to read /etc/passwd: {why}"))
    })?;
    let (name, home, shell) = match (user, env.get("HOME")) {
        (Some(user), _) => (user.name, user.home, user.shell),
        (None, Some(home)) => (Vec::new(), home.into(), Vec::new()),
        (None, None) => {
            let why = "you are in no passwd file, and HOME is not set";
            return Err(Failure::Refused(why.to_owned()));
        }
    };
    Ok(Account {
        name,
        uid,
        gid: identity::effective_gid(),
        home,
        shell,
        mailbox: DEFAULT_MAILBOX.into(),
        quota: None,
        origin: Origin::Passwd(None),
        extension: Vec::new(),
    })
}

/// Becomes who owns the account, where this is root. Nothing of a user's is ever written as root.
fn become_owner(account: &Account) -> Result<(), Failure> {
    if account.uid == 0 {
        let why = "uid 0 has no mail password: nobody logs in as root";
        return Err(Failure::Refused(why.to_owned()));
    }
    if identity::effective_uid() == account.uid {
        return Ok(());
    }
    if identity::effective_uid() != 0 {
        let why = "only root sets the password of somebody else";
        return Err(Failure::Refused(why.to_owned()));
    }
    let who = Identity {
        uid: account.uid,
        gid: account.gid,
    };
    identity::become_user(who).map_err(|error| Failure::Trouble(error.to_string()))
}

/// The name of a temporary file that cannot be created there would tell nobody what is missing.
fn refuse_without_mailbox(path: &Path) -> Result<(), Failure> {
    let folder = os::file::dir_of(path);
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let (path, folder) = (path.display(), folder.display());
            Err(Failure::Trouble(format!(
                "unable to create {path}: there is no {folder}"
            )))
        }
        // What else there may be the file itself will tell.
        _ => Ok(()),
    }
}

/// What is to stand in a `.password` file: one line.
fn line_of_password_file(password: &[u8], scheme: Scheme) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let head: &[u8] = match scheme {
        // One that looks like a hash would be taken for one.
        Scheme::Plain if Stored::of_password_file(password) != Stored::Plain(password) => {
            b"{PLAIN}"
        }
        Scheme::Plain => b"",
        Scheme::Hashed(_) => b"{CRYPT}",
    };
    let stored = stored(password, scheme)?;
    Ok(Zeroizing::new([head, &stored, b"\n"].concat()))
}

/// What is to stand behind the name in `users.secret`.
fn value_of_secret(password: &[u8], scheme: Scheme) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let head: &[u8] = match scheme {
        Scheme::Plain => b"{PLAIN}",
        Scheme::Hashed(_) => b"{CRYPT}",
    };
    let stored = stored(password, scheme)?;
    Ok(Zeroizing::new([head, &stored].concat()))
}

fn stored(password: &[u8], scheme: Scheme) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let Scheme::Hashed(method) = scheme else {
        return Ok(Zeroizing::new(password.to_vec()));
    };
    if method == Method::Bcrypt && password.len() > hash::BCRYPT_LIMIT {
        let limit = hash::BCRYPT_LIMIT;
        let why = format!("bcrypt looks at {limit} bytes of a password only, and this is longer");
        return Err(Failure::Refused(why));
    }
    hash::make(password, method).map_err(|error| {
        let why = os::reason(&error);
        Failure::Trouble(format!("unable to hash the password: {why}"))
    })
}

/// Asks for the new password.
fn new_password() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let input = os::fd::standard_input();
    let fd = input.as_fd();
    let deadline = Instant::now() + PATIENCE;
    if !os::terminal::is_terminal(fd) {
        let read = |buffer: &mut [u8]| os::fd::read_until(fd, buffer, deadline);
        let line = read_line(read)?;
        check(&line)?;
        return Ok(line);
    }
    let first = typed(fd, "New password: ", deadline)?;
    check(&first)?;
    if typed(fd, "Once more: ", deadline)? != first {
        return Err(Failure::Refused("the two are not the same".to_owned()));
    }
    Ok(first)
}

fn typed(
    fd: BorrowedFd<'_>,
    prompt: &str,
    deadline: Instant,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut hidden = Hidden::new(fd).map_err(|error| unreadable(&error))?;
    os::log::say(prompt.as_bytes());
    read_line(|buffer| hidden.read(buffer, deadline))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::Trouble(format!(
        "unable to read the password: {}",
        os::reason(error)
    ))
}

/// One line without its LF; what is behind it stays unread or is thrown away.
fn read_line(
    mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // A fixed place: what grows leaves copies behind.
    let mut line = Zeroizing::new(vec![0; NEW_LIMIT + 2]);
    let mut filled = 0;
    while filled < line.len() {
        let count = read(&mut line[filled..]).map_err(|error| unreadable(&error))?;
        let new = &line[filled..filled + count];
        if let Some(end) = new.iter().position(|&byte| byte == b'\n') {
            line.truncate(filled + end);
            return Ok(line);
        }
        filled += count;
        if count == 0 {
            break;
        }
    }
    line.truncate(filled);
    Ok(line)
}

/// Refuses what would not come through the protocols and the files as it is.
fn check(password: &[u8]) -> Result<(), Failure> {
    let why = if password.is_empty() {
        "an empty password lets nobody in"
    } else if password.len() > NEW_LIMIT {
        "a password has at most 256 bytes"
    } else if password
        .iter()
        .any(|byte| matches!(byte, 0 | b'\n' | b'\r'))
    {
        "a password has no NUL, CR or LF in it"
    } else {
        return Ok(());
    };
    Err(Failure::Refused(why.to_owned()))
}

#[cfg(test)]
mod tests;
