//! splogger: lines from descriptor 0 to syslog.
//!
//! It promises:
//! - **the format of the original**, byte for byte: see [`lines`] and [`message`];
//! - **no line is lost** that syslog or descriptor 2 could take: the last one needs no newline, and a
//!   syslog that is slow, or away while it is started anew, is waited for with what memory there is
//!   ([`backlog`]). What must be dropped is counted and told;
//! - **nobody waits**: what writes the log is read from within a second, whatever syslog does ([`pump`]).
//!
//! [`lines`], [`facility`], [`message`], [`backlog`], and [`zone`] with [`rule`] and [`calendar`] are
//! pure; [`link`] is the socket, [`outlet`] what becomes of a line, and [`pump`] the loop.

pub mod backlog;
pub mod calendar;
pub mod facility;
pub mod lines;
pub mod link;
pub mod message;
pub mod outlet;
pub mod pump;
pub mod rule;
pub mod zone;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use os::Exit;
use os::args::{Getopt, Opt};

use crate::facility::Facility;
use crate::lines::{Charset, Lines};
use crate::link::Link;
use crate::message::Messages;
use crate::outlet::Outlet;
use crate::zone::Zone;

/// Where syslog listens.
const SOCKET: &str = "/dev/log";

/// The variable that names another socket.
const SOCKET_VARIABLE: &str = "SPLOGGER_SOCKET";

/// The program.
pub fn main(name: &str, args: Vec<OsString>) -> Exit {
    let settings = match Settings::of(args) {
        Ok(settings) => settings,
        Err(wrong) => {
            os::log::say(format!("{name}: {wrong}\n").as_bytes());
            os::log::say(format!("{name}: usage: {name} [ -8 ] [ tag [ facility ] ]\n").as_bytes());
            return Exit::PERMANENT;
        }
    };
    if let Some(word) = &settings.unknown {
        let word = word.as_bytes().escape_ascii();
        os::log::warning(name, &format!("unknown facility {word}: kern is taken"));
    }
    // No line may end up in a socket or a file that got the number of a closed descriptor.
    let input = match os::fd::guard_standard().and_then(|()| standard_input()) {
        Ok(input) => input,
        Err(error) => {
            let reason = format!("unable to use descriptor 0: {}", os::reason(&error));
            os::log::fatal(name, &reason);
            return Exit::TEMPORARY;
        }
    };
    let socket = std::env::var_os(SOCKET_VARIABLE).filter(|path| !path.is_empty());
    let socket = socket.map_or_else(|| PathBuf::from(SOCKET), PathBuf::from);
    let tz = std::env::var_os("TZ");
    let zone = Zone::find(tz.as_deref().map(OsStr::as_bytes), read_zone);
    let messages = Messages::new(&settings.tag, settings.facility, zone);
    let outlet = Outlet::new(name, messages, Link::to(socket));
    pump::run(name, input, Lines::new(settings.charset), outlet)
}

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
struct Settings {
    charset: Charset,
    tag: Vec<u8>,
    facility: Facility,
    /// The word for the facility, where it is none.
    unknown: Option<OsString>,
}

impl Settings {
    fn of(args: Vec<OsString>) -> Result<Settings, String> {
        let mut options = Getopt::new(args, "8", "");
        let mut charset = Charset::Ascii;
        while let Some(option) = options.next_option().map_err(|bad| bad.to_string())? {
            match option {
                Opt::Long(word) => {
                    let word = word.as_bytes().escape_ascii();
                    return Err(format!("unrecognized option --{word}"));
                }
                Opt::Flag(_) | Opt::Value(..) => charset = Charset::Utf8,
            }
        }
        // More words mean nothing to the original.
        let mut words = options.operands().into_iter();
        let tag = words.next().unwrap_or("splogger".into());
        let word = words.next();
        let facility = match &word {
            None => Some(Facility::MAIL),
            Some(word) => Facility::parse(word.as_bytes()),
        };
        Ok(Settings {
            charset,
            tag: tag.as_bytes().to_vec(),
            facility: facility.unwrap_or(Facility::KERN),
            unknown: word.filter(|_| facility.is_none()),
        })
    }
}

/// Descriptor 0 as a file of ours.
fn standard_input() -> io::Result<File> {
    let input = os::fd::standard_input();
    Ok(os::fd::duplicate_high(input.as_fd())?.into())
}

fn read_zone(path: &[u8]) -> Option<Vec<u8>> {
    let file = os::file::open_without_waiting(Path::new(OsStr::from_bytes(path))).ok()?;
    let mut text = Vec::new();
    file.take(zone::FILE_LIMIT).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(words: &[&str]) -> Result<Settings, String> {
        Settings::of(words.iter().map(OsString::from).collect())
    }

    fn expected(charset: Charset, tag: &str, facility: &str) -> Result<Settings, String> {
        Ok(Settings {
            charset,
            tag: tag.as_bytes().to_vec(),
            facility: Facility::parse(facility.as_bytes()).expect("one"),
            unknown: None,
        })
    }

    #[test]
    fn tag_and_facility_may_be_left_out() {
        let ascii = Charset::Ascii;
        assert_eq!(settings(&[]), expected(ascii, "splogger", "mail"));
        assert_eq!(settings(&["smtpd"]), expected(ascii, "smtpd", "mail"));
        assert_eq!(
            settings(&["smtpd", "3"]),
            expected(ascii, "smtpd", "daemon")
        );
        assert_eq!(
            settings(&["smtpd", "local3", "more"]),
            expected(ascii, "smtpd", "local3")
        );
    }

    #[test]
    fn options_stand_before_the_tag() {
        let utf8 = Charset::Utf8;
        assert_eq!(settings(&["-8", "t", "3"]), expected(utf8, "t", "3"));
        assert_eq!(settings(&["-8", "--", "-8"]), expected(utf8, "-8", "2"));
        assert_eq!(
            settings(&["t", "-8"]).map(|settings| settings.charset),
            Ok(Charset::Ascii)
        );
        assert_eq!(settings(&["-x"]), Err("illegal option -- x".to_owned()));
        assert_eq!(
            settings(&["--x"]),
            Err("unrecognized option --x".to_owned())
        );
    }

    #[test]
    fn a_word_that_is_no_facility_is_that_of_the_original_and_told() {
        let settings = settings(&["t", "maill"]).expect("it goes on");
        assert_eq!(settings.facility, Facility::KERN);
        assert_eq!(settings.unknown, Some("maill".into()));
    }
}
