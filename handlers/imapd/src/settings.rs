//! What decides about a session, from its environment, which rules can set for each client.
//!
//! A number or a word that makes no sense is a warning in the log and counts as not set: nobody is
//! kept from his mail by a typing error. A separator or a namespace that cannot be is not served:
//! under other names than those that were meant every client would fetch everything again.

use std::fmt;
use std::time::Duration;

use chain::Env;
use maildir::quota::Limits;

use crate::capability::Capabilities;

/// Seconds that a client may be silent. RFC 3501 section 5.4 wants at least 30 minutes.
const DEFAULT_TIMEOUT: u64 = 1860;
/// Seconds that a session may last: clients stay for days.
const DEFAULT_SESSION: u64 = 7 * 24 * 60 * 60;
/// No limit is longer: what is meant by more is "for ever", and sums must not overflow.
const MOST_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;
/// The most octets of a message that comes by APPEND.
const DEFAULT_APPEND_LIMIT: u64 = 128 * 1024 * 1024;

/// Everything that decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For one line, or one write.
    pub timeout: Duration,
    /// For all of it.
    pub session: Duration,
    /// Between the levels of a mailbox's name.
    pub separator: u8,
    /// What all names but INBOX begin with.
    pub prefix: Vec<u8>,
    /// What is told.
    pub capabilities: Capabilities,
    /// The quota of the account, where the environment says it.
    pub quota: Option<Limits>,
    /// Who the client is, for the log.
    pub user: Vec<u8>,
    /// The tag of the login that this session begins with.
    pub tag: Option<Vec<u8>>,
    /// What in the environment makes no sense.
    pub warnings: Vec<String>,
}

/// A setting that cannot be served: a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// From the environment of the program.
    pub fn read(env: &Env) -> Result<Settings, SettingsError> {
        let mut warnings = Vec::new();
        let separator = match text(env, "IMAPD_SEPARATOR") {
            None | Some(b".") => b'.',
            Some(b"/") => b'/',
            Some(other) => {
                return Err(SettingsError(format!(
                    "unable to use variable IMAPD_SEPARATOR: {} is neither . nor /",
                    other.escape_ascii()
                )));
            }
        };
        let prefix = text(env, "IMAPD_NAMESPACE").unwrap_or_default().to_vec();
        let is_name = |prefix: &[u8]| {
            let levels = prefix.strip_suffix(&[separator]);
            levels.is_some_and(|levels| {
                levels
                    .split(|&byte| byte == separator)
                    .all(|level| !level.is_empty() && level.iter().all(u8::is_ascii_alphanumeric))
            })
        };
        if !prefix.is_empty() && !is_name(&prefix) {
            return Err(SettingsError(format!(
                "unable to use variable IMAPD_NAMESPACE: {} is not a name with {} behind it",
                prefix.escape_ascii(),
                char::from(separator)
            )));
        }
        let hidden = text(env, "IMAPD_HIDE").unwrap_or_default();
        let append_limit = match text(env, "IMAPD_APPENDLIMIT") {
            None => DEFAULT_APPEND_LIMIT,
            Some(value) => number(value).filter(|&limit| limit > 0).unwrap_or_else(|| {
                warnings.push(warning(env, "IMAPD_APPENDLIMIT", "a number of octets"));
                DEFAULT_APPEND_LIMIT
            }),
        };
        let quota = match text(env, "MAILDIRQUOTA") {
            None => None,
            Some(b"NOQUOTA") => Some(Limits::default()),
            Some(value) => {
                let limits = Limits::parse(value);
                if limits.is_none() {
                    warnings.push(warning(
                        env,
                        "MAILDIRQUOTA",
                        "a quota such as 10000000S,1000C",
                    ));
                }
                limits
            }
        };
        Ok(Settings {
            quota,
            timeout: seconds(env, "TIMEOUT", DEFAULT_TIMEOUT, &mut warnings),
            session: seconds(env, "SESSION_TIMEOUT", DEFAULT_SESSION, &mut warnings),
            separator,
            prefix,
            capabilities: Capabilities {
                hidden: hidden
                    .split(|byte| b" ,\t".contains(byte))
                    .filter(|name| !name.is_empty())
                    .map(|name| String::from_utf8_lossy(name).to_ascii_uppercase())
                    // Without it nobody would know what speaks here.
                    .filter(|name| name != "IMAP4REV1")
                    .collect(),
                append_limit,
                compressed: false,
            },
            user: user(env).to_vec(),
            tag: text(env, "IMAPLOGINTAG").map(<[u8]>::to_vec),
            warnings,
        })
    }
}

