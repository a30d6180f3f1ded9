//! The ways out of this host, and the line of text that names one: a control file or $QMAILQUEUE.
//!
//! | text | way |
//! |---|---|
//! | `/path/prog`, `prog` | a program with qmail-queue's interface, relative to the home |
//! | `sendmail:PROG` | a program with sendmail's interface |
//! | `lmtp:unix:PATH`, `lmtp:HOST[:PORT]` | LMTP, port 24 |
//! | `smtp:HOST[:PORT]` | SMTP, port 25, STARTTLS where it is offered |
//! | `submission:HOST[:PORT]` | SMTP, port 587, STARTTLS and a proved name are required |
//! | `smtps:HOST[:PORT]` | the same inside TLS, port 465 |
//!
//! HOST is a name, an IPv4 address, or an IPv6 address in brackets.

use std::ffi::OsStr;
use std::fmt;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The longest path of a UNIX socket: what fits into sockaddr_un with its NUL (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;

/// The longest domain name as text (RFC 1035 section 2.3.4, less what the wire form adds).
const NAME_BYTES: usize = 253;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A program with qmail-queue's interface.
    Queue(PathBuf),
    /// A program with sendmail's interface.
    Sendmail(PathBuf),
    /// Another server.
    Hop(Hop),
}

/// The next server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is.
    pub endpoint: Endpoint,
    /// How the connection is protected.
    pub security: Security,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321: one reply for a message.
    Smtp,
    /// RFC 2033: one reply for each recipient of a message.
    Lmtp,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A UNIX socket of this host.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without brackets.
        host: Vec<u8>,
        /// From 1 on.
        port: u16,
    },
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Plain,
    /// STARTTLS where it is offered, whoever the server is. Against listeners, not against
    /// impostors.
    Opportunistic,
    /// STARTTLS, and a certificate for the server's name.
    StartTls,
    /// TLS from the first byte on, and a certificate for the server's name.
    Wrapped,
}

/// Why a line names no way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// There is nothing.
    Empty,
    /// No path can have a NUL in it.
    Nul,
    /// The word before the first colon is none of ours.
    Unknown(Vec<u8>),
    /// Behind the word there is no program, path or host.
    Missing(Vec<u8>),
    /// What stands there is no host.
    Host(Vec<u8>),
    /// The port is no number from 1 to 65535.
    Port(Vec<u8>),
    /// The path is longer than that of a socket can be.
    TooLong(PathBuf),
    /// Only LMTP goes over UNIX sockets.
    NoUnix(Vec<u8>),
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::Empty => write!(f, "no way out is named"),
            TransportError::Nul => write!(f, "there is a NUL in the name of the way out"),
            TransportError::Unknown(word) => {
                write!(f, "unknown kind of way out: {}", word.escape_ascii())
            }
            TransportError::Missing(text) => {
                write!(f, "nothing stands behind {}", text.escape_ascii())
            }
            TransportError::Host(text) => write!(
                f,
                "{} is no host: a name, an IPv4 address, or an IPv6 address in brackets",
                text.escape_ascii()
            ),
            TransportError::Port(text) => write!(f, "{} is no port", text.escape_ascii()),
            TransportError::TooLong(path) => write!(
                f,
                "{} has more than the {SOCKET_PATH_BYTES} bytes of a socket's path",
                path.display()
            ),
            TransportError::NoUnix(word) => write!(
                f,
                "{} does not go over UNIX sockets, only lmtp does",
                word.escape_ascii()
            ),
        }
    }
}

impl std::error::Error for TransportError {}

