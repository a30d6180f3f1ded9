//! What is known of a message without reading it.

use imap::date::DateTime;
use imap::write;
use maildir::selection::{Flags, Selection};

use super::plan::Plan;

/// Writes the beginning of the reply and all items that need no reading, without the parenthesis
/// that closes it. If there is no such item nothing is written, and the answer is false.
pub(super) fn write(selection: &mut Selection, n: usize, plan: &Plan, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    head(n, out);
    let first = out.len();
    if plan.uid {
        out.extend_from_slice(b"UID ");
        write::number(out, u64::from(selection.uid(n)));
    }
    if plan.flags {
        space(out, first);
        write_flag_list(selection, n, out);
    }
    if plan.modseq {
        space(out, first);
        out.extend_from_slice(b"MODSEQ (");
        write::number(out, selection.modseq(n));
        out.push(b')');
    }
    if let Some(date) = plan.date.then(|| selection.date(n)).flatten() {
        space(out, first);
        out.extend_from_slice(b"INTERNALDATE ");
        write_date(date, out);
    }
    if let Some(size) = plan.size.then(|| selection.size(n)).flatten() {
        space(out, first);
        out.extend_from_slice(b"RFC822.SIZE ");
        write::number(out, size);
    }
    if out.len() == first {
        out.truncate(start);
        return false;
    }
    true
}

/// `* n FETCH (`.
pub(super) fn head(n: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"* ");
    write::number(out, n as u64 + 1);
    out.extend_from_slice(b" FETCH (");
}

fn space(out: &mut Vec<u8>, first: usize) {
    if out.len() > first {
        out.push(b' ');
    }
}

/// Whether something is asked for that cannot be told, because the message is gone.
pub(super) fn lacks_facts(selection: &mut Selection, n: usize, plan: &Plan) -> bool {
    (plan.size && selection.size(n).is_none()) || (plan.date && selection.date(n).is_none())
}

/// Adds `FLAGS (...)`: the system flags, the keywords by name, \Recent.
pub fn write_flag_list(selection: &Selection, n: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"FLAGS (");
    let first = out.len();
    let flags = selection.flags(n);
    for (flag, name) in [
        (Flags::ANSWERED, &b"\\Answered"[..]),
        (Flags::FLAGGED, b"\\Flagged"),
        (Flags::DELETED, b"\\Deleted"),
        (Flags::SEEN, b"\\Seen"),
        (Flags::DRAFT, b"\\Draft"),
    ] {
        if flags.contains(flag) {
            space(out, first);
            out.extend_from_slice(name);
        }
    }
    for &id in selection.keywords(n) {
        space(out, first);
        out.extend_from_slice(selection.keyword_name(id));
    }
    if selection.is_recent(n) {
        space(out, first);
        out.extend_from_slice(b"\\Recent");
    }
    out.push(b')');
}

/// The last second of the year 9999: a year has four digits.
const LAST: i64 = 253_402_300_799;

/// The first second of the year 0.
const FIRST: i64 = -62_167_219_200;

/// Adds an instant as a `date-time` with its quotes, in UTC: a static program knows no other zone
/// without reading the zone files of the system, and the instant is the same.
pub fn write_date(instant: i64, out: &mut Vec<u8>) {
    let instant = instant.clamp(FIRST, LAST);
    DateTime { instant, zone: 0 }.write(out);
}
