//! What decides about a session, read at its start: the environment and the control files.
//!
//! As with smtpd, whatever cannot be understood ends the session before it begins: a limit with a
//! typing error in it must not mean "no limit".

use std::fmt;
use std::time::Duration;

use accounts::control::digits;
use accounts::{ControlError, Home};
use chain::Env;
use wire::data::BareLf;

/// Seconds that a client may be silent (TIMEOUT).
const DEFAULT_TIMEOUT: u64 = 300;
/// Seconds that a session may last (SESSION_TIMEOUT).
const DEFAULT_SESSION: u64 = 4 * 60 * 60;
/// No time is longer: what is meant by a larger number is "without end".
const MOST_SECONDS: u64 = 10 * 366 * 24 * 60 * 60;
/// Bad commands of one session (MAXNOTIMPL).
const DEFAULT_BAD_COMMANDS: u64 = 20;
/// Refused recipients of one session (BRTLIMIT, control/brtlimit).
const DEFAULT_REFUSED: u64 = 100;
/// Accepted recipients of one session (MAXSESSIONRCPT, control/maxsessionrcpt).
const DEFAULT_SESSION_RECIPIENTS: u64 = 10_000;
/// The most recipients of one message; MAXRCPT and control/maxrcpt can only lower it.
pub const RECIPIENT_LIMIT: u64 = 1000;
/// The most bytes of a refused message that are read in search of its end.
const DISCARD_LIMIT: u64 = 1 << 30;

/// Why a session cannot begin.
#[derive(Debug)]
pub enum SettingsError {
    /// A file of the home.
    Control(ControlError),
    /// A variable: its name, its value, what it should be.
    Variable(&'static str, Vec<u8>, &'static str),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::Control(error) => error.fmt(f),
            SettingsError::Variable(name, value, wanted) => {
                let value = value.escape_ascii();
                write!(f, "unable to use variable {name}: {value} is not {wanted}")
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<ControlError> for SettingsError {
    fn from(error: ControlError) -> SettingsError {
        SettingsError::Control(error)
    }
}

/// The limits of a session; 0 is no limit where the field says so.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one line, block or write.
    pub timeout: Duration,
    /// For all of it.
    pub session: Duration,
    /// Stored bytes of one message; 0 is none.
    pub databytes: u64,
    /// Recipients of one message.
    pub recipients: u64,
    /// Accepted recipients of all messages together; 0 is none.
    pub session_recipients: u64,
    /// Refused recipients; 0 is none.
    pub refused: u64,
    /// Bad commands; 0 is none.
    pub bad_commands: u64,
    /// Bytes of a refused message that are read in search of its end.
    pub discard: u64,
}

/// What decides about a session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This host's name, in the greeting and in Received.
    pub me: Vec<u8>,
    /// The domains whose mail is delivered here, in lower case.
    pub locals: Vec<Vec<u8>>,
    /// TCPREMOTEHOST, or `unknown`; `localhost` on a UNIX socket.
    pub remote_host: Vec<u8>,
    /// TCPREMOTEIP; none on a UNIX socket.
    pub remote_ip: Option<Vec<u8>>,
    /// The user id of a client on a UNIX socket, as superd tells it.
    pub remote_uid: Option<u64>,
    /// The limits.
    pub limits: Limits,
    /// What a bare LF means.
    pub bare_lf: BareLf,
}

impl Limits {
    /// Those that every SMTP or LMTP dialogue has.
    pub fn dialogue(&self) -> smtp::tally::Limits {
        smtp::tally::Limits {
            bad_commands: self.bad_commands,
            refused: self.refused,
            recipients: self.recipients,
            session_recipients: self.session_recipients,
            databytes: self.databytes,
        }
    }
}

impl Settings {
    /// Reads what decides about a session; `host_name` is for a home without control/me.
    pub fn read(
        home: &Home,
        env: &Env,
        host_name: fn() -> Vec<u8>,
    ) -> Result<Settings, SettingsError> {
        home.check()?;
        let local_host = text(env, "TCPLOCALHOST");
        let me = home.me(local_host.as_deref(), host_name)?;
        let remote_ip = text(env, "TCPREMOTEIP");
        let nameless = if remote_ip.is_some() {
            &b"unknown"[..]
        } else {
            b"localhost"
        };
        Ok(Settings {
            locals: home.locals(&me)?,
            me,
            remote_host: text(env, "TCPREMOTEHOST").unwrap_or_else(|| nameless.to_vec()),
            remote_ip,
            remote_uid: text(env, "UNIXREMOTEEUID").and_then(|uid| digits(&uid)),
            limits: limits(home, env)?,
            bare_lf: bare_lf(env)?,
        })
    }

    /// Whether mail for `domain` is delivered here.
    pub fn is_local(&self, domain: &[u8]) -> bool {
        self.locals
            .iter()
            .any(|local| local.eq_ignore_ascii_case(domain))
    }
}

/// A variable that is set to something.
fn text(env: &Env, name: &str) -> Option<Vec<u8>> {
    let value = env.bytes(name).filter(|value| !value.is_empty());
    value.map(<[u8]>::to_vec)
}

