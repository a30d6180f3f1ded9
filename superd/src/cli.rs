//! The command line: words in, options out. Nothing is looked up here.
//!
//! The letters are tcpserver 0.88's, all of them, in its clusters and argument forms. Long options
//! are ours: the original swallows any word that begins with `--`, so no working script has one.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use os::args::{BadOption, Getopt, Opt};

use crate::connection::SocketOptions;
use crate::numbers::{mode, number};

/// Letters without an argument.
const FLAGS: &str = "1UXpPhHrRoOdDqQv";
/// Letters with an argument.
const VALUED: &str = "cxBgublt";
/// The longest banner. Every new connection has room for as much, so writing one never waits.
pub const BANNER_LIMIT: usize = 4096;
/// The most clients at a time that can be asked for.
const MOST_CLIENTS: u32 = 1_000_000;
/// The longest that the ident exchange may be given, in seconds.
const MOST_SECONDS: u32 = 86_400;

/// How much is said on descriptor 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Verbosity {
    /// Nothing at all, fatal messages included (`-q`).
    Quiet,
    /// What goes wrong (`-Q`, the default).
    Errors,
    /// Each connection too (`-v`).
    All,
}

/// A user or group as typed: a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Digits.
    Id(u32),
    /// Anything else.
    Name(Vec<u8>),
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A host and a port, both as typed.
    Tcp {
        /// `0`, an address, or a name.
        host: Vec<u8>,
        /// A number or the name of a service.
        port: OsString,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// Everything that the command line says about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `-q`, `-Q`, `-v`.
    pub verbosity: Verbosity,
    /// `-c`: the most programs at a time.
    pub limit: u32,
    /// `-x`: the rules file.
    pub rules: Option<PathBuf>,
    /// `-X`: a rules file that does not exist allows everybody.
    pub without_rules: bool,
    /// `-B`: written to each client before anything else.
    pub banner: Vec<u8>,
    /// `-g`.
    pub group: Option<Who>,
    /// `-u`.
    pub user: Option<Who>,
    /// `-U` came after the last `-u`: user and group are taken from $UID and $GID.
    pub from_environment: bool,
    /// `-1`: print the port once it listens.
    pub print_port: bool,
    /// `-b`: the length of the kernel's queue of connections not yet accepted.
    pub backlog: i32,
    /// `-o`: keep IP source-route options.
    pub keep_ip_options: bool,
    /// `-D`: TCP_NODELAY.
    pub nodelay: bool,
    /// `-h`: look up the client's name.
    pub remote_name: bool,
    /// `-p`: and check it against its addresses.
    pub paranoid: bool,
    /// `-l`: the local name.
    pub local_name: Option<Vec<u8>>,
    /// `-r`: ask the client's ident server.
    pub ident: bool,
    /// `-t`: for how long at most.
    pub ident_timeout: Duration,
    /// `--relay`: the directory of clients who have logged in lately and may relay.
    pub relay: Option<PathBuf>,
    /// `--exec`: execute the program for each connection, also one of ours.
    pub execute: bool,
    /// `--mode`: of a UNIX socket.
    pub socket_mode: Option<u32>,
    /// `--owner`: of a UNIX socket; user and, after a colon, group.
    pub socket_owner: Option<(Who, Option<Who>)>,
    /// Where to listen.
    pub place: Place,
    /// The program and its arguments; at least one word.
    pub program: Vec<OsString>,
}