impl Transport {
    /// Reads a line, without its line end. Relative paths are below `home`.
    pub fn parse(text: &[u8], home: &Path) -> Result<Transport, TransportError> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(TransportError::Empty);
        }
        if text.contains(&0) {
            return Err(TransportError::Nul);
        }
        let path = |bytes: &[u8]| home.join(OsStr::from_bytes(bytes));
        let colon = text.iter().position(|&byte| byte == b':');
        let slash = text.iter().position(|&byte| byte == b'/');
        let Some(colon) = colon.filter(|&colon| slash.is_none_or(|slash| colon < slash)) else {
            return Ok(Transport::Queue(path(text)));
        };
        let (word, rest) = (&text[..colon], &text[colon + 1..]);
        if rest.is_empty() {
            return Err(TransportError::Missing(text.to_vec()));
        }
        let (protocol, security, port) = match word {
            b"sendmail" => return Ok(Transport::Sendmail(path(rest))),
            b"lmtp" => (Protocol::Lmtp, Security::Plain, 24),
            b"smtp" => (Protocol::Smtp, Security::Opportunistic, 25),
            b"submission" => (Protocol::Smtp, Security::StartTls, 587),
            b"smtps" => (Protocol::Smtp, Security::Wrapped, 465),
            _ => return Err(TransportError::Unknown(word.to_vec())),
        };
        let endpoint = match rest.strip_prefix(b"unix:") {
            Some(_) if protocol != Protocol::Lmtp => {
                return Err(TransportError::NoUnix(word.to_vec()));
            }
            Some(b"") => return Err(TransportError::Missing(text.to_vec())),
            Some(socket) => {
                let socket = path(socket);
                if socket.as_os_str().len() > SOCKET_PATH_BYTES {
                    return Err(TransportError::TooLong(socket));
                }
                Endpoint::Unix(socket)
            }
            None => tcp(rest, port)?,
        };
        Ok(Transport::Hop(Hop {
            protocol,
            endpoint,
            security,
        }))
    }
}

/// `HOST[:PORT]`.
fn tcp(text: &[u8], default: u16) -> Result<Endpoint, TransportError> {
    let wrong = || TransportError::Host(text.to_vec());
    let (host, behind) = match text.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest
                .iter()
                .position(|&byte| byte == b']')
                .ok_or_else(wrong)?;
            let literal = std::str::from_utf8(&rest[..end]).map_err(|_| wrong())?;
            literal.parse::<Ipv6Addr>().map_err(|_| wrong())?;
            (&rest[..end], &rest[end + 1..])
        }
        None => {
            let end = text.iter().position(|&byte| byte == b':');
            let (host, behind) = text.split_at(end.unwrap_or(text.len()));
            // More colons are an IPv6 address without brackets.
            if !is_host_name(host) || behind.iter().filter(|&&byte| byte == b':').count() > 1 {
                return Err(wrong());
            }
            (host, behind)
        }
    };
    let port = match behind {
        [] => default,
        [b':', port @ ..] => number(port).ok_or_else(|| TransportError::Port(port.to_vec()))?,
        _ => return Err(wrong()),
    };
    Ok(Endpoint::Tcp {
        host: host.to_vec(),
        port,
    })
}

fn number(digits: &[u8]) -> Option<u16> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (number > 0).then_some(number)
}

