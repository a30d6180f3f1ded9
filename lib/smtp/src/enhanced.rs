//! Enhanced status codes (RFC 2034, RFC 3463) for texts in qmail's form.
//!
//! qmail's programs put the code behind the text, `553 sorry, ... (#5.7.1)`; RFC 2034 wants it
//! between the reply code and the text. A server that announces ENHANCEDSTATUSCODES says all its
//! replies that way, but for the greeting, 354, 3xx of AUTH, and the answers to HELO and EHLO.

/// A status code: class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// 2, 4 or 5.
    pub class: u16,
    /// What it is about.
    pub subject: u16,
    /// In detail.
    pub detail: u16,
}

impl Status {
    /// Reads `5.7.1`, and nothing else: no number has more than three digits.
    pub fn parse(text: &[u8]) -> Option<Status> {
        let mut numbers = text.split(|&byte| byte == b'.').map(|digits| {
            let short = matches!(digits.len(), 1..=3) && digits.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(digits).ok().filter(|_| short)?;
            text.parse::<u16>().ok()
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && matches!(class, 2 | 4 | 5)).then_some(Status {
            class,
            subject,
            detail,
        })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// The reply line `text` (three digits, a blank, a text) with its status code in front: the one that
/// stands behind it in `(#...)`, else `otherwise`, else that of its class that says nothing.
pub fn enhance(text: &str, otherwise: Option<Status>) -> String {
    let (code, rest) = text.split_at_checked(3).unwrap_or((text, ""));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let class = code
        .as_bytes()
        .first()
        .map_or(5, |digit| u16::from(digit.wrapping_sub(b'0')));
    let first = rest.split(' ').next().unwrap_or_default();
    // Whoever speaks through us may have put it there already.
    if Status::parse(first.as_bytes()).is_some_and(|status| status.class == class) {
        return text.to_owned();
    }
    let behind = rest
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once(" (#"))
        .and_then(|(words, status)| Some((words, Status::parse(status.as_bytes())?)))
        .filter(|(_, status)| status.class == class);
    let fallback = otherwise.unwrap_or(Status {
        class,
        subject: 0,
        detail: 0,
    });
    let (words, status) = behind.unwrap_or((rest, fallback));
    format!("{code} {status} {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER_OK: Status = Status {
        class: 2,
        subject: 1,
        detail: 0,
    };

    #[test]
    fn the_code_behind_the_text_comes_before_it() {
        assert_eq!(
            enhance("553 sorry, not in my list (#5.7.1)", None),
            "553 5.7.1 sorry, not in my list"
        );
        assert_eq!(enhance("451 timeout (#4.4.2)", None), "451 4.4.2 timeout");
    }

    #[test]
    fn a_text_without_one_gets_that_of_its_command_or_of_its_class() {
        assert_eq!(enhance("250 ok", Some(SENDER_OK)), "250 2.1.0 ok");
        assert_eq!(enhance("250 ok", None), "250 2.0.0 ok");
        assert_eq!(
            enhance("451 See the page.", None),
            "451 4.0.0 See the page."
        );
    }

    #[test]
    fn a_text_that_begins_with_one_keeps_it() {
        assert_eq!(enhance("550 5.1.1 who?", None), "550 5.1.1 who?");
        assert_eq!(enhance("550 4.1.1 who?", None), "550 5.0.0 4.1.1 who?");
    }

    #[test]
    fn what_only_looks_like_one_stays_in_the_text() {
        assert_eq!(enhance("550 no (#4.1.1)", None), "550 5.0.0 no (#4.1.1)");
        assert_eq!(enhance("550 no (#5.1)", None), "550 5.0.0 no (#5.1)");
        assert_eq!(
            enhance("550 no (#5.1.1) more", None),
            "550 5.0.0 no (#5.1.1) more"
        );
        assert_eq!(enhance("250", None), "250 2.0.0 ");
    }

    #[test]
    fn a_status_has_three_numbers_of_at_most_three_digits() {
        assert_eq!(Status::parse(b"2.1.0"), Some(SENDER_OK));
        assert!(Status::parse(b"5.999.999").is_some());
        for wrong in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "5.1000.1", "5..1", "5.a.1", "+5.1.1",
        ] {
            assert_eq!(Status::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
