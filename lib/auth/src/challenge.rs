//! Challenges that nobody can guess and that never come twice.
//!
//! The originals' are made of a process id and the second, so a client can be asked for a digest
//! today that will be right at a time of the attacker's choice. Ours has 16 random bytes, and the
//! time only because RFC 1939 section 7 and RFC 2195 section 2 want one.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The most bytes of the host's name in a challenge: a greeting is a reply of 512 octets at most.
const HOST_LIMIT: usize = 255;

/// A new one for APOP or CRAM-MD5, with its angle brackets. To be made where logins are decided
/// about: with a challenge of its own choice an attacker could use a digest that he has seen.
pub fn make(host: &[u8]) -> io::Result<Vec<u8>> {
    let mut random = [0; 16];
    os::process::random(&mut random)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |since| since.as_secs());
    Ok(challenge(&random, seconds, host))
}

/// `<random.seconds@host>`, with no byte in it that could end it or its line.
fn challenge(random: &[u8], seconds: u64, host: &[u8]) -> Vec<u8> {
    let mut text = format!("<{}.{seconds}@", URL_SAFE_NO_PAD.encode(random)).into_bytes();
    text.extend(host.iter().take(HOST_LIMIT).map(|&byte| match byte {
        b'<' | b'>' | b'@' => b'?',
        b'!'..=b'~' => byte,
        _ => b'?',
    }));
    text.push(b'>');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_challenge_comes_twice() {
        assert_ne!(make(b"h").expect("random"), make(b"h").expect("random"));
    }

    #[test]
    fn a_challenge_looks_like_a_message_id() {
        assert_eq!(
            challenge(&[0; 16], 1_700_000_000, b"mx.example.org"),
            b"<AAAAAAAAAAAAAAAAAAAAAA.1700000000@mx.example.org>"
        );
    }

    #[test]
    fn no_host_breaks_the_challenge_or_the_greeting() {
        let text = challenge(&[0; 16], 1, b"a>\r\n+OK <\xff @b");
        assert!(
            text.ends_with(b".1@a???+OK?????b>"),
            "{}",
            text.escape_ascii()
        );
        assert!(challenge(&[0; 16], u64::MAX, &[b'h'; 4096]).len() < 320);
    }
}
