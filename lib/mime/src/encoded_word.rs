//! Encoded words in header fields (RFC 2047).

use std::borrow::Cow;

use memchr::memmem;

use crate::charset::{charset_to_utf8, is_known};
use crate::decode::{Encoding, content, hex};
use crate::header::unfold;

/// How long the name of a charset may be.
const MOST_CHARSET: usize = 64;

/// The text of a field's value: unfolded, its encoded words decoded, and what is left as it is in
/// [`charset_to_utf8`] without a charset.
///
/// White space between two encoded words is none. Where two of them have the same charset and
/// encoding, a character may begin in one and end in the other. Encoded words are also seen where
/// they should not be, in quotes and inside of words, for they are written there; one in a charset
/// that is not known, or that is broken, stays as it is.
///
/// ```
/// let text = mime::encoded_word::header_text(b"=?utf-8?q?J=C3?= \r\n =?utf-8?q?=B6rg?= =?x?q?y?=");
/// assert_eq!(text, "J\u{f6}rg =?x?q?y?=");
/// ```
pub fn header_text(value: &[u8]) -> String {
    let value = unfold(value);
    let mut out = String::with_capacity(value.len());
    let mut run = Run::default();
    let mut rest = &value[..];
    // What stands before the place where an encoded word may begin.
    let mut plain = 0;
    while let Some(found) = memmem::find(&rest[plain..], b"=?") {
        let start = plain + found;
        let Some((word, length)) = word(&rest[start..]) else {
            plain = start + 2;
            continue;
        };
        let before = &rest[..start];
        if !(run.is_open && before.iter().all(u8::is_ascii_whitespace)) {
            run.end(&mut out);
            out.push_str(&charset_to_utf8(before, None));
        }
        run.add(&word, &mut out);
        rest = &rest[start + length..];
        plain = 0;
    }
    run.end(&mut out);
    out.push_str(&charset_to_utf8(rest, None));
    out
}

/// Encoded words that follow each other.
#[derive(Debug, Default)]
struct Run<'a> {
    is_open: bool,
    charset: &'a [u8],
    bytes: Vec<u8>,
}

impl<'a> Run<'a> {
    fn add(&mut self, word: &Word<'a>, out: &mut String) {
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.end(out);
        }
        self.is_open = true;
        self.charset = word.charset;
        self.bytes.extend_from_slice(&word.text());
    }

    fn end(&mut self, out: &mut String) {
        out.push_str(&charset_to_utf8(&self.bytes, Some(self.charset)));
        self.bytes.clear();
        self.is_open = false;
    }
}

/// `=?charset?encoding?text?=`
#[derive(Debug)]
struct Word<'a> {
    charset: &'a [u8],
    is_base64: bool,
    text: &'a [u8],
}

impl<'a> Word<'a> {
    fn text(&self) -> Cow<'a, [u8]> {
        if self.is_base64 {
            return content(self.text, Encoding::Base64);
        }
        let mut out = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = behind;
            match (byte, behind) {
                (b'=', [high, low, ..]) if hex(*high, *low).is_some() => {
                    out.extend(hex(*high, *low));
                    rest = &behind[2..];
                }
                (b'_', _) => out.push(b' '),
                _ => out.push(byte),
            }
        }
        Cow::Owned(out)
    }
}

/// The encoded word that stands here, and its length.
fn word(bytes: &[u8]) -> Option<(Word<'_>, usize)> {
    let rest = bytes.strip_prefix(b"=?")?;
    let window = &rest[..rest.len().min(MOST_CHARSET + 1)];
    let mark = memchr::memchr(b'?', window)?;
    // A language may stand behind the charset (RFC 2231 section 5).
    let charset = rest[..mark].split(|&byte| byte == b'*').next()?;
    let is_base64 = match rest.get(mark + 1..mark + 3)? {
        b"B?" | b"b?" => true,
        b"Q?" | b"q?" => false,
        _ => return None,
    };
    if !is_known(charset) {
        return None;
    }
    let text = &rest[mark + 3..];
    let end = memmem::find(text, b"?=")?;
    let word = Word {
        charset,
        is_base64,
        text: &text[..end],
    };
    Some((word, 2 + mark + 3 + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        header_text(value.as_bytes())
    }

    #[test]
    fn the_examples_of_the_rfc_are_decoded() {
        for (value, expected) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  \r\n   =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            (
                "=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>",
                "Keith Moore <moore@cs.utk.edu>",
            ),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                "If you can read this you understand the example.",
            ),
            ("=?US-ASCII*EN?Q?Keith?=", "Keith"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn a_character_may_be_cut_by_the_end_of_a_word() {
        assert_eq!(
            text("=?utf-8?B?w7bD?=\r\n =?UTF-8?B?tg==?="),
            "\u{f6}\u{f6}"
        );
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        for value in [
            "",
            "=",
            "=?",
            "=?utf-8",
            "=?utf-8?",
            "=?utf-8?q",
            "=?utf-8?q?",
            "=?utf-8?q?abc",
            "=?utf-8?x?abc?=",
            "=?nonsense?q?abc?=",
            "=?utf-7?q?abc?=",
            "=??q?abc?=",
            "a =? b ?= c",
        ] {
            assert_eq!(text(value), value);
        }
    }

    #[test]
    fn words_are_decoded_where_they_should_not_be() {
        assert_eq!(text("\"=?utf-8?q?a_b?=\"x=?utf-8?q?c d?=y"), "\"a b\"xc dy");
        assert_eq!(text("=?utf-8?q?=3?= =?utf-8?q?=zz=41?="), "=3=zzA");
        assert_eq!(text("=?=?utf-8?q?a?="), "=?a");
    }

    #[test]
    fn other_text_is_unfolded_and_read_as_utf_8_or_windows_1252() {
        assert_eq!(text("  a\r\n b\n\tc  "), "a b\tc");
        assert_eq!(
            header_text(b"J\xf6rg =?utf-8?q?=C3=B6?= J\xc3\xb6rg"),
            "J\u{f6}rg \u{f6} J\u{f6}rg"
        );
    }

    #[test]
    fn no_value_takes_more_than_linear_time() {
        for piece in [
            "=?",
            "=?utf-8?q?",
            "=?utf-8?q??=",
            "=?utf-8?b?",
            "=?x?q?a?=",
            "?=",
        ] {
            let value = piece.repeat(1 << 15);
            let start = std::time::Instant::now();
            header_text(value.as_bytes());
            assert!(start.elapsed().as_secs() < 10, "{piece}");
        }
    }
}
