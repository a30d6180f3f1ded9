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
//! Which of the system's users count is [`crate::system`]'s.
//!
//! All names of one expansion are looked up together, and what the files say is kept
//! ([`crate::names`]): who names a large alias again and again has it read once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use os::names::passwd;

use crate::address;
use crate::control::ControlError;
use crate::error::AccountError;
use crate::home::Home;
use crate::known::Known;
use crate::sources::{Source, default_quota, filter};
use crate::system::{People, candidates, fault_of_home, has_no_home};
use crate::userlist;
use crate::users::{self, Account, DEFAULT_MAILBOX, Quota};

/// The most bytes of a local part that is looked up; a longer one is nobody's.
pub const LOCAL_PART_LIMIT: usize = 256;

/// The most names that the expansion of one recipient may go through.
pub const EXPANSION_LIMIT: usize = 1000;

/// How deep aliases may be nested: the file of aliases is gone through so often.
pub const NESTING_LIMIT: usize = 50;

/// How many names can be learned at once.
pub const LEARN_LIMIT: usize = 1000;

/// Where one copy of a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The account.
    pub user: Vec<u8>,
    /// Where it was found.
    pub source: Source,
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

/// The account in `users` of who logs in as `login`: of exactly that name or, if `extended`, of the
/// longest name that the login begins with before a `-`. Aliases do not log in.
pub fn login_in_users(
    home: &Home,
    login: &[u8],
    extended: bool,
) -> Result<Option<Account>, AccountError> {
    let path = home.users();
    account_of(userlist::find_login(&path, login, extended), path)
}

/// All accounts of a home.
#[derive(Debug)]
pub struct Accounts {
    home: Home,
    sources: Vec<Source>,
    locals: Vec<Vec<u8>>,
    admin: Option<Vec<u8>>,
    quota: Option<Quota>,
    filter: Option<(PathBuf, u64)>,
    people: People,
    known: RefCell<Known>,
}

impl Accounts {
    /// Reads what says where accounts come from. `locals` are the local domains in lower case.
    pub fn open(home: &Home, locals: Vec<Vec<u8>>) -> Result<Accounts, ControlError> {
        Accounts::open_with(home, locals, PathBuf::from(passwd::PASSWD))
    }