impl Options {
    /// What is set on each TCP connection.
    pub fn socket_options(&self) -> SocketOptions {
        SocketOptions {
            keep_ip_options: self.keep_ip_options,
            nodelay: self.nodelay,
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// A service.
    Serve(Box<Options>),
    /// `--libexec`: print the folder of our own programs.
    Libexec,
    /// `--links DIR`: make the links of all programs there.
    Links(PathBuf),
    /// `--version`.
    Version,
    /// `--help`.
    Help,
}

/// Why the command line is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Something is missing; the usage line says all that there is to say.
    Usage,
    /// A letter or a long word is wrong: a sentence, then the usage line.
    Option(String),
    /// A value is wrong: a sentence.
    Value(String),
}

impl From<BadOption> for Mistake {
    fn from(bad: BadOption) -> Mistake {
        Mistake::Option(bad.to_string())
    }
}

/// The usage line, to the byte as 0.88's but for the program's name.
pub fn usage(name: &str) -> String {
    format!(
        "{name}: usage: {name} [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] [ -B banner ] \
         [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ] [ -t timeout ] host port program\n"
    )
}

/// What the original has none of. Nothing under the original's name: whoever has a script that reads its usage
/// gets what he has always got.
pub fn long_usage(name: &str) -> String {
    if name == "tcpserver" {
        return String::new();
    }
    format!(
        "{name}: and: [ --relay dir ] [ --exec ]; with unix:path in place of host port: [ --mode mode ] \
         [ --owner user:group ]; alone: --help, --version, --libexec, --links dir\n"
    )
}

/// A command line that was read, and how much may be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// From the options up to the end or the first mistake.
    pub verbosity: Verbosity,
    /// What was asked for, or what is wrong with it.
    pub outcome: Result<Invocation, Mistake>,
}

/// Reads the words after the program's name.
pub fn parse(words: Vec<OsString>) -> Parsed {
    let mut verbosity = Verbosity::Errors;
    let outcome = parse_words(words, &mut verbosity);
    Parsed { verbosity, outcome }
}

fn parse_words(words: Vec<OsString>, verbosity: &mut Verbosity) -> Result<Invocation, Mistake> {
    let mut options = Options {
        verbosity: Verbosity::Errors,
        limit: 40,
        rules: None,
        without_rules: false,
        banner: Vec::new(),
        group: None,
        user: None,
        from_environment: false,
        print_port: false,
        backlog: 20,
        keep_ip_options: false,
        nodelay: false,
        remote_name: true,
        paranoid: false,
        local_name: None,
        ident: true,
        ident_timeout: Duration::from_secs(26),
        relay: None,
        execute: false,
        socket_mode: None,
        socket_owner: None,
        place: Place::Tcp {
            host: Vec::new(),
            port: OsString::new(),
        },
        program: Vec::new(),
    };
    let mut getopt = Getopt::new(words, FLAGS, VALUED);
    while let Some(option) = getopt.next_option()? {
        match option {
            Opt::Flag(letter) => flag(letter, &mut options, verbosity),
            Opt::Value(letter, value) => valued(letter, value, &mut options)?,
            Opt::Long(word) => {
                if let Some(other) = long(&word, &mut getopt, &mut options)? {
                    return Ok(other);
                }
            }
        }
    }
    options.verbosity = *verbosity;
    let mut operands = getopt.operands().into_iter();
    let host = operands.next().ok_or(Mistake::Usage)?;
    options.place = match host.as_bytes().strip_prefix(b"unix:") {
        Some(path) => Place::Unix(PathBuf::from(OsString::from_vec(path.to_vec()))),
        None => Place::Tcp {
            host: host.into_vec(),
            port: operands.next().ok_or(Mistake::Usage)?,
        },
    };
    options.program = operands.collect();
    if options.program.is_empty() {
        return Err(Mistake::Usage);
    }
    check_together(&options)?;
    Ok(Invocation::Serve(Box::new(options)))
}

/// Options that only make sense, or none, in company.
fn check_together(options: &Options) -> Result<(), Mistake> {
    let problem = match &options.place {
        Place::Unix(path) if path.as_os_str().is_empty() => "unix: needs a path",
        Place::Unix(_) if options.rules.is_some() => {
            "-x does not go with unix:PATH: rules are about IP addresses"
        }
        Place::Tcp { .. } if options.socket_mode.is_some() || options.socket_owner.is_some() => {
            "--mode and --owner go with unix:PATH only"
        }
        _ => return Ok(()),
    };
    Err(Mistake::Value(problem.to_owned()))
}

fn flag(letter: u8, options: &mut Options, verbosity: &mut Verbosity) {
    match letter {
        b'q' => *verbosity = Verbosity::Quiet,
        b'Q' => *verbosity = Verbosity::Errors,
        b'v' => *verbosity = Verbosity::All,
        b'1' => options.print_port = true,
        b'U' => options.from_environment = true,
        b'X' => options.without_rules = true,
        b'h' => options.remote_name = true,
        b'H' => options.remote_name = false,
        b'p' => options.paranoid = true,
        b'P' => options.paranoid = false,
        b'r' => options.ident = true,
        b'R' => options.ident = false,
        b'o' => options.keep_ip_options = true,
        b'O' => options.keep_ip_options = false,
        b'd' => options.nodelay = false,
        // The last of FLAGS.
        _ => options.nodelay = true,
    }
}