/// A name of letters, digits, `-` and `_` between single dots; a dot may end it. An IPv4 address
/// is one, too.
fn is_host_name(text: &[u8]) -> bool {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    text.len() <= NAME_BYTES
        && text
            .split(|&byte| byte == b'.')
            .all(|label| !label.is_empty() && label.len() <= 63 && label.iter().all(is_plain))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Transport::Queue(program) => write!(f, "{}", program.display()),
            Transport::Sendmail(program) => write!(f, "sendmail:{}", program.display()),
            Transport::Hop(hop) => hop.fmt(f),
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.protocol, self.security) {
            (Protocol::Lmtp, _) => "lmtp:",
            (Protocol::Smtp, Security::Plain | Security::Opportunistic) => "smtp:",
            (Protocol::Smtp, Security::StartTls) => "submission:",
            (Protocol::Smtp, Security::Wrapped) => "smtps:",
        })?;
        match &self.endpoint {
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
            Endpoint::Tcp { host, port } if host.contains(&b':') => {
                write!(f, "[{}]:{port}", host.escape_ascii())
            }
            Endpoint::Tcp { host, port } => write!(f, "{}:{port}", host.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Transport, TransportError> {
        Transport::parse(text.as_bytes(), Path::new("/home"))
    }

    fn hop(text: &str) -> Hop {
        match parse(text) {
            Ok(Transport::Hop(hop)) => hop,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp {
            host: host.into(),
            port,
        }
    }

    #[test]
    fn a_word_without_colon_is_a_queue_program_in_the_home_or_where_its_path_says() {
        for (text, path) in [
            ("bin/qmail-queue", "/home/bin/qmail-queue"),
            ("/opt/queue", "/opt/queue"),
            ("/opt/a:b", "/opt/a:b"),
            ("./smtp:x", "/home/./smtp:x"),
            (" queue \t\r", "/home/queue"),
        ] {
            assert_eq!(parse(text), Ok(Transport::Queue(path.into())), "{text}");
        }
        let sendmail = Transport::Sendmail("/usr/sbin/sendmail".into());
        assert_eq!(parse("sendmail:/usr/sbin/sendmail"), Ok(sendmail));
        let ours = Transport::Sendmail("/home/bin/s".into());
        assert_eq!(parse("sendmail:bin/s"), Ok(ours));
    }

    #[test]
    fn each_kind_of_server_has_its_port_and_its_protection() {
        let cases = [
            ("lmtp:h.test", Protocol::Lmtp, Security::Plain, 24),
            ("smtp:h.test", Protocol::Smtp, Security::Opportunistic, 25),
            ("submission:h.test", Protocol::Smtp, Security::StartTls, 587),
            ("smtps:h.test", Protocol::Smtp, Security::Wrapped, 465),
        ];
        for (text, protocol, security, port) in cases {
            for (text, port) in [(text.to_owned(), port), (format!("{text}:2525"), 2525)] {
                let endpoint = at("h.test", port);
                let expected = Hop {
                    protocol,
                    endpoint,
                    security,
                };
                assert_eq!(hop(&text), expected, "{text}");
            }
        }
    }

    #[test]
    fn hosts_are_names_and_addresses_of_both_families() {
        assert_eq!(hop("smtp:192.0.2.1").endpoint, at("192.0.2.1", 25));
        assert_eq!(hop("smtp:[2001:db8::1]").endpoint, at("2001:db8::1", 25));
        assert_eq!(hop("smtp:[::1]:26").endpoint, at("::1", 26));
        assert_eq!(
            hop("smtp:a_b-c.test.:65535").endpoint,
            at("a_b-c.test.", 65535)
        );
        let label = "a".repeat(63);
        assert_eq!(hop(&format!("smtp:{label}")).endpoint, at(&label, 25));
        for wrong in [
            "smtp:::1",
            "smtp:2001:db8::1",
            "smtp:[::1",
            "smtp:[::1]x",
            "smtp:[192.0.2.1]",
            "smtp:[]",
            "smtp:a..b",
            "smtp:.",
            "smtp:a b",
            "smtp:a/b",
            "smtp:b\u{fc}cher.test",
            "smtp:a;b",
            &format!("smtp:{label}a"),
            &format!("smtp:{}", ["abc"; 64].join(".")),
        ] {
            assert!(
                matches!(parse(wrong), Err(TransportError::Host(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        for wrong in ["0", "65536", "", "+25", "25x", "smtp"] {
            let error = parse(&format!("smtp:h:{wrong}"));
            assert_eq!(error, Err(TransportError::Port(wrong.into())));
        }
    }

    #[test]
    fn the_path_of_a_socket_has_a_limit() {
        let socket = |length: usize| parse(&format!("lmtp:unix:/{}", "s".repeat(length - 1)));
        assert!(socket(SOCKET_PATH_BYTES).is_ok());
        let error = socket(SOCKET_PATH_BYTES + 1);
        assert!(
            matches!(error, Err(TransportError::TooLong(_))),
            "{error:?}"
        );
        assert_eq!(
            hop("lmtp:unix:run/s").endpoint,
            Endpoint::Unix("/home/run/s".into())
        );
    }

    #[test]
    fn what_is_wrong_is_told_in_one_sentence() {
        let told = |text: &str| parse(text).expect_err("wrong").to_string();
        assert_eq!(told(" "), "no way out is named");
        assert_eq!(told("a\0b"), "there is a NUL in the name of the way out");
        assert_eq!(told("qmqp:h"), "unknown kind of way out: qmqp");
        assert_eq!(told("SMTP:h"), "unknown kind of way out: SMTP");
        assert_eq!(told("smtp:"), "nothing stands behind smtp:");
        assert_eq!(told("lmtp:unix:"), "nothing stands behind lmtp:unix:");
        assert_eq!(told("smtp:h:x"), "x is no port");
        let unix = "smtp does not go over UNIX sockets, only lmtp does";
        assert_eq!(told("smtp:unix:/s"), unix);
    }

    #[test]
    fn a_way_is_shown_as_it_can_be_written() {
        for text in [
            "/bin/queue",
            "sendmail:/usr/sbin/sendmail",
            "lmtp:unix:/run/s",
            "lmtp:h:24",
            "smtp:[::1]:25",
            "submission:h:1",
            "smtps:192.0.2.1:465",
        ] {
            assert_eq!(parse(text).expect("a way").to_string(), text);
        }
    }
}
