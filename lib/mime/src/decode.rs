//! Transfer encodings (RFC 2045 section 6).

use std::borrow::Cow;

use memchr::memchr;

pub use crate::charset::{TextDecoder, charset_to_utf8, is_known as is_known_charset};

/// A transfer encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// 7bit, 8bit, binary, and whatever is not known: the bytes are what they are.
    #[default]
    Identity,
    /// base64
    Base64,
    /// quoted-printable
    QuotedPrintable,
}

impl Encoding {
    /// By the value of Content-Transfer-Encoding, in any case; none means none.
    pub fn of(name: Option<&[u8]>) -> Encoding {
        let name = name.unwrap_or_default();
        if name.eq_ignore_ascii_case(b"base64") {
            Encoding::Base64
        } else if name.eq_ignore_ascii_case(b"quoted-printable") {
            Encoding::QuotedPrintable
        } else {
            Encoding::Identity
        }
    }
}

/// The body of a part without its transfer encoding. See [`Decoder`] for what does not follow the
/// rules, and for large bodies.
pub fn content(body: &[u8], encoding: Encoding) -> Cow<'_, [u8]> {
    if encoding == Encoding::Identity {
        return Cow::Borrowed(body);
    }
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::new();
    decoder.feed(body, &mut out);
    decoder.finish(&mut out);
    Cow::Owned(out)
}

/// Takes a transfer encoding off a body that is fed in pieces; where it is cut makes no difference.
///
/// In base64 what is none of its characters is passed over, padding ends a group wherever it stands,
/// and a last group may lack it. In quoted-printable an `=` that means nothing stands for itself, and
/// so does white space at the end of a line.
#[derive(Clone, Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// Base64: the bits of a group, and how many characters they come from.
    bits: u32,
    count: u8,
    /// Quoted-printable: an `=` and what may belong to it.
    held: Vec<u8>,
}

/// How much white space may stand between the `=` of a soft line break and its line end.
const MOST_HELD: usize = 256;

impl Decoder {
    /// For a body in this encoding.
    pub fn new(encoding: Encoding) -> Decoder {
        Decoder {
            encoding,
            bits: 0,
            count: 0,
            held: Vec::new(),
        }
    }

    /// Decodes the next piece onto `out`, which grows by no more than the size of the piece and what
    /// was held back of those before, less than 300 bytes.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            Encoding::Identity => out.extend_from_slice(piece),
            Encoding::Base64 => self.base64(piece, out),
            Encoding::QuotedPrintable => self.quoted_printable(piece, out),
        }
    }

    /// Decodes what is left at the end of the body.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_group(out);
        // A soft line break whose line end belongs to the boundary.
        if self.held.get(1).is_some_and(u8::is_ascii_hexdigit) {
            out.append(&mut self.held);
        }
        self.held.clear();
    }

    fn base64(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() / 4 * 3 + 6);
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            // Whole groups in a row are most of it.
            if self.count == 0 {
                while let [a, b, c, d, behind @ ..] = rest {
                    let [a, b, c, d] = [a, b, c, d].map(|&byte| BASE64[usize::from(byte)]);
                    if (a | b | c | d) >= NOTHING {
                        break;
                    }
                    let [a, b, c, d] = [a, b, c, d].map(u32::from);
                    let [_, one, two, three] = (a << 18 | b << 12 | c << 6 | d).to_be_bytes();
                    out.extend_from_slice(&[one, two, three]);
                    rest = behind;
                }
                if rest.len() < behind.len() + 1 {
                    continue;
                }
            }
            rest = behind;
            match BASE64[usize::from(byte)] {
                PADDING => self.end_group(out),
                NOTHING => {}
                six => {
                    self.bits = self.bits << 6 | u32::from(six);
                    self.count += 1;
                    if self.count == 4 {
                        out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                        (self.bits, self.count) = (0, 0);
                    }
                }
            }
        }
    }

    /// The whole bytes of a group that is not whole.
    fn end_group(&mut self, out: &mut Vec<u8>) {
        match self.count {
            2 => out.extend_from_slice(&(self.bits << 12).to_be_bytes()[1..2]),
            3 => out.extend_from_slice(&(self.bits << 6).to_be_bytes()[1..3]),
            _ => {}
        }
        (self.bits, self.count) = (0, 0);
    }

    fn quoted_printable(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        loop {
            if self.held.is_empty() {
                let plain = memchr(b'=', rest).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..plain]);
                rest = &rest[plain..];
                let Some((_, behind)) = rest.split_first() else {
                    return;
                };
                self.held.push(b'=');
                rest = behind;
            }
            let Some((&byte, behind)) = rest.split_first() else {
                return;
            };
            match (self.held.last(), byte) {
                (Some(b'='), byte) if byte.is_ascii_hexdigit() => self.held.push(byte),
                (Some(&high), low) if high.is_ascii_hexdigit() => {
                    if let Some(byte) = hex(high, low) {
                        out.push(byte);
                        self.held.clear();
                    } else {
                        out.append(&mut self.held);
                        continue;
                    }
                }
                (_, b'\n') => self.held.clear(),
                (_, b' ' | b'\t' | b'\r') if self.held.len() < MOST_HELD => self.held.push(byte),
                _ => {
                    out.append(&mut self.held);
                    continue;
                }
            }
            rest = behind;
        }
    }
}