    /// [`Accounts::open`] with another file of the system's users.
    pub fn open_with(
        home: &Home,
        locals: Vec<Vec<u8>>,
        system: PathBuf,
    ) -> Result<Accounts, ControlError> {
        let sources = Source::of(home)?;
        let people = if sources.contains(&Source::System) {
            People::of(home)?
        } else {
            People::nobody()
        };
        Ok(Accounts {
            people,
            known: RefCell::new(Known::new(home, sources.clone(), system)),
            home: home.clone(),
            sources,
            locals,
            admin: home.line("admin")?,
            quota: default_quota(home)?,
            filter: filter(home)?,
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
        self.known.borrow_mut().refresh();
        let asked = local.to_ascii_lowercase();
        let mut expansion = Expansion::default();
        self.learn_expansion(&asked, vec![asked.clone()])?;
        if self.visit(&asked, Named::ByStranger, &mut expansion)? {
            return self.finish(asked, expansion);
        }
        let fallback = match self.admin_for(&asked)? {
            Some(admin) => Some(admin),
            None => self.catch_all()?,
        };
        if let Some(targets) = fallback {
            let locals = self.locals_of(&targets);
            self.learn_expansion(&asked, locals)?;
            expansion.pending = targets;
            return self.finish(asked, expansion);
        }
        if must_exist(&asked) {
            let path = self.home.control("admin");
            return Err(AccountError::NoAdmin { name: asked, path });
        }
        Ok(Found::Unknown)
    }

    /// Reads beforehand what the files say about these local parts, in one pass over each: for who is going
    /// to [`Accounts::resolve`] them one after the other. [`LEARN_LIMIT`] of them are sure to be kept so
    /// long. What cannot be read is told then.
    pub fn learn<'l>(&self, locals: impl Iterator<Item = &'l [u8]>) {
        let locals = locals.filter(|local| is_plausible(local));
        let locals: Vec<_> = locals
            .map(<[u8]>::to_ascii_lowercase)
            .take(LEARN_LIMIT)
            .collect();
        let known = &mut *self.known.borrow_mut();
        known.refresh();
        let names = || locals.iter().map(Vec::as_slice);
        if known.learn_aliases(names()).is_ok() {
            // Who has an alias may need no account.
            let left: Vec<&[u8]> = names().filter(|name| !known.is_alias(name)).collect();
            let _ = known.learn_accounts(&left);
        }
    }

    /// Reads what the files say about `names` and all that their aliases lead to: the aliases once for each
    /// level of nesting, the accounts once. What is wrong with an alias is told when it is visited.
    fn learn_expansion(&self, asked: &[u8], names: Vec<Vec<u8>>) -> Result<(), AccountError> {
        let known = &mut *self.known.borrow_mut();
        let mut named: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        let mut level = names;
        for depth in 0.. {
            level.retain(|name| {
                let times = named.entry(name.clone()).or_default();
                *times += 1;
                *times == 1
            });
            if level.is_empty() {
                break;
            }
            if named.len() > EXPANSION_LIMIT + 1 {
                return Err(AccountError::TooMany(asked.to_vec()));
            }
            if depth > NESTING_LIMIT {
                return Err(AccountError::TooDeep(asked.to_vec()));
            }
            known.learn_aliases(level.iter().map(Vec::as_slice))?;
            let mut next = Vec::new();
            for name in &level {
                if let Some(Ok(targets)) = known.alias(name)?.map(|alias| alias.targets) {
                    next.extend(self.locals_of(&targets));
                }
            }
            level = next;
        }
        // An alias that is reached again means the account of that name.
        let names = named
            .iter()
            .filter(|&(name, &times)| times > 1 || !known.is_alias(name));
        let names: Vec<&[u8]> = names.map(|(name, _)| name.as_slice()).collect();
        known.learn_accounts(&names)
    }

    /// The local parts of those targets that have one here.
    fn locals_of(&self, targets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let local = |target: &Vec<u8>| self.local_part(target).ok();
        targets.iter().filter_map(local).collect()
    }

    fn finish(&self, asked: Vec<u8>, mut expansion: Expansion) -> Result<Found, AccountError> {
        while let Some(target) = expansion.pending.pop() {
            if expansion.visited > EXPANSION_LIMIT {
                return Err(AccountError::TooMany(asked));
            }
            let local = self.local_part(&target)?;
            if !self.visit(&local, Named::ByAlias, &mut expansion)?
                && !expansion.aliases.contains(&local)
            {
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
    fn visit(
        &self,
        local: &[u8],
        by: Named,
        expansion: &mut Expansion,
    ) -> Result<bool, AccountError> {
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
        let Some(mailbox) = self.account(local, by)? else {
            return Ok(false);
        };
        if expansion.maildirs.insert(mailbox.maildir.clone()) {
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
        let Some(alias) = self.known.borrow_mut().alias(name)? else {
            return Ok(None);
        };
        let faulty = |fault| AccountError::Alias(self.home.aliases(), alias.number, fault);
        alias.targets.map(Some).map_err(faulty)
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
        match userlist::first(&path) {
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

    fn account(&self, local: &[u8], by: Named) -> Result<Option<Mailbox>, AccountError> {
        for source in &self.sources {
            let account = match source {
                Source::Users => self.own_account(local)?,
                Source::System => self.system_account(local, by)?,
            };
            if let Some(account) = account {
                return Ok(Some(self.mailbox(account, *source, local)));
            }
        }
        Ok(None)
    }

    /// The mailbox of `account` that `local` (in lower case) means.
    fn mailbox(&self, account: Account, source: Source, local: &[u8]) -> Mailbox {
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
            source,
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
        account_of(self.known.borrow_mut().user(local), self.home.users())
    }

    fn system_account(&self, local: &[u8], by: Named) -> Result<Option<Account>, AccountError> {
        for name in candidates(local) {
            let Some(user) = self.known.borrow_mut().system_user(name)? else {
                continue;
            };
            let is_meant = match by {
                Named::ByStranger => self.people.admit(&user.name, user.uid).is_ok(),
                Named::ByAlias => user.uid != 0,
            };
            if !is_meant || has_no_home(&user) {
                continue;
            }
            if let Some(why) = fault_of_home(&user) {
                let (user, home) = (user.name, user.home);
                return Err(AccountError::Home { user, home, why });
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

/// Who has named somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// Whoever sends him mail.
    ByStranger,
    /// The administrator: as the target of an alias, or in control/admin.
    ByAlias,
}

#[derive(Debug, Default)]
struct Expansion {
    mailboxes: Vec<Mailbox>,
    maildirs: HashSet<PathBuf>,
    aliases: BTreeSet<Vec<u8>>,
    pending: Vec<Vec<u8>>,
    visited: usize,
}

/// The names that every host must have: RFC 5321 section 4.5.1, RFC 2142.
fn must_exist(local: &[u8]) -> bool {
    matches!(local, b"postmaster" | b"abuse")
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
