//! UCSPI-TLS: encryption by a program that stands beside this one.
//!
//! The interface is that of ucspi-ssl's sslserver and of s6-ucspitlsd: three descriptors, named by
//! `SSLCTLFD`, `SSLREADFD` and `SSLWRITEFD` (two or all three may be one). A byte on the first
//! makes the TLS program take the client's socket over; from then on the conversation is on the
//! other two. The byte `Y` asks it to send its variables back when the handshake is done,
//! `NAME=VALUE` NUL each and one more NUL, which `y` does not; both must be known (ucspi-tls(2)).
//! It is offered where `UCSPITLS` is set and not `-`.
//!
//! The variables come from a process that reads the network, so only names of the family that
//! Apache's mod_ssl has made known are let in, each with a printable value.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

use crate::Env;

/// The most bytes of the TLS program's variables.
pub const VARIABLES_LIMIT: usize = 8192;

/// What tells that a link is encrypted; the value is the protocol's version.
pub const PROTOCOL_VARIABLE: &str = "SSL_PROTOCOL";

/// The value where a TLS program does not tell the version.
const PROTOCOL_UNKNOWN: &[u8] = b"TLS";

const NAMES: [&str; 3] = ["SSLCTLFD", "SSLREADFD", "SSLWRITEFD"];

/// What a variable of a TLS program may begin with. `SSL_CERT_FILE` and its like, which OpenSSL
/// itself obeys, are not among them.
const FAMILIES: [&[u8]; 10] = [
    b"SSL_PROTOCOL",
    b"SSL_CIPHER",
    b"SSL_CLIENT_",
    b"SSL_COMPRESS_METHOD",
    b"SSL_PEER_",
    b"SSL_SECURE_RENEG",
    b"SSL_SERVER_",
    b"SSL_SESSION_",
    b"SSL_TLS_",
    b"SSL_VERSION_",
];

/// Whether the link is encrypted already. `PROTO=SSL` does not count: sslserver sets it, too, when
/// it waits for STLS.
pub fn is_on(env: &Env) -> bool {
    env.bytes(PROTOCOL_VARIABLE)
        .is_some_and(|value| !value.is_empty())
}

/// Whether TLS is to be offered in mid-session.
pub fn is_wanted(env: &Env) -> bool {
    env.bytes("UCSPITLS").is_some_and(|value| value != b"-")
}

/// The way to the TLS program.
#[derive(Debug)]
pub struct Door {
    control: OwnedFd,
    input: OwnedFd,
    output: OwnedFd,
}

/// A link that is encrypted now.
#[derive(Debug)]
pub struct Started {
    /// Where the client's words come from.
    pub input: OwnedFd,
    /// Where they are answered.
    pub output: OwnedFd,
    /// The TLS program's variables as it sent them.
    pub variables: Vec<u8>,
}

impl Door {
    /// Takes the descriptors over that the environment names, and the names away. `None` where TLS
    /// is not to be offered; an error, a sentence, where it is and cannot be.
    pub fn take(env: &mut Env) -> Result<Option<Door>, String> {
        let wanted = is_wanted(env);
        let numbers = NAMES.map(|name| number(env, name));
        for name in NAMES {
            env.remove(name);
        }
        if !wanted {
            return Ok(None);
        }
        let [control, input, output] = numbers;
        let (control, input, output) = (control?, input?, output?);
        let take = |number: RawFd| {
            os::fd::take(number).map_err(|error| {
                format!(
                    "unable to offer TLS: descriptor {number}: {}",
                    os::reason(&error)
                )
            })
        };
        let again = |fd: &OwnedFd| {
            os::fd::duplicate_high(fd.as_fd())
                .map_err(|error| format!("unable to offer TLS: {}", os::reason(&error)))
        };
        let taken = take(control)?;
        let reading = match input {
            same if same == control => again(&taken)?,
            other => take(other)?,
        };
        let writing = match output {
            same if same == control => again(&taken)?,
            same if same == input => again(&reading)?,
            other => take(other)?,
        };
        Ok(Some(Door {
            control: taken,
            input: reading,
            output: writing,
        }))
    }

