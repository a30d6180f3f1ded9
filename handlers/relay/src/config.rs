//! The settings, from relay-ctrl 2's directory and from relay-ctrl 3's variables.
//!
//! In the directory (`/etc/relay-ctrl`, or `RELAY_CTRL_CONFDIR`) each setting is the first line of a file of its
//! name, to the LF, blanks and all. A missing directory, a missing file and an empty one mean the default.
//! A file that cannot be read, or whose line is too long, is an error, where the original goes on
//! with the default.
//!
//! Where both say something, the variable wins: `RELAY_CTRL_DIR_FD` over `RELAY_CTRL_DIR` over
//! `spooldir`, `RELAY_CTRL_EXPIRY` over `expiry`. With a store that a variable names no database is kept, for
//! relay-ctrl 3 knows none; otherwise one is kept where there is a sign that somebody wants it: one
//! of the files `rulesdir`, `smtprules`, `smtpcdb` and `rule`, or the default directory of the rules.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use chain::Env;
use relay_store::{Address, Expiry, Store, settings};

use crate::Trouble;
use crate::database::Database;
use crate::exclude::Exclude;

/// The most bytes of the list `exclude`.
pub const EXCLUDE_LIMIT: usize = 1 << 20;

const SPOOL: &str = "/var/spool/relay-ctrl";
const RULES: &str = "/etc/tcpcontrol";
const RULE: &[u8] = b":allow,RELAYCLIENT=''";

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory by name.
    Directory(PathBuf),
    /// The number of a descriptor on which somebody has opened it.
    Descriptor(i32),
}

impl Place {
    /// The store, as a message names it.
    pub(crate) fn shown(&self) -> PathBuf {
        match self {
            Place::Directory(path) => path.clone(),
            Place::Descriptor(number) => format!("the directory of {DIR_FD}={number}").into(),
        }
    }

    /// The file of an address, as a message names it.
    pub(crate) fn file(&self, address: &Address) -> PathBuf {
        match self {
            Place::Directory(path) => path.join(address.to_string()),
            Place::Descriptor(_) => format!("{address} in {}", self.shown().display()).into(),
        }
    }
}

/// What all programs need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the store is.
    pub place: Place,
    /// How long a login is good.
    pub expiry: Expiry,
    /// The rules database to keep, if any.
    pub database: Option<Database>,
    /// Where the list of addresses that are never opened may be.
    exclude: PathBuf,
}

impl Config {
    /// Reads all settings.
    pub fn read(env: &Env) -> Result<Config, Trouble> {
        Config::of(env, true)
    }

    /// [`Config::read`] for programs that have nothing to do with the database.
    pub fn read_without_database(env: &Env) -> Result<Config, Trouble> {
        Config::of(env, false)
    }

    fn of(env: &Env, with_database: bool) -> Result<Config, Trouble> {
        let files = Files(settings::directory(|name| {
            env.get(name).map(OsStr::to_owned)
        }));
        let by_variable = place(env)?;
        let database = match by_variable {
            None if with_database => files.database()?,
            _ => None,
        };
        let place = match by_variable {
            Some(place) => place,
            None => Place::Directory(files.path("spooldir", SPOOL)?),
        };
        Ok(Config {
            place,
            expiry: settings::expiry(|name| env.get(name).map(OsStr::to_owned))?,
            database,
            exclude: files.0.join("exclude"),
        })
    }

    /// Opens the store. A descriptor is taken over, so this works once; the variable that names it is
    /// taken away, for a later program would find another file there.
    pub fn store(&self, env: &mut Env) -> Result<Store, Trouble> {
        match &self.place {
            Place::Directory(path) => Store::open(path, self.expiry)
                .map_err(|error| Trouble::file("open the directory", path, error)),
            Place::Descriptor(number) => {
                env.remove(DIR_FD);
                os::fd::take(*number)
                    .and_then(|dir| Store::of_descriptor(dir, self.expiry))
                    .map_err(|error| Trouble::File("use", self.place.shown(), error))
            }
        }
    }

