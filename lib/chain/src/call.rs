//! One program of a chain, and how it becomes the next.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

use os::Exit;

use crate::Env;

/// A program of this executable that can follow another one in a chain: it is called, not executed.
#[derive(Clone, Copy, Debug)]
pub struct Applet {
    /// The word of a chain that means it.
    pub name: &'static str,
    /// Whether its words end the chain or name the next program.
    pub kind: Kind,
    /// The program.
    pub run: fn(Call) -> Exit,
    /// What is done in its place after a login was checked and before the process becomes the user: for a program that
    /// needs the checker's privileges.
    pub before_entry: Option<BeforeEntry>,
}

/// What an applet does after a login was checked and before the process becomes the user. An error is a sentence, and
/// ends the login.
pub type BeforeEntry = fn(&mut Env, Login<'_>) -> Result<(), String>;

/// Who has proved who he is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The account's name.
    pub user: &'a [u8],
    /// By which method, as the variable `AUTH` has it.
    pub how: &'a [u8],
}

/// Whether the words of an applet end a chain or name the next program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All words that follow are its own: it is the last program of a chain.
    Last,
    /// It does its part and becomes the next program.
    RunsNext {
        /// How many words of its own come before those of the next program.
        own_words: usize,
    },
}

/// What a program of a chain is started with.
#[derive(Debug)]
pub struct Call {
    /// The name it was called by.
    pub name: String,
    /// Its words, without the name.
    pub args: Vec<OsString>,
    /// Its environment.
    pub env: Env,
    /// What was read ahead from descriptor 0, and comes before what is still to be read there.
    pub ahead: Vec<u8>,
    /// The programs that are called and not executed where the chain goes on.
    pub applets: &'static [Applet],
}

/// Why a chain cannot go on.
#[derive(Debug)]
pub enum CannotRun {
    /// There are no words left.
    Missing,
    /// No file of that name.
    NotFound(OsString),
    /// The kernel refused to execute it.
    Exec(OsString, io::Error),
    /// A NUL in one of the words.
    Nul(OsString),
    /// Bytes of the conversation were read that a program which is executed would never see.
    ReadAhead(OsString),
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotRun::Missing => write!(f, "no program is named to go on with"),
            CannotRun::NotFound(name) => {
                write!(f, "unable to run {}: file does not exist", shown(name))
            }
            CannotRun::Exec(name, error) => {
                write!(f, "unable to run {}: {}", shown(name), os::reason(error))
            }
            CannotRun::Nul(name) => {
                write!(
                    f,
                    "unable to run {}: one of its words has a NUL",
                    shown(name)
                )
            }
            CannotRun::ReadAhead(name) => write!(
                f,
                "unable to run {}: the client sent more than it may before the login is answered",
                shown(name)
            ),
        }
    }
}

impl std::error::Error for CannotRun {}

fn shown(name: &OsStr) -> impl fmt::Display + '_ {
    name.as_bytes().escape_ascii()
}

impl Call {
    /// A program that is started by itself, with the environment of the process.
    pub fn of_process(name: &str, args: Vec<OsString>, applets: &'static [Applet]) -> Call {
        Call {
            name: name.to_owned(),
            args,
            env: Env::of_process(),
            ahead: Vec::new(),
            applets,
        }
    }

    /// The applet that `word` names; a word with a slash names none.
    pub fn applet(&self, word: &OsStr) -> Option<&'static Applet> {
        self.applets.iter().find(|applet| applet.name == word)
    }

    /// Whether every program of a chain of `words` is ours, to its end: then bytes may be read
    /// ahead, for they will be handed on.
    pub fn is_joined(&self, words: &[OsString]) -> bool {
        let mut words = words;
        // Each round takes at least one word.
        while let Some((first, rest)) = words.split_first() {
            match self.applet(first).map(|applet| applet.kind) {
                Some(Kind::Last) => return true,
                Some(Kind::RunsNext { own_words }) if own_words < rest.len() => {
                    words = &rest[own_words..];
                }
                _ => return false,
            }
        }
        false
    }

    /// Does what the next programs have to do before their user is become, and takes them out of the
    /// chain. Called by whoever has checked a login, with the privileges that it has.
    pub fn before_entry(&mut self, login: Login<'_>) -> Result<(), String> {
        while let Some(applet) = self.args.first().and_then(|word| self.applet(word)) {
            let (Some(act), Kind::RunsNext { own_words }) = (applet.before_entry, applet.kind)
            else {
                return Ok(());
            };
            // Without a program behind it, it has something to say of its own.
            if self.args.len() <= own_words + 1 {
                return Ok(());
            }
            act(&mut self.env, login)?;
            self.args.drain(..=own_words);
        }
        Ok(())
    }

    /// Becomes the program that `args` name: calls it where it is ours, executes it where not.
    /// Returns the exit code of a program that was called, or why none could be run.
    pub fn go_on(mut self) -> Result<Exit, CannotRun> {
        if self.args.is_empty() {
            return Err(CannotRun::Missing);
        }
        let next = self.args.remove(0);
        if let Some(applet) = self.applet(&next) {
            self.name = applet.name.to_owned();
            // As after an exec; only what ps shows.
            let _ = os::sibling::set_name(applet.name);
            return Ok((applet.run)(self));
        }
        if !self.ahead.is_empty() {
            return Err(CannotRun::ReadAhead(next));
        }
        self.args.insert(0, next.clone());
        Err(execute(&next, &self.args, &self.env))
    }

    /// [`Call::go_on`] for a program that has nothing to add to a failure: it is written to
    /// descriptor 2 under the program's name, and the exit code is 111.
    pub fn finish(self) -> Exit {
        let name = self.name.clone();
        match self.go_on() {
            Ok(exit) => exit,
            Err(error) => {
                os::log::fatal(&name, &error.to_string());
                Exit::TEMPORARY
            }
        }
    }
}

