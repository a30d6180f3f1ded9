//! Who a login name belongs to.
//!
//! The accounts are those of the mail programs (`control/accounts`: the `users` file, the system, or
//! both in order), with two differences that logging in makes: names are compared byte by byte,
//! and aliases do not count. Mail programs log in with the whole address, too: joe@example.org is joe where
//! example.org is a local domain. uid 0 is found like anybody, and refused by whoever asks; so are the
//! accounts of programs (`refuse_outsiders`).

use std::fmt;
use std::path::PathBuf;

use accounts::users::DEFAULT_MAILBOX;
use accounts::{Home, People, Quota, Source};
use chain::Env;
use os::names::passwd::{self, User};

use crate::nss::{self, Found};
use crate::verdict::{Entry, Refusal, UserIdentity};

/// The most bytes of a login name; a longer one is nobody's.
pub const NAME_LIMIT: usize = accounts::resolve::LOCAL_PART_LIMIT;

/// How many names of one login the rest of the system is asked for: a question is a process.
const QUESTIONS: usize = 4;

/// Whose groups a process gets: `primary` leaves it the account's own one alone, as the originals do.
pub const GROUPS: &str = "CHECKPASSWORD_GROUPS";

/// How much the Maildir may hold, for the programs behind the checker; by the name that Courier gave it.
pub(crate) const QUOTA: &str = "MAILDIRQUOTA";

/// An account that somebody wants to log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name, as its file has it.
    pub name: Vec<u8>,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
    /// The shell.
    pub shell: Vec<u8>,
    /// The Maildir, relative to the home.
    pub mailbox: PathBuf,
    /// How much may be in it; `None` where its file does not say.
    pub quota: Option<Quota>,
    /// Where it was found.
    pub origin: Origin,
    /// What the login has behind the name and a hyphen.
    pub extension: Vec<u8>,
}

/// Where an account was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the `users` file.
    Users,
    /// In /etc/passwd; his groups, where they are known already.
    Passwd(Option<Vec<u32>>),
    /// Somewhere else of the system, by `superd-nss`; his groups.
    Others(Vec<u32>),
}

/// Refuses those whom nobody logs in as, whoever has proved to be them: uid 0, and of the system's users the
/// accounts of programs, unless the administrator has named them ([`accounts::system`]).
pub(crate) fn refuse_outsiders(home: &Home, account: &Account) -> Result<(), Refusal> {
    if account.uid == 0 {
        return Err(Refusal::no("the account has uid 0"));
    }
    if account.origin == Origin::Users {
        return Ok(());
    }
    let people = People::of(home).map_err(|error| Refusal::Temporary(error.to_string()))?;
    let admitted = people.admit(&account.name, account.uid);
    admitted.map_err(|outsider| Refusal::No(outsider.to_string()))
}

/// What no login name is like.
pub fn fault_of_name(login: &[u8]) -> Option<&'static str> {
    let is_control = |&byte: &u8| byte < b' ' || byte == 0x7f;
    if login.is_empty() {
        Some("the name is empty")
    } else if login.len() > NAME_LIMIT {
        Some("the name is too long")
    } else if login.contains(&b'/') || login.contains(&b':') {
        Some("the name has a slash or a colon in it")
    } else if login.iter().any(is_control) {
        Some("the name has a control character in it")
    } else {
        None
    }
}

/// Why there is no account. The texts are whole sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// Nobody has the name.
    Nobody,
    /// Nobody has it here, and NSS, which may know more, gives no answer; why. That is the same as
    /// nobody to everybody but the log ([`Found::Unasked`]), as it was with the original
    /// checkpassword: getpwnam(3) found nobody then.
    Unasked(String),
    /// A file is in the way, whatever the name.
    Trouble(String),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFound::Nobody => f.write_str("no such user"),
            NotFound::Unasked(why) => write!(f, "no such user in the files, and {why}"),
            NotFound::Trouble(why) => f.write_str(why),
        }
    }
}

impl From<NotFound> for Refusal {
    fn from(why: NotFound) -> Refusal {
        match why {
            NotFound::Nobody | NotFound::Unasked(_) => Refusal::No(why.to_string()),
            NotFound::Trouble(why) => Refusal::Temporary(why),
        }
    }
}

