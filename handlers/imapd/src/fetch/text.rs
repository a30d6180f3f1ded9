//! Strings out of messages, as replies have them.

use std::borrow::Cow;

use imap::write;
use memchr::memchr;

/// The most bytes of one string: more is no name and no subject, and a reply is collected in memory.
pub(super) const STRING_BYTES: usize = 64 * 1024;

/// What stands for NUL, which no string may have: U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// A string, cut where it is too long.
pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(STRING_BYTES)];
    match memchr(0, bytes) {
        None => write::string(out, bytes),
        Some(_) => {
            let mut clean = Vec::with_capacity(bytes.len() + 16);
            for (n, piece) in bytes.split(|&byte| byte == 0).enumerate() {
                if n > 0 {
                    clean.extend_from_slice(REPLACEMENT);
                }
                clean.extend_from_slice(piece);
            }
            write::string(out, &clean);
        }
    }
}

/// A string or NIL.
pub(super) fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Text for people (a subject, a name): on one line, with one space for white space of any length,
/// and none at its ends.
pub(super) fn squashed(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.trim_ascii();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let is_even = |pair: &[u8]| !is_space(&pair[0]) || (pair[0] == b' ' && !is_space(&pair[1]));
    if bytes.windows(2).all(is_even) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    for word in bytes.split(is_space).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    Cow::Owned(out)
}

/// A value on one line: its line ends go, and the white space before it. That at its end stays, as in
/// Dovecot's replies.
pub(super) fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii_start();
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for (n, line) in value.split(|&byte| byte == b'\n').enumerate() {
        if n > 0 && out.last() == Some(&b'\r') {
            out.pop();
        }
        out.extend_from_slice(line);
    }
    Cow::Owned(out)
}