    /// The addresses that are never opened.
    pub fn exclude(&self) -> Result<Exclude, Trouble> {
        let text = settings::read(&self.exclude, EXCLUDE_LIMIT)?.unwrap_or_default();
        Exclude::parse(&text).map_err(|line| {
            let why = format!("line {line} is neither an address nor a network");
            Trouble::Setting(self.exclude.display().to_string(), why)
        })
    }
}

/// The variable that hands an open directory from one program to the next.
pub(crate) const DIR_FD: &str = "RELAY_CTRL_DIR_FD";

fn place(env: &Env) -> Result<Option<Place>, Trouble> {
    if let Some(number) = env.bytes(DIR_FD) {
        let text = std::str::from_utf8(number).ok();
        let number = text.and_then(|text| text.parse().ok());
        return match number {
            // 0 to 2 are the conversation and the log.
            Some(number) if number > 2 => Ok(Some(Place::Descriptor(number))),
            _ => Err(setting(DIR_FD, "no number of a descriptor above 2")),
        };
    }
    let dir = env.get("RELAY_CTRL_DIR").filter(|dir| !dir.is_empty());
    Ok(dir.map(|dir| Place::Directory(dir.into())))
}

fn setting(place: &str, why: &str) -> Trouble {
    Trouble::Setting(place.to_owned(), why.to_owned())
}

/// The directory of settings.
struct Files(PathBuf);

impl Files {
    fn line(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(settings::line(&self.0.join(name))?)
    }

    fn path(&self, name: &str, default: &str) -> Result<PathBuf, Trouble> {
        Ok(path_or(self.line(name)?, default))
    }

    /// `tcprules`, the original's path of a compiler, is not read: the compiler is in this program.
    fn database(&self) -> Result<Option<Database>, Trouble> {
        let mut wanted = false;
        let mut line = |name: &str| {
            let text = settings::read(&self.0.join(name), settings::LINE_LIMIT)?;
            wanted |= text.is_some();
            Ok::<_, Trouble>(text.and_then(|text| settings::first_line(&text).map(<[u8]>::to_vec)))
        };
        let (dir, rule) = (line("rulesdir")?, line("rule")?);
        let (text, cdb) = (line("smtprules")?, line("smtpcdb")?);
        if !wanted && !Path::new(RULES).is_dir() {
            return Ok(None);
        }
        let dir = path_or(dir, RULES);
        Ok(Some(Database {
            text: dir.join(path_or(text, "smtp.rules")),
            cdb: dir.join(path_or(cdb, "smtp.cdb")),
            rule: rule.unwrap_or_else(|| RULE.to_vec()),
        }))
    }
}

fn path_or(line: Option<Vec<u8>>, default: &str) -> PathBuf {
    line.map_or_else(
        || default.into(),
        |line| std::ffi::OsString::from_vec(line).into(),
    )
}