/// The account that somebody means who logs in as `login`: that of this name ([`find`]), or of what is before the `@`
/// where a local domain is behind it. A name that has an `@` itself comes first. The local domains are those of
/// smtpd: control/locals, else the host's own name, which `env` may have (TCPLOCALHOST).
pub fn of_login(home: &Home, login: &[u8], extended: bool, env: &Env) -> Result<Account, NotFound> {
    let domain = match accounts::address::split(login) {
        (local, Some(domain)) if !local.is_empty() => domain,
        _ => return find(home, login, extended),
    };
    let locals = || {
        home.check()?;
        let me = home.me(env.bytes("TCPLOCALHOST"), os::process::host_name)?;
        home.locals(&me)
    };
    let locals = locals().map_err(|error| NotFound::Trouble(error.to_string()))?;
    let mut nobody = NotFound::Nobody;
    for (name, extended) in readings(login, domain, &locals, extended) {
        match find(home, name, extended) {
            Err(unasked @ NotFound::Unasked(_)) => nobody = unasked,
            Err(NotFound::Nobody) => {}
            found => return found,
        }
    }
    Err(nobody)
}

/// What names a login with an `@` and `domain` behind it may mean, the first one first, and whether what is behind
/// a `-` in each may be an extension. `locals` are in lower case.
fn readings<'a>(
    login: &'a [u8],
    domain: &[u8],
    locals: &[Vec<u8>],
    extended: bool,
) -> Vec<(&'a [u8], bool)> {
    let is_local = locals
        .iter()
        .any(|local| local.eq_ignore_ascii_case(domain));
    if !is_local {
        return vec![(login, extended)];
    }
    // An extension would take the domain along.
    let local = &login[..login.len() - domain.len() - 1];
    vec![(login, false), (local, extended)]
}

/// The account of exactly this name or, if `extended`, the one of the longest name that it begins with before a `-`.
pub fn find(home: &Home, login: &[u8], extended: bool) -> Result<Account, NotFound> {
    let trouble = |why: &dyn fmt::Display| NotFound::Trouble(why.to_string());
    home.check().map_err(|error| trouble(&error))?;
    let mut nobody = NotFound::Nobody;
    for source in Source::of(home).map_err(|error| trouble(&error))? {
        let found = match source {
            Source::Users => in_users(home, login, extended),
            Source::System => in_system(login, extended),
        };
        match found {
            Ok(mut account) => {
                let extension = login.get(account.name.len() + 1..).unwrap_or_default();
                account.extension = extension.to_vec();
                return Ok(account);
            }
            Err(NotFound::Nobody) => {}
            Err(unasked @ NotFound::Unasked(_)) => nobody = unasked,
            Err(trouble @ NotFound::Trouble(_)) => return Err(trouble),
        }
    }
    Err(nobody)
}

fn in_users(home: &Home, login: &[u8], extended: bool) -> Result<Account, NotFound> {
    let found = accounts::login_in_users(home, login, extended);
    let found = found.map_err(|error| NotFound::Trouble(error.to_string()))?;
    let account = found.ok_or(NotFound::Nobody)?;
    Ok(Account {
        name: account.name,
        uid: account.uid,
        gid: account.gid,
        home: account.home,
        shell: account.shell,
        mailbox: account.mailbox,
        quota: account.quota,
        origin: Origin::Users,
        extension: Vec::new(),
    })
}

fn in_system(login: &[u8], extended: bool) -> Result<Account, NotFound> {
    let unread = |path: &str, error: &std::io::Error| {
        NotFound::Trouble(format!("unable to read {path}: {}", os::reason(error)))
    };
    let local = if extended {
        passwd::user_of_extended(login)
    } else {
        passwd::user_by_name(login)
    };
    let local = local.map_err(|error| unread("/etc/passwd", &error))?;
    let is_wanted = nss::is_wanted().map_err(|error| unread("/etc/nsswitch.conf", &error))?;
    if is_wanted {
        let found = with_others(login, extended, local, nss::find);
        return found.map_err(|error| unread("/etc/group", &error))?;
    }
    let local = local.map(|user| of_system(user, Origin::Passwd(None)));
    local.ok_or(NotFound::Nobody)
}