/// Who the client is, for the log.
pub(crate) fn user(env: &Env) -> &[u8] {
    let user = text(env, "AUTHENTICATED").or_else(|| text(env, "USER"));
    user.unwrap_or_default()
}

/// A variable that is set to something.
fn text<'e>(env: &'e Env, name: &str) -> Option<&'e [u8]> {
    env.bytes(name).filter(|value| !value.is_empty())
}

/// Digits alone. More of them than a number can have are a large one.
fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn seconds(env: &Env, name: &str, default: u64, warnings: &mut Vec<String>) -> Duration {
    let seconds = match text(env, name) {
        None => Some(default),
        Some(value) => number(value).filter(|&seconds| seconds > 0),
    };
    Duration::from_secs(match seconds {
        Some(seconds) => seconds.min(MOST_SECONDS),
        None => {
            warnings.push(warning(env, name, "a number of seconds"));
            default
        }
    })
}

fn warning(env: &Env, name: &str, wanted: &str) -> String {
    let value = env.bytes(name).unwrap_or_default().escape_ascii();
    format!("{name} is ignored: {value} is not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let mut env = Env::default();
        for (name, value) in variables {
            env.set(name, value.as_bytes());
        }
        Settings::read(&env)
    }

    #[test]
    fn without_variables_everything_has_a_default() {
        let settings = read(&[]).expect("settings");
        assert_eq!(settings.timeout, Duration::from_secs(1860));
        assert_eq!((settings.separator, settings.prefix), (b'.', Vec::new()));
        assert_eq!((settings.tag, settings.warnings), (None, Vec::new()));
    }

    #[test]
    fn what_makes_no_sense_is_warned_of_and_not_counted() {
        let settings = read(&[
            ("TIMEOUT", "0"),
            ("SESSION_TIMEOUT", "x"),
            ("IMAPD_APPENDLIMIT", "-1"),
        ])
        .expect("settings");
        assert_eq!(settings.timeout, Duration::from_secs(1860));
        assert_eq!(settings.capabilities.append_limit, DEFAULT_APPEND_LIMIT);
        assert_eq!(settings.warnings.len(), 3, "{:?}", settings.warnings);
        let huge = read(&[("TIMEOUT", "99999999999999999999999")]).expect("settings");
        assert_eq!(huge.timeout, Duration::from_secs(MOST_SECONDS));
    }

    #[test]
    fn names_that_cannot_be_are_not_served() {
        assert!(read(&[("IMAPD_NAMESPACE", "INBOX.")]).is_ok());
        assert!(read(&[("IMAPD_NAMESPACE", "INBOX/"), ("IMAPD_SEPARATOR", "/")]).is_ok());
        for variables in [
            &[("IMAPD_SEPARATOR", "x")][..],
            &[("IMAPD_NAMESPACE", "INBOX")],
            &[("IMAPD_NAMESPACE", ".")],
            &[("IMAPD_NAMESPACE", "a..b.")],
            &[("IMAPD_NAMESPACE", "INBOX."), ("IMAPD_SEPARATOR", "/")],
        ] {
            assert!(read(variables).is_err(), "{variables:?}");
        }
    }

    #[test]
    fn a_quota_is_that_of_the_environment_or_of_nobody() {
        let of = |value| read(&[("MAILDIRQUOTA", value)]).expect("settings");
        let limits = |bytes, messages| Some(Limits { bytes, messages });
        assert_eq!(of("").quota, None);
        assert_eq!(of("1000S,5C").quota, limits(Some(1000), Some(5)));
        assert_eq!(of("0S").quota, limits(None, None));
        assert_eq!(of("NOQUOTA").quota, limits(None, None));
        for nonsense in ["1000", "-1S", "S", "1000S,", "99999999999999999999S"] {
            let settings = of(nonsense);
            assert_eq!(
                (settings.quota, settings.warnings.len()),
                (None, 1),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn capabilities_can_be_hidden() {
        let settings = read(&[("IMAPD_HIDE", "qresync, MOVE")]).expect("settings");
        assert!(!settings.capabilities.has("QRESYNC") && !settings.capabilities.has("MOVE"));
        assert!(settings.capabilities.has("IDLE"));
    }
}