/// Executes `words`, of which `name` is the first, and returns only if that fails.
pub(crate) fn execute(name: &OsStr, words: &[OsString], env: &Env) -> CannotRun {
    let Some(file) = os::programs::resolve(name, env.get("PATH")) else {
        return CannotRun::NotFound(name.to_owned());
    };
    let c_words: Result<Vec<CString>, _> = words
        .iter()
        .map(|word| CString::new(word.as_bytes()))
        .collect();
    let (Ok(c_words), Ok(c_file)) = (c_words, CString::new(file.as_os_str().as_bytes())) else {
        return CannotRun::Nul(name.to_owned());
    };
    let mut env = env.clone();
    env.set(
        os::session::VARIABLE,
        os::session::id().to_string().as_bytes(),
    );
    let error = os::process::exec(&c_file, &c_words, &env.to_strings());
    CannotRun::Exec(name.to_owned(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(call: Call) -> Exit {
        assert_eq!(call.ahead, b"more");
        Exit(u8::try_from(call.args.len()).expect("few"))
    }

    fn passed(mut call: Call) -> Exit {
        call.args.drain(..1);
        call.finish()
    }

    const APPLETS: &[Applet] = &[
        Applet {
            name: "end",
            kind: Kind::Last,
            run: told,
            before_entry: None,
        },
        Applet {
            name: "pass",
            kind: Kind::RunsNext { own_words: 1 },
            run: passed,
            before_entry: None,
        },
        Applet {
            name: "record",
            kind: Kind::RunsNext { own_words: 0 },
            run: passed,
            before_entry: Some(|env, login| {
                env.set("WHO", login.user);
                match login.user {
                    b"nobody" => Err("not him".to_owned()),
                    _ => Ok(()),
                }
            }),
        },
    ];

    fn call(words: &[&str]) -> Call {
        Call {
            name: "test".to_owned(),
            args: words.iter().map(OsString::from).collect(),
            env: Env::default(),
            ahead: b"more".to_vec(),
            applets: APPLETS,
        }
    }

    #[test]
    fn a_joined_chain_is_called_with_what_was_read_ahead() {
        assert_eq!(call(&["end", "a", "b"]).go_on().expect("ours"), Exit(2));
        assert_eq!(
            call(&["pass", "x", "end", "a"]).go_on().expect("ours"),
            Exit(1)
        );
    }

    #[test]
    fn a_chain_is_joined_only_if_it_is_ours_to_its_end() {
        let joined = |words: &[&str]| {
            let call = call(words);
            call.is_joined(&call.args)
        };
        assert!(joined(&["end"]));
        assert!(joined(&["end", "/bin/true"]));
        assert!(joined(&["pass", "x", "end"]));
        for words in [
            &[][..],
            &["/bin/end"],
            &["other"],
            &["pass"],
            &["pass", "end"],
            &["pass", "x", "other"],
        ] {
            assert!(!joined(words), "{words:?}");
        }
    }

    #[test]
    fn what_comes_before_the_entry_is_done_and_taken_out_of_the_chain() {
        let joe = Login {
            user: b"joe",
            how: b"pop",
        };
        let mut call = call(&["record", "record", "end", "record"]);
        call.before_entry(joe).expect("done");
        assert_eq!(call.args, ["end", "record"]);
        assert_eq!(call.env.bytes("WHO"), Some(&b"joe"[..]));
    }

    #[test]
    fn what_cannot_be_done_before_the_entry_ends_the_login() {
        let nobody = Login {
            user: b"nobody",
            how: b"pop",
        };
        assert_eq!(
            call(&["record", "end"]).before_entry(nobody),
            Err("not him".to_owned())
        );
    }

    #[test]
    fn only_what_stands_right_behind_the_checker_comes_before_the_entry() {
        let joe = Login {
            user: b"joe",
            how: b"pop",
        };
        for words in [
            &["pass", "x", "record", "end"][..],
            &["record"],
            &["/bin/record", "end"],
        ] {
            let mut call = call(words);
            call.before_entry(joe).expect("nothing is done");
            assert_eq!(call.args, words);
            assert_eq!(call.env.get("WHO"), None);
        }
    }

    #[test]
    fn nothing_that_was_read_is_kept_from_a_program_that_is_executed() {
        let error = call(&["/bin/true"]).go_on().expect_err("foreign");
        assert!(matches!(error, CannotRun::ReadAhead(_)));
        assert!(error.to_string().starts_with("unable to run /bin/true: "));
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let mut missing = call(&["no-such-program-here"]);
        missing.ahead.clear();
        let error = missing.go_on().expect_err("missing");
        assert_eq!(
            error.to_string(),
            "unable to run no-such-program-here: file does not exist"
        );
        let mut folder = call(&["/"]);
        folder.ahead.clear();
        let error = folder.go_on().expect_err("a folder");
        assert_eq!(error.to_string(), "unable to run /: access denied");
        let error = call(&[]).go_on().expect_err("nothing");
        assert!(matches!(error, CannotRun::Missing));
    }
}