/// [`in_system`] where the system has other users than `local`, who is that of the longest name in
/// /etc/passwd. `find` is [`nss::find`].
fn with_others(
    login: &[u8],
    extended: bool,
    local: Option<User>,
    mut find: impl FnMut(&[u8], Option<User>) -> std::io::Result<Found>,
) -> std::io::Result<Result<Account, NotFound>> {
    let mut nobody = NotFound::Nobody;
    // A longer name elsewhere comes before a shorter one here, as if all were in one file.
    for name in names_to_ask(login, extended) {
        let here = local.clone().filter(|user| user.name == name);
        let is_here = here.is_some();
        match find(name, here)? {
            Found::User(user, groups) => {
                let origin = if is_here {
                    Origin::Passwd(Some(groups))
                } else {
                    Origin::Others(groups)
                };
                return Ok(Ok(of_system(user, origin)));
            }
            Found::Nobody => {}
            Found::Unasked(why) => {
                // Nor would it answer about the others, and each may take its time.
                nobody = NotFound::Unasked(why);
                break;
            }
        }
    }
    let local = local.map(|user| of_system(user, Origin::Passwd(None)));
    Ok(local.ok_or(nobody))
}

/// The login and, if `extended`, what is before its last hyphens, the longest first.
fn names_to_ask(login: &[u8], extended: bool) -> impl Iterator<Item = &[u8]> {
    let hyphens = login.iter().enumerate().rev();
    let ends = hyphens.filter(move |&(at, &byte)| extended && byte == b'-' && at > 0);
    std::iter::once(login)
        .chain(ends.map(|(at, _)| &login[..at]))
        .take(QUESTIONS)
}

fn of_system(user: User, origin: Origin) -> Account {
    Account {
        name: user.name,
        uid: user.uid,
        gid: user.gid,
        home: user.home,
        shell: user.shell,
        mailbox: PathBuf::from(DEFAULT_MAILBOX),
        quota: None,
        origin,
        extension: Vec::new(),
    }
}

impl Account {
    /// The quota that deliveries keep to, as [`QUOTA`] has it. An extension has none: what a program makes of it
    /// may be another Maildir.
    fn quota_variable(&self, home: &Home) -> Option<Vec<u8>> {
        if !self.extension.is_empty() {
            return None;
        }
        // With a control file that cannot be read deliveries wait, and say why; nobody is kept from his mail.
        let default = || accounts::default_quota(home).ok().flatten();
        let quota = self.quota.or_else(default)?;
        Some(quota.to_string().into_bytes())
    }