    /// The descriptors that a process must keep to use it.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        [
            self.control.as_fd(),
            self.input.as_fd(),
            self.output.as_fd(),
        ]
    }

    /// Makes the TLS program begin, waits for the end of the handshake until `deadline`, and puts
    /// the encrypted link in the place of descriptors 0 and 1. An error is a sentence.
    ///
    /// All replies must have been written, and nothing may be read of the link before that.
    pub fn start(self, deadline: Instant) -> Result<Started, String> {
        let variables = self.begin(deadline)?;
        place(&self.input, &self.output)?;
        Ok(Started {
            input: self.input,
            output: self.output,
            variables,
        })
    }

    /// Puts the encrypted link, which another process has begun, in the place of 0 and 1.
    pub fn install(self) -> Result<(), String> {
        place(&self.input, &self.output)
    }

    fn begin(&self, deadline: Instant) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("unable to begin TLS: {}", os::reason(&error));
        let control = self.control.as_fd();
        os::fd::write_all_until(control, b"Y", deadline).map_err(failed)?;
        let mut block = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let count = os::fd::read_until(control, &mut piece, deadline).map_err(failed)?;
            block.extend_from_slice(&piece[..count]);
            if block.len() > VARIABLES_LIMIT {
                return Err("unable to begin TLS: its variables are too long".to_owned());
            }
            // A TLS program that ends here has failed, and the link will tell; or it knows only
            // `y`.
            if count == 0 || block == [0] || block.ends_with(b"\0\0") {
                return Ok(block);
            }
        }
    }
}

fn place(input: &OwnedFd, output: &OwnedFd) -> Result<(), String> {
    os::fd::place(input.as_fd(), 0)
        .and_then(|()| os::fd::place(output.as_fd(), 1))
        .map_err(|error| format!("unable to move to the TLS link: {}", os::reason(&error)))
}

fn number(env: &Env, name: &str) -> Result<RawFd, String> {
    let Some(value) = env.bytes(name) else {
        return Err(format!(
            "unable to offer TLS: UCSPITLS is set and {name} is not"
        ));
    };
    let digits = value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)
        .and_then(|text| text.parse().ok())
        // 0 to 2 are the plain conversation and the log.
        .filter(|&number: &RawFd| number >= 3)
        .ok_or_else(|| {
            format!(
                "unable to offer TLS: {name}={} is no descriptor above 2",
                value.escape_ascii()
            )
        })
}

/// The variables of a TLS program's block that may stand in the environment of others, in order;
/// what has a name of another family or a value that is not printable is left out. A last one
/// without its NUL is left out, too.
pub fn variables(block: &[u8]) -> Vec<(&str, &[u8])> {
    let Some(end) = block.iter().rposition(|&byte| byte == 0) else {
        return Vec::new();
    };
    block[..end]
        .split(|&byte| byte == 0)
        .filter_map(|entry| {
            let equals = entry.iter().position(|&byte| byte == b'=')?;
            let (name, value) = (&entry[..equals], &entry[equals + 1..]);
            let known = FAMILIES.iter().any(|family| name.starts_with(family))
                && name
                    .iter()
                    .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
            let printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
            let name = std::str::from_utf8(name).ok()?;
            (known && printable).then_some((name, value))
        })
        .collect()
}

/// Adds the variables of `block` to `env`, and says in `SSL_PROTOCOL` that the link is encrypted.
pub fn add_variables(env: &mut Env, block: &[u8]) {
    for (name, value) in variables(block) {
        env.set(name, value);
    }
    if !is_on(env) {
        env.set(PROTOCOL_VARIABLE, PROTOCOL_UNKNOWN);
    }
}

