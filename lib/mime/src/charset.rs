//! Charsets, to UTF-8. The tables are encoding_rs's, which knows what browsers know.

use std::borrow::Cow;

use encoding_rs::{CoderResult, REPLACEMENT, WINDOWS_1252};

/// Text in a charset, as UTF-8. See [`TextDecoder`] for charsets that are not known, and for large texts.
pub fn charset_to_utf8<'a>(bytes: &'a [u8], label: Option<&[u8]>) -> Cow<'a, str> {
    let mut decoder = TextDecoder::new(label);
    if decoder.reads_utf8()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    decoder.feed(bytes, &mut out);
    decoder.finish(&mut out);
    Cow::Owned(out)
}

/// Turns text in a charset to UTF-8, fed in pieces; where it is cut makes no difference.
///
/// A charset that is missing, not known or not supported (UTF-7 is not), and US-ASCII, are taken to be
/// UTF-8 as long as the bytes are, and windows-1252 from the first byte on that cannot be: what mail
/// without or with a false charset has. In a charset that is known, bytes that mean nothing are
/// U+FFFD.
pub struct TextDecoder(State);

enum State {
    /// What is not declared, and the beginning of a character whose end has not come.
    Guess(Vec<u8>),
    Known(encoding_rs::Decoder),
}

impl std::fmt::Debug for TextDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.0 {
            State::Guess(_) => "unknown",
            State::Known(decoder) => decoder.encoding().name(),
        };
        f.debug_tuple("TextDecoder").field(&name).finish()
    }
}

impl TextDecoder {
    /// For text in this charset.
    pub fn new(label: Option<&[u8]>) -> TextDecoder {
        TextDecoder(match label.and_then(known) {
            // A byte order mark says more than a label.
            Some(encoding) => State::Known(encoding.new_decoder()),
            None => State::Guess(Vec::new()),
        })
    }

    fn reads_utf8(&self) -> bool {
        match &self.0 {
            State::Guess(_) => true,
            State::Known(decoder) => decoder.encoding() == encoding_rs::UTF_8,
        }
    }

    /// Decodes the next piece onto `out`, which grows by three times the size of the piece at most,
    /// but for a few bytes.
    pub fn feed(&mut self, piece: &[u8], out: &mut String) {
        match &mut self.0 {
            State::Known(decoder) => decode(decoder, piece, false, out),
            State::Guess(begun) => {
                let joined;
                let bytes = if begun.is_empty() {
                    piece
                } else {
                    joined = [begun, piece].concat();
                    &joined
                };
                let error = match std::str::from_utf8(bytes) {
                    Ok(text) => {
                        out.push_str(text);
                        begun.clear();
                        return;
                    }
                    Err(error) => error,
                };
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                out.push_str(&String::from_utf8_lossy(valid));
                if error.error_len().is_none() {
                    *begun = rest.to_vec();
                } else {
                    let mut decoder = WINDOWS_1252.new_decoder_without_bom_handling();
                    decode(&mut decoder, rest, false, out);
                    self.0 = State::Known(decoder);
                }
            }
        }
    }

    /// Decodes what is left at the end of the text, which is nothing but the beginning of a character.
    pub fn finish(&mut self, out: &mut String) {
        match &mut self.0 {
            State::Known(decoder) => decode(decoder, b"", true, out),
            State::Guess(begun) => out.push_str(&WINDOWS_1252.decode_without_bom_handling(begun).0),
        }
        self.0 = State::Guess(Vec::new());
    }
}

fn decode(decoder: &mut encoding_rs::Decoder, mut bytes: &[u8], last: bool, out: &mut String) {
    loop {
        // As much as UTF-8 may need; without a number for it, a size that always gets on.
        out.reserve(
            decoder
                .max_utf8_buffer_length(bytes.len())
                .unwrap_or(1 << 16),
        );
        let (result, read, _) = decoder.decode_to_string(bytes, out, last);
        bytes = &bytes[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

/// Whether a charset of this name is known here.
pub fn is_known(label: &[u8]) -> bool {
    known(label).is_some() || is_ascii(label)
}

fn is_ascii(label: &[u8]) -> bool {
    [&b"us-ascii"[..], b"ascii", b"ansi_x3.4-1968"]
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name))
}

fn known(label: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if is_ascii(label) {
        return None;
    }
    // What Microsoft's programs call them, and the standard does not.
    let label = match label.to_ascii_lowercase().as_slice() {
        b"cp932" => &b"shift_jis"[..],
        b"cp936" => b"gbk",
        b"cp949" => b"euc-kr",
        b"cp950" => b"big5",
        _ => label,
    };
    encoding_rs::Encoding::for_label(label).filter(|&encoding| encoding != REPLACEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], label: Option<&str>) -> String {
        let label = label.map(str::as_bytes);
        let whole = charset_to_utf8(bytes, label).into_owned();
        for size in 1..4 {
            let (mut decoder, mut out) = (TextDecoder::new(label), String::new());
            for piece in bytes.chunks(size) {
                decoder.feed(piece, &mut out);
            }
            decoder.finish(&mut out);
            assert_eq!(out, whole, "{bytes:?} by {size}");
        }
        whole
    }

    #[test]
    fn charsets_are_decoded() {
        assert_eq!(text(b"J\xf6rg", Some("ISO-8859-1")), "J\u{f6}rg");
        assert_eq!(text("J\u{f6}rg".as_bytes(), Some("utf-8")), "J\u{f6}rg");
        assert_eq!(
            text(b"\x1b$B4A;z\x1b(B!", Some("iso-2022-jp")),
            "\u{6f22}\u{5b57}!"
        );
        assert_eq!(text(b"\x8a\xbf\x8e\x9a", Some("cp932")), "\u{6f22}\u{5b57}");
        assert_eq!(text(b"\xcb\xc4", Some("koi8-r")), "\u{43a}\u{434}");
        assert_eq!(text(b"\xff\xfea\0", Some("utf-16")), "a");
        assert_eq!(text(b"\xff", Some("utf-8")), "\u{fffd}");
    }

    #[test]
    fn without_a_charset_it_is_utf_8_or_else_windows_1252() {
        for label in [
            None,
            Some("us-ascii"),
            Some("x-unknown"),
            Some("utf-7"),
            Some("hz-gb-2312"),
        ] {
            assert_eq!(text(b"plain", label), "plain");
            assert_eq!(
                text("J\u{f6}rg \u{1f600}".as_bytes(), label),
                "J\u{f6}rg \u{1f600}"
            );
            assert_eq!(text(b"J\xf6rg \x80", label), "J\u{f6}rg \u{20ac}");
            assert_eq!(text(b"\xc3", label), "\u{c3}");
            assert_eq!(text(b"\xe2\x82", label), "\u{e2}\u{201a}");
        }
    }

    #[test]
    fn utf_8_is_not_copied() {
        assert!(matches!(
            charset_to_utf8(b"abc", Some(b"utf-8")),
            Cow::Borrowed("abc")
        ));
        assert!(matches!(
            charset_to_utf8(b"abc", None),
            Cow::Borrowed("abc")
        ));
    }
}