    /// What lets a process become the user, after the account has proved to be his. The groups are
    /// his own, unless `env` says [`GROUPS`]`=primary`. The quota that deliveries to him keep to is added to
    /// `variables`. The error is a sentence, and temporary.
    pub fn into_entry(
        self,
        env: &Env,
        mut variables: Vec<(&'static str, Vec<u8>)>,
    ) -> Result<Entry, String> {
        let home = Home::find(|name| env.get(name).map(Into::into));
        variables.extend(self.quota_variable(&home).map(|quota| (QUOTA, quota)));
        let groups = match self.origin {
            _ if env.bytes(GROUPS) == Some(b"primary") => Vec::new(),
            Origin::Users => Vec::new(),
            Origin::Passwd(None) => passwd::groups_of(&self.name)
                .map_err(|error| format!("unable to read /etc/group: {}", os::reason(&error)))?,
            Origin::Passwd(Some(groups)) | Origin::Others(groups) => groups,
        };
        Ok(Entry {
            user: self.name,
            identity: Some(UserIdentity {
                uid: self.uid,
                gid: self.gid,
                groups,
                home: self.home,
                shell: self.shell,
            }),
            variables,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(control: Option<&str>, users: &str) -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path().to_owned());
        std::fs::write(home.users(), users).expect("written");
        if let Some(text) = control {
            std::fs::create_dir(folder.path().join("control")).expect("made");
            std::fs::write(home.control("accounts"), text).expect("written");
        }
        (folder, home)
    }

    const USERS: &str = "joe:x:5000:5001::/vmail/joe:/bin/sh:mail/in:\n\
        root:x:5002:5001::/vmail/root:::\nbad:x:0:0::/::\n";

    #[test]
    fn an_account_of_the_users_file_has_its_own_mailbox_and_no_groups() {
        let (_folder, home) = home(None, USERS);
        let account = find(&home, b"joe", false).expect("joe");
        assert_eq!(account.mailbox, PathBuf::from("mail/in"));
        assert_eq!(
            (account.uid, account.extension.as_slice()),
            (5000, &b""[..])
        );
        let entry = account
            .into_entry(&Env::default(), Vec::new())
            .expect("read");
        let identity = entry.identity.expect("somebody");
        assert!(identity.groups.is_empty());
        assert_eq!(identity.shell, b"/bin/sh");
    }

    #[test]
    fn an_extension_is_what_is_behind_the_longest_name() {
        let (_folder, home) = home(None, USERS);
        let account = find(&home, b"joe-a-b", true).expect("joe");
        assert_eq!(account.extension, b"a-b");
        let account = find(&home, b"joe-", true).expect("joe");
        assert_eq!(account.extension, b"");
        assert_eq!(find(&home, b"joe-a", false), Err(NotFound::Nobody));
    }

    #[test]
    fn a_login_with_a_local_domain_is_the_name_before_it() {
        let locals = [b"example.org".to_vec(), b"my-host".to_vec()];
        let readings = |login: &'static [u8], domain: &[u8], extended| {
            readings(login, domain, &locals, extended)
        };
        for (login, domain, local) in [
            (&b"joe@example.org"[..], &b"example.org"[..], &b"joe"[..]),
            (b"joe@Example.ORG", b"Example.ORG", b"joe"),
            (b"a@b@my-host", b"my-host", b"a@b"),
        ] {
            for extended in [false, true] {
                let expected = [(login, false), (local, extended)];
                assert_eq!(readings(login, domain, extended), expected);
            }
        }
        let other = b"joe-x@example.net";
        assert_eq!(readings(other, b"example.net", true), [(&other[..], true)]);
    }

    #[test]
    fn who_logs_in_by_his_address_is_found_if_its_domain_is_local() {
        let (folder, home) = home(Some("users\n"), USERS);
        let env = Env::default();
        std::fs::write(home.control("me"), "mx.example.org\n").expect("written");
        std::fs::write(home.control("locals"), "example.org\n").expect("written");
        let found = |login: &str, extended| {
            let found = of_login(&home, login.as_bytes(), extended, &env);
            found.map(|account| (account.name, account.extension))
        };
        let joe = |extension: &str| Ok((b"joe".to_vec(), extension.into()));
        assert_eq!(found("joe", false), joe(""));
        assert_eq!(found("joe@example.org", false), joe(""));
        assert_eq!(found("joe@EXAMPLE.org", false), joe(""));
        assert_eq!(found("joe-a@example.org", true), joe("a"));
        // A name is what it is, byte by byte; and other domains are other people's.
        for nobody in [
            "Joe@example.org",
            "joe-a@example.org",
            "joe@mx.example.org",
            "joe@example.net",
            "@example.org",
            "joe@",
            "ann@example.org",
        ] {
            assert_eq!(found(nobody, false), Err(NotFound::Nobody), "{nobody}");
        }
        // As it was: what is behind the hyphen is his, whatever it is.
        assert_eq!(found("joe-a@example.net", true), joe("a@example.net"));
        // Without control/locals the host's own name is the domain.
        std::fs::remove_file(home.control("locals")).expect("removed");
        assert_eq!(found("joe@mx.example.org", false), joe(""));
        std::fs::remove_file(home.control("me")).expect("removed");
        let env = [("TCPLOCALHOST", "here.test")].into_iter().collect();
        let account = of_login(&home, b"joe@here.test", false, &env).expect("joe");
        assert_eq!(account.name, b"joe");
        drop(folder);
    }

    #[test]
    fn a_local_domain_that_cannot_be_read_is_trouble_and_nobody_is_refused() {
        let (_folder, home) = home(Some("users\n"), USERS);
        std::fs::create_dir(home.control("locals")).expect("made");
        let found = of_login(&home, b"joe@example.org", false, &Env::default());
        assert!(matches!(found, Err(NotFound::Trouble(_))), "{found:?}");
        assert!(of_login(&home, b"joe", false, &Env::default()).is_ok());
    }

    #[test]
    fn the_order_of_the_sources_decides() {
        let (_folder, first) = home(Some("users\nsystem\n"), USERS);
        let uid = |home| find(home, b"root", false).expect("root").uid;
        assert_eq!(uid(&first), 5002);
        let (_folder, last) = home(Some("system\nusers\n"), USERS);
        assert_eq!(uid(&last), 0);
        assert!(find(&last, b"joe", false).is_ok());
    }

    #[test]
    fn a_fault_in_a_file_is_told_and_is_never_nobody() {
        let trouble = |home: &Home, login: &[u8]| match find(home, login, false) {
            Err(NotFound::Trouble(why)) => why,
            other => panic!("{other:?}"),
        };
        let (_folder, faulty) = home(None, USERS);
        let error = trouble(&faulty, b"bad");
        assert!(error.contains("line 3 of "), "{error}");
        let (_folder, unknown) = home(Some("ldap\n"), USERS);
        let error = trouble(&unknown, b"joe");
        assert!(error.ends_with("unknown word ldap"), "{error}");
        let error = trouble(&Home::at("/nonexistent/home".into()), b"joe");
        assert_eq!(
            error,
            "unable to read /nonexistent/home: file does not exist"
        );
    }

    fn user(name: &[u8]) -> User {
        User {
            name: name.to_vec(),
            uid: 7001,
            gid: 7002,
            home: "/home/x".into(),
            shell: Vec::new(),
        }
    }

    #[test]
    fn without_an_answer_of_nss_a_name_is_local_or_nobodys() {
        let mut asked = Vec::new();
        let mut silent = |login: &[u8], local: Option<User>| {
            let found = with_others(login, true, local, |name, here| {
                asked.push((name.to_vec(), here.is_some()));
                Ok(match here {
                    Some(user) => Found::User(user, vec![7]),
                    None => Found::Unasked("x".to_owned()),
                })
            });
            found.expect("no file is in the way")
        };
        let nobody = silent(b"ann", None).expect_err("nobody");
        assert_eq!(
            (Refusal::from(nobody.clone()), nobody),
            (
                Refusal::No("no such user in the files, and x".to_owned()),
                NotFound::Unasked("x".to_owned())
            )
        );
        let joe = silent(b"joe", Some(user(b"joe"))).expect("joe");
        assert_eq!(joe.origin, Origin::Passwd(Some(vec![7])));
        let joe = silent(b"joe-a-b", Some(user(b"joe"))).expect("joe");
        assert_eq!(joe.origin, Origin::Passwd(None));
        // One question each: nobody's name does not take longer than joe's.
        let names = [(&b"ann"[..], false), (b"joe", true), (b"joe-a-b", false)];
        assert_eq!(asked, names.map(|(name, here)| (name.to_vec(), here)));
    }

    #[test]
    fn a_longer_name_elsewhere_comes_before_a_shorter_one_here() {
        let found = with_others(b"joe-a-b", true, Some(user(b"joe")), |name, here| {
            Ok(match (name, here) {
                (b"joe-a", None) => Found::User(user(b"joe-a"), vec![8]),
                _ => Found::Nobody,
            })
        });
        let account = found.expect("readable").expect("found");
        assert_eq!(account.name, b"joe-a");
        assert_eq!(account.origin, Origin::Others(vec![8]));
    }

    #[test]
    fn the_rest_of_the_system_is_asked_for_a_few_names_the_longest_first() {
        let names = |login: &'static str, extended| -> Vec<&[u8]> {
            names_to_ask(login.as_bytes(), extended).collect()
        };
        assert_eq!(names("a-b-c", true), [&b"a-b-c"[..], b"a-b", b"a"]);
        assert_eq!(names("a-b-c", false), [b"a-b-c"]);
        assert_eq!(names("-a", true), [b"-a"]);
        assert_eq!(names("------------", true).len(), QUESTIONS);
    }

    #[test]
    fn what_cannot_be_a_name_is_told() {
        assert_eq!(fault_of_name(b"joe-a b"), None);
        assert_eq!(fault_of_name(&[b'x'; NAME_LIMIT]), None);
        for name in [
            &b""[..],
            &[b'x'; NAME_LIMIT + 1],
            b"a/b",
            b"a:b",
            b"a\nb",
            b"a\x7f",
        ] {
            assert!(fault_of_name(name).is_some(), "{}", name.escape_ascii());
        }
    }
}