/// Takes away what the variables say about who is at the other end: whoever speaks there is somebody else now.
pub fn remove_identity(env: &mut Env) {
    env.remove_where(|name| name.starts_with(b"SSL_CLIENT_") || name.starts_with(b"SSL_PEER_"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    fn names(pairs: &[(&str, String)]) -> Env {
        pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect()
    }

    fn pair() -> (UnixStream, String) {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let number = OwnedFd::from(theirs).into_raw_fd();
        (ours, number.to_string())
    }

    #[test]
    fn tls_is_offered_only_where_ucspitls_says_so() {
        for value in [None, Some("-")] {
            let mut env: Env = [("SSLCTLFD", "77")].into_iter().collect();
            if let Some(value) = value {
                env.set("UCSPITLS", value.as_bytes());
            }
            assert!(Door::take(&mut env).expect("not wanted").is_none());
            assert_eq!(env.get("SSLCTLFD"), None, "nothing to the next program");
        }
    }

    #[test]
    fn numbers_are_taken_strictly() {
        for value in [
            "",
            "+5",
            "5 ",
            "0",
            "2",
            "0x5",
            "-1",
            "99999999999",
            "123456",
        ] {
            let mut env = names(&[
                ("UCSPITLS", String::new()),
                ("SSLCTLFD", value.to_owned()),
                ("SSLREADFD", value.to_owned()),
                ("SSLWRITEFD", value.to_owned()),
            ]);
            let error = Door::take(&mut env).expect_err("no descriptor");
            assert!(error.starts_with("unable to offer TLS: "), "{error}");
        }
        let mut env = names(&[("UCSPITLS", String::new())]);
        let error = Door::take(&mut env).expect_err("nothing is named");
        assert!(error.ends_with("SSLCTLFD is not"), "{error}");
    }

    #[test]
    fn the_three_may_be_one_descriptor() {
        let (_ours, number) = pair();
        let mut env = names(&[
            ("UCSPITLS", String::new()),
            ("SSLCTLFD", number.clone()),
            ("SSLREADFD", number.clone()),
            ("SSLWRITEFD", number),
        ]);
        assert!(Door::take(&mut env).expect("open").is_some());
    }

    #[test]
    fn the_tls_program_is_asked_to_begin_and_its_variables_come_back() {
        let (mut control, number) = pair();
        let mut env = names(&[
            ("UCSPITLS", "1".to_owned()),
            ("SSLCTLFD", number.clone()),
            ("SSLREADFD", number.clone()),
            ("SSLWRITEFD", number),
        ]);
        let door = Door::take(&mut env).expect("open").expect("offered");
        // In two pieces.
        control.write_all(b"SSL_PROTOCOL=TLSv1.3\0").expect("room");
        let second = std::thread::spawn(move || {
            let mut byte = [0];
            control.read_exact(&mut byte).expect("a byte");
            std::thread::sleep(Duration::from_millis(5));
            control.write_all(b"SSL_CIPHER=X\0\0").expect("room");
            byte[0]
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        let block = door.begin(deadline).expect("begun");
        assert_eq!(second.join().expect("a byte"), b'Y');
        assert_eq!(block, b"SSL_PROTOCOL=TLSv1.3\0SSL_CIPHER=X\0\0");
    }

    #[test]
    fn a_tls_program_that_says_nothing_is_not_waited_for_longer_than_the_deadline() {
        let (control, number) = pair();
        let mut env = names(&[
            ("UCSPITLS", "1".to_owned()),
            ("SSLCTLFD", number.clone()),
            ("SSLREADFD", number.clone()),
            ("SSLWRITEFD", number),
        ]);
        let door = Door::take(&mut env).expect("open").expect("offered");
        let soon = Instant::now() + Duration::from_millis(30);
        let error = door.begin(soon).expect_err("silence");
        assert_eq!(error, "unable to begin TLS: timed out");
        // One that closes its side has no variables.
        drop(control);
        let (mut control, number) = pair();
        env = names(&[
            ("UCSPITLS", "1".to_owned()),
            ("SSLCTLFD", number.clone()),
            ("SSLREADFD", number.clone()),
            ("SSLWRITEFD", number),
        ]);
        let door = Door::take(&mut env).expect("open").expect("offered");
        control
            .write_all(&[b'x'; VARIABLES_LIMIT + 1])
            .expect("room");
        let later = Instant::now() + Duration::from_secs(5);
        let error = door.begin(later).expect_err("too long");
        assert!(error.ends_with("too long"), "{error}");
    }

    #[test]
    fn only_variables_of_the_family_reach_an_environment() {
        let block = b"SSL_PROTOCOL=TLSv1.2\0LD_PRELOAD=/x\0SSL_CERT_FILE=/x\0PATH=/x\0\
                      SSL_CIPHER=a=b\0SSL_CIPHER x=1\0ssl_cipher=1\0SSL_CLIENT_S_DN=a\nb\0\
                      =x\0SSL_PEER_CERT_HASH\0SSL_TLS_SNI_SERVERNAME=\0SSL_SESSION_ID=cut";
        assert_eq!(
            variables(block),
            [
                ("SSL_PROTOCOL", &b"TLSv1.2"[..]),
                ("SSL_CIPHER", b"a=b"),
                ("SSL_TLS_SNI_SERVERNAME", b""),
            ]
        );
        assert!(variables(b"").is_empty() && variables(b"\0\0").is_empty());
    }

    #[test]
    fn an_encrypted_link_is_told_by_ssl_protocol() {
        let mut env = Env::default();
        assert!(!is_on(&env));
        env.set("PROTO", b"SSL");
        env.set("SSL_PROTOCOL", b"");
        assert!(!is_on(&env));
        add_variables(&mut env, b"\0\0");
        assert!(is_on(&env));
        assert_eq!(env.bytes("SSL_PROTOCOL"), Some(&b"TLS"[..]));
    }
}
