//! What a server says that it can do: the reply to EHLO and LHLO (RFC 5321 section 4.1.1.1), pure.

/// What was offered. Nothing, where the server knows only HELO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// RFC 1870; the limit in bytes is there if it is a limit.
    pub size: Option<Option<u64>>,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 4616.
    pub auth_plain: bool,
    /// AUTH LOGIN, which no RFC has.
    pub auth_login: bool,
}

impl Capabilities {
    /// Reads the lines of the reply without their codes. The first one is a greeting.
    pub fn parse(lines: &[Vec<u8>]) -> Capabilities {
        let mut found = Capabilities::default();
        for line in lines.iter().skip(1) {
            let mut words = line
                .split(|byte| byte.is_ascii_whitespace())
                .filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else {
                continue;
            };
            match keyword.to_ascii_uppercase().as_slice() {
                b"SIZE" => found.size = Some(words.next().and_then(limit)),
                b"8BITMIME" => found.eight_bit_mime = true,
                b"SMTPUTF8" => found.smtputf8 = true,
                b"STARTTLS" => found.starttls = true,
                b"AUTH" => words.for_each(|word| found.mechanism(word)),
                // Old servers write an equal sign for old clients.
                keyword => {
                    if let Some(first) = keyword.strip_prefix(b"AUTH=") {
                        found.mechanism(first);
                        words.for_each(|word| found.mechanism(word));
                    }
                }
            }
        }
        found
    }

    fn mechanism(&mut self, word: &[u8]) {
        self.auth_plain |= word.eq_ignore_ascii_case(b"PLAIN");
        self.auth_login |= word.eq_ignore_ascii_case(b"LOGIN");
    }
}

/// 0 is no limit, and so is what is no number; what is too large for 64 bits is none, either.
fn limit(digits: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(digits).ok()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    number.parse().ok().filter(|&limit| limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Capabilities {
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        Capabilities::parse(&lines)
    }

    #[test]
    fn keywords_are_found_in_any_case_and_others_are_passed_over() {
        let found = parse(&[
            "mx.test at your service",
            "PIPELINING",
            "size 1000",
            "8bitmime",
            "SMTPUTF8",
            "StartTLS",
            "AUTH SCRAM-SHA-1 login PLAIN",
            "",
            "XEXCH50",
        ]);
        let expected = Capabilities {
            size: Some(Some(1000)),
            eight_bit_mime: true,
            smtputf8: true,
            starttls: true,
            auth_plain: true,
            auth_login: true,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_greeting_offers_nothing() {
        assert_eq!(parse(&["STARTTLS"]), Capabilities::default());
        assert_eq!(parse(&[]), Capabilities::default());
    }

    #[test]
    fn the_old_form_of_auth_is_known() {
        let found = parse(&["h", "AUTH=LOGIN CRAM-MD5"]);
        assert!(found.auth_login && !found.auth_plain);
        let found = parse(&["h", "AUTH PLAINTEXT LOGINS", "AUTHPLAIN", "XAUTH PLAIN"]);
        assert_eq!(found, Capabilities::default());
    }

    #[test]
    fn a_size_without_limit_is_offered_all_the_same() {
        for none in [
            "SIZE",
            "SIZE 0",
            "SIZE x",
            "SIZE 99999999999999999999",
            "SIZE -1",
        ] {
            assert_eq!(parse(&["h", none]).size, Some(None), "{none}");
        }
        assert_eq!(parse(&["h", "SIZE 1"]).size, Some(Some(1)));
        assert_eq!(parse(&["h", "SIZED 1"]).size, None);
    }
}
