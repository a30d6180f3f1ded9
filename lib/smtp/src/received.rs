//! The Received header (RFC 5321 section 4.4, in qmail-smtpd's form) and the count of those that
//! a message has already.

use std::time::{SystemTime, UNIX_EPOCH};

/// A message with so many hops is going round.
pub const HOP_LIMIT: u32 = 100;

/// The most bytes of a value from outside that go into the header.
const VALUE_BYTES: usize = 255;

/// What the header says.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The client's name, or `unknown`.
    pub remote_host: &'a [u8],
    /// What the client called itself, `None` before HELO and EHLO.
    pub helo: Option<&'a [u8]>,
    /// Who the client is, if something has found that out.
    pub remote_info: Option<&'a [u8]>,
    /// The client's address, or `unknown`.
    pub remote_ip: &'a [u8],
    /// Our name.
    pub local: &'a [u8],
    /// How it came: [`word`].
    pub with: &'a str,
    /// The protocol version of TLS, on an encrypted link.
    pub tls: Option<&'a [u8]>,
    /// The id that the reply and the log have, too.
    pub id: &'a str,
    /// When the message began.
    pub at: SystemTime,
}

impl Received<'_> {
    /// The header's two lines, with LF.
    pub fn lines(&self) -> Vec<u8> {
        let mut out = b"Received: from ".to_vec();
        put(&mut out, self.remote_host);
        if let Some(helo) = self.helo
            && !helo.eq_ignore_ascii_case(self.remote_host)
        {
            out.extend_from_slice(b" (HELO ");
            put(&mut out, helo);
            out.push(b')');
        }
        out.extend_from_slice(b" (");
        if let Some(info) = self.remote_info {
            put(&mut out, info);
            out.push(b'@');
        }
        put(&mut out, self.remote_ip);
        out.extend_from_slice(b")\n  by ");
        put(&mut out, self.local);
        out.extend_from_slice(format!(" with {}", self.with).as_bytes());
        if let Some(version) = self.tls {
            out.extend_from_slice(b" (");
            put(&mut out, version);
            out.push(b')');
        }
        let rest = format!(" id {}; {}\n", self.id, date(self.at));
        out.extend_from_slice(rest.as_bytes());
        out
    }
}

/// What stands behind `with` (RFC 3848, RFC 6531): `SMTP` after HELO, else `ESMTP` or, for a message in
/// UTF-8, `UTF8SMTP`; then S on an encrypted link, and A from somebody who has logged in.
pub fn word(esmtp: bool, utf8: bool, tls: bool, auth: bool) -> String {
    let mut word = String::from(match (esmtp, utf8) {
        (false, _) => return "SMTP".to_owned(),
        (true, false) => "ESMTP",
        (true, true) => "UTF8SMTP",
    });
    word.extend(tls.then_some('S'));
    word.extend(auth.then_some('A'));
    word
}

/// Adds a value from outside: what could end a comment or a line becomes `?`.
fn put(out: &mut Vec<u8>, value: &[u8]) {
    let shown = &value[..value.len().min(VALUE_BYTES)];
    out.extend(shown.iter().map(|&byte| {
        if byte.is_ascii_alphanumeric() || b".@%+/=:-[]".contains(&byte) {
            byte
        } else {
            b'?'
        }
    }));
}

/// A date of RFC 5322 in UTC: `26 Sep 1995 04:46:54 -0000`.
pub fn date(at: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year; 400
    // years have 146,097 days, and each run of five months from March on has 153.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let name = usize::try_from(month)
        .ok()
        .and_then(|month| MONTHS.get(month))
        .unwrap_or(&MONTHS[0]);
    format!("{day} {name} {year} {hour:02}:{minute:02}:{second:02} -0000")
}

/// Counts the hops in a message as it passes: header lines that begin with `received` or
/// `delivered` in any case.
#[derive(Debug, Default)]
pub struct Hops {
    /// The beginning of the line.
    start: Vec<u8>,
    in_body: bool,
    count: u32,
}

