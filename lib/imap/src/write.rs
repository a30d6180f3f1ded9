//! Replies: strings, sets and lists, added to a buffer (RFC 3501 section 9). Nothing here allocates
//! but the buffer itself.

use crate::flag::Flag;

/// A longer string is a literal: clients have small buffers for quoted ones.
const QUOTED_BYTES: usize = 1000;

/// A `string`: quoted where it is short and has no 8-bit character, CR, LF or NUL, else a literal.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() > QUOTED_BYTES || !bytes.iter().all(|&byte| may_be_quoted(byte)) {
        literal(out, bytes);
        return;
    }
    out.push(b'"');
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// An `nstring`: NIL for None.
pub fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An `astring`: an atom where possible, else a `string`. What could be taken for something else
/// (NIL, an atom with `]`) is quoted.
pub fn astring(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_atom = !bytes.is_empty()
        && bytes.len() <= QUOTED_BYTES
        && bytes.iter().all(|&byte| crate::cursor::is_atom_char(byte))
        && !bytes.eq_ignore_ascii_case(b"NIL");
    match is_atom {
        true => out.extend_from_slice(bytes),
        false => string(out, bytes),
    }
}

/// A `mailbox`: an `astring`, and INBOX in capitals.
pub fn mailbox(out: &mut Vec<u8>, name: &[u8]) {
    match name.eq_ignore_ascii_case(b"INBOX") {
        true => out.extend_from_slice(b"INBOX"),
        false => astring(out, name),
    }
}

/// A `literal`, whatever is in it.
pub fn literal(out: &mut Vec<u8>, bytes: &[u8]) {
    literal_head(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What stands before so many octets, its line end included.
pub fn literal_head(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

/// A number.
pub fn number(out: &mut Vec<u8>, value: u64) {
    // 20 digits is the most that a u64 has.
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        // A remainder by 10 is one digit.
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A `sequence-set` of ranges as they come; nothing for none, which no reply may have.
pub fn set(out: &mut Vec<u8>, ranges: &[(u32, u32)]) {
    for (n, &(start, end)) in ranges.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        number(out, u64::from(start));
        if end != start {
            out.push(b':');
            number(out, u64::from(end));
        }
    }
}

/// A list of flags in parentheses.
pub fn flags<'a>(out: &mut Vec<u8>, flags: impl IntoIterator<Item = &'a Flag>) {
    out.push(b'(');
    for (n, flag) in flags.into_iter().enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(flag.name());
    }
    out.push(b')');
}

fn may_be_quoted(byte: u8) -> bool {
    byte < 0x80 && !matches!(byte, 0 | b'\r' | b'\n')
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
