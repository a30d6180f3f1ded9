//! From a local part to mailboxes.
//!
//! In this order: the `aliases` file; the accounts (`users`, the system's, or both, as
//! `control/accounts` says); for `postmaster` and `abuse`, which must exist (RFC 5321 section
//! 4.5.1, RFC 2142), the administrator; the alias `*`, if there is one. Where nobody gets the mail of
//! these two it is not refused: that is a fault of the configuration, and the log says so.
//!
//! Local parts are compared without regard to case. `user-ext` belongs to the longest user that
//! exists, as with qmail-getpw; the extension names a Maildir++ folder if that is there already.
//! An alias that leads back to itself means the account of that name, as with sendmail; every
//! alias is expanded once and each mailbox is named once, however often it is reached.
//!
//! The system's accounts count as with qmail-getpw: never uid 0, and only where the home exists
//! and belongs to the user.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use os::names::passwd::User;

use crate::address;
use crate::aliases::{self, AliasFault};
use crate::control::{ControlError, Why};
use crate::home::Home;
use crate::users::{self, Account, DEFAULT_MAILBOX, LineError, Quota};

/// The most bytes of a local part that is looked up; a longer one is nobody's.
pub const LOCAL_PART_LIMIT: usize = 256;

/// The most names that the expansion of one recipient may go through.
pub const EXPANSION_LIMIT: usize = 1000;

/// The most hyphens of a local part at which a system's user may end.
const SYSTEM_SPLITS: usize = 8;

/// Where one copy of a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The account.
    pub user: Vec<u8>,
    /// Who owns it, and must be who delivers.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The account's home.
    pub home: PathBuf,
    /// The account's shell, for the environment of programs; may be empty.
    pub shell: Vec<u8>,
    /// What the local part has behind the account's name and a hyphen, in lower case.
    pub extension: Vec<u8>,
    /// The account's Maildir.
    pub inbox: PathBuf,
    /// The Maildir that is meant: the account's, or a folder of it.
    pub maildir: PathBuf,
    /// How much may be in the account's Maildir with all its folders: what its line says, else
    /// control/quota. Never one that limits nothing.
    pub quota: Option<Quota>,
    /// The program that decides about mail for it; it may be missing where `of_his_own` is set.
    pub filter: Option<Filter>,
}

/// A program that is asked about each message: control/filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The file, absolute.
    pub path: PathBuf,
    /// Whether it is one below the account's home, which need not be there.
    pub of_his_own: bool,
    /// How many seconds it may take.
    pub seconds: u64,
}

/// How many seconds a filter may take where control/filtertime does not say.
pub const FILTER_SECONDS: u64 = 60;

/// The answer about a local part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nobody has it.
    Unknown,
    /// At least one mailbox, each once.
    Mailboxes(Vec<Mailbox>),
}

