//! The challenges of one connection.

use std::io;

/// They are made where logins are decided about, not where the network is read: with a challenge
/// of its own choice an attacker could use a digest that he has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// What the greeting shows, with its angle brackets.
    pub apop: Vec<u8>,
    /// What CRAM-MD5 sends before base64, with its angle brackets.
    pub cram: Vec<u8>,
}

impl Challenges {
    /// New ones, with `host` in them.
    pub fn make(host: &[u8]) -> io::Result<Challenges> {
        Ok(Challenges {
            apop: auth::challenge::make(host)?,
            cram: auth::challenge::make(host)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_greeting_shows_is_no_answer_to_the_other_challenge() {
        let made = Challenges::make(b"h").expect("random");
        assert_ne!(made.apop, made.cram);
    }
}