impl Hops {
    /// Takes stored bytes (LF line ends) as they come.
    pub fn feed(&mut self, bytes: &[u8]) {
        const WORDS: [&[u8]; 2] = [b"received", b"delivered"];
        for &byte in bytes {
            if self.in_body {
                return;
            }
            if byte == b'\n' {
                self.in_body = self.start.is_empty();
                self.start.clear();
            } else if self.start.len() < 10 {
                self.start.push(byte);
                if WORDS
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(&self.start))
                {
                    self.count = self.count.saturating_add(1);
                }
            }
        }
    }

    /// Whether the message is going round.
    pub fn too_many(&self) -> bool {
        self.count >= HOP_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn dates_are_right_at_the_edges_of_months_and_leap_years() {
        for (seconds, text) in [
            (0, "1 Jan 1970 00:00:00 -0000"),
            (812_090_814, "26 Sep 1995 04:46:54 -0000"),
            (951_782_400, "29 Feb 2000 00:00:00 -0000"),
            (951_868_800, "1 Mar 2000 00:00:00 -0000"),
            (1_709_251_199, "29 Feb 2024 23:59:59 -0000"),
            (1_767_225_599, "31 Dec 2025 23:59:59 -0000"),
            (1_767_225_600, "1 Jan 2026 00:00:00 -0000"),
            (4_107_542_400, "1 Mar 2100 00:00:00 -0000"),
        ] {
            assert_eq!(date(at(seconds)), text);
        }
    }

    fn received() -> Received<'static> {
        Received {
            remote_host: b"mail.s.example",
            helo: Some(b"Mail.S.example"),
            remote_info: None,
            remote_ip: b"192.0.2.1",
            local: b"mx.here.example",
            with: "SMTP",
            tls: None,
            id: "812090814.77",
            at: at(812_090_814),
        }
    }

    fn text(received: Received<'_>) -> String {
        String::from_utf8(received.lines()).expect("ASCII")
    }

    #[test]
    fn the_header_is_two_lines() {
        assert_eq!(
            text(received()),
            "Received: from mail.s.example (192.0.2.1)\n  \
             by mx.here.example with SMTP id 812090814.77; 26 Sep 1995 04:46:54 -0000\n"
        );
    }

    #[test]
    fn a_name_of_its_own_who_it_is_and_the_protocol_are_told() {
        let full = Received {
            helo: Some(b"other"),
            remote_info: Some(b"joe"),
            with: "ESMTPS",
            tls: Some(b"TLSv1.3"),
            ..received()
        };
        let lines = text(full);
        assert!(lines.starts_with("Received: from mail.s.example (HELO other) (joe@192.0.2.1)\n"));
        assert!(lines.contains(" with ESMTPS (TLSv1.3) id "));
        let silent = Received {
            helo: None,
            ..received()
        };
        assert!(text(silent).starts_with("Received: from mail.s.example (192.0.2.1)\n"));
    }

    #[test]
    fn values_from_outside_cannot_leave_their_place() {
        let odd = Received {
            helo: Some(b"a)\r\nX: y_(z\xff[::1]"),
            remote_info: Some(b"j e"),
            remote_ip: b"::1",
            ..received()
        };
        assert!(
            text(odd)
                .starts_with("Received: from mail.s.example (HELO a???X:?y??z?[::1]) (j?e@::1)\n")
        );
        let long = [b'x'; VALUE_BYTES + 1];
        let lines = text(Received {
            helo: Some(&long),
            ..received()
        });
        assert!(lines.contains(&format!("HELO {})", "x".repeat(VALUE_BYTES))));
    }

    fn hops(message: &[u8]) -> u32 {
        let mut whole = Hops::default();
        whole.feed(message);
        let mut single = Hops::default();
        message.iter().for_each(|&byte| single.feed(&[byte]));
        assert_eq!(whole.count, single.count);
        whole.count
    }

    #[test]
    fn header_lines_that_begin_with_the_words_are_counted() {
        assert_eq!(
            hops(b"Received: x\nDELIVERED-To: y\nreceivedx\nSubject: z\n"),
            3
        );
        assert_eq!(hops(b"X-Received: x\n received\nReceive: x\n"), 0);
        assert_eq!(hops(b"Received\n\nReceived: in the body\n"), 1);
        assert_eq!(hops(b"\nReceived: in the body\n"), 0);
    }

    #[test]
    fn at_the_limit_and_not_one_below_the_message_is_going_round() {
        let mut hops = Hops::default();
        hops.feed(&b"Received: x\n".repeat(99));
        assert!(!hops.too_many());
        hops.feed(b"Delivered-To: x\n");
        assert!(hops.too_many());
    }
}