/// Why there is no answer. None of these means that the recipient does not exist.
#[derive(Debug)]
pub enum AccountError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A line of `users` is faulty.
    User(PathBuf, u64, LineError),
    /// An entry of `aliases` is faulty.
    Alias(PathBuf, u64, AliasFault),
    /// An alias names nobody.
    Dangling {
        /// The file.
        path: PathBuf,
        /// The target that is nobody.
        target: Vec<u8>,
    },
    /// An alias leads to an address that is not of a local domain.
    Remote {
        /// The file.
        path: PathBuf,
        /// That address.
        target: Vec<u8>,
    },
    /// The aliases lead only to themselves.
    Loop(Vec<u8>),
    /// More than [`EXPANSION_LIMIT`] names.
    TooMany(Vec<u8>),
    /// A name that must exist, and nobody gets its mail.
    NoAdmin {
        /// The name.
        name: Vec<u8>,
        /// The file that could say who does.
        path: PathBuf,
    },
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountError::Read(path, error) => {
                write!(
                    f,
                    "unable to read {}: {}",
                    path.display(),
                    os::reason(error)
                )
            }
            AccountError::User(path, number, fault) => {
                write!(
                    f,
                    "unable to use line {number} of {}: {fault}",
                    path.display()
                )
            }
            AccountError::Alias(path, number, fault) => {
                write!(
                    f,
                    "unable to use the alias in line {number} of {}: {fault}",
                    path.display()
                )
            }
            AccountError::Dangling { path, target } => {
                write!(
                    f,
                    "unable to expand an alias of {}: its target {} is nobody here",
                    path.display(),
                    target.escape_ascii()
                )
            }
            AccountError::Remote { path, target } => {
                write!(
                    f,
                    "unable to expand an alias of {}: its target {} is not local",
                    path.display(),
                    target.escape_ascii()
                )
            }
            AccountError::Loop(name) => {
                write!(
                    f,
                    "unable to expand alias {}: it leads only to itself",
                    name.escape_ascii()
                )
            }
            AccountError::TooMany(name) => {
                write!(
                    f,
                    "unable to expand alias {}: it has too many targets",
                    name.escape_ascii()
                )
            }
            AccountError::NoAdmin { name, path } => {
                write!(
                    f,
                    "unable to find a mailbox for {}, which every host must have: name a user in {}",
                    name.escape_ascii(),
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for AccountError {}

/// Where accounts come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The `users` file.
    Users,
    /// The users of the system.
    System,
}

impl Source {
    /// Those of a home, in the order in which they are asked: what `control/accounts` says, else
    /// `users` where that file is there, else the system.
    pub fn of(home: &Home) -> Result<Vec<Source>, ControlError> {
        let sources = match home.list("accounts")? {
            Some(words) => sources(&words).map_err(|word| ControlError {
                path: home.control("accounts"),
                why: Why::UnknownWord(word),
            })?,
            None if exists(&home.users())? => return Ok(vec![Source::Users]),
            None => return Ok(vec![Source::System]),
        };
        // Asked for and not there: everybody would be unknown, and his mail would bounce.
        if sources.contains(&Source::Users) && !exists(&home.users())? {
            return Err(ControlError {
                path: home.users(),
                why: Why::Io(io::ErrorKind::NotFound.into()),
            });
        }
        Ok(sources)
    }
}

/// The account in `users` of who logs in as `login`: of exactly that name or, if `extended`, of the
/// longest name that the login begins with before a `-`. Aliases do not log in.
pub fn login_in_users(
    home: &Home,
    login: &[u8],
    extended: bool,
) -> Result<Option<Account>, AccountError> {
    let path = home.users();
    account_of(users::find_login(&path, login, extended), path)
}

/// Looks a user of the system up.
pub type SystemUsers = fn(&[u8]) -> io::Result<Option<User>>;

/// All accounts of a home.
#[derive(Debug)]
pub struct Accounts {
    home: Home,
    sources: Vec<Source>,
    locals: Vec<Vec<u8>>,
    admin: Option<Vec<u8>>,
    quota: Option<Quota>,
    filter: Option<(PathBuf, u64)>,
    system: SystemUsers,
}

impl Accounts {
    /// Reads what says where accounts come from. `locals` are the local domains in lower case.
    pub fn open(home: &Home, locals: Vec<Vec<u8>>) -> Result<Accounts, ControlError> {
        Accounts::open_with(home, locals, os::names::passwd::user_by_name)
    }

    /// [`Accounts::open`] with another list of the system's users.
    pub fn open_with(
        home: &Home,
        locals: Vec<Vec<u8>>,
        system: SystemUsers,
    ) -> Result<Accounts, ControlError> {
        let sources = Source::of(home)?;
        Ok(Accounts {
            home: home.clone(),
            sources,
            locals,
            admin: home.line("admin")?,
            quota: default_quota(home)?,
            filter: filter(home)?,
            system,
        })
    }

    /// Whether mail for `domain` stays here.
    pub fn is_local(&self, domain: &[u8]) -> bool {
        self.locals
            .iter()
            .any(|local| local.eq_ignore_ascii_case(domain))
    }

    /// The mailboxes of `local`, the part before the `@` of a local address, unquoted.
    pub fn resolve(&self, local: &[u8]) -> Result<Found, AccountError> {
        if !is_plausible(local) {
            return Ok(Found::Unknown);
        }
        let asked = local.to_ascii_lowercase();
        let mut expansion = Expansion::default();
        if self.visit(&asked, &mut expansion)? {
            return self.finish(asked, expansion);
        }
        let fallback = match self.admin_for(&asked)? {
            Some(admin) => Some(admin),
            None => self.catch_all()?,
        };
        if let Some(targets) = fallback {
            expansion.pending = targets;
            return self.finish(asked, expansion);
        }
        if must_exist(&asked) {
            let path = self.home.control("admin");
            return Err(AccountError::NoAdmin { name: asked, path });
        }
        Ok(Found::Unknown)
    }

    fn finish(&self, asked: Vec<u8>, mut expansion: Expansion) -> Result<Found, AccountError> {
        while let Some(target) = expansion.pending.pop() {
            if expansion.visited > EXPANSION_LIMIT {
                return Err(AccountError::TooMany(asked));
            }
            let local = self.local_part(&target)?;
            if !self.visit(&local, &mut expansion)? && !expansion.aliases.contains(&local) {
                let path = self.home.aliases();
                return Err(AccountError::Dangling { path, target });
            }
        }
        if expansion.mailboxes.is_empty() {
            return Err(AccountError::Loop(asked));
        }
        Ok(Found::Mailboxes(expansion.mailboxes))
    }

    /// Expands or finds one name; whether it is anything.
    fn visit(&self, local: &[u8], expansion: &mut Expansion) -> Result<bool, AccountError> {
        expansion.visited += 1;
        if !expansion.aliases.contains(local)
            && let Some(mut targets) = self.alias(local)?
        {
            expansion.aliases.insert(local.to_vec());
            // The last is taken first, so this keeps the order of the file.
            targets.reverse();
            expansion.pending.append(&mut targets);
            return Ok(true);
        }
        let Some(mailbox) = self.account(local)? else {
            return Ok(false);
        };
        if !expansion
            .mailboxes
            .iter()
            .any(|known| known.maildir == mailbox.maildir)
        {
            expansion.mailboxes.push(mailbox);
        }
        Ok(true)
    }

    fn local_part(&self, target: &[u8]) -> Result<Vec<u8>, AccountError> {
        match address::split(target) {
            (local, Some(domain)) if !self.is_local(domain) || !is_plausible(local) => {
                Err(AccountError::Remote {
                    path: self.home.aliases(),
                    target: target.to_vec(),
                })
            }
            (local, _) => Ok(local.to_ascii_lowercase()),
        }
    }

    fn alias(&self, name: &[u8]) -> Result<Option<Vec<Vec<u8>>>, AccountError> {
        let path = self.home.aliases();
        match aliases::find(&path, name) {
            Ok(None) => Ok(None),
            Ok(Some(alias)) => match alias.targets {
                Ok(targets) => Ok(Some(targets)),
                Err(fault) => Err(AccountError::Alias(path, alias.number, fault)),
            },
            Err(error) => Err(AccountError::Read(path, error)),
        }
    }

    /// Who gets the mail of a name that must exist and does not: control/admin, else the first of
    /// `users`.
    fn admin_for(&self, local: &[u8]) -> Result<Option<Vec<Vec<u8>>>, AccountError> {
        if !must_exist(local) {
            return Ok(None);
        }
        if let Some(admin) = &self.admin {
            return Ok(Some(vec![admin.clone()]));
        }
        if !self.sources.contains(&Source::Users) {
            return Ok(None);
        }
        let path = self.home.users();
        match users::first(&path) {
            Ok(Some(line)) => {
                let account = line
                    .account
                    .map_err(|fault| AccountError::User(path, line.number, fault))?;
                Ok(Some(vec![account.name]))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(AccountError::Read(path, error)),
        }
    }

    fn catch_all(&self) -> Result<Option<Vec<Vec<u8>>>, AccountError> {
        self.alias(b"*")
    }

    fn account(&self, local: &[u8]) -> Result<Option<Mailbox>, AccountError> {
        for source in &self.sources {
            let account = match source {
                Source::Users => self.own_account(local)?,
                Source::System => self.system_account(local)?,
            };
            if let Some(account) = account {
                return Ok(Some(self.mailbox(account, local)));
            }
        }
        Ok(None)
    }

    /// The mailbox of `account` that `local` (in lower case) means.
    fn mailbox(&self, account: Account, local: &[u8]) -> Mailbox {
        let inbox = account.home.join(&account.mailbox);
        let extension = local.get(account.name.len() + 1..).unwrap_or_default();
        let quota = account.quota.or(self.quota);
        let filter = self.filter.as_ref().map(|(path, seconds)| Filter {
            path: account.home.join(path),
            of_his_own: path.is_relative(),
            seconds: *seconds,
        });
        Mailbox {
            filter,
            user: account.name,
            uid: account.uid,
            gid: account.gid,
            home: account.home,
            shell: account.shell,
            extension: extension.to_vec(),
            maildir: folder(&inbox, extension).unwrap_or_else(|| inbox.clone()),
            inbox,
            quota: quota.filter(|quota| !quota.is_none()),
        }
    }

    fn own_account(&self, local: &[u8]) -> Result<Option<Account>, AccountError> {
        let path = self.home.users();
        account_of(users::find(&path, local), path)
    }

    fn system_account(&self, local: &[u8]) -> Result<Option<Account>, AccountError> {
        for name in candidates(local) {
            let failed = |error| AccountError::Read(PathBuf::from("/etc/passwd"), error);
            let Some(user) = (self.system)(name).map_err(failed)? else {
                continue;
            };
            if user.uid == 0 || !owns_home(&user)? {
                continue;
            }
            return Ok(Some(Account {
                name: user.name,
                uid: user.uid,
                gid: user.gid,
                home: user.home,
                shell: user.shell,
                mailbox: PathBuf::from(DEFAULT_MAILBOX),
                quota: None,
            }));
        }
        Ok(None)
    }
}

fn account_of(
    line: io::Result<Option<users::Line>>,
    path: PathBuf,
) -> Result<Option<Account>, AccountError> {
    match line {
        Ok(None) => Ok(None),
        Ok(Some(line)) => match line.account {
            Ok(account) => Ok(Some(account)),
            Err(fault) => Err(AccountError::User(path, line.number, fault)),
        },
        Err(error) => Err(AccountError::Read(path, error)),
    }
}

#[derive(Debug, Default)]
struct Expansion {
    mailboxes: Vec<Mailbox>,
    aliases: BTreeSet<Vec<u8>>,
    pending: Vec<Vec<u8>>,
    visited: usize,
}

/// The names that every host must have: RFC 5321 section 4.5.1, RFC 2142.
fn must_exist(local: &[u8]) -> bool {
    matches!(local, b"postmaster" | b"abuse")
}

/// The quota of who has none of his own.
fn default_quota(home: &Home) -> Result<Option<Quota>, ControlError> {
    let Some(line) = home.line("quota")? else {
        return Ok(None);
    };
    Quota::parse(&line).map(Some).ok_or_else(|| ControlError {
        path: home.control("quota"),
        why: Why::NotAQuota,
    })
}

/// The path in control/filter, and how many seconds what is there may take.
fn filter(home: &Home) -> Result<Option<(PathBuf, u64)>, ControlError> {
    let Some(line) = home.line("filter")? else {
        return Ok(None);
    };
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(&line));
    let is_below = |path: &Path| {
        path.components()
            .all(|part| matches!(part, Component::Normal(_)))
    };
    if !path.is_absolute() && !is_below(&path) {
        return Err(ControlError {
            path: home.control("filter"),
            why: Why::NotAPath,
        });
    }
    let seconds = home.number("filtertime")?.unwrap_or(FILTER_SECONDS);
    Ok(Some((path, seconds)))
}

fn exists(path: &Path) -> Result<bool, ControlError> {
    path.try_exists().map_err(|error| ControlError {
        path: path.to_owned(),
        why: Why::Io(error),
    })
}

/// The words of control/accounts; the error is the one that is none.
fn sources(words: &[Vec<u8>]) -> Result<Vec<Source>, Vec<u8>> {
    words
        .iter()
        .map(|word| match word.as_slice() {
            b"users" => Ok(Source::Users),
            b"system" => Ok(Source::System),
            _ => Err(word.clone()),
        })
        .collect()
}

/// What could be somebody's local part. A slash or a control byte never is: extensions become
/// parts of paths, and names are compared with lines of files.
fn is_plausible(local: &[u8]) -> bool {
    !local.is_empty()
        && local.len() <= LOCAL_PART_LIMIT
        && !local
            .iter()
            .any(|&byte| byte < b' ' || matches!(byte, 0x7f | b'/' | b':'))
}

/// The whole local part, then what is before its hyphens, from the right.
fn candidates(local: &[u8]) -> impl Iterator<Item = &[u8]> {
    let hyphens = local.iter().enumerate().filter(|&(_, &byte)| byte == b'-');
    let mut splits: Vec<usize> = hyphens.map(|(at, _)| at).take(SYSTEM_SPLITS).collect();
    splits.reverse();
    std::iter::once(local.len())
        .chain(splits)
        .filter(|&end| end > 0)
        .map(|end| &local[..end])
}

fn owns_home(user: &User) -> Result<bool, AccountError> {
    match std::fs::metadata(&user.home) {
        Ok(meta) => Ok(meta.is_dir() && meta.uid() == user.uid),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(AccountError::Read(user.home.clone(), error)),
        },
    }
}

/// The Maildir++ folder for an extension, if it is there. Dots would mean subfolders, so they
/// become `:`, as qmail-local does.
fn folder(inbox: &Path, extension: &[u8]) -> Option<PathBuf> {
    if extension.is_empty() {
        return None;
    }
    let mut name = vec![b'.'];
    name.extend(
        extension
            .iter()
            .map(|&byte| if byte == b'.' { b':' } else { byte }),
    );
    let path = inbox.join(std::ffi::OsStr::from_bytes(&name));
    path.join("new").is_dir().then_some(path)
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
