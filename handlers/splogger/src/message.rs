//! A piece of a line as syslogd takes it: `<PRI>Mmm dd hh:mm:ss tag: SECONDS.MICROS text`.
//!
//! Up to the tag this is what syslog(3) of glibc sends, RFC 3164 without the host name; what
//! follows is the original's.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::calendar::{DAY, date_of};
use crate::facility::Facility;
use crate::lines::{Piece, Priority};
use crate::zone::Zone;

/// The most bytes of a tag.
pub const TAG_LIMIT: usize = 256;

/// Makes messages.
#[derive(Debug)]
pub struct Messages {
    tag: Vec<u8>,
    facility: Facility,
    zone: Zone,
    /// The header's date, and the second that it is of.
    date: (u64, Vec<u8>),
    /// When the present line was first handed out: its continuations say the same.
    line_at: Duration,
}

impl Messages {
    /// For lines of `tag`, which is cut at [`TAG_LIMIT`].
    pub fn new(tag: &[u8], facility: Facility, zone: Zone) -> Messages {
        Messages {
            tag: tag[..tag.len().min(TAG_LIMIT)].to_vec(),
            facility,
            zone,
            date: (u64::MAX, Vec::new()),
            line_at: Duration::ZERO,
        }
    }

    /// The most bytes of a message beside the text of its line.
    pub fn beside(&self) -> usize {
        // <1023>, the date, a colon, a blank, seconds of 20 digits, a point, six digits, a blank.
        self.tag.len() + 6 + DATE_BYTES + 2 + 20 + 1 + 6 + 1
    }

    /// Writes the message of `piece`, handed out at `now`, into `out`.
    pub fn write(&mut self, piece: Piece<'_>, now: SystemTime, out: &mut Vec<u8>) {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if !piece.continued {
            self.line_at = now;
        }
        if self.date.0 != now.as_secs() {
            self.date = (now.as_secs(), date(now.as_secs(), &self.zone));
        }
        out.clear();
        let number = self.facility.with(piece.priority as u8);
        let stamp = (self.line_at.as_secs(), self.line_at.subsec_micros());
        // Writing to a Vec cannot fail.
        let _ = write!(out, "<{number}>");
        out.extend_from_slice(&self.date.1);
        out.extend_from_slice(&self.tag);
        let _ = write!(out, ": {}.{:06}", stamp.0, stamp.1);
        out.push(if piece.continued { b'+' } else { b' ' });
        out.extend_from_slice(piece.text);
    }

    /// Writes the message that says how many lines were dropped.
    pub fn write_dropped(&mut self, count: u64, now: SystemTime, out: &mut Vec<u8>) {
        let lines = if count == 1 { "line" } else { "lines" };
        let text = format!("warning: {count} {lines} dropped");
        let piece = Piece {
            text: text.as_bytes(),
            priority: Priority::Warning,
            continued: false,
        };
        // In the middle of a line its own time must not be forgotten.
        let line_at = self.line_at;
        self.write(piece, now, out);
        self.line_at = line_at;
    }
}

/// The part of `message` that people read: from the tag on.
pub fn for_people(message: &[u8]) -> &[u8] {
    let number = message.iter().position(|&byte| byte == b'>');
    let tag = number.map_or(0, |at| at + 1 + DATE_BYTES);
    message.get(tag..).unwrap_or(message)
}

const DATE_BYTES: usize = b"Mmm dd hh:mm:ss ".len();

/// `Mmm dd hh:mm:ss ` in local time, the day with a blank for a leading zero.
fn date(second: u64, zone: &Zone) -> Vec<u8> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let second = i64::try_from(second).unwrap_or(0);
    let local = second.saturating_add(i64::from(zone.offset_at(second)));
    let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (_, month, day) = date_of(days);
    let month = usize::try_from(month - 1).ok();
    let month = month.and_then(|at| MONTHS.get(at)).unwrap_or(&MONTHS[0]);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{month} {day:>2} {hour:02}:{minute:02}:{second:02} ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn piece(text: &str, continued: bool) -> Piece<'_> {
        Piece {
            text: text.as_bytes(),
            priority: Priority::Info,
            continued,
        }
    }

    #[test]
    fn a_message_has_number_local_date_tag_time_and_text() {
        let zone = Zone::find(Some(b"EST5"), |_| None);
        let mut messages = Messages::new(b"smtpd", Facility::MAIL, zone);
        let mut out = Vec::new();
        messages.write(piece("hello", false), at(1_764_003_600_000_042), &mut out);
        assert_eq!(out, b"<22>Nov 24 12:00:00 smtpd: 1764003600.000042 hello");
        assert_eq!(for_people(&out), b"smtpd: 1764003600.000042 hello");
        messages.write(piece("hello", false), at(1_762_092_000_999_999), &mut out);
        assert_eq!(out, b"<22>Nov  2 09:00:00 smtpd: 1762092000.999999 hello");
    }

    #[test]
    fn the_pieces_of_a_line_have_one_time_whatever_comes_between_them() {
        let mut messages = Messages::new(b"t", Facility::MAIL, Zone::UTC);
        let mut out = Vec::new();
        messages.write(piece("a", false), at(1_000_001), &mut out);
        messages.write_dropped(2, at(2_000_000), &mut out);
        assert_eq!(
            out,
            b"<20>Jan  1 00:00:02 t: 2.000000 warning: 2 lines dropped"
        );
        messages.write(piece("b", true), at(3_000_000), &mut out);
        assert_eq!(out, b"<22>Jan  1 00:00:03 t: 1.000001+b");
    }

    #[test]
    fn a_tag_of_the_limit_stays_whole_and_a_longer_one_is_cut() {
        for (length, kept) in [(TAG_LIMIT, TAG_LIMIT), (TAG_LIMIT + 1, TAG_LIMIT)] {
            let tag = vec![b't'; length];
            let mut messages = Messages::new(&tag, Facility::MAIL, Zone::UTC);
            let mut out = Vec::new();
            messages.write(piece("a", false), at(0), &mut out);
            let text = for_people(&out);
            assert_eq!(text.iter().position(|&byte| byte == b':'), Some(kept));
        }
    }
}