/// The address of the client, where there is one.
pub(crate) fn client(env: &Env) -> Option<Address> {
    Address::from_text(env.get("TCPREMOTEIP").map(OsStr::as_bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let mut env: Env = variables.iter().copied().collect();
        env.set("RELAY_CTRL_CONFDIR", folder.path().as_os_str().as_bytes());
        let dir = folder.path().display().to_string();
        Config::read(&env).map_err(|trouble| trouble.to_string().replace(&dir, "DIR"))
    }

    #[test]
    fn without_any_setting_all_is_relay_ctrls_default() {
        let config = config(&[], &[]).expect("defaults");
        assert_eq!(config.place, Place::Directory(SPOOL.into()));
        assert_eq!(config.expiry.seconds(), 900);
        if !Path::new(RULES).exists() {
            assert_eq!(config.database, None);
        }
    }

    #[test]
    fn the_files_of_the_article_are_understood() {
        let files = [
            ("expiry", "1200\n"),
            ("rule", ":allow,RELAYCLIENT=''\n"),
            ("rulesdir", "/etc\n"),
            ("smtpcdb", "tcp.smtp.cdb\n"),
            ("smtprules", "tcp.smtp\n"),
            ("spooldir", "/home/relay/spool\nsecond line\n"),
            ("tcprules", "/nonexistent/tcprules\n"),
        ];
        let config = config(&files, &[]).expect("good");
        assert_eq!(config.place, Place::Directory("/home/relay/spool".into()));
        assert_eq!(config.expiry.seconds(), 1200);
        let database = Database {
            text: "/etc/tcp.smtp".into(),
            cdb: "/etc/tcp.smtp.cdb".into(),
            rule: b":allow,RELAYCLIENT=''".to_vec(),
        };
        assert_eq!(config.database, Some(database));
    }

    #[test]
    fn an_empty_file_is_the_default_and_an_empty_line_is_empty() {
        let (empty, line) = ([("rulesdir", ""), ("rule", "")], [("rule", "\n")]);
        let of = |files| config(files, &[]).expect("good").database.expect("wanted");
        assert_eq!(of(&empty).text, Path::new("/etc/tcpcontrol/smtp.rules"));
        assert_eq!(of(&empty).cdb, Path::new("/etc/tcpcontrol/smtp.cdb"));
        assert_eq!(of(&empty).rule, RULE);
        assert_eq!(of(&line).rule, b"");
    }

    #[test]
    fn an_expiry_that_is_none_is_an_error_with_its_place() {
        let wrong = config(&[("expiry", "900s\n")], &[]).expect_err("wrong");
        assert_eq!(
            wrong,
            "unable to use DIR/expiry: no positive number of seconds"
        );
        assert!(config(&[("expiry", "\n")], &[]).is_err());
        assert!(config(&[("expiry", "900 \n")], &[]).is_err());
        let wrong = config(&[], &[("RELAY_CTRL_EXPIRY", "0")]).expect_err("wrong");
        assert!(
            wrong.starts_with("unable to use RELAY_CTRL_EXPIRY: "),
            "{wrong}"
        );
    }

    #[test]
    fn a_variable_wins_over_a_file_and_a_named_store_keeps_no_database() {
        let files = [("spooldir", "/a"), ("expiry", "1"), ("rulesdir", "/etc")];
        let variables = [("RELAY_CTRL_DIR", "/b"), ("RELAY_CTRL_EXPIRY", "2")];
        let both = config(&files, &variables).expect("good");
        assert_eq!(both.place, Place::Directory("/b".into()));
        assert_eq!((both.expiry.seconds(), both.database), (2, None));
        let fd = [("RELAY_CTRL_DIR", "/b"), ("RELAY_CTRL_DIR_FD", "1023")];
        assert_eq!(
            config(&files, &fd).expect("good").place,
            Place::Descriptor(1023)
        );
        let empty = config(&files, &[("RELAY_CTRL_DIR", "")]).expect("good");
        assert_eq!(empty.place, Place::Directory("/a".into()));
        assert!(empty.database.is_some());
    }

    #[test]
    fn the_conversation_is_never_taken_for_the_store() {
        for number in ["0", "2", "-1", "", "3x", "99999999999"] {
            let wrong = config(&[], &[("RELAY_CTRL_DIR_FD", number)]).expect_err("wrong");
            assert!(
                wrong.contains("no number of a descriptor above 2"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_line_of_the_limit_is_read_and_one_byte_more_is_an_error() {
        let whole = "x".repeat(settings::LINE_LIMIT);
        assert!(config(&[("spooldir", &whole)], &[]).is_ok());
        let wrong = config(&[("spooldir", &format!("{whole}x"))], &[]).expect_err("long");
        assert_eq!(wrong, "unable to use DIR/spooldir: larger than 4096 bytes");
    }

    #[test]
    fn a_wrong_line_of_the_exclude_list_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut env = Env::default();
        env.set("RELAY_CTRL_CONFDIR", folder.path().as_os_str().as_bytes());
        let config = Config::read(&env).expect("defaults");
        assert_eq!(config.exclude().expect("missing"), Exclude::default());
        std::fs::write(folder.path().join("exclude"), "10.\nnot-an-address\n").expect("written");
        let wrong = config.exclude().expect_err("line 2").to_string();
        assert!(
            wrong.ends_with("exclude: line 2 is neither an address nor a network"),
            "{wrong}"
        );
    }
}
