//! What decides about a session, from its environment, which rules can set for each client.
//!
//! A number or a switch that makes no sense is a warning in the log and counts as not set: nobody
//! is kept from his mail by a typing error. A style of ids that does not exist is not served: other
//! ids than those that were meant would make every client fetch everything again.

use std::fmt;
use std::time::Duration;

use chain::Env;

use crate::number;
use crate::uidl::{NoStyle, Style};

/// Seconds that a client may be silent. RFC 1939 wants at least ten minutes.
const DEFAULT_TIMEOUT: u64 = 1200;
/// Seconds that a session may last.
const DEFAULT_SESSION: u64 = 24 * 60 * 60;
/// No limit is longer: what is meant by more is "for ever", and sums must not overflow.
const MOST_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// Everything that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For one line, or one write.
    pub timeout: Duration,
    /// For all of it.
    pub session: Duration,
    /// Which ids messages get.
    pub style: Style,
    /// Every message ends with one more empty line, as qmail-pop3d sends it.
    pub blank_line: bool,
    /// Only one session at a time.
    pub lock: bool,
    /// Removals last through a crash of the system before QUIT is answered.
    pub sync: bool,
    /// Sizes are kept in a file of the Maildir.
    pub index: bool,
    /// Who the client is, for the log.
    pub user: Vec<u8>,
    /// What in the environment makes no sense.
    pub warnings: Vec<String>,
}

/// A setting that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(NoStyle);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to use variable POP3D_UIDL: {}", self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// From the environment of the program.
    pub fn read(env: &Env) -> Result<Settings, SettingsError> {
        let mut warnings = Vec::new();
        Ok(Settings {
            timeout: seconds(env, "TIMEOUT", DEFAULT_TIMEOUT, &mut warnings),
            session: seconds(env, "SESSION_TIMEOUT", DEFAULT_SESSION, &mut warnings),
            style: match text(env, "POP3D_UIDL") {
                Some(name) => Style::of(name).map_err(SettingsError)?,
                None => Style::default(),
            },
            blank_line: switch(env, "POP3D_BLANK_LINE", false, &mut warnings),
            lock: switch(env, "POP3D_LOCK", false, &mut warnings),
            sync: switch(env, "POP3D_SYNC", false, &mut warnings),
            index: switch(env, "POP3D_INDEX", true, &mut warnings),
            user: env.bytes("USER").unwrap_or_default().to_vec(),
            warnings,
        })
    }
}

/// A variable that is set to something.
fn text<'e>(env: &'e Env, name: &str) -> Option<&'e [u8]> {
    env.bytes(name).filter(|value| !value.is_empty())
}

fn seconds(env: &Env, name: &str, default: u64, warnings: &mut Vec<String>) -> Duration {
    let seconds = match text(env, name) {
        None => default,
        Some(value) if value.iter().all(u8::is_ascii_digit) => {
            // More digits than a number can have are a long time, too.
            number::parse(value)
                .unwrap_or(MOST_SECONDS)
                .min(MOST_SECONDS)
        }
        Some(_) => 0,
    };
    if seconds > 0 {
        return Duration::from_secs(seconds);
    }
    warnings.push(warning(env, name, "a number of seconds"));
    Duration::from_secs(default)
}

fn switch(env: &Env, name: &str, default: bool, warnings: &mut Vec<String>) -> bool {
    match text(env, name) {
        None => default,
        Some(b"0") => false,
        Some(b"1") => true,
        Some(_) => {
            warnings.push(warning(env, name, "0 or 1"));
            default
        }
    }
}

fn warning(env: &Env, name: &str, wanted: &str) -> String {
    let value = env.bytes(name).unwrap_or_default().escape_ascii();
    format!("{name} is ignored: {value} is not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Settings {
        Settings::read(&pairs.iter().copied().collect()).expect("settings")
    }

    #[test]
    fn without_variables_the_limits_are_twenty_minutes_and_a_day() {
        let settings = read(&[]);
        assert_eq!(settings.timeout, Duration::from_secs(1200));
        assert_eq!(settings.session, Duration::from_secs(86_400));
        assert_eq!(settings.style, Style::Name);
        assert!(settings.index && !settings.blank_line && !settings.lock && !settings.sync);
        assert_eq!(settings.warnings, [""; 0]);
    }

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        let names = [
            "TIMEOUT",
            "SESSION_TIMEOUT",
            "POP3D_UIDL",
            "POP3D_BLANK_LINE",
            "POP3D_LOCK",
            "POP3D_SYNC",
            "POP3D_INDEX",
            "USER",
        ];
        let empty: Vec<_> = names.iter().map(|&name| (name, "")).collect();
        assert_eq!(read(&empty), read(&[]));
    }

    #[test]
    fn nonsense_is_the_default_and_a_warning() {
        for value in ["0", "1h", "-1", " 5", "ten"] {
            let settings = read(&[("TIMEOUT", value)]);
            assert_eq!(settings.timeout, Duration::from_secs(1200), "{value}");
            assert_eq!(
                settings.warnings,
                [format!(
                    "TIMEOUT is ignored: {value} is not a number of seconds"
                )]
            );
        }
        let settings = read(&[("POP3D_LOCK", "yes"), ("POP3D_INDEX", "2")]);
        assert!(settings.index && !settings.lock);
        assert_eq!(
            settings.warnings,
            [
                "POP3D_LOCK is ignored: yes is not 0 or 1",
                "POP3D_INDEX is ignored: 2 is not 0 or 1"
            ]
        );
    }

    #[test]
    fn a_time_beyond_all_measure_is_a_long_one() {
        for value in [
            "315360001",
            "18446744073709551615",
            "99999999999999999999999",
        ] {
            let settings = read(&[("TIMEOUT", value), ("SESSION_TIMEOUT", value)]);
            assert_eq!(settings.timeout, Duration::from_secs(MOST_SECONDS));
            assert_eq!(settings.session, Duration::from_secs(MOST_SECONDS));
            assert_eq!(settings.warnings, [""; 0]);
        }
    }

    #[test]
    fn switches_and_the_style_are_read() {
        let settings = read(&[
            ("POP3D_BLANK_LINE", "1"),
            ("POP3D_LOCK", "1"),
            ("POP3D_SYNC", "1"),
            ("POP3D_INDEX", "0"),
            ("POP3D_UIDL", "dovecot"),
            ("USER", "alice"),
        ]);
        assert!(settings.blank_line && settings.lock && settings.sync && !settings.index);
        assert_eq!(settings.style, Style::Dovecot);
        assert_eq!(settings.user, b"alice");
    }

    #[test]
    fn a_style_that_does_not_exist_is_not_served() {
        let error = Settings::read(&[("POP3D_UIDL", "uw")].into_iter().collect());
        assert_eq!(
            error.expect_err("no style").to_string(),
            "unable to use variable POP3D_UIDL: uw is none of name, mailfront, md5, courier and dovecot"
        );
    }
}