/// The byte that two hexadecimal digits mean.
pub(crate) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(high)? << 4 | digit(low)?)
}

const NOTHING: u8 = 64;
const PADDING: u8 = 65;

/// What each byte means in base64.
const BASE64: [u8; 256] = {
    let mut table = [NOTHING; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut six = 0u8;
    while six < 64 {
        table[alphabet[six as usize] as usize] = six;
        six += 1;
    }
    table[b'=' as usize] = PADDING;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &str, encoding: Encoding) -> String {
        let whole = content(body.as_bytes(), encoding).into_owned();
        // In pieces it must be the same.
        for size in [1, 2, 3, 5] {
            let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
            for piece in body.as_bytes().chunks(size) {
                decoder.feed(piece, &mut out);
            }
            decoder.finish(&mut out);
            assert_eq!(out, whole, "{body:?} by {size}");
        }
        String::from_utf8_lossy(&whole).into_owned()
    }

    #[test]
    fn encodings_are_known_by_their_names_in_any_case() {
        assert_eq!(Encoding::of(Some(b"BASE64")), Encoding::Base64);
        assert_eq!(
            Encoding::of(Some(b"Quoted-Printable")),
            Encoding::QuotedPrintable
        );
        for name in [None, Some(&b"8bit"[..]), Some(b"x-uuencode"), Some(b"")] {
            assert_eq!(Encoding::of(name), Encoding::Identity);
        }
    }

    #[test]
    fn what_is_not_encoded_is_not_copied() {
        assert!(matches!(
            content(b"=41", Encoding::Identity),
            Cow::Borrowed(b"=41")
        ));
    }

    #[test]
    fn base64_is_read_with_all_its_faults() {
        let read = |body| decoded(body, Encoding::Base64);
        assert_eq!(read("SGVsbG8="), "Hello");
        assert_eq!(read("SGVsbG8"), "Hello");
        assert_eq!(read("SGVs\r\nbG8h\r\n"), "Hello!");
        assert_eq!(read("SGVs bG8 !"), "Hello");
        assert_eq!(read("SGk=SGk=\n"), "HiHi");
        assert_eq!(read("SGkh=="), "Hi!");
        assert_eq!(read("S"), "");
        assert_eq!(read("===="), "");
        assert_eq!(read(""), "");
    }

    #[test]
    fn quoted_printable_is_read_with_all_its_faults() {
        let read = |body| decoded(body, Encoding::QuotedPrintable);
        assert_eq!(read("J=C3=B6rg =3d x"), "J\u{f6}rg = x");
        assert_eq!(
            read("soft=\r\n line=\nbreak= \t\r\ns=\r\n"),
            "soft linebreaks"
        );
        assert_eq!(read("soft at the end="), "soft at the end");
        assert_eq!(read("soft at the end= \r"), "soft at the end");
        assert_eq!(read("a = b =x =4 =4x ==41 =\rx"), "a = b =x =4 =4x =A =\rx");
        assert_eq!(read("cut =4"), "cut =4");
        assert_eq!(read("white  \r\nspace"), "white  \r\nspace");
        let held = format!("={}\n", " ".repeat(MOST_HELD - 1));
        assert_eq!(read(&held), "");
        let longer = format!("={}\n", " ".repeat(MOST_HELD));
        assert_eq!(read(&longer), longer);
    }
}
