//! relay-ctrl-age: forgets the logins that are no longer good and makes the database anew. relay-ctrl-age(8).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime};

use chain::Env;
use os::Exit;
use relay_store::{Address, Entry, Store};

use crate::Trouble;
use crate::allow::enter;
use crate::config::{Config, Place};
use crate::exclude::Exclude;

/// How long it waits for a rebuild by others: it comes again in a minute.
const PATIENCE: Duration = Duration::from_secs(30);

/// Records the addresses in `args` as logins of nobody, as relay-ctrl 2 does; then ages the store.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    if os::identity::is_borrowed() {
        os::log::fatal(
            name,
            "its file must not be setuid or setgid: see relay-ctrl-allow(8) for what replaces that",
        );
        return Exit::TEMPORARY;
    }
    let mut env = Env::of_process();
    let config = match Config::read(&env).and_then(|config| Ok((config.exclude()?, config))) {
        Ok(config) => config,
        Err(trouble) => {
            os::log::fatal(name, &trouble.to_string());
            return Exit::TEMPORARY;
        }
    };
    let mut run = Run {
        name,
        exit: Exit::OK,
    };
    run.age(&config.1, &config.0, &mut env, &args);
    run.exit
}

/// One run, which goes on after trouble and remembers it.
struct Run<'a> {
    name: &'a str,
    exit: Exit,
}

impl Run<'_> {
    fn age(&mut self, config: &Config, exclude: &Exclude, env: &mut Env, args: &[OsString]) {
        let store = match config.store(env) {
            Ok(store) => store,
            Err(trouble) => {
                self.tell(&trouble, Exit::NO);
                // Where there is no store, nobody is open, and the database is to say so. A store that cannot
                // be opened is another matter.
                if is_missing(&trouble) && matches!(config.place, Place::Directory(_)) {
                    self.rebuild(config, None, &[]);
                }
                return;
            }
        };
        for word in args {
            self.open(config, &store, exclude, word);
        }
        let deadline = Instant::now() + PATIENCE;
        let _lock = match store.lock(deadline) {
            Ok(Some(lock)) => lock,
            other => {
                let path = config.place.shown();
                let trouble = match other {
                    Err(error) => Trouble::File("lock", path, error),
                    Ok(_) => Trouble::Locked(path),
                };
                return self.tell(&trouble, Exit::TEMPORARY);
            }
        };
        match store.sweep(SystemTime::now(), |address| exclude.covers(address)) {
            Ok(swept) => {
                if let Some(error) = swept.trouble {
                    self.tell(
                        &Trouble::File("clean up", config.place.shown(), error),
                        Exit::NO,
                    );
                }
                self.rebuild(config, Some(&store), &swept.open);
            }
            Err(error) => self.tell(
                &Trouble::File("list", config.place.shown(), error),
                Exit::NO,
            ),
        }
    }

    fn open(&mut self, config: &Config, store: &Store, exclude: &Exclude, word: &OsString) {
        let Some(address) = Address::from_text(word.as_bytes()) else {
            let shown = word.as_bytes().escape_ascii().to_string();
            return self.tell(
                &Trouble::Setting(shown, "not an address".to_owned()),
                Exit::NO,
            );
        };
        if exclude.covers(&address) {
            os::log::warning(
                self.name,
                &format!("{address} is on the list exclude and stays closed"),
            );
            return;
        }
        if let Err(trouble) = enter(config, store, &address, &Entry::default()) {
            self.tell(&trouble, Exit::NO);
        }
    }

    fn rebuild(&mut self, config: &Config, store: Option<&Store>, open: &[Address]) {
        let Some(database) = &config.database else {
            return;
        };
        if let Err(trouble) = database.rebuild(store, open, SystemTime::now()) {
            let exit = match trouble {
                Trouble::NoRules(..) | Trouble::File(..) => Exit::NO,
                _ => Exit::TEMPORARY,
            };
            self.tell(&trouble, exit);
        }
    }

    fn tell(&mut self, trouble: &Trouble, exit: Exit) {
        os::log::warning(self.name, &trouble.to_string());
        if self.exit.0 < exit.0 {
            self.exit = exit;
        }
    }
}

fn is_missing(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::File(_, _, error) if error.kind() == io::ErrorKind::NotFound)
}
