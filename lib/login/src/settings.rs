//! The environment of popup and imapup as checked values.
//!
//! A value that is not what it should be is an error with the variable's name: the original takes
//! `TIMEOUT=10m` for 10 seconds, or for nothing.

use std::time::Duration;

use chain::Env;

/// The settings of popup and imapup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For one line or one write.
    pub read: Duration,
    /// From the first word to the login.
    pub login: Duration,
    /// After so many failed logins the conversation ends; 0 is never.
    pub tries: u32,
    /// No password without TLS.
    pub require_tls: bool,
    /// Whether a challenge is shown to those who can use it.
    pub apop: bool,
}

/// For one line, as with the original; RFC 1939 section 3 wants 600 at least.
const READ: u32 = 1200;
/// For everything before a login.
const LOGIN: u32 = 1200;
/// How many failed logins one connection may have.
const TRIES: u32 = 5;

impl Settings {
    /// Reads `AUTH_TIMEOUT` or `TIMEOUT`, `AUTH_SESSION_TIMEOUT`, `MAXAUTHFAIL` (these four as
    /// mailfront has them), `REQUIRETLS` and `APOP`. The error is a sentence with the variable's
    /// name.
    pub fn read(env: &Env) -> Result<Settings, String> {
        let read = match number(env, "AUTH_TIMEOUT", 1)? {
            Some(seconds) => seconds,
            None => number(env, "TIMEOUT", 1)?.unwrap_or(READ),
        };
        let login = number(env, "AUTH_SESSION_TIMEOUT", 1)?.unwrap_or(LOGIN);
        Ok(Settings {
            read: Duration::from_secs(read.into()),
            login: Duration::from_secs(login.into()),
            tries: number(env, "MAXAUTHFAIL", 0)?.unwrap_or(TRIES),
            require_tls: tls_is_required(env),
            apop: env.bytes("APOP") != Some(b"0"),
        })
    }
}

/// `REQUIRETLS`, or `UCSPITLS=!` as acceptutils has it. Any value counts, also an empty one.
pub fn tls_is_required(env: &Env) -> bool {
    env.get("REQUIRETLS").is_some() || env.bytes("UCSPITLS") == Some(b"!")
}

fn number(env: &Env, name: &str, least: u32) -> Result<Option<u32>, String> {
    let Some(value) = env.bytes(name) else {
        return Ok(None);
    };
    let digits = value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok());
    match number {
        Some(number) if number >= least => Ok(Some(number)),
        _ => Err(format!(
            "unable to use {name}={}: it is to be a number, {least} at least",
            value.escape_ascii()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn without_any_variable_the_limits_are_those_of_the_original() {
        let settings = read(&[]).expect("defaults");
        assert_eq!(settings.read, Duration::from_secs(1200));
        assert_eq!(settings.login, Duration::from_secs(1200));
        assert_eq!(settings.tries, 5);
        assert!(settings.apop && !settings.require_tls);
    }

    #[test]
    fn the_names_are_those_of_mailfront() {
        let settings = read(&[
            ("TIMEOUT", "700"),
            ("AUTH_SESSION_TIMEOUT", "60"),
            ("MAXAUTHFAIL", "0"),
            ("APOP", "0"),
        ])
        .expect("numbers");
        assert_eq!(settings.read, Duration::from_secs(700));
        assert_eq!(settings.login, Duration::from_secs(60));
        assert_eq!((settings.tries, settings.apop), (0, false));
        let settings = read(&[("TIMEOUT", "700"), ("AUTH_TIMEOUT", "50")]).expect("numbers");
        assert_eq!(settings.read, Duration::from_secs(50));
    }

    #[test]
    fn tls_is_required_by_either_name() {
        for pairs in [("REQUIRETLS", ""), ("REQUIRETLS", "1"), ("UCSPITLS", "!")] {
            assert!(read(&[pairs]).expect("set").require_tls, "{pairs:?}");
        }
        for pairs in [("UCSPITLS", ""), ("UCSPITLS", "-")] {
            assert!(!read(&[pairs]).expect("set").require_tls, "{pairs:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (name, value) in [
            ("TIMEOUT", "10m"),
            ("TIMEOUT", ""),
            ("TIMEOUT", "0"),
            ("TIMEOUT", "+5"),
            ("AUTH_TIMEOUT", "4294967296"),
            ("AUTH_SESSION_TIMEOUT", "-1"),
            ("MAXAUTHFAIL", "five"),
        ] {
            let error = read(&[(name, value)]).expect_err("no number");
            assert!(error.starts_with(&format!("unable to use {name}={value}: ")));
        }
    }
}