fn number(env: &Env, name: &'static str) -> Result<Option<u64>, SettingsError> {
    let Some(value) = env.bytes(name) else {
        return Ok(None);
    };
    match digits(value) {
        Some(number) => Ok(Some(number)),
        None => Err(SettingsError::Variable(name, value.to_vec(), "a number")),
    }
}

fn limits(home: &Home, env: &Env) -> Result<Limits, SettingsError> {
    let either = |name, file| -> Result<Option<u64>, SettingsError> {
        match number(env, name)? {
            Some(number) => Ok(Some(number)),
            None => Ok(home.number(file)?),
        }
    };
    let seconds = |name, default| -> Result<Duration, SettingsError> {
        let seconds = number(env, name)?.unwrap_or(default);
        Ok(Duration::from_secs(seconds.clamp(1, MOST_SECONDS)))
    };
    Ok(Limits {
        timeout: seconds("TIMEOUT", DEFAULT_TIMEOUT)?,
        session: seconds("SESSION_TIMEOUT", DEFAULT_SESSION)?,
        databytes: either("DATABYTES", "databytes")?.unwrap_or(0),
        recipients: match either("MAXRCPT", "maxrcpt")?.unwrap_or(0) {
            0 => RECIPIENT_LIMIT,
            number => number.min(RECIPIENT_LIMIT),
        },
        session_recipients: either("MAXSESSIONRCPT", "maxsessionrcpt")?
            .unwrap_or(DEFAULT_SESSION_RECIPIENTS),
        refused: either("BRTLIMIT", "brtlimit")?.unwrap_or(DEFAULT_REFUSED),
        bad_commands: number(env, "MAXNOTIMPL")?.unwrap_or(DEFAULT_BAD_COMMANDS),
        discard: DISCARD_LIMIT,
    })
}

fn bare_lf(env: &Env) -> Result<BareLf, SettingsError> {
    match env.bytes("BARELF") {
        None | Some(b"reject") => Ok(BareLf::Reject),
        Some(b"accept") => Ok(BareLf::Accept),
        Some(other) => Err(SettingsError::Variable(
            "BARELF",
            other.to_vec(),
            "reject or accept",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("control")).expect("made");
        let home = Home::at(folder.path().to_owned());
        for (name, text) in files {
            std::fs::write(home.control(name), text).expect("written");
        }
        let mut env = Env::default();
        for (name, value) in variables {
            env.set(name, value.as_bytes());
        }
        Settings::read(&home, &env, || b"Uname".to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_anything_all_has_its_default() {
        let settings = read(&[], &[]).expect("read");
        assert_eq!(settings.me, b"Uname");
        assert!(settings.is_local(b"UNAME") && !settings.is_local(b"other"));
        assert_eq!(settings.remote_host, b"localhost");
        assert_eq!(settings.limits.databytes, 0);
        assert_eq!(settings.limits.recipients, RECIPIENT_LIMIT);
        assert_eq!(settings.limits.refused, DEFAULT_REFUSED);
        assert_eq!(
            settings.limits.session_recipients,
            DEFAULT_SESSION_RECIPIENTS
        );
        assert_eq!(settings.bare_lf, BareLf::Reject);
        let tcp = read(&[("TCPREMOTEIP", "192.0.2.1")], &[]).expect("read");
        assert_eq!(tcp.remote_host, b"unknown");
    }

    #[test]
    fn variables_go_before_files() {
        let files = [
            ("databytes", "7\n"),
            ("maxrcpt", "3\n"),
            ("me", "here\n"),
            ("brtlimit", "5\n"),
            ("maxsessionrcpt", "0\n"),
        ];
        let settings = read(&[], &files).expect("read");
        assert_eq!(settings.limits.databytes, 7);
        assert_eq!(settings.limits.recipients, 3);
        assert_eq!(settings.me, b"here");
        let limits = settings.limits;
        assert_eq!((limits.refused, limits.session_recipients), (5, 0));
        let variables = [
            ("DATABYTES", "9"),
            ("MAXRCPT", "5000"),
            ("TIMEOUT", "0"),
            ("BRTLIMIT", "0"),
            ("MAXSESSIONRCPT", "8"),
        ];
        let settings = read(&variables, &files).expect("read");
        assert_eq!(settings.limits.databytes, 9);
        assert_eq!(settings.limits.recipients, RECIPIENT_LIMIT);
        assert_eq!(settings.limits.timeout, Duration::from_secs(1));
        let limits = settings.limits;
        assert_eq!((limits.refused, limits.session_recipients), (0, 8));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_that_names_it() {
        let cases = [
            ("DATABYTES", "10M", "a number"),
            ("TIMEOUT", "", "a number"),
            ("BARELF", "qmail", "reject or accept"),
        ];
        for (name, value, wanted) in cases {
            let error = read(&[(name, value)], &[]).expect_err(name);
            let expected = format!("unable to use variable {name}: {value} is not {wanted}");
            assert_eq!(error, expected);
        }
        let error = read(&[], &[("databytes", "ten")]).expect_err("no number");
        assert!(error.ends_with("databytes: its first line is no number"));
    }
}