fn valued(letter: u8, value: OsString, options: &mut Options) -> Result<(), Mistake> {
    match letter {
        b'c' => options.limit = number("-c", &value, 1..=MOST_CLIENTS).map_err(Mistake::Value)?,
        b'b' => options.backlog = number("-b", &value, 0..=i32::MAX).map_err(Mistake::Value)?,
        b't' => {
            let seconds = number("-t", &value, 1..=MOST_SECONDS).map_err(Mistake::Value)?;
            options.ident_timeout = Duration::from_secs(seconds.into());
        }
        b'x' => options.rules = Some(PathBuf::from(value)),
        b'l' => options.local_name = Some(value.into_vec()),
        b'B' => options.banner = banner(value)?,
        b'g' => options.group = Some(who("-g", value.as_bytes())?),
        b'u' => {
            options.user = Some(who("-u", value.as_bytes())?);
            options.from_environment = false;
        }
        _ => return Err(BadOption::Illegal(letter).into()),
    }
    Ok(())
}

fn long(
    word: &OsString,
    getopt: &mut Getopt,
    options: &mut Options,
) -> Result<Option<Invocation>, Mistake> {
    let needs = || Mistake::Option(format!("option requires an argument -- {}", word.display()));
    match word.as_bytes() {
        b"libexec" => return alone(Invocation::Libexec, getopt),
        b"links" => {
            let folder = getopt.next_word().ok_or_else(needs)?;
            return alone(Invocation::Links(PathBuf::from(folder)), getopt);
        }
        b"version" => return alone(Invocation::Version, getopt),
        b"help" => return alone(Invocation::Help, getopt),
        b"exec" => options.execute = true,
        b"relay" => {
            let folder = getopt.next_word().ok_or_else(needs)?;
            options.relay = Some(PathBuf::from(folder));
        }
        b"mode" => {
            let value = getopt.next_word().ok_or_else(needs)?;
            options.socket_mode = Some(mode("--mode", &value).map_err(Mistake::Value)?);
        }
        b"owner" => {
            let value = getopt.next_word().ok_or_else(needs)?;
            let mut parts = value.as_bytes().splitn(2, |&byte| byte == b':');
            let user = who("--owner", parts.next().unwrap_or_default())?;
            let group = parts
                .next()
                .map(|group| who("--owner", group))
                .transpose()?;
            options.socket_owner = Some((user, group));
        }
        _ => {
            return Err(Mistake::Option(format!(
                "illegal option -- {}",
                word.display()
            )));
        }
    }
    Ok(None)
}

/// A question about the installation, behind which no word may follow.
fn alone(question: Invocation, getopt: &mut Getopt) -> Result<Option<Invocation>, Mistake> {
    match getopt.next_word() {
        None => Ok(Some(question)),
        Some(word) => Err(Mistake::Option(format!(
            "too many words -- {}",
            word.display()
        ))),
    }
}

fn banner(value: OsString) -> Result<Vec<u8>, Mistake> {
    let bytes = value.into_vec();
    if bytes.len() > BANNER_LIMIT {
        let length = bytes.len();
        return Err(Mistake::Value(format!(
            "-B takes a banner of at most {BANNER_LIMIT} bytes, not {length}"
        )));
    }
    Ok(bytes)
}

fn who(what: &str, word: &[u8]) -> Result<Who, Mistake> {
    if word.is_empty() {
        return Err(Mistake::Value(format!(
            "{what} needs a number or a name, not an empty word"
        )));
    }
    if word.iter().all(u8::is_ascii_digit) {
        // The greatest number is what setuid(2) takes for "leave as it is".
        let id = number(what, std::ffi::OsStr::from_bytes(word), 0..=u32::MAX - 1);
        return id.map(Who::Id).map_err(Mistake::Value);
    }
    Ok(Who::Name(word.to_vec()))
}

#[cfg(test)]
mod tests;
